//! The set-up, which is run once, when this guest is built (`snapshot`): every attempt begins with the memory that it leaves.
//!
//! Nothing of that moment may stay: no time, no chance, nothing of a script. The engine asks for the time while it is set up, and gets
//! 1970; what scripts see of time and chance is set anew by each call (`Machine::with`).
#![allow(unsafe_code, reason = "whoever builds this guest calls the set-up by this name")]

use crate::machine::Machine;

// SAFETY: no other symbol has this name; it is gone from the committed module.
#[unsafe(no_mangle)]
extern "C" fn prepare() {
    Machine::prepare();
}
