//! Our bad outcomes, by what a caller can do about them (architecture.md section 7). A function's bad outcome is data, not one of these.

use crate::ports::{CommitError, Place, RuntimeError, StoreError, Unfit};
use crate::schema::Violation;
use stepwell_core::definition::Fault;

/// Why a request was not carried out. `message` texts are for the caller; what only operators may see is logged where it happens.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing, or it is another tenant's (semantics P6).
    #[error("there is no {what} {id:?}")]
    NotFound {
        /// `workflow`, `revision`, `function`, `version`, `agent`, `execution`, `approval`, `secret`,
        /// `tenant`, `key`, `upload`.
        what: &'static str,
        /// What was asked for.
        id: String,
    },
    /// Something stands in the way that the caller can see.
    #[error("{message}")]
    Conflict {
        /// Stable code.
        code: &'static str,
        /// What to do.
        message: String,
    },
    /// The body or a field has the wrong shape.
    #[error("{message}")]
    WrongShape {
        /// Which field.
        field: &'static str,
        /// What to send.
        message: String,
    },
    /// A definition with faults.
    #[error("the definition has {} fault{}: {}", .0.len(), if .0.len() == 1 { "" } else { "s" }, first(.0))]
    InvalidDefinition(Vec<Fault>),
    /// Functions that the workflow names are not registered (P2).
    #[error("these functions are not registered: {}; upload them with PUT /functions/{{id}}", .0.join(", "))]
    MissingFunctions(Vec<String>),
    /// The input does not match its schema (P3).
    #[error("the input does not match its schema: {}", places(.0))]
    InvalidInput(Vec<Violation>),
    /// It has changed since the caller read it.
    #[error("{message}")]
    PreconditionFailed {
        /// What it is now.
        message: String,
    },
    /// The caller may not do this.
    #[error("{message}")]
    Forbidden {
        /// Stable code.
        code: &'static str,
        /// Why.
        message: String,
    },
    /// Well formed, but refused.
    #[error("{message}")]
    Refused {
        /// Stable code.
        code: &'static str,
        /// What to do.
        message: String,
    },
    /// A script that is none.
    #[error("{message}")]
    InvalidScript {
        /// What is wrong.
        message: String,
        /// Where, if it has a place.
        place: Option<Place>,
    },
    /// Larger than a limit.
    #[error("{message}")]
    TooLarge {
        /// Its name on the limits page.
        limit: &'static str,
        /// What to do.
        message: String,
    },
    /// More than a limit; later it may work.
    #[error("{message}")]
    LimitReached {
        /// Its name on the limits page.
        limit: &'static str,
        /// What to do.
        message: String,
    },
    /// A quota of the tenant is used up for now.
    #[error("{message}")]
    QuotaReached {
        /// The quota's name.
        limit: &'static str,
        /// What to do.
        message: String,
        /// When it is worth trying again, seconds.
        retry_after_s: u32,
    },
    /// The disk of the store is too full for this.
    #[error("{message}")]
    NoRoom {
        /// `disk_low`, `disk_full`.
        code: &'static str,
        /// What to do.
        message: String,
        /// When it is worth trying again, seconds.
        retry_after_s: u32,
    },
    /// Not now.
    #[error("the server cannot do this now: {0}; try again")]
    Unavailable(String),
    /// Our fault.
    #[error("the server failed; its log says why")]
    Broken,
}

/// The first of them.
fn places(violations: &[Violation]) -> String {
    let places = violations.iter().take(3).map(|violation| match violation.pointer.as_str() {
        "" => violation.message.clone(),
        pointer => format!("{pointer}: {}", violation.message),
    });
    places.collect::<Vec<_>>().join("; ")
}

fn first(faults: &[Fault]) -> String {
    faults.first().map_or_else(String::new, |fault| format!("{} {}", fault.pointer, fault.message))
}

impl Error {
    /// The code that the API would answer.
    #[must_use]
    pub fn code(&self) -> String {
        match self {
            Self::NotFound { what, .. } => format!("{what}_not_found"),
            Self::Conflict { code, .. } | Self::Refused { code, .. } | Self::NoRoom { code, .. } => (*code).to_owned(),
            Self::WrongShape { .. } => "invalid_request".to_owned(),
            Self::InvalidDefinition(_) => "invalid_definition".to_owned(),
            Self::MissingFunctions(_) => "missing_functions".to_owned(),
            Self::InvalidInput(_) => "invalid_input".to_owned(),
            Self::PreconditionFailed { .. } => "precondition_failed".to_owned(),
            Self::Forbidden { .. } => "forbidden".to_owned(),
            Self::InvalidScript { .. } => "invalid_script".to_owned(),
            Self::TooLarge { limit, .. } | Self::LimitReached { limit, .. } | Self::QuotaReached { limit, .. } => {
                (*limit).to_owned()
            }
            Self::Unavailable(_) => "unavailable".to_owned(),
            Self::Broken => "internal".to_owned(),
        }
    }

    /// Logs what only operators may see.
    pub fn broken(what: &str, why: &dyn std::fmt::Display) -> Self {
        tracing::error!(%why, "{what}");
        Self::Broken
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(why) => Self::Unavailable(why),
            StoreError::Damaged { .. } => Self::broken("damaged data", &error),
        }
    }
}

impl From<CommitError> for Error {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Store(error) => error.into(),
            CommitError::Fenced(_) => Self::Unavailable("another host owns this execution now".to_owned()),
            CommitError::Conflict { .. } | CommitError::Unexpected { .. } | CommitError::Invalid(_) => {
                Self::broken("commit refused", &error)
            }
        }
    }
}

impl From<RuntimeError> for Error {
    fn from(error: RuntimeError) -> Self {
        match error {
            RuntimeError::Unfit(unfit) if unfit.code == "component_too_large" => {
                Self::TooLarge { limit: "component_bytes", message: unfit.message }
            }
            RuntimeError::Unfit(Unfit { code: "invalid_script", message, place }) => {
                Self::InvalidScript { message, place }
            }
            RuntimeError::Unfit(unfit) => Self::Refused { code: unfit.code, message: unfit.message },
            RuntimeError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}
