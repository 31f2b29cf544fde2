//! One call in a process: what it asks for is answered here, until it has an outcome. Dropping the future drops everything that was
//! asked for.

use super::frames::{Down, Frame, HttpHead, OPEN_ASKS, Question, Reply};
use super::judge::{self, Breach};
use super::wire::{WireCall, WireFault};
use super::worker::{GRACE, Place, What};
use crate::cache::TrustedCode;
use crate::clock;
use crate::contract::Flaw;
use crate::executor::failed;
use crate::library::{Library, Program};
use crate::scripts::{self, Checked};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::{AbortHandle, BoxFuture, abortable};
use futures_util::stream::FuturesUnordered;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stepwell_core::ids::{Digest, TenantId};
use stepwell_engine::ports::{Fault, Host, HttpBody, HttpRequest, Invocation, NoHost, Outcome};
use tokio::sync::OwnedSemaphorePermit;

/// Bodies that a call may hold: those that it reads, and those whose heads are on their way.
const BODIES: usize = 4 * OPEN_ASKS;
/// Times that one call may ask for code: twice for a component, twice for the runner.
const CODE_ASKS: u32 = 4;

/// Makes the call in this process.
pub(super) async fn call(place: Place, library: &Library, (invocation, host): (Invocation, Arc<dyn Host>)) -> Outcome {
    let limits = invocation.limits;
    let of = (invocation.tenant, invocation.component);
    let start = clock::now();
    let mut session = Session::new(place, (library, Some(of)), host, limits.timeout);
    let frame =
        Frame::new(&Down::Call { id: session.place.id, call: Box::new(WireCall::from(invocation)) }, Bytes::new());
    match session.run(frame).await {
        Ended::Said(What::Done(wire)) => {
            let elapsed = clock::now().saturating_duration_since(start);
            judge::outcome(*wire, &limits, elapsed).unwrap_or_else(|breach| failed(session.lost(breach)))
        }
        other => failed(session.failed(&other, "call")),
    }
}

/// Checks a script in this process.
pub(super) async fn check(place: Place, library: &Library, source: Bytes) -> Checked {
    let patience = scripts::PATIENCE + scripts::LIMITS.timeout;
    let mut session = Session::new(place, (library, None), NoHost::shared(), patience);
    let frame = Frame::new(&Down::Check { id: session.place.id }, source);
    match session.run(frame).await {
        Ended::Said(What::Checked(Ok(Ok(elapsed_ms)))) => Ok(Ok(elapsed_ms)),
        Ended::Said(What::Checked(Ok(Err((message, line, column))))) => Ok(Err(Flaw { message, line, column })),
        Ended::Said(What::Checked(Err(wire))) => {
            Err(judge::fault(wire, &scripts::LIMITS).unwrap_or_else(|breach| session.lost(breach)))
        }
        other => Err(session.failed(&other, "check")),
    }
}

/// How a session ended.
enum Ended {
    Said(What),
    Breach(Breach),
    Late,
    Gone,
}

/// An answer that is ready: the number of the question, it, and what else there is.
struct Answered {
    seq: u64,
    reply: Reply,
    bytes: Bytes,
    /// The rest of a body, and the number that it has.
    rest: Option<(u64, Box<dyn HttpBody>)>,
    /// While compiled code is on its way.
    code: Option<(OwnedSemaphorePermit, Instant)>,
}

struct Session<'a> {
    place: Place,
    library: &'a Library,
    of: Option<(TenantId, Digest)>,
    host: Arc<dyn Host>,
    bodies: HashMap<u64, Box<dyn HttpBody>>,
    answers: FuturesUnordered<BoxFuture<'a, Answered>>,
    /// How each of them is given up; those for code are not.
    asking: HashMap<u64, AbortHandle>,
    deadline: Instant,
    code_asks: u32,
    /// Questions for code that are open: the time that code takes is not the call's.
    code_open: u32,
}

