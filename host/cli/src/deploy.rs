//! `stepwell deploy`: an upload, and how far it is.

use crate::args::DeployOptions;
use crate::client::Client;
use crate::look::{key, path_safe, print};
use anyhow::Context as _;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use stepwell_server::printable;

/// Longest text of the server in one line, bytes.
const TEXT_BYTES: usize = 200;

/// `stepwell deploy`
pub fn deploy(options: &DeployOptions) -> anyhow::Result<()> {
    let shown = options.file.display();
    let bytes = std::fs::read(&options.file).with_context(|| format!("{shown} cannot be read"))?;
    let stem = || options.file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let id = options.id.clone().or_else(stem).unwrap_or_default();
    let path = match &options.function {
        Some(function) => format!("/functions/{}?function={}", path_safe(&id)?, path_safe(function)?),
        None => format!("/functions/{}", path_safe(&id)?),
    };
    let client = Client::new(options.output.server.server.trim_end_matches('/'), &key()?);
    let terminal = std::io::stderr().is_terminal();
    let done = client.upload(&path, (kind(&options.file), options.grants.as_deref(), &bytes), |phase, data| {
        if terminal {
            show(&format!("{id}: {}", progress(phase, data)));
        }
    });
    if terminal {
        show("");
    }
    let done = done?;
    if options.output.json {
        return print(&serde_json::to_string_pretty(&done)?);
    }
    print(came_to(&done).trim_end())
}

/// What the bytes are, by the file's name.
fn kind(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("js" | "mjs") => "text/javascript",
        _ => "application/wasm",
    }
}

/// In the place of what stood there.
fn show(line: &str) {
    let mut out = std::io::stderr().lock();
    // Who cannot be shown it does without.
    let _ = write!(out, "\r{line}\x1b[K").and_then(|()| out.flush());
}

/// One phase as a line.
fn progress(phase: &str, data: &Value) -> String {
    let seconds = data["elapsedMs"].as_f64().unwrap_or_default() / 1_000.0;
    let phase = printable(phase, TEXT_BYTES);
    match (data["compiled"].as_u64(), data["functions"].as_u64()) {
        (Some(done), Some(of)) if of > 0 => {
            format!("{phase} {done} of {of} functions ({} %), {seconds:.1} s", done.saturating_mul(100) / of)
        }
        _ => format!("{phase}, {seconds:.1} s"),
    }
}

/// A line for each function, and what it does not get.
fn came_to(done: &Value) -> String {
    let text = |value: &Value| printable(value.as_str().unwrap_or_default(), TEXT_BYTES);
    let several = done["functions"].as_array();
    let mut lines = String::new();
    for function in several.map_or(std::slice::from_ref(done), Vec::as_slice) {
        let (id, version, size) = (text(&function["id"]), &function["version"], &function["size"]);
        // Writing into a text cannot fail.
        let _ = writeln!(lines, "{id}  version {version}, {size} bytes, compiled in {} ms", done["compileMs"]);
        for refused in function["grants"]["refused"].as_array().into_iter().flatten() {
            let _ = writeln!(lines, "  refused: {}", printable(&refused.to_string(), TEXT_BYTES));
        }
    }
    for warning in done["warnings"].as_array().into_iter().flatten() {
        let _ = writeln!(lines, "  warning: {}", text(warning));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_says_how_far_it_is() {
        assert_eq!(progress("waiting", &json!({"elapsedMs": 1_250})), "waiting, 1.2 s");
        let data = json!({"elapsedMs": 100, "compiled": 30, "functions": 120});
        assert_eq!(progress("compiling", &data), "compiling 30 of 120 functions (25 %), 0.1 s");
    }

    #[test]
    fn what_it_came_to_is_told_for_each_function() {
        let one =
            json!({"id": "a", "version": 2, "size": 10, "grants": {"refused": [{"grant": "http", "by": "operator"}]}});
        let lines = came_to(&json!({"functions": [one.clone(), one], "compileMs": 7, "warnings": ["old\u{1b}"]}));
        assert_eq!(lines.matches("a  version 2, 10 bytes, compiled in 7 ms").count(), 2);
        assert!(lines.contains("refused: ") && lines.contains("warning: old") && !lines.contains('\u{1b}'), "{lines}");
    }

    #[test]
    fn the_name_says_what_it_is() {
        assert_eq!((kind(Path::new("a/b.js")), kind(Path::new("b.wasm"))), ("text/javascript", "application/wasm"));
    }
}
