//! `stepwell graph` and `stepwell show`: pictures in the terminal.

use crate::args::{Form, GraphOptions, ServerOptions, ShowOptions};
use crate::client::Client;
use anyhow::{Context as _, bail};
use std::io::{ErrorKind, IsTerminal as _, Write as _};
use stepwell_server::picture::{Colour, Figure, tree};

/// Longest picture that is read: 2,000 steps with 20,000 edges between long names are a few megabytes.
const PICTURE_BYTES: u64 = 64 << 20;

/// `stepwell graph`
pub fn graph(options: &GraphOptions) -> anyhow::Result<()> {
    let revision = options.revision.map(|number| format!("&revision={number}")).unwrap_or_default();
    let id = path_safe(&options.workflow)?;
    draw(&options.server, options.format, |form| format!("/workflows/{id}/graph?format={form}{revision}"))
}

/// `stepwell show`
pub fn show(options: &ShowOptions) -> anyhow::Result<()> {
    let id = path_safe(&options.execution)?;
    draw(&options.server, options.format, |form| format!("/workflows/executions/{id}/graph?format={form}"))
}

/// No id has other characters, and no other text belongs into an address.
pub fn path_safe(id: &str) -> anyhow::Result<&str> {
    if id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
        bail!("{id:?} is no id: ids have letters, digits, `-`, `_` and `.`");
    }
    Ok(id)
}

fn draw(server: &ServerOptions, form: Form, path: impl Fn(&str) -> String) -> anyhow::Result<()> {
    let client = Client::new(server.server.trim_end_matches('/'), &key()?);
    let wanted = match form {
        Form::Tree | Form::Json => "json",
        Form::Svg => "svg",
        Form::Mermaid => "mermaid",
    };
    let text = client.get_text(&path(wanted), PICTURE_BYTES)?;
    if form != Form::Tree {
        return print(text.trim_end());
    }
    let figure: Figure = serde_json::from_str(&text).context("the server's picture is of another version")?;
    print(tree(&figure, colour()).trim_end())
}

/// The key to ask with.
pub fn key() -> anyhow::Result<String> {
    let keys = ["STEPWELL_API_KEY", "STEPWELL_ADMIN_KEY"].map(|name| std::env::var(name).ok());
    let key = keys.into_iter().flatten().find(|key| !key.is_empty());
    key.context("no key: set STEPWELL_API_KEY (or STEPWELL_ADMIN_KEY) to one that the server knows")
}

/// Colours are for terminals, and not for people who want none (no-color.org).
fn colour() -> Colour {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if std::io::stdout().is_terminal() && !unwanted { Colour::On } else { Colour::Off }
}

/// Whoever reads may have seen enough.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done.context("the picture cannot be written"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_go_into_addresses() {
        for id in ["exec-01k", "order.v2", "a_b"] {
            assert!(path_safe(id).is_ok(), "{id}");
        }
        for id in ["", "a/b", "a?b", "..%2f", "a b", "ä"] {
            assert!(path_safe(id).is_err(), "{id}");
        }
    }
}
