//! The evaluator: walks the tree, as deep as the parser allowed, and pays for every step before doing it.

mod arrays;
mod callbacks;
mod chain;
mod convert;
mod functions;
mod literals;
mod operators;
mod sort;
mod stringify;
mod strings;
mod text;

use crate::budget::Budget;
use crate::error::{EvalError, EvalErrorKind};
use crate::expression::Scope;
use crate::limits::NAMES_LISTED;
use crate::syntax::{BinaryOp, Node, NodeId, Tree, UnaryOp};
use crate::value::{Value, number};

pub(crate) use literals::{array, object};
pub(crate) use stringify::Paid;

type Answer = Result<Value, EvalError>;

/// One evaluation.
pub(crate) struct Evaluator<'e> {
    tree: &'e Tree,
    /// The source of the tree, for messages.
    source: &'e str,
    scope: &'e dyn Scope,
    budget: &'e mut Budget,
    /// Roots that were read: every use of a name in one evaluation is the same value.
    roots: Vec<Option<Value>>,
    /// Parameters of the arrow functions being called.
    locals: Vec<Value>,
}

impl<'e> Evaluator<'e> {
    pub(crate) fn new(tree: &'e Tree, source: &'e str, scope: &'e dyn Scope, budget: &'e mut Budget) -> Self {
        Self { tree, source, scope, budget, roots: vec![None; tree.roots.len()], locals: Vec::new() }
    }

    pub(crate) fn eval(&mut self, id: NodeId) -> Answer {
        let tree = self.tree;
        match tree.node(id) {
            Node::Literal(value) => Ok(value.clone()),
            Node::Root(index) => self.root(*index),
            Node::Local(slot) => Ok(self.locals.get(*slot).cloned().unwrap_or_default()),
            Node::Unary { op, operand } => self.unary(*op, *operand),
            Node::Binary { first, rest } => self.binary(*first, rest),
            Node::Conditional { test, yes, no } => {
                self.budget.steps(1)?;
                let chosen = if self.eval(*test)?.truthy() { *yes } else { *no };
                self.eval(chosen)
            }
            Node::Chain { base, links } => self.chain(*base, links),
            Node::Array(items) => self.array_literal(items),
            Node::Object(members) => self.object_literal(members),
            Node::Template { texts, parts } => self.template_literal(texts, parts),
            Node::Call { function, arguments } => {
                self.budget.steps(1)?;
                let arguments = self.elements(arguments)?;
                functions::call(*function, &arguments, self.budget)
            }
        }
    }

    fn root(&mut self, index: usize) -> Answer {
        if let Some(value) = &self.roots[index] {
            return Ok(value.clone());
        }
        self.budget.steps(1)?;
        let name = &self.tree.roots[index];
        let value = self.scope.root(name).ok_or_else(|| unknown_name(name, self.scope))?;
        self.roots[index] = Some(value.clone());
        Ok(value)
    }

    fn unary(&mut self, op: UnaryOp, operand: NodeId) -> Answer {
        self.budget.steps(1)?;
        let value = self.eval(operand);
        if op == UnaryOp::Typeof {
            // Row D14: `typeof` never fails where JavaScript would. Our own limits are no property of the operand.
            return match value {
                Err(error) if matches!(error.kind, EvalErrorKind::Budget | EvalErrorKind::NotSupported) => Err(error),
                value => Ok(Value::from(operators::type_name(&value.unwrap_or_default()))),
            };
        }
        let value = value?;
        Ok(match op {
            UnaryOp::Not => Value::Bool(!value.truthy()),
            UnaryOp::Minus => Value::Number(-convert::to_number(&value, self.budget)?),
            UnaryOp::Plus | UnaryOp::Typeof => Value::Number(convert::to_number(&value, self.budget)?),
        })
    }

    fn binary(&mut self, first: NodeId, rest: &[(BinaryOp, NodeId)]) -> Answer {
        let mut left = self.eval(first)?;
        for (op, operand) in rest {
            self.budget.steps(1)?;
            left = match op {
                BinaryOp::And if !left.truthy() => left,
                BinaryOp::Or if left.truthy() => left,
                BinaryOp::Coalesce if !left.is_nullish() => left,
                BinaryOp::And | BinaryOp::Or | BinaryOp::Coalesce => self.eval(*operand)?,
                _ => {
                    let right = self.eval(*operand)?;
                    operators::apply(*op, &left, &right, self.budget)?
                }
            };
        }
        Ok(left)
    }
}

fn unknown_name(name: &str, scope: &dyn Scope) -> EvalError {
    let mut names = scope.names();
    let more = names.len().saturating_sub(NAMES_LISTED);
    names.truncate(NAMES_LISTED);
    let mut list = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    if more > 0 {
        list.push_str(", and ");
        list.push_str(&more.to_string());
        list.push_str(" more");
    }
    EvalError::new(EvalErrorKind::UnknownName, format!("`{name}` is not in scope; in scope: {list}"))
}

/// `ToIntegerOrInfinity` of an argument, with a default where it is not given.
fn integer(arguments: &[Value], at: usize, default: f64, budget: &mut Budget) -> Result<f64, EvalError> {
    match arguments.get(at) {
        None | Some(Value::Undefined) => Ok(default),
        Some(value) => Ok(number::to_integer(convert::to_number(value, budget)?)),
    }
}

/// Where a position stands that counts from the end if it is negative, within `0..=length`.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "clamped")]
fn from_end(position: f64, length: usize) -> usize {
    let position = if position < 0.0 { position + length as f64 } else { position };
    position.clamp(0.0, length as f64) as usize
}

/// A position within `0..=length`.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "clamped")]
fn clamped(position: f64, length: usize) -> usize {
    position.clamp(0.0, length as f64) as usize
}

/// The index that an element-reading method means, if there is such an element.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "checked")]
fn within(position: f64, length: usize) -> Option<usize> {
    (position >= 0.0 && position < length as f64).then_some(position as usize)
}

/// A length or index as a value.
#[allow(clippy::cast_precision_loss, reason = "lengths are far below 2^53")]
fn count(length: usize) -> Value {
    Value::Number(length as f64)
}

/// An index, or -1 where there is none.
fn position(index: Option<usize>) -> Value {
    index.map_or(Value::Number(-1.0), count)
}
