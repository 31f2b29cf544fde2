//! Figures of the parts that are built with the server's own crates.

use super::Rows;
use crate::report::{Row, Target};
use anyhow::Context as _;
use serde_json::Value;
use std::path::Path;

/// A line of JSON for each.
pub fn rows(file: &Path) -> Rows {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    text.lines().filter(|line| line.starts_with('{')).map(row).collect()
}

fn row(line: &str) -> anyhow::Result<Row> {
    let line: Value = serde_json::from_str(line)?;
    let text = |name: &str| line[name].as_str().with_context(|| format!("no {name} in {line}"));
    let number = |name: &str| line[name].as_f64().with_context(|| format!("no {name} in {line}"));
    let row = Row::of(text("bench")?, number("figure")?, text("unit")?).against(text("what")?, number("against")?);
    Ok(match (line["atMost"].as_f64(), line["atLeast"].as_f64()) {
        (Some(most), _) => row.target(Target::AtMost(most)),
        (_, Some(least)) => row.target(Target::AtLeast(least)),
        _ => row,
    })
}
