//! The rules of workflows. Pure: no async, no I/O, no clock, no randomness; what the world knows comes as arguments.

pub mod definition;
pub mod execution;
pub mod failure;
pub mod grants;
pub mod graph;
pub mod ids;
pub mod occurrence;
pub mod payload;
pub mod picture;
pub mod schedule;
pub mod secrets;
pub mod time;
pub mod trace;
