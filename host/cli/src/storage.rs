//! `stepwell fsck` and `stepwell du`: looking at a store.

use crate::args::{DuOptions, FsckOptions};
use crate::look::print;
use crate::manage::{Column, connect, table};
use serde_json::{Value, json};
use std::io::IsTerminal as _;
use std::process::ExitCode;
use stepwell_server::offline::{self, EngineMeaning, Offline, Report};
use stepwell_server::printable;

/// Longest line about one finding, bytes.
const FINDING_BYTES: usize = 500;

const SIZES: [Column; 4] = [("TENANT", "tenant"), ("KIND", "kind"), ("COUNT", "count"), ("BYTES", "bytes")];

/// A line on a terminal that is written over; nothing elsewhere.
pub struct Progress {
    what: &'static str,
    shown: bool,
}

impl Progress {
    /// Of this.
    pub fn new(what: &'static str) -> Self {
        Self { what, shown: std::io::stderr().is_terminal() }
    }

    /// So many.
    pub fn tell(&self, count: u64) {
        if self.shown {
            eprint!("\r{count} {}", self.what);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            eprint!("\r\u{1b}[K");
        }
    }
}

/// `stepwell fsck`
pub fn fsck(options: &FsckOptions) -> ExitCode {
    let checked = check(options).and_then(|report| {
        let text = if options.json { json_of(&report).to_string() } else { text_of(&report) };
        print(text.trim_end()).map(|()| report)
    });
    match checked {
        Ok(report) if report.is_well() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn check(options: &FsckOptions) -> anyhow::Result<Report> {
    let store = Offline::open(offline::store_folder(&options.data))?;
    let progress = Progress::new("rows checked");
    Ok(store.check(&EngineMeaning, options.repair, &mut |rows| progress.tell(rows))?)
}

fn json_of(report: &Report) -> Value {
    let findings = report.findings.iter().map(|finding| {
        json!({
            "code": finding.code,
            "at": finding.at,
            "what": finding.what,
            "execution": finding.execution,
            "repaired": finding.repaired,
        })
    });
    json!({
        "well": report.is_well(),
        "rows": report.rows,
        "executions": report.executions,
        "lines": report.lines,
        "documents": report.documents,
        "files": report.files,
        "fileBytes": report.file_bytes,
        "unreferencedFiles": report.unreferenced,
        "unreferencedBytes": report.unreferenced_bytes,
        "unreferencedRemoved": report.removed,
        "commits": report.commits.0,
        "commitsNoted": report.commits.1,
        "found": report.found,
        "repaired": report.repaired,
        "findings": findings.collect::<Vec<_>>(),
    })
}

fn text_of(report: &Report) -> String {
    let mut lines: Vec<String> = report
        .findings
        .iter()
        .map(|finding| {
            let end = if finding.repaired { " (repaired)" } else { "" };
            let line = format!("{}: {}: {}{end}", finding.code, finding.at, finding.what);
            printable(&line, FINDING_BYTES)
        })
        .collect();
    let Report { rows, executions, lines: journal, documents, files, file_bytes, .. } = report;
    lines.push(format!(
        "{rows} rows: {executions} executions, {journal} journal lines, {documents} documents; {files} files, {file_bytes} bytes"
    ));
    if report.unreferenced > 0 {
        let end = if report.removed { "removed" } else { "--repair removes them where nothing else is wrong" };
        let (count, bytes) = (report.unreferenced, report.unreferenced_bytes);
        lines.push(format!("{count} files that nothing names, {bytes} bytes: {end}"));
    }
    lines.push(match (report.found, report.repaired) {
        (0, _) => "the store is well".to_owned(),
        (found, repaired) if found == repaired => format!("{found} things were wrong, and all are repaired"),
        (found, repaired) => {
            format!("{found} things are wrong, {repaired} of them repaired; restore the rest from a backup")
        }
    });
    lines.join("\n")
}

/// `stepwell du`
pub fn du(options: &DuOptions) -> anyhow::Result<()> {
    let sizes = match &options.data {
        None => connect(&options.output)?.get("/store/sizes")?,
        Some(data) => {
            let sizes = Offline::open(offline::store_folder(data))?.sizes()?;
            offline::shown(&sizes, offline::compiled_bytes(data), |_| None)
        }
    };
    print(if options.output.json { sizes.to_string() } else { sizes_text(&sizes) }.trim_end())
}

fn sizes_text(sizes: &Value) -> String {
    let mut rows = Vec::new();
    for tenant in sizes["tenants"].as_array().into_iter().flatten() {
        let name = tenant["id"].as_str().map_or_else(|| format!("tenant-{}", tenant["number"]), str::to_owned);
        let row = |kind: &str, amount: &Value| json!({"tenant": name, "kind": kind, "count": amount["count"], "bytes": amount["bytes"]});
        rows.extend(["executions", "journals", "indexes", "components"].map(|kind| row(kind, &tenant[kind])));
        let documents = tenant["documents"].as_object().into_iter().flatten();
        rows.extend(documents.map(|(kind, amount)| row(&format!("documents: {kind}"), amount)));
    }
    rows.retain(|row| row["bytes"].as_u64() != Some(0));
    for (kind, field) in [("index on disk", "indexBytes"), ("ballast", "ballastBytes"), ("compiled", "compiledBytes")] {
        rows.push(json!({"tenant": "-", "kind": kind, "count": null, "bytes": sizes[field]}));
    }
    table(&SIZES, &rows)
}
