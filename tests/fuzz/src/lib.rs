//! What the fuzz targets share: scopes for expressions, workflows and the world of one execution from bytes.

pub mod scope;
pub mod workflows;
pub mod world;
