//! Hostile input: nothing panics, nests without bound, or takes more than its budget.

mod common;

use common::{Names, evaluate, scope};
use proptest::prelude::*;
use stepwell_expression::{Budget, EvalErrorKind, Expression, Scope, Template, Value, limits};

#[test]
fn nesting_is_bounded_for_every_construct() {
    for (open, close) in [
        ("(", ")"),
        ("!", ""),
        ("- ", ""),
        ("+ ", ""),
        ("typeof ", ""),
        ("[", "]"),
        ("a?b:", ""),
        ("a?", ":b"),
        ("`${", "}`"),
        ("a.map(x=>", ")"),
        ("a[", "]"),
        ("{a:", "}"),
        ("({...", "})"),
        ("{[", "]:1}"),
        ("2**", ""),
        ("Math.abs(", ")"),
        ("''.at(", ")"),
        ("a||(", ")"),
        ("a+b*-(", ")"),
        ("a&&b==c<d+e*(", ")"),
        ("[...", "]"),
    ] {
        let source = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        assert!(Expression::parse(&source(5)).is_ok(), "{}", source(5));
        for depth in [70, 4096 / (open.len() + close.len()) - 1] {
            let error = Expression::parse(&source(depth)).expect_err(open);
            assert_eq!(error.message, format!("nested deeper than {} levels", limits::DEPTH), "{open}");
        }
        assert!(Expression::parse(&open.repeat(4096 / open.len())).is_err(), "{open}");
        assert!(Expression::parse(&open.repeat(4096)).is_err(), "{open}");
    }
}

#[test]
fn what_is_parsed_is_evaluated_on_a_small_stack() {
    let evaluate_all = || {
        for (open, close) in [
            ("[1].map(x=>", ")"),
            ("{a:", "}"),
            ("[...[", "]]"),
            ("`${", "}`"),
            ("0?0:", ""),
            ("1||0&&1==1<1+1*(", ")"),
        ] {
            let source = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let deepest = (1..limits::DEPTH).rev().map(source).find_map(|source| Expression::parse(&source).ok());
            let value = deepest.expect(open).evaluate(&scope(), &mut Budget::new());
            assert!(value.is_ok(), "{open}: {value:?}");
        }
    };
    let small = std::thread::Builder::new().stack_size(512 * 1024);
    small.spawn(evaluate_all).expect("a thread").join().expect("no overflow");
}

#[test]
fn what_does_not_nest_may_be_long() {
    for (first, more) in [("1", "+1"), ("input", "?.a"), ("0", "||0"), ("'a'", "+'b'"), ("1", "<2"), ("0", "??0")] {
        let source = first.to_owned() + &more.repeat(1000);
        assert!(evaluate(&source).is_ok(), "{more}");
    }
    assert!(Expression::parse(&" ".repeat(4097)).expect_err("long").message.contains("4096"));
}

#[test]
fn memory_is_paid_for_before_it_is_taken() {
    for source in [
        "'x'.repeat(1e9)",
        "'x'.padStart(1e9, 'ab')",
        "[1,2,3,4,5,6,7,8].reduce((s, x) => s + s + s + s + s + s + s + s, 'xxxxxxxxxx')",
        "[1,2,3,4,5,6,7,8,9].reduce((a, x) => [...a, ...a, ...a, ...a, ...a, ...a, ...a, ...a], [1])",
        "[1,2,3,4,5,6,7,8,9].reduce((a, x) => [a, a, a, a, a, a, a, a, a, a], [])",
        "[1,2,3,4,5,6,7,8,9].reduce((a, x) => a.concat(a, a, a, a, a, a), [1])",
        "[1,2,3,4,5,6,7,8,9].reduce((a, x) => ({a, b: a, c: a, d: a, e: a, f: a}), {})",
        "[1,2,3,4,5,6,7,8,9].reduce((a, x) => `${a}${a}${a}${a}${a}${a}`, 'x')",
        "[1,2,3,4,5,6,7,8,9].reduce((s, x) => s.replaceAll('x', 'xxxxxxxxxx'), 'x')",
        "'x'.repeat(200000).split('').map(x => x.repeat(1000))",
    ] {
        let error = evaluate(source).expect_err(source);
        assert_eq!(error.kind, EvalErrorKind::Budget, "{source}: {error}");
    }
}

