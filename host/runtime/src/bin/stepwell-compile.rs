//! The compiler's child process alone, for the tests and benchmarks of this crate; the server uses its own binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    stepwell_runtime::compile_child_main()
}
