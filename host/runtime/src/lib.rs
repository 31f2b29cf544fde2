//! Stepwell runtime.
