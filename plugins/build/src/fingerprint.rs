//! One number for everything that the guests are made of: it changes when they must be built again.

use crate::Error;
use crate::layout::Paths;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// What the guests are made of, from the repository's root. The compiler is left out: a new one makes nothing wrong.
const SOURCES: &[&str] = &["plugins", "sdk/rust", "wit"];

/// Which files there: documentation changes no guest.
const EXTENSIONS: &[&str] = &["lock", "rs", "toml", "wit"];

/// The contents and names of all source files, as text.
pub(crate) fn of_sources(paths: &Paths) -> Result<String, Error> {
    let mut files = Vec::new();
    for source in SOURCES {
        collect(&paths.root.join(source), &mut files)?;
    }
    files.sort_unstable();
    // Not stable between versions of Rust: then the guests are built once more.
    let mut hasher = DefaultHasher::new();
    for file in files {
        file.strip_prefix(&paths.root).unwrap_or(&file).hash(&mut hasher);
        fs::read(&file).map_err(Error::io(&file))?.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

/// Adds every source file below `folder`; folders of build results are left out.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(Error::io(&folder))? {
            let path = entry.map_err(Error::io(&folder))?.path();
            // The runner of scripts is no guest of this build.
            let is_result = path.file_name().is_some_and(|name| name == "target" || name == "runner");
            let is_source =
                path.extension().is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known));
            match path.is_dir() {
                true if !is_result => folders.push(path),
                false if is_source => files.push(path),
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::collect;
    use std::path::Path;

    #[test]
    fn the_sources_of_this_package_are_found() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = Vec::new();
        collect(folder, &mut files).unwrap();
        files.sort_unstable();
        let first: Vec<_> = files.iter().filter_map(|file| file.strip_prefix(folder).ok()).take(3).collect();
        assert_eq!(first, ["Cargo.toml", "build.rs", "src/compile.rs"].map(Path::new));
    }
}
