//! Schemas and values of people who mean well, and of people who do not.

use super::*;
use serde_json::json;

fn compile(schema: &Value) -> Schema {
    Schema::compile(schema, "/inputSchema").unwrap_or_else(|faults| panic!("{schema}: {faults:?}"))
}

fn fault(schema: &Value) -> Fault {
    let faults = Schema::compile(schema, "/inputSchema").expect_err("it is refused");
    faults.into_iter().next().expect("a fault")
}

#[test]
fn a_value_matches_or_is_told_where_not() {
    let order = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "https://example.com/order",
        "type": "object", "required": ["lines"],
        "properties": {"lines": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/line"}}, "a/b": {"const": 1}},
        "$defs": {"line": {"type": "object", "properties": {"sku": {"pattern": "^[A-Z]{2}-\\d+$"}, "count": {"minimum": 1}}}}
    });
    let schema = compile(&order);
    assert_eq!(schema.validate(&json!({"lines": [{"sku": "AB-1", "count": 2}]})), Ok(()));
    let wrong = json!({"lines": [{"sku": "AB-1"}, {"sku": "secret", "count": 0}], "a/b": 2});
    let mut violations = schema.validate(&wrong).expect_err("refused");
    violations.sort_by(|a, b| a.pointer.cmp(&b.pointer));
    let pointers: Vec<&str> = violations.iter().map(|violation| violation.pointer.as_str()).collect();
    assert_eq!(pointers, ["/a~1b", "/lines/1/count", "/lines/1/sku"]);
    assert!(violations.iter().all(|violation| !violation.message.contains("secret")), "{violations:?}");
    let missing = schema.validate(&json!({})).expect_err("refused");
    assert!(missing[0].pointer.is_empty() && missing[0].message.contains("lines"), "{missing:?}");
}

#[test]
fn at_most_twenty_places_are_named() {
    let schema = compile(&json!({"items": {"type": "string"}}));
    assert_eq!(schema.validate(&json!(vec![0; 1_000])).expect_err("refused").len(), VIOLATIONS);
    let many = schema.validate(&json!(vec![0; 100_000])).expect_err("refused");
    assert!(many.len() == 1 && many[0].message.contains("too large to say where"), "{many:?}");
}

#[test]
fn drafts_differ_and_others_are_refused() {
    let tuple = |draft: &str| json!({"$schema": draft, "items": [{"type": "string"}]});
    let seven = compile(&tuple("http://json-schema.org/draft-07/schema#"));
    assert!(seven.validate(&json!(["a", 1])).is_ok() && seven.validate(&json!([1])).is_err());
    assert_eq!(fault(&tuple("https://json-schema.org/draft/2020-12/schema")).pointer, "/inputSchema/items");
    for draft in ["http://json-schema.org/draft-04/schema#", "https://example.com/mine", ""] {
        assert_eq!(fault(&tuple(draft)).pointer, "/inputSchema/$schema");
    }
    // `format` is a note, in both.
    for draft in ["http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2020-12/schema"] {
        assert_eq!(compile(&json!({"$schema": draft, "format": "email"})).validate(&json!("x")), Ok(()));
    }
}

#[test]
fn what_is_no_schema_is_refused_with_its_place() {
    for (schema, pointer) in [
        (json!(null), ""),
        (json!("string"), ""),
        (json!({"type": "text"}), "/type"),
        (json!({"properties": {"a": {"minimum": "1"}}}), "/properties/a/minimum"),
        (json!({"properties": {"a~b": 7}}), "/properties/a~0b"),
        (json!({"properties": []}), "/properties"),
        (json!({"$ref": "https://example.com/other.json"}), "/$ref"),
        (json!({"$ref": "file:///etc/passwd"}), "/$ref"),
        (json!({"$ref": "other.json#/a"}), "/$ref"),
        (json!({"items": {"$ref": "#/$defs/none"}}), "/items/$ref"),
        (json!({"$ref": "#/title", "title": "x"}), "/$ref"),
        (json!({"$ref": "#anchor"}), "/$ref"),
        (json!({"$ref": "#/%24defs/a", "$defs": {"a": true}}), "/$ref"),
        (json!({"items": {"$dynamicRef": "#x"}}), "/items/$dynamicRef"),
        (json!({"items": {"$id": "https://example.com/x"}}), ""),
        (json!({"$schema": 1}), "/$schema"),
    ] {
        let fault = fault(&schema);
        assert_eq!((fault.pointer.as_str(), fault.code), (format!("/inputSchema{pointer}").as_str(), "invalid_schema"));
    }
}

#[test]
fn circles_that_look_at_nothing_are_refused() {
    for schema in [
        json!({"$ref": "#"}),
        json!({"allOf": [{"$ref": "#"}]}),
        json!({"items": {"$ref": "#/$defs/a"}, "$defs": {"a": {"not": {"$ref": "#/$defs/b"}}, "b": {"if": {"$ref": "#/$defs/a"}}}}),
        json!({"dependentSchemas": {"x": {"anyOf": [true, {"$ref": "#"}]}}}),
    ] {
        assert!(fault(&schema).message.contains("refers to itself"), "{schema}");
    }
    let tree = compile(&json!({"type": "object", "additionalProperties": {"$ref": "#"}}));
    assert!(tree.validate(&json!({"a": {"b": {}}})).is_ok() && tree.validate(&json!({"a": {"b": 1}})).is_err());
}

