//! What an expression begins with: literals, names, parentheses, arrays, objects, templates, function calls.

use super::ast::{Argument, Element, Node, NodeId, ObjectMember};
use super::lexer::Kind;
use super::parser::{Parser, is_contextual, shared, unsupported_word};
use crate::builtin::{self, Function};
use crate::error::ParseError;
use crate::value::{Value, number};

impl<'s> Parser<'s> {
    pub(super) fn primary(&mut self) -> Result<NodeId, ParseError> {
        if self.arrow_ahead() {
            return Err(self.error("an arrow function can only be the argument of a method such as `map` or `filter`"));
        }
        match self.token.kind.clone() {
            Kind::Number(number) => {
                self.advance()?;
                self.literal(Value::Number(number))
            }
            Kind::Text(text) => {
                self.advance()?;
                self.literal(Value::from(text))
            }
            Kind::Name(name) => self.name(name),
            Kind::Backtick => self.template(),
            Kind::Sign("(") => {
                self.advance()?;
                let inner = self.nested(Self::expression)?;
                self.expect(")")?;
                self.parenthesise(inner);
                Ok(inner)
            }
            Kind::Sign("[") => {
                self.advance()?;
                let items = self.elements("]")?;
                self.add(Node::Array(items))
            }
            Kind::Sign("{") => self.object(),
            Kind::Sign("/" | "/=") => Err(self.error("regular expressions are not supported")),
            _ => Err(self.unexpected_for("a value")),
        }
    }

    fn name(&mut self, name: &'s str) -> Result<NodeId, ParseError> {
        if let Some(value) = literal_name(name) {
            self.advance()?;
            return self.literal(value);
        }
        if is_reserved(name) {
            return Err(self.unexpected_for("a value"));
        }
        if let Some(slot) = self.locals.iter().rposition(|local| *local == name) {
            self.advance()?;
            return self.add(Node::Local(slot));
        }
        if builtin::is_global(name) {
            return self.call(name);
        }
        let at = self.token.start;
        self.advance()?;
        if self.is("(") {
            return Err(self.lexer.error(at, format!("`{name}` is not a function that expressions know")));
        }
        if is_contextual(name) && matches!(self.token.kind, Kind::Name(_)) {
            let message = unsupported_word(name).unwrap_or_default();
            return Err(self.lexer.error(at, message));
        }
        self.root(name)
    }

    /// A call of a function, at its name.
    fn call(&mut self, name: &'s str) -> Result<NodeId, ParseError> {
        let function = self.function(name)?;
        if !self.is("(") {
            return Err(self.error(format!("`{name}` can only be called here")));
        }
        self.advance()?;
        let arguments = self.elements(")")?;
        if function == Function::Stringify && arguments.len() > 1 {
            return Err(self.error("`JSON.stringify` takes one argument here"));
        }
        self.add(Node::Call { function, arguments })
    }

    /// The name of a function, such as `Math.abs`, which is read.
    pub(super) fn function(&mut self, first: &'s str) -> Result<Function, ParseError> {
        let start = self.token.start;
        self.advance()?;
        let mut name = first.to_owned();
        if self.is(".") {
            self.advance()?;
            let Kind::Name(member) = self.token.kind else {
                return Err(self.unexpected_for("a name"));
            };
            name = format!("{first}.{member}");
            self.advance()?;
        }
        Function::named(&name).ok_or_else(|| {
            let known = builtin::function_names(first);
            self.lexer.error(start, format!("`{name}` is not supported; there are {known}"))
        })
    }

    /// Items up to `close`, which is read; at the first token after the opening sign.
    pub(super) fn elements(&mut self, close: &str) -> Result<Vec<Argument>, ParseError> {
        let mut items = Vec::new();
        while !self.is(close) {
            if self.is(",") {
                return Err(self.error("an item is missing before `,`"));
            }
            let spread = self.eat("...")?;
            let value = self.nested(Self::expression)?;
            items.push(Element { spread, value });
            if !self.is(close) {
                self.expect_separator(close)?;
            }
        }
        self.advance()?;
        Ok(items)
    }

