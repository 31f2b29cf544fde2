//! Operators, properties and errors against the answers that JavaScript gives.

mod common;

use common::{check, error_of, scope};
use stepwell_expression::{EvalErrorKind, Expression};

#[test]
fn literals() {
    check(&[
        ("1", "1"),
        ("0x1F", "31"),
        ("1e3", "1000"),
        (".5", "0.5"),
        ("1_000", "1000"),
        ("0b101 + 0o17", "20"),
        ("'a\\n\\u{1F600}\\x41'", "\"a\\n\u{1F600}A\""),
        ("\"\\ud83d\\ude00\" === '\\u{1f600}'", "true"),
        ("null", "null"),
        ("undefined", "undefined"),
        ("true", "true"),
        ("/* why */ 1 // because", "1"),
        ("1e21 + ''", "\"1e+21\""),
        ("0.1 + 0.2", "0.30000000000000004"),
        ("-0", "0"),
    ]);
}

#[test]
fn precedence_and_grouping() {
    check(&[
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("10 - 3 - 2", "5"),
        ("2 ** 3 ** 2", "512"),
        ("(-2) ** 2", "4"),
        ("2 ** -1", "0.5"),
        ("1 < 2 === true", "true"),
        ("3 > 2 > 1", "false"),
        ("true || false && false", "true"),
        ("!false && !0", "true"),
        ("true ? 1 : false ? 2 : 3", "1"),
        ("false ? 1 : false ? 2 : 3", "3"),
        ("(null ?? 1) || 2", "1"),
        ("true?.5:1", "0.5"),
        ("- -1", "1"),
        ("7 % 3 * 2", "2"),
        ("-7 % 3", "-1"),
    ]);
}

#[test]
fn equality_and_order() {
    check(&[
        ("1 == '1'", "true"),
        ("1 === '1'", "false"),
        ("null == undefined", "true"),
        ("null === undefined", "false"),
        ("null == 0", "false"),
        ("null >= 0", "true"),
        ("undefined >= 0", "false"),
        ("NaN === NaN", "false"),
        ("'10' < '9'", "true"),
        ("'10' < 9", "false"),
        ("'a' < 'b'", "true"),
        ("true == 1", "true"),
        ("'' == 0", "true"),
        ("[1] == 1", "true"),
        ("[] == []", "false"),
        ("input.list == input.list", "true"),
        ("input.list === [1, 2]", "false"),
        ("[1,2] == '1,2'", "true"),
        ("({}) == '[object Object]'", "true"),
        ("'\\u{1F600}' < '\\uFFFD'", "true"),
        ("1 != 2 && 1 !== '1'", "true"),
        ("undefined == false", "false"),
    ]);
}

#[test]
fn arithmetic_converts_as_javascript_does() {
    check(&[
        ("1 + '2'", "\"12\""),
        ("'3' * '4'", "12"),
        ("[1, 2] + ''", "\"1,2\""),
        ("'' + {}", "\"[object Object]\""),
        ("[1, [2, null], undefined] + ''", "\"1,2,,\""),
        ("true + 1", "2"),
        ("null + 1", "1"),
        ("undefined + 1", "null"),
        ("+' 12 '", "12"),
        ("+'0x10'", "16"),
        ("+'1e1000'", "null"),
        ("+'inf'", "null"),
        ("+'Infinity' === Infinity", "true"),
        ("-'3'", "-3"),
        ("+[]", "0"),
        ("+{}", "null"),
        ("1 / 0 === Infinity", "true"),
        ("1 ** Infinity", "null"),
    ]);
}

#[test]
fn logic_keeps_values() {
    check(&[
        ("0 || 'x'", "\"x\""),
        ("0 ?? 'x'", "0"),
        ("null ?? undefined ?? 3", "3"),
        ("1 && 2 && 3", "3"),
        ("1 && 0 && nowhere", "0"),
        ("true || nowhere", "true"),
        ("false ? nowhere : 1", "1"),
        ("!''", "true"),
        ("!![]", "true"),
    ]);
}

#[test]
fn properties_are_own_properties() {
    check(&[
        ("input.order.total", "120"),
        ("input['order']['total']", "120"),
        ("input.missing", "undefined"),
        ("input.constructor", "undefined"),
        ("input.__proto__", "undefined"),
        ("input.toString", "undefined"),
        ("'abc'.length", "3"),
        ("'abc'[1]", "\"b\""),
        ("'abc'[9]", "undefined"),
        ("'abc'.trim", "undefined"),
        ("input.list.length", "2"),
        ("input.list[0] + input.list['1']", "3"),
        ("input.list[2]", "undefined"),
        ("input.list['01']", "undefined"),
        ("input.list.map", "undefined"),
        ("'order' in input", "true"),
        ("'toString' in input", "false"),
        ("0 in input.list && !(2 in input.list)", "true"),
    ]);
}

#[test]
fn optional_chains_end_as_a_whole() {
    check(&[
        ("input.nothing?.a.b.c", "undefined"),
        ("input.nothing?.[nowhere].b", "undefined"),
        ("input.nothing?.trim().length", "undefined"),
        ("input.order?.total", "120"),
        ("input?.order?.['total']", "120"),
        ("input.missing?.a ?? 'none'", "\"none\""),
    ]);
    assert_eq!(error_of("(input.nothing?.a).b").kind, EvalErrorKind::Type);
}

