//! One process that runs one tenant's guests, as the server sees it: its frames, its calls, its end.

use super::frames::{Down, Frame, Question, Setup, UP_BYTES, UP_MESSAGE_BYTES, Up, WireFlaw, read};
use super::judge::Breach;
use super::wire::{WireFault, WireOutcome};
use crate::clock;
use crate::config::CompilerCommand;
use crate::text::printable;
use bytes::Bytes;
use std::collections::HashMap;
use std::io::Result as IoResult;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use stepwell_core::ids::TenantId;
use tokio::io::{AsyncReadExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

/// How long a process may take to set itself up.
const START: Duration = Duration::from_secs(20);
/// Beyond its deadline, and after nobody waits for it any more, a call must have ended within this time, or its process is ended.
pub(super) const GRACE: Duration = Duration::from_secs(5);
/// How often it is looked for calls that should have ended.
const LOOK: Duration = Duration::from_secs(1);
/// How long the system may take to say how a process ended that has hung up.
const HUNG_UP: Duration = Duration::from_secs(2);
/// Frames that wait to be written.
const WAITING: usize = 64;
/// Bytes that a process has said and nobody has dealt with yet: it then has to wait.
const UNREAD_BYTES: usize = 64 << 20;
/// Events of one call that wait to be dealt with: as many questions as it may have open, and its end.
const EVENTS: usize = super::frames::OPEN_ASKS + 2;
/// Bytes that are read at once.
const BUFFER_BYTES: usize = 64 << 10;
/// What a process writes to its standard error: so many pieces of so many bytes are logged.
const ERROR_PIECES: usize = 64;
const ERROR_BYTES: usize = 2 << 10;

/// What a process says of one call, and the room that it takes until it was dealt with.
pub(super) struct Event {
    pub(super) what: What,
    pub(super) room: OwnedSemaphorePermit,
}

/// It.
pub(super) enum What {
    /// A question: its number, the bodies that are closed, it, and the bytes behind it.
    Question(Box<(u64, Vec<u64>, Question, Bytes)>),
    /// The call has ended.
    Done(Box<WireOutcome>),
    /// The check has ended.
    Checked(Result<Result<u64, WireFlaw>, WireFault>),
}

/// One call's place.
enum Seat {
    Taken(mpsc::Sender<Event>),
    /// Nobody waits for it any more.
    Left(Instant),
}

/// The process.
pub(super) struct Worker {
    tenant: TenantId,
    /// `None` once it has ended.
    seats: Mutex<Option<HashMap<u64, Seat>>>,
    next: AtomicU64,
    out: mpsc::Sender<Frame>,
    /// One compiled component is on its way at a time.
    pub(super) code: Arc<Semaphore>,
    leaving: Mutex<Vec<u64>>,
    left: Notify,
    doom: OnceLock<String>,
    doomed: Notify,
    ended: OnceLock<String>,
    useful: AtomicBool,
}

/// A call's place in a process. Dropping it tells the process that nobody waits.
pub(super) struct Place {
    pub(super) worker: Arc<Worker>,
    pub(super) id: u64,
    pub(super) events: mpsc::Receiver<Event>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.worker.leave(self.id);
    }
}

/// How a process is started.
#[derive(Clone)]
pub(super) struct Start {
    pub(super) command: CompilerCommand,
    pub(super) setup: Setup,
    /// Of the server's engine.
    pub(super) compatibility: String,
}

impl Worker {
    /// Starts one. Call it on the runtime that is to look after it.
    ///
    /// # Errors
    /// A text that says why there is none.
    pub(super) async fn start(start: &Start, tenant: TenantId) -> Result<Arc<Self>, String> {
        let started = spawn(&start.command).map_err(|error| format!("it does not start: {error}"))?;
        Self::greet(started, start, tenant).await
    }

    /// Sets a process up that was started.
    async fn greet(
        (mut child, socket): (Child, UnixStream),
        start: &Start,
        tenant: TenantId,
    ) -> Result<Arc<Self>, String> {
        let complaints = child.stderr.take();
        tokio::runtime::Handle::current().spawn(relay(tenant, complaints));
        let (from, mut to) = socket.into_split();
        let mut from = BufReader::with_capacity(BUFFER_BYTES, from);
        let greeting = async {
            Frame::new(&Down::Setup(start.setup), Bytes::new())?.write(&mut to).await?;
            read::<Up>(&mut from, (UP_MESSAGE_BYTES, 0)).await
        };
        match clock::until(clock::after(clock::now(), START), greeting).await {
            Some(Ok(Some((Up::Ready { compatibility }, _)))) if compatibility == start.compatibility => {}
            Some(Ok(Some((Up::Ready { .. }, _)))) => return Err("it is of another version than this server".to_owned()),
            Some(Ok(Some((Up::Unfit(why), _)))) => return Err(printable(&why, ERROR_BYTES)),
            Some(Ok(_)) => return Err(format!("it ended ({})", end(&mut child).await)),
            Some(Err(error)) => return Err(format!("it does not answer: {error} ({})", end(&mut child).await)),
            None => return Err(format!("it did not answer within {} s", START.as_secs())),
        }
        let (out, waiting) = mpsc::channel(WAITING);
        let worker = Arc::new(Self::of(tenant, out));
        tokio::runtime::Handle::current().spawn(Arc::clone(&worker).live(child, (from, to), waiting));
        Ok(worker)
    }

