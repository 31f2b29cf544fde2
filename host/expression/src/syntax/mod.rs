//! From source text to a checked tree: tokens, tree, parser.

mod ast;
mod lexer;
mod literal;
mod parser;
mod primary;
mod suffix;

pub(crate) use ast::{
    Argument, BinaryOp, Callback, Element, Link, LinkKind, Node, NodeId, ObjectMember, Tree, UnaryOp,
};
pub(crate) use lexer::position;
pub(crate) use parser::{Parsed, parse};
