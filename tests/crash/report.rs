//! What a run shows while it goes on, and what it leaves behind.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// How much is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// What continuous integration runs.
    Short,
    /// `STEPWELL_CRASH=long`.
    Long,
}

impl Mode {
    pub fn of_environment() -> Self {
        if env::var("STEPWELL_CRASH").is_ok_and(|mode| mode == "long") { Self::Long } else { Self::Short }
    }

    /// One of two.
    pub fn pick<T>(self, short: T, long: T) -> T {
        match self {
            Self::Short => short,
            Self::Long => long,
        }
    }
}

static ROWS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A fresh folder for a trial. It stays if the trial fails.
pub fn folder(trial: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("crash-{trial}"));
    // Left by a run that failed.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// The trial has passed: its folder is of no use any more.
pub fn done(folder: &Path) {
    let _ = fs::remove_dir_all(folder);
}

/// How far a trial has got.
pub fn progress(trial: &str, done: u64, of: u64, what: &str) {
    if Mode::of_environment() == Mode::Long || done == of {
        eprintln!("{trial}: {done} of {of}: {what}");
    }
}

/// A row of the table: what was done, how often, and what came of it.
pub fn row(what: &str, times: u64, came: &str) {
    eprintln!("{what}: {times} times; {came}");
    ROWS.lock().unwrap_or_else(PoisonError::into_inner).push(format!("| {what} | {times} | {came} |"));
}

/// Writes the table of a long run; where it is.
pub fn table() -> Option<PathBuf> {
    let rows = ROWS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut text = "| what | times | what came of it |\n|---|---|---|\n".to_owned();
    for row in rows.iter() {
        let _ = writeln!(text, "{row}");
    }
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("crash-table.md");
    let is_long = Mode::of_environment() == Mode::Long;
    (is_long && !rows.is_empty() && fs::write(&path, text).is_ok()).then_some(path)
}
