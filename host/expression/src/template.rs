//! Templates: JSON values whose strings may hold `{{ expression }}` (row D11 of the semantics page).

use std::fmt::Write;
use std::sync::Arc;

use crate::budget::Budget;
use crate::error::{EvalError, ParseError, TemplateError};
use crate::evaluate::{self, Paid};
use crate::expression::{Expression, Scope};
use crate::limits::{JSON_DEPTH, TEMPLATE_ERRORS};
use crate::value::{Shape, Value};

/// A JSON value, compiled once, whose strings may hold expressions.
///
/// - A string that is exactly one `{{ e }}` becomes the value of `e` with its type; `undefined` becomes null where it
///   is the whole value or an item of an array, and is left out of objects (row D14).
/// - In a longer string, the value is written as text: `undefined` as nothing, arrays and objects as JSON, all others
///   as JavaScript writes them.
/// - Keys of objects are not templates. A `{{` without `}}` is an error; `{{ "{{" }}` writes the braces themselves.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    part: Part,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    /// A value without any expression in it.
    Constant(Value),
    /// A string that is one expression.
    Whole(Expression),
    /// A string with expressions in it.
    Text(Vec<Piece>),
    Array(Vec<Part>),
    Object(Vec<(Arc<str>, Part)>),
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(Arc<str>),
    Expression(Expression),
}

impl Template {
    /// Compiles a JSON value, nested at most [`JSON_DEPTH`] deep.
    ///
    /// # Errors
    /// All faults of all strings, at most [`TEMPLATE_ERRORS`] of them; of one string, the first.
    pub fn parse(value: &serde_json::Value) -> Result<Template, Vec<TemplateError>> {
        let mut compiler = Compiler { pointer: String::new(), errors: Vec::new() };
        let part = compiler.compile(value, JSON_DEPTH);
        if compiler.errors.is_empty() { Ok(Template { part }) } else { Err(compiler.errors) }
    }

    /// Its value in a scope. All its expressions share the budget.
    ///
    /// # Errors
    /// The first error of an expression, or that the value is too large or too deep.
    pub fn evaluate(&self, scope: &dyn Scope, budget: &mut Budget) -> Result<Value, EvalError> {
        let value = self.part.evaluate(scope, budget)?;
        if Shape::of(&value).depth > JSON_DEPTH {
            return Err(EvalError::budget(format!("the result is nested deeper than {JSON_DEPTH} levels")));
        }
        Ok(if value.is_undefined() { Value::Null } else { value })
    }

    /// Whether it holds no expression, so that its value is always the same.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        matches!(self.part, Part::Constant(_))
    }

    /// Its expressions, in the order of the JSON.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        let mut found = Vec::new();
        self.part.collect(&mut found);
        found.into_iter()
    }
}

impl Part {
    /// Recurses as deep as the JSON was, which [`Template::parse`] bounds.
    fn evaluate(&self, scope: &dyn Scope, budget: &mut Budget) -> Result<Value, EvalError> {
        match self {
            Part::Constant(value) => Ok(value.clone()),
            Part::Whole(expression) => expression.evaluate(scope, budget),
            Part::Text(pieces) => text(pieces, scope, budget),
            Part::Array(parts) => {
                let mut items = Vec::with_capacity(parts.len());
                for part in parts {
                    let item = part.evaluate(scope, budget)?;
                    items.push(if item.is_undefined() { Value::Null } else { item });
                }
                evaluate::array(items, budget)
            }
            Part::Object(parts) => {
                let mut entries = Vec::with_capacity(parts.len());
                for (key, part) in parts {
                    let value = part.evaluate(scope, budget)?;
                    if !value.is_undefined() {
                        entries.push((key.clone(), value));
                    }
                }
                evaluate::object(entries, budget)
            }
        }
    }

    fn collect<'p>(&'p self, found: &mut Vec<&'p Expression>) {
        match self {
            Part::Constant(_) => {}
            Part::Whole(expression) => found.push(expression),
            Part::Text(pieces) => found.extend(pieces.iter().filter_map(|piece| match piece {
                Piece::Expression(expression) => Some(expression),
                Piece::Text(_) => None,
            })),
            Part::Array(parts) => parts.iter().for_each(|part| part.collect(found)),
            Part::Object(parts) => parts.iter().for_each(|(_, part)| part.collect(found)),
        }
    }
}

