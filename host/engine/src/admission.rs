//! Starts: a request becomes an execution, or is refused with a reason.

use crate::admitting::Door;
use crate::codec;
use crate::engine::Engine;
use crate::events::OwnEvent;
use crate::live::Live;
use crate::meters::Seat;
use crate::ports::{
    Claim, CommitError, DocumentKind, DocumentWrite, ExecutionKey, Expect, Lease, Line, RecordStatus, Transition,
};
use crate::retention::expiry_row;
use crate::rows::rows;
use crate::{Error, records};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use stepwell_core::definition::Workflow;
use stepwell_core::execution::{Applied, Command, Entry, Execution, Pin, Started, Trigger, apply, may_start_held};
use stepwell_core::ids::{Digest, ExecutionId, TenantId};
use stepwell_core::payload::Payload;
use stepwell_core::time::Timestamp;

/// What somebody wants to start.
#[derive(Debug, Clone)]
pub struct StartRequest {
    /// Which workflow.
    pub workflow: String,
    /// The input as given; `None` is `{}` (semantics D8).
    pub input: Option<Payload>,
    /// What starts it.
    pub trigger: Trigger,
    /// The same key again gives the first execution again (P7).
    pub idempotency_key: Option<String>,
    /// Whether the caller waits for the end anyway: then the start may become durable together with what follows from it at once.
    pub patient: bool,
}

/// Longest idempotency key, bytes: it is hashed, but it also travels in headers.
const KEY_BYTES: usize = 255;
/// How long a key is remembered: a day, as the providers of webhooks and the IETF draft suggest.
const KEY_MS: u64 = 86_400_000;
/// A store that could not say whether it wrote a start is read again after this many milliseconds.
const STORE_PAUSE_MS: u64 = 1_000;

#[derive(Debug, Serialize, Deserialize)]
struct FirstAnswer {
    execution: ExecutionId,
    request: Digest,
    expires: Timestamp,
}

/// When an idempotency key that reads so is forgotten.
pub(crate) fn expires(answer: &[u8]) -> Option<stepwell_core::time::Timestamp> {
    serde_json::from_slice(answer).ok().map(|answer: FirstAnswer| answer.expires)
}

impl Engine {
    /// Starts an execution. On return it is durable, and it will run.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::MissingFunctions`], [`Error::InvalidInput`], [`Error::Refused`], [`Error::TooLarge`],
    /// [`Error::QuotaReached`], [`Error::Unavailable`].
    pub async fn start_execution(&self, tenant: TenantId, request: StartRequest) -> Result<ExecutionId, Error> {
        Ok(self.begin_execution(tenant, request).await?.id())
    }

    /// Starts an execution; the answer knows it, so that whoever waits for its end need not look for it.
    ///
    /// # Errors
    /// As [`Engine::start_execution`].
    pub async fn begin_execution(&self, tenant: TenantId, request: StartRequest) -> Result<Start, Error> {
        self.accepting()?;
        let input = request.input.clone().unwrap_or_else(Payload::empty_object);
        self.check_size(tenant, &input)?;
        // First of all: the same request gets the same answer, whatever has become of the workflow since (P7).
        let document = match self.first_answer(tenant, &request, &input).await? {
            Some(Known::Execution(id)) => return Ok(Start { key: ExecutionKey { tenant, id }, live: None }),
            Some(Known::Nothing { key, expect, request }) => Some((key, expect, request)),
            None => None,
        };
        let stored = self.inner.registry.workflow(tenant, &request.workflow).await?;
        let workflow = Arc::clone(&stored.workflow);
        if !workflow.enabled {
            let message = format!("the workflow {:?} is disabled; set `enabled` to start it", workflow.id);
            return Err(Error::Refused { code: "workflow_disabled", message });
        }
        let pins = self.pins(tenant, &workflow).await?;
        let by_api = request.trigger.kind == "api";
        self.inner.registry.check_input(tenant, (&stored, by_api), &input).await?;
        let started = Started {
            tenant,
            workflow: workflow.id.clone(),
            revision: workflow.revision,
            trigger: request.trigger.clone(),
            input: input.clone(),
            event: None,
            pins,
            limits: self.limits_of(tenant).execution,
            parent: None,
            depth: 0,
            hops: 0,
            rerun: None,
        };
        let seat = self.admit(tenant, Door::New)?;
        let key = ExecutionKey { tenant, id: self.new_id() };
        let begun = match request.patient {
            true => self.begin_patiently(key, workflow, started, (document, seat)).await,
            false => self.begin(key, workflow, started, (document, seat)).await,
        };
        match begun {
            Err(CommitError::Unexpected { .. }) => match self.first_answer(tenant, &request, &input).await? {
                // The same request, at the same time.
                Some(Known::Execution(id)) => Ok(Start { key: ExecutionKey { tenant, id }, live: None }),
                Some(Known::Nothing { .. }) | None => {
                    Err(Error::Unavailable("the same request is under way".to_owned()))
                }
            },
            Err(other) => Err(other.into()),
            Ok(live) => Ok(Start { key, live: Some(live) }),
        }
    }

