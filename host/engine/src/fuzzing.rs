//! Doors for the fuzz targets: what reads bytes that a damaged disk or a stranger may have written.

use crate::codec;
use crate::webhooks::{Incoming, signatures};
use stepwell_core::definition::WebhookTrigger;
use stepwell_core::time::Timestamp;

/// Reads bytes as each thing that the store keeps of an execution. What reads is written again, and reads the same.
///
/// # Panics
/// It does not.
pub fn record(bytes: &[u8]) {
    if let Ok((at, entry)) = codec::decode_entry(bytes) {
        let written = codec::encode_entry(at, &entry).map(|again| codec::decode_entry(&again));
        assert!(matches!(written, Ok(Ok(again)) if again == (at, entry)), "an entry reads back as another");
    }
    if let Ok(execution) = codec::decode_snapshot(bytes) {
        let written = codec::encode_snapshot(&execution).map(|again| codec::decode_snapshot(&again));
        assert!(matches!(written, Ok(Ok(again)) if again == execution), "a snapshot reads back as another");
    }
    if let Ok(execution) = codec::decode_ended(bytes) {
        let written = codec::encode_ended(&execution).map(|again| codec::decode_ended(&again).is_ok());
        assert!(matches!(written, Ok(true)), "what ended does not read back");
    }
    let _ = codec::decode_outline(bytes);
}

/// Whether a request counts as signed with this secret.
#[must_use]
pub fn is_signed(webhook: &WebhookTrigger, secret: &str, request: &Incoming, now: Timestamp) -> bool {
    signatures::is_signed(webhook, secret, request, now)
}
