//! What the port promises, with guests in processes of their own; and what holds for those processes.

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
#[path = "cases/workers.rs"]
mod workers;
