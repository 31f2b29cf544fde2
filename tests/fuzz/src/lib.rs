//! What the fuzz targets share: scopes for expressions, workflows and the world of one execution from bytes; the look at an upload.

mod capabilities;
pub mod compile;
mod engine;
pub mod scope;
#[path = "../../../host/runtime/src/text.rs"]
mod text;
pub mod workflows;
pub mod world;
