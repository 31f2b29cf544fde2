//! What an attempt's function asks for, answered: every question is held to the grants of its function, by the policies of this moment.

mod key_value;
mod publishing;
mod references;
mod secrets;
mod send;

use crate::engine::Engine;
use crate::ports::{Answer, Ask, Host, HttpFault, HttpRequest, HttpResponse, Refusal, Refused};
use crate::secrets::Redactor;
use crate::{Error, events};
use references::References;
use serde_json::{Value, json};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stepwell_core::grants::Grants;
use stepwell_core::ids::TenantId;
use stepwell_core::secrets::SecretValues;
use stepwell_core::trace::TraceParent;
use zeroize::Zeroizing;

pub(crate) use events::Origin;

/// What a host knows of its attempt.
pub(crate) struct AttemptFacts {
    /// Whose function it is.
    pub tenant: TenantId,
    /// The id that the function is registered under.
    pub function: String,
    /// What the version that is called wants.
    pub wanted: Grants,
    /// The attempt's: the same for every attempt of one step run.
    pub idempotency_key: String,
    /// The span of this attempt, where there is a trace.
    pub trace: Option<TraceParent>,
    /// How long the attempt may take.
    pub at_most: Duration,
    /// How many events that workflows published led to this execution.
    pub hops: u32,
    /// The secrets that came with the input.
    pub secrets: SecretValues,
}

/// The host of one attempt.
pub(crate) struct AttemptHost {
    engine: Engine,
    facts: AttemptFacts,
    progress: Mutex<Progress>,
}

/// What the attempt has done so far.
#[derive(Default)]
struct Progress {
    published: u32,
    requests: u32,
    references: References,
    /// Values of secrets that the function, or somebody whom it asked, has seen.
    seen: Vec<(String, Zeroizing<String>)>,
}

impl AttemptHost {
    /// A host for an attempt that begins.
    pub fn new(engine: Engine, facts: AttemptFacts) -> Self {
        Self { engine, facts, progress: Mutex::default() }
    }

    /// Takes all secrets that the function may know out of what it says. `None` if it knows none.
    pub fn redactor(&self) -> Option<Redactor> {
        let progress = self.lock();
        let known =
            self.facts.secrets.iter().chain(progress.seen.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        Redactor::of(known.map(|(_, value)| value))
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tenant(&self) -> TenantId {
        self.facts.tenant
    }

    /// A value that was given away: nothing that is said from now on may hold it. A value that was replaced meanwhile stays known, too.
    fn saw(&self, name: &str, value: &Zeroizing<String>) {
        let mut progress = self.lock();
        if !progress.seen.iter().any(|(_, known)| known == value) {
            progress.seen.push((name.to_owned(), value.clone()));
        }
    }

    /// What the function may do now.
    async fn granted(&self) -> Result<Grants, Refused> {
        let decision = self.engine.inner.policies.decide(self.tenant(), &self.facts.wanted).await;
        decision.map(|decision| decision.granted).map_err(|error| refused(&error))
    }

    /// A refusal with the grant that is missing, ready to be pasted.
    fn denied(&self, what: &str, grant: &Value) -> Refused {
        Refused::new(Refusal::Denied, self.denial(what, grant))
    }

    fn denial(&self, what: &str, grant: &Value) -> String {
        let (function, wanted) = (&self.facts.function, &self.facts.wanted);
        let asks = stepwell_core::grants::grants(grant).is_ok_and(|grant| wanted.clone().union(grant) == *wanted);
        if asks {
            return format!(
                "{what} is not granted to {function}: it asks for {grant}, but the tenant's or the operator's policy does not allow it; `grants.refused` of GET /functions/{function} says which"
            );
        }
        format!(
            "{what} is not granted to {function}: grant it with the header Stepwell-Grants at the upload, or with #[function(grants = ...)]: {grant}"
        )
    }

    async fn config(&self, name: &str) -> Result<Answer, Refused> {
        if !self.granted().await?.config.contains(name) {
            return Err(self.denied("this configuration", &json!({"config": [name]})));
        }
        let text = self.engine.inner.configuration.get(self.tenant(), name).await.map_err(|error| refused(&error))?;
        Ok(Answer::Text(text.map(|text| text.value)))
    }
}

#[async_trait::async_trait]
impl Host for AttemptHost {
    async fn ask(&self, ask: Ask) -> Result<Answer, Refused> {
        match ask {
            Ask::Config(name) => self.config(&name).await,
            Ask::Secret(name) => self.secret(&name).await,
            Ask::SecretReference(name) => self.secret_reference(&name).await,
            Ask::Get(key) => self.get(&key).await,
            Ask::Put { key, value, expect } => self.put(&key, &value, expect).await,
            Ask::Remove { key, expect } => self.remove(&key, expect).await,
            Ask::Keys { prefix, after, limit } => self.keys(&prefix, after, limit).await,
            Ask::Publish(draft) => self.publish(draft).await,
        }
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpFault> {
        self.send_granted(request).await
    }
}

/// An error of ours as a function gets to see it.
pub(crate) fn refused(error: &Error) -> Refused {
    let why = match error {
        Error::PreconditionFailed { .. } => Refusal::Conflict,
        Error::TooLarge { .. } | Error::LimitReached { .. } => Refusal::Limit,
        Error::WrongShape { .. } | Error::Refused { .. } => Refusal::Invalid,
        _ => Refusal::Unavailable,
    };
    Refused::new(why, error.to_string())
}
