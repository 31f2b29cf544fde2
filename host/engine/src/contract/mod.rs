//! The rules of the ports, as tests that every adapter passes. Never part of the product.

pub mod store;
