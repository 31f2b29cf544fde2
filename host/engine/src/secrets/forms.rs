//! The forms in which a value may turn up in what a function says.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// From this length on the encoded forms of a value are looked for, and the lines of it: shorter ones are found where they are not.
const ENCODED_FROM_BYTES: usize = 8;

/// One text to look for.
#[derive(Clone)]
pub(super) struct Form {
    pub text: Zeroizing<Vec<u8>>,
    /// Whether the characters of base64 next to it hold bits of the value, too.
    pub has_edges: bool,
}

impl Form {
    fn plain(text: impl Into<Vec<u8>>) -> Self {
        Self { text: Zeroizing::new(text.into()), has_edges: false }
    }
}

/// All forms of a value, each once: itself, without the white space round it, its lines, and as JSON, base64, hexadecimal and percent-encoded.
pub(super) fn forms(value: &str) -> Vec<Form> {
    let trimmed = value.trim();
    let mut forms = vec![Form::plain(value), Form::plain(trimmed)];
    // A function that prints a text of several lines writes several lines of log.
    let lines = trimmed.lines().map(str::trim).filter(|line| line.len() >= ENCODED_FROM_BYTES);
    forms.extend(lines.map(Form::plain));
    for text in [value, trimmed] {
        if text.len() >= ENCODED_FROM_BYTES {
            forms.extend(in_json(text));
            forms.extend(in_base64(text.as_bytes()));
            forms.extend(in_percents(text.as_bytes()));
            forms.extend(in_digits(text.as_bytes()));
        }
    }
    forms.retain(|form| !form.text.is_empty());
    once_each(forms)
}

/// Without doubles.
pub(super) fn once_each(mut forms: Vec<Form>) -> Vec<Form> {
    forms.sort_unstable_by(|one, other| one.text.as_slice().cmp(&other.text));
    forms.dedup_by(|one, other| one.text == other.text);
    forms
}

/// As it stands inside of a JSON string: with characters as they are, and with those beyond ASCII as `\u` and four digits, in either case.
fn in_json(text: &str) -> Vec<Form> {
    let Ok(quoted) = serde_json::to_string(text).map(Zeroizing::new) else { return Vec::new() };
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    let (mut lower, mut upper) = (String::new(), String::new());
    for c in inner.chars() {
        if c.is_ascii() {
            lower.push(c);
            upper.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            lower.push_str(&format!("\\u{unit:04x}"));
            upper.push_str(&format!("\\u{unit:04X}"));
        }
    }
    vec![Form::plain(inner), Form::plain(lower), Form::plain(upper), Form::plain(inner.replace('/', "\\/"))]
}

/// As it stands in base64 of a longer text, in both alphabets: behind 0, 1 or 2 bytes of a group of three, without the characters that also
/// hold bits of what is next to it.
fn in_base64(bytes: &[u8]) -> Vec<Form> {
    let mut forms = Vec::new();
    for before in 0..3 {
        let text = Zeroizing::new([&[0; 2][..before], bytes].concat());
        let whole_characters = text.len() * 8 / 6;
        for alphabet in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let encoded = Zeroizing::new(alphabet.encode(text.as_slice()));
            let first = (before * 8).div_ceil(6);
            let form = encoded.get(first..whole_characters).unwrap_or_default();
            forms.push(Form { has_edges: true, ..Form::plain(form) });
        }
    }
    forms
}

/// In hexadecimal, in either case.
fn in_digits(bytes: &[u8]) -> [Form; 2] {
    let lower: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let upper = lower.to_ascii_uppercase();
    [Form::plain(lower), Form::plain(upper)]
}

/// As the usual libraries write it into a URL or a form: they differ in what they leave as it is.
fn in_percents(bytes: &[u8]) -> Vec<Form> {
    let mut forms = Vec::new();
    for kept in ["-._~", "-._~!*'()", "-._~/", "-._*"] {
        for upper in [true, false] {
            let mut text = Vec::with_capacity(bytes.len());
            for byte in bytes {
                match byte {
                    b if b.is_ascii_alphanumeric() || kept.as_bytes().contains(b) => text.push(*b),
                    b' ' if kept == "-._*" => text.push(b'+'),
                    b if upper => text.extend(format!("%{b:02X}").bytes()),
                    b => text.extend(format!("%{b:02x}").bytes()),
                }
            }
            forms.push(Form::plain(text));
        }
    }
    forms
}
