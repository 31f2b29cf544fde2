//! The time that a script sees: that of the attempt's begin, all along. What runs for milliseconds needs no clock that moves,
//! and without one no script can measure what its neighbours do.
#![allow(unsafe_code, reason = "the engine's C code asks for the time by this name")]

use std::cell::Cell;

thread_local! {
    static NOW_US: Cell<f64> = const { Cell::new(0.0) };
}

/// Sets it, in milliseconds since 1970.
pub(crate) fn set(now_ms: u64) {
    NOW_US.set(now_ms as f64 * 1_000.0);
}

/// What QuickJS calls for the time: microseconds since 1970.
// SAFETY: no other symbol has this name; `rquickjs-sys` leaves it to whoever embeds it.
#[unsafe(no_mangle)]
extern "C" fn __rquickjs_host_now_us() -> f64 {
    NOW_US.get()
}