/// `a0` leads to `a1` twice, and so on: two to the power of `length` parts.
fn doubling(length: usize, keyword: &str) -> Value {
    let part = |at: usize| json!({keyword: [{"$ref": format!("#/$defs/a{}", at + 1)}, {"$ref": format!("#/$defs/a{}", at + 1)}]});
    let mut defs: serde_json::Map<_, _> = (0..length).map(|at| (format!("a{at}"), part(at))).collect();
    defs.insert(format!("a{length}"), json!({"type": "object"}));
    json!({"$ref": "#/$defs/a0", "$defs": defs})
}

#[test]
fn references_that_multiply_are_refused() {
    for keyword in ["allOf", "anyOf", "oneOf"] {
        assert!(fault(&doubling(30, keyword)).message.contains("too many parts"));
        assert!(compile(&doubling(8, keyword)).validate(&json!({})).is_ok() == (keyword != "oneOf"));
    }
    let chain: serde_json::Map<_, _> =
        (0..1_000).map(|at| (format!("a{at}"), json!({"$ref": format!("#/$defs/a{}", (at + 1).min(999))}))).collect();
    fault(&json!({"$ref": "#/$defs/a0", "$defs": chain}));
}

#[test]
fn references_that_multiply_with_the_value_end_at_a_bound() {
    let two = json!({"properties": {"a": {"$ref": "#"}}});
    let schema = compile(&json!({"allOf": [two, two], "properties": {"b": {"type": "string"}}}));
    let nested = |depth: usize| (0..depth).fold(json!({}), |inner, _| json!({"a": inner}));
    assert_eq!(schema.validate(&nested(8)), Ok(()));
    assert!(schema.validate(&nested(120)).expect_err("refused")[0].message.contains("too large or too deep"));
}

#[test]
fn the_deepest_value_and_schema_fit_on_a_small_stack() {
    // Each level of the value: a reference and two combinations, as many as the bound on depth lets through.
    let schema = json!({"allOf": [{"anyOf": [{"additionalProperties": {"$ref": "#"}, "items": {"$ref": "#"}}]}]});
    let nested = |depth: usize| (0..depth).fold(json!({}), |inner, _| json!({"a": inner}));
    let wrong = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!({"a": inner}));
    let run = move || {
        let typed = compile(&json!({"allOf": [schema, {"type": "object"}]}));
        let _ = typed.validate(&wrong(100));
        let schema = compile(&schema);
        assert_eq!(schema.validate(&nested(120)), Ok(()));
        let chain =
            (0..60).fold(json!({"additionalProperties": {"$ref": "#"}}), |inner, _| json!({"not": {"not": inner}}));
        assert!(Schema::compile(&chain, "").is_err());
        let chain =
            (0..14).fold(json!({"additionalProperties": {"$ref": "#"}}), |inner, _| json!({"not": {"not": inner}}));
        let chain = compile(&chain);
        for depth in [1, 10, 15, 16, 17, 30, 120] {
            let _ = chain.validate(&nested(depth));
        }
    };
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(run);
    thread.expect("starts").join().expect("does not overflow");
}

#[test]
fn patterns_are_linear_bounded_and_without_look_around() {
    let schema = compile(&json!({"pattern": "^(a+)+$"}));
    assert!(schema.validate(&json!(format!("{}b", "a".repeat(200_000)))).is_err());
    for pattern in ["(?=a)b", "(a)\\1", "(", "((a{1000}){1000}){10}"] {
        let fault = fault(&json!({"properties": {"p": {"pattern": pattern}}}));
        assert!(fault.pointer.starts_with("/inputSchema/properties/p/pattern"), "{fault:?}");
    }
    let many: serde_json::Map<_, _> = (0..65).map(|n| (format!("^{n}$"), json!(true))).collect();
    fault(&json!({"patternProperties": many}));
}

#[test]
fn large_and_deep_schemas_are_refused_at_once() {
    fault(&json!({"enum": vec!["a long value of an enum"; 5_000]}));
    let deep = (0..100).fold(json!(true), |inner, _| json!({"items": inner}));
    assert!(fault(&deep).message.contains("nested"));
    // A large `enum` counts: at each of many items it is compared with, and in errors it is quoted.
    let long: Vec<String> = (0..3_000).map(|n| format!("value {n}")).collect();
    let schema = compile(&json!({"items": {"enum": long}}));
    assert!(schema.validate(&json!(vec!["value 7"; 100])).is_ok());
    let violations = schema.validate(&json!(vec!["none"; 10])).expect_err("refused");
    assert!(violations.iter().all(|violation| violation.message.len() <= 310), "{violations:?}");
    assert!(schema.validate(&json!(vec!["value 7"; 100_000])).is_err());
}

#[test]
fn the_most_work_that_is_let_through_takes_a_moment() {
    let options: Vec<Value> =
        (0..50).map(|n| json!({"type": "object", "properties": {"kind": {"const": n}}})).collect();
    let schema = compile(&json!({"items": {"oneOf": options, "unevaluatedProperties": false}}));
    let items = |count: usize| json!(vec![json!({"kind": 49}); count]);
    assert_eq!(schema.validate(&items(500)), Ok(()));
    assert_eq!(schema.validate(&items(800)), Ok(()));
    assert!(schema.validate(&items(20_000)).is_err(), "more than is let through");
}