    pub(crate) async fn begin(
        &self,
        key: ExecutionKey,
        workflow: Arc<Workflow>,
        started: Started,
        (document, seat): (Option<(String, Expect, Digest)>, Arc<Seat>),
    ) -> Result<Arc<Live>, CommitError> {
        let beginning = self.beginning(key, workflow, started, document)?;
        let Beginning { lease, workflow, next, commands, told, transition, .. } = beginning;
        let live = Live::new(key, lease, workflow, next, RecordStatus::Unfinished);
        self.commit_start((Arc::clone(&live), seat), transition, (commands, told)).await?;
        Ok(live)
    }

    /// As [`Engine::begin`], for a caller who waits for the end: if only attempts without effects follow, the start is held as their results
    /// are, and becomes durable with them.
    async fn begin_patiently(
        &self,
        key: ExecutionKey,
        workflow: Arc<Workflow>,
        started: Started,
        (document, seat): (Option<(String, Expect, Digest)>, Arc<Seat>),
    ) -> Result<Arc<Live>, CommitError> {
        let beginning = self.beginning(key, workflow, started, document)?;
        let Beginning { lease, workflow, next, commands, told, transition, at } = beginning;
        if !told.is_empty() || !may_start_held((&next, &workflow), at, &commands) {
            let live = Live::new(key, lease, workflow, next, RecordStatus::Unfinished);
            self.commit_start((Arc::clone(&live), seat), transition, (commands, told)).await?;
            return Ok(live);
        }
        // Until it is durable there is nothing to be seen of it.
        let live = Live::new(key, lease, workflow, Execution::blank(key.id), RecordStatus::Unfinished);
        self.start_held(live, (next, transition), (&commands, seat)).await
    }

    /// What a start comes to, before anything is done.
    fn beginning(
        &self,
        key: ExecutionKey,
        workflow: Arc<Workflow>,
        started: Started,
        document: Option<(String, Expect, Digest)>,
    ) -> Result<Beginning, CommitError> {
        let at = self.inner.ports.clock.now();
        let entry = Entry::Started(Box::new(started));
        let (next, commands) = match apply(&Execution::blank(key.id), &workflow, at, &entry) {
            Ok(Applied::Changed { next, commands }) => (*next, commands),
            Ok(Applied::Ignored(_)) | Err(_) => return Err(unwritable("a blank execution refused to start")),
        };
        let unencodable = |error: codec::Undecodable| unwritable(&error.to_string());
        let record = if next.is_ended() {
            records::ended(&next).map_err(unencodable)?
        } else {
            records::unfinished(&next, false)
        };
        let journal = vec![Line { seq: 0, entry: codec::encode_entry(at, &entry).map_err(unencodable)? }];
        let lease = self.lease(key)?;
        let answer = document.map(|(key_hash, expect, request)| {
            let answer = FirstAnswer { execution: key.id, request, expires: at.plus(KEY_MS) };
            let value = serde_json::to_vec(&answer).map(Bytes::from).ok();
            let row = expiry_row(answer.expires, &key_hash);
            [DocumentWrite { kind: DocumentKind::Idempotency, key: key_hash, value, expect }, row]
        });
        let claim = Claim { id: key.id, lease, journal, record: Some(record) };
        let live = Live::new(key, lease, Arc::clone(&workflow), next.clone(), RecordStatus::Unfinished);
        let mut documents = rows(&live, &next, &commands);
        documents.extend(answer.into_iter().flatten());
        self.expect_ends(key.tenant, &next, &commands);
        documents.extend(self.end_row(key.tenant, &next));
        let told = self.approval_events(&live, &next, &commands);
        documents.extend(told.iter().filter_map(OwnEvent::row));
        let told = told.into_iter().map(|event| event.id).collect();
        let transition = Transition { tenant: key.tenant, execution: Some(claim), documents };
        Ok(Beginning { at, lease, workflow, next, commands, told, transition })
    }

