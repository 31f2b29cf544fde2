//! The same answers as JavaScript: random expressions over random scopes, evaluated here and by Node.
//!
//! The cases are the same in every run; `STEPWELL_SEED=<number>` chooses others.
#![allow(clippy::expect_used, clippy::panic, reason = "test support")]

mod generator;
mod random;
mod scope;

use std::io::{BufWriter, Write};
use std::process::{Command, Stdio};

use generator::{Generator, TYPEOF};
use random::Random;
use serde_json::{Map, json};
use stepwell_expression::{Budget, EvalErrorKind, Expression, Scope, Value};

/// Cases made; a few end in our own limits and cannot be compared.
const CASES: usize = 20_600;
/// Cases that must have been compared.
const COMPARED: usize = 20_000;
const DEFAULT_SEED: u64 = 20_260_101;

struct Case {
    ours: String,
    theirs: String,
    scope: Map<String, serde_json::Value>,
}

struct Names<'c>(&'c Map<String, serde_json::Value>);

impl Scope for Names<'_> {
    fn root(&self, name: &str) -> Option<Value> {
        self.0.get(name).map(|json| Value::from_json(json).expect("shallow"))
    }

    fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}

fn seed() -> u64 {
    let seed = std::env::var("STEPWELL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(DEFAULT_SEED);
    eprintln!("STEPWELL_SEED={seed}");
    seed
}

fn case(random: &mut Random) -> Case {
    let astral = random.once_in(4);
    let scope = scope::scope(random, astral);
    let depth = 1 + random.below(4);
    let text = Generator::new(random, astral).any(depth);
    let ours = text.replace(TYPEOF.0, "(typeof (").replace(TYPEOF.1, "))");
    let theirs = text.replace(TYPEOF.0, "T(() => typeof (").replace(TYPEOF.1, "))");
    Case { ours, theirs, scope }
}

/// What Node answers to each source in its scope.
fn ask_node(cases: impl Iterator<Item = serde_json::Value>) -> Vec<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/differential/oracle.cjs");
    let mut node = Command::new("node")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test compares with Node: install Node 20 or later, so that `node` is on the PATH");
    let mut stdin = BufWriter::new(node.stdin.take().expect("piped"));
    for case in cases {
        writeln!(stdin, "{case}").expect("Node reads its input to the end");
    }
    drop(stdin.into_inner().expect("Node reads its input to the end"));
    let output = node.wait_with_output().expect("Node runs");
    assert!(output.status.success(), "Node failed: {}", output.status);
    String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect()
}

/// The answer as the oracle writes it; `None` if the budget or a missing feature ended the evaluation.
fn our_answer(case: &Case) -> Option<String> {
    let expression = Expression::parse(&case.ours).unwrap_or_else(|error| panic!("{}: {error}", case.ours));
    match expression.evaluate(&Names(&case.scope), &mut Budget::new()) {
        Ok(value) => Some(encode(&value)),
        Err(error) => match error.kind {
            EvalErrorKind::UnknownName => Some("!ReferenceError".into()),
            EvalErrorKind::Type => Some("!TypeError".into()),
            EvalErrorKind::Range => Some("!RangeError".into()),
            EvalErrorKind::Budget | EvalErrorKind::NotSupported => None,
        },
    }
}

fn encode(value: &Value) -> String {
    let text = |text: &str| Value::from(text).to_json().expect("defined");
    match value {
        Value::Undefined => "u".into(),
        Value::Null | Value::Bool(_) | Value::String(_) => value.to_json().expect("defined"),
        Value::Number(number) if *number == 0.0 && number.is_sign_negative() => "n-0".into(),
        Value::Number(number) if number.is_finite() => format!("n{}", value.to_json().expect("defined")),
        Value::Number(number) => format!("n{number}").replace("inf", "Infinity"),
        Value::Array(items) => format!("[{}]", items.iter().map(encode).collect::<Vec<_>>().join(",")),
        Value::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| format!("{}:{}", text(key), encode(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
    }
}

#[test]
fn values_and_error_classes_are_those_of_javascript() {
    let mut random = Random::new(seed());
    let cases: Vec<Case> =
        std::iter::repeat_with(|| case(&mut random)).filter(|case| case.ours.len() <= 4096).take(CASES).collect();
    let answers = ask_node(cases.iter().map(|case| {
        let scope: Map<_, _> =
            case.scope.iter().map(|(name, value)| (name.clone(), json!(value.to_string()))).collect();
        json!({"source": case.theirs, "scope": scope})
    }));
    assert_eq!(answers.len(), CASES);
    let (mut compared, mut failed, mut different) = (0, 0, Vec::new());
    for (case, theirs) in cases.iter().zip(&answers) {
        let Some(ours) = our_answer(case) else { continue };
        compared += 1;
        failed += usize::from(ours.starts_with('!'));
        if ours != *theirs {
            let scope = json!(case.scope);
            different.push(format!("{}\n  here {ours}\n  Node {theirs}\n  with {scope}", case.ours));
        }
    }
    different.sort_by_key(String::len);
    let shown = different.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
    assert!(different.is_empty(), "{} of {compared} differ:\n{shown}", different.len());
    // The cases must say something: nearly all are compared, and most of them have values.
    assert!(compared >= COMPARED, "only {compared} compared");
    assert!(failed < compared / 2, "{failed} of {compared} are errors");
    eprintln!("{compared} compared, {failed} of them errors on both sides");
}

/// Words and signs that a changed source may get, so that it is often almost right.
const PIECES: [&str; 26] = [
    "?.", "??", "||", "**", "-", "(", ")", "[", "]", "{", "}", "=>", "...", ",", ".", "1", "x", "`", "${", "'",
    "typeof ", " in ", "=", "?", ":", "/",
];

/// A valid source with one to three pieces put in, taken out, or both.
fn changed(random: &mut Random) -> String {
    let depth = 1 + random.below(3);
    let mut source: Vec<char> =
        Generator::new(random, false).any(depth).replace([TYPEOF.0, TYPEOF.1], " ").chars().collect();
    for _ in 0..=random.below(3) {
        let from = random.below(source.len() + 1);
        let to = (from + random.below(3)).min(source.len());
        let piece = if random.once_in(3) { "" } else { random.pick(&PIECES) };
        source.splice(from..to, piece.chars());
    }
    source.into_iter().collect()
}

#[test]
fn what_javascript_refuses_is_refused() {
    let mut random = Random::new(seed());
    let sources: Vec<String> = std::iter::repeat_with(|| changed(&mut random))
        // Whole braces are ours (row D14), and a line that begins with `//` ends the oracle's parenthesis.
        .filter(|source| !source.trim_start().starts_with("{{") && Expression::parse(source).is_ok())
        .take(COMPARED)
        .collect();
    let answers = ask_node(sources.iter().map(|source| json!({"source": source, "scope": {}, "syntaxOnly": true})));
    let refused: Vec<_> = sources.iter().zip(&answers).filter(|(_, answer)| *answer != "parsed").collect();
    assert!(refused.is_empty(), "{} accepted here but not by Node, such as {:?}", refused.len(), refused.iter().min());
}
