//! Stand-ins for the ports, for tests and simulations. Never part of the product.

mod store;

pub use store::{FaultPoint, MemoryStore};
