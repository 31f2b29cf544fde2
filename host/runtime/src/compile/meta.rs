//! The functions of a component, from its custom section: JSON Lines, one object per function, written by the SDK.
//! It is read, never asked from the guest by running it.

use super::frame::{Refusal, refuse};
use super::unfit::Code;
use serde::Deserialize;
use stepwell_core::grants::{self, GRANTS_BYTES, Grants};
use stepwell_core::ids::is_valid_name;
use stepwell_core::payload::Payload;
use stepwell_engine::ports::FunctionMeta;

/// The name of the section.
pub(super) const SECTION: &str = "stepwell:meta";
/// Bytes of all sections together: schemas of the largest functions have some kilobytes.
const SECTION_BYTES: usize = 256 << 10;
/// Functions of one component.
const FUNCTIONS: usize = 64;
/// Characters of a description that are kept.
const DESCRIPTION_CHARS: usize = 2_000;

/// One line. Unknown members are left to later versions.
#[derive(Deserialize)]
struct Line {
    name: String,
    description: Option<String>,
    #[serde(rename = "inputSchema")]
    input_schema: Option<Payload>,
    #[serde(rename = "outputSchema")]
    output_schema: Option<Payload>,
    grants: Option<serde_json::Value>,
}

/// The functions in the order of their lines; none if there is no section.
pub(super) fn read(sections: &[&[u8]]) -> Result<Vec<FunctionMeta>, Refusal> {
    let bytes: usize = sections.iter().map(|section| section.len()).sum();
    if bytes > SECTION_BYTES {
        return Err(wrong(format!(
            "has {bytes} bytes, at most {SECTION_BYTES} are accepted: shorten schemas or descriptions"
        )));
    }
    let mut functions: Vec<FunctionMeta> = Vec::new();
    for section in sections {
        let text = std::str::from_utf8(section).map_err(|error| wrong(format!("is not UTF-8: {error}")))?;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let function = function(line)?;
            if functions.iter().any(|other| other.name == function.name) {
                return Err(wrong(format!("names {:?} twice", function.name.unwrap_or_default())));
            }
            functions.push(function);
            if functions.len() > FUNCTIONS {
                return Err(wrong(format!("names more than {FUNCTIONS} functions: split the component")));
            }
        }
    }
    if !sections.is_empty() && functions.is_empty() {
        return Err(wrong("names no function"));
    }
    Ok(functions)
}

fn function(line: &str) -> Result<FunctionMeta, Refusal> {
    let line: Line = serde_json::from_str(line)
        .map_err(|error| wrong(format!("has a line that is not as it should be: {error}")))?;
    if !is_valid_name(&line.name) {
        return Err(wrong(format!(
            "has the name {:?}: names have letters, digits, `-`, `_` and `.`, start with a letter or a digit, and have at \
             most 128 bytes",
            line.name.chars().take(140).collect::<String>()
        )));
    }
    for (member, schema) in [("inputSchema", &line.input_schema), ("outputSchema", &line.output_schema)] {
        let schema = schema.as_ref().map_or("{", Payload::as_str);
        if !(schema.starts_with('{') || schema == "true" || schema == "false") {
            return Err(wrong(format!(
                "has a {member} of {} that is not a JSON Schema (an object, true or false)",
                line.name
            )));
        }
    }
    let grants = match &line.grants {
        None => Grants::default(),
        Some(wanted) if wanted.to_string().len() > GRANTS_BYTES => {
            return Err(wrong(format!("has grants of {} that have more than {GRANTS_BYTES} bytes", line.name)));
        }
        Some(wanted) => grants::grants(wanted)
            .map_err(|fault| wrong(format!("has grants of {} that are not as they should be: {fault}", line.name)))?,
    };
    let description = line.description.map(|text| description(&text)).filter(|text| !text.is_empty());
    let (input_schema, output_schema) = (line.input_schema, line.output_schema);
    Ok(FunctionMeta { name: Some(line.name), description, input_schema, output_schema, grants })
}

/// Without control characters; paragraphs stay.
fn description(text: &str) -> String {
    let shown = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
    text.trim().chars().take(DESCRIPTION_CHARS).map(shown).collect()
}

fn wrong(what: impl std::fmt::Display) -> Refusal {
    refuse(Code::InvalidMetadata, format!("the section {SECTION} {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(section: &str) -> String {
        let refusal = read(&[section.as_bytes()]).expect_err("refused");
        assert_eq!(refusal.code, Code::InvalidMetadata);
        refusal.message
    }

    #[test]
    fn lines_are_functions() {
        let text = "{\"name\":\"a\",\"description\":\" x\\u001b[31m\\ny \",\"inputSchema\":{\"type\":\"object\"},\"later\":1}\n\n";
        let functions = read(&[text.as_bytes(), b"{\"name\":\"b\",\"outputSchema\":true}"]).expect("read");
        assert_eq!(functions[0].name.as_deref(), Some("a"));
        assert_eq!(functions[0].description.as_deref(), Some("x [31m\ny"));
        assert_eq!(functions[0].input_schema.as_ref().map(Payload::as_str), Some("{\"type\":\"object\"}"));
        assert_eq!((functions.len(), functions[1].output_schema.is_some()), (2, true));
        assert_eq!(read(&[]).expect("read"), []);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (section, word) in [
            ("", "no function"),
            ("{", "not as it should be"),
            ("[]", "not as it should be"),
            ("{\"description\":\"x\"}", "missing field `name`"),
            ("{\"name\":\"../x\"}", "../x"),
            ("{\"name\":\"\"}", "names have letters"),
            ("{\"name\":\"a\"}\n{\"name\":\"a\"}", "twice"),
            ("{\"name\":\"a\",\"inputSchema\":[1]}", "inputSchema"),
            ("{\"name\":\"a\",\"grants\":{\"http\":[\"https://u@a.b\"]}}", "/http/0"),
        ] {
            let message = refused(section);
            assert!(message.contains(word), "{section}: {message}");
        }
        assert!(refused(&"x".repeat(SECTION_BYTES + 1)).contains("bytes"));
        assert!(
            refused(&(0..65).map(|i| format!("{{\"name\":\"f{i}\"}}\n")).collect::<String>()).contains("more than 64")
        );
        assert!(read(&[b"\xff"]).expect_err("refused").message.contains("UTF-8"));
    }

    #[test]
    fn a_deep_schema_is_refused_without_recursion() {
        let deep = format!("{{\"name\":\"a\",\"inputSchema\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        refused(&deep);
    }
}
