//! The rules of workflows. Pure: no async, no I/O, no clock, no randomness; what the world knows comes as arguments.

pub mod failure;
pub mod ids;
pub mod payload;
pub mod time;
