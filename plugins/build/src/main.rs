//! Builds the guests.
fn main() {}
