//! The rules of the ports, as tests that every adapter passes.
