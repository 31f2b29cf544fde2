//! A process that was taken over says what it likes: here it is played by the test.

use super::super::frames::{DOWN_BYTES, DOWN_MESSAGE_BYTES, Question, UP_MESSAGE_BYTES};
use super::super::session;
use super::super::wire::{WireFault, WireOutcome};
use super::*;
use crate::config::{CacheKey, RuntimeConfig};
use crate::library::Library;
use stepwell_core::ids::Digest;
use stepwell_core::payload::Payload;
use stepwell_engine::ports::{
    Ask, ComponentSource, Fault, Invocation, InvocationContext, InvocationLimits, NoHost, Outcome, StoreError,
};
use tokio::io::AsyncWriteExt as _;

struct Nothing;

#[async_trait::async_trait]
impl ComponentSource for Nothing {
    async fn component(&self, _: TenantId, _: Digest) -> Result<Option<Bytes>, StoreError> {
        Ok(None)
    }
}

/// A library without books.
fn library(folder: &tempfile::TempDir) -> Library {
    let compiler = CompilerCommand { program: "/does/not/exist".into(), args: Vec::new() };
    let key = CacheKey::from_bytes([0; 32]);
    let config = RuntimeConfig::new(folder.path().join("code"), key, compiler, Arc::new(Nothing));
    Library::open(&config, &crate::engine::compiling_without_compiler().expect("engine")).expect("opened")
}

fn invocation(timeout: Duration) -> Invocation {
    let limits = InvocationLimits {
        timeout,
        fuel: 1_000,
        memory_bytes: 1 << 20,
        output_bytes: 1_000,
        log_bytes: 1_000,
        weight: 1,
    };
    let context = InvocationContext {
        function: String::new(),
        execution_id: String::new(),
        workflow_id: String::new(),
        step: String::new(),
        iteration: Vec::new(),
        attempt: 1,
        idempotency_key: String::new(),
        deadline_ms: 0,
        extra: Vec::new(),
    };
    Invocation { tenant: TenantId(1), component: Digest([1; 32]), context, input: Payload::null(), limits }
}

/// The other side of the socket.
struct Peer(UnixStream);

impl Peer {
    async fn say(&mut self, message: &Up) {
        // The server may have hung up: that is what the tests are about.
        let _ = Frame::new(message, Bytes::new()).expect("frame").write(&mut self.0).await;
    }

    async fn hear(&mut self) -> Option<Down> {
        read::<Down>(&mut self.0, (DOWN_MESSAGE_BYTES, DOWN_BYTES)).await.ok().flatten().map(|(message, _)| message)
    }
}

