//! A parsed expression, and the scope it is evaluated in.

use std::fmt;
use std::sync::Arc;

use crate::budget::Budget;
use crate::error::{EvalError, ParseError};
use crate::evaluate::Evaluator;
use crate::limits::{JSON_DEPTH, SOURCE_BYTES};
use crate::syntax::{self, LinkKind, Node, NodeId, Parsed, Tree};
use crate::value::{Shape, Value};

/// The names that an expression can use (row D5 of the semantics page).
pub trait Scope {
    /// The value of a name, bare names included; `None` if there is no such name, which is an error (row D6).
    fn root(&self, name: &str) -> Option<Value>;

    /// The names to list when one is unknown, the most useful first.
    fn names(&self) -> Vec<String>;
}

/// An expression, parsed and ready to be evaluated any number of times. Cloning shares it; two are equal if their
/// sources are.
#[derive(Clone)]
pub struct Expression {
    inner: Arc<Inner>,
}

struct Inner {
    source: Box<str>,
    tree: Tree,
    root: NodeId,
}

impl Expression {
    /// Parses a source text of at most [`SOURCE_BYTES`]. `{{ e }}` as a whole is the same as `e` (row D14).
    ///
    /// # Errors
    /// If the text is too long, nests deeper than [`crate::limits::DEPTH`], or is not an expression of the language.
    pub fn parse(source: &str) -> Result<Self, ParseError> {
        if source.len() > SOURCE_BYTES {
            return Err(ParseError { message: too_long(), line: 1, column: 1 });
        }
        let leading = source.len() - source.trim_start().len();
        if !source[leading..].starts_with("{{") {
            let parsed = syntax::parse(source, 0, false)?;
            return Ok(Self::new(source, 0, parsed));
        }
        let start = leading + 2;
        let parsed = syntax::parse(source, start, true)?;
        let after = &source[parsed.end + 2..];
        if !after.trim_start().is_empty() {
            let (line, column) = syntax::position(source, source.len() - after.trim_start().len());
            let message = "text after `}}`: an expression field holds one expression".to_owned();
            return Err(ParseError { message, line, column });
        }
        Ok(Self::new(source, start, parsed))
    }

    /// Parses the expression between `{{`, which ends before `start`, and `}}`; also says where `}}` begins.
    pub(crate) fn parse_in_braces(text: &str, start: usize) -> Result<(Self, usize), ParseError> {
        let window = text.floor_char_boundary(start.saturating_add(SOURCE_BYTES + 2));
        let parsed = syntax::parse(&text[..window], start, true).map_err(|error| {
            if window == text.len() || text[start..window].contains("}}") {
                return error;
            }
            let (line, column) = syntax::position(text, start);
            ParseError { message: too_long(), line, column }
        })?;
        let end = parsed.end;
        Ok((Self::new(text, start, parsed), end))
    }

    fn new(text: &str, start: usize, parsed: Parsed) -> Self {
        let Parsed { mut tree, root, end } = parsed;
        let source = &text[start..end];
        let start = start + source.len() - source.trim_start().len();
        tree.shift(start);
        Self { inner: Arc::new(Inner { source: source.trim().into(), tree, root }) }
    }

    /// The source text, without the braces around it.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.inner.source
    }

    /// The names it reads from the scope, each once, in the order of their first use.
    pub fn roots(&self) -> impl Iterator<Item = &str> {
        self.inner.tree.roots.iter().map(|root| &**root)
    }

    /// What it reads from the scope: each name with the first property that is read of it, where that is written
    /// out (`steps.check` and `steps["check"]`, not `steps[name]`). A pair may come more than once.
    pub fn reads(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let tree = &self.inner.tree;
        let based = tree.nodes().iter().filter_map(|node| match node {
            Node::Chain { base, links } => Some((*base, links.first()?)),
            _ => None,
        });
        let first_links: std::collections::HashMap<usize, _> = based.map(|(base, link)| (base.index(), link)).collect();
        tree.nodes().iter().enumerate().filter_map(move |(at, node)| {
            let Node::Root(root) = node else {
                return None;
            };
            let property = first_links.get(&at).and_then(|link| match &link.kind {
                LinkKind::Property(key) => Some(&**key),
                LinkKind::Index(key) => match tree.node(*key) {
                    Node::Literal(key) => key.as_str(),
                    _ => None,
                },
                LinkKind::Method { .. } => None,
            });
            Some((&*tree.roots[*root], property))
        })
    }

    /// Its value in a scope.
    ///
    /// # Errors
    /// If it reads an unknown name, applies an operation to a value that does not have it, or exceeds the budget.
    pub fn evaluate(&self, scope: &dyn Scope, budget: &mut Budget) -> Result<Value, EvalError> {
        let Inner { source, tree, root } = &*self.inner;
        let value = Evaluator::new(tree, source, scope, budget).eval(*root)?;
        if Shape::of(&value).depth > JSON_DEPTH {
            return Err(EvalError::budget(format!("the result is nested deeper than {JSON_DEPTH} levels")));
        }
        Ok(value)
    }
}

fn too_long() -> String {
    format!("an expression longer than {SOURCE_BYTES} bytes")
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source() == other.source()
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "Expression({:?})", self.source())
    }
}
