//! Uploads that are no functions, or that are made to keep the compiler busy.

use super::attacks;
use crate::arena::Arena;
use crate::guests;
use std::fmt::Write as _;

attacks!(
    uploads_garbage,
    uploads_every_prefix_of_a_component,
    uploads_bent_components,
    uploads_machine_code,
    a_huge_br_table,
    a_hundred_thousand_functions,
    a_huge_function,
    a_hundred_thousand_locals,
    a_hundred_thousand_nested_blocks,
    a_slow_function,
    nested_components,
    types_that_double,
    a_million_exports,
    names_with_markup_and_escapes,
    a_schema_bomb_in_the_metadata,
    metadata_without_end,
    many_compile_bombs_at_once,
);

fn uploads_garbage(arena: &Arena) {
    for bytes in [&b""[..], b"\0", b"\0asm", b"\0asm\x01\0\0\0\xff", b"GIF89a", b"{\"a\":1}", &[0xff; 4_096]] {
        let code = arena.refusal(bytes);
        assert!(["invalid_wasm", "wrong_world"].contains(&code.as_str()), "{code}: {bytes:?}");
    }
}

fn uploads_every_prefix_of_a_component(arena: &Arena) {
    let whole = guests::component(&guests::echo());
    for part in 1..16 {
        let code = arena.refusal(&whole[..whole.len() * part / 16]);
        assert!(["invalid_wasm", "wrong_world"].contains(&code.as_str()), "{part}: {code}");
    }
}

/// A component with one byte changed is refused, or is a component.
fn uploads_bent_components(arena: &Arena) {
    let whole = guests::component(&guests::echo());
    for place in (8..whole.len()).step_by(whole.len() / 24) {
        let mut bent = whole.clone();
        bent[place] ^= 0x55;
        if let Err(answer) = arena.upload(&bent) {
            answer.error(422);
        }
    }
}

/// Compiled code is the server's own business: nobody brings his.
fn uploads_machine_code(arena: &Arena) {
    assert_eq!(arena.refusal(b"\x7fELF\x02\x01\x01\0 and so on"), "invalid_wasm");
    let folder = arena.folder().join("compiled");
    let compiled = std::fs::read_dir(folder).expect("a folder").next().expect("a file").expect("a file").path();
    assert_eq!(arena.refusal(&std::fs::read(compiled).expect("reads")), "invalid_wasm");
}

fn a_huge_br_table(arena: &Arena) {
    let targets = "0 ".repeat(200_000);
    let items = format!("(func (param i32) (block (br_table {targets} (local.get 0))))");
    assert_eq!(arena.refusal(&guests::module("", &items, "unreachable")), "component_too_complex");
}

fn a_hundred_thousand_functions(arena: &Arena) {
    assert_eq!(arena.refusal(&guests::module("", &"(func)".repeat(100_000), "unreachable")), "component_too_complex");
}

fn a_huge_function(arena: &Arena) {
    let items = format!("(func (result i32) (i32.const 1) {})", "(i32.const 7) i32.add ".repeat(400_000));
    assert_eq!(arena.refusal(&guests::module("", &items, "unreachable")), "component_too_complex");
}

fn a_hundred_thousand_locals(arena: &Arena) {
    let items = format!("(func (local {}))", "i64 ".repeat(40_000));
    assert_eq!(arena.refusal(&guests::module("", &items, "unreachable")), "component_too_complex");
}

fn a_hundred_thousand_nested_blocks(arena: &Arena) {
    let items = format!("(func {} {})", "block ".repeat(100_000), "end ".repeat(100_000));
    assert_eq!(arena.refusal(&guests::module("", &items, "unreachable")), "component_too_complex");
}

/// Within all caps, but slow to compile: the limits of the compiler's process end it, or it is done in time.
fn a_slow_function(arena: &Arena) {
    let locals = "i32 ".repeat(64);
    let mut body = String::new();
    for n in 0..12_000 {
        write!(body, "local.get {} if local.get {} local.set {} end ", n % 64, (n + 1) % 64, (n + 2) % 64)
            .expect("text");
    }
    let items = format!("(func (local {locals}) {body})");
    if let Err(answer) = arena.upload(&guests::module("", &items, "unreachable")) {
        let code = answer.error(422);
        assert!(["compile_timeout", "component_too_complex", "compile_memory"].contains(&code.as_str()), "{code}");
    }
}

