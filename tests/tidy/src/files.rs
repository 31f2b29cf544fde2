//! The files of the repository, as git sees them.

use crate::rust;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A text file.
pub(crate) struct File {
    /// From the repository's root, with `/`.
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
}

impl File {
    /// Its Rust code: comments and the contents of literals are blank, every other byte is where it was.
    pub(crate) fn code(&self) -> String {
        rust::code(&self.text)
    }

    /// Where the path lies, with the line number of a byte: for messages.
    pub(crate) fn at(&self, byte: usize) -> String {
        let line = self.text.get(..byte).unwrap_or(&self.text).matches('\n').count() + 1;
        format!("{}:{line}", self.path)
    }

    /// Where test code begins: at byte 0 in a file of tests, else at the first `#[cfg(test)]` with a body, if any.
    pub(crate) fn tests_begin(&self) -> usize {
        let is_test = self.path.split('/').any(|part| part == "tests" || part == "tests.rs");
        // `plugins/examples` are products; the examples of a host crate are for whoever develops it.
        if is_test || (self.path.starts_with("host/") && self.path.contains("/examples/")) {
            return 0;
        }
        // Only `mod tests {`: a `mod tests;` has its code in another file.
        let inline = self.text.match_indices("#[cfg(test)]").find(|(at, _)| {
            let item = self.text[*at..].lines().nth(1).unwrap_or_default();
            item.starts_with("mod ") && item.ends_with('{')
        });
        inline.map_or(self.text.len(), |(at, _)| at)
    }

    /// The text before its tests.
    pub(crate) fn product(&self) -> &str {
        &self.text[..self.tests_begin()]
    }
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("this crate lies two folders deep").to_owned()
}

/// Every text file that is in git, or that git would add.
pub(crate) fn all() -> Vec<File> {
    let listed = git(&["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let mut paths: Vec<&str> = listed.split('\0').filter(|path| !path.is_empty()).collect();
    paths.sort_unstable();
    paths.dedup();
    // What was deleted, but not yet in git, is not there; what is not UTF-8 is not text.
    let read = |path: &str| fs::read_to_string(root().join(path)).ok().map(|text| File { path: path.to_owned(), text });
    let files: Vec<File> = paths.into_iter().filter_map(read).collect();
    assert!(files.len() > 20, "git lists only {} files: the rules would be tested on nothing", files.len());
    files
}

/// Every Rust source.
pub(crate) fn sources() -> Vec<File> {
    all().into_iter().filter(|file| file.path.ends_with(".rs")).collect()
}

/// The text of one file that must exist.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}; the house rules need this file"))
}

/// What git answers.
pub(crate) fn git(arguments: &[&str]) -> String {
    let output = Command::new("git").args(arguments).current_dir(root()).output().expect("the house rules need git");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("paths are UTF-8")
}
