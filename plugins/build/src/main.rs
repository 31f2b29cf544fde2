//! `cargo guests`: builds the guests, and installs what is missing for it. `--toolchain rustup` or `--toolchain packages` insists on one way.

use std::process::ExitCode;
use stepwell_guests::{Choice, Outcome};

const USAGE: &str = "usage: cargo guests [--toolchain rustup|packages]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let choice = match arguments.as_slice() {
        [] => Choice::Any,
        ["--toolchain", "rustup"] => Choice::Rustup,
        ["--toolchain", "packages"] => Choice::Packages,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match stepwell_guests::build(choice) {
        Ok(Outcome::UpToDate) => ExitCode::SUCCESS,
        Ok(Outcome::Built) => {
            eprintln!("the guests are in {}", stepwell_guests::root().join("target/guests").display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
