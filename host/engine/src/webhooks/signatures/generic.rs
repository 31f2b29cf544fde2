//! The scheme `hmac`: a code over the body in a header that the definition names. A timestamp header is looked at, but not signed.

use super::mac::{Given, decode};
use super::{Signed, Unsigned, whole};
use stepwell_core::definition::HmacRule;
use stepwell_core::time::Timestamp;

/// Larger numbers are milliseconds: in seconds it is the year 5138.
const LARGEST_SECONDS: u64 = 100_000_000_000;

pub(super) fn verify(request: &Signed<'_>, rule: &HmacRule) -> Result<(), Unsigned> {
    let header = request.headers.one(&rule.header)?.ok_or(Unsigned::Missing)?;
    let written = header.strip_prefix(&*rule.prefix).ok_or(Unsigned::Invalid)?;
    let signature = decode(rule.encoding, written.trim()).ok_or(Unsigned::Invalid)?;
    let given = Given { parts: &[request.body], signatures: &[signature] };
    if !request.is_signed(&given, rule.algorithm) {
        return Err(Unsigned::Invalid);
    }
    let Some(name) = &rule.timestamp_header else { return Ok(()) };
    let time = moment(request.headers.one(name)?.ok_or(Unsigned::Missing)?).ok_or(Unsigned::Invalid)?;
    if request.is_fresh(time) { Ok(()) } else { Err(Unsigned::Stale) }
}

/// Seconds, milliseconds or RFC 3339, as milliseconds.
fn moment(text: &str) -> Option<u64> {
    match whole(text) {
        Some(seconds) if seconds < LARGEST_SECONDS => Some(seconds * 1_000),
        Some(ms) => Some(ms),
        None => Timestamp::parse_rfc3339(text).map(|at| at.0),
    }
}
