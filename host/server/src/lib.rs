//! Stepwell server.
