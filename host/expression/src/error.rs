//! The errors of the crate: what a check finds, what an evaluation runs into, what a conversion refuses.

use thiserror::Error;

/// Why a source text is not an expression.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: {message}")]
pub struct ParseError {
    /// What is wrong, and where possible what to write instead.
    pub message: String,
    /// Line in the source, from 1.
    pub line: u32,
    /// Column in the line in characters, from 1.
    pub column: u32,
}

/// Why an evaluation gave no value (`expression_error`, row D6 of the semantics page).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct EvalError {
    /// The class of the error, for programs.
    pub kind: EvalErrorKind,
    /// What happened, for people.
    pub message: String,
}

/// The classes of evaluation errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvalErrorKind {
    /// A name that the scope does not have; a `ReferenceError` in JavaScript.
    UnknownName,
    /// A property of null or undefined, a method that its value does not have, and the like; a `TypeError`.
    Type,
    /// An argument outside of what its function accepts; a `RangeError`.
    Range,
    /// The evaluation needs more than its budget of steps or memory, or its value is too large or too deep.
    Budget,
    /// Valid JavaScript that Stepwell does not offer.
    NotSupported,
}

impl EvalError {
    pub(crate) fn new(kind: EvalErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(crate) fn type_error(message: impl Into<String>) -> Self {
        Self::new(EvalErrorKind::Type, message)
    }

    pub(crate) fn range(message: impl Into<String>) -> Self {
        Self::new(EvalErrorKind::Range, message)
    }

    pub(crate) fn budget(message: impl Into<String>) -> Self {
        Self::new(EvalErrorKind::Budget, message)
    }
}

/// One fault in a template.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{pointer}: line {line}, column {column}: {message}")]
pub struct TemplateError {
    /// JSON pointer (RFC 6901) to the string, within the template; empty for the template itself.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// Line in the string, from 1.
    pub line: u32,
    /// Column in the line in characters, from 1.
    pub column: u32,
}

/// Why a text or JSON value did not become a [`crate::Value`].
#[derive(Debug, Error)]
pub enum JsonError {
    /// The text is not JSON, or holds a number or string that a value cannot hold (a lone surrogate).
    #[error("not valid JSON: {0}")]
    Syntax(#[from] serde_json::Error),
    /// The JSON is nested deeper than [`crate::limits::JSON_DEPTH`].
    #[error("JSON nested deeper than {} levels", crate::limits::JSON_DEPTH)]
    Depth,
}