    pub(super) fn expect_separator(&mut self, close: &str) -> Result<(), ParseError> {
        if self.eat(",")? { Ok(()) } else { Err(self.unexpected_for(&format!("`,` or `{close}`"))) }
    }

    fn object(&mut self) -> Result<NodeId, ParseError> {
        self.advance()?;
        let mut members = Vec::new();
        while !self.is("}") {
            members.push(self.member()?);
            if !self.is("}") {
                self.expect_separator("}")?;
            }
        }
        self.advance()?;
        self.add(Node::Object(members))
    }

    fn member(&mut self) -> Result<ObjectMember, ParseError> {
        if self.eat("...")? {
            return Ok(ObjectMember::Spread(self.nested(Self::expression)?));
        }
        if self.eat("[")? {
            let key = self.nested(Self::expression)?;
            self.expect("]")?;
            self.expect(":")?;
            return Ok(ObjectMember::Computed(key, self.nested(Self::expression)?));
        }
        let key = match self.token.kind.clone() {
            Kind::Name(name) => {
                let next = self.lexer.clone().next()?.kind;
                if matches!(next, Kind::Sign("," | "}")) && !matches!(name, "true" | "false" | "null") {
                    return Ok(ObjectMember::Named(shared(name), self.nested(|parser| parser.name(name))?));
                }
                shared(name)
            }
            Kind::Text(text) => text.into(),
            Kind::Number(number) => number::to_text(number).into(),
            _ => return Err(self.unexpected_for("a key")),
        };
        self.advance()?;
        if self.is("(") {
            return Err(self.error("methods in objects are not supported"));
        }
        self.expect(":")?;
        Ok(ObjectMember::Named(key, self.nested(Self::expression)?))
    }

    fn template(&mut self) -> Result<NodeId, ParseError> {
        let (mut texts, mut parts) = (Vec::new(), Vec::new());
        // The current token is the backtick, so that the lexer stands at the first text.
        loop {
            let chunk = self.lexer.template_chunk()?;
            texts.push(chunk.text.into());
            if !chunk.more {
                break;
            }
            self.token = self.lexer.next()?;
            parts.push(self.nested(Self::expression)?);
            if !self.is("}") {
                return Err(self.unexpected_for("`}`"));
            }
            // What follows is text again, not a token.
            self.lexer.pos = self.token.end;
        }
        self.token.end = self.lexer.pos;
        self.advance()?;
        self.add(Node::Template { texts, parts })
    }

    /// Whether an arrow function begins at the current token.
    pub(super) fn arrow_ahead(&self) -> bool {
        let mut ahead = self.lexer.clone();
        let mut next = || ahead.next().map_or(Kind::End, |token| token.kind);
        match self.token.kind {
            Kind::Name(_) => next() == Kind::Sign("=>"),
            Kind::Sign("(") => {
                let mut kind = next();
                while matches!(kind, Kind::Name(_) | Kind::Sign(",")) {
                    kind = next();
                }
                kind == Kind::Sign(")") && next() == Kind::Sign("=>")
            }
            _ => false,
        }
    }
}

fn literal_name(name: &str) -> Option<Value> {
    Some(match name {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "null" => Value::Null,
        "undefined" => Value::Undefined,
        "NaN" => Value::Number(f64::NAN),
        "Infinity" => Value::Number(f64::INFINITY),
        _ => return None,
    })
}

/// Words that are never names.
pub(super) fn is_reserved(word: &str) -> bool {
    matches!(word, "in" | "typeof") || (unsupported_word(word).is_some() && !is_contextual(word))
}

/// Whether a parameter may have this name.
pub(super) fn is_parameter(name: &str) -> bool {
    !is_reserved(name) && literal_name(name).is_none()
}
