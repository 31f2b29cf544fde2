//! Validation with the features that the engines have, and a clear word about those that they do not have.

use super::frame::{Refusal, refuse};
use super::unfit::Code;
use wasmparser::{Validator, WasmFeatures};

/// Features that are refused, and why. Their order matters only for messages.
const REFUSED: &[(WasmFeatures, &str)] = &[
    (WasmFeatures::THREADS, "threads and shared memory (a call has one thread: build without atomics)"),
    (WasmFeatures::MEMORY64, "64-bit memories (build for wasm32)"),
    (WasmFeatures::EXCEPTIONS, "exceptions (build with panic=abort, or without exceptions)"),
    (WasmFeatures::LEGACY_EXCEPTIONS, "legacy exceptions (build without exceptions)"),
    (WasmFeatures::GC, "garbage-collected types (build for linear memory)"),
    (WasmFeatures::GC_TYPES, "garbage-collected references such as externref (build for linear memory)"),
    (WasmFeatures::FUNCTION_REFERENCES, "typed function references (build without them)"),
    (WasmFeatures::CM_ASYNC, "asynchronous component functions, streams and futures (use synchronous bindings)"),
    (WasmFeatures::CM_ASYNC_STACKFUL, "asynchronous component functions (use synchronous bindings)"),
    (WasmFeatures::CM_MORE_ASYNC_BUILTINS, "asynchronous component functions (use synchronous bindings)"),
    (WasmFeatures::CM_THREADING, "threads of the component model (use synchronous bindings)"),
    (WasmFeatures::CM_ERROR_CONTEXT, "error contexts of the component model (use synchronous bindings)"),
    (WasmFeatures::STACK_SWITCHING, "stack switching (build without it)"),
    (WasmFeatures::CUSTOM_PAGE_SIZES, "memories with pages of another size (use the default of 64 KiB)"),
    (WasmFeatures::SHARED_EVERYTHING_THREADS, "shared-everything threads (a call has one thread)"),
];

/// What both engines accept: wasm 3 without garbage collection, exceptions, threads and 64-bit memories; components
/// without concurrency. The same as `engine::tunables`, which has the last word.
fn accepted() -> WasmFeatures {
    let refused = REFUSED.iter().fold(WasmFeatures::empty(), |all, (feature, _)| all | *feature);
    (WasmFeatures::WASM3 | WasmFeatures::COMPONENT_MODEL) & !refused
}

/// Whether the artifact is valid; if not, whether a feature that is missing here would make it so.
pub(super) fn check(artifact: &[u8]) -> Result<(), Refusal> {
    let Err(error) = Validator::new_with_features(accepted()).validate_all(artifact) else { return Ok(()) };
    if let Some(feature) = missing(artifact, &error) {
        return Err(refuse(
            Code::UnsupportedFeature,
            format!("the artifact uses {feature}, at byte {}: this server does not accept it", error.offset()),
        ));
    }
    Err(invalid(&error))
}

/// A message for an artifact that is not WebAssembly, or not valid.
pub(super) fn invalid(error: &wasmparser::Error) -> Refusal {
    refuse(Code::InvalidWasm, format!("not valid WebAssembly at byte {}: {}", error.offset(), error.message()))
}

fn missing(artifact: &[u8], error: &wasmparser::Error) -> Option<&'static str> {
    if let Some(feature) = error.missing_wasm_feature() {
        let known = REFUSED.iter().find(|(refused, _)| feature.intersects(*refused)).map(|(_, name)| *name);
        return Some(known.unwrap_or("a feature that is not part of WebAssembly 3"));
    }
    // Some errors do not say that a feature would help: try each.
    let helps = |feature| Validator::new_with_features(accepted() | feature).validate_all(artifact).is_ok();
    REFUSED.iter().find(|(feature, _)| helps(*feature)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Refusal {
        check(&wat::parse_str(text).expect("wat")).expect_err("refused")
    }

    #[test]
    fn features_that_are_missing_are_named() {
        for (text, word) in [
            ("(module (memory 1 2 shared))", "threads"),
            ("(module (memory i64 1))", "64-bit"),
            ("(module (tag) (func throw 0))", "exceptions"),
            ("(module (type (struct (field i32))))", "garbage"),
            ("(module (func (param externref)))", "externref"),
            ("(component (core module (memory 1 1 shared)))", "threads"),
            ("(component (type (stream u8)))", "asynchronous"),
        ] {
            let refusal = refused(text);
            assert_eq!(refusal.code, Code::UnsupportedFeature, "{text}: {}", refusal.message);
            assert!(refusal.message.contains(word), "{text}: {}", refusal.message);
        }
    }

    #[test]
    fn what_rust_emits_is_accepted() {
        let text = "(module (memory 1) (memory 1) (global (mut i32) (i32.const 0)) (table 1 funcref)
            (func (param v128) (result i32 i32) (return_call 0 (local.get 0)))
            (func (memory.copy (i32.const 0) (i32.const 0) (i32.const 0)) (drop (i32.extend8_s (i32.const 0)))))";
        check(&wat::parse_str(text).expect("wat")).expect("accepted");
    }

    #[test]
    fn the_engine_has_the_same_opinion() {
        let engine = crate::engine::compiling().expect("engine");
        for feature in ["(memory 1 2 shared)", "(memory i64 1)", "(tag)", "(type (struct))", "(func (param externref))"]
        {
            let component = wat::parse_str(format!("(component (core module {feature}))")).expect("wat");
            assert!(engine.precompile_component(&component).is_err(), "{feature}");
        }
    }
}
