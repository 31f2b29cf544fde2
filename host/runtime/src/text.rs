//! Text that a guest wrote, made safe for terminals, pages and log lines.

/// The text on one line, at most `max` bytes: control characters (also ESC and the marks that turn the direction of
/// writing) become U+FFFD, line breaks and tabs become spaces, a cut is marked.
pub fn printable(text: &str, max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max));
    for c in text.chars() {
        let c = shown(c);
        if out.len() + c.len_utf8() > max {
            out.push('…');
            break;
        }
        out.push(c);
    }
    out
}

fn shown(c: char) -> char {
    match c {
        '\n' | '\r' | '\t' => ' ',
        // Bidirectional overrides and isolates, and line separators: they make a log line read as another one.
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' => {
            char::REPLACEMENT_CHARACTER
        }
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_is_left() {
        assert_eq!(
            printable("a\u{1b}[31mb\r\nc\u{202e}d\u{9b}e\0", 100),
            "a\u{fffd}[31mb  c\u{fffd}d\u{fffd}e\u{fffd}"
        );
    }

    #[test]
    fn cuts_are_between_characters_and_marked() {
        assert_eq!(printable("üüü", 5), "üü…");
        assert_eq!(printable("abc", 3), "abc");
    }
}
