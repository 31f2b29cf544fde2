//! Durable commands: what the core asks for and nobody could derive later is written with the entry that led to it.

use crate::live::Live;
use crate::ports::DocumentWrite;
use crate::{approvals, notices, places, retention, subscriptions};
use std::collections::BTreeSet;
use stepwell_core::execution::{Command, Execution};

/// The documents that these commands stand for. `next` is the state after the entry.
pub(crate) fn rows(live: &Live, next: &Execution, commands: &[Command]) -> Vec<DocumentWrite> {
    let mut rows = Vec::new();
    for command in commands {
        match command {
            Command::ShowApproval { run } => rows.extend(approvals::rows(live, next, *run)),
            Command::Subscribe { run } => rows.extend(subscriptions::subscribe(live, next, *run)),
            Command::Unsubscribe { run } => rows.extend(subscriptions::unsubscribe(live, next, *run)),
            Command::CancelChild { child } => rows.extend(notices::cancel_child(live, *child)),
            Command::AwaitPlace | Command::TakePlace => rows.extend(places::row(live, next)),
            Command::AnnounceEnd => {
                rows.extend(notices::ended(next));
                rows.extend(places::row(live, next));
                rows.extend(retention::ended_row(next));
            }
            Command::RunAttempt { .. }
            | Command::CancelAttempt { .. }
            | Command::WatchDeadline { .. }
            | Command::WatchTimer { .. }
            | Command::StartChild { .. } => {}
        }
    }
    // Of one approval that was opened and closed by the same entry, the last word counts.
    let mut named = BTreeSet::new();
    rows.reverse();
    rows.retain(|row: &DocumentWrite| named.insert((row.kind, row.key.clone())));
    rows.reverse();
    rows
}