impl<'a> Session<'a> {
    fn new(
        place: Place,
        (library, of): (&'a Library, Option<(TenantId, Digest)>),
        host: Arc<dyn Host>,
        time: Duration,
    ) -> Self {
        let deadline = clock::after(clock::now(), time.saturating_add(GRACE));
        let (bodies, answers, asking) = (HashMap::new(), FuturesUnordered::new(), HashMap::new());
        Self { place, library, of, host, bodies, answers, asking, deadline, code_asks: 0, code_open: 0 }
    }

    /// Ends the process.
    fn lost(&self, breach: Breach) -> Fault {
        self.place.worker.end(format!("it broke the protocol: {breach}"));
        Fault::Lost(self.place.worker.epitaph())
    }

    /// What became of what has no outcome.
    fn failed(&self, ended: &Ended, what: &str) -> Fault {
        match ended {
            Ended::Said(_) => self.lost(Breach("it answered with something else than was asked for")),
            Ended::Breach(breach) => self.lost(*breach),
            Ended::Late => {
                self.place.worker.end(format!("it did not end a {what} in time"));
                Fault::Timeout
            }
            Ended::Gone => Fault::Lost(self.place.worker.epitaph()),
        }
    }

    /// Says the first word, and answers until the last.
    async fn run(&mut self, first: std::io::Result<Frame>) -> Ended {
        if let Some(ended) = self.say(first).await {
            return ended;
        }
        loop {
            let latest = if self.code_open > 0 { clock::after(self.deadline, Duration::MAX) } else { self.deadline };
            let next = async {
                tokio::select! {
                    event = self.place.events.recv() => Ok(event),
                    Some(answer) = self.answers.next() => Err(answer),
                }
            };
            let ended = match clock::until(latest, next).await {
                None => Some(Ended::Late),
                Some(Ok(None)) => Some(Ended::Gone),
                Some(Ok(Some(event))) => match event.what {
                    What::Question(question) => {
                        let (seq, closed, question, bytes) = *question;
                        let asked = self.asked((seq, closed), (question, bytes), event.room);
                        asked.err().map(Ended::Breach)
                    }
                    said => Some(Ended::Said(said)),
                },
                Some(Err(answer)) => self.answered(answer).await,
            };
            if let Some(ended) = ended {
                return ended;
            }
        }
    }

    /// `Some` if that was the end: the process takes nothing up.
    async fn say(&mut self, frame: std::io::Result<Frame>) -> Option<Ended> {
        match clock::until(self.deadline, self.place.worker.say(frame)).await {
            Some(Ok(())) => None,
            Some(Err(error)) => {
                tracing::error!(%error, "a message to a process cannot be written");
                Some(Ended::Gone)
            }
            None => Some(Ended::Late),
        }
    }

    async fn answered(&mut self, answer: Answered) -> Option<Ended> {
        let Answered { seq, reply, bytes, rest, code } = answer;
        self.asking.remove(&seq);
        if let Some((number, body)) = rest {
            self.bodies.insert(number, body);
        }
        let mut permit = None;
        if let Some((sending, since)) = code {
            self.code_open = self.code_open.saturating_sub(1);
            self.deadline = clock::after(self.deadline, clock::now().saturating_duration_since(since));
            permit = Some(sending);
        }
        let frame = Frame::new(&Down::Reply { seq, reply }, bytes);
        self.say(frame.map(|frame| frame.holding(permit))).await
    }

    /// Begins to answer.
    fn asked(
        &mut self,
        (seq, closed): (u64, Vec<u64>),
        (question, bytes): (Question, Bytes),
        room: OwnedSemaphorePermit,
    ) -> Result<(), Breach> {
        for gone in closed {
            self.bodies.remove(&gone);
            if let Some(asking) = self.asking.remove(&gone) {
                asking.abort();
            }
        }
        if self.answers.len() >= OPEN_ASKS {
            return Err(Breach("more questions at a time than a call may have"));
        }
        let for_code = matches!(question, Question::Program { .. } | Question::Runner { .. });
        let answer = match question {
            Question::Program { cached } => self.program((seq, cached))?,
            Question::Runner { cached } => self.runner((seq, cached))?,
            Question::Ask(ask) => {
                let host = Arc::clone(&self.host);
                Box::pin(async move { plain(seq, Reply::Answer(host.ask(ask).await)) })
            }
            Question::Send(head) => {
                if self.bodies.len() >= BODIES {
                    return Err(Breach("more open answers than a call may have"));
                }
                send(Arc::clone(&self.host), seq, (head, bytes))
            }
            Question::Next(of) => match self.bodies.remove(&of) {
                Some(body) => next(seq, of, body),
                None => return Err(Breach("a body that it does not have, or already reads")),
            },
        };
        let (answer, asking) = abortable(answer);
        if !for_code {
            self.asking.insert(seq, asking);
        }
        // What the question takes is held until it is answered; one that was given up is answered as well, so that it is over for both.
        self.answers.push(Box::pin(async move {
            let answered = answer.await.unwrap_or_else(|_| plain(seq, Reply::Part(Ok(false))));
            drop(room);
            answered
        }));
        Ok(())
    }

    fn program(&mut self, (seq, cached): (u64, bool)) -> Result<BoxFuture<'a, Answered>, Breach> {
        let of = self.of.ok_or(Breach("a check has no program"))?;
        let (library, sending) = (self.library, self.code()?);
        let since = clock::now();
        Ok(Box::pin(async move {
            let permit = sending.acquire_owned().await;
            let (reply, bytes) = match library.program(of, cached).await {
                Ok(Program::Component(code)) => (Reply::Code, code.code().clone()),
                Ok(Program::Script(source)) => (Reply::Script, Bytes::from(source.into_string())),
                Err(fault) => (Reply::NoProgram(fault.into()), Bytes::new()),
            };
            Answered { seq, reply, bytes, rest: None, code: permit.ok().map(|permit| (permit, since)) }
        }))
    }

