//! The runner of scripts is committed in binary form: what was built must be what the sources say.

use crate::{assert_none, files};

const LOCK: &str = "plugins/runner/runner.lock";
const WASM: &str = "plugins/runner/runner.wasm";

/// What decides what the runner is; documentation does not.
fn is_source(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or_default();
    let in_runner = path.starts_with("plugins/runner/") && path != LOCK && file != "README.md" && file != ".gitignore";
    in_runner || path.starts_with("wit/v1/") || path.starts_with("wit/script/")
}

#[test]
fn the_committed_runner_is_what_its_sources_give() {
    let lock = files::read(LOCK);
    let locked: Vec<(&str, &str)> =
        lock.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' ')).collect();
    let mut findings = Vec::new();
    for (digest, path) in &locked {
        if !files::root().join(path).is_file() {
            findings.push(format!("{path}: not there any more"));
        } else if files::git(&["hash-object", "--no-filters", "--", path]).trim() != *digest {
            findings.push(format!("{path}: changed"));
        }
    }
    let is_locked = |path: &str| locked.iter().any(|(_, locked)| *locked == path);
    let sources = files::all().into_iter().map(|file| file.path).filter(|path| is_source(path));
    findings.extend(sources.filter(|path| !is_locked(path)).map(|path| format!("{path}: new")));
    if !is_locked(WASM) {
        findings.push(format!("{WASM}: not in {LOCK}"));
    }
    assert_none(
        &findings,
        "Run `cargo guests runner` and commit runner.wasm and runner.lock; these do not match the lock:",
    );
}
