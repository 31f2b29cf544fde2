//! The threat model names the test that shows each promise: all of them exist, and no attack is without a promise.

use crate::{assert_none, files};
use std::collections::BTreeSet;

const PAGE: &str = "docs/threat-model.md";
const CORPUS: &str = "tests/hostile/corpus/";

/// The attacks: functions that take an arena and nothing else.
fn attacks() -> BTreeSet<String> {
    let rooms = files::all().into_iter().filter(|file| file.path.starts_with(CORPUS));
    let text: Vec<String> = rooms.map(|file| files::read(&file.path)).collect();
    let lines = text.iter().flat_map(|text| text.lines());
    let names = lines.filter_map(|line| line.strip_prefix("fn ")?.strip_suffix("(arena: &Arena) {"));
    names.map(str::to_owned).collect()
}

/// What the last column of a table names.
fn named() -> BTreeSet<String> {
    let page = files::read(PAGE);
    let columns = page.lines().filter_map(|line| line.strip_suffix('|')?.rsplit('|').next());
    let quoted = columns.flat_map(|column| column.split('`').skip(1).step_by(2).collect::<Vec<_>>());
    quoted.filter(|name| name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric())).map(str::to_owned).collect()
}

#[test]
fn every_promise_has_its_test() {
    let attacks = attacks();
    assert!(attacks.len() >= 100, "only {} attacks were found", attacks.len());
    let missing: Vec<_> = named().difference(&attacks).cloned().collect();
    assert_none(&missing, "docs/threat-model.md names tests that tests/hostile/corpus does not have:");
}

#[test]
fn every_attack_shows_a_promise() {
    let unnamed: Vec<_> = attacks().difference(&named()).cloned().collect();
    assert_none(&unnamed, "Say in docs/threat-model.md which promise these attacks are about:");
}
