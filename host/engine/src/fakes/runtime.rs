//! A runtime whose functions are closures, and that writes down who called it.

use crate::ports::{
    Artifact, Fault, Form, FunctionMeta, Host, Invocation, Kind, LogLine, Outcome, Prepared, Runtime, RuntimeError,
    Uploading, Usage,
};
use sha2::{Digest as _, Sha256};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use stepwell_core::ids::{Digest, TenantId};
use stepwell_core::payload::Payload;

/// What a call comes to.
pub type Answer = Pin<Box<dyn Future<Output = Result<Payload, Fault>> + Send>>;

/// A runtime for tests.
pub struct FakeRuntime {
    behaviour: Box<dyn Fn(Invocation, Arc<dyn Host>) -> Answer + Send + Sync>,
    calls: Arc<Mutex<Vec<Invocation>>>,
    log: Vec<LogLine>,
    /// Which artifacts can have effects.
    effects: fn(&[u8]) -> bool,
}

impl FakeRuntime {
    /// Functions that answer at once, and could have effects.
    pub fn new(behaviour: impl Fn(&Invocation) -> Result<Payload, Fault> + Send + Sync + 'static) -> Self {
        Self::slow(move |invocation| {
            let answer = behaviour(&invocation);
            Box::pin(async move { answer })
        })
    }

    /// Functions that take their time.
    pub fn slow(behaviour: impl Fn(Invocation) -> Answer + Send + Sync + 'static) -> Self {
        Self::asking(move |invocation, _| behaviour(invocation))
    }

    /// Functions that ask their host.
    pub fn asking(behaviour: impl Fn(Invocation, Arc<dyn Host>) -> Answer + Send + Sync + 'static) -> Self {
        Self { behaviour: Box::new(behaviour), calls: Arc::default(), log: Vec::new(), effects: |_| true }
    }

    /// Only these artifacts can have effects: results of the others may wait for their commit.
    #[must_use]
    pub fn with_effects(self, effects: fn(&[u8]) -> bool) -> Self {
        Self { effects, ..self }
    }

    /// With functions that log these lines in each call.
    #[must_use]
    pub fn logging(self, log: Vec<LogLine>) -> Self {
        Self { log, ..self }
    }

    /// All calls so far; the list outlives the runtime.
    #[must_use]
    pub fn calls(&self) -> Arc<Mutex<Vec<Invocation>>> {
        Arc::clone(&self.calls)
    }
}

#[async_trait::async_trait]
impl Runtime for FakeRuntime {
    async fn prepare(&self, _: TenantId, artifact: Artifact, _: &Uploading) -> Result<Prepared, RuntimeError> {
        let meta = FunctionMeta::default();
        let digest = Digest(Sha256::digest(&artifact.bytes).into());
        let kind = if artifact.form == Form::JavaScript { Kind::JavaScript } else { Kind::Component };
        let effect = (self.effects)(&artifact.bytes).then(|| "stepwell:capabilities/events@1.0.0".to_owned());
        Ok(Prepared { digest, kind, functions: vec![meta], imports: effect.into_iter().collect(), compile_ms: 0 })
    }

    async fn invoke(&self, invocation: Invocation, host: Arc<dyn Host>) -> Outcome {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(invocation.clone());
        let result = (self.behaviour)(invocation, host).await;
        Outcome { result, usage: Usage::default(), log: self.log.clone() }
    }
}
