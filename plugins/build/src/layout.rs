//! Where sources and results lie.

use crate::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// Fixtures that are core modules: the host makes components of them. All other guests are components.
pub(crate) const CORE_MODULES: &[&str] = &["core_module", "core_module_preview1", "starts_forever"];

/// The repository's root.
#[must_use]
pub fn root() -> PathBuf {
    let build = Path::new(env!("CARGO_MANIFEST_DIR"));
    build.ancestors().nth(2).unwrap_or(build).to_owned()
}

/// The component that holds this function of the examples.
#[must_use]
pub fn example(function: &str) -> PathBuf {
    root().join("target/guests").join(format!("{function}.wasm"))
}

/// The component or core module of this fixture.
#[must_use]
pub fn fixture(name: &str) -> PathBuf {
    root().join("target/guests/fixtures").join(format!("{name}.wasm"))
}

/// The folders that a build reads and writes.
pub(crate) struct Paths {
    /// The repository.
    pub(crate) root: PathBuf,
    /// The guests' workspace.
    pub(crate) plugins: PathBuf,
    /// Cargo's target folder for guests.
    pub(crate) target: PathBuf,
    /// Where the results go.
    pub(crate) guests: PathBuf,
}

impl Paths {
    pub(crate) fn new() -> Self {
        let root = root();
        Self {
            plugins: root.join("plugins"),
            target: root.join("target/guest-build"),
            guests: root.join("target/guests"),
            root,
        }
    }

    /// What the compiler made of this guest.
    pub(crate) fn compiled(&self, name: &str) -> PathBuf {
        let target = if CORE_MODULES.contains(&name) { "wasm32-unknown-unknown" } else { "wasm32-wasip2" };
        self.target.join(target).join("release").join(format!("{name}.wasm"))
    }
}

/// The guests' packages, each called like its folder.
pub(crate) struct Guests {
    /// Those of `plugins/examples`.
    pub(crate) examples: Vec<String>,
    /// Those of `plugins/fixtures`.
    pub(crate) fixtures: Vec<String>,
}

impl Guests {
    pub(crate) fn list(paths: &Paths) -> Result<Self, Error> {
        Ok(Self {
            examples: folders(&paths.plugins.join("examples"))?,
            fixtures: folders(&paths.plugins.join("fixtures"))?,
        })
    }

    /// All guests that are compiled to components.
    pub(crate) fn components(&self) -> impl Iterator<Item = &str> {
        let all = self.examples.iter().chain(&self.fixtures).map(String::as_str);
        all.filter(|name| !CORE_MODULES.contains(name))
    }
}

fn folders(path: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(Error::io(path))? {
        let entry = entry.map_err(Error::io(path))?;
        if entry.path().is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}
