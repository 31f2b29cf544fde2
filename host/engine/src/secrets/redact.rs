//! Takes the values of secrets out of what a function says, before anything keeps or shows it (semantics D11).
//!
//! It guards against accidents: a value that is logged, quoted in an error or handed on. A function that wants to give a value away can
//! write it in a way that nobody recognises.

use super::forms::{Form, forms, once_each};
use crate::ports::{Fault, LogLine, Outcome};
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use stepwell_core::failure::{Failure, code};
use stepwell_core::payload::Payload;
use stepwell_core::secrets::{HIDDEN, SecretValues};
use zeroize::Zeroizing;

/// A form is looked for by its first bytes, and then followed as far as the text goes on with it: so the search stays small however long
/// the values are, and a long value that was cut off is found, too.
const SOUGHT_BYTES: usize = 64;
/// Steps of following for each byte of a text. Ordinary values need less than one; texts and values that are made to overlap themselves end
/// here, and the whole text is hidden.
const FOLLOWED_PER_BYTE: usize = 64;

/// Looks for the values of some secrets.
pub(crate) struct Redactor {
    /// `None`: it could not be built, and every text is hidden.
    sought: Option<AhoCorasick>,
    forms: Vec<Form>,
    numbers: Vec<Zeroizing<String>>,
}

impl Redactor {
    /// For these values. `None` if there are none.
    pub fn new(values: &SecretValues) -> Option<Self> {
        Self::of(values.iter().map(|(_, value)| value))
    }

