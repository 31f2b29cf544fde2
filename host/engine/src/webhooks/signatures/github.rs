//! GitHub: `X-Hub-Signature-256: sha256=<hex>` over the body. It does not say when it was signed.

use super::mac::{Given, decode};
use super::{Signed, Unsigned};
use stepwell_core::definition::{Algorithm, Encoding};

pub(super) const HEADER: &str = "x-hub-signature-256";
/// What GitHub calls a delivery, also when it is sent again.
pub(super) const DELIVERY: &str = "x-github-delivery";

pub(super) fn verify(request: &Signed<'_>) -> Result<(), Unsigned> {
    let header = request.headers.one(HEADER)?.ok_or(Unsigned::Missing)?;
    let written = header.strip_prefix("sha256=").ok_or(Unsigned::Invalid)?;
    let signature = decode(Encoding::Hex, written).ok_or(Unsigned::Invalid)?;
    let given = Given { parts: &[request.body], signatures: &[signature] };
    if request.is_signed(&given, Algorithm::Sha256) { Ok(()) } else { Err(Unsigned::Invalid) }
}
