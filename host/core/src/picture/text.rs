//! Text that strangers wrote, for pictures: nothing in it may steer a terminal, end a tag or turn a line round.

use std::fmt::Write as _;
use unicode_width::UnicodeWidthChar as _;

/// Most marks without a width on one letter: a pile of them would cover the lines around it.
const MARKS: usize = 2;

/// Cells that a character takes in a terminal, and about its share of a line in a picture.
fn cells(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// The width of a text, in cells.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(cells).sum()
}

/// The text without characters that steer, in one line of at most so many cells; what was cut off becomes `…`.
pub(super) fn clean(text: &str, most: usize) -> String {
    let (mut out, mut used, mut marks) = (String::new(), 0, 0);
    for c in text.chars().filter_map(shown) {
        let wide = cells(c);
        marks = if wide == 0 { marks + 1 } else { 0 };
        if marks > MARKS {
            continue;
        }
        if used + wide > most {
            shorten(&mut out, most);
            break;
        }
        used += wide;
        out.push(c);
    }
    out
}

/// Makes room for the sign that something is missing.
fn shorten(out: &mut String, most: usize) {
    while width(out) + 1 > most && out.pop().is_some() {}
    out.push('…');
}

/// `None`: not worth a place.
fn shown(c: char) -> Option<char> {
    match c {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => Some(' '),
        // Invisible ones, byte order marks and tags: two names would look alike.
        '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}' => None,
        // Bidirectional marks, overrides and isolates turn what stands beside them round.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            Some(char::REPLACEMENT_CHARACTER)
        }
        // XML has no such characters.
        '\u{fffe}' | '\u{ffff}' => Some(char::REPLACEMENT_CHARACTER),
        c if c.is_control() => Some(char::REPLACEMENT_CHARACTER),
        c => Some(c),
    }
}

/// For the text and the attributes of XML; clean before.
pub(super) fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// For a quoted label of Mermaid: all that its grammar, its Markdown or HTML could take for a sign becomes a number. Clean before.
pub(super) fn mermaid(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_punctuation() && !matches!(c, '.' | ',' | '-' | '(' | ')') {
            // Writing to a string does not fail.
            let _ = write!(out, "#{};", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// A time for a reader: `12 ms`, `1.2 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`.
pub(super) fn duration(ms: u64) -> String {
    let pair = |(many, unit): (u64, &str), (rest, small): (u64, &str)| match rest {
        0 => format!("{many} {unit}"),
        rest => format!("{many} {unit} {rest} {small}"),
    };
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..10_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        10_000..60_000 => format!("{} s", ms / 1_000),
        60_000..3_600_000 => pair((ms / 60_000, "min"), (ms / 1_000 % 60, "s")),
        3_600_000..86_400_000 => pair((ms / 3_600_000, "h"), (ms / 60_000 % 60, "min")),
        _ => pair((ms / 86_400_000, "d"), (ms / 3_600_000 % 24, "h")),
    }
}

/// `1 attempt`, `2 attempts`.
pub(super) fn counted(many: u64, what: &str) -> String {
    if many == 1 { format!("1 {what}") } else { format!("{many} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_is_left() {
        assert_eq!(
            clean("a\u{1b}[2J\u{202e}b\nc\u{200b}\u{0}\u{ffff}\u{85}", 99),
            "a\u{fffd}[2J\u{fffd}b c\u{fffd}\u{fffd}\u{fffd}"
        );
        assert_eq!(clean(&format!("a{}", "\u{301}".repeat(60)), 99).chars().count(), 3);
    }

    #[test]
    fn long_text_is_cut_at_its_width() {
        for (text, most, cut) in
            [("abcdef", 6, "abcdef"), ("abcdefg", 6, "abcde…"), ("日本語日本", 6, "日本…"), ("ab", 1, "…")]
        {
            assert_eq!(clean(text, most), cut);
        }
    }

    #[test]
    fn signs_become_numbers_for_mermaid_and_entities_for_xml() {
        assert_eq!(mermaid("a \"b\"<#`"), "a #34;b#34;#60;#35;#96;");
        assert_eq!(xml("a \"b\"<&'>"), "a &quot;b&quot;&lt;&amp;&#39;&gt;");
    }

    #[test]
    fn durations_are_written_for_readers() {
        for (ms, text) in [
            (12, "12 ms"),
            (1_250, "1.2 s"),
            (59_999, "59 s"),
            (200_000, "3 min 20 s"),
            (7_500_000, "2 h 5 min"),
            (259_200_000, "3 d"),
        ] {
            assert_eq!(duration(ms), text);
        }
    }
}