    /// As [`Redactor::new`].
    pub fn of<'v>(values: impl Iterator<Item = &'v str>) -> Option<Self> {
        let values: Vec<&str> = values.collect();
        if values.is_empty() {
            return None;
        }
        let all = once_each(values.iter().flat_map(|value| forms(value)).collect());
        let beginnings = all.iter().map(|form| form.text.get(..SOUGHT_BYTES).unwrap_or(&form.text));
        let builder = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(beginnings);
        let sought = builder.inspect_err(|error| tracing::error!(%error, "secrets cannot be looked for")).ok();
        let numbers = values.iter().map(|value| value.trim()).filter(|value| is_number(value));
        let numbers = numbers.map(|value| Zeroizing::new(value.to_owned())).collect();
        Some(Self { sought, forms: all, numbers })
    }

    /// Everything that came of a call.
    pub fn outcome(&self, outcome: Outcome) -> Outcome {
        let Outcome { result, usage, log } = outcome;
        let result = result.map(|output| self.payload(output)).map_err(|fault| self.fault(fault));
        let line = |LogLine { level, message, fields }: LogLine| {
            let fields = fields.into_iter().map(|(key, value)| (self.text(key), self.text(value))).collect();
            LogLine { level, message: self.text(message), fields }
        };
        Outcome { result, usage, log: log.into_iter().map(line).collect() }
    }

    fn fault(&self, fault: Fault) -> Fault {
        match fault {
            Fault::Failed { code, message, details, retry } => Fault::Failed {
                code: self.text(code),
                message: self.text(message),
                details: details.map(|details| self.payload(details)),
                retry,
            },
            Fault::Trapped(message) => Fault::Trapped(self.text(message)),
            Fault::InvalidOutput(why) => Fault::InvalidOutput(self.text(why)),
            Fault::Host(why) => Fault::Host(self.text(why)),
            Fault::Lost(why) => Fault::Lost(self.text(why)),
            plain @ (Fault::StackOverflow
            | Fault::Exited(_)
            | Fault::OutOfFuel
            | Fault::MemoryLimit
            | Fault::Timeout
            | Fault::OutputLimit
            | Fault::NoCapacity) => plain,
        }
    }

    /// What somebody outside reports of a step.
    pub fn result(&self, result: Result<Payload, Failure>) -> Result<Payload, Failure> {
        result.map(|output| self.payload(output)).map_err(|failure| self.failure(failure))
    }

    /// A failure: expressions quote what they cannot work with, and so do people.
    pub fn failure(&self, failure: Failure) -> Failure {
        let details = failure.details.map(|details| self.payload(details));
        let code = match self.hidden(&failure.code) {
            None => failure.code,
            Some(_) => code::FUNCTION_ERROR.to_owned(),
        };
        Failure { code, message: self.text(failure.message), details, ..failure }
    }

    /// A text without the values.
    pub fn text(&self, text: String) -> String {
        self.hidden(&text).unwrap_or(text)
    }

    /// JSON without the values: in its strings, keys included, and where a number is spelt as a value is.
    pub fn payload(&self, payload: Payload) -> Payload {
        match self.json(payload.as_str()) {
            None => payload,
            Some(text) => Payload::parse(&text).unwrap_or_else(|_| Payload::null()),
        }
    }

    /// One pass over the tokens, no recursion. `None`: nothing is to be hidden.
    fn json(&self, text: &str) -> Option<String> {
        let bytes = text.as_bytes();
        let (mut out, mut copied, mut at) = (String::new(), 0, 0);
        while let Some(byte) = bytes.get(at) {
            let end = match byte {
                b'"' => end_of_string(bytes, at),
                b'-' | b'0'..=b'9' => end_of_number(bytes, at),
                _ => {
                    at += 1;
                    continue;
                }
            };
            let token = text.get(at..end).unwrap_or_default();
            if let Some(instead) = self.token(token) {
                out.push_str(text.get(copied..at).unwrap_or_default());
                out.push_str(&instead);
                copied = end;
            }
            at = end;
        }
        if copied == 0 {
            return None;
        }
        out.push_str(text.get(copied..).unwrap_or_default());
        Some(out)
    }

    /// What to write instead of a string or a number.
    fn token(&self, token: &str) -> Option<String> {
        let quoted = |text: &str| serde_json::to_string(text).unwrap_or_else(|_| "null".to_owned());
        if !token.starts_with('"') {
            return self.numbers.iter().any(|number| **number == token).then(|| quoted(HIDDEN));
        }
        let hidden = if token.contains('\\') {
            let decoded: String = serde_json::from_str(token).ok()?;
            self.hidden(&Zeroizing::new(decoded))
        } else {
            self.hidden(token.get(1..token.len().saturating_sub(1))?)
        };
        hidden.map(|text| quoted(&text))
    }

    /// `None`: it holds no value.
    fn hidden(&self, text: &str) -> Option<String> {
        let found = match &self.sought {
            None => Found::Everything,
            Some(sought) => self.find(sought, text),
        };
        let places = match found {
            Found::Everything => return Some(HIDDEN.to_owned()),
            Found::At(places) if places.is_empty() => return None,
            Found::At(places) => places,
        };
        let (mut out, mut copied) = (String::with_capacity(text.len()), 0);
        for (start, end) in places {
            out.push_str(text.get(copied..start).unwrap_or_default());
            out.push_str(HIDDEN);
            copied = end;
        }
        out.push_str(text.get(copied..).unwrap_or_default());
        Some(out)
    }

    /// All places of all values, those that overlap or touch as one.
    fn find(&self, sought: &AhoCorasick, text: &str) -> Found {
        let Ok(matches) = sought.try_find_overlapping_iter(text) else { return Found::Everything };
        let (mut places, mut followed) = (Vec::<(usize, usize)>::new(), 0usize);
        for found in matches {
            let Some(form) = self.forms.get(found.pattern().as_usize()) else { continue };
            let rest = text.as_bytes().get(found.end()..).unwrap_or_default();
            let wanted = form.text.get(SOUGHT_BYTES..).unwrap_or_default();
            let common = rest.iter().zip(wanted).take_while(|(one, other)| one == other).count();
            followed = followed.saturating_add(1 + common);
            if followed > text.len().saturating_mul(FOLLOWED_PER_BYTE) {
                return Found::Everything;
            }
            let (mut start, mut end) = widened(text, (found.start(), found.end() + common), form.has_edges);
            // They come in the order of their ends, so that only the last ones can overlap.
            while let Some((last_start, last_end)) = places.pop_if(|(_, last_end)| start <= *last_end) {
                (start, end) = (start.min(last_start), end.max(last_end));
            }
            places.push((start, end));
        }
        Found::At(places)
    }
}

/// Where values are in a text.
enum Found {
    /// So many that all of it is hidden.
    Everything,
    /// At these places: start and end, in order, apart from each other.
    At(Vec<(usize, usize)>),
}

