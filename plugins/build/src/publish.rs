//! Puts what was compiled where the demo and the tests look for it, and remembers which sources it was made of.

use crate::layout::{Guests, Paths};
use crate::{Error, compile, metadata};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The fingerprint of the sources on the first line, then the published files.
const STAMP: &str = ".stamp";

/// Whether these sources are those of the last build, and its results are still there.
pub(crate) fn is_current(paths: &Paths, fingerprint: &str) -> bool {
    let Ok(stamp) = fs::read_to_string(paths.guests.join(STAMP)) else { return false };
    let mut lines = stamp.lines();
    lines.next() == Some(fingerprint) && lines.all(|file| paths.guests.join(file).is_file())
}

/// Copies every guest to its place. Whatever else lies there is from an older build, and goes.
pub(crate) fn publish(paths: &Paths, guests: &Guests, fingerprint: &str) -> Result<(), Error> {
    let mut files: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    for name in &guests.examples {
        let path = paths.compiled(name);
        let mut wasm = fs::read(&path).map_err(Error::io(&path))?;
        let functions = metadata::functions(&path, &wasm)?;
        if let Some(lines) = compile::metadata(paths, name)? {
            metadata::append(&mut wasm, &lines);
        }
        files.extend(functions.into_iter().map(|function| (format!("{function}.wasm").into(), wasm.clone())));
    }
    for name in &guests.fixtures {
        let path = paths.compiled(name);
        let wasm = fs::read(&path).map_err(Error::io(&path))?;
        files.insert(Path::new("fixtures").join(format!("{name}.wasm")), wasm);
    }
    let _ = fs::remove_file(paths.guests.join(STAMP));
    let mut stamp = format!("{fingerprint}\n");
    for (name, wasm) in &files {
        write(&paths.guests.join(name), wasm)?;
        stamp.push_str(&format!("{}\n", name.display()));
    }
    remove_others(&paths.guests, &files)?;
    // Last: a build that was interrupted has no stamp.
    write(&paths.guests.join(STAMP), stamp.as_bytes())
}

/// A reader finds the old file or the new one, never half of it.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(Error::io(folder))?;
    }
    let unfinished = path.with_extension("unfinished");
    fs::write(&unfinished, bytes).map_err(Error::io(&unfinished))?;
    fs::rename(&unfinished, path).map_err(Error::io(path))
}

fn remove_others(guests: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) -> Result<(), Error> {
    for folder in [guests.to_owned(), guests.join("fixtures")] {
        for entry in fs::read_dir(&folder).map_err(Error::io(&folder))? {
            let path = entry.map_err(Error::io(&folder))?.path();
            let is_ours = path.strip_prefix(guests).is_ok_and(|name| files.contains_key(name));
            if path.is_file() && !is_ours {
                fs::remove_file(&path).map_err(Error::io(&path))?;
            }
        }
    }
    Ok(())
}
