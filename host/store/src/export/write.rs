//! A store becomes lines.

use super::{STATUS, VERSION};
use crate::files::{Area, FileError, Place};
use crate::look::{Wrong, apart, read};
use crate::named::{Named, named};
use crate::offline::Offline;
use crate::read::unavailable;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::io::{self, Write};
use stepwell_engine::ports::{StoreError, Summary};

/// Rows between two words to whoever waits.
const STEP: u64 = 10_000;

/// How much was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exported {
    /// Uploaded components and scripts.
    pub blobs: u64,
    /// Documents.
    pub documents: u64,
    /// Executions.
    pub executions: u64,
    /// Journal lines.
    pub entries: u64,
    /// What could not be read, and is told in its place.
    pub damaged: u64,
}

/// Why an export did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Files of the store, or what is written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Lines on their way out.
struct Lines<'a> {
    out: &'a mut dyn Write,
    hash: Sha256,
    counted: Exported,
}

impl Offline {
    /// Writes everything. `at` is this moment as text; `progress` is told how many rows were written.
    ///
    /// # Errors
    /// [`ExportError`]; what is damaged is told in a line of its own, and no error.
    pub fn export(
        &self,
        at: &str,
        out: &mut dyn Write,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Exported, ExportError> {
        let mut lines = Lines { out, hash: Sha256::new(), counted: Exported::default() };
        lines.line(&json!({"stepwell": "export", "version": VERSION, "at": at}))?;
        for found in self.files().all()? {
            let ((area, tenant, digest), _) = found?;
            if area == Area::Values {
                continue; // with what names them
            }
            let mut line = json!({"blob": {"tenant": tenant.0, "digest": digest.to_string()}});
            match self.files().get(Place { area, tenant }, digest) {
                Ok(Some(bytes)) => {
                    line["base64"] = STANDARD.encode(bytes).into();
                    lines.counted.blobs += 1;
                    lines.line(&line)?;
                }
                Ok(None) => {}
                Err(FileError::Damaged(what)) => lines.damaged(&format!("blob {digest} of {tenant}"), &what)?,
                Err(FileError::Io(error)) => return Err(error.into()),
            }
        }
        for (row, number) in self.tree().iter().zip(1u64..) {
            let (key, value) = row.map_err(unavailable)?;
            self.row((&key, &value), &mut lines)?;
            if number.is_multiple_of(STEP) {
                progress(number);
            }
        }
        lines.end()
    }

    fn row(&self, (key, value): (&[u8], &[u8]), lines: &mut Lines<'_>) -> Result<(), ExportError> {
        let Some(named) = named(key) else { return lines.damaged("a key", "it is no key of this program's") };
        if matches!(named, Named::Index(_) | Named::Reference(_) | Named::Meta) {
            return Ok(()); // they follow from the rest
        }
        for (named, value) in apart(named, value) {
            self.value(&named, value, lines)?;
        }
        Ok(())
    }

    fn value(&self, named: &Named, value: &[u8], lines: &mut Lines<'_>) -> Result<(), ExportError> {
        let (seen, body) = match read(self.files(), named, value) {
            Ok(read) => read,
            Err(Wrong::Damaged(what)) => return lines.damaged(&named.place(), &what),
            Err(Wrong::Unreadable(what)) => return Err(StoreError::Unavailable(what).into()),
        };
        let (name, count) = match named {
            Named::Document(tenant, kind, key) => {
                (json!({"document": {"tenant": tenant.0, "kind": kind, "key": key}}), &mut lines.counted.documents)
            }
            Named::Line(of, seq) => {
                let line = json!({"entry": {"tenant": of.tenant.0, "id": of.id.to_string(), "seq": seq}});
                (line, &mut lines.counted.entries)
            }
            Named::Record(of) => {
                let mut line = json!({"execution": {"tenant": of.tenant.0, "id": of.id.to_string()}});
                if let Some(summary) = &seen.summary {
                    describe(&mut line["execution"], summary);
                }
                (line, &mut lines.counted.executions)
            }
            Named::Index(_) | Named::Reference(_) | Named::Meta => return Ok(()),
        };
        *count += 1;
        lines.line(&with_body(name, &body))
    }
}

fn describe(line: &mut Value, summary: &Summary) {
    line["status"] = STATUS.get(summary.status as usize).copied().unwrap_or_default().into();
    line["createdMs"] = summary.created.0.into();
    line["wakeMs"] = summary.wake.map(|wake| wake.0).into();
    line["workflow"] = summary.workflow.clone().into();
    line["outline"] = with_body(json!({}), &summary.outline);
}

/// As text where it is text, which nearly all of it is.
fn with_body(mut line: Value, body: &Bytes) -> Value {
    match std::str::from_utf8(body) {
        Ok(text) => line["text"] = text.into(),
        Err(_) => line["base64"] = STANDARD.encode(body).into(),
    }
    line
}

impl Lines<'_> {
    fn line(&mut self, line: &Value) -> Result<(), ExportError> {
        let mut text = line.to_string();
        text.push('\n');
        self.hash.update(&text);
        Ok(self.out.write_all(text.as_bytes())?)
    }

    fn damaged(&mut self, at: &str, what: &str) -> Result<(), ExportError> {
        self.counted.damaged += 1;
        self.line(&json!({"damaged": {"at": at, "what": what}}))
    }

    fn end(mut self) -> Result<Exported, ExportError> {
        let sum: String = self.hash.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let Exported { blobs, documents, executions, entries, damaged } = self.counted;
        let end = json!({
            "blobs": blobs, "documents": documents, "executions": executions, "entries": entries, "damaged": damaged, "sha256": sum,
        });
        self.line(&json!({ "end": end }))?;
        self.out.flush()?;
        Ok(self.counted)
    }
}
