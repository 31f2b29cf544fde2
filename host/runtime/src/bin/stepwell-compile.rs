//! The child processes alone, for the tests and benchmarks of this crate; the server uses its own binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("run-guests") => stepwell_runtime::guest_child_main(),
        _ => stepwell_runtime::compile_child_main(),
    }
}
