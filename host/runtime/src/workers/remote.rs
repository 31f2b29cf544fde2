//! The process's side of what a call asks for: each question goes to the server, and its answer comes back by number.

use super::frames::{Frame, HttpHead, OPEN_ASKS, Question, Reply, UP_BYTES, Up};
use super::wire::WireFault;
use crate::cache::TrustedCode;
use crate::executor::Programs;
use crate::library::Program;
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stepwell_engine::ports::{
    Answer, Ask, Fault, Host, HttpBody, HttpFault, HttpFaultKind, HttpRequest, HttpResponse, Refusal, Refused,
    RuntimeError,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// Bodies of answers that one call may hold at a time.
const BODIES: usize = 2 * OPEN_ASKS;

/// The line to the server.
pub(super) struct Line {
    up: mpsc::Sender<Frame>,
    next: AtomicU64,
    open: Mutex<HashMap<u64, Open>>,
}

/// A question that was asked. It counts until the server has answered, whether or not somebody still waits: the server counts so, too.
struct Open {
    asked: oneshot::Sender<(Reply, Bytes)>,
    remote: Arc<Remote>,
    _turn: OwnedSemaphorePermit,
}

impl Line {
    /// A line on which frames go out.
    pub(super) fn new(up: mpsc::Sender<Frame>) -> Self {
        Self { up, next: AtomicU64::new(0), open: Mutex::default() }
    }

    /// Says something.
    pub(super) async fn say(&self, message: &Up, bytes: Bytes) {
        match Frame::new(message, bytes) {
            // An error means that the server is gone: this process ends with it.
            Ok(frame) => drop(self.up.send(frame).await),
            Err(error) => tracing::error!(%error, "a message cannot be written"),
        }
    }

    /// Hands an answer over to whoever asked.
    pub(super) fn answered(&self, seq: u64, reply: (Reply, Bytes)) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&seq);
        if let Some(Open { asked, remote, .. }) = open
            && let Err((Reply::Head(Ok(_)), _)) = asked.send(reply)
        {
            remote.closed().push(seq); // nobody waited for it any more
        }
    }
}

/// One call's questions.
pub(super) struct Remote {
    line: Arc<Line>,
    id: u64,
    turns: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
    closed: Mutex<Vec<u64>>,
}

impl Remote {
    /// Of the call with this number.
    pub(super) fn new(line: Arc<Line>, id: u64) -> Arc<Self> {
        let (turns, bodies) = (Arc::new(Semaphore::new(OPEN_ASKS)), Arc::new(Semaphore::new(BODIES)));
        Arc::new(Self { line, id, turns, bodies, closed: Mutex::default() })
    }

    fn closed(&self) -> MutexGuard<'_, Vec<u64>> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the question and its answer; `None` if the server is gone.
    async fn question(self: &Arc<Self>, question: Question, bytes: Bytes) -> Option<(u64, Reply, Bytes)> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok()?;
        let (asked, answer) = oneshot::channel();
        let seq = self.line.next.fetch_add(1, Ordering::Relaxed);
        let open = Open { asked, remote: Arc::clone(self), _turn: turn };
        self.line.open.lock().unwrap_or_else(PoisonError::into_inner).insert(seq, open);
        let closed = std::mem::take(&mut *self.closed());
        self.line.say(&Up::Question { id: self.id, seq, closed, question }, bytes).await;
        let mut forgotten = Forgotten { remote: self, seq: Some(seq) };
        let answer = answer.await;
        forgotten.seq = None;
        answer.ok().map(|(reply, bytes)| (seq, reply, bytes))
    }
}

/// A question whose answer nobody waits for any more: the server is told with the next one, and leaves it.
struct Forgotten<'a> {
    remote: &'a Remote,
    seq: Option<u64>,
}

impl Drop for Forgotten<'_> {
    fn drop(&mut self) {
        self.remote.closed().extend(self.seq);
    }
}

/// The server answered something else than was asked for, or not at all: this process is about to end.
const GONE: &str = "the server does not answer";

fn gone() -> HttpFault {
    HttpFault::new(HttpFaultKind::Internal, GONE)
}

/// The host of a call in this process.
pub(super) struct RemoteHost(pub(super) Arc<Remote>);

#[async_trait::async_trait]
impl Host for RemoteHost {
    async fn ask(&self, ask: Ask) -> Result<Answer, Refused> {
        match self.0.question(Question::Ask(ask), Bytes::new()).await {
            Some((_, Reply::Answer(answer), _)) => answer,
            _ => Err(Refused::new(Refusal::Unavailable, GONE)),
        }
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpFault> {
        let HttpRequest { method, scheme, authority, path, headers, body, timeouts } = request;
        if body.len() > UP_BYTES {
            let message = format!("the request's body has {} bytes; at most {UP_BYTES} are accepted", body.len());
            return Err(HttpFault::new(HttpFaultKind::RequestTooLarge, message));
        }
        let Ok(turn) = Arc::clone(&self.0.bodies).try_acquire_owned() else {
            let message = format!("{BODIES} answers are open: read one to its end first");
            return Err(HttpFault::new(HttpFaultKind::Limit, message));
        };
        let head = HttpHead { method, scheme, authority, path, headers, timeouts };
        match self.0.question(Question::Send(head), body.into()).await {
            Some((seq, Reply::Head(head), _)) => {
                let (status, headers) = head?;
                let body = RemoteBody { remote: Arc::clone(&self.0), seq, _turn: turn };
                Ok(HttpResponse { status, headers, body: Box::new(body) })
            }
            _ => Err(gone()),
        }
    }
}

struct RemoteBody {
    remote: Arc<Remote>,
    seq: u64,
    _turn: OwnedSemaphorePermit,
}

#[async_trait::async_trait]
impl HttpBody for RemoteBody {
    async fn next(&mut self) -> Result<Option<Bytes>, HttpFault> {
        match self.remote.question(Question::Next(self.seq), Bytes::new()).await {
            Some((_, Reply::Part(more), bytes)) => Ok(more?.then_some(bytes)),
            _ => Err(gone()),
        }
    }
}

impl Drop for RemoteBody {
    fn drop(&mut self) {
        self.remote.closed().push(self.seq);
    }
}

#[async_trait::async_trait]
impl Programs for Arc<Remote> {
    async fn program(&self, cached: bool) -> Result<Program, Fault> {
        match self.question(Question::Program { cached }, Bytes::new()).await {
            Some((_, Reply::Code, bytes)) => Ok(Program::Component(TrustedCode::from_server(bytes))),
            Some((_, Reply::Script, bytes)) => match std::str::from_utf8(&bytes) {
                Ok(text) => Ok(Program::Script(text.into())),
                Err(error) => Err(Fault::Host(error.to_string())),
            },
            Some((_, Reply::NoProgram(fault), _)) => Err(fault.into()),
            _ => Err(Fault::Host(GONE.to_owned())),
        }
    }

    async fn runner(&self, cached: bool) -> Result<TrustedCode, RuntimeError> {
        match self.question(Question::Runner { cached }, Bytes::new()).await {
            Some((_, Reply::Code, bytes)) => Ok(TrustedCode::from_server(bytes)),
            Some((_, Reply::NoProgram(WireFault::Host(why)), _)) => Err(RuntimeError::Unavailable(why)),
            _ => Err(RuntimeError::Unavailable(GONE.to_owned())),
        }
    }
}