    /// Commits, and sets the execution going even if the caller has gone away meanwhile.
    async fn commit_start(
        &self,
        (live, seat): (Arc<Live>, Arc<Seat>),
        transition: Transition,
        (commands, told): (Vec<Command>, Vec<String>),
    ) -> Result<(), CommitError> {
        let set_going = {
            let (engine, live) = (self.clone(), Arc::clone(&live));
            move || {
                seat.keep(engine.now());
                if !live.execution().is_ended() {
                    engine.inner.live.insert(Arc::clone(&live));
                }
                engine.carry_out(&live, &commands);
                told.iter().for_each(|event| engine.publish_own(live.key.tenant, event.clone()));
            }
        };
        let commit = || self.inner.committer.commit_then(transition.clone(), Box::new(set_going.clone()));
        match commit().await {
            // Written or not: asked once more, the store knows.
            Err(CommitError::Store(_)) => match commit().await {
                Err(CommitError::Conflict { .. } | CommitError::Unexpected { .. })
                    if self.is_written(&live, &transition).await =>
                {
                    set_going();
                    Ok(())
                }
                Err(error @ CommitError::Store(_)) => {
                    self.go_on_if_written((live, transition), set_going);
                    Err(error)
                }
                other => other,
            },
            other => other,
        }
    }

    /// The store could not say whether a start was written, and its caller is told so. If it was, whoever repeats it with its idempotency key
    /// is told that it is there: then it must run, and not only after the next start of the server.
    fn go_on_if_written(&self, (live, transition): (Arc<Live>, Transition), set_going: impl FnOnce() + Send + 'static) {
        let engine = self.clone();
        self.inner.attempts.spawn("start", async move {
            let lines = transition.execution.map(|claim| claim.journal).unwrap_or_default();
            while engine.accepting().is_ok() {
                if let Ok(stored) = engine.inner.ports.store.journal(live.key, 0, lines.len()).await {
                    if stored == lines {
                        set_going();
                    }
                    return;
                }
                let clock = &engine.inner.ports.clock;
                clock.sleep_until(clock.now().plus(STORE_PAUSE_MS)).await;
            }
        });
    }

    pub(crate) fn lease(&self, key: ExecutionKey) -> Result<Lease, CommitError> {
        let shard = key.shard();
        let leases = self.inner.ports.store.leases();
        leases.into_iter().find(|lease| lease.shard == shard).ok_or(CommitError::Fenced(shard))
    }

    pub(crate) fn new_id(&self) -> ExecutionId {
        let mut random = [0; 10];
        self.inner.ports.entropy.fill(&mut random);
        ExecutionId::new(self.inner.ports.clock.now().0, random)
    }

    pub(crate) fn check_size(&self, tenant: TenantId, input: &Payload) -> Result<(), Error> {
        let limit = self.limits_of(tenant).execution.payload_bytes;
        if input.as_str().len() as u64 <= limit {
            return Ok(());
        }
        let message = format!(
            "the input has {} bytes; at most {limit} are accepted (limit `payload_bytes`): store large data elsewhere and send its address",
            input.as_str().len()
        );
        Err(Error::TooLarge { limit: "payload_bytes", message })
    }

