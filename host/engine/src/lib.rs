//! The shell round the core: it admits starts, commits what the core decides, gives turns, and calls functions.

pub mod ports;
