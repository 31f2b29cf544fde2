//! The rooms of the house: who may know whom, and what each never does (architecture.md section 2).

use crate::{assert_none, files, manifest, rust};
use std::collections::BTreeSet;

/// For each crate of the host, the other crates of ours that it may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    ("expression", &[]),
    ("core", &["stepwell-expression"]),
    ("engine", &["stepwell-core", "stepwell-expression"]),
    ("store", &["stepwell-core", "stepwell-engine"]),
    ("runtime", &["stepwell-core", "stepwell-engine"]),
    ("egress", &["stepwell-core", "stepwell-engine"]),
    ("agent", &["stepwell-core", "stepwell-engine"]),
    (
        "server",
        &[
            "stepwell-expression",
            "stepwell-core",
            "stepwell-engine",
            "stepwell-store",
            "stepwell-runtime",
            "stepwell-egress",
            "stepwell-agent",
        ],
    ),
    ("cli", &["stepwell-server"]),
];

/// Tests of every crate may use the guests.
const FOR_TESTS: &str = "stepwell-guests";
/// Tests of the whole program, whose package is the program's, may put things into a store.
const WHOLE_PROGRAM: (&str, [&str; 3]) = ("cli", ["stepwell-core", "stepwell-engine", "stepwell-store"]);

/// Crates that are pure, and words of the world that therefore cannot stand in their product code.
const PURE: [&str; 2] = ["host/core/src/", "host/expression/src/"];
const WORLD: [&str; 10] = [
    "async",
    "await",
    "tokio",
    "SystemTime",
    "Instant",
    "std::env",
    "std::fs",
    "std::net",
    "std::thread",
    "std::process",
];

/// The files that hold `unsafe`, each with its reason.
const UNSAFE: &[(&str, &str)] = &[
    (
        "host/runtime/src/cache.rs",
        "loading compiled code, which we wrote and whose integrity was checked, has no safe form",
    ),
    ("plugins/runner/src/clock.rs", "the engine of scripts asks for the time by a symbol's name; in its own sandbox"),
    (
        "plugins/runner/src/memory.rs",
        "an allocator that ends the attempt instead of answering null; in its own sandbox",
    ),
    ("plugins/runner/src/prepare.rs", "whoever builds the runner calls its set-up by a symbol's name"),
    ("sdk/rust/macros/src/function.rs", "`#[unsafe(link_section)]` in what the macro writes; nothing is called"),
    (
        "plugins/fixtures/core_module_preview1/src/lib.rs",
        "a guest that calls WASI preview 1 by hand, in its own sandbox",
    ),
    ("plugins/fixtures/reads_out_of_bounds/src/lib.rs", "its misbehaviour, in its own sandbox"),
    ("plugins/fixtures/returns_bad_utf8/src/lib.rs", "its misbehaviour, in its own sandbox"),
    ("plugins/fixtures/starts_forever/src/lib.rs", "exports a function by name from a core module"),
];

/// Every file of the contract with guests, as it was released: version, git's digest of the text, path.
const RELEASED: &str = "tests/tidy/released-wit.txt";

fn manifests(of: &str) -> Vec<files::File> {
    files::all().into_iter().filter(|file| file.path.starts_with(of) && file.path.ends_with("/Cargo.toml")).collect()
}

#[test]
fn dependencies_point_inwards() {
    let mut findings = Vec::new();
    for file in manifests("host/") {
        let room = file.path.split('/').nth(1).unwrap_or_default();
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == room) else {
            findings.push(format!("{}: a crate that the rule does not know", file.path));
            continue;
        };
        for (name, table) in manifest::dependencies(&file.text) {
            let is_own = name == "stepwell" || name.starts_with("stepwell-");
            let of_program = room == WHOLE_PROGRAM.0 && WHOLE_PROGRAM.1.contains(&name);
            let is_for_tests = table == "dev-dependencies" && (name == FOR_TESTS || of_program);
            if is_own && !is_for_tests && !allowed.contains(&name) {
                findings.push(format!("{}: {name}", file.path));
            }
        }
    }
    assert_none(
        &findings,
        "Turn these dependencies round with a port, or change the arrows in ARCHITECTURE.md and in tests/tidy/src/rooms.rs:",
    );
}

#[test]
fn sdk_and_guests_know_nothing_of_the_host() {
    let all = manifests("sdk/").into_iter().chain(manifests("plugins/examples/")).chain(manifests("plugins/fixtures/"));
    let findings = all.flat_map(|file| {
        let names = manifest::dependencies(&file.text).into_iter().map(|(name, _)| name);
        let foreign = names.filter(|name| name.starts_with("stepwell-") && *name != "stepwell-macros");
        foreign.map(|name| format!("{}: {name}", file.path)).collect::<Vec<_>>()
    });
    assert_none(&findings.collect::<Vec<_>>(), "A guest and its SDK know the contract in wit/ only; remove:");
}

