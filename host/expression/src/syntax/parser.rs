//! The parser: operators by precedence. It recurses only where the source nests, and counts every level.

use std::sync::Arc;

use super::ast::{BinaryOp, Node, NodeId, Tree, UnaryOp};
use super::lexer::{Kind, Lexer, Token};
use crate::error::ParseError;
use crate::limits::DEPTH;
use crate::value::Value;

/// A parsed expression and the byte where its terminator stands.
pub(crate) struct Parsed {
    pub(crate) tree: Tree,
    pub(crate) root: NodeId,
    pub(crate) end: usize,
}

/// Parses the expression that begins at `start`. It ends at `}}` if `braces`, else at the end of the source.
pub(crate) fn parse(source: &str, start: usize, braces: bool) -> Result<Parsed, ParseError> {
    let mut lexer = Lexer { source, pos: start };
    let token = lexer.next()?;
    let mut parser = Parser {
        lexer,
        token,
        tree: Tree::default(),
        facts: Vec::new(),
        locals: Vec::new(),
        nesting: 0,
        last_end: start,
    };
    if parser.ends(braces) {
        return Err(parser.error("an expression is missing"));
    }
    let root = parser.expression()?;
    if !parser.ends(braces) {
        return Err(parser.unexpected());
    }
    Ok(Parsed { tree: parser.tree, root, end: parser.token.start })
}

/// What the parser must know of a node that the tree need not keep.
#[derive(Clone, Copy)]
struct Facts {
    depth: usize,
    parenthesised: bool,
}

pub(super) struct Parser<'s> {
    pub(super) lexer: Lexer<'s>,
    pub(super) token: Token<'s>,
    pub(super) tree: Tree,
    facts: Vec<Facts>,
    /// Parameters of the enclosing arrow functions, outermost first.
    pub(super) locals: Vec<&'s str>,
    nesting: usize,
    /// Where the token before the current one ends.
    pub(super) last_end: usize,
}

impl<'s> Parser<'s> {
    fn ends(&self, braces: bool) -> bool {
        match self.token.kind {
            Kind::End => !braces,
            Kind::Sign("}") => braces && self.lexer.source[self.token.start..].starts_with("}}"),
            _ => false,
        }
    }

    pub(super) fn advance(&mut self) -> Result<(), ParseError> {
        self.last_end = self.token.end;
        self.token = self.lexer.next()?;
        Ok(())
    }

    pub(super) fn is(&self, sign: &str) -> bool {
        matches!(self.token.kind, Kind::Sign(found) if found == sign)
    }

    /// Steps over `sign` if it is there.
    pub(super) fn eat(&mut self, sign: &str) -> Result<bool, ParseError> {
        let found = self.is(sign);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    pub(super) fn expect(&mut self, sign: &str) -> Result<(), ParseError> {
        if self.eat(sign)? { Ok(()) } else { Err(self.unexpected_for(&format!("`{sign}`"))) }
    }

    pub(super) fn error(&self, message: impl Into<String>) -> ParseError {
        self.lexer.error(self.token.start, message)
    }

    /// Adds a node, unless it nests too deeply.
    pub(super) fn add(&mut self, node: Node) -> Result<NodeId, ParseError> {
        let depth = node.children().map(|child| self.facts[child.index()].depth).max().unwrap_or(0) + 1;
        self.check_depth(depth)?;
        self.facts.push(Facts { depth, parenthesised: false });
        Ok(self.tree.add(node))
    }

    pub(super) fn literal(&mut self, value: Value) -> Result<NodeId, ParseError> {
        self.add(Node::Literal(value))
    }

    pub(super) fn parenthesise(&mut self, id: NodeId) {
        self.facts[id.index()].parenthesised = true;
    }

    fn check_depth(&self, depth: usize) -> Result<(), ParseError> {
        if depth > DEPTH {
            return Err(self.error(format!("nested deeper than {DEPTH} levels")));
        }
        Ok(())
    }

    /// Parses something inside of something else.
    pub(super) fn nested<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        self.check_depth(self.nesting + 1)?;
        self.nesting += 1;
        let parsed = parse(self);
        self.nesting -= 1;
        parsed
    }

    /// A whole expression.
    pub(super) fn expression(&mut self) -> Result<NodeId, ParseError> {
        let test = self.binary(1)?;
        if !self.eat("?")? {
            return Ok(test);
        }
        let yes = self.nested(Self::expression)?;
        self.expect(":")?;
        let no = self.nested(Self::expression)?;
        self.add(Node::Conditional { test, yes, no })
    }

    fn operator(&self) -> Option<BinaryOp> {
        match self.token.kind {
            Kind::Sign(sign) => BinaryOp::of(sign),
            Kind::Name("in") => Some(BinaryOp::In),
            _ => None,
        }
    }

    /// Operators that bind at least as tightly as `level`. Recursion into tighter levels is bounded by their number.
    fn binary(&mut self, level: u8) -> Result<NodeId, ParseError> {
        let mut left = self.unary()?;
        while let Some(op) = self.operator().filter(|op| op.level() >= level) {
            self.check_operand(op, left)?;
            self.advance()?;
            let right = match op {
                BinaryOp::Power => self.nested(|parser| parser.binary(op.level()))?,
                _ => self.binary(op.level() + 1)?,
            };
            if op != BinaryOp::Power {
                self.check_operand(op, right)?;
            }
            left = self.combine(left, op, right)?;
        }
        Ok(left)
    }

