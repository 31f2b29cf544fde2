//! Where events stand in the store. Types of events have no control characters, so one of them ends a type within a key.

use crate::admission::sha256;
use crate::ports::ExecutionKey;
use stepwell_core::execution::RunIx;
use stepwell_core::ids::{ExecutionId, TenantId};
use stepwell_core::time::Timestamp;

/// Ends a type, a pattern or an id within a key.
pub(super) const END: char = '\u{1}';
/// The first character behind [`END`]: behind all keys that go on with it.
pub(super) const AFTER_END: char = '\u{2}';

/// Of two events with this source and this id, only the first is kept (T5).
pub(super) fn dedupe_key(source: &str, id: &str) -> String {
    sha256(&[b"event", source.as_bytes(), id.as_bytes()]).hex()
}

/// The place of an event in lists: the newest first.
pub(super) fn place(received: Timestamp, id: &str) -> String {
    format!("{:016x}{id}", !received.0)
}

/// When the event at this place was received.
pub(super) fn received(place: &str) -> Option<Timestamp> {
    Some(Timestamp(!u64::from_str_radix(place.get(..16)?, 16).ok()?))
}

/// The id of the event at this place.
pub(super) fn id_at(place: &str) -> &str {
    place.get(16..).unwrap_or_default()
}

/// Lists by type: all events of one type stand together.
pub(super) fn by_type(kind: &str, place: &str) -> String {
    format!("{kind}{END}{place}")
}

/// The mark of an event whose consequences are not done: the oldest first.
pub(super) fn pending_key(received: Timestamp, id: &str) -> String {
    format!("{:016x}{id}", received.0)
}

/// What came of a part of the list.
pub(super) fn outcome_key(id: &str, part: usize) -> String {
    format!("{id}{END}{part:06}")
}

/// What an event was for a step.
pub(super) fn effect_key(event: &str, execution: ExecutionId, run: RunIx) -> String {
    format!("{event}{END}{execution}/{}", run.0)
}

/// A step that waits for events of this type or pattern: patterns stand apart, since they cannot be looked up.
pub(crate) fn candidate_key(pattern: &str, execution: ExecutionId, run: RunIx) -> String {
    format!("{}{execution}/{}", candidates_of(pattern), run.0)
}

/// What all steps that wait for this type or pattern have in common.
pub(super) fn candidates_of(pattern: &str) -> String {
    format!("{}{pattern}{END}", if pattern.contains('*') { PATTERNS } else { '=' })
}

/// Patterns begin with this.
pub(super) const PATTERNS: char = '*';

/// The pattern of a key that begins with [`PATTERNS`].
pub(super) fn pattern_of(key: &str) -> Option<&str> {
    Some(key.strip_prefix(PATTERNS)?.split_once(END)?.0)
}

/// Who waits.
pub(super) fn candidate(tenant: TenantId, key: &str) -> Option<(ExecutionKey, RunIx)> {
    let (id, run) = key.split_once(END)?.1.split_once('/')?;
    Some((ExecutionKey { tenant, id: id.parse().ok()? }, RunIx(run.parse().ok()?)))
}

/// The id of the execution that an event starts of a workflow: the same whenever it is started again (T12).
pub(super) fn execution_id(event: &str, received: Timestamp, workflow: &str) -> ExecutionId {
    let hash = sha256(&[b"event", event.as_bytes(), workflow.as_bytes()]);
    let mut random = [0; 10];
    random.iter_mut().zip(hash.0).for_each(|(byte, hashed)| *byte = hashed);
    ExecutionId::new(received.0, random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back() {
        let at = Timestamp(1_700_000_000_000);
        let place = place(at, "evt-1");
        assert_eq!((received(&place), id_at(&place)), (Some(at), "evt-1"));
        assert!(place > super::place(Timestamp(at.0 + 1), "evt-1"), "the newest first");
        assert_eq!((received(""), received("zz"), id_at("")), (None, None, ""));
        let execution = execution_id("evt-1", at, "w");
        assert_eq!(execution, execution_id("evt-1", at, "w"));
        assert_ne!(execution, execution_id("evt-1w", at, ""));
        for pattern in ["order.placed", "order.*", "**", "a/b=c"] {
            let key = candidate_key(pattern, execution, RunIx(7));
            let who = candidate(TenantId(3), &key).expect("reads");
            assert_eq!(who, (ExecutionKey { tenant: TenantId(3), id: execution }, RunIx(7)));
            assert_eq!(pattern_of(&key), pattern.contains('*').then_some(pattern));
        }
    }
}
