//! Changes that hold only if nobody else has changed the thing meanwhile (`If-Match`, `If-None-Match`).

use crate::Error;

/// What must be true of a workflow or a function before it is changed. The default: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Precondition {
    /// It is there, in one of these versions.
    pub is: Option<Versions>,
    /// It is not there, or in none of these versions.
    pub is_not: Option<Versions>,
}

/// Versions or revisions by number, written as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Versions {
    /// Whichever.
    Any,
    /// These.
    Listed(Vec<String>),
}

impl Versions {
    fn hold(&self, number: u32) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(all) => all.iter().any(|one| *one == number.to_string()),
        }
    }
}

impl Precondition {
    /// Whether it is true of the current version; `None`: there is none.
    ///
    /// # Errors
    /// [`Error::PreconditionFailed`].
    pub fn check(&self, what: &str, current: Option<u32>) -> Result<(), Error> {
        let is = self.is.as_ref().is_none_or(|wanted| current.is_some_and(|number| wanted.hold(number)));
        let is_not = self.is_not.as_ref().is_none_or(|other| !current.is_some_and(|number| other.hold(number)));
        if is && is_not {
            return Ok(());
        }
        let now = current.map_or_else(|| "does not exist".to_owned(), |number| format!("is at \"{number}\" now"));
        let message = format!("{what} {now}, which is not what the request asks for; read it again and decide anew");
        Err(Error::PreconditionFailed { message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_conditions_hold_for_what_they_say() {
        let listed = || Some(Versions::Listed(vec!["2".to_owned(), "x".to_owned()]));
        let any = || Some(Versions::Any);
        for (is, is_not, current, holds) in [
            (None, None, None, true),
            (any(), None, None, false),
            (any(), None, Some(1), true),
            (listed(), None, Some(1), false),
            (listed(), None, Some(2), true),
            (None, any(), None, true),
            (None, any(), Some(1), false),
            (None, listed(), Some(2), false),
            (None, listed(), Some(3), true),
            (any(), listed(), Some(3), true),
        ] {
            let precondition = Precondition { is, is_not };
            assert_eq!(precondition.check("it", current).is_ok(), holds, "{precondition:?} {current:?}");
        }
    }
}
