//! Slack: `X-Slack-Signature: v0=<hex>` over `v0:{X-Slack-Request-Timestamp}:{body}`.

use super::mac::{Given, decode};
use super::{Signed, Unsigned};
use stepwell_core::definition::{Algorithm, Encoding};

pub(super) const HEADER: &str = "x-slack-signature";
const TIME: &str = "x-slack-request-timestamp";

pub(super) fn verify(request: &Signed<'_>) -> Result<(), Unsigned> {
    let header = request.headers.one(HEADER)?.ok_or(Unsigned::Missing)?;
    let time = request.headers.one(TIME)?.ok_or(Unsigned::Missing)?;
    let written = header.strip_prefix("v0=").ok_or(Unsigned::Invalid)?;
    let signature = decode(Encoding::Hex, written).ok_or(Unsigned::Invalid)?;
    let given = Given { parts: &[b"v0:", time.as_bytes(), b":", request.body], signatures: &[signature] };
    if request.is_signed(&given, Algorithm::Sha256) { request.seconds(time) } else { Err(Unsigned::Invalid) }
}
