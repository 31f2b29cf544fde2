//! Tokens, read one at a time, so that the parser decides where a template's text goes on.

use crate::error::ParseError;
use crate::value::number;

/// Signs, longest first; what is not an operator of the language is here to be named in an error.
const SIGNS: [&str; 53] = [
    ">>>=", "...", "===", "!==", "**=", "<<=", ">>=", ">>>", "&&=", "||=", "??=", "=>", "==", "!=", "<=", ">=", "&&",
    "||", "??", "?.", "++", "--", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<", ">>", "**", "(", ")", "[", "]",
    "{", "}", ".", ",", ";", ":", "?", "<", ">", "=", "!", "+", "-", "*", "/", "%",
];
/// Single characters that are signs of JavaScript but of no use here.
const OTHER_SIGNS: [&str; 6] = ["&", "|", "^", "~", "@", "#"];

/// A token and where it stands, in bytes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token<'s> {
    pub(crate) kind: Kind<'s>,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind<'s> {
    End,
    Number(f64),
    Text(String),
    /// The backtick that opens a template literal.
    Backtick,
    Name(&'s str),
    Sign(&'static str),
}

/// Reads tokens from `pos` on.
#[derive(Clone, Debug)]
pub(crate) struct Lexer<'s> {
    pub(crate) source: &'s str,
    pub(crate) pos: usize,
}

impl<'s> Lexer<'s> {
    pub(crate) fn error(&self, at: usize, message: impl Into<String>) -> ParseError {
        let (line, column) = position(self.source, at);
        ParseError { message: message.into(), line, column }
    }

    pub(crate) fn rest(&self) -> &'s str {
        &self.source[self.pos..]
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(crate) fn next(&mut self) -> Result<Token<'s>, ParseError> {
        self.skip_space()?;
        let start = self.pos;
        let kind = match self.peek() {
            None => Kind::End,
            Some('\'' | '"') => Kind::Text(self.text()?),
            Some('`') => {
                self.pos += 1;
                Kind::Backtick
            }
            Some('0'..='9') => Kind::Number(self.number()?),
            Some('.') if self.rest()[1..].starts_with(|c: char| c.is_ascii_digit()) => Kind::Number(self.number()?),
            Some(c) if is_name_start(c) => Kind::Name(self.name()),
            Some(c) => Kind::Sign(self.sign(c)?),
        };
        Ok(Token { kind, start, end: self.pos })
    }

    fn skip_space(&mut self) -> Result<(), ParseError> {
        loop {
            let rest = self.rest();
            self.pos += rest.len() - rest.trim_start_matches(number::is_space).len();
            let rest = self.rest();
            if rest.starts_with("//") {
                self.pos += rest.find(is_line_end).unwrap_or(rest.len());
            } else if let Some(comment) = rest.strip_prefix("/*") {
                let length = comment.find("*/").ok_or_else(|| self.error(self.pos, "a comment without its `*/`"))?;
                self.pos += length + 4;
            } else {
                return Ok(());
            }
        }
    }

    fn name(&mut self) -> &'s str {
        let rest = self.rest();
        let length = rest.find(|c| !is_name_part(c)).unwrap_or(rest.len());
        self.pos += length;
        &rest[..length]
    }

    fn sign(&mut self, c: char) -> Result<&'static str, ParseError> {
        let rest = self.rest();
        let found = SIGNS.iter().chain(&OTHER_SIGNS).find(|sign| rest.starts_with(**sign));
        let mut sign = *found.ok_or_else(|| self.error(self.pos, format!("unexpected character `{c}`")))?;
        // `a?.5:b` is a condition with the number .5
        if sign == "?." && rest[2..].starts_with(|c: char| c.is_ascii_digit()) {
            sign = "?";
        }
        self.pos += sign.len();
        Ok(sign)
    }
}

/// Whether a name may begin with this character.
pub(crate) fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '$'
}

/// Whether a name may go on with this character.
pub(crate) fn is_name_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// Whether JavaScript ends a line at this character.
pub(crate) fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{2028}' | '\u{2029}')
}

/// Line and column, both from 1, of a byte offset; columns count characters.
#[allow(clippy::cast_possible_truncation, reason = "sources are shorter than 2^32")]
pub(crate) fn position(source: &str, at: usize) -> (u32, u32) {
    let before = &source[..at];
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    (line as u32, before[line_start..].chars().count() as u32 + 1)
}
