//! Why the guests could not be built.

use std::io;
use std::path::{Path, PathBuf};

/// Why the guests could not be built, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither way to a compiler for WebAssembly works here.
    #[error(
        "there is no compiler for WebAssembly here, and none could be installed. Do one of these:\n  \
         - rustup target add {}\n    {rustup}\n  \
         - as root, on Debian 12 or later, beside a Rust toolchain of rustup: apt-get install {}\n    {packages}",
        crate::toolchain::TARGETS.join(" "), crate::toolchain::PACKAGES.join(" ")
    )]
    NoToolchain {
        /// Why the first way failed.
        rustup: String,
        /// Why the second way failed.
        packages: String,
    },
    /// The runner of scripts is partly written in C.
    #[error(
        "the runner of scripts needs a C compiler for WebAssembly; as root, on Debian: apt-get install clang-19 llvm-19\n    {reason}"
    )]
    NoClang {
        /// Why it could not be installed.
        reason: String,
    },
    /// A program that we started failed; its own output says why.
    #[error("{command} failed{}", if output.is_empty() { String::new() } else { format!(":\n{output}") })]
    Command {
        /// What was started.
        command: String,
        /// The end of its output, if it was not shown already.
        output: String,
    },
    /// A guest's component or its metadata is not what a build makes.
    #[error("{path}: {reason}", path = path.display())]
    Guest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file or a program could not be reached.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file or program.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`: an error of this path.
    pub(crate) fn io(path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { path, source }
    }
}
