//! What follows a value: properties, indexes and method calls, with the arrow functions that methods take.

use super::ast::{Argument, Callback, Link, LinkKind, Node, NodeId};
use super::lexer::Kind;
use super::parser::{Parser, shared};
use super::primary::is_parameter;
use crate::builtin::{self, Callbacks, Method};
use crate::error::ParseError;

impl<'s> Parser<'s> {
    /// A value and its chain of properties, indexes and calls.
    pub(super) fn suffixed(&mut self) -> Result<NodeId, ParseError> {
        let start = self.token.start;
        let base = self.primary()?;
        let mut links = Vec::new();
        loop {
            let (optional, before) = (self.is("?."), (start, self.last_end));
            let kind = match self.token.kind {
                Kind::Sign("?." | ".") => self.after_dot(optional)?,
                Kind::Sign("[") => self.index()?,
                Kind::Sign("(") => return Err(self.error("only a method can be called, by its name: `.trim()`")),
                Kind::Backtick => return Err(self.error("tagged template literals are not supported")),
                _ => break,
            };
            links.push(Link { optional, before, kind });
        }
        if links.is_empty() { Ok(base) } else { self.add(Node::Chain { base, links }) }
    }

    fn after_dot(&mut self, optional: bool) -> Result<LinkKind, ParseError> {
        self.advance()?;
        match self.token.kind {
            Kind::Name(name) => {
                let at = self.token.start;
                self.advance()?;
                if self.is("(") { self.method(name, at) } else { Ok(LinkKind::Property(shared(name))) }
            }
            Kind::Sign("[") if optional => self.index(),
            Kind::Sign("(") => Err(self.error("optional calls (`?.(`) are not supported")),
            _ => Err(self.unexpected_for("a property name")),
        }
    }

    fn index(&mut self) -> Result<LinkKind, ParseError> {
        self.advance()?;
        let key = self.nested(Self::expression)?;
        self.expect("]")?;
        Ok(LinkKind::Index(key))
    }

    /// The arguments of a method, at the opening parenthesis.
    fn method(&mut self, name: &str, at: usize) -> Result<LinkKind, ParseError> {
        let method = Method::named(name).ok_or_else(|| self.lexer.error(at, builtin::missing_method(name)))?;
        self.advance()?;
        let callback = match method.callbacks() {
            Callbacks::None => None,
            Callbacks::Optional if self.is(")") => None,
            _ => Some(self.callback(name)?),
        };
        let arguments = self.arguments(method, callback.is_some())?;
        Ok(LinkKind::Method { method, callback, arguments })
    }

    fn arguments(&mut self, method: Method, after_callback: bool) -> Result<Vec<Argument>, ParseError> {
        if after_callback && !self.is(")") {
            self.expect_separator(")")?;
        }
        let at = self.token.start;
        let arguments = self.elements(")")?;
        let spread = arguments.iter().any(|argument| argument.spread);
        if after_callback && (spread || arguments.len() > method.arguments_after_callback()) {
            return Err(self.lexer.error(at, format!("`{}` does not take this argument here", method.name())));
        }
        Ok(arguments)
    }

    fn callback(&mut self, method: &str) -> Result<Callback, ParseError> {
        if self.arrow_ahead() {
            return self.nested(Self::arrow);
        }
        if let Kind::Name(name) = self.token.kind
            && builtin::is_global(name)
            && !self.locals.contains(&name)
        {
            let at = self.token.start;
            let function = self.function(name)?;
            if function.is_callback() && (self.is(")") || self.is(",")) {
                return Ok(Callback::Function(function));
            }
            return Err(self.lexer.error(at, format!("`{method}` needs an arrow function such as `x => x.total`")));
        }
        Err(self.error(format!("`{method}` needs an arrow function such as `x => x.total`")))
    }

    fn arrow(&mut self) -> Result<Callback, ParseError> {
        let slot = self.locals.len();
        if self.eat("(")? {
            while !self.is(")") {
                self.parameter(slot)?;
                if !self.is(")") {
                    self.expect_separator(")")?;
                }
            }
            self.advance()?;
        } else {
            self.parameter(slot)?;
        }
        self.expect("=>")?;
        if self.is("{") {
            return Err(self.error("an arrow function's body is one expression; an object needs parentheses"));
        }
        let parameters = self.locals.len() - slot;
        let body = self.expression()?;
        self.locals.truncate(slot);
        Ok(Callback::Arrow { slot, parameters, body })
    }

    fn parameter(&mut self, slot: usize) -> Result<(), ParseError> {
        let Kind::Name(name) = self.token.kind else {
            return Err(self.unexpected_for("a parameter"));
        };
        if !is_parameter(name) || self.locals[slot..].contains(&name) {
            return Err(self.error(format!("`{name}` cannot be the name of this parameter")));
        }
        self.locals.push(name);
        self.advance()
    }
}
