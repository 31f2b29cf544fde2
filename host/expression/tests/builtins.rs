//! Functions, methods and literals of the closed list against the answers that JavaScript gives.

mod common;

use common::{check, error_of};
use stepwell_expression::{EvalErrorKind, Expression};

#[test]
fn text_methods_count_utf16_units() {
    check(&[
        ("'caf\u{e9}'.length", "4"),
        ("'\u{1f600}'.length", "2"),
        ("'a\u{1f600}b'.indexOf('b')", "3"),
        ("'a\u{1f600}b'.slice(1, 3)", "\"\u{1f600}\""),
        ("'a\u{1f600}b'.slice(1, 2)", "\"\u{fffd}\""),
        ("'\u{1f600}'.split('').length", "2"),
        ("'\u{1f600}'.codePointAt(0)", "128512"),
        ("'\u{1f600}'.charCodeAt(1)", "56832"),
        ("'\u{1f600}'.at(-1)", "\"\u{fffd}\""),
        ("'\u{1f600}x'.startsWith('x', 2)", "true"),
        ("'\u{1f600}x'.startsWith('x', 1)", "false"),
        ("'\u{1f600}'.padEnd(3, '\u{1f600}')", "\"\u{1f600}\u{fffd}\""),
    ]);
}

#[test]
fn text_methods() {
    check(&[
        ("' a '.trim() + ' b '.trimStart() + ' c '.trimEnd()", "\"ab  c\""),
        ("'Stra\u{df}e'.toUpperCase()", "\"STRASSE\""),
        ("'\u{feff}\u{a0}x\u{85}\u{2029}'.trim().length", "2"),
        ("'ABC'.toLowerCase()", "\"abc\""),
        ("'abcabc'.replace('b', '[$&]')", "\"a[b]cabc\""),
        ("'abcabc'.replaceAll('b', '$$')", "\"a$ca$c\""),
        ("'ab'.replaceAll('', '-')", "\"-a-b-\""),
        ("'a,b'.split(',')", "[\"a\",\"b\"]"),
        ("'abc'.substring(2, 0)", "\"ab\""),
        ("'7'.padStart(3, '0')", "\"007\""),
        ("'ab'.repeat(2)", "\"abab\""),
        ("'aaa'.lastIndexOf('aa')", "1"),
        ("'abc'.includes('bc') && 'abc'.endsWith('bc', 3)", "true"),
        ("'a'.concat(1, null)", "\"a1null\""),
    ]);
    assert_eq!(error_of("'a'.repeat(-1)").kind, EvalErrorKind::Range);
}

#[test]
fn array_methods() {
    check(&[
        ("input.rows.filter(r => r.ok).map(r => r.id)", "[2,3]"),
        ("input.rows.find(r => r.id > 2).id", "3"),
        ("input.rows.findIndex(r => r.id > 9)", "-1"),
        ("input.rows.some(r => r.ok) && !input.rows.every(r => r.ok)", "true"),
        ("input.rows.reduce((sum, r) => sum + r.id, 0)", "6"),
        ("input.list.map((x, i, all) => x * i + all.length)", "[2,4]"),
        ("[[1], [2, [3]]].flat()", "[1,2,[3]]"),
        ("[1, 2].flatMap(x => [x, x])", "[1,1,2,2]"),
        ("[3, 1, 2].toSorted((a, b) => b - a)", "[3,2,1]"),
        (
            "['b1', 'a1', 'b2', 'a2'].toSorted((a, b) => a[0] < b[0] ? -1 : a[0] > b[0])",
            "[\"a1\",\"a2\",\"b1\",\"b2\"]",
        ),
        ("[10, 9, undefined, 1].toSorted()", "[1,10,9,null]"),
        ("[1, 2, 3].toReversed().slice(-2)", "[2,1]"),
        ("[NaN].includes(NaN) && [NaN].indexOf(NaN) === -1", "true"),
        ("[1, [2]].concat([3], 4).length", "4"),
        ("['', 0, 'a', null].filter(Boolean)", "[\"a\"]"),
        ("['1', '2', '3'].map(parseInt)", "[1,null,null]"),
        ("input.rows.map(r => input.list.map(x => x + r.id))", "[[3,4],[2,3],[4,5]]"),
        ("[1, null, 'b'].join('-')", "\"1--b\""),
        ("[...'ab', ...[1]]", "[\"a\",\"b\",1]"),
    ]);
    assert_eq!(error_of("[].reduce((a, b) => a)").kind, EvalErrorKind::Type);
    assert_eq!(error_of("[1].map(x => nowhere)").kind, EvalErrorKind::UnknownName);
    assert_eq!(error_of("'a'.map(x => x)").message, "`map` is not a method of a string");
    assert!(Expression::parse("a.map(1)").is_err() && Expression::parse("a.map(x => x, 1)").is_err());
}

#[test]
fn objects_keep_the_order_of_javascript() {
    check(&[
        ("{b: 1, 10: 2, a: 3, 9: 4}", "{\"9\":4,\"10\":2,\"b\":1,\"a\":3}"),
        ("Object.keys({b: 1, 1: 2})", "[\"1\",\"b\"]"),
        ("({...input.order, total: 1}).total", "1"),
        ("Object.entries({a: [1]})", "[[\"a\",[1]]]"),
        ("{['x' + 1]: 1, y: undefined}", "{\"x1\":1}"),
        ("Object.keys({y: undefined})", "[\"y\"]"),
        ("{__proto__: 1}", "{\"__proto__\":1}"),
        ("JSON.stringify({a: [undefined, NaN, '\\u0001\"']})", "\"{\\\"a\\\":[null,null,\\\"\\\\u0001\\\\\\\"\\\"]}\""),
        ("`${input.name}: ${input.order.total / 4} ${[1, 2]}`", "\"Ada: 30 1,2\""),
    ]);
    assert_eq!(error_of("Object.keys(null)").kind, EvalErrorKind::Type);
}

#[test]
fn numbers() {
    check(&[
        ("Math.round(-2.5) + Math.round(2.5)", "1"),
        ("Math.max(...input.list, 5) - Math.min(1, 2)", "4"),
        ("Math.max() < Math.min()", "true"),
        ("(1.005).toFixed(2)", "\"1.00\""),
        ("(255).toString(16)", "\"ff\""),
        ("parseInt('12px') + parseFloat('1.5e1x')", "27"),
        ("Number('') + Number(null) + Number([5])", "5"),
        ("Number.isInteger(5.0) && !Number.isInteger('5')", "true"),
        ("String(-0) + 1e300 * 10 + 123456789012345680000", "\"01e+301123456789012345680000\""),
        ("3 ** 33 === 5559060566555523 && 10 ** 22 === 1e22 && 10 ** -5 === 1e-5", "true"),
        ("9007199254740993", "9007199254740992"),
        ("Math.sign(-3) * Math.sqrt(16) + Math.trunc(-0.5)", "-4"),
    ]);
    assert_eq!(error_of("(1).toFixed(101)").kind, EvalErrorKind::Range);
    assert_eq!(error_of("(0.5).toString(2)").kind, EvalErrorKind::NotSupported);
}
