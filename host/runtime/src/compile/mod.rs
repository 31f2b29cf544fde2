//! From an upload to machine code. Everything that reads the upload runs in a child process with limits: compilers
//! are not made to withstand hostile input in time and memory.

mod child;
mod features;
mod frame;
mod limits;
mod meta;
mod parent;
mod progress;
mod scan;
mod turns;
mod unfit;
mod world;
mod wrap;

pub use child::compile_child_main;
pub(crate) use parent::{Compiled, Compiler};
pub(crate) use turns::Turn;
pub(crate) use unfit::{Code, unfit};
pub(crate) use world::World;
