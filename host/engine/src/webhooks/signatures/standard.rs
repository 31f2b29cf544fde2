//! Standard Webhooks: `webhook-id`, `webhook-timestamp` and `webhook-signature: v1,<base64> v1a,<base64>` over `{id}.{timestamp}.{body}`.
//! `v1` is HMAC-SHA256 under the bytes of `whsec_<base64>`, `v1a` Ed25519 with the public key `whpk_<base64>`. Svix, from which the
//! standard comes, sends the same under names of its own.

use super::mac::{BASE64, Given, decode};
use super::{SIGNATURES, Signed, Unsigned};
use crate::webhooks::Headers;
use base64::Engine as _;
use ed25519_dalek::{Signature, VerifyingKey};
use stepwell_core::definition::{Algorithm, Encoding};
use zeroize::Zeroizing;

/// The headers of one delivery.
pub(super) struct Names {
    pub id: &'static str,
    pub time: &'static str,
    pub signature: &'static str,
}

const STANDARD: Names = Names { id: "webhook-id", time: "webhook-timestamp", signature: "webhook-signature" };
const SVIX: Names = Names { id: "svix-id", time: "svix-timestamp", signature: "svix-signature" };

/// Both spellings.
pub(super) fn names() -> [Names; 2] {
    [STANDARD, SVIX]
}

/// Whether it has such a signature.
pub(super) fn is_there(headers: Headers<'_>) -> bool {
    names().iter().any(|names| headers.has(names.signature))
}

/// What a secret of this scheme stands for.
pub(crate) enum Key {
    Shared(Zeroizing<Vec<u8>>),
    Public(Box<VerifyingKey>),
}

/// Reads `whsec_<base64>`, base64 without that prefix, or `whpk_<base64>`.
pub(crate) fn key(secret: &str) -> Option<Key> {
    if let Some(text) = secret.strip_prefix("whpk_") {
        let bytes: [u8; 32] = BASE64.decode(text).ok()?.try_into().ok()?;
        return VerifyingKey::from_bytes(&bytes).ok().map(|key| Key::Public(Box::new(key)));
    }
    let bytes = BASE64.decode(secret.strip_prefix("whsec_").unwrap_or(secret)).ok()?;
    (!bytes.is_empty()).then(|| Key::Shared(Zeroizing::new(bytes)))
}

pub(super) fn verify(request: &Signed<'_>) -> Result<(), Unsigned> {
    let headers = request.headers;
    let mut there = names().into_iter().filter(|names| headers.has(names.signature));
    let names = match (there.next(), there.next()) {
        (Some(names), None) => names,
        (None, _) => return Err(Unsigned::Missing),
        (Some(_), Some(_)) => return Err(Unsigned::Ambiguous),
    };
    let header = headers.one(names.signature)?.ok_or(Unsigned::Missing)?;
    let id = headers.one(names.id)?.ok_or(Unsigned::Missing)?;
    let time = headers.one(names.time)?.ok_or(Unsigned::Missing)?;
    let parts = [id.as_bytes(), b".", time.as_bytes(), b".", request.body];
    let written: Vec<(&str, &str)> = header.split(' ').filter_map(|one| one.split_once(',')).take(SIGNATURES).collect();
    let of = |wanted: &str| -> Vec<Vec<u8>> {
        let signatures = written.iter().filter(|(version, _)| *version == wanted);
        signatures.filter_map(|(_, written)| decode(Encoding::Base64, written)).collect()
    };
    let (macs, signatures) = (of("v1"), of("v1a"));
    let given = Given { parts: &parts, signatures: &macs };
    let message = if signatures.is_empty() { Vec::new() } else { parts.concat() };
    let is_signed = request.secrets.iter().filter_map(|secret| key(secret)).any(|key| match key {
        Key::Shared(key) => given.has_mac(Algorithm::Sha256, &key),
        Key::Public(key) => signatures.iter().any(|signature| {
            Signature::from_slice(signature).is_ok_and(|signature| key.verify_strict(&message, &signature).is_ok())
        }),
    });
    if is_signed { request.seconds(time) } else { Err(Unsigned::Invalid) }
}