#[test]
fn the_text_format_is_for_tests() {
    let wrong = manifests("host/").into_iter().flat_map(|file| {
        let all = manifest::dependencies(&file.text).into_iter();
        let product = all.filter(|(name, table)| ["wat", "wast"].contains(name) && *table != "dev-dependencies");
        product.map(|(name, _)| format!("{}: {name}", file.path)).collect::<Vec<_>>()
    });
    assert_none(
        &wrong.collect::<Vec<_>>(),
        "The server must never accept WebAssembly as text: make it a dev-dependency:",
    );
}

#[test]
fn the_rules_of_workflows_are_pure() {
    let mut findings = Vec::new();
    for file in files::sources().into_iter().filter(|file| PURE.iter().any(|room| file.path.starts_with(room))) {
        let code = rust::code(file.product());
        let at = WORLD.into_iter().flat_map(|word| rust::words(&code, word).collect::<Vec<_>>()).min();
        findings.extend(at.filter(|at| *at < file.tests_begin()).map(|at| file.at(at)));
    }
    assert_none(&findings, "core and expression do no I/O and know no clock: take the value as an argument instead:");
}

#[test]
fn unsafe_stands_where_it_is_documented() {
    let holds: BTreeSet<String> = files::sources()
        .into_iter()
        .filter(|file| rust::words(&file.code(), "unsafe").next().is_some())
        .map(|file| file.path)
        .collect();
    let is_listed = |path: &str| UNSAFE.iter().any(|(listed, _)| *listed == path);
    let unlisted: Vec<_> = holds.iter().filter(|path| !is_listed(path)).cloned().collect();
    assert_none(
        &unlisted,
        "Find a safe way; if there is none, list the file with its reason in tests/tidy/src/rooms.rs:",
    );
    let unused = UNSAFE.iter().filter(|(path, _)| !holds.contains(*path)).map(|(path, _)| (*path).to_owned());
    assert_none(
        &unused.collect::<Vec<_>>(),
        "These files need no exception any more: remove it from tests/tidy/src/rooms.rs:",
    );
}

#[test]
fn every_fixture_has_a_test_of_its_name() {
    let files = files::all();
    let names = files
        .iter()
        .filter_map(|file| file.path.strip_prefix("plugins/fixtures/")?.split_once('/').map(|(name, _)| name));
    let names: BTreeSet<&str> = names.collect();
    assert!(!names.is_empty(), "no fixtures were found in plugins/fixtures");
    let suite: String = files.iter().filter(|file| file.path.starts_with("tests/it/")).map(files::File::code).collect();
    assert!(!suite.is_empty(), "the tests of the whole program belong into tests/it");
    let has_test = |name: &str| rust::words(&suite, name).any(|at| suite[..at].ends_with("fn "));
    let untested = names.into_iter().filter(|name| !has_test(name)).map(str::to_owned);
    assert_none(&untested.collect::<Vec<_>>(), "Write a test `fn <name>()` in tests/it for each of these fixtures:");
}

#[test]
fn released_wit_is_unchanged() {
    let released = files::read(RELEASED);
    let lines: Vec<Vec<&str>> =
        released.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(' ').collect()).collect();
    let mut findings = Vec::new();
    for line in &lines {
        let [version, digest, path] = line.as_slice() else {
            panic!("{RELEASED}: a line is `version digest path`, not {line:?}")
        };
        let text = files::read(path);
        if files::git(&["hash-object", "--no-filters", "--", path]).trim() != *digest {
            let package = text.lines().find(|line| line.starts_with("package ")).unwrap_or_default();
            findings.push(format!("{path}: released as {version}, now `{package}`"));
        }
    }
    let is_listed = |path: &str| lines.iter().any(|line| line.last() == Some(&path));
    let wit = files::all()
        .into_iter()
        .map(|file| file.path)
        .filter(|path| path.starts_with("wit/v") && path.ends_with(".wit"));
    findings.extend(wit.filter(|path| !is_listed(path)).map(|path| format!("{path}: not listed")));
    assert_none(
        &findings,
        "A released contract only grows, in a minor version (wit/README.md). Undo the change; or, for an addition, raise the \
         package's version and write the file's line in tests/tidy/released-wit.txt anew, with `git hash-object <path>`:",
    );
}