/// To whole characters, and to the characters of base64 that share a value's first and last bits.
fn widened(text: &str, (mut start, mut end): (usize, usize), has_edges: bool) -> (usize, usize) {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
    let bytes = text.as_bytes();
    if has_edges {
        start -= usize::from(start > 0 && bytes.get(start - 1).is_some_and(is_base64));
        end += usize::from(bytes.get(end).is_some_and(is_base64));
    }
    (text.floor_char_boundary(start), text.ceil_char_boundary(end))
}

fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c == '-' || c.is_ascii_digit())
        && serde_json::from_str::<serde_json::Number>(text).is_ok()
}

/// From the opening quote to behind the closing one.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn end_of_number(bytes: &[u8], start: usize) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    start + rest.iter().position(|byte| !b"+-.0123456789eE".contains(byte)).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use serde_json::{Value, json};
    use stepwell_core::failure::Retry;

    fn redactor(values: &[&str]) -> Redactor {
        let named =
            values.iter().enumerate().map(|(at, value)| (format!("S{at}"), Zeroizing::new((*value).to_owned())));
        Redactor::new(&named.collect()).expect("there are values")
    }

    fn text(values: &[&str], text: &str) -> String {
        redactor(values).text(text.to_owned())
    }

    fn json_text(values: &[&str], text: &str) -> String {
        redactor(values).payload(Payload::parse(text).expect(text)).as_str().to_owned()
    }

    const VALUE: &str = "s3cr3t/v+l?e \"ü\"";

    #[test]
    fn a_value_is_hidden_wherever_it_stands() {
        for (values, said, heard) in [
            (vec!["hunter2"], "hunter2", "***"),
            (vec!["hunter2"], "it is hunter2, hunter2!", "it is ***, ***!"),
            (vec!["hunter2"], "hunter3", "hunter3"),
            (vec!["abc", "abcdef"], "xabcdefx", "x***x"),
            (vec!["xab", "abcy"], "-xabcy-", "-***-"),
            (vec!["aa"], "aaaaa b", "*** b"),
            (vec!["ü"], "für", "f***r"),
            (vec!["token\n"], "token", "***"),
            (vec!["x"], "", ""),
        ] {
            assert_eq!(text(&values, said), heard, "{values:?}");
        }
    }

    #[test]
    fn the_encoded_forms_of_a_value_are_hidden() {
        let percent: String = VALUE.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let partly = "s3cr3t%2Fv%2Bl%3Fe%20%22%C3%BC%22";
        for form in [
            json!(VALUE).to_string(),
            r#"s3cr3t/v+l?e \"\u00fc\""#.to_owned(),
            r#"s3cr3t\/v+l?e \"ü\""#.to_owned(),
            partly.to_owned(),
            partly.to_lowercase(),
            partly.replace("%20", "+"),
            partly.replace("%2F", "/"),
        ] {
            let said = format!("before {form} after");
            let heard = text(&[VALUE], &said);
            assert!(heard.contains("***") && !heard.contains("s3cr3t"), "{heard}");
        }
        // Everything as percents is no form that a library writes: this is not promised.
        assert_eq!(text(&[VALUE], &percent), percent);
    }

    #[test]
    fn hexadecimal_is_found_in_either_case() {
        let secret = "pa/ss+wörd!";
        let hidden = |text: String| redactor(&[secret]).text(format!("x {text} y"));
        let lower: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hidden(lower.to_ascii_uppercase()), "x *** y");
        assert_eq!(hidden(lower), "x *** y");
        assert_eq!(redactor(&["short"]).text("73686f7274".to_owned()), "73686f7274", "short ones are not looked for");
    }

    #[test]
    fn base64_is_found_behind_any_other_bytes() {
        for before in ["", "u", "us", "use", "user:", "somebody:"] {
            for after in ["", "!", "!!", "!!!"] {
                for alphabet in [&STANDARD, &URL_SAFE] {
                    let said = alphabet.encode(format!("{before}{VALUE}{after}"));
                    let heard = text(&[VALUE], &format!("Basic {said}"));
                    let left = heard.replace("***", "").replace("Basic ", "");
                    // What is left stems from the bytes before and after.
                    assert!(heard.contains("***") && left.len() <= before.len() * 4 / 3 + 8, "{said}: {heard}");
                }
            }
        }
    }

    #[test]
    fn json_stays_json() {
        let value = "he said \"no\"\\ \u{1}";
        let said = json!({"a": value, "deep": [[{"b": format!("x{value}y")}]], value: 1, "n": 1.5, "t": true, "other": "\\\"{}[],:"});
        let heard: Value = serde_json::from_str(&json_text(&[value], &said.to_string())).expect("JSON");
        assert_eq!(
            heard,
            json!({"a": "***", "deep": [[{"b": "x***y"}]], "***": 1, "n": 1.5, "t": true, "other": "\\\"{}[],:"})
        );
        let escaped = r#"{"a": "\u0068unter\u0032", "kept": 1.50}"#;
        assert_eq!(json_text(&["hunter2"], escaped), r#"{"a": "***", "kept": 1.50}"#);
        for untouched in ["1.50", r#"{"b":1,"a":[1e2, 3]}"#, r#""\ud83d\ude00""#, "null"] {
            assert_eq!(json_text(&["hunter2", "true"], untouched), untouched);
        }
    }

    #[test]
    fn a_number_that_is_a_value_is_hidden_and_others_are_not() {
        assert_eq!(json_text(&["4711"], "[4711, 47110, 4711.0, \"a4711\"]"), "[\"***\", 47110, 4711.0, \"a***\"]");
        assert_eq!(json_text(&["-1.5e3"], "[-1.5e3,-1.5]"), "[\"***\",-1.5]");
        assert_eq!(json_text(&["true", "null", "{}"], "[true,null,{}]"), "[true,null,{}]");
    }

    #[test]
    fn the_lines_and_the_beginning_of_a_long_value_are_hidden() {
        let line = |letter: &str| letter.repeat(40);
        let value = format!("-----BEGIN-----\n{}\n{}\n-----END-----\n", line("A"), line("B"));
        for said in [line("B"), format!("> {}", line("A")), value.replace('\n', "\r\n"), value[..70].to_owned()] {
            let heard = text(&[&value], &said);
            assert!(!heard.contains("AAAA") && !heard.contains("BBBB"), "{heard}");
        }
        let long: String = (0..4_000).map(|n| format!("{n:x}-")).collect();
        assert_eq!(text(&[&long], &format!("<{long}>")), "<***>");
        assert_eq!(text(&[&long], &format!("<{}>", &long[..1_000])), "<***>");
        assert_eq!(text(&[&long], &long[..50]), long[..50], "too short a beginning to tell");
    }

    #[test]
    fn texts_that_are_made_to_be_slow_are_hidden_as_a_whole() {
        let value = "a".repeat(32 << 10);
        let nested: Vec<String> = (1..=32).map(|n| "a".repeat(n * 1_000)).collect();
        let nested: Vec<&str> = nested.iter().map(String::as_str).collect();
        let said = "a".repeat(1 << 20);
        assert_eq!(text(&[&value], &said), "***");
        assert_eq!(text(&nested, &said), "***");
        // And many forms that are just long are no trouble.
        let values: Vec<String> = (0..32).map(|n| format!("{n}{}", "xyz-".repeat(8_000))).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        assert_eq!(text(&values, "nothing of it"), "nothing of it");
    }

    #[test]
    fn everything_that_a_function_says_goes_through() {
        let redactor = redactor(&["hunter2"]);
        let line = LogLine {
            level: "info",
            message: "m hunter2".into(),
            fields: vec![("k hunter2".into(), "v hunter2".into())],
        };
        let failed = Fault::Failed {
            code: "hunter2".into(),
            message: "m hunter2".into(),
            details: Some(Payload::from_value(&json!({"d": "hunter2"}))),
            retry: Retry::Never,
        };
        let results = [
            Ok(Payload::from_value(&json!("r hunter2"))),
            Err(failed),
            Err(Fault::Trapped("hunter2".into())),
            Err(Fault::InvalidOutput("hunter2".into())),
            Err(Fault::Host("hunter2".into())),
        ];
        for result in results {
            let outcome = Outcome { result, usage: crate::ports::Usage::default(), log: vec![line.clone()] };
            let heard = format!("{:?}", redactor.outcome(outcome));
            assert!(heard.contains("***") && !heard.contains("hunter2"), "{heard}");
        }
        let failure = Failure::guest("expression_error", "cannot read x of \"hunter2\"");
        assert!(!redactor.failure(failure).message.contains("hunter2"));
        assert!(Redactor::new(&SecretValues::default()).is_none());
    }
}
