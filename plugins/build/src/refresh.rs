//! `runner` and `runner --check`: the committed runner of scripts.

use crate::then;
use std::process::ExitCode;
use stepwell_guests::{Checked, Error, build_runner, check_runner};

/// The variable by which the tests of scripts are given another runner than the committed one.
const OTHER: &str = "STEPWELL_TEST_RUNNER";

/// Rebuilds it.
pub(crate) fn build() -> ExitCode {
    match build_runner() {
        Ok(()) => {
            eprintln!("plugins/runner/runner.wasm and runner.lock are written; commit both");
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error),
    }
}

/// Shows that it is what its sources give: byte by byte where the same compilers are here, else by what a fresh one does.
pub(crate) fn check() -> ExitCode {
    match check_runner() {
        Ok(Checked::Identical) => {
            eprintln!("the runner of scripts is what its sources give, byte by byte");
            ExitCode::SUCCESS
        }
        Ok(Checked::Fresh(path)) => {
            eprintln!("other compilers made the committed runner of scripts: a fresh one must pass its tests");
            let tests = ["test", "--quiet", "--package", "stepwell-runtime", "--test", "scripts"];
            then::run_with(&tests, Some((OTHER, path.as_os_str())))
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &Error) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::FAILURE
}
