//! Finds the codes that the product answers, where its sources write them.

use crate::files::File;
use crate::rust;
use std::collections::BTreeMap;

/// Codes, each with the place that writes it.
#[derive(Default)]
pub(crate) struct Codes {
    /// Codes of whole answers and of failures: each has a page.
    pub(crate) pages: BTreeMap<String, String>,
    /// Codes of single fields and of warnings: each has a line in the index.
    pub(crate) lines: BTreeMap<String, String>,
}

/// Everything that these sources can answer.
pub(crate) fn collect(sources: &[File]) -> Codes {
    let mut codes = Codes::default();
    for file in sources.iter().filter(|file| file.tests_begin() > 0) {
        let text = Text::new(file);
        let (pages, lines) = match room(&file.path) {
            "host/core/src/failure.rs" => (text.constants("pub mod code {"), vec![]),
            "host/core/src/schedule" => (vec![], text.fields("code: ")),
            "host/core/src/definition" => {
                (vec![], [text.arguments(".fault(", 1), text.arguments(".warn(", 1)].concat())
            }
            "host/engine/src" => {
                (text.of_engine(), [text.owned_fields("code: "), text.arguments("Fault::new(", 1)].concat())
            }
            "host/server/src" => (text.of_server(), text.owned_fields("code: ")),
            "host/runtime/src/compile/unfit.rs" => (text.arms("fn name(self)"), vec![]),
            "host/runtime/src" => (text.fields("code: "), vec![]),
            "plugins/runner/src" => (text.arguments("permanent(", 0), vec![]),
            "sdk/rust/src" => (
                ["Error::permanent(", "Error::retryable("].iter().flat_map(|call| text.arguments(call, 0)).collect(),
                vec![],
            ),
            _ => (vec![], vec![]),
        };
        codes.pages.extend(pages);
        codes.lines.extend(lines);
    }
    codes
}

/// The part of the path that decides how codes are written there.
fn room(path: &str) -> &str {
    const ROOMS: [&str; 9] = [
        "host/core/src/failure.rs",
        "host/core/src/definition",
        "host/core/src/schedule",
        "host/engine/src",
        "host/server/src",
        "host/runtime/src/compile/unfit.rs",
        "host/runtime/src",
        "plugins/runner/src",
        "sdk/rust/src",
    ];
    // The contract suite and the fakes are for tests.
    let is_for_tests = path.starts_with("host/engine/src/contract") || path.starts_with("host/engine/src/fakes");
    if is_for_tests { "" } else { ROOMS.into_iter().find(|room| path.starts_with(room)).unwrap_or_default() }
}

type Found = Vec<(String, String)>;

/// A source, with and without its literals.
struct Text<'a> {
    file: &'a File,
    raw: &'a str,
    code: String,
}

impl<'a> Text<'a> {
    fn new(file: &'a File) -> Self {
        let raw = file.product();
        Self { file, raw, code: rust::code(raw) }
    }

    fn of_engine(&self) -> Found {
        let things = self.fields("what: ").into_iter().map(|(what, at)| (format!("{what}_not_found"), at));
        let named = self.arms("fn code(self)");
        things.chain(self.fields("code: ")).chain(self.fields("limit: ")).chain(named).collect()
    }

    fn of_server(&self) -> Found {
        let calls =
            [self.arguments("Error::new(", 1), self.arguments("Self::new(", 1), self.arguments("with_code(", 0)];
        [calls.concat(), self.of_engine(), self.statements("let code = "), self.ends_of_pairs()].concat()
    }

    /// The literal that begins at this byte, if it is one and is written like a code.
    fn literal(&self, at: usize) -> Option<&str> {
        let text = self.raw[at..].strip_prefix('"')?;
        let text = &text[..text.find('"')?];
        let is_code = text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        is_code.then_some(text)
    }

    fn found(&self, at: usize) -> Option<(String, String)> {
        self.literal(at).map(|code| (code.to_owned(), self.file.at(at)))
    }

    fn after<'b>(&'b self, pattern: &'b str) -> impl Iterator<Item = usize> + 'b {
        self.code.match_indices(pattern).map(|(at, _)| at + pattern.len())
    }

    /// `<name>"code"`, where the field is a `&'static str`.
    fn fields(&self, name: &str) -> Found {
        self.after(name).filter(|at| !self.is_owned(*at)).filter_map(|at| self.found(at)).collect()
    }

    /// `<name>"code".to_owned()`.
    fn owned_fields(&self, name: &str) -> Found {
        self.after(name).filter(|at| self.is_owned(*at)).filter_map(|at| self.found(at)).collect()
    }

    fn is_owned(&self, at: usize) -> bool {
        self.literal(at).is_some_and(|code| self.raw[at + code.len() + 2..].starts_with(".to_owned()"))
    }

    /// The argument at this place of every call, if it is a literal.
    fn arguments(&self, call: &str, place: usize) -> Found {
        self.after(call).filter_map(|at| self.found(argument(&self.code, at, place)?)).collect()
    }

    /// Every literal of the statements that begin so.
    fn statements(&self, start: &str) -> Found {
        self.after(start).flat_map(|at| self.literals(at, at + self.code[at..].find(';').unwrap_or(0))).collect()
    }