    fn runner(&mut self, (seq, cached): (u64, bool)) -> Result<BoxFuture<'a, Answered>, Breach> {
        let (library, sending) = (self.library, self.code()?);
        let since = clock::now();
        Ok(Box::pin(async move {
            let permit = sending.acquire_owned().await;
            let (reply, bytes) = match library.runner(cached).await.as_ref().map(TrustedCode::code) {
                Ok(code) => (Reply::Code, code.clone()),
                Err(error) => (Reply::NoProgram(WireFault::Host(error.to_string())), Bytes::new()),
            };
            Answered { seq, reply, bytes, rest: None, code: permit.ok().map(|permit| (permit, since)) }
        }))
    }

    fn code(&mut self) -> Result<Arc<tokio::sync::Semaphore>, Breach> {
        self.code_asks += 1;
        if self.code_asks > CODE_ASKS {
            return Err(Breach("it asks for code again and again"));
        }
        self.code_open += 1;
        Ok(Arc::clone(&self.place.worker.code))
    }
}

fn plain(seq: u64, reply: Reply) -> Answered {
    Answered { seq, reply, bytes: Bytes::new(), rest: None, code: None }
}

fn send<'a>(host: Arc<dyn Host>, seq: u64, (head, body): (HttpHead, Bytes)) -> BoxFuture<'a, Answered> {
    let HttpHead { method, scheme, authority, path, headers, timeouts } = head;
    let request = HttpRequest { method, scheme, authority, path, headers, body: body.into(), timeouts };
    Box::pin(async move {
        match host.send(request).await {
            Ok(answer) => {
                let reply = Reply::Head(Ok((answer.status, answer.headers)));
                Answered { rest: Some((seq, answer.body)), ..plain(seq, reply) }
            }
            Err(fault) => plain(seq, Reply::Head(Err(fault))),
        }
    })
}

/// The body goes back under its own number while there is more of it.
fn next<'a>(seq: u64, of: u64, mut body: Box<dyn HttpBody>) -> BoxFuture<'a, Answered> {
    Box::pin(async move {
        match body.next().await {
            Ok(Some(bytes)) => Answered { bytes, rest: Some((of, body)), ..plain(seq, Reply::Part(Ok(true))) },
            Ok(None) => plain(seq, Reply::Part(Ok(false))),
            Err(fault) => plain(seq, Reply::Part(Err(fault))),
        }
    })
}
