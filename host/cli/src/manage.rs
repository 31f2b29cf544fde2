//! `stepwell tenant`, `stepwell key` and `stepwell audit`: what operators and administrators do, by the HTTP API.

use crate::args::{AuditOptions, KeyCommand, NewKeyOptions, Output, TenantCommand};
use crate::client::Client;
use crate::look::{key, path_safe, print};
use anyhow::bail;
use serde_json::{Value, json};
use std::fmt::Write as _;
use stepwell_server::printable;

/// Items of one question.
const PART: usize = 200;
/// Longest text in a table, bytes.
const CELL_BYTES: usize = 60;

/// A column: its heading, and the field that it shows.
pub type Column = (&'static str, &'static str);

const TENANT: [Column; 4] = [("ID", "id"), ("STATUS", "status"), ("NAME", "name"), ("CREATED", "createdAt")];
const KEY: [Column; 6] = [
    ("ID", "id"),
    ("SUBJECT", "subject"),
    ("SCOPES", "scopes"),
    ("EXPIRES", "expiresAt"),
    ("LAST USED", "lastUsedAt"),
    ("KEY", "hint"),
];
const CHANGE: [Column; 6] = [
    ("WHEN", "at"),
    ("SUBJECT", "subject"),
    ("ACTION", "action"),
    ("TARGET", "target"),
    ("OUTCOME", "outcome"),
    ("FROM", "address"),
];

/// `stepwell tenant`
pub fn tenant(command: &TenantCommand) -> anyhow::Result<()> {
    match command {
        TenantCommand::Create { id, name, output } => {
            let body = json!({"id": id, "name": name});
            show(output, &TENANT, connect(output)?.post("/tenants", &body)?)
        }
        TenantCommand::List { output } => list(output, &TENANT, "/tenants?", usize::MAX),
        TenantCommand::Show { id, output } => {
            show(output, &TENANT, connect(output)?.get(&format!("/tenants/{}", path_safe(id)?))?)
        }
        TenantCommand::Suspend { id, output } => turn(id, "suspend", output),
        TenantCommand::Resume { id, output } => turn(id, "resume", output),
        TenantCommand::Delete { id, yes, output } => {
            if !yes {
                bail!("this removes everything that the tenant {id:?} has, for good: say it again with --yes");
            }
            connect(output)?.delete(&format!("/tenants/{}", path_safe(id)?))?;
            print(&format!("the tenant {id} is being removed"))
        }
    }
}

fn turn(id: &str, how: &str, output: &Output) -> anyhow::Result<()> {
    let path = format!("/tenants/{}/{how}", path_safe(id)?);
    show(output, &TENANT, connect(output)?.post(&path, &json!({}))?)
}

/// `stepwell key`
pub fn api_key(command: &KeyCommand) -> anyhow::Result<()> {
    match command {
        KeyCommand::Create(options) => create(options),
        KeyCommand::List { tenant, output } => {
            list(output, &KEY, &format!("{}?", keys(tenant.as_deref())?), usize::MAX)
        }
        KeyCommand::Revoke { id, tenant, output } => {
            connect(output)?.delete(&format!("{}/{}", keys(tenant.as_deref())?, path_safe(id)?))?;
            print(&format!("the key {id} is refused from now on"))
        }
    }
}

/// Where keys are: one's own, or for the operator those of a tenant.
fn keys(tenant: Option<&str>) -> anyhow::Result<String> {
    tenant.map_or_else(|| Ok("/keys".to_owned()), |id| Ok(format!("/tenants/{}/keys", path_safe(id)?)))
}

/// The key goes to the standard output, alone, so that it can go on into a file; what is known of it to the standard error.
fn create(options: &NewKeyOptions) -> anyhow::Result<()> {
    let mut body = json!({"scopes": options.scopes, "groups": options.groups});
    let texts = [("name", &options.name), ("subject", &options.subject), ("expiresIn", &options.expires_in)];
    for (field, text) in texts {
        if let Some(text) = text {
            body[field] = json!(text);
        }
    }
    let path = match &options.tenant {
        Some(tenant) => format!("/tenants/{}/keys", path_safe(tenant)?),
        None => "/keys".to_owned(),
    };
    let made = connect(&options.output)?.post(&path, &body)?;
    if options.output.json {
        return print(&made.to_string());
    }
    eprint!("{}", table(&KEY, std::slice::from_ref(&made)));
    print(&printable(made["key"].as_str().unwrap_or_default(), CELL_BYTES * 4))
}

/// `stepwell audit`
pub fn audit(options: &AuditOptions) -> anyhow::Result<()> {
    let mut path = "/audit?".to_owned();
    let filters = [("since", &options.since), ("action", &options.action), ("subject", &options.subject)];
    for (name, value) in filters {
        if let Some(value) = value {
            let _ = write!(path, "{name}={}&", encoded(value)); // a String takes everything
        }
    }
    list(&options.output, &CHANGE, &path, options.limit)
}

pub fn connect(output: &Output) -> anyhow::Result<Client> {
    Ok(Client::new(output.server.server.trim_end_matches('/'), &key()?))
}

/// All of a list, part by part, at most so many. `path` ends where parameters can be added.
fn list(output: &Output, columns: &[Column], path: &str, most: usize) -> anyhow::Result<()> {
    let client = connect(output)?;
    let (mut items, mut cursor): (Vec<Value>, String) = (Vec::new(), String::new());
    loop {
        let limit = PART.min(most - items.len());
        let mut part = client.get(&format!("{path}limit={limit}{cursor}"))?;
        if let Value::Array(more) = part["items"].take() {
            items.extend(more);
        }
        match part["nextCursor"].as_str() {
            Some(next) if items.len() < most => cursor = format!("&cursor={}", encoded(next)),
            _ => break,
        }
    }
    let text = if output.json { Value::Array(items).to_string() } else { table(columns, &items) };
    print(text.trim_end())
}

fn show(output: &Output, columns: &[Column], item: Value) -> anyhow::Result<()> {
    if output.json { print(&item.to_string()) } else { print(table(columns, &[item]).trim_end()) }
}

/// Every text in it is somebody's: nothing in it may steer a terminal.
pub fn table(columns: &[Column], items: &[Value]) -> String {
    let heading = columns.iter().map(|(heading, _)| (*heading).to_owned()).collect();
    let rows = items.iter().map(|item| columns.iter().map(|(_, field)| cell(&item[*field])).collect());
    let rows: Vec<Vec<String>> = std::iter::once(heading).chain(rows).collect();
    let widest = |at: usize| rows.iter().filter_map(|row| Some(row.get(at)?.chars().count())).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(widest).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    };
    printable(&text, CELL_BYTES)
}

/// For a query.
fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_table_steers_a_terminal() {
        let line = json!({"at": "now", "subject": "\u{1b}[31mred\nnext", "action": "a", "target": "x".repeat(500), "outcome": "done"});
        let text = table(&CHANGE, &[line]);
        assert!(!text.contains('\u{1b}') && text.lines().count() == 2, "{text}");
        assert!(text.lines().all(|line| line.len() < 200) && text.contains('-'), "{text}");
    }

    #[test]
    fn what_goes_into_a_query_is_encoded() {
        assert_eq!(encoded("a+b&c=ü"), "a%2Bb%26c%3D%C3%BC");
    }
}
