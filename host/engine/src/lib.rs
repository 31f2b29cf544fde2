//! The shell round the core: it admits starts, commits what the core decides, gives turns, and calls functions.

#[cfg(any(test, feature = "testing"))]
pub mod contract;
#[cfg(any(test, feature = "testing"))]
pub mod fakes;
pub mod ports;
