//! Secrets for a function: seen, or only named.

use super::{AttemptHost, refused};
use crate::ports::{Answer, Refused, SecretText};
use serde_json::json;
use zeroize::Zeroizing;

impl AttemptHost {
    /// The value. Whatever the function says afterwards has it taken out.
    pub(super) async fn secret(&self, name: &str) -> Result<Answer, Refused> {
        if !self.granted().await?.reads_secret(name) {
            return Err(self.denied("reading this secret", &json!({"secrets": {name: {"read": true}}})));
        }
        let value = self.value(name).await?;
        Ok(Answer::Secret(value.map(SecretText)))
    }

    /// A text that stands for the value in requests of this attempt.
    pub(super) async fn secret_reference(&self, name: &str) -> Result<Answer, Refused> {
        let granted = self.granted().await?;
        if granted.secrets.get(name).is_none_or(|secret| secret.hosts.is_empty()) {
            let grant = json!({"secrets": {name: {"hosts": ["api.example.com"]}}});
            return Err(self.denied("sending this secret", &grant));
        }
        let known = self.engine.inner.secrets.facts(self.tenant(), name).await;
        match known {
            Ok(_) => {}
            Err(crate::Error::NotFound { .. }) => return Ok(Answer::Text(None)),
            Err(other) => return Err(refused(&other)),
        }
        let mut chance = [0; 16];
        self.engine.inner.ports.entropy.fill(&mut chance);
        Ok(Answer::Text(Some(self.lock().references.of(name, chance))))
    }

    /// The value of a secret as it is now, from now on known to have been given away.
    pub(super) async fn value(&self, name: &str) -> Result<Option<Zeroizing<String>>, Refused> {
        let name = name.to_owned();
        let values = self.engine.inner.secrets.values(self.tenant(), [&name]).await.map_err(|error| refused(&error))?;
        let value = values.get(&name).map(|value| Zeroizing::new(value.to_owned()));
        if let Some(value) = &value {
            self.saw(&name, value);
        }
        Ok(value)
    }
}
