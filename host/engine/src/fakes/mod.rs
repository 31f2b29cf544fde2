//! Stand-ins for the ports, for tests and simulations. Never part of the product.

mod runtime;
mod store;
pub mod stored;
mod world;

pub use runtime::{Answer, FakeRuntime};
pub use store::{FaultPoint, MemoryStore};
pub use world::{FakeClock, FakeEntropy, MemoryNotes};
