//! The custom section `stepwell:meta` of a component; `wit/README.md` gives its format.

use crate::Error;
use serde_json::Value;
use std::path::Path;
use wasmparser::{Parser, Payload};

const SECTION: &str = "stepwell:meta";

/// The names of the functions that a component says it holds.
pub(crate) fn functions(path: &Path, wasm: &[u8]) -> Result<Vec<String>, Error> {
    let invalid = |reason: String| Error::Guest { path: path.to_owned(), reason };
    let mut names = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let Payload::CustomSection(section) = payload.map_err(|error| invalid(error.to_string()))? else { continue };
        if section.name() == SECTION {
            names.extend(names_of(section.data()).map_err(&invalid)?);
        }
    }
    if names.is_empty() { Err(invalid(format!("no function: the section {SECTION} is missing"))) } else { Ok(names) }
}

fn names_of(data: &[u8]) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(data).map_err(|error| error.to_string())?;
    let lines = text.lines().filter(|line| !line.is_empty());
    let names = lines.map(|line| {
        let function: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let name = function["name"].as_str().ok_or_else(|| format!("a function without a name: {line}"))?;
        Ok(name.to_owned())
    });
    names.collect()
}

/// Adds the section to a component, after everything else.
pub(crate) fn append(wasm: &mut Vec<u8>, lines: &str) {
    let mut body = Vec::new();
    leb128(SECTION.len(), &mut body);
    body.extend_from_slice(SECTION.as_bytes());
    body.extend_from_slice(lines.as_bytes());
    wasm.push(0);
    leb128(body.len(), wasm);
    wasm.extend_from_slice(&body);
}

/// An unsigned number as WebAssembly writes it: seven bits a byte, the lowest first.
fn leb128(mut value: usize, bytes: &mut Vec<u8>) {
    while value > 0x7f {
        bytes.push(0x80 | (value & 0x7f) as u8);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::{append, functions};
    use std::path::Path;

    /// The eight bytes that begin every component.
    const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn what_is_appended_is_found() {
        let long = "x".repeat(300);
        let mut wasm = EMPTY_COMPONENT.to_vec();
        append(&mut wasm, &format!("{{\"name\":\"a\",\"description\":\"{long}\"}}\n\n{{\"name\":\"b\"}}\n"));
        assert_eq!(functions(Path::new("x.wasm"), &wasm).unwrap(), ["a", "b"]);
    }

    #[test]
    fn a_component_without_functions_is_refused() {
        let error = functions(Path::new("x.wasm"), EMPTY_COMPONENT).unwrap_err();
        assert_eq!(error.to_string(), "x.wasm: no function: the section stepwell:meta is missing");
    }

    #[test]
    fn what_is_no_wasm_is_refused() {
        assert!(functions(Path::new("x.wasm"), b"no wasm at all").is_err());
    }
}
