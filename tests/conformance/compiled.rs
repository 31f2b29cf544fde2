//! What one server has compiled, for the servers of the cases after it: the runner of JavaScript takes seconds to compile, and a case milliseconds.

use crate::support::{KEY, Server};
use std::fs;
use std::io::Result;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// The server's names for compiled code and the key that it is signed with.
const FOLDER: &str = "compiled";
const SIGNED_WITH: &str = "compiled.key";

/// A folder for this build of the program: another build compiles anew.
fn kept() -> Result<PathBuf> {
    let program = fs::metadata(env!("CARGO_BIN_EXE_stepwell"))?;
    let built = program.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    Ok(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("conformance-{}-{built}", program.len())))
}

/// A server on an empty folder, but for what was compiled before.
pub fn server() -> Server {
    let data = Arc::new(tempfile::tempdir().expect("a folder"));
    let begun = kept().and_then(|kept| copy(&kept, &data.path().join("data")));
    if begun.is_err() {
        let data = Arc::new(tempfile::tempdir().expect("a folder"));
        return Server::on(data, Vec::new(), Some(KEY));
    }
    Server::on(data, Vec::new(), Some(KEY))
}

/// Keeps what a server has compiled, if nobody has before. Two tests may do so at once: one of them wins.
pub fn keep(server: &Server) {
    let Ok(kept) = kept() else { return };
    if kept.exists() {
        return;
    }
    let Ok(draft) = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")) else { return };
    let whole = draft.path().join("whole");
    if copy(&server.folder().path().join("data"), &whole).is_ok() {
        // Taken by the other one in between: its copy is as good.
        let _ = fs::rename(&whole, &kept);
    }
}

/// Copies the key and the compiled code of one data folder to another.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.join(FOLDER))?;
    fs::copy(from.join(SIGNED_WITH), to.join(SIGNED_WITH))?;
    for file in fs::read_dir(from.join(FOLDER))? {
        let file = file?;
        fs::copy(file.path(), to.join(FOLDER).join(file.file_name()))?;
    }
    Ok(())
}
