//! The types of `wit/capabilities/capabilities.wit`, as wasmtime lifts and lowers them, and what they are for the host.

use stepwell_engine::ports::{Answer, Draft, Expected, Refusal};
use wasmtime::component::{ComponentType, Lift, Lower};

/// `types.reason`.
#[derive(ComponentType, Lower, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
pub(super) enum Reason {
    #[component(name = "denied")]
    Denied,
    #[component(name = "invalid")]
    Invalid,
    #[component(name = "conflict")]
    Conflict,
    #[component(name = "limit")]
    Limit,
    #[component(name = "unavailable")]
    Unavailable,
}

/// `types.refused`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Refused {
    why: Reason,
    message: String,
}

impl From<stepwell_engine::ports::Refused> for Refused {
    fn from(refused: stepwell_engine::ports::Refused) -> Self {
        let why = match refused.why {
            Refusal::Denied => Reason::Denied,
            Refusal::Invalid => Reason::Invalid,
            Refusal::Conflict => Reason::Conflict,
            Refusal::Limit => Reason::Limit,
            Refusal::Unavailable => Reason::Unavailable,
        };
        Self { why, message: refused.message }
    }
}

/// `key-value.entry`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Entry {
    value: Vec<u8>,
    version: u64,
}

/// `key-value.expected`.
#[derive(ComponentType, Lift, Clone, Copy)]
#[component(variant)]
#[allow(dead_code, reason = "made by the derived `Lift` alone, from what the guest gives")]
pub(super) enum Wanted {
    #[component(name = "anything")]
    Anything,
    #[component(name = "absent")]
    Absent,
    #[component(name = "version")]
    Version(u64),
}

impl From<Wanted> for Expected {
    fn from(wanted: Wanted) -> Self {
        match wanted {
            Wanted::Anything => Self::Anything,
            Wanted::Absent => Self::Absent,
            Wanted::Version(version) => Self::Version(version),
        }
    }
}

/// `key-value.page`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct KeyPage {
    keys: Vec<String>,
    more: bool,
}

/// `events.draft`.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct NewEvent {
    kind: String,
    data: String,
    id: Option<String>,
}

impl From<NewEvent> for Draft {
    fn from(NewEvent { kind, data, id }: NewEvent) -> Self {
        Self { kind, id, data }
    }
}

/// An answer as a type of a guest's; `None` if it is one to another question.
pub(super) type Read<T> = fn(Answer) -> Option<T>;

pub(super) fn text(answer: Answer) -> Option<Option<String>> {
    if let Answer::Text(text) = answer { Some(text) } else { None }
}

pub(super) fn some_text(answer: Answer) -> Option<String> {
    text(answer).flatten()
}

pub(super) fn secret(answer: Answer) -> Option<Option<String>> {
    match answer {
        Answer::Secret(secret) => Some(secret.map(|secret| secret.0.to_string())),
        _ => None,
    }
}

pub(super) fn entry(answer: Answer) -> Option<Option<Entry>> {
    match answer {
        Answer::Value(found) => Some(found.map(|(value, version)| Entry { value, version })),
        _ => None,
    }
}

#[allow(clippy::needless_pass_by_value, reason = "as the others")]
pub(super) fn version(answer: Answer) -> Option<u64> {
    if let Answer::Version(version) = answer { Some(version) } else { None }
}

pub(super) fn nothing(answer: Answer) -> Option<()> {
    version(answer).map(|_| ())
}

pub(super) fn keys(answer: Answer) -> Option<KeyPage> {
    if let Answer::Keys(keys, more) = answer { Some(KeyPage { keys, more }) } else { None }
}