fn nested_components(arena: &Arena) {
    let component = wat::parse_str(format!("{} {}", "(component ".repeat(60), ")".repeat(60))).expect("wat");
    assert_eq!(arena.refusal(&component), "component_too_complex");
}

/// Each type holds the one before twice: 2^64 fields in sixty lines.
fn types_that_double(arena: &Arena) {
    let mut types = "(type $t0 (record (field \"a\" u64)))".to_owned();
    for n in 1..64 {
        write!(types, "(type $t{n} (tuple $t{0} $t{0}))", n - 1).expect("text");
    }
    let component = wat::parse_str(format!("(component {types})")).expect("wat");
    let code = arena.refusal(&component);
    assert!(["component_too_complex", "invalid_wasm", "wrong_world"].contains(&code.as_str()), "{code}");
}

fn a_million_exports(arena: &Arena) {
    let mut items = "(func $f)".to_owned();
    for n in 0..250_000 {
        write!(items, "(export \"e{n}\" (func $f))").expect("text");
    }
    assert_eq!(arena.refusal(&guests::module("", &items, "unreachable")), "component_too_complex");
}

/// Whoever lists functions in a page or a terminal must not run what their author wrote.
fn names_with_markup_and_escapes(arena: &Arena) {
    for name in
        ["<script>alert(1)</script>", "\u{1b}[31mred", "../../etc/passwd", "a\u{0}b", "a\u{202e}b", "аdmin", "a b", ""]
    {
        let line = serde_json::json!({"name": name}).to_string();
        assert_eq!(arena.refusal(&guests::with_metadata(&guests::echo(), &line)), "invalid_metadata", "{name:?}");
    }
    let line =
        serde_json::json!({"name": "fine", "description": "<img src=x onerror=alert(1)>\u{1b}[2J\u{9b}31m\u{0}"});
    let id = arena.upload(&guests::with_metadata(&guests::echo(), &line.to_string())).expect("fits");
    let function = arena.mallory.get(&format!("/functions/{id}")).ok(200);
    let description = function["description"].as_str().expect("a description");
    assert!(description.contains("<img") && !description.chars().any(|c| c.is_control()), "{description:?}");
}

fn a_schema_bomb_in_the_metadata(arena: &Arena) {
    let mut definitions = serde_json::Map::new();
    for n in 0..200 {
        let next = format!("#/$defs/d{}", (n + 1) % 200);
        definitions.insert(format!("d{n}"), serde_json::json!({"allOf": [{"$ref": next}, {"$ref": next}]}));
    }
    let schema = serde_json::json!({"$ref": "#/$defs/d0", "$defs": definitions});
    let line = serde_json::json!({"name": "bomb", "inputSchema": schema}).to_string();
    if let Ok(id) = arena.upload(&guests::with_metadata(&guests::echo(), &line)) {
        arena.call(&id, &serde_json::json!({"n": 1}));
    }
}

fn metadata_without_end(arena: &Arena) {
    let line = serde_json::json!({"name": "long", "description": "x".repeat(1 << 20)}).to_string();
    assert_eq!(arena.refusal(&guests::with_metadata(&guests::echo(), &line)), "invalid_metadata");
    let deep = format!("{{\"name\":\"a\",\"inputSchema\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(arena.refusal(&guests::with_metadata(&guests::echo(), &deep)), "invalid_metadata");
}

/// Each is another one, so that nothing is compiled only once. The other tenant works on.
fn many_compile_bombs_at_once(arena: &Arena) {
    let bombs: Vec<Vec<u8>> = (0..6)
        .map(|n| {
            let body = "local.get 0 if local.get 1 local.set 0 end ".repeat(4_000);
            guests::module("", &format!("(func (param i32 i32) {body}) (global i32 (i32.const {n}))"), "unreachable")
        })
        .collect();
    std::thread::scope(|scope| {
        for bomb in &bombs {
            scope.spawn(move || match arena.upload(bomb) {
                Ok(_) => {}
                Err(answer) => assert!([422, 429, 503].contains(&answer.status), "{:#}", answer.body),
            });
        }
    });
}
