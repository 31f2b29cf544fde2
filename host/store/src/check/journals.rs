//! Journals are dense, belong to a record, and are as long as the record's state says.

use super::{Check, CheckError};
use crate::keys::Keys;
use crate::look::look;
use crate::named::Named;
use crate::read::unavailable;
use stepwell_engine::ports::{DocumentKind, ExecutionKey, RecordStatus};

/// A journal whose lines come by.
pub(super) struct Journal {
    of: ExecutionKey,
    next: u32,
}

impl Check<'_> {
    /// An execution has a journal.
    pub(super) fn expect_journal(&mut self, of: ExecutionKey) -> Result<(), CheckError> {
        let keys = Keys::of(of.tenant);
        let mut lines = self.store.tree().range(keys.line(of.id, 0)..=keys.line(of.id, u32::MAX)).keys();
        if lines.next().transpose().map_err(unavailable)?.is_none() {
            let at = (format!("the journal of {} of {}", of.id, of.tenant), Some(of));
            self.tell("journal_missing", at, "it has no lines");
        }
        Ok(())
    }

    /// Every row passes here, in the order of the keys.
    pub(super) fn follow_journal(&mut self, named: &Named) -> Result<(), CheckError> {
        let line = match named {
            Named::Line(of, seq) => Some((*of, *seq)),
            _ => None,
        };
        if self.journal.as_ref().is_some_and(|journal| line.is_none_or(|(of, _)| of != journal.of)) {
            self.end_journal()?;
        }
        let Some((of, seq)) = line else { return Ok(()) };
        let expected = self.journal.get_or_insert(Journal { of, next: 0 }).next;
        if seq != expected {
            let at = (format!("line {expected} of the journal of {} of {}", of.id, of.tenant), Some(of));
            self.tell("journal_gap", at, "it is missing");
        }
        if let Some(journal) = &mut self.journal {
            journal.next = seq.saturating_add(1);
        }
        Ok(())
    }

    /// All lines of a journal have come by: what its record says of them.
    pub(super) fn end_journal(&mut self) -> Result<(), CheckError> {
        let Some(Journal { of, next }) = self.journal.take() else { return Ok(()) };
        let at = || (format!("the journal of {} of {}", of.id, of.tenant), Some(of));
        let Some(value) = self.store.tree().get(Keys::of(of.tenant).record(of.id)).map_err(unavailable)? else {
            let erasing = Keys::of(of.tenant).document(DocumentKind::Erasing, &of.id.to_string());
            if !self.store.tree().contains_key(erasing).map_err(unavailable)? {
                self.tell("record_missing", at(), "there is no record of its execution");
            }
            return Ok(());
        };
        // What is wrong with the record itself was told with it.
        let Ok(seen) = look(self.store.files(), self.meaning, &Named::Record(of), &value) else { return Ok(()) };
        let (Some(summary), Some(lines)) = (seen.summary, seen.lines) else { return Ok(()) };
        let ended = matches!(summary.status, RecordStatus::Completed | RecordStatus::Failed);
        if lines > next || (ended && lines != next) {
            self.tell("journal_disagrees", at(), &format!("it has {next} lines, and its record says {lines}"));
        }
        Ok(())
    }
}
