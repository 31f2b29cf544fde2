//! Events that a function publishes.

use super::{AttemptHost, Origin, refused};
use crate::admission::sha256;
use crate::events::NewEvent;
use crate::ports::{Answer, Draft, Refusal, Refused};
use crate::room::Need;
use serde_json::{Value, json};
use stepwell_core::payload::Payload;

/// `attempt_events`: events of one attempt. Each is a commit, and may start executions.
const EVENTS: u32 = 100;

impl AttemptHost {
    /// Under an id that does not depend on the attempt, so that another attempt publishes nothing twice.
    pub(super) async fn publish(&self, draft: Draft) -> Result<Answer, Refused> {
        let granted = self.granted().await?;
        let Draft { kind, id, data } = draft;
        // The check of the type itself, which says what a type is, comes with the publication.
        if !granted.allows_event(&kind) && !kind.contains('*') && !kind.starts_with("stepwell.") {
            return Err(self.denied("publishing this type of events", &json!({"events": [kind]})));
        }
        let data = Payload::parse(&data)
            .map_err(|error| Refused::new(Refusal::Invalid, format!("the data of the event: {error}")))?;
        self.engine.room_for(Need::Little).map_err(|error| refused(&error))?;
        let number = self.next_event()?;
        let id = id.unwrap_or_else(|| self.event_id(number));
        let new = NewEvent {
            kind,
            source: format!("function/{}", self.facts.function),
            id: Some(id),
            data: Some(data),
            ..NewEvent::default()
        };
        let new = match self.redactor() {
            None => new,
            Some(redactor) => NewEvent {
                kind: redactor.text(new.kind),
                id: new.id.map(|id| redactor.text(id)),
                data: new.data.map(|data| redactor.payload(data)),
                ..new
            },
        };
        let hops = self.facts.hops.saturating_add(1);
        let published = self
            .engine
            .publish_from(self.tenant(), new, Origin { hops, outbox: None })
            .await
            .map_err(|error| refused(&error))?;
        let event: Value = serde_json::from_str(published.event.as_str()).unwrap_or_default();
        Ok(Answer::Text(event["id"].as_str().map(str::to_owned)))
    }

    fn next_event(&self) -> Result<u32, Refused> {
        let mut progress = self.lock();
        if progress.published >= EVENTS {
            let message = format!("an attempt publishes at most {EVENTS} events (limit `attempt_events`)");
            return Err(Refused::new(Refusal::Limit, message));
        }
        progress.published += 1;
        Ok(progress.published)
    }

    fn event_id(&self, number: u32) -> String {
        let hash = sha256(&[b"event", self.facts.idempotency_key.as_bytes(), &number.to_be_bytes()]).hex();
        format!("fn-{}", hash.get(..32).unwrap_or_default())
    }
}
