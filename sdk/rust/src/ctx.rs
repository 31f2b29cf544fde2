//! What a function is told about its attempt.

/// Facts of this attempt. [`Ctx::test`] makes one for unit tests.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ctx {
    /// Which function is called.
    pub function: String,
    /// The execution that the call belongs to (`exec-...`); empty for a direct call.
    pub execution_id: String,
    /// The workflow's id; empty for a direct call.
    pub workflow_id: String,
    /// The step's id; empty for a direct call.
    pub step: String,
    /// Indexes of the enclosing loops, outermost first, each from 0.
    pub iteration: Vec<u32>,
    /// Which attempt of this step run this is, from 1.
    pub attempt: u32,
    /// The same text for every attempt of one step run, and for no other. Pass it on to services that know idempotency
    /// keys: a function may run more than once.
    pub idempotency_key: String,
    /// When the attempt is stopped, in milliseconds since 1970-01-01T00:00:00Z.
    pub deadline_ms: u64,
    pub(crate) extra: Vec<(String, String)>,
}

impl Ctx {
    /// A context for unit tests: the first attempt of a step, without a deadline. Set what the test needs:
    /// `Ctx::test().with_attempt(2)`.
    #[must_use]
    pub fn test() -> Self {
        Self {
            function: "test".into(),
            execution_id: "exec-00000000000000000000000000".into(),
            workflow_id: "test".into(),
            step: "test".into(),
            iteration: Vec::new(),
            attempt: 1,
            idempotency_key: "test".into(),
            deadline_ms: u64::MAX,
            extra: Vec::new(),
        }
    }

    /// A fact that the contract does not name, such as `traceparent` or `callback-url`.
    #[must_use]
    pub fn extra(&self, name: &str) -> Option<&str> {
        self.extra.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Where somebody else completes this step, if it has `config.async`: `POST` to it `{"result": ...}` or
    /// `{"failure": {"message": ...}}`, once, also after this function has returned. Whoever has the address may do that.
    #[must_use]
    pub fn callback_url(&self) -> Option<&str> {
        self.extra("callback-url")
    }

    /// With this number of the attempt, from 1.
    #[must_use]
    pub fn with_attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// With these indexes of the enclosing loops, outermost first.
    #[must_use]
    pub fn with_iteration(mut self, iteration: impl Into<Vec<u32>>) -> Self {
        self.iteration = iteration.into();
        self
    }

    /// With this step id.
    #[must_use]
    pub fn with_step(mut self, step: impl Into<String>) -> Self {
        self.step = step.into();
        self
    }

    /// With this idempotency key.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = key.into();
        self
    }

    /// With one more fact for [`Ctx::extra`].
    #[must_use]
    pub fn with_extra(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extra.push((name.into(), value.into()));
        self
    }
}
