//! Names use the words of architecture.md section 5.

use crate::{assert_none, files, rust};

/// Words that are not used, because each has a standard term here.
const BANNED: &[(&str, &str)] = &[
    ("flow", "workflow"),
    ("task", "step, attempt, or what it does"),
    ("job", "execution, attempt, or what it does"),
    ("activity", "function or step"),
    ("node", "step"),
    ("action", "command, or what it does"),
    ("manager", "what it keeps: registry, pool, cache"),
    ("helper", "what it does"),
    ("util", "what it does"),
];

/// Where a banned word is the right one: path, word, reason.
const ALLOWED: &[(&str, &str, &str)] = &[
    ("host/core/src/graph/", "node", "a node of a graph: the algorithms know nothing of steps"),
    ("host/expression/src/syntax/", "node", "a node of a syntax tree"),
    ("host/expression/tests/differential/", "node", "Node.js, the program that answers are compared with"),
];

/// What declares a name.
const KEYWORDS: [&str; 8] = ["struct", "enum", "union", "trait", "type", "fn", "mod", "macro_rules!"];

/// The names that a source declares, each with the byte where it begins.
fn declared(code: &str) -> Vec<(usize, &str)> {
    let after = |keyword: &'static str| {
        let places = code.match_indices(keyword).filter(move |(at, _)| rust::is_word_at(code, *at, keyword));
        places.filter_map(move |(at, _)| {
            let rest = &code[at + keyword.len()..];
            let name = rust::name(rest.trim_start());
            (rest.starts_with(' ') && !name.is_empty()).then_some((at + keyword.len() + 1, name))
        })
    };
    KEYWORDS.into_iter().flat_map(after).collect()
}

/// `StepRun` and `step_run` as `step`, `run`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for c in name.chars() {
        if c == '_' || c.is_uppercase() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c != '_') {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The banned word in this name, and what to say instead.
fn banned(name: &str) -> Option<(&'static str, &'static str)> {
    let words = words(name);
    let is = |word: &str, banned: &str| {
        word == banned
            || word.strip_suffix('s') == Some(banned)
            || word.strip_suffix("ies").is_some_and(|stem| format!("{stem}y") == banned)
    };
    let found = BANNED.iter().find(|(banned, _)| words.iter().any(|word| is(word, banned)));
    let is_service = words.len() > 1 && words.last().is_some_and(|word| word == "service") && !name.contains('_');
    found.copied().or(is_service.then_some(("service", "what it does, without `Service`")))
}

fn is_allowed(path: &str, word: &str) -> bool {
    ALLOWED.iter().any(|(start, allowed, _)| path.starts_with(start) && *allowed == word)
}

#[test]
fn names_use_the_words_of_the_house() {
    let mut findings = Vec::new();
    for file in files::sources() {
        for (at, name) in declared(&file.code()) {
            let word = banned(name).filter(|(word, _)| !is_allowed(&file.path, word));
            findings
                .extend(word.map(|(word, instead)| format!("{}: {name}: not `{word}`, but {instead}", file.at(at))));
        }
    }
    assert_none(
        &findings,
        "Use the terms of ARCHITECTURE.md, or add an exception with its reason to tests/tidy/src/words.rs:",
    );
}

#[test]
fn exceptions_to_the_words_are_needed() {
    let files = files::sources();
    let uses = |file: &files::File, word: &str| {
        declared(&file.code()).iter().any(|(_, name)| banned(name).is_some_and(|(b, _)| b == word))
    };
    let unused = ALLOWED
        .iter()
        .filter(|(start, word, _)| !files.iter().any(|file| file.path.starts_with(start) && uses(file, word)));
    let unused: Vec<_> = unused.map(|(start, word, _)| format!("{start}: {word}")).collect();
    assert_none(&unused, "Nothing needs these exceptions any more: remove them from tests/tidy/src/words.rs:");
}

#[test]
fn banned_words_are_found_in_names_of_every_form() {
    for name in ["Flow", "TaskQueue", "run_jobs", "Activities", "NodeId", "utils", "order_helper", "PaymentService"] {
        assert!(banned(name).is_some(), "{name}");
    }
    for name in
        ["Workflow", "overflow", "multitasking", "Service", "start_service", "interaction", "utility", "Denoted"]
    {
        assert_eq!(banned(name), None, "{name}");
    }
    let code = "pub(crate) struct A; fn b<T>() {} enum C {} mod d; let fnord = 1; #[path] type E = F; trait G: H {}";
    let mut names: Vec<_> = declared(code).into_iter().map(|(_, name)| name).collect();
    names.sort_unstable();
    assert_eq!(names, ["A", "C", "E", "G", "b", "d"]);
}