fn text(pieces: &[Piece], scope: &dyn Scope, budget: &mut Budget) -> Result<Value, EvalError> {
    let mut out = Paid::new(budget);
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push(text)?,
            Piece::Expression(expression) => {
                let value = expression.evaluate(scope, out.budget())?;
                out.push_value(&value)?;
            }
        }
    }
    Ok(Value::String(out.finish()))
}

struct Compiler {
    /// JSON pointer to the value being compiled.
    pointer: String,
    errors: Vec<TemplateError>,
}

impl Compiler {
    /// Compiles a value that may still be `levels` deep.
    fn compile(&mut self, value: &serde_json::Value, levels: usize) -> Part {
        let Some(inner) = levels.checked_sub(1) else {
            self.fail(ParseError { message: format!("nested deeper than {JSON_DEPTH} levels"), line: 1, column: 1 });
            return Part::Constant(Value::Null);
        };
        match value {
            serde_json::Value::String(text) => match compile_text(text) {
                Ok(part) => part,
                Err(error) => {
                    self.fail(error);
                    Part::Constant(Value::Null)
                }
            },
            serde_json::Value::Array(items) => {
                let parts = items.iter().enumerate().map(|(at, item)| self.inside(&at.to_string(), item, inner));
                array(parts.collect())
            }
            serde_json::Value::Object(entries) => {
                let parts = entries.iter().map(|(key, item)| (key.as_str().into(), self.inside(key, item, inner)));
                object(parts.collect())
            }
            serde_json::Value::Null => Part::Constant(Value::Null),
            serde_json::Value::Bool(flag) => Part::Constant(Value::Bool(*flag)),
            serde_json::Value::Number(number) => Part::Constant(Value::Number(number.as_f64().unwrap_or(f64::NAN))),
        }
    }

    fn inside(&mut self, key: &str, value: &serde_json::Value, levels: usize) -> Part {
        let length = self.pointer.len();
        // Writing to a string cannot fail.
        let _ = write!(self.pointer, "/{}", key.replace('~', "~0").replace('/', "~1"));
        let part = self.compile(value, levels);
        self.pointer.truncate(length);
        part
    }

    fn fail(&mut self, error: ParseError) {
        if self.errors.len() < TEMPLATE_ERRORS {
            let ParseError { message, line, column } = error;
            self.errors.push(TemplateError { pointer: self.pointer.clone(), message, line, column });
        }
    }
}

fn compile_text(text: &str) -> Result<Part, ParseError> {
    let mut pieces = Vec::new();
    let mut done = 0;
    while let Some(open) = text[done..].find("{{") {
        let start = done + open;
        let (expression, end) = Expression::parse_in_braces(text, start + 2)?;
        if start == 0 && end + 2 == text.len() {
            return Ok(Part::Whole(expression));
        }
        if start > done {
            pieces.push(Piece::Text(text[done..start].into()));
        }
        pieces.push(Piece::Expression(expression));
        done = end + 2;
    }
    if pieces.is_empty() {
        return Ok(Part::Constant(Value::from(text)));
    }
    if done < text.len() {
        pieces.push(Piece::Text(text[done..].into()));
    }
    Ok(Part::Text(pieces))
}

fn constant(part: &Part) -> Option<Value> {
    match part {
        Part::Constant(value) => Some(value.clone()),
        _ => None,
    }
}

fn array(parts: Vec<Part>) -> Part {
    match parts.iter().map(constant).collect::<Option<Vec<_>>>() {
        Some(items) => Part::Constant(Value::array(items)),
        None => Part::Array(parts),
    }
}

fn object(parts: Vec<(Arc<str>, Part)>) -> Part {
    let constants = parts.iter().map(|(key, part)| Some((key.clone(), constant(part)?)));
    match constants.collect::<Option<Vec<_>>>() {
        Some(entries) => Part::Constant(Value::object(entries)),
        None => Part::Object(parts),
    }
}
