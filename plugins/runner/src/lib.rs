//! The guest that runs scripts: one component of the private world `stepwell:script` (`wit/script`), the same for every
//! script and every tenant. Each attempt has a fresh instance, so no script meets another. All instances begin with the same
//! memory, in which the engine is set up already (`prepare`).
//!
//! The way of a call: `guest` (the contract) -> `machine` (the engine, with `prelude.js` run) -> `script` (declares the text as
//! a module, runs it, calls the default export and all that it has promised) -> `outcome` (its end as the contract says it).

mod clock;
mod guest;
mod log;
mod machine;
mod memory;
mod outcome;
mod prepare;
mod script;
