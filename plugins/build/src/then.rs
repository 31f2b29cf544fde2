//! `then <cargo arguments>`: runs cargo when the guests are up to date, as the repository's aliases do.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::process::{Command, ExitCode, Stdio};

/// What `cargo run` says to this program about itself. The next cargo must not take it for what the user set.
const OUR_OWN: [&str; 5] = ["CARGO_BIN_", "CARGO_CRATE_", "CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_PRIMARY_"];

/// Runs cargo with these arguments, its input and output on ours, and ends as it ends.
pub(crate) fn run(arguments: &[&str]) -> ExitCode {
    run_with(arguments, None)
}

/// The same, with one more variable in its environment.
pub(crate) fn run_with(arguments: &[&str], variable: Option<(&str, &OsStr)>) -> ExitCode {
    let arguments = runnable(arguments, has_nextest);
    let status = cargo().args(&arguments).envs(variable).status();
    match status {
        // A process that a signal ended has no code.
        Ok(status) => status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from),
        Err(error) => failed(&arguments, &error),
    }
}

/// The arguments, or those of the test runner that every cargo has.
fn runnable<'a>(arguments: &[&'a str], has_nextest: impl FnOnce() -> bool) -> Vec<&'a str> {
    match arguments {
        ["nextest", "run", rest @ ..] if !has_nextest() => {
            eprintln!(
                "note: cargo-nextest is not installed, so the tests run with `cargo test`; \
                 `cargo install cargo-nextest --locked` installs it"
            );
            // Like nextest, which has `fail-fast = false` here: all failures at once.
            ["test", "--no-fail-fast"].iter().chain(rest).copied().collect()
        }
        _ => arguments.to_vec(),
    }
}

fn has_nextest() -> bool {
    let asked = cargo()
        .args(["nextest", "--version"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}

fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| OUR_OWN.iter().any(|start| name.starts_with(start))) {
            command.env_remove(name);
        }
    }
    command
}

fn failed(arguments: &[&str], error: &io::Error) -> ExitCode {
    eprintln!("error: cargo {}: {error}", arguments.join(" "));
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_run_without_nextest_too() {
        let wanted = ["nextest", "run", "--workspace"];
        assert_eq!(runnable(&wanted, || true), wanted);
        assert_eq!(runnable(&wanted, || false), ["test", "--no-fail-fast", "--workspace"]);
        assert_eq!(runnable(&["run", "-q"], || false), ["run", "-q"]);
    }
}
