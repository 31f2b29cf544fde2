//! Finds a compiler for guests, or installs one: first rustup's targets, then Debian's packages.

use crate::{Error, process};
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What guests are compiled for: components, and core modules without WASI.
pub(crate) const TARGETS: &[&str] = &["wasm32-wasip2", "wasm32-unknown-unknown"];

/// A compiler with the source of its standard library, and the C library under it.
pub(crate) const PACKAGES: &[&str] = &["rustc-web", "cargo-web", "rust-web-src", "wasi-libc"];

/// A C compiler for WebAssembly, and what puts its results together: for the runner of scripts.
const CLANG_PACKAGES: &[&str] = &["clang-19", "llvm-19"];

/// The compiler, and its companion.
pub(crate) const CLANG: &str = "clang-19";
const LLVM_AR: &str = "llvm-ar-19";

/// Where Debian puts the C library for WASI.
pub(crate) const WASI_LIBC: &str = "/usr/lib/wasm32-wasi";

/// A network that swallows packets must not hold up the packages for long.
const RUSTUP_LIMIT: Duration = Duration::from_secs(90);
const APT_LIMIT: Duration = Duration::from_secs(600);

/// Which toolchain to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Whichever is there; else whichever can be installed.
    Any,
    /// The targets of rustup's active toolchain.
    Rustup,
    /// Debian's packages.
    Packages,
}

/// A compiler for guests.
pub(crate) enum Toolchain {
    /// The active toolchain has the targets.
    Rustup,
    /// Debian's compiler builds the standard library too. It has no linker for components: `linkers` is the folder of the
    /// active toolchain that holds `wasm-component-ld` and `rust-lld`.
    Packages {
        /// The folder.
        linkers: PathBuf,
    },
}

impl Toolchain {
    /// For people.
    pub(crate) fn description(&self) -> &'static str {
        match self {
            Self::Rustup => "the targets of the active Rust toolchain",
            Self::Packages { .. } => {
                "Debian's compiler; the first time it builds the standard library, which takes a minute"
            }
        }
    }
}

/// What is there comes before what must be installed.
pub(crate) fn find(choice: Choice) -> Result<Toolchain, Error> {
    let active = Active::ask()?;
    let (rustup, packages) = (choice != Choice::Packages, choice != Choice::Rustup);
    let not_asked = || "not tried: another toolchain was asked for".to_owned();
    if rustup && active.has_targets() {
        return Ok(Toolchain::Rustup);
    }
    if packages && are_installed() && active.has_linkers() {
        return Ok(Toolchain::Packages { linkers: active.linkers() });
    }
    let rustup = if rustup { add_targets(&active) } else { Err(not_asked()) };
    let Err(rustup) = rustup else { return Ok(Toolchain::Rustup) };
    let packages = if packages { install_packages(&active) } else { Err(not_asked()) };
    match packages {
        Ok(()) => Ok(Toolchain::Packages { linkers: active.linkers() }),
        Err(packages) => Err(Error::NoToolchain { rustup, packages }),
    }
}

/// The toolchain that `cargo` and `rustc` stand for here.
struct Active {
    libraries: PathBuf,
    host: String,
}

impl Active {
    fn ask() -> Result<Self, Error> {
        let sysroot = process::output(Command::new("rustc").args(["--print", "sysroot"]))?;
        let version = process::output(Command::new("rustc").arg("-vV"))?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
        Ok(Self { libraries: Path::new(sysroot.trim()).join("lib/rustlib"), host: host.to_owned() })
    }

    fn has_targets(&self) -> bool {
        TARGETS.iter().all(|target| self.libraries.join(target).join("lib").is_dir())
    }

    fn linkers(&self) -> PathBuf {
        self.libraries.join(&self.host).join("bin")
    }

    fn has_linkers(&self) -> bool {
        ["wasm-component-ld", "rust-lld"].iter().all(|linker| self.linkers().join(linker).is_file())
    }
}

fn are_installed() -> bool {
    ["/usr/bin/rustc", "/usr/bin/cargo", "/usr/lib/rustlib/src/rust/library/std"]
        .iter()
        .all(|path| Path::new(path).exists())
        && Path::new(WASI_LIBC).join("libc.a").exists()
}

fn add_targets(active: &Active) -> Result<(), String> {
    if !is_in_path("rustup") {
        return Err("rustup is not installed".into());
    }
    eprintln!("adding the targets {} by rustup", TARGETS.join(" and "));
    process::quiet(Command::new("rustup").args(["target", "add"]).args(TARGETS), RUSTUP_LIMIT)
        .map_err(|error| error.to_string())?;
    if active.has_targets() {
        Ok(())
    } else {
        Err("rustup added the targets to another toolchain than the active one".into())
    }
}

/// Installs the C compiler where it is missing.
pub(crate) fn need_clang() -> Result<(), Error> {
    let is_there = || is_in_path(CLANG) && is_in_path(LLVM_AR);
    if is_there() {
        return Ok(());
    }
    let installed = install(CLANG_PACKAGES);
    installed
        .and_then(|()| if is_there() { Ok(()) } else { Err("they are installed, but not in PATH".into()) })
        .map_err(|reason| Error::NoClang { reason })
}

fn install_packages(active: &Active) -> Result<(), String> {
    if !active.has_linkers() {
        return Err("the active Rust toolchain has no wasm-component-ld; those of rustup have".into());
    }
    install(PACKAGES)?;
    if are_installed() { Ok(()) } else { Err("the packages are installed, but not where Debian 12 puts them".into()) }
}

fn install(packages: &[&str]) -> Result<(), String> {
    if !is_in_path("apt-get") {
        return Err("there is no apt-get".into());
    }
    if !is_root() {
        return Err("only root can install packages".into());
    }
    eprintln!("installing {}", packages.join(", "));
    let install = || {
        let options = ["install", "--yes", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120"];
        process::quiet(apt_get().args(options).args(packages), APT_LIMIT)
    };
    // The lists may be missing or old: only then they are fetched.
    let installed = install().or_else(|_| {
        process::quiet(apt_get().arg("update"), APT_LIMIT)?;
        install()
    });
    installed.map_err(|error| error.to_string())
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn is_in_path(program: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

#[cfg(target_os = "linux")]
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

#[cfg(not(target_os = "linux"))]
fn is_root() -> bool {
    false
}
