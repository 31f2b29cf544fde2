//! Commits a second at 64 writers, 2 KB each, against appending to a file with the same gathering and one `fdatasync` for all that is there:
//! in turns, in one process, on one disk. A part of `tests/bench/run`; one line of JSON on standard output.
//!
//! `cargo bench --workspace --bench commits -- FOLDER [short]`
#![allow(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a benchmark measures real time, and spawns its writers"
)]

use bytes::Bytes;
use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use stepwell_core::ids::{ExecutionId, TenantId};
use stepwell_engine::ports::{Claim, ExecutionKey, Lease, Line, Store, Transition};
use stepwell_store::{SledConfig, SledStore};
use tokio::sync::{mpsc, oneshot};

const WRITERS: u64 = 64;
const BYTES: usize = 2_048;
/// Lines of one execution.
const LINES: u32 = 20;
/// What the store puts into one batch at most.
const GROUP: usize = 128;
const ROUNDS: usize = 4;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let folder = arguments.first().map_or_else(std::env::temp_dir, Into::into);
    let is_short = arguments.iter().any(|argument| argument == "short");
    let (rounds, lasting) = if is_short { (1, Duration::from_millis(500)) } else { (ROUNDS, Duration::from_secs(4)) };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (mut ours, mut disk) = (0.0, 0.0);
    for round in 1..=rounds {
        let data = tempfile::TempDir::new_in(&folder).expect("a folder");
        let store = Arc::new(SledStore::open(&SledConfig::new(data.path())).expect("the store opens"));
        ours += runtime.block_on(committed(&store, lasting)) / rounds as f64;
        drop(store);
        let file = tempfile::tempfile_in(&folder).expect("a file");
        disk += runtime.block_on(appended(file, lasting)) / rounds as f64;
        let part = rounds as f64 / round as f64;
        eprintln!(
            "bench: commits: round {round} of {rounds}, {:.0} a second, the disk alone {:.0}",
            ours * part,
            disk * part
        );
    }
    println!(
        r#"{{"bench": "commits, 64 writers, 2 KB each", "figure": {ours}, "unit": "/s", "what": "append + fdatasync in groups", "against": {disk}, "atLeast": 0.5}}"#
    );
}

/// Each writer commits to executions of its own, one line at a time.
async fn committed(store: &Arc<SledStore>, lasting: Duration) -> f64 {
    let start = Instant::now();
    let count = Arc::new(AtomicU64::new(0));
    let writers = (0..WRITERS).map(|writer| {
        let (store, count) = (Arc::clone(store), Arc::clone(&count));
        tokio::spawn(async move {
            for line in 0.. {
                if start.elapsed() > lasting {
                    break;
                }
                assert_eq!(store.commit(vec![transition(writer, line)]).await, [Ok(())]);
                count.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("a writer ends well");
    }
    count.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64()
}

fn transition(writer: u64, line: u32) -> Transition {
    let mut tail = [0; 10];
    tail[2..].copy_from_slice(&writer.to_be_bytes());
    let id = ExecutionId::new(u64::from(line / LINES), tail);
    let key = ExecutionKey { tenant: TenantId::DEFAULT, id };
    let journal = vec![Line { seq: line % LINES, entry: Bytes::from(vec![7; BYTES]) }];
    let claim = Claim { id, lease: Lease { shard: key.shard(), epoch: 1 }, journal, record: None };
    Transition { tenant: key.tenant, execution: Some(claim), documents: Vec::new() }
}

/// The limit: as many writers, whose bytes one thread appends and syncs.
async fn appended(file: File, lasting: Duration) -> f64 {
    let (queue, waiting) = mpsc::channel(GROUP);
    let thread = std::thread::spawn(move || append(file, waiting));
    let start = Instant::now();
    let writers = (0..WRITERS).map(|_| {
        let queue = queue.clone();
        tokio::spawn(async move {
            let mut count = 0u64;
            while start.elapsed() <= lasting {
                let (answer, answered) = oneshot::channel();
                queue.send((vec![7; BYTES], answer)).await.expect("the thread takes it");
                answered.await.expect("the thread answers");
                count += 1;
            }
            count
        })
    });
    let mut count = 0;
    for writer in writers.collect::<Vec<_>>() {
        count += writer.await.expect("a writer ends well");
    }
    let took = start.elapsed();
    drop(queue);
    thread.join().expect("the thread ends well");
    count as f64 / took.as_secs_f64()
}

fn append(mut file: File, mut waiting: mpsc::Receiver<(Vec<u8>, oneshot::Sender<()>)>) {
    while let Some(first) = waiting.blocking_recv() {
        let mut group = vec![first];
        while group.len() < GROUP
            && let Ok(one) = waiting.try_recv()
        {
            group.push(one);
        }
        for (bytes, _) in &group {
            file.write_all(bytes).expect("there is room");
        }
        file.sync_data().expect("the disk works");
        for (_, answer) in group {
            // Who asked waits.
            let _ = answer.send(());
        }
    }
}
