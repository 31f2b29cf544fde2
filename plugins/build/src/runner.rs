//! The runner of scripts: rebuilt for the repository when its sources change, because a C compiler for WebAssembly is needed
//! for it, which nobody should need who only builds the server.

use crate::layout::Paths;
use crate::toolchain::{self, Toolchain};
use crate::{Choice, Error, compile, process};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is committed, from the repository's root.
const WASM: &str = "plugins/runner/runner.wasm";
const LOCK: &str = "plugins/runner/runner.lock";
/// What it is made of, besides the files of `plugins/runner/src`.
const SOURCES: [&str; 8] = [
    "plugins/runner/.cargo/config.toml",
    "plugins/runner/Cargo.lock",
    "plugins/runner/Cargo.toml",
    "plugins/runner/snapshot/Cargo.lock",
    "plugins/runner/snapshot/Cargo.toml",
    "plugins/runner/snapshot/src/main.rs",
    "wit/script/script.wit",
    "wit/v1/function.wit",
];
const HEAD: &str = "# What runner.wasm was built from: git's digest of each file's contents, and of the result. `cargo guests runner` writes it.\n";
/// How the line of the compilers begins.
const BY: &str = "# by ";

/// What [`check_runner`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// The committed file is what these compilers make of the sources.
    Identical,
    /// It was built by other compilers, so that bytes cannot be compared. This is what the ones here make.
    Fresh(PathBuf),
}

/// Builds the runner, and writes `runner.wasm` and `runner.lock`.
///
/// # Errors
/// As [`crate::build`]'s; also if `clang-19` and `llvm-19` cannot be had.
pub fn build_runner() -> Result<(), Error> {
    let paths = Paths::new();
    let (built, by) = compile(&paths)?;
    let (wasm, lock) = (paths.root.join(WASM), paths.root.join(LOCK));
    let bytes = fs::read(&built).map_err(Error::io(&built))?;
    fs::write(&wasm, bytes).map_err(Error::io(&wasm))?;
    let mut text = format!("{HEAD}{BY}{by}\n");
    for path in sources(&paths)?.iter().map(String::as_str).chain([WASM]) {
        let digest = process::output(Command::new("git").current_dir(&paths.root).args([
            "hash-object",
            "--no-filters",
            "--",
            path,
        ]))?;
        text.push_str(&format!("{} {path}\n", digest.trim()));
    }
    fs::write(&lock, text).map_err(Error::io(&lock))
}

/// Builds the runner beside the committed one, and compares them where the same compilers made both.
///
/// # Errors
/// As [`build_runner`]'s; [`Error::Guest`] if the committed file is not what its sources give.
pub fn check_runner() -> Result<Checked, Error> {
    let paths = Paths::new();
    let (built, by) = compile(&paths)?;
    let (wasm, lock) = (paths.root.join(WASM), paths.root.join(LOCK));
    let lock = fs::read_to_string(&lock).map_err(Error::io(&lock))?;
    if !lock.lines().any(|line| line.strip_prefix(BY) == Some(&by)) {
        return Ok(Checked::Fresh(built));
    }
    let read = |path: &Path| fs::read(path).map_err(Error::io(path));
    if read(&built)? == read(&wasm)? {
        return Ok(Checked::Identical);
    }
    let reason = "it is not what its sources give; run `cargo guests runner`".to_owned();
    Err(Error::Guest { path: wasm, reason })
}

/// The files that decide what the runner is, sorted.
fn sources(paths: &Paths) -> Result<Vec<String>, Error> {
    let mut all: Vec<String> = SOURCES.iter().map(|path| (*path).to_owned()).collect();
    let folder = paths.root.join("plugins/runner/src");
    for entry in fs::read_dir(&folder).map_err(Error::io(&folder))? {
        let name = entry.map_err(Error::io(&folder))?.file_name();
        all.push(format!("plugins/runner/src/{}", name.to_string_lossy()));
    }
    all.sort_unstable();
    Ok(all)
}

/// The file that was built, and by what.
fn compile(paths: &Paths) -> Result<(PathBuf, String), Error> {
    let toolchain = toolchain::find(Choice::Any)?;
    toolchain::need_clang()?;
    let target = paths.root.join("target/runner-build");
    process::run(&mut command(paths, &toolchain, &target))?;
    let rustc = if matches!(toolchain, Toolchain::Rustup) { "rustc" } else { "/usr/bin/rustc" };
    let version = |program: &str| process::output(Command::new(program).arg("--version"));
    let (rustc, clang) = (version(rustc)?, version(toolchain::CLANG)?);
    let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    let built = target.join("wasm32-unknown-unknown/release/stepwell_runner.wasm");
    let prepared = target.join("runner.wasm");
    process::run(snapshot(paths, &target).arg(&built).arg(&prepared))?;
    Ok((prepared, format!("{}, {}", first(&rustc), first(&clang))))
}

/// The program that runs the set-up and keeps the memory that it leaves; it wants the two files.
fn snapshot(paths: &Paths, target: &Path) -> Command {
    let mut command = compile::cargo("cargo", paths);
    command.current_dir(&paths.root).env("CARGO_TARGET_DIR", target);
    command.args(["run", "--quiet", "--locked", "--manifest-path", "plugins/runner/snapshot/Cargo.toml", "--"]);
    command
}

/// No path of this machine gets into the result, so that every machine makes the same.
fn command(paths: &Paths, toolchain: &Toolchain, target: &Path) -> Command {
    let mut command = compile::cargo_for(paths, toolchain, "wasm32-unknown-unknown");
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| env::home_dir().map(|home| home.join(".cargo"))).unwrap_or_default();
    // Each registry has a folder of its own, also one that stands in for the public one.
    let registries = fs::read_dir(home.join("registry/src")).into_iter().flatten().flatten();
    let folders = registries.map(|entry| (entry.path(), "/crates"));
    let folders = [(home.clone(), "/cargo"), (paths.root.clone(), "/stepwell")].into_iter().chain(folders);
    let flags: Vec<_> = folders.map(|(from, to)| format!("\"--remap-path-prefix={}={to}\"", from.display())).collect();
    command.current_dir(paths.plugins.join("runner")).env("CARGO_TARGET_DIR", target);
    // Assertions of the engine stay: in a sandbox they end one attempt. They name files only.
    command.env("CFLAGS_wasm32_unknown_unknown", "-Wno-builtin-macro-redefined -D__FILE__=\"quickjs\"");
    command.args(["--config", &format!("target.wasm32-unknown-unknown.rustflags=[{}]", flags.join(", "))]);
    command
}