    fn of(tenant: TenantId, out: mpsc::Sender<Frame>) -> Self {
        Self {
            tenant,
            seats: Mutex::new(Some(HashMap::new())),
            next: AtomicU64::new(1),
            out,
            code: Arc::new(Semaphore::new(1)),
            leaving: Mutex::default(),
            left: Notify::new(),
            doom: OnceLock::new(),
            doomed: Notify::new(),
            ended: OnceLock::new(),
            useful: AtomicBool::new(false),
        }
    }

    /// A place for one call; `None` if the process has ended.
    pub(super) fn sit(self: &Arc<Self>) -> Option<Place> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (taken, events) = mpsc::channel(EVENTS);
        self.seats().as_mut()?.insert(id, Seat::Taken(taken));
        Some(Place { worker: Arc::clone(self), id, events })
    }

    /// Whether it has ended, or is about to.
    pub(super) fn is_gone(&self) -> bool {
        self.doom.get().is_some() || self.seats().is_none()
    }

    /// Whether it has ever ended a call.
    pub(super) fn was_useful(&self) -> bool {
        self.useful.load(Ordering::Relaxed)
    }

    /// Says something, when there is room.
    ///
    /// # Errors
    /// The message cannot be written, which would be a fault of this program. A process that has ended hears nothing.
    pub(super) async fn say(&self, frame: IoResult<Frame>) -> IoResult<()> {
        let _ = self.out.send(frame?).await;
        Ok(())
    }

    /// Ends the process. Its calls are lost; the reason goes to the log.
    pub(super) fn end(&self, why: impl Into<String>) {
        let _ = self.doom.set(why.into()); // the first reason counts
        self.doomed.notify_one();
    }

    /// What a call is told that was lost with the process.
    pub(super) fn epitaph(&self) -> String {
        let how = self.ended.get().or(self.doom.get()).map_or("it was ended", String::as_str);
        format!(
            "the process that ran the function is gone ({how}); what it ran is tried again where the step allows it"
        )
    }

    fn seats(&self) -> MutexGuard<'_, Option<HashMap<u64, Seat>>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, id: u64) {
        if let Some(seat) = self.seats().as_mut().and_then(|seats| seats.get_mut(&id)) {
            *seat = Seat::Left(clock::now());
            self.leaving.lock().unwrap_or_else(PoisonError::into_inner).push(id);
            self.left.notify_one();
        }
    }

    /// From the greeting to the end.
    async fn live(
        self: Arc<Self>,
        mut child: Child,
        (mut from, mut to): (BufReader<OwnedReadHalf>, OwnedWriteHalf),
        mut waiting: mpsc::Receiver<Frame>,
    ) {
        let why = tokio::select! {
            why = self.listen(&mut from) => why,
            why = self.write(&mut to, &mut waiting) => why,
            why = self.overdue() => why,
            () = self.doomed.notified() => self.doom.get().cloned(),
        };
        if why.is_some() {
            let _ = child.start_kill(); // it may have ended by itself
        }
        let status = end(&mut child).await;
        let how = why.map_or_else(|| status.clone(), |why| format!("{why}; {status}"));
        self.buried(&how);
    }

    fn buried(&self, how: &str) {
        let _ = self.ended.set(how.to_owned());
        let seats = self.seats().take().unwrap_or_default();
        let calls = seats.values().filter(|seat| matches!(seat, Seat::Taken(_))).count();
        if how.starts_with(IDLE) {
            tracing::debug!(tenant = %self.tenant, how, "a process that ran guests is no longer needed");
        } else {
            tracing::warn!(tenant = %self.tenant, how, calls, "a process that ran guests is gone, and its calls with it");
        }
    }

    /// Hands out what the process says; returns when it says no more, and why it must end if it broke the rules.
    async fn listen(&self, from: &mut BufReader<OwnedReadHalf>) -> Option<String> {
        let unread = Arc::new(Semaphore::new(UNREAD_BYTES));
        loop {
            let (message, bytes) = match read::<Up>(from, (UP_MESSAGE_BYTES, UP_BYTES)).await {
                Ok(Some(said)) => said,
                Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                    return Some(format!("it broke the protocol: {error}"));
                }
                Ok(None) | Err(_) => return None,
            };
            // What a message takes is not known any more; a large one is counted as the largest.
            let small = bytes.is_empty() && !matches!(message, Up::Done { .. } | Up::Question { .. });
            let size = if small { 1 << 10 } else { bytes.len() + (1 << 20) };
            let room = Arc::clone(&unread).acquire_many_owned(u32::try_from(size).unwrap_or(u32::MAX)).await;
            let heard = room.map_err(|_| Breach("no room")).and_then(|room| self.hear(message, bytes, room));
            if let Err(breach) = heard {
                return Some(format!("it broke the protocol: {breach}"));
            }
        }
    }

    fn hear(&self, message: Up, bytes: Bytes, room: OwnedSemaphorePermit) -> Result<(), Breach> {
        let (id, what) = match message {
            Up::Question { id, seq, closed, question } => {
                (id, What::Question(Box::new((seq, closed, question, bytes))))
            }
            Up::Done { id, outcome } => (id, What::Done(outcome)),
            Up::Checked { id, checked } => (id, What::Checked(checked)),
            Up::Left { id } => {
                let mut seats = self.seats();
                let Some(seats) = seats.as_mut() else { return Ok(()) };
                let left = matches!(seats.get(&id), Some(Seat::Left(_)));
                if !left {
                    return Err(NOT_ITS_CALL);
                }
                seats.remove(&id);
                return Ok(());
            }
            Up::Ready { .. } | Up::Unfit(_) => return Err(Breach("it greeted twice")),
        };
        let mut seats = self.seats();
        let Some(seats) = seats.as_mut() else { return Ok(()) };
        let over = !matches!(what, What::Question(..));
        let heard = match seats.get(&id) {
            Some(Seat::Taken(events)) => match events.try_send(Event { what, room }) {
                Err(mpsc::error::TrySendError::Full(_)) => Err(Breach("more questions at a time than a call may have")),
                // Nobody waits any more: it was left just now.
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            },
            Some(Seat::Left(_)) => Ok(()),
            None => Err(NOT_ITS_CALL),
        };
        if over {
            self.useful.store(true, Ordering::Relaxed);
            seats.remove(&id);
        }
        heard
    }

    /// Writes what is to be said; returns when nobody listens.
    async fn write(&self, to: &mut OwnedWriteHalf, waiting: &mut mpsc::Receiver<Frame>) -> Option<String> {
        loop {
            let frame = tokio::select! {
                frame = waiting.recv() => frame?,
                () = self.left.notified() => match self.leaves(to).await {
                    Ok(()) => continue,
                    Err(_) => break,
                },
            };
            if frame.write(to).await.is_err() {
                break;
            }
        }
        // It has ended, or closed its side: `listen` sees which.
        std::future::pending().await
    }

    async fn leaves(&self, to: &mut OwnedWriteHalf) -> IoResult<()> {
        let leaving = std::mem::take(&mut *self.leaving.lock().unwrap_or_else(PoisonError::into_inner));
        for id in leaving {
            Frame::new(&Down::Leave { id }, Bytes::new())?.write(to).await?;
        }
        Ok(())
    }

    /// Returns when a call that nobody waits for should have ended long ago.
    async fn overdue(&self) -> Option<String> {
        loop {
            clock::until(clock::after(clock::now(), LOOK), std::future::pending::<()>()).await;
            let now = clock::now();
            let late = |seat: &Seat| matches!(seat, Seat::Left(since) if now.saturating_duration_since(*since) > GRACE);
            if self.seats().as_ref().is_some_and(|seats| seats.values().any(late)) {
                return Some("it did not end a call that nobody waits for".to_owned());
            }
        }
    }
}

