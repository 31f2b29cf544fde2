//! What the port promises, with guests on threads of the server's process.

#[path = "cases/calls.rs"]
mod calls;
#[path = "cases/capabilities.rs"]
mod capabilities;
mod common;
#[path = "cases/fixtures.rs"]
mod fixtures;
#[path = "cases/outgoing.rs"]
mod outgoing;
#[path = "cases/scripts.rs"]
mod scripts;
