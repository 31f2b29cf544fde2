//! As much of Rust's grammar as the rules need: where code is, and where only text.

/// What a stretch of source is.
enum Stretch {
    /// As far as this byte, and it stays.
    Code(usize),
    /// As far as this byte, and it is blanked.
    Comment(usize),
    /// As far as this byte; the delimiters stay, what is between them is blanked: as many bytes before and after.
    Literal { end: usize, open: usize, close: usize },
}

/// The source with comments and the contents of literals blanked. Line breaks and the position of every byte stay.
pub(crate) fn code(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut code = Vec::with_capacity(bytes.len());
    while code.len() < bytes.len() {
        let start = code.len();
        match stretch(bytes, start) {
            Stretch::Code(end) => code.extend_from_slice(&bytes[start..end]),
            Stretch::Comment(end) => blank(&mut code, &bytes[start..end]),
            Stretch::Literal { end, open, close } => {
                code.extend_from_slice(&bytes[start..start + open]);
                blank(&mut code, &bytes[start + open..end - close]);
                code.extend_from_slice(&bytes[end - close..end]);
            }
        }
    }
    String::from_utf8(code).expect("only whole characters were blanked")
}

fn blank(code: &mut Vec<u8>, bytes: &[u8]) {
    code.extend(bytes.iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
}

fn stretch(bytes: &[u8], at: usize) -> Stretch {
    let rest = &bytes[at..];
    match rest {
        [b'/', b'/', ..] => Stretch::Comment(at + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len())),
        [b'/', b'*', ..] => Stretch::Comment(at + block_comment(rest)),
        [b'"', ..] => Stretch::Literal { end: at + quoted(rest, b'"'), open: 1, close: 1 },
        [b'r', ..] if !follows_word(bytes, at) => raw(rest).map_or(Stretch::Code(at + 1), |(length, open)| {
            Stretch::Literal { end: at + length, open, close: (open - 1).min(length - open) }
        }),
        [b'\'', ..] if is_character(rest) => Stretch::Literal { end: at + quoted(rest, b'\''), open: 1, close: 1 },
        _ => Stretch::Code(at + 1),
    }
}

/// `b` and `c` may stand before a literal; any other letter means that this is the end of a name.
fn follows_word(bytes: &[u8], at: usize) -> bool {
    let is_word = |at: usize| bytes.get(at).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let Some(before) = at.checked_sub(1) else { return false };
    if matches!(bytes[before], b'b' | b'c') {
        return before.checked_sub(1).is_some_and(is_word);
    }
    is_word(before)
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (at, depth) = (at + 2, depth + 1),
            [b'*', b'/', ..] => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// The length of a literal that begins and ends with this delimiter.
fn quoted(rest: &[u8], delimiter: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b if b == delimiter => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of a raw string, and that of its opening delimiter.
fn raw(rest: &[u8]) -> Option<(usize, usize)> {
    let hashes = rest[1..].iter().take_while(|b| **b == b'#').count();
    let open = hashes + 2;
    if rest.get(open - 1) != Some(&b'"') {
        return None;
    }
    let mut end = vec![b'"'];
    end.resize(hashes + 1, b'#');
    let length =
        rest[open..].windows(end.len()).position(|window| window == end).map_or(rest.len(), |at| open + at + end.len());
    Some((length, open))
}

/// `'a'` and `'\n'`, but not the lifetime `'a`.
fn is_character(rest: &[u8]) -> bool {
    match rest {
        [_, b'\\', ..] => true,
        [_, first, ..] => rest.get(1 + width(*first)) == Some(&b'\''),
        _ => false,
    }
}

/// Bytes of the character that begins so.
fn width(first: u8) -> usize {
    match first {
        0..0xC0 => 1,
        0xC0..0xE0 => 2,
        0xE0..0xF0 => 3,
        0xF0.. => 4,
    }
}

/// Whether a word stands at this byte, and not as a part of a longer one.
pub(crate) fn is_word_at(code: &str, at: usize, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    !code[..at].ends_with(is_part) && !code[at + word.len()..].starts_with(is_part)
}

/// Every place where this word stands by itself.
pub(crate) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word).map(|(at, _)| at).filter(move |at| is_word_at(code, *at, word))
}

/// The name that begins here.
pub(crate) fn name(code: &str) -> &str {
    let end = code.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(code.len());
    &code[..end]
}

/// What follows the name that begins at this byte.
pub(crate) fn name_end(code: &str, at: usize) -> &str {
    &code[at + name(&code[at..]).len()..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_blanked_and_code_is_not() {
        for (source, expected) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"f("x\"y", z)"#, r#"f("    ", z)"#),
            ("r\"a\\\" b", "r\"  \" b"),
            ("br##\"a\"# b\"## c", "br##\"     \"## c"),
            ("for \"a\"", "for \" \""),
            ("let r = 1; xr\"a\"", "let r = 1; xr\" \""),
            ("<'a>('b', '\\'', '\"') \"c\"", "<'a>(' ', '  ', ' ') \" \""),
            ("'ü' \"ü\" b'x'", "'  ' \"  \" b' '"),
            ("r#type", "r#type"),
        ] {
            let blanked = code(source);
            assert_eq!(blanked, expected, "{source}");
        }
    }

    #[test]
    fn a_word_is_not_a_part_of_another() {
        assert_eq!(words("unsafe unsafe_code is_unsafe (unsafe)", "unsafe").collect::<Vec<_>>(), [0, 30]);
        assert_eq!(name("flow_of(x)"), "flow_of");
    }
}
