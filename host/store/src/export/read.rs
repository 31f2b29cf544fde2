//! Lines become a store, through the same door as everything else: indexes and files follow by themselves.

use super::{STATUS, VERSION};
use crate::{OpenError, SledConfig, SledStore};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::io::{self, BufRead};
use std::path::Path;
use stepwell_core::ids::{Digest, ExecutionId, TenantId};
use stepwell_core::time::Timestamp;
use stepwell_engine::ports::{
    Claim, CommitError, DocumentKind, DocumentWrite, ExecutionKey, Expect, Lease, Line, Record, RecordStatus, Store,
    StoreError, Transition,
};

/// Transitions that are written at one time.
const GROUP: usize = 128;
/// And so many bytes of them, about.
const GROUP_BYTES: usize = 4 << 20;

/// Why an import did not come to its end. Nothing stands in the folder then.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It is something else, or was changed.
    #[error("line {line}: {what}")]
    Line {
        /// From 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// The store that is made.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It did not take something.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

#[derive(Deserialize)]
struct Begin {
    stepwell: String,
    version: u32,
}

/// One line; of the first five fields it has one.
#[derive(Deserialize)]
struct Any {
    blob: Option<BlobLine>,
    document: Option<DocumentLine>,
    execution: Option<ExecutionLine>,
    entry: Option<EntryLine>,
    damaged: Option<serde::de::IgnoredAny>,
    end: Option<EndLine>,
    #[serde(flatten)]
    body: Body,
}

#[derive(Deserialize, Default)]
struct Body {
    text: Option<String>,
    base64: Option<String>,
}

#[derive(Deserialize)]
struct BlobLine {
    tenant: u32,
    digest: String,
}

#[derive(Deserialize)]
struct DocumentLine {
    tenant: u32,
    kind: u8,
    key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecutionLine {
    tenant: u32,
    id: String,
    status: String,
    created_ms: u64,
    wake_ms: Option<u64>,
    workflow: String,
    outline: Body,
}

#[derive(Deserialize)]
struct EntryLine {
    tenant: u32,
    id: String,
    seq: u32,
}

#[derive(Deserialize)]
struct EndLine {
    sha256: String,
}

impl Body {
    fn bytes(self) -> Result<Bytes, String> {
        match (self.text, self.base64) {
            (Some(text), None) => Ok(text.into()),
            (None, Some(text)) => STANDARD.decode(text).map(Bytes::from).map_err(|error| error.to_string()),
            _ => Err("it has neither `text` nor `base64`, or both".to_owned()),
        }
    }
}

/// A store in the making.
struct Importing {
    store: SledStore,
    group: Vec<Transition>,
    bytes: usize,
}

/// Makes a store of an export in `folder`, which must not be there yet. It gets its name when it is whole. Answers how many lines it read.
///
/// # Errors
/// [`ImportError`].
pub async fn import(
    mut from: impl BufRead,
    folder: &Path,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<u64, ImportError> {
    if folder.exists() {
        let error = io::Error::new(io::ErrorKind::AlreadyExists, format!("{} is there already", folder.display()));
        return Err(error.into());
    }
    let made = folder.with_extension("importing");
    if made.exists() {
        std::fs::remove_dir_all(&made)?; // of an import that did not end
    }
    let store = SledStore::open(&SledConfig::new(&made))?;
    let mut importing = Importing { store, group: Vec::new(), bytes: 0 };
    let read = importing.all(&mut from, progress).await;
    drop(importing);
    if read.is_err() {
        // What is left of it is removed by the next import.
        let _ = std::fs::remove_dir_all(&made);
        return read;
    }
    std::fs::rename(&made, folder)?;
    std::fs::File::open(folder.parent().unwrap_or(Path::new(".")))?.sync_all()?;
    read
}

impl Importing {
    async fn all(
        &mut self,
        from: &mut impl BufRead,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<u64, ImportError> {
        let (mut text, mut number, mut hash) = (String::new(), 0, Sha256::new());
        loop {
            text.clear();
            let ended = from.read_line(&mut text)? == 0;
            number += 1;
            let wrong = |what: String| ImportError::Line { line: number, what };
            if ended {
                return Err(wrong("the export has lost its end".to_owned()));
            }
            if number == 1 {
                check_begin(&text).map_err(wrong)?;
            } else {
                let line: Any = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
                if let Some(end) = line.end {
                    let sum: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
                    if end.sha256 != sum {
                        return Err(wrong(
                            "the export is not what was written: its checksum does not match".to_owned(),
                        ));
                    }
                    self.flush().await?;
                    return Ok(number);
                }
                self.line(line).await?.map_err(wrong)?;
            }
            hash.update(&text);
            if number.is_multiple_of(10_000) {
                progress(number);
            }
        }
    }

    /// Keeps what a line says; the inner error is the line's.
    async fn line(&mut self, line: Any) -> Result<Result<(), String>, ImportError> {
        if line.damaged.is_some() {
            return Ok(Ok(()));
        }
        let body = match line.body.bytes() {
            Ok(body) => body,
            Err(what) => return Ok(Err(what)),
        };
        if let Some(BlobLine { tenant, digest }) = line.blob {
            let kept = self.store.put_blob(TenantId(tenant), body).await?;
            let same = digest.parse::<Digest>().is_ok_and(|digest| digest == kept);
            return Ok(if same { Ok(()) } else { Err("the blob is not what its digest says".to_owned()) });
        }
        let transition = match (line.document, line.execution, line.entry) {
            (Some(document), None, None) => self.document(document, body),
            (None, Some(execution), None) => self.execution(execution, body),
            (None, None, Some(entry)) => self.entry(&entry, body),
            _ => Err("it is a line of an unknown kind".to_owned()),
        };
        match transition {
            Err(what) => Ok(Err(what)),
            Ok((transition, bytes)) => {
                self.group.push(transition);
                self.bytes += bytes;
                if self.group.len() >= GROUP || self.bytes >= GROUP_BYTES {
                    self.flush().await.map(Ok)
                } else {
                    Ok(Ok(()))
                }
            }
        }
    }

    async fn flush(&mut self) -> Result<(), ImportError> {
        self.bytes = 0;
        let group = std::mem::take(&mut self.group);
        if group.is_empty() {
            return Ok(());
        }
        for written in self.store.commit(group).await {
            written.map_err(|error| match error {
                CommitError::Store(error) => error,
                other => StoreError::Damaged { at: "the export".to_owned(), what: other.to_string() },
            })?;
        }
        Ok(())
    }

    fn document(&self, line: DocumentLine, body: Bytes) -> Result<(Transition, usize), String> {
        let kind = DocumentKind::of_number(line.kind).ok_or_else(|| format!("kind {} is unknown", line.kind))?;
        let bytes = body.len();
        let write = DocumentWrite { kind, key: line.key, value: Some(body), expect: Expect::Absent };
        Ok((Transition { tenant: TenantId(line.tenant), execution: None, documents: vec![write] }, bytes))
    }

    fn execution(&self, line: ExecutionLine, body: Bytes) -> Result<(Transition, usize), String> {
        let number = STATUS.iter().position(|status| *status == line.status);
        let status = number.and_then(|number| RecordStatus::ALL.into_iter().find(|status| *status as usize == number));
        let status = status.ok_or_else(|| format!("the status {:?} is unknown", line.status))?;
        let bytes = body.len();
        let record = Record {
            status,
            created: Timestamp(line.created_ms),
            wake: line.wake_ms.map(Timestamp),
            workflow: line.workflow,
            outline: line.outline.bytes()?,
            body,
        };
        self.claim(line.tenant, &line.id, (Vec::new(), Some(record))).map(|claim| (claim, bytes))
    }

    fn entry(&self, line: &EntryLine, body: Bytes) -> Result<(Transition, usize), String> {
        let bytes = body.len();
        let journal = vec![Line { seq: line.seq, entry: body }];
        self.claim(line.tenant, &line.id, (journal, None)).map(|claim| (claim, bytes))
    }

    fn claim(
        &self,
        tenant: u32,
        id: &str,
        (journal, record): (Vec<Line>, Option<Record>),
    ) -> Result<Transition, String> {
        let id: ExecutionId = id.parse().map_err(|_| format!("{id:?} is no id of an execution"))?;
        let shard = ExecutionKey { tenant: TenantId(tenant), id }.shard();
        let claim = Claim { id, lease: Lease { shard, epoch: crate::stage::EPOCH }, journal, record };
        Ok(Transition { tenant: TenantId(tenant), execution: Some(claim), documents: Vec::new() })
    }
}

fn check_begin(text: &str) -> Result<(), String> {
    let begin: Begin = serde_json::from_str(text).map_err(|_| "this is no export of a store".to_owned())?;
    if begin.stepwell != "export" {
        return Err("this is no export of a store".to_owned());
    }
    if begin.version != VERSION {
        return Err(format!("the export has version {}, and this program reads version {VERSION}", begin.version));
    }
    Ok(())
}
