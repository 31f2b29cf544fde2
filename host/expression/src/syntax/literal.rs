//! Numbers, strings and the texts of template literals.

use super::lexer::{Lexer, is_line_end, is_name_part};
use crate::error::ParseError;
use crate::value::number;

const LONE_SURROGATE: &str = "half of a surrogate pair; write the whole character, such as `\\u{1F600}`";

/// A text of a template literal, and whether `${` follows it (else the literal ends).
pub(crate) struct Chunk {
    pub(crate) text: String,
    pub(crate) more: bool,
}

impl Lexer<'_> {
    /// A number literal, at its first character.
    pub(crate) fn number(&mut self) -> Result<f64, ParseError> {
        let start = self.pos;
        let rest = self.rest();
        let radix = match rest.as_bytes() {
            [b'0', b'x' | b'X', ..] => Some(16),
            [b'0', b'o' | b'O', ..] => Some(8),
            [b'0', b'b' | b'B', ..] => Some(2),
            [b'0', b'0'..=b'9' | b'_', ..] => return Err(self.error(start, "a number cannot begin with 0 and a digit")),
            _ => None,
        };
        let text = match radix {
            Some(_) => {
                self.pos += 2;
                let rest = self.rest();
                &rest[..rest.find(|c: char| !c.is_ascii_hexdigit() && c != '_').unwrap_or(rest.len())]
            }
            None => decimal_extent(rest),
        };
        let digits = self.without_separators(text)?;
        self.pos += text.len();
        match self.peek() {
            Some('n') => return Err(self.error(start, "big integers (`1n`) are not supported")),
            Some(c) if is_name_part(c) => return Err(self.error(self.pos, "a name directly after a number")),
            _ => {}
        }
        let valid = radix.is_none_or(|radix| !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix)));
        if !valid {
            return Err(self.error(start, "not a number"));
        }
        Ok(radix.map_or_else(|| number::from_text(&digits), |radix| number::from_digits(&digits, radix)))
    }

    fn without_separators(&self, text: &str) -> Result<String, ParseError> {
        let bytes = text.as_bytes();
        for (at, _) in text.match_indices('_') {
            let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_hexdigit);
            if !digit(at.checked_sub(1)) || !digit(Some(at + 1)) {
                return Err(self.error(self.pos + at, "`_` in a number stands between two digits"));
            }
        }
        Ok(text.replace('_', ""))
    }

    /// A string literal, at its quote.
    pub(crate) fn text(&mut self) -> Result<String, ParseError> {
        let start = self.pos;
        let quote = self.peek();
        self.pos += 1;
        let mut text = String::new();
        while let Some(c) = self.peek() {
            match c {
                '\\' => self.escape(&mut text)?,
                '\n' | '\r' => break,
                _ => {
                    self.pos += c.len_utf8();
                    if Some(c) == quote {
                        return Ok(text);
                    }
                    text.push(c);
                }
            }
        }
        Err(self.error(start, "a string without its closing quote"))
    }

    /// The text of a template literal up to `${` or the closing backtick, which are read too.
    pub(crate) fn template_chunk(&mut self) -> Result<Chunk, ParseError> {
        let start = self.pos;
        let mut text = String::new();
        while let Some(c) = self.peek() {
            match c {
                '\\' => self.escape(&mut text)?,
                '`' => {
                    self.pos += 1;
                    return Ok(Chunk { text, more: false });
                }
                '$' if self.rest().starts_with("${") => {
                    self.pos += 2;
                    return Ok(Chunk { text, more: true });
                }
                '\r' => {
                    self.pos += if self.rest().starts_with("\r\n") { 2 } else { 1 };
                    text.push('\n');
                }
                _ => {
                    self.pos += c.len_utf8();
                    text.push(c);
                }
            }
        }
        Err(self.error(start, "a template literal without its closing backtick"))
    }

    /// An escape, at its backslash.
    fn escape(&mut self, text: &mut String) -> Result<(), ParseError> {
        let start = self.pos;
        self.pos += 1;
        let Some(c) = self.peek() else {
            return Err(self.error(start, "a backslash at the end"));
        };
        self.pos += c.len_utf8();
        match c {
            'n' => text.push('\n'),
            't' => text.push('\t'),
            'r' => text.push('\r'),
            'b' => text.push('\u{8}'),
            'f' => text.push('\u{c}'),
            'v' => text.push('\u{b}'),
            '0' if !self.rest().starts_with(|c: char| c.is_ascii_digit()) => text.push('\0'),
            '0'..='9' => return Err(self.error(start, "octal escapes are not supported; use `\\x` or `\\u`")),
            'x' => text.push(self.hex_character(start, 2)?),
            'u' => text.push(self.unicode_escape(start)?),
            '\r' => self.pos += usize::from(self.rest().starts_with('\n')),
            _ if is_line_end(c) => {}
            _ => text.push(c),
        }
        Ok(())
    }

    fn hex(&mut self, start: usize, digits: usize) -> Result<u32, ParseError> {
        let code = self.rest().get(..digits).filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let code = code.and_then(|text| u32::from_str_radix(text, 16).ok());
        self.pos += digits;
        code.ok_or_else(|| self.error(start, "an escape with too few hexadecimal digits"))
    }

    fn hex_character(&mut self, start: usize, digits: usize) -> Result<char, ParseError> {
        let code = self.hex(start, digits)?;
        char::from_u32(code).ok_or_else(|| self.error(start, LONE_SURROGATE))
    }

    /// `\u1234`, `\u{12345}` or a pair of surrogates, after the `u`.
    fn unicode_escape(&mut self, start: usize) -> Result<char, ParseError> {
        if self.rest().starts_with('{') {
            let end = self.rest().find('}').filter(|end| (2..=9).contains(end));
            let end = end.ok_or_else(|| self.error(start, "`\\u{` needs hexadecimal digits and `}`"))?;
            self.pos += 1;
            let c = self.hex_character(start, end - 1)?;
            self.pos += 1;
            return Ok(c);
        }
        let lead = self.hex(start, 4)?;
        if !(0xd800..0xdc00).contains(&lead) || !self.rest().starts_with("\\u") {
            return char::from_u32(lead).ok_or_else(|| self.error(start, LONE_SURROGATE));
        }
        self.pos += 2;
        let tail = self.hex(start, 4)?;
        let pair = (0xdc00..0xe000).contains(&tail).then(|| 0x10000 + ((lead - 0xd800) << 10) + (tail - 0xdc00));
        pair.and_then(char::from_u32).ok_or_else(|| self.error(start, LONE_SURROGATE))
    }
}

/// The start of `rest` that is a decimal literal, separators included.
fn decimal_extent(rest: &str) -> &str {
    let bytes = rest.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'_').count();
    let mut end = digits(0);
    if bytes.get(end) == Some(&b'.') {
        end += 1 + digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let signed = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(signed);
        if exponent > 0 {
            end = signed + exponent;
        }
    }
    &rest[..end]
}
