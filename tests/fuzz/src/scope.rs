//! A scope from text.

use stepwell_expression::{Scope, Value};

/// The names of a JSON object.
pub struct Names(Vec<(String, Value)>);

impl Names {
    /// The members of the object that the text is; none if it is no object.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let Some(Value::Object(object)) = Value::from_json_text(text).ok() else { return Self(Vec::new()) };
        Self(object.iter().map(|(name, value)| (name.to_string(), value.clone())).collect())
    }
}

impl Scope for Names {
    fn root(&self, name: &str) -> Option<Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.clone()).collect()
    }
}

/// The first line, which is a scope, and the rest.
#[must_use]
pub fn split(data: &[u8]) -> Option<(Names, &str)> {
    let (scope, rest) = std::str::from_utf8(data).ok()?.split_once('\n')?;
    Some((Names::of(scope), rest))
}
