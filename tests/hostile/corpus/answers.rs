//! Guests that hand over what no honest one would.

use super::attacks;
use crate::arena::{Arena, Fate};
use crate::guests;
use crate::support::guest;

attacks!(
    answers_100_mib,
    answers_the_whole_address_space,
    answers_from_outside_of_its_memory,
    answers_an_unknown_case,
    answers_bad_utf8,
    answers_no_json,
    answers_json_of_depth_100_000,
    answers_numbers_beyond_numbers,
    answers_duplicate_keys,
    fails_with_huge_texts,
    fails_with_terminal_escapes,
    logs_a_list_of_a_billion_fields,
    exits_instead_of_answering,
);

/// `run` that answers this text.
fn says(text: &str) -> Vec<u8> {
    let escaped: String = text.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    let items = format!("(data (i32.const 512) \"{escaped}\")");
    guests::module("", &items, &format!("(call $ok (i32.const 512) (i32.const {}))", text.len()))
}

fn answers_100_mib(arena: &Arena) {
    let fate = arena.fate(&guest("fixtures/returns_100_mib"));
    assert!([Fate::failed("output_limit"), Fate::failed("out_of_fuel")].contains(&fate), "{fate:?}");
}

fn answers_the_whole_address_space(arena: &Arena) {
    let all = guests::module("", "", "(call $ok (i32.const 0) (i32.const -1))");
    assert_eq!(arena.fate(&all), Fate::failed("output_limit"));
}

fn answers_from_outside_of_its_memory(arena: &Arena) {
    let far = guests::module("", "", "(call $ok (i32.const 131070) (i32.const 100))");
    let nowhere = guests::module("", "", "(i32.const -8)");
    for wasm in [far, nowhere] {
        let fate = arena.fate(&wasm);
        assert!([Fate::failed("output_limit"), Fate::failed("function_trapped")].contains(&fate), "{fate:?}");
    }
}

fn answers_an_unknown_case(arena: &Arena) {
    let odd = guests::module("", "", "(i32.store8 (i32.const 256) (i32.const 77)) (i32.const 256)");
    let fate = arena.fate(&odd);
    assert!([Fate::failed("output_limit"), Fate::failed("function_trapped")].contains(&fate), "{fate:?}");
}

fn answers_bad_utf8(arena: &Arena) {
    let fate = arena.fate(&guest("fixtures/returns_bad_utf8"));
    assert!(
        matches!(&fate, Fate::Failed(code) if ["invalid_output", "function_trapped", "output_limit"].contains(&code.as_str())),
        "{fate:?}"
    );
}

fn answers_no_json(arena: &Arena) {
    for text in ["", "nothing", "{", "[1,]", "\u{0}", "NaN", "'x'", "{\"a\":1}}"] {
        assert_eq!(arena.fate(&says(text)), Fate::failed("invalid_output"), "{text:?}");
    }
}

fn answers_json_of_depth_100_000(arena: &Arena) {
    let run = "(memory.fill (i32.const 8192) (i32.const 91) (i32.const 100000))
        (call $ok (i32.const 8192) (i32.const 100000))";
    assert_eq!(arena.fate(&guests::module("", "", run)), Fate::failed("invalid_output"));
}

fn answers_numbers_beyond_numbers(arena: &Arena) {
    for text in ["1e400", "-1e400", "{\"a\":[1e999]}"] {
        assert_eq!(arena.fate(&says(text)), Fate::failed("invalid_output"), "{text}");
    }
    // A long one is a number all the same.
    assert!(matches!(arena.fate(&says(&"9".repeat(300))), Fate::Answered(_) | Fate::Failed(_)));
}

fn answers_duplicate_keys(arena: &Arena) {
    // Two readers must not see two different objects: it is refused, or one of them counts everywhere.
    match arena.fate(&says(r#"{"a":1,"a":2}"#)) {
        Fate::Failed(code) => assert_eq!(code, "invalid_output"),
        Fate::Answered(value) => assert_eq!(value["a"], 2),
        other @ Fate::Refused(_) => panic!("{other:?}"),
    }
}

fn fails_with_huge_texts(arena: &Arena) {
    assert_eq!(arena.fate(&guest("fixtures/fails_with_huge_texts")), Fate::failed("output_limit"));
}

/// A message is shown as it is in JSON, but a terminal must not obey it.
fn fails_with_terminal_escapes(arena: &Arena) {
    let source = "export default () => { throw new Error('\\u001b[2J\\u001b]0;owned\\u0007') }";
    let script = arena.upload_script(source).unwrap_or_else(|answer| panic!("{:#}", answer.body));
    let fate = arena.call(&script, &serde_json::json!({"n": 1}));
    assert!(matches!(fate, Fate::Failed(_)), "{fate:?}");
    let definition =
        serde_json::json!({"name": "escapes", "steps": [{"id": "only", "type": "function", "function": script}]});
    let ended = arena.run(&definition, &serde_json::json!({}));
    let id = ended["executionId"].as_str().expect("id");
    let mut show = crate::support::program();
    show.args(["show", id, "--server", &arena.mallory.address]).env("STEPWELL_API_KEY", &arena.mallory.key);
    let shown = show.output().expect("runs");
    assert!(shown.status.success() && !shown.stdout.contains(&0x1b), "{:?}", String::from_utf8_lossy(&shown.stdout));
}

fn logs_a_list_of_a_billion_fields(arena: &Arena) {
    let import = r#"(import "stepwell:function/log@1.0.0" "log" (func $log (param i32 i32 i32 i32 i32)))"#;
    let run = "(call $log (i32.const 2) (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 1000000000)) unreachable";
    let fate = arena.fate(&guests::module(import, "", run));
    assert!(
        matches!(&fate, Fate::Failed(code) if ["function_trapped", "output_limit", "out_of_fuel"].contains(&code.as_str())),
        "{fate:?}"
    );
}

fn exits_instead_of_answering(arena: &Arena) {
    for fixture in ["exits", "exits_with_success"] {
        assert_eq!(arena.fate(&guest(&format!("fixtures/{fixture}"))), Fate::failed("function_exited"));
    }
}
