//! The tenant's key-value store, for a function.

use super::{AttemptHost, refused};
use crate::ports::{Answer, Expected, Refused};
use crate::room::Need;
use serde_json::json;
use stepwell_core::grants::KeyValueGrant;

impl AttemptHost {
    pub(super) async fn get(&self, key: &str) -> Result<Answer, Refused> {
        self.check_key_value(KeyValueGrant::Read).await?;
        let found = self.engine.inner.key_values.get(self.tenant(), key).await.map_err(|error| refused(&error))?;
        Ok(Answer::Value(found.map(|entry| (entry.value.to_vec(), entry.version))))
    }

    pub(super) async fn put(&self, key: &str, value: &[u8], expected: Expected) -> Result<Answer, Refused> {
        self.check_key_value(KeyValueGrant::Write).await?;
        self.engine.room_for(Need::Little).map_err(|error| refused(&error))?;
        let written = self.engine.inner.key_values.put(self.tenant(), (key, value), expected).await;
        written.map(Answer::Version).map_err(|error| refused(&error))
    }

    pub(super) async fn remove(&self, key: &str, expected: Expected) -> Result<Answer, Refused> {
        self.check_key_value(KeyValueGrant::Write).await?;
        self.engine.inner.key_values.remove(self.tenant(), key, expected).await.map_err(|error| refused(&error))?;
        Ok(Answer::Version(0))
    }

    pub(super) async fn keys(&self, prefix: &str, after: Option<String>, limit: u32) -> Result<Answer, Refused> {
        self.check_key_value(KeyValueGrant::Read).await?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let part = self
            .engine
            .inner
            .key_values
            .keys(self.tenant(), prefix, (after, limit))
            .await
            .map_err(|error| refused(&error))?;
        Ok(Answer::Keys(part.items.into_iter().map(|(key, _)| key).collect(), part.more))
    }

    async fn check_key_value(&self, needed: KeyValueGrant) -> Result<(), Refused> {
        if self.granted().await?.key_value >= Some(needed) {
            return Ok(());
        }
        let what =
            if needed == KeyValueGrant::Read { "reading the key-value store" } else { "changing the key-value store" };
        Err(self.denied(what, &json!({ "keyValue": needed })))
    }
}
