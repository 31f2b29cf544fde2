//! What is wrong with a definition, and where.

use serde::Serialize;
use std::collections::BTreeMap;

/// One fault: the definition is refused (semantics C19).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// JSON pointer (RFC 6901) into the definition.
    pub pointer: String,
    /// `missing`, `wrong_type`, `duplicate_id`, `unknown_target`, `unknown_type`, `unsupported_step_type`, `invalid_expression`, `out_of_range`, `invalid_id`, `too_many`,
    /// `secrets_not_allowed`, `invalid_cron`, `never_fires`, `unknown_timezone`, `too_large`, `duplicate_webhook`, `wrong_scheme`.
    pub code: &'static str,
    /// What to change.
    pub message: String,
}

impl Fault {
    /// A fault that is found outside of the core: in a schema, for instance.
    #[must_use]
    pub fn new(pointer: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code, message: message.into() }
    }
}

/// Something that is probably not what its author meant; the definition is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Warning {
    /// JSON pointer into the definition.
    pub pointer: String,
    /// `unreachable_step`, `near_miss`, `no_effect`, `unregistered_function`, `unknown_secret`, `open_webhook`.
    pub code: String,
    /// What the author may want to change.
    pub message: String,
}

/// Collects faults and warnings while a definition is read.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub faults: Vec<Fault>,
    pub warnings: Vec<Warning>,
    /// The secrets that are read, each with the pointer of the first place that reads it.
    pub secrets: BTreeMap<String, String>,
}

/// More faults than this help nobody, and the answer must stay small.
const FAULTS_SHOWN: usize = 100;

impl Findings {
    pub fn fault(&mut self, pointer: impl Into<String>, code: &'static str, message: impl Into<String>) {
        if self.faults.len() < FAULTS_SHOWN {
            self.faults.push(Fault { pointer: pointer.into(), code, message: message.into() });
        }
    }

    pub fn warn(&mut self, pointer: impl Into<String>, code: &str, message: impl Into<String>) {
        if self.warnings.len() < FAULTS_SHOWN {
            self.warnings.push(Warning { pointer: pointer.into(), code: code.to_owned(), message: message.into() });
        }
    }
}

/// A key as a segment of a JSON pointer.
pub(super) fn segment(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
