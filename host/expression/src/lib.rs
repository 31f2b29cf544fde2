//! The condition and template language of Stepwell: a safe subset of JavaScript expressions.
//!
//! An [`Expression`] is parsed once, when a definition is checked, and evaluated many times over JSON-shaped
//! [`Value`]s with a [`Budget`]. A [`Template`] is a JSON value whose strings may hold `{{ expression }}`.
//! The crate is pure: no I/O, no clock, no randomness, so the same scope always gives the same answer.
//!
//! Where it differs from JavaScript, on purpose (rows D5-D7 and D14 of the semantics page):
//! - a property is an own property; methods and functions are a closed list and exist only where they are called;
//! - an unknown name is an error that lists the names in scope, and `typeof` never fails, even if its operand would;
//! - strings stay valid Unicode: half of a surrogate pair becomes U+FFFD, which has the same length;
//! - no value is changed in place, and no value refers to itself;
//! - a power that is not exact may differ in its last digit, which JavaScript leaves open; `10 ** -4` is `0.0001`;
//! - `__proto__` in an object literal is a key like any other, and an object turns into the text `[object Object]`.

mod budget;
mod builtin;
mod error;
mod evaluate;
mod expression;
pub mod limits;
mod syntax;
mod template;
mod value;

pub use budget::Budget;
pub use error::{EvalError, EvalErrorKind, JsonError, ParseError, TemplateError};
pub use expression::{Expression, Scope};
pub use template::Template;
pub use value::{Array, Object, Value};
