//! The whole life of a process that runs guests.

use super::confine::{confine, inherited};
use super::frames::{DOWN_BYTES, DOWN_MESSAGE_BYTES, Down, Frame, Setup, Up, read};
use super::remote::{Line, Remote, RemoteHost};
use super::wire::{WireCall, WireFault, WireOutcome};
use crate::executor::{Executor, Size, failed};
use crate::scripts;
use crate::threads::{Company, Lost, Threads};
use bytes::Bytes;
use futures_util::FutureExt as _;
use std::collections::HashMap;
use std::future::Future;
use std::num::NonZeroUsize;
use std::os::fd::AsFd as _;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use stepwell_core::ids::TenantId;
use stepwell_engine::ports::{Fault, Outcome};
use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::{mpsc, oneshot};

/// Frames that wait to be written.
const WAITING: usize = 64;
/// Components that are kept ready: one tenant's.
const KEPT: NonZeroUsize = NonZeroUsize::new(64).unwrap();
/// Bytes that are read at once.
const BUFFER_BYTES: usize = 64 << 10;

/// Runs guests for the server that started this process, over the socket that is its standard input, until the server closes
/// it: call it first thing in `main`, before any thread is started.
#[must_use]
pub fn guest_child_main() -> ExitCode {
    // Before anything is opened.
    let shut = inherited();
    let socket = std::io::stdin().as_fd().try_clone_to_owned();
    let threads = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let (Ok(socket), Ok(threads)) = (socket, threads) else { return ExitCode::FAILURE };
    match threads.block_on(serve(socket.into(), shut)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(
    socket: std::os::unix::net::UnixStream,
    shut: Result<Vec<std::os::fd::RawFd>, String>,
) -> std::io::Result<()> {
    socket.set_nonblocking(true)?;
    let (from, mut to) = UnixStream::from_std(socket)?.into_split();
    let mut from = BufReader::with_capacity(BUFFER_BYTES, from);
    let Some((Down::Setup(setup), _)) = next(&mut from).await? else {
        return Err(std::io::Error::other("this process is started by the server"));
    };
    let made = shut.and_then(|shut| {
        let room = Room::new(&setup).map_err(|error| error.to_string())?;
        confine(setup.memory_bytes, &shut)?;
        Ok(room)
    });
    let (room, first) = match made {
        Ok(room) => {
            let ready = Up::Ready { compatibility: room.executor.compatibility() };
            (Some(room), ready)
        }
        Err(why) => (None, Up::Unfit(why)),
    };
    Frame::new(&first, Bytes::new())?.write(&mut to).await?;
    let Some(room) = room else { return Ok(()) };
    let (up, mut waiting) = mpsc::channel::<Frame>(WAITING);
    let line = Arc::new(Line::new(up));
    let writing = async {
        while let Some(frame) = waiting.recv().await {
            frame.write(&mut to).await?;
        }
        Ok(())
    };
    let ended = tokio::select! {
        ended = listen(&room, &line, &mut from) => ended,
        ended = writing => ended,
    };
    ended
}

async fn next(from: &mut BufReader<OwnedReadHalf>) -> std::io::Result<Option<(Down, Bytes)>> {
    read(from, (DOWN_MESSAGE_BYTES, DOWN_BYTES)).await
}

/// What runs the guests.
struct Room {
    executor: Arc<Executor>,
    threads: Arc<Threads>,
    /// How each call is told that nobody waits for it.
    leave: Arc<Mutex<HashMap<u64, oneshot::Sender<()>>>>,
}

impl Room {
    fn new(setup: &Setup) -> Result<Self, crate::config::SetupError> {
        // No thread can be started once the process is confined: what runs later runs on those that there are.
        let size = Size { calls: setup.calls.max(1), pooling: setup.pooling, kept: KEPT, threads: false };
        let executor = Arc::new(Executor::new(size)?);
        let threads =
            Threads::start(setup.guest_threads, Company::Nobody).map_err(crate::config::SetupError::Threads)?;
        // What a thread does at its beginning, it may not do any more once the process is confined.
        while !threads.have_begun() {
            std::thread::yield_now();
        }
        Ok(Self { executor, threads: Arc::new(threads), leave: Arc::default() })
    }

    /// Lets `work` run on the guests' threads until it has something to say, or nobody waits for it.
    fn start<F>(&self, (id, line): (u64, &Arc<Line>), work: F)
    where
        F: Future<Output = Up> + Send + 'static,
    {
        let (tell, left) = oneshot::channel();
        self.leave.lock().unwrap_or_else(PoisonError::into_inner).insert(id, tell);
        let (line, leave) = (Arc::clone(line), Arc::clone(&self.leave));
        let Some(threads) = self.threads.home() else { return };
        threads.spawn(async move {
            let work = Box::pin(work);
            let said = tokio::select! {
                Ok(()) = left => Up::Left { id },
                said = work => said,
            };
            leave.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            line.say(&said, Bytes::new()).await;
        });
    }

    fn means(&self, remote: Arc<Remote>) -> Means {
        Means { executor: Arc::clone(&self.executor), threads: Arc::clone(&self.threads), remote }
    }

    fn leave(&self, id: u64) {
        let tell = self.leave.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        if let Some(tell) = tell {
            let _ = tell.send(()); // it may have ended just now
        }
    }
}

/// Does what the server says until it says no more.
async fn listen(room: &Room, line: &Arc<Line>, from: &mut BufReader<OwnedReadHalf>) -> std::io::Result<()> {
    while let Some((message, bytes)) = next(from).await? {
        match message {
            Down::Setup(_) => return Err(std::io::Error::other("set up twice")),
            Down::Call { id, call } => {
                let remote = Remote::new(Arc::clone(line), id);
                room.start((id, line), called(room.means(remote), id, *call));
            }
            Down::Check { id } => {
                let remote = Remote::new(Arc::clone(line), id);
                room.start((id, line), checked(room.means(remote), id, bytes));
            }
            Down::Leave { id } => room.leave(id),
            Down::Reply { seq, reply } => line.answered(seq, (reply, bytes)),
        }
    }
    Ok(())
}

/// What a call is made with.
struct Means {
    executor: Arc<Executor>,
    threads: Arc<Threads>,
    remote: Arc<Remote>,
}

async fn called(means: Means, id: u64, call: WireCall) -> Up {
    let outcome = AssertUnwindSafe(outcome(means, call)).catch_unwind().await;
    let outcome = outcome.unwrap_or_else(|_panic| failed(Lost::Panicked.into()));
    Up::Done { id, outcome: Box::new(WireOutcome::from(outcome)) }
}

async fn outcome(Means { executor, threads, remote }: Means, call: WireCall) -> Outcome {
    let invocation = match call.invocation() {
        Ok(invocation) => invocation,
        Err(fault) => return failed(fault),
    };
    let loaded = match Box::pin(executor.loaded(invocation.component, &remote)).await {
        Ok(loaded) => loaded,
        Err(fault) => return failed(fault),
    };
    let share = (invocation.tenant, invocation.limits.weight);
    let call = async move { executor.invoke(&loaded, (&invocation, Arc::new(RemoteHost(remote)))).await };
    threads.run(share, call).await.unwrap_or_else(|lost| failed(lost.into()))
}

async fn checked(means: Means, id: u64, source: Bytes) -> Up {
    let found = AssertUnwindSafe(found(means, source)).catch_unwind().await;
    let found = found.unwrap_or_else(|_panic| Err(Lost::Panicked.into()));
    let flaw = |flaw: crate::contract::Flaw| (flaw.message, flaw.line, flaw.column);
    Up::Checked { id, checked: found.map(|answer| answer.map_err(flaw)).map_err(WireFault::from) }
}

async fn found(Means { executor, threads, remote }: Means, source: Bytes) -> scripts::Checked {
    let runner = executor.runner(&remote).await.map_err(|error| Fault::Host(error.to_string()))?;
    let check = async move {
        let text = std::str::from_utf8(&source).map_err(|error| Fault::Host(error.to_string()))?;
        scripts::check(&executor, &runner, text).await
    };
    threads.run((TenantId::DEFAULT, 1), check).await.unwrap_or_else(|lost| Err(lost.into()))
}
