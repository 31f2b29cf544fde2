//! A whole store is looked through, row by row and file by file: is everything there, readable, and in agreement? (`stepwell fsck`)
//!
//! What follows from something else (index rows, the note of the progress, files that nothing names) can be made again; the rest is only told.

mod counts;
mod files;
mod indexes;
mod journals;

use crate::files::Area;
use crate::head;
use crate::keys;
use crate::look::{Meaning, Wanted, Wrong, apart, look};
use crate::named::{Named, named};
use crate::offline::Offline;
use crate::read::unavailable;
use crate::value::{Body, Kind, decode};
use counts::Counts;
use journals::Journal;
use std::collections::HashSet;
use std::io;
use stepwell_engine::ports::{ExecutionKey, StoreError};

/// Findings that are told one by one; more are only counted.
pub const FINDINGS: usize = 10_000;
/// Rows between two words to whoever waits.
const STEP: u64 = 10_000;

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Stable: `value_damaged`, `key_unknown`, `index_missing`, `index_stale`, `journal_gap`, `journal_missing`, `journal_disagrees`,
    /// `record_missing`, `file_missing`, `file_damaged`, `tail_cut`, `note_damaged`, `note_of_another`, `format`.
    pub code: &'static str,
    /// Where.
    pub at: String,
    /// What is wrong.
    pub what: String,
    /// The execution that it belongs to, as the API writes it.
    pub execution: Option<String>,
    /// Whether it was made again.
    pub repaired: bool,
}

/// What was seen.
#[derive(Debug, Default)]
pub struct Report {
    /// Rows of the index, of all kinds.
    pub rows: u64,
    /// Executions.
    pub executions: u64,
    /// Journal lines.
    pub lines: u64,
    /// Documents.
    pub documents: u64,
    /// Files of large values and blobs.
    pub files: u64,
    /// Their bytes.
    pub file_bytes: u64,
    /// Files that nothing names: no damage, and room that can be had.
    pub unreferenced: u64,
    /// Their bytes.
    pub unreferenced_bytes: u64,
    /// Whether those were removed.
    pub removed: bool,
    /// Transitions that were ever written, by the index and by the note beside it.
    pub commits: (u64, Option<u64>),
    /// The first [`FINDINGS`] of what is wrong.
    pub findings: Vec<Finding>,
    /// How much is wrong in all.
    pub found: u64,
    /// How much of it was made again.
    pub repaired: u64,
}

impl Report {
    /// Nothing is wrong, or nothing any more.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.found == self.repaired
    }

    pub(super) fn tell(&mut self, finding: Finding) {
        self.found += 1;
        self.repaired += u64::from(finding.repaired);
        if self.findings.len() < FINDINGS {
            self.findings.push(finding);
        }
    }
}

/// Why a check could not be carried through.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The index.
    #[error(transparent)]
    Index(#[from] StoreError),
    /// The files.
    #[error("the store's files cannot be read")]
    Files(#[from] io::Error),
}

/// A check under way.
pub(super) struct Check<'a> {
    pub(super) store: &'a Offline,
    pub(super) meaning: &'a dyn Meaning,
    pub(super) repair: bool,
    pub(super) report: Report,
    /// Files that rows name.
    pub(super) wanted: HashSet<Wanted>,
    /// Files that were read through a row.
    pub(super) read: HashSet<Wanted>,
    /// Changes that are written at the end.
    pub(super) changes: sled::Batch,
    journal: Option<Journal>,
    counts: Counts,
}

impl Offline {
    /// Looks through everything. `repair`: makes again what follows from something else. `progress` is told how many rows were seen.
    ///
    /// # Errors
    /// What cannot be read at all; what is only wrong is in the report.
    pub fn check(
        &self,
        meaning: &dyn Meaning,
        repair: bool,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Report, CheckError> {
        let mut check = Check {
            store: self,
            meaning,
            repair,
            report: Report::default(),
            wanted: HashSet::new(),
            read: HashSet::new(),
            changes: sled::Batch::default(),
            journal: None,
            counts: Counts::default(),
        };
        check.progress()?;
        for row in self.tree().iter() {
            let (key, value) = row.map_err(unavailable)?;
            check.row(&key, &value)?;
            if check.report.rows.is_multiple_of(STEP) {
                progress(check.report.rows);
            }
        }
        check.end_journal()?;
        check.end_counts()?;
        check.files()?;
        if repair {
            self.apply(check.changes)?;
        }
        Ok(check.report)
    }
}

impl Check<'_> {
    fn row(&mut self, key: &[u8], value: &[u8]) -> Result<(), CheckError> {
        self.report.rows += 1;
        let Some(named) = named(key) else {
            self.tell("key_unknown", (format!("key {}", hex(key)), None), "it is no key of this program's");
            return Ok(());
        };
        for (named, value) in apart(named, value) {
            self.value(key, &named, value)?;
        }
        Ok(())
    }

