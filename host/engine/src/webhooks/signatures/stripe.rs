//! Stripe: `Stripe-Signature: t=<seconds>,v1=<hex>[,v1=<hex>]` over `{t}.{body}`.

use super::mac::{Given, decode};
use super::{SIGNATURES, Signed, Unsigned};
use stepwell_core::definition::{Algorithm, Encoding};

pub(super) const HEADER: &str = "stripe-signature";

pub(super) fn verify(request: &Signed<'_>) -> Result<(), Unsigned> {
    let header = request.headers.one(HEADER)?.ok_or(Unsigned::Missing)?;
    let fields = || header.split(',').filter_map(|field| field.trim().split_once('='));
    let mut times = fields().filter(|(name, _)| *name == "t").map(|(_, value)| value);
    let time = match (times.next(), times.next()) {
        (Some(time), None) => time,
        (Some(_), Some(_)) => return Err(Unsigned::Ambiguous),
        (None, _) => return Err(Unsigned::Invalid),
    };
    // Other versions, such as v0 of test events, say nothing.
    let signatures = fields().filter(|(name, _)| *name == "v1").take(SIGNATURES);
    let signatures: Vec<Vec<u8>> = signatures.filter_map(|(_, value)| decode(Encoding::Hex, value)).collect();
    let parts = [time.as_bytes(), b".", request.body];
    let given = Given { parts: &parts, signatures: &signatures };
    if request.is_signed(&given, Algorithm::Sha256) { request.seconds(time) } else { Err(Unsigned::Invalid) }
}
