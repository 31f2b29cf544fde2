//! The contract's side: what the host calls.

use crate::machine::Machine;
use bindings::exports::stepwell::script::runner::{Context, Failed, Flaw, Guest, Surroundings};

/// Generated from `wit/v1` and `wit/script`; calls across the boundary are unsafe by nature.
#[allow(unsafe_code, clippy::all, clippy::pedantic)]
pub(crate) mod bindings {
    wit_bindgen::generate!({
        path: ["../../wit/v1", "../../wit/script"],
        world: "stepwell:script/script",
        generate_all,
    });
    export!(Runner with_types_in self);
    use super::Runner;
}

struct Runner;

impl Guest for Runner {
    fn check(script: String, surroundings: Surroundings) -> Result<(), Flaw> {
        Machine::with(surroundings, |js, prelude| crate::script::check(js, prelude, script))
    }

    fn run(script: String, surroundings: Surroundings, ctx: Context, input: String) -> Result<String, Failed> {
        Machine::with(surroundings, |js, prelude| crate::script::run(js, prelude, script, (&ctx, &input)))
    }
}