#[test]
fn all_values_together_are_bounded() {
    let error = evaluate("[...'x'.repeat(100)].map(x => 'y'.repeat(100000)).length").expect_err("10 MB of texts");
    assert_eq!(error.message, "the evaluation makes too many or too large values");
}

#[test]
fn time_is_bounded() {
    let hundred = format!("[{}]", "1,".repeat(100));
    for source in [
        format!("{hundred}.map(a => {hundred}.map(b => {hundred}.map(c => 1)))"),
        format!("{hundred}.map(a => {hundred}.map(b => 'x'.repeat(200000).indexOf('y')))"),
        "[...'abcdefgh'].reduce((a, x) => [a, a].flat(Infinity).concat(a).flatMap(y => [y, y, y]), [1])".to_owned(),
    ] {
        let error = evaluate(&source).expect_err("too long");
        assert_eq!(error.kind, EvalErrorKind::Budget, "{error}");
    }
}

#[test]
fn results_stay_readable_json() {
    let deepen = |times: usize| {
        let list = "1,".repeat(times);
        evaluate(&format!("[{list}].reduce((a, x) => [a], 0)"))
    };
    assert!(deepen(128).is_ok());
    assert_eq!(deepen(129).expect_err("too deep").kind, EvalErrorKind::Budget);
    assert_eq!(deepen(1000).expect_err("too deep").kind, EvalErrorKind::Budget);
}

#[test]
fn a_value_that_is_only_passed_on_costs_nothing() {
    let large = Value::array(vec![Value::from("x".repeat(1000)); 1000]);
    let names = Names { names: vec![("big".to_owned(), large)] };
    let mut budget = Budget::new();
    let before = budget.bytes_left();
    let value = Expression::parse("big ?? 1").expect("parses").evaluate(&names, &mut budget).expect("a value");
    assert_eq!((value, budget.bytes_left()), (names.root("big").expect("big"), before));
    let copied = Expression::parse("[big]").expect("parses").evaluate(&names, &mut budget);
    assert_eq!(copied.expect_err("too large").kind, EvalErrorKind::Budget);
}

const PIECES: [&str; 52] = [
    "input",
    ".",
    "?.",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    ",",
    ":",
    "?",
    "??",
    "||",
    "&&",
    "!",
    "-",
    "+",
    "*",
    "/",
    "%",
    "**",
    "==",
    "===",
    "<",
    ">=",
    "=>",
    "=",
    "`",
    "${",
    "'",
    "\"",
    "\\",
    "1",
    "0x",
    "1e",
    "x",
    "map(",
    "x=>",
    "...",
    "in ",
    "typeof ",
    "null",
    "Math.max(",
    "list",
    "repeat(",
    " ",
    "\n",
    "{{",
    "}}",
    "\u{1f600}",
    "new ",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC{0,80}") {
        let _ = Expression::parse(&text);
        let _ = Template::parse(&serde_json::Value::String(format!("{{{{{text}")));
    }

    #[test]
    fn any_bytes_are_parsed_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Expression::parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_tokens_are_evaluated_within_the_budget(picks in proptest::collection::vec(0..PIECES.len(), 0..60)) {
        let source: String = picks.iter().map(|pick| PIECES[*pick]).collect();
        if let Ok(expression) = Expression::parse(&source) {
            let mut budget = Budget::new();
            let _ = expression.evaluate(&scope(), &mut budget);
            prop_assert!(budget.steps_left() <= limits::EVALUATION_STEPS);
        }
    }
}
