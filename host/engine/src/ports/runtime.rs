//! The runtime: checks and compiles artifacts, and makes one call of one function inside the sandbox.

use super::host::Host;
use super::store::{Store, StoreError};
use super::uploading::Uploading;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use stepwell_core::failure::Retry;
use stepwell_core::grants::Grants;
use stepwell_core::ids::{Digest, TenantId};
use stepwell_core::payload::Payload;

/// What an artifact turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A component of our world.
    Component,
    /// A core module that was wrapped into one.
    CoreModule,
    /// A script: an ES module, which the server's own runner runs.
    #[serde(rename = "javascript")]
    JavaScript,
}

/// What an uploader says that the bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A component or a core module.
    Wasm,
    /// The source of an ES module whose default export is the function.
    JavaScript,
}

/// An upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// What it is said to be.
    pub form: Form,
    /// As it came.
    pub bytes: Bytes,
}

impl Artifact {
    /// A component or a core module.
    pub fn wasm(bytes: impl Into<Bytes>) -> Self {
        Self { form: Form::Wasm, bytes: bytes.into() }
    }

    /// A script.
    pub fn script(bytes: impl Into<Bytes>) -> Self {
        Self { form: Form::JavaScript, bytes: bytes.into() }
    }
}

/// One function of a component, from its metadata section (or, without one, from the fact that it exports the handler).
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FunctionMeta {
    /// What `context.function` is set to. `None`: the component has no metadata and takes any name.
    pub name: Option<String>,
    /// For readers.
    pub description: Option<String>,
    /// JSON Schema of the input.
    pub input_schema: Option<Payload>,
    /// JSON Schema of the output.
    pub output_schema: Option<Payload>,
    /// What it wants to use besides computing.
    #[serde(default)]
    pub grants: Grants,
}

/// A checked and compiled artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// SHA-256 of the bytes as uploaded.
    pub digest: Digest,
    /// What they are.
    pub kind: Kind,
    /// At least one.
    pub functions: Vec<FunctionMeta>,
    /// The interfaces that the component imports, as `namespace:package/interface@version`, sorted.
    pub imports: Vec<String>,
    /// How long the compilation took, milliseconds; 0 if compiled code was at hand.
    pub compile_ms: u64,
}

/// Why an artifact is refused. The message tells the uploader what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unfit {
    /// `invalid_wasm`, `wrong_world`, `unsupported_feature`, `component_too_complex`, `compile_timeout`, `compile_memory`,
    /// `invalid_metadata`, `component_too_large` or `invalid_script`.
    pub code: &'static str,
    /// For the uploader.
    pub message: String,
    /// Where in a script.
    pub place: Option<Place>,
}

/// A place in a text, as editors count: both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// Why an artifact could not be prepared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeError {
    /// The artifact's fault: 422 (413 for `component_too_large`).
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// Ours: 503 or 500.
    #[error("the compiler is unavailable: {0}")]
    Unavailable(String),
}

/// Limits of one attempt (`limits.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct InvocationLimits {
    /// Wall time of instantiation and call together.
    pub timeout: Duration,
    /// Fuel; about 0.5 ns each.
    pub fuel: u64,
    /// All linear memories together, bytes.
    pub memory_bytes: usize,
    /// Bytes of the result.
    pub output_bytes: usize,
    /// Bytes of log, stdout and stderr that are kept.
    pub log_bytes: usize,
    /// The tenant's share of the processors, against the weights of others that compute at the same time.
    pub weight: u32,
}

/// What a function is told about its attempt: the WIT record `context`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct InvocationContext {
    /// Which function of the component.
    pub function: String,
    /// `exec-...`, or empty for a direct call.
    pub execution_id: String,
    /// The workflow's id, or empty.
    pub workflow_id: String,
    /// The step's id, or empty.
    pub step: String,
    /// Indexes of the enclosing loops, outermost first.
    pub iteration: Vec<u32>,
    /// From 1.
    pub attempt: u32,
    /// The same for every attempt of a step run (semantics section 6).
    pub idempotency_key: String,
    /// When the attempt will be stopped, milliseconds since 1970.
    pub deadline_ms: u64,
    /// Later facts: `traceparent`, `callback-url`.
    pub extra: Vec<(String, String)>,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Whose function it is.
    pub tenant: TenantId,
    /// Which artifact.
    pub component: Digest,
    /// What the function is told.
    pub context: InvocationContext,
    /// The input, as JSON text.
    pub input: Payload,
    /// What it may use.
    pub limits: InvocationLimits,
}