/// A process that only waits, and the socket that the test speaks on instead of it.
async fn worker() -> (Arc<Worker>, Peer, u32) {
    let (ours, its) = UnixStream::pair().expect("sockets");
    let child = Command::new("/bin/cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("a process");
    let pid = child.id().expect("runs");
    let setup = Setup { calls: 4, guest_threads: 1, pooling: false, memory_bytes: 1 << 30 };
    let command = CompilerCommand { program: "/bin/cat".into(), args: Vec::new() };
    let start = Start { command, setup, compatibility: "same".to_owned() };
    let mut peer = Peer(its);
    let (worker, ()) = tokio::join!(Worker::greet((child, ours), &start, TenantId(1)), async {
        assert!(matches!(peer.hear().await, Some(Down::Setup(_))));
        peer.say(&Up::Ready { compatibility: "same".to_owned() }).await;
    });
    (worker.expect("greeted"), peer, pid)
}

fn done(change: impl FnOnce(&mut WireOutcome)) -> Box<WireOutcome> {
    let mut outcome =
        WireOutcome { result: Ok("1".to_owned()), fuel: 1, memory_bytes: 0, elapsed: Duration::ZERO, log: Vec::new() };
    change(&mut outcome);
    Box::new(outcome)
}

/// What comes of a call while the process behaves so; it must be over afterwards if it was a breach.
async fn call(timeout: Duration, behave: impl AsyncFnOnce(&mut Peer, u64)) -> (Outcome, bool) {
    let folder = tempfile::tempdir().expect("folder");
    let library = library(&folder);
    let (worker, mut peer, pid) = worker().await;
    let place = worker.sit().expect("a place");
    let behaviour = async {
        let Some(Down::Call { id, .. }) = peer.hear().await else { panic!("no call") };
        behave(&mut peer, id).await;
        peer
    };
    let call = session::call(place, &library, (invocation(timeout), NoHost::shared()));
    let (outcome, _peer) = tokio::join!(call, behaviour);
    let ended = worker.is_gone();
    if ended {
        // Not only given up: it is no longer there.
        while std::fs::read_link(format!("/proc/{pid}/exe")).is_ok() {
            tokio::task::yield_now().await;
        }
    }
    (outcome, ended)
}

const LONG: Duration = Duration::from_secs(600);

#[tokio::test]
async fn an_honest_process_is_believed() {
    let (outcome, ended) = call(LONG, async |peer, id| {
        peer.say(&Up::Question { id, seq: 1, closed: vec![9], question: Question::Ask(Ask::Config("a".into())) }).await;
        assert!(matches!(peer.hear().await, Some(Down::Reply { seq: 1, .. })));
        peer.say(&Up::Question { id, seq: 2, closed: Vec::new(), question: Question::Program { cached: true } }).await;
        assert!(matches!(peer.hear().await, Some(Down::Reply { seq: 2, .. })));
        peer.say(&Up::Done { id, outcome: done(|_| ()) }).await;
    })
    .await;
    assert_eq!((outcome.result.expect("a result").as_str(), ended), ("1", false));
}

#[tokio::test]
async fn a_process_that_breaks_the_rules_is_ended_and_its_calls_are_lost() {
    let ask = |id, seq| Up::Question { id, seq, closed: Vec::new(), question: Question::Ask(Ask::Config("a".into())) };
    let mut outcomes = vec![
        call(LONG, async |peer, id| peer.say(&Up::Done { id: id + 1, outcome: done(|_| ()) }).await).await,
        call(LONG, async |peer, id| peer.say(&ask(id + 7, 1)).await).await,
        call(LONG, async |peer, id| peer.say(&Up::Left { id }).await).await,
        call(LONG, async |peer, id| peer.say(&Up::Done { id, outcome: done(|o| o.fuel = 1_001) }).await).await,
        call(LONG, async |peer, id| {
            peer.say(&Up::Done { id, outcome: done(|o| o.result = Ok("1".repeat(2_000))) }).await;
        })
        .await,
        call(LONG, async |peer, id| peer.say(&Up::Checked { id, checked: Err(WireFault::Timeout) }).await).await,
        call(LONG, async |peer, _| peer.say(&Up::Ready { compatibility: "same".to_owned() }).await).await,
        call(LONG, async |peer, id| {
            let question = Question::Next(3);
            peer.say(&Up::Question { id, seq: 1, closed: Vec::new(), question }).await;
        })
        .await,
    ];
    // It asks for code again and again, and never reads an answer.
    outcomes.push(
        call(LONG, async |peer, id| {
            for seq in 0..10 {
                let question = Question::Runner { cached: true };
                peer.say(&Up::Question { id, seq, closed: Vec::new(), question }).await;
            }
        })
        .await,
    );
    // Frames that are none, or larger than there can be.
    let size = u32::try_from(UP_MESSAGE_BYTES + 1).expect("small").to_le_bytes();
    for bytes in [vec![255; 100], [&size[..], &[0; 100]].concat()] {
        outcomes.push(call(LONG, async |peer, _| drop(peer.0.write_all(&bytes).await)).await);
    }
    for (number, (outcome, ended)) in outcomes.into_iter().enumerate() {
        assert!(matches!(outcome.result, Err(Fault::Lost(_))) && ended, "{number}: {outcome:?} {ended}");
    }
}

#[tokio::test]
async fn a_flood_of_questions_has_to_wait_and_ends_nobody_elses_work() {
    // More than a socket holds: the writer of the flood stops long before the server's memory does.
    let (outcome, _) = call(LONG, async |peer, id| {
        for seq in 0..100_000 {
            let question = Question::Ask(Ask::Config("a".repeat(1_000)));
            let frame = Frame::new(&Up::Question { id, seq, closed: Vec::new(), question }, Bytes::new());
            if frame.expect("frame").write(&mut peer.0).await.is_err() {
                return;
            }
        }
        panic!("all of the flood was taken");
    })
    .await;
    assert!(matches!(outcome.result, Err(Fault::Lost(_) | Fault::Timeout)), "{outcome:?}");
}

#[tokio::test]
async fn a_process_that_does_not_answer_is_ended_after_the_calls_deadline() {
    let (outcome, ended) = call(Duration::ZERO, async |_, _| ()).await;
    assert_eq!((outcome.result, ended), (Err(Fault::Timeout), true));
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_must_end_too() {
    let (worker, mut peer, pid) = worker().await;
    drop(worker.sit().expect("a place"));
    assert!(matches!(peer.hear().await, Some(Down::Leave { id: 1 })));
    // It takes no notice.
    while std::fs::read_link(format!("/proc/{pid}/exe")).is_ok() {
        clock::until(clock::after(clock::now(), LOOK), std::future::pending::<()>()).await;
    }
    assert!(worker.is_gone());
}

#[tokio::test]
async fn a_process_of_another_version_is_not_taken() {
    let (ours, its) = UnixStream::pair().expect("sockets");
    let child = Command::new("/bin/cat").stdin(Stdio::piped()).kill_on_drop(true).spawn().expect("a process");
    let setup = Setup { calls: 4, guest_threads: 1, pooling: false, memory_bytes: 1 << 30 };
    let command = CompilerCommand { program: "/bin/cat".into(), args: Vec::new() };
    let start = Start { command, setup, compatibility: "same".to_owned() };
    let mut peer = Peer(its);
    peer.say(&Up::Ready { compatibility: "another".to_owned() }).await;
    let worker = Worker::greet((child, ours), &start, TenantId(1)).await;
    assert!(worker.is_err_and(|why| why.contains("version")));
}