    /// Refuses what JavaScript refuses without parentheses: `a ?? b || c`, `-a ** b`.
    fn check_operand(&self, op: BinaryOp, operand: NodeId) -> Result<(), ParseError> {
        if self.facts[operand.index()].parenthesised {
            return Ok(());
        }
        let is_logic = |op| matches!(op, BinaryOp::And | BinaryOp::Or);
        match (op, self.tree.node(operand)) {
            (BinaryOp::Power, Node::Unary { .. }) => {
                Err(self.error("a signed operand of `**` needs parentheses: `(-a) ** b`"))
            }
            // The operators of one node are of one level, and mix only where parentheses allow it.
            (_, Node::Binary { rest, .. })
                if rest.last().is_some_and(|(inner, _)| {
                    (op == BinaryOp::Coalesce && is_logic(*inner)) || (is_logic(op) && *inner == BinaryOp::Coalesce)
                }) =>
            {
                Err(self.error("`??` beside `||` or `&&` needs parentheses"))
            }
            _ => Ok(()),
        }
    }

    fn combine(&mut self, left: NodeId, op: BinaryOp, right: NodeId) -> Result<NodeId, ParseError> {
        let extends = op != BinaryOp::Power && !self.facts[left.index()].parenthesised;
        let right_depth = self.facts[right.index()].depth;
        if let Node::Binary { rest, .. } = self.tree.node_mut(left)
            && extends
            && rest.last().is_some_and(|(inner, _)| inner.level() == op.level())
        {
            rest.push((op, right));
            let depth = self.facts[left.index()].depth.max(right_depth + 1);
            self.facts[left.index()].depth = depth;
            self.check_depth(depth)?;
            return Ok(left);
        }
        self.add(Node::Binary { first: left, rest: vec![(op, right)] })
    }

    fn unary(&mut self) -> Result<NodeId, ParseError> {
        let op = match self.token.kind {
            Kind::Sign("!") => UnaryOp::Not,
            Kind::Sign("-") => UnaryOp::Minus,
            Kind::Sign("+") => UnaryOp::Plus,
            Kind::Name("typeof") => UnaryOp::Typeof,
            _ => return self.suffixed(),
        };
        self.advance()?;
        let operand = self.nested(Self::unary)?;
        // `-a ** b` is refused where it is combined; `a ** -b` is fine.
        self.add(Node::Unary { op, operand })
    }

    /// A name from the scope.
    pub(super) fn root(&mut self, name: &str) -> Result<NodeId, ParseError> {
        let known = self.tree.roots.iter().position(|root| **root == *name);
        let index = known.unwrap_or_else(|| {
            self.tree.roots.push(name.into());
            self.tree.roots.len() - 1
        });
        self.add(Node::Root(index))
    }

    /// The error for a token that cannot stand here.
    pub(super) fn unexpected(&self) -> ParseError {
        self.unexpected_for("an operator or the end")
    }

    pub(super) fn unexpected_for(&self, wanted: &str) -> ParseError {
        let message = match &self.token.kind {
            Kind::End => format!("the expression ends where {wanted} is expected"),
            Kind::Number(_) => format!("a number where {wanted} is expected"),
            Kind::Text(_) => format!("a string where {wanted} is expected"),
            Kind::Backtick => format!("a template literal where {wanted} is expected"),
            Kind::Name(name) => match unsupported_word(name) {
                Some(reason) => reason,
                None => format!("`{name}` where {wanted} is expected"),
            },
            Kind::Sign(sign) => match unsupported_sign(sign) {
                Some(reason) => reason.to_owned(),
                None => format!("`{sign}` where {wanted} is expected"),
            },
        };
        self.error(message)
    }
}

fn unsupported_sign(sign: &str) -> Option<&'static str> {
    Some(match sign {
        "=" => "assignment is not supported; write `===` to compare",
        "+=" | "-=" | "*=" | "/=" | "%=" | "**=" | "<<=" | ">>=" | ">>>=" | "&=" | "|=" | "^=" | "&&=" | "||="
        | "??=" | "++" | "--" => "assignment is not supported",
        "&" | "|" | "^" | "~" | "<<" | ">>" | ">>>" => {
            "bitwise operators are not supported; logic is `&&`, `||` and `!`"
        }
        ";" => "statements are not supported: this is one expression",
        "," => "the comma operator is not supported",
        "=>" => "an arrow function can only be the argument of a method such as `map` or `filter`",
        "@" | "#" => "decorators and private names are not supported",
        _ => return None,
    })
}

/// Why a word of JavaScript cannot stand where a value or an operator is expected.
pub(super) fn unsupported_word(word: &str) -> Option<String> {
    let kind = match word {
        "new" | "delete" | "void" | "instanceof" | "yield" | "await" => "the operator",
        "this" | "super" => "the name",
        "function" | "class" | "async" => "a definition with",
        "break" | "case" | "catch" | "const" | "continue" | "debugger" | "default" | "do" | "else" | "enum"
        | "export" | "extends" | "finally" | "for" | "if" | "import" | "return" | "switch" | "throw" | "try"
        | "var" | "while" | "with" | "let" => "the statement word",
        _ => return None,
    };
    Some(format!("{kind} `{word}` is not supported"))
}

/// Words that JavaScript allows as names, although they can begin something that is not supported.
pub(super) fn is_contextual(word: &str) -> bool {
    matches!(word, "let" | "async" | "await" | "yield")
}

/// A shared text.
pub(super) fn shared(text: &str) -> Arc<str> {
    Arc::from(text)
}