    /// `=> "code"` in the function that begins so.
    fn arms(&self, function: &str) -> Found {
        let body = self.after(function).map(|at| (at, at + self.code[at..].find("\n    }\n").unwrap_or(0)));
        body.flat_map(|(from, to)| self.literals(from, to)).collect()
    }

    /// `pub const NAME: &str = "code";` in the module that begins so.
    fn constants(&self, module: &str) -> Found {
        let body = self.after(module).map(|at| (at, at + self.code[at..].find("\n}\n").unwrap_or(0)));
        body.flat_map(|(from, to)| self.literals(from, to)).collect()
    }

    /// `(most, "limit")`: a number with the name that it has on the limits page.
    fn ends_of_pairs(&self) -> Found {
        let ends_pair = |(at, code): &(usize, &str)| {
            let (before, after) = (self.code[..*at].trim_end(), &self.raw[at + code.len() + 2..]);
            let opener = open(before).map_or("f", |bracket| &before[..bracket]);
            let is_call = opener.ends_with(|c: char| c.is_alphanumeric() || "_>!".contains(c));
            before.ends_with(',') && after.starts_with(')') && !is_call
        };
        let literals = self.code.match_indices('"').filter_map(|(at, _)| Some((at, self.literal(at)?)));
        literals.filter(ends_pair).filter_map(|(at, _)| self.found(at)).collect()
    }

    fn literals(&self, from: usize, to: usize) -> Found {
        let quotes = self.code[from..to].match_indices('"').step_by(2);
        quotes.filter_map(|(at, _)| self.found(from + at)).collect()
    }
}

/// Where the argument of this number begins, in a list that begins at `from`.
fn argument(code: &str, from: usize, place: usize) -> Option<usize> {
    let (mut depth, mut commas) = (0, 0);
    for (offset, c) in code[from..].char_indices() {
        let is_close = matches!(c, ')' | ']' | '}');
        if depth == 0 {
            match c {
                _ if is_close => return None,
                ',' => commas += 1,
                _ if commas == place && !c.is_whitespace() => return Some(from + offset),
                _ => {}
            }
        }
        depth = if is_close { depth - 1 } else { depth + i32::from(matches!(c, '(' | '[' | '{')) };
    }
    None
}

/// The bracket that is still open at the end of this code.
fn open(code: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in code.char_indices().rev() {
        match c {
            ')' | ']' | '}' => depth += 1,
            '(' | '[' | '{' if depth == 0 => return (c == '(').then_some(at),
            '(' | '[' | '{' => depth -= 1,
            ';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(path: &str, text: &str) -> (Vec<String>, Vec<String>) {
        let codes = collect(&[File { path: path.to_owned(), text: text.to_owned() }]);
        (codes.pages.into_keys().collect(), codes.lines.into_keys().collect())
    }

    #[test]
    fn codes_of_the_engine_are_fields() {
        let text = r#"
            Error::Refused { code: "id_reserved", message }; Error::TooLarge { limit: "payload_bytes", message };
            Error::NotFound { what: "workflow", id }; Warning { code: "inactive".to_owned() }
            // code: "in_a_comment"
            "code: \"in_a_text\","
            #[cfg(test)]
mod tests {
  code: "in_a_test", }"#;
        let (pages, lines) = codes("host/engine/src/a.rs", text);
        assert_eq!(pages, ["id_reserved", "payload_bytes", "workflow_not_found"]);
        assert_eq!(lines, ["inactive"]);
        assert_eq!(codes("host/engine/src/contract/a.rs", text).0, [""; 0]);
    }

    #[test]
    fn codes_of_the_server_are_arguments() {
        let text = r#"
            ApiError::new(f(a, "x"), "internal", "text"); Self::new(StatusCode::A, &format!("{what}_not_found"), message);
            x.with_code("json_depth"); let code = match e { A => "invalid_json", B => "other", };
            let size = (app.limits(), "component_bytes"); json(request, (most, "definition")); call("a", "not_a_code");
            header("content", "kind"); FieldError { code: "wrong_shape".to_owned() }"#;
        let (pages, lines) = codes("host/server/src/a.rs", text);
        assert_eq!(pages, ["component_bytes", "definition", "internal", "invalid_json", "json_depth", "other"]);
        assert_eq!(lines, ["wrong_shape"]);
    }

    #[test]
    fn codes_of_the_other_rooms() {
        let core = "pub mod code {\n    /// Text.\n    pub const A: &str = \"a_b\";\n}\nconst C: &str = \"c\";\n";
        assert_eq!(codes("host/core/src/failure.rs", core).0, ["a_b"]);
        let definition = r#"f.fault(format!("{p}/a", x), "out_of_range", "text"); f.warn("", "near_miss", message)"#;
        assert_eq!(codes("host/core/src/definition/a.rs", definition).1, ["near_miss", "out_of_range"]);
        let runtime = "fn name(self) {\n        match self {\n A => \"wrong_world\",\n }\n    }\n f(\"x\")";
        assert_eq!(codes("host/runtime/src/compile/unfit.rs", runtime).0, ["wrong_world"]);
        assert_eq!(codes("sdk/rust/src/a.rs", "Error::permanent(\"unknown\", x)").0, ["unknown"]);
    }
}
