//! Whether a request was signed by who has the secret (semantics T9). Pure: the time is an argument.
//!
//! Every scheme signs the raw bytes, so they are compared before anything is parsed; all comparisons take a time that does not depend on
//! where two values differ.

mod generic;
mod github;
mod mac;
mod slack;
pub(crate) mod standard;
mod stripe;

use super::{Headers, Incoming};
use mac::Given;
use stepwell_core::definition::{Algorithm, Scheme, WebhookTrigger};
use stepwell_core::time::Timestamp;
use zeroize::Zeroizing;

/// How far the time of a signature may be from now, milliseconds, unless the webhook says otherwise.
const TOLERANCE_MS: u64 = 300_000;
/// Most signatures of one request that are looked at: a rotation needs two.
const SIGNATURES: usize = 10;

/// Why a request does not count as signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    /// It has no signature of the scheme, or of any.
    #[error("the request has no signature that this webhook knows; send it with the headers of its scheme")]
    Missing,
    /// It has signatures of several schemes, or a header that says one thing twice.
    #[error("the request has more than one signature header; send each header of the signature once")]
    Ambiguous,
    /// Its signature is not what any of the secrets gives.
    #[error(
        "the signature is not the one of this body and secret; sign the body as it is sent, with the webhook's secret"
    )]
    Invalid,
    /// It was signed too long ago, or in the future.
    #[error("the signature's time is too far from now; sign it when it is sent, and check the clock")]
    Stale,
}

impl Unsigned {
    /// Stable code of the answer.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "signature_missing",
            Self::Ambiguous | Self::Invalid => "signature_invalid",
            Self::Stale => "signature_stale",
        }
    }

    /// As the log of deliveries spells it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Ambiguous => "ambiguous",
            Self::Invalid => "invalid",
            Self::Stale => "stale",
        }
    }
}

impl From<super::Twice> for Unsigned {
    fn from(_: super::Twice) -> Self {
        Self::Ambiguous
    }
}

/// What a scheme looks at.
struct Signed<'a> {
    headers: Headers<'a>,
    body: &'a [u8],
    secrets: &'a [Zeroizing<String>],
    now: Timestamp,
    tolerance_ms: u64,
}

impl Signed<'_> {
    /// Whether one of the secrets gives one of the signatures.
    fn is_signed(&self, given: &Given<'_>, algorithm: Algorithm) -> bool {
        self.secrets.iter().any(|secret| given.has_mac(algorithm, secret.as_bytes()))
    }

    /// Whether this moment, in milliseconds, is near enough.
    fn is_fresh(&self, ms: u64) -> bool {
        self.now.0.abs_diff(ms) <= self.tolerance_ms
    }

    /// A moment in seconds, as most schemes send it.
    fn seconds(&self, text: &str) -> Result<(), Unsigned> {
        let seconds = whole(text).ok_or(Unsigned::Invalid)?;
        if self.is_fresh(seconds.saturating_mul(1_000)) { Ok(()) } else { Err(Unsigned::Stale) }
    }
}

fn whole(digits: &str) -> Option<u64> {
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// The scheme of a request: the webhook's, or the one whose header it has.
pub(super) fn scheme_of(webhook: &WebhookTrigger, request: &Incoming) -> Result<Scheme, Unsigned> {
    if webhook.scheme != Scheme::Auto {
        return Ok(webhook.scheme);
    }
    let headers = request.headers();
    let known = [
        (Scheme::Stripe, headers.has(stripe::HEADER)),
        (Scheme::Github, headers.has(github::HEADER)),
        (Scheme::Slack, headers.has(slack::HEADER)),
        (Scheme::Standard, standard::is_there(headers)),
    ];
    let mut there = known.into_iter().filter(|(_, is_there)| *is_there).map(|(scheme, _)| scheme);
    match (there.next(), there.next()) {
        (Some(scheme), None) => Ok(scheme),
        (None, _) => Err(Unsigned::Missing),
        (Some(_), Some(_)) => Err(Unsigned::Ambiguous),
    }
}

/// Whether one of these secrets signed the request.
///
/// # Errors
/// [`Unsigned`] says why not.
pub(super) fn verify(
    (webhook, scheme): (&WebhookTrigger, Scheme),
    secrets: &[Zeroizing<String>],
    request: &Incoming,
    now: Timestamp,
) -> Result<(), Unsigned> {
    let tolerance_ms = webhook.tolerance_ms.unwrap_or(TOLERANCE_MS);
    let signed = Signed { headers: request.headers(), body: &request.body, secrets, now, tolerance_ms };
    match scheme {
        Scheme::Auto => Err(Unsigned::Missing),
        Scheme::Stripe => stripe::verify(&signed),
        Scheme::Github => github::verify(&signed),
        Scheme::Slack => slack::verify(&signed),
        Scheme::Standard => standard::verify(&signed),
        Scheme::Hmac => generic::verify(&signed, &webhook.rule),
    }
}

/// What the sender calls this delivery, by its scheme: the same again is a redelivery (T10). Without a signature, what is there is taken.
pub(super) fn delivery_key(scheme: Option<Scheme>, request: &Incoming, body: &BodyIds) -> Option<String> {
    let headers = request.headers();
    let header = |name: &str| headers.one(name).ok().flatten().map(str::to_owned);
    let standard = || standard::names().into_iter().find_map(|names| header(names.id));
    let key = match scheme {
        Some(Scheme::Stripe) => body.id.clone(),
        Some(Scheme::Github) => header(github::DELIVERY),
        Some(Scheme::Slack) => body.event_id.clone(),
        Some(Scheme::Standard) => standard(),
        Some(Scheme::Hmac) => None,
        Some(Scheme::Auto) | None => header(github::DELIVERY).or_else(standard),
    };
    key.filter(|key| !key.is_empty())
}

/// The ids that some senders put into the body.
#[derive(Debug, Default)]
pub(super) struct BodyIds {
    pub id: Option<String>,
    pub event_id: Option<String>,
}

/// All headers that hold signatures, beside `config.header`: they are not kept.
pub(super) fn is_signature_header(name: &str) -> bool {
    [stripe::HEADER, github::HEADER, slack::HEADER].contains(&name)
        || standard::names().iter().any(|names| names.signature == name)
}

/// Both questions at once: for the fuzz target.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn is_signed(webhook: &WebhookTrigger, secret: &str, request: &Incoming, now: Timestamp) -> bool {
    let secrets = [Zeroizing::new(secret.to_owned())];
    scheme_of(webhook, request).is_ok_and(|scheme| verify((webhook, scheme), &secrets, request, now).is_ok())
}

#[cfg(test)]
pub(super) mod tests;
