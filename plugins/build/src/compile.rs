//! Runs cargo for the guests' workspace, once per target.

use crate::layout::{CORE_MODULES, Guests, Paths};
use crate::toolchain::{Toolchain, WASI_LIBC};
use crate::{Error, process};
use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

/// The guest that needs a file system.
const FILE_SYSTEM: &str = "reads_a_file";

/// The guest that is a program.
const PROGRAM: &str = "wasi_command";

/// Settings of the caller that would change what is built, or where.
const FOREIGN_SETTINGS: &[&str] = &[
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "RUSTC",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTFLAGS",
];

/// Compiles every guest; each lies at [`Paths::compiled`] afterwards.
pub(crate) fn compile(paths: &Paths, guests: &Guests, toolchain: &Toolchain) -> Result<(), Error> {
    let components: Vec<&str> = guests.components().collect();
    process::run(&mut build(paths, toolchain, "wasm32-wasip2", &components))?;
    process::run(&mut build(paths, toolchain, "wasm32-unknown-unknown", CORE_MODULES))
}

/// The metadata of an example with schemas: JSON Lines. It comes from a native program, because schemas are computed.
/// Nothing if the example has no such program.
pub(crate) fn metadata(paths: &Paths, example: &str) -> Result<Option<String>, Error> {
    let program = paths.plugins.join("examples").join(example).join("examples/metadata.rs");
    if !program.exists() {
        return Ok(None);
    }
    let mut command = cargo("cargo", paths);
    command.args(["run", "--quiet", "--locked", "--package", example, "--example", "metadata"]);
    process::output(&mut command).map(Some)
}

/// A build of everything in the folder that the caller sets.
pub(crate) fn cargo_for(paths: &Paths, toolchain: &Toolchain, target: &str) -> Command {
    build(paths, toolchain, target, &[])
}

fn build(paths: &Paths, toolchain: &Toolchain, target: &str, packages: &[&str]) -> Command {
    let mut command = match toolchain {
        Toolchain::Rustup => cargo("cargo", paths),
        Toolchain::Packages { linkers } => cargo_of_packages(paths, linkers, target, packages),
    };
    command.args(["build", "--release", "--locked", "--target", target]);
    command.args(packages.iter().flat_map(|package| ["--package", package]));
    command
}

/// Cargo, without those settings of the caller that would change what is built, or where.
pub(crate) fn cargo(program: &str, paths: &Paths) -> Command {
    let mut command = Command::new(program);
    command.current_dir(&paths.plugins).env("CARGO_TARGET_DIR", &paths.target);
    for name in FOREIGN_SETTINGS.iter().filter(|name| **name != "CARGO_TARGET_DIR") {
        command.env_remove(name);
    }
    command
}

/// Debian's compiler has no standard library for our targets: it builds one. It takes the linkers from the active toolchain.
fn cargo_of_packages(paths: &Paths, linkers: &Path, target: &str, packages: &[&str]) -> Command {
    let mut command = cargo("/usr/bin/cargo", paths);
    command.env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1").env("PATH", path_with(linkers));
    command.args(["-Zbuild-std=std,panic_abort", "-Zprofile-rustflags"]);
    let linker = linkers.join("rust-lld");
    command.args(["--config", &format!("target.wasm32-unknown-unknown.linker={:?}", linker.display().to_string())]);
    command.args([
        "--config",
        &format!("target.wasm32-wasip2.rustflags=[\"-Lnative={WASI_LIBC}\", \"-Clink-self-contained=no\"]"),
    ]);
    if target == "wasm32-wasip2" {
        for package in packages {
            if let Some(argument) = link_argument(package) {
                let setting = format!("profile.release.package.{package}.rustflags=[\"-Clink-arg={argument}\"]");
                command.args(["--config", &setting]);
            }
        }
    }
    command
}

/// Debian's C library speaks preview 1, so an adapter is linked in. The usual one imports a file system, which no function
/// has; `proxy` does not.
fn link_argument(package: &str) -> Option<String> {
    match package {
        FILE_SYSTEM => None,
        PROGRAM => Some(format!("{WASI_LIBC}/crt1-command.o")),
        _ => Some("--wasi-adapter=proxy".to_owned()),
    }
}

fn path_with(first: &Path) -> OsString {
    let old = env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(first.to_owned()).chain(env::split_paths(&old));
    // A folder whose name cannot stand in PATH cannot hold a linker that is found by it.
    env::join_paths(folders).unwrap_or(old)
}
