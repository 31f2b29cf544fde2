//! Guests written by hand, as core modules that carry our world: each is one misbehaviour that no compiler emits, or
//! needs no toolchain for guests.
//!
//! `handler.run` takes one pointer to its parameters (the record `context`, 72 bytes, then the input's pointer and length)
//! and returns one pointer to its result (canonical ABI).
#![allow(dead_code, reason = "not every crate that tests with these uses all of them")]

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{PackageId, Resolve};

/// The allocator, and what puts results together.
const PRELUDE: &str = r#"
    (memory (export "memory") 2)
    (global $free (mut i32) (i32.const 8192))
    (func $realloc (export "cabi_realloc") (param $old i32) (param $old_len i32) (param $align i32) (param $len i32) (result i32)
        (local $at i32)
        (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
        (global.set $free (i32.add (local.get $at) (local.get $len)))
        (block $fits
            (br_if $fits (i32.le_u (global.get $free) (i32.shl (memory.size) (i32.const 16))))
            (br_if $fits (i32.ne (i32.const -1) (memory.grow (i32.add (i32.shr_u (local.get $len) (i32.const 16)) (i32.const 1)))))
            unreachable)
        (local.get $at))
    (func $ok (param $at i32) (param $len i32) (result i32)
        (i32.store8 (i32.const 256) (i32.const 0))
        (i32.store (i32.const 264) (local.get $at))
        (i32.store (i32.const 268) (local.get $len))
        (i32.const 256))
"#;

/// A core module with these items (imports first) and this body of `run`, whose parameter is `$p`.
pub fn module(imports: &str, items: &str, run: &str) -> Vec<u8> {
    embedded(&text(imports, items, run))
}

fn text(imports: &str, items: &str, run: &str) -> String {
    format!(
        r#"(module {imports} {PRELUDE} {items}
            (func $run (export "stepwell:function/handler@1.0.0#run") (param $p i32) (result i32) {run}))"#
    )
}

/// A core module in text form, with our world.
pub fn embedded(text: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = contract(&mut resolve);
    with_world(text, &resolve, (package, "function"))
}

/// The same of a world of one's own, which may use ours and what its text brings along.
pub fn in_world(wit: &str, world: &str, (imports, items, run): (&str, &str, &str)) -> Vec<u8> {
    let mut resolve = Resolve::default();
    contract(&mut resolve);
    let package = resolve.push_str("attack.wit", wit).expect("the attack's world");
    with_world(&text(imports, items, run), &resolve, (package, world))
}

fn contract(resolve: &mut Resolve) -> PackageId {
    let wit = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit/v1");
    resolve.push_path(wit).expect("the world").0
}

fn with_world(text: &str, resolve: &Resolve, (package, world): (PackageId, &str)) -> Vec<u8> {
    let mut module = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text:.4000}"));
    let world = resolve.select_world(&[package], Some(world)).expect("the world");
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8).expect("embedded");
    module
}

/// A section of metadata in front of the others of a core module.
pub fn with_metadata(module: &[u8], metadata: &str) -> Vec<u8> {
    let name = "stepwell:meta";
    let mut section = leb(name.len());
    section.extend_from_slice(name.as_bytes());
    section.extend_from_slice(metadata.as_bytes());
    let mut out = module[..8].to_vec();
    out.push(0);
    out.extend(leb(section.len()));
    out.extend(section);
    out.extend_from_slice(&module[8..]);
    out
}

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// Returns its input.
pub fn echo() -> Vec<u8> {
    module("", "", "(call $ok (i32.load offset=72 (local.get $p)) (i32.load offset=76 (local.get $p)))")
}

/// The module as a component.
pub fn component(module: &[u8]) -> Vec<u8> {
    let mut encoder = ComponentEncoder::default().validate(true).module(module).expect("module");
    encoder.encode().expect("component")
}