    /// What a row stands for, or one of the lines in it.
    fn value(&mut self, key: &[u8], named: &Named, value: &[u8]) -> Result<(), CheckError> {
        self.follow_journal(named)?;
        match named {
            Named::Record(_) => self.report.executions += 1,
            Named::Line(..) => self.report.lines += 1,
            Named::Document(..) => self.report.documents += 1,
            Named::Index(_) | Named::Reference(_) | Named::Meta => {}
        }
        let seen = match look(self.store.files(), self.meaning, named, value) {
            Ok(seen) => seen,
            Err(Wrong::Unreadable(what)) => return Err(StoreError::Unavailable(what).into()),
            Err(Wrong::Damaged(what)) => {
                self.want_anyway(named, value);
                self.tell("value_damaged", (named.place(), named.execution()), &what);
                return Ok(());
            }
        };
        for file in seen.files {
            if file.0 == Area::Values {
                self.expect_reference(key, file)?;
                self.read.insert(file);
            }
            self.wanted.insert(file);
        }
        match (named, &seen.summary) {
            (Named::Record(of), Some(summary)) => {
                self.expect_indexes(*of, summary)?;
                self.expect_journal(*of)?;
            }
            (Named::Index(of), _) => {
                self.counts.seen(key, true);
                self.expect_record(key, *of)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// A damaged row may still say which file it names; that one is not taken for garbage.
    fn want_anyway(&mut self, named: &Named, value: &[u8]) {
        let body = match named {
            Named::Record(_) => crate::value::decode_record(value, String::new).ok().map(|(_, body)| body),
            Named::Line(..) => decode(Kind::Line, value, String::new).ok(),
            Named::Document(..) => decode(Kind::Document, value, String::new).ok(),
            Named::Index(_) | Named::Reference(_) | Named::Meta => None,
        };
        if let (Some(Body::Filed(file)), Some(tenant)) = (body, named.tenant()) {
            self.wanted.insert((Area::Values, tenant, file.digest));
        }
    }

    /// The index has got as far as the note beside it says.
    fn progress(&mut self) -> Result<(), CheckError> {
        let at = || ("the store".to_owned(), None);
        let fact = |key: &[u8]| -> Result<Option<Vec<u8>>, StoreError> {
            let Some(value) = self.store.tree().get(key).map_err(unavailable)? else { return Ok(None) };
            match decode(Kind::Meta, &value, String::new) {
                Ok(Body::Inline(bytes)) => Ok(Some(bytes.to_vec())),
                _ => Ok(None), // told with its row
            }
        };
        let number = |bytes: Option<Vec<u8>>| bytes.and_then(|bytes| Some(u64::from_be_bytes(*bytes.first_chunk()?)));
        let (format, id) = (fact(keys::FORMAT)?, fact(keys::STORE_ID)?);
        let commits = number(fact(keys::COMMITS)?).unwrap_or(0);
        if format.is_none() || id.is_none() {
            self.tell("format", at(), "it does not say its format and its id");
        }
        let noted = match head::read(self.store.folder()) {
            Ok(noted) => noted,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                let repaired = self.note(id.as_deref(), commits)?;
                self.tell_repaired(
                    "note_damaged",
                    at(),
                    ("the note of its progress is not what was written", repaired),
                );
                None
            }
            Err(error) => return Err(error.into()),
        };
        self.report.commits = (commits, noted.map(|noted| noted.commits));
        if let Some(noted) = noted {
            if id.as_deref().is_some_and(|id| id != noted.id) {
                self.tell("note_of_another", at(), "the note of its progress belongs to another store");
            } else if noted.commits > commits {
                let lost = noted.commits - commits;
                let repaired = self.note(id.as_deref(), commits)?;
                let what = format!(
                    "its end is cut off: at least {lost} acknowledged transitions are lost; restore it from a backup"
                );
                self.tell_repaired("tail_cut", at(), (&what, repaired));
            }
        }
        Ok(())
    }

    /// Notes the progress of the index, if this is a repair.
    fn note(&self, id: Option<&[u8]>, commits: u64) -> Result<bool, CheckError> {
        let Some(id) = id.and_then(<[u8]>::first_chunk).filter(|_| self.repair) else { return Ok(false) };
        self.store.note(*id, commits)?;
        Ok(true)
    }

    pub(super) fn tell(&mut self, code: &'static str, at: (String, Option<ExecutionKey>), what: &str) {
        self.tell_repaired(code, at, (what, false));
    }

    pub(super) fn tell_repaired(
        &mut self,
        code: &'static str,
        (at, of): (String, Option<ExecutionKey>),
        (what, repaired): (&str, bool),
    ) {
        let execution = of.map(|of| of.id.to_string());
        self.report.tell(Finding { code, at, what: what.to_owned(), execution, repaired });
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(64).map(|byte| format!("{byte:02x}")).collect()
}
