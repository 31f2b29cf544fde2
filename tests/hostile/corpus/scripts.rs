//! Scripts: another language, the same walls.

use super::attacks;
use crate::arena::{Arena, Fate};

attacks!(
    a_script_that_loops,
    a_script_that_loops_before_it_is_called,
    a_script_that_allocates,
    a_script_that_recurses,
    a_script_with_a_catastrophic_pattern,
    a_script_that_changes_all_objects,
    a_script_of_depth_100_000,
    a_script_that_looks_for_a_way_out,
    a_script_with_a_getter_as_answer,
);

fn a_script_that_loops(arena: &Arena) {
    assert_eq!(arena.script("export default () => { for (;;); }"), Fate::failed("out_of_fuel"));
}

fn a_script_that_loops_before_it_is_called(arena: &Arena) {
    let fate = arena.script("for (;;); export default () => 1");
    assert!(matches!(&fate, Fate::Refused(code) if code == "invalid_script"), "{fate:?}");
}

fn a_script_that_allocates(arena: &Arena) {
    let fate = arena.script("export default () => { const all = []; for (;;) all.push(new Uint8Array(1 << 20)); }");
    let Fate::Failed(code) = &fate else { panic!("{fate:?}") };
    assert!(["memory_limit", "out_of_fuel"].contains(&code.as_str()), "{fate:?}");
}

fn a_script_that_recurses(arena: &Arena) {
    let fate = arena.script("export default () => { const down = () => down() + 1; return down(); }");
    assert!(matches!(fate, Fate::Failed(_)), "{fate:?}");
}

fn a_script_with_a_catastrophic_pattern(arena: &Arena) {
    let fate = arena.script("export default () => /^(a+)+$/.test('a'.repeat(64) + 'b')");
    assert_eq!(fate, Fate::failed("out_of_fuel"));
}

/// The next attempt is a fresh instance: nobody else sees it.
fn a_script_that_changes_all_objects(arena: &Arena) {
    let poison = "Object.prototype.polluted = 1; globalThis.left = 1; export default () => ({}).polluted";
    assert_eq!(arena.script(poison), Fate::Answered(1.into()));
    let clean = "export default () => [typeof ({}).polluted, typeof globalThis.left]";
    assert_eq!(arena.script(clean), Fate::Answered(serde_json::json!(["undefined", "undefined"])));
}

fn a_script_of_depth_100_000(arena: &Arena) {
    let deep = format!("export default () => {}1{}", "(".repeat(100_000), ")".repeat(100_000));
    assert_eq!(arena.script(&deep), Fate::refused("invalid_script"));
    let json = "export default () => JSON.parse('['.repeat(100000) + ']'.repeat(100000))";
    assert!(matches!(arena.script(json), Fate::Failed(_)));
}

fn a_script_that_looks_for_a_way_out(arena: &Arena) {
    let source = "export default () => ['require', 'process', 'fetch', 'std', 'os', 'Deno', 'XMLHttpRequest', 'WebSocket', 'Worker']\
                  .filter(name => typeof globalThis[name] !== 'undefined')";
    assert_eq!(arena.script(source), Fate::Answered(serde_json::json!([])));
    for source in ["import 'std'; export default () => 1", "import fs from 'fs'; export default () => 1"] {
        assert_eq!(arena.script(source), Fate::refused("invalid_script"), "{source}");
    }
    let dynamic = arena.script("export default async () => { await import('os'); return 1 }");
    assert!(matches!(dynamic, Fate::Failed(_)), "{dynamic:?}");
}

fn a_script_with_a_getter_as_answer(arena: &Arena) {
    let fate = arena.script("export default () => ({ get a() { for (;;); } })");
    assert_eq!(fate, Fate::failed("out_of_fuel"));
}