/// How the reason begins for which a process is ended that is not needed.
pub(super) const IDLE: &str = "idle";
const NOT_ITS_CALL: Breach = Breach("it speaks of a call that it does not have");

fn spawn(command: &CompilerCommand) -> IoResult<(Child, UnixStream)> {
    let (ours, its) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let child = Command::new(&command.program)
        .args(&command.args)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(its)))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    Ok((child, UnixStream::from_std(ours)?))
}

/// How it ended; what has hung up and does not end is ended.
async fn end(child: &mut Child) -> String {
    let said = |status: IoResult<ExitStatus>| status.map_or_else(|error| error.to_string(), |s| s.to_string());
    if let Some(status) = clock::until(clock::after(clock::now(), HUNG_UP), child.wait()).await {
        return said(status);
    }
    let _ = child.start_kill(); // it may have ended just now
    said(child.wait().await)
}

/// Takes over into the log what a process complains of, and reads the rest without looking at it.
async fn relay(tenant: TenantId, complaints: Option<ChildStderr>) {
    let Some(mut complaints) = complaints else { return };
    let mut piece = vec![0; ERROR_BYTES];
    let mut pieces = 0_usize;
    while let Ok(size @ 1..) = complaints.read(&mut piece).await {
        pieces = pieces.saturating_add(1);
        if pieces <= ERROR_PIECES {
            let text = String::from_utf8_lossy(piece.get(..size).unwrap_or_default());
            tracing::warn!(%tenant, "a process that runs guests says: {}", printable(text.trim_end(), ERROR_BYTES));
        }
    }
}

#[cfg(test)]
#[path = "abuse.rs"]
mod abuse;
