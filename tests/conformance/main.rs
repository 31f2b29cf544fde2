//! Workflows as data: each case of `cases/` is played through the front door, once in peace and once under kills. README.md has the format.
#![allow(clippy::expect_used, clippy::panic, reason = "these are tests")]

mod case;
mod compare;
mod compiled;
#[path = "../it/described.rs"]
mod described;
mod kills;
mod moments;
mod play;
mod stage;
#[path = "../it/support.rs"]
#[allow(dead_code, reason = "shared with the tests of `it`, which use more of it")]
mod support;

use case::Case;
use libtest_mimic::{Arguments, Failed, Trial};
use std::fs;
use std::path::{Path, PathBuf};

/// Where the cases lie.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance/cases")
}

/// The cases of a folder: name, text.
fn cases(folder: &Path) -> Vec<(String, String)> {
    let Ok(files) = fs::read_dir(folder) else { return Vec::new() };
    let paths = files.map(|file| file.expect("a folder of cases can be listed").path());
    let paths = paths.filter(|path| path.extension().is_some_and(|end| end == "json"));
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), text)
    };
    let mut cases: Vec<_> = paths.map(read).collect();
    cases.sort();
    cases
}

/// The cases handed out beside the repository, where they differ from the copies in it.
fn newer_shared(copies: &[(String, String)]) -> Vec<(String, String)> {
    let beside = cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases"));
    beside.into_iter().filter(|case| !copies.contains(case)).collect()
}

/// A test of a case.
fn trial(kind: &str, name: &str, text: &str, test: fn(&str, &Case)) -> Trial {
    let (case_name, text) = (name.to_owned(), text.to_owned());
    Trial::test(format!("{kind}::{name}"), move || {
        let case: Case = serde_json::from_str(&text).map_err(|error| Failed::from(format!("{case_name}: {error}")))?;
        test(&case_name, &case);
        Ok(())
    })
}

fn main() {
    let shared = cases(&folder().join("shared"));
    let newer = newer_shared(&shared);
    let given =
        std::env::var("STEPWELL_CONFORMANCE_CASES").map_or_else(|_| Vec::new(), |given| cases(Path::new(&given)));
    let sources = [("case", cases(&folder())), ("shared", shared), ("beside", newer), ("given", given)];
    let mut trials = Vec::new();
    for (kind, cases) in &sources {
        trials.extend(cases.iter().map(|(name, text)| trial(kind, name, text, play::in_peace)));
        let killed = format!("killed::{kind}");
        trials.extend(cases.iter().filter_map(|(name, text)| {
            let is_calm = serde_json::from_str::<Case>(text).is_ok_and(|case| case.is_calm());
            (!is_calm).then(|| trial(&killed, name, text, play::under_kills))
        }));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
