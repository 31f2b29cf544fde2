//! `cargo guests`: builds the guests, and installs what is missing for it. `--toolchain rustup` or `--toolchain packages`
//! insists on one way; `then <cargo arguments>` runs cargo afterwards. `runner` rebuilds the committed runner of scripts, and
//! `runner --check` shows that it is what its sources give.

mod refresh;
mod then;

use std::process::ExitCode;
use stepwell_guests::{Choice, Outcome};

const USAGE: &str = "usage: cargo guests [--toolchain rustup|packages | then CARGO_ARGUMENTS... | runner [--check]]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["runner"] => return refresh::build(),
        ["runner", "--check"] => return refresh::check(),
        _ => {}
    }
    let (choice, next) = match arguments.as_slice() {
        [] => (Choice::Any, None),
        ["then", next @ ..] if !next.is_empty() => (Choice::Any, Some(next)),
        ["--toolchain", "rustup"] => (Choice::Rustup, None),
        ["--toolchain", "packages"] => (Choice::Packages, None),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match stepwell_guests::build(choice) {
        Ok(Outcome::UpToDate) => {}
        Ok(Outcome::Built) => {
            eprintln!("the guests are in {}", stepwell_guests::root().join("target/guests").display());
        }
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    }
    next.map_or(ExitCode::SUCCESS, then::run)
}