#[test]
fn typeof_never_fails() {
    check(&[
        ("typeof nowhere", "\"undefined\""),
        ("typeof nowhere.at.all", "\"undefined\""),
        ("typeof input.nothing.x", "\"undefined\""),
        ("typeof null", "\"object\""),
        ("typeof [] + typeof '' + typeof 1 + typeof true", "\"objectstringnumberboolean\""),
    ]);
}

#[test]
fn errors_say_what_to_look_at() {
    let unknown = error_of("nowhere + 1");
    assert_eq!(unknown.kind, EvalErrorKind::UnknownName);
    assert_eq!(unknown.message, "`nowhere` is not in scope; in scope: input, customer");
    let null = error_of("input.nothing.total");
    assert_eq!(null.kind, EvalErrorKind::Type);
    assert_eq!(null.message, "cannot read `total`: `input.nothing` is null");
    assert_eq!(error_of("input.missing.a").message, "cannot read `a`: `input.missing` is undefined");
    assert_eq!(error_of("{{ input.missing[0] }}").message, "cannot read `0`: `input.missing` is undefined");
    assert_eq!(error_of("'a' in 'abc'").kind, EvalErrorKind::Type);
    assert_eq!(error_of("(1).trim()").message, "`trim` is not a method of a number");
}

#[test]
fn braces_around_the_whole_are_ignored() {
    check(&[
        ("{{ input.order.total }}", "120"),
        ("  {{1}} ", "1"),
        ("{{ {a: {b: 1}}.a.b }}", "1"),
        ("{{{a:1}}}", "{\"a\":1}"),
    ]);
    let braced = Expression::parse("{{ input.a }}").unwrap();
    assert_eq!(braced, Expression::parse("input.a").unwrap());
    assert_eq!(braced.source(), "input.a");
}

#[test]
fn what_is_not_supported_is_named_with_its_place() {
    for (source, message, line, column) in [
        ("a = 1", "assignment is not supported; write `===` to compare", 1, 3),
        ("a++", "assignment is not supported", 1, 2),
        ("new Date()", "the operator `new` is not supported", 1, 1),
        ("this.a", "the name `this` is not supported", 1, 1),
        ("1 +\n  function () {}", "a definition with `function` is not supported", 2, 3),
        ("return 1", "the statement word `return` is not supported", 1, 1),
        ("let x", "the statement word `let` is not supported", 1, 1),
        ("/a/.test(b)", "regular expressions are not supported", 1, 1),
        ("a; b", "statements are not supported: this is one expression", 1, 2),
        ("a, b", "the comma operator is not supported", 1, 2),
        ("a & b", "bitwise operators are not supported; logic is `&&`, `||` and `!`", 1, 3),
        ("a ?? b || c", "`??` beside `||` or `&&` needs parentheses", 1, 8),
        ("a && b ?? c", "`??` beside `||` or `&&` needs parentheses", 1, 8),
        ("-a ** 2", "a signed operand of `**` needs parentheses: `(-a) ** b`", 1, 4),
        ("", "an expression is missing", 1, 1),
        ("{{ }}", "an expression is missing", 1, 4),
        ("{{ a }} b", "text after `}}`: an expression field holds one expression", 1, 9),
        ("{{ a }", "`}` where an operator or the end is expected", 1, 6),
        ("1 +", "the expression ends where a value is expected", 1, 4),
        ("'abc", "a string without its closing quote", 1, 1),
        ("'\\ud83d'", "half of a surrogate pair; write the whole character, such as `\\u{1F600}`", 1, 2),
        ("fetch('x')", "`fetch` is not a function that expressions know", 1, 1),
        ("a.constructor('x')", "`constructor` is not a method that expressions know", 1, 3),
        ("a.sort()", "the method `sort` is not supported: it changes its array; use `toSorted`", 1, 3),
        ("a['map'](b)", "only a method can be called, by its name: `.trim()`", 1, 9),
        ("a?.(1)", "optional calls (`?.(`) are not supported", 1, 4),
        ("x => x", "an arrow function can only be the argument of a method such as `map` or `filter`", 1, 1),
        ("a.map(x => { return x })", "an arrow function's body is one expression; an object needs parentheses", 1, 12),
        ("1n", "big integers (`1n`) are not supported", 1, 1),
        ("a \u{a7} b", "unexpected character `\u{a7}`", 1, 3),
    ] {
        let error = Expression::parse(source).expect_err(source);
        assert_eq!((error.message.as_str(), error.line, error.column), (message, line, column), "{source}");
    }
    let random = Expression::parse("Math.random()").expect_err("not pure");
    assert!(random.message.starts_with("`Math.random` is not supported; there are Math.abs"), "{random}");
}

#[test]
fn reads_are_known_before_evaluation() {
    let expression =
        Expression::parse("steps.check.result && steps['pay'].x + item.map(x => x + item)[limit]").unwrap();
    assert_eq!(expression.roots().collect::<Vec<_>>(), ["steps", "item", "limit"]);
    let reads: Vec<_> = expression.reads().collect();
    assert_eq!(
        reads,
        [("steps", Some("check")), ("steps", Some("pay")), ("item", None), ("item", None), ("limit", None)]
    );
    assert!(scope().names.len() == 2);
}
