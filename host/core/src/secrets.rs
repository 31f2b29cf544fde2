//! The values of secrets, on their way into a call (semantics D11). Nothing in the core keeps them: a state and a journal never hold one.

use std::collections::BTreeMap;
use std::fmt;
use zeroize::Zeroizing;

/// What stands where a secret was.
pub const HIDDEN: &str = "***";

/// Values by name. They are wiped when they are dropped, and never shown.
#[derive(Default, Clone)]
pub struct SecretValues(BTreeMap<String, Zeroizing<String>>);

impl SecretValues {
    /// `"***"` for each name: for what is kept or shown of an input.
    pub fn hidden<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        names.into_iter().map(|name| (name.to_owned(), Zeroizing::new(HIDDEN.to_owned()))).collect()
    }

    /// The value of a secret.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.as_str())
    }

    /// Names and values, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(String, Zeroizing<String>)> for SecretValues {
    fn from_iter<I: IntoIterator<Item = (String, Zeroizing<String>)>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl fmt::Debug for SecretValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}