    pub(crate) async fn pins(&self, tenant: TenantId, workflow: &Workflow) -> Result<BTreeMap<String, Pin>, Error> {
        let (mut pins, mut missing) = (BTreeMap::new(), Vec::new());
        for id in workflow.functions() {
            match self.inner.registry.callee(tenant, id).await? {
                Some(function) => {
                    pins.insert(id.to_owned(), function.pin());
                }
                None => missing.push(id.to_owned()),
            }
        }
        if missing.is_empty() { Ok(pins) } else { Err(Error::MissingFunctions(missing)) }
    }

    /// What is known of an idempotency key; `None` without one.
    async fn first_answer(
        &self,
        tenant: TenantId,
        request: &StartRequest,
        input: &Payload,
    ) -> Result<Option<Known>, Error> {
        let Some(key) = &request.idempotency_key else { return Ok(None) };
        if key.is_empty() || key.len() > KEY_BYTES {
            let message = format!("an idempotency key has 1 to {KEY_BYTES} bytes");
            return Err(Error::WrongShape { field: "idempotencyKey", message });
        }
        let hash = sha256(&[b"start", key.as_bytes()]).hex();
        let request = sha256(&[request.workflow.as_bytes(), input.as_str().as_bytes()]);
        let stored = self.inner.ports.store.document(tenant, DocumentKind::Idempotency, &hash).await?;
        let Some(bytes) = stored else {
            return Ok(Some(Known::Nothing { key: hash, expect: Expect::Absent, request }));
        };
        let answer: FirstAnswer =
            serde_json::from_slice(&bytes).map_err(|e| Error::broken("an idempotency key cannot be read", &e))?;
        if answer.expires <= self.inner.ports.clock.now() {
            return Ok(Some(Known::Nothing { key: hash, expect: Expect::Value(bytes), request }));
        }
        if answer.request != request {
            let message =
                "this idempotency key was used for another request; use a new key for a new request".to_owned();
            return Err(Error::Refused { code: "idempotency_key_reused", message });
        }
        self.confirm(tenant, hash, bytes).await?;
        Ok(Some(Known::Execution(answer.execution)))
    }

    /// The first request may still wait for the disk while its key can be read already: what is written again as it stands is durable
    /// on return, and so is all that came before.
    async fn confirm(&self, tenant: TenantId, key: String, bytes: Bytes) -> Result<(), Error> {
        let expect = Expect::Value(bytes.clone());
        let write = DocumentWrite { kind: DocumentKind::Idempotency, key, value: Some(bytes), expect };
        let transition = Transition { tenant, execution: None, documents: vec![write] };
        Ok(self.inner.committer.commit(transition).await?)
    }
}

/// A start that is decided, and not written.
struct Beginning {
    at: Timestamp,
    lease: Lease,
    workflow: Arc<Workflow>,
    next: Execution,
    commands: Vec<Command>,
    /// Events that tell of it.
    told: Vec<String>,
    transition: Transition,
}

/// An execution that somebody has started.
pub struct Start {
    pub(crate) key: ExecutionKey,
    /// `None`: it was started before.
    pub(crate) live: Option<Arc<Live>>,
}

impl Start {
    /// Which one.
    #[must_use]
    pub fn id(&self) -> ExecutionId {
        self.key.id
    }
}

/// What an idempotency key stands for.
enum Known {
    /// The execution that its first request started.
    Execution(ExecutionId),
    /// Nothing yet: it is written with the start, if it is still as expected.
    Nothing { key: String, expect: Expect, request: Digest },
}

fn unwritable(why: &str) -> CommitError {
    CommitError::Store(crate::ports::StoreError::Unavailable(why.to_owned()))
}

/// Each part is hashed with its length, so that no two lists of parts look alike.
pub(crate) fn sha256(parts: &[&[u8]]) -> Digest {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    Digest(hash.finalize().into())
}
