//! Pictures of workflows and executions: SVG for browsers, Mermaid for documents, a tree for terminals, JSON for programs.
//!
//! A definition becomes a [`Figure`], an execution's state is laid over it, and the drawings are made from that. All of it is pure, and bounded:
//! names and conditions come from strangers, so they are cut and cleaned before they are drawn, and a picture that would be larger than
//! anybody can look at is refused.

mod body;
mod layout;
mod mermaid;
mod model;
mod progress;
mod read;
mod svg;
mod text;
mod timeline;
mod tree;

#[cfg(test)]
mod tests;

pub use mermaid::mermaid;
pub use model::{About, Edge, EdgeKind, Figure, Progress, Shape, Status, Story};
pub use progress::Answer;
pub use read::{about, figure};
pub use svg::svg;
pub use timeline::{BARS, Bar, Bars, Span, Timeline, timeline_svg};
pub use tree::{Colour, tree};

/// Most edges of an SVG picture: more are a black surface, and each is looked at in every round of the layout.
pub const EDGES: usize = 4_000;
/// Most bends in all edges of an SVG picture together: an edge bends in each layer that it passes.
pub const BENDS: usize = 10_000;

/// A definition that may be run, but not be drawn as SVG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the picture would have more than {most} {what}; ask for Mermaid (`text/vnd.mermaid`) or JSON, which have no such limit"
)]
pub struct TooLarge {
    /// `edges` or `bends`.
    pub what: &'static str,
    /// How many there may be.
    pub most: usize,
}
