//! Core modules: a module that carries our world in a `component-type` section becomes a component.

use super::frame::{Refusal, refuse};
use super::unfit::Code;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

/// How the sections begin in which binding generators leave the world.
const COMPONENT_TYPE: &str = "component-type";

/// The component round the module.
pub(super) fn wrap(module: &[u8]) -> Result<Vec<u8>, Refusal> {
    if !has_world(module) {
        return Err(refuse(
            Code::WrongWorld,
            "the core module does not carry a world (it has no `component-type` section): build it with bindings of the \
             world stepwell:function/function@1.0.0, for instance with the SDK",
        ));
    }
    let encoded = ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|e| e.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER))
        .and_then(|mut e| e.encode());
    encoded.map_err(|error| {
        refuse(Code::WrongWorld, format!("the core module cannot be made into a component: {error:#}"))
    })
}

fn has_world(module: &[u8]) -> bool {
    Parser::new(0).parse_all(module).any(
        |payload| matches!(payload, Ok(Payload::CustomSection(section)) if section.name().starts_with(COMPONENT_TYPE)),
    )
}