/// What a call used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Usage {
    /// Fuel.
    pub fuel: u64,
    /// Most linear memory at one time, bytes.
    pub memory_bytes: usize,
    /// Wall time.
    pub elapsed: Duration,
}

/// One line that the guest logged or printed. Control characters are already replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// `trace`, `debug`, `info`, `warn`, `error`, `stdout` or `stderr`.
    pub level: &'static str,
    /// The text.
    pub message: String,
    /// Structured fields of a log call.
    pub fields: Vec<(String, String)>,
}

/// Why a call gave no result. The engine maps it to a failure code; the message carries what the guest said last
/// (a panic's text and place), where it said something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The guest returned `failed`.
    Failed {
        /// Its own code, as it gave it.
        code: String,
        /// Its own message.
        message: String,
        /// Its own details, if they are JSON.
        details: Option<Payload>,
        /// How it marked the failure.
        retry: Retry,
    },
    /// Panic, unreachable, out of bounds.
    Trapped(String),
    /// Too deep a recursion.
    StackOverflow,
    /// It called exit, with this status.
    Exited(i32),
    /// Its fuel is used up.
    OutOfFuel,
    /// It wanted more memory than `memory_bytes`.
    MemoryLimit,
    /// It took longer than `timeout`.
    Timeout,
    /// Its result, or something else that it handed over, is larger than `output_bytes`.
    OutputLimit,
    /// Its result is not JSON that the API accepts.
    InvalidOutput(String),
    /// No slot is free: not an attempt at all, it waits its turn.
    NoCapacity,
    /// The host's fault: the component cannot be loaded, or our own code panicked.
    Host(String),
    /// What ran the call is gone, for whatever reason, and with it the call: another attempt may succeed.
    Lost(String),
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The result as JSON text, or why there is none.
    pub result: Result<Payload, Fault>,
    /// What it used.
    pub usage: Usage,
    /// What it said, at most `log_bytes`; the last line says so if there was more.
    pub log: Vec<LogLine>,
}

/// Where the runtime gets the bytes of a component whose compiled code is not at hand.
#[async_trait::async_trait]
pub trait ComponentSource: Send + Sync + 'static {
    /// The artifact as it was uploaded.
    async fn component(&self, tenant: TenantId, digest: Digest) -> Result<Option<Bytes>, StoreError>;
}

#[async_trait::async_trait]
impl ComponentSource for Arc<dyn Store> {
    async fn component(&self, tenant: TenantId, digest: Digest) -> Result<Option<Bytes>, StoreError> {
        self.blob(tenant, digest).await
    }
}

/// The port.
#[async_trait::async_trait]
pub trait Runtime: Send + Sync + 'static {
    /// Checks an upload, wraps it if it is a core module, compiles it (outside this process), and keeps the compiled code.
    /// A script is not compiled: its top-level code is run once, in the sandbox, within small limits.
    ///
    /// An artifact describes itself afterwards: WebAssembly begins with a zero byte, which no accepted script does.
    ///
    /// `upload` is told how far it is. Dropping the future ends the compilation.
    ///
    /// # Errors
    /// [`RuntimeError::Unfit`] if the artifact is at fault.
    async fn prepare(&self, tenant: TenantId, artifact: Artifact, upload: &Uploading)
    -> Result<Prepared, RuntimeError>;

    /// Makes one call; what the guest asks for besides computing, this host answers. Never panics and never blocks the caller's thread;
    /// dropping the future stops the guest.
    async fn invoke(&self, invocation: Invocation, host: Arc<dyn Host>) -> Outcome;

    /// The threads, if any, on which whoever calls is best: a short call from there needs no change of thread.
    fn home(&self) -> Option<&tokio::runtime::Handle> {
        None
    }
}
