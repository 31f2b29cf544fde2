//! Stepwell store.
