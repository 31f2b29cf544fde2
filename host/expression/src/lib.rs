//! Stepwell expression.
