//! How many transitions the store commits per second: `cargo run --release -p stepwell-store --example commit_bench [FOLDER]`.
//!
//! Each writer appends one line of 200 bytes to an execution of its own and waits until it is durable. Trust the
//! ratios: a virtual machine's `fdatasync` varies tenfold. Give a folder on the disk that matters; the default is the
//! system's temporary one.

#![allow(clippy::expect_used)]
// Measuring is what this program is for.
#![allow(clippy::disallowed_methods)]

use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stepwell_core::ids::{ExecutionId, TenantId};
use stepwell_engine::ports::{Claim, ExecutionKey, Lease, Line, Store, Transition};
use stepwell_store::{SledConfig, SledStore};

const ENTRY_BYTES: usize = 200;
const RUN: Duration = Duration::from_secs(5);
/// Lines per execution, as a workflow of ten steps would write.
const LINES: u32 = 20;

fn main() {
    let parent = std::env::args().nth(1).map_or_else(std::env::temp_dir, Into::into);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    for writers in [1, 64, 512] {
        let folder = tempfile::TempDir::new_in(&parent).expect("a temporary folder");
        eprintln!("{writers} writers for {} s in {} ...", RUN.as_secs(), folder.path().display());
        let store = Arc::new(SledStore::open(&SledConfig::new(folder.path())).expect("the store opens"));
        println!("{writers:>4} writers: {}", runtime.block_on(measure(store, writers)));
    }
}

async fn measure(store: Arc<SledStore>, writers: u64) -> String {
    let start = Instant::now();
    let writers = (0..writers).map(|number| tokio::spawn(write(Arc::clone(&store), number, start)));
    let mut waits = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        waits.extend(writer.await.expect("a writer ends well"));
    }
    let per_second = waits.len() as f64 / start.elapsed().as_secs_f64();
    waits.sort_unstable();
    let quantile = |part: usize| waits[(waits.len() - 1) * part / 100].as_secs_f64() * 1_000.0;
    format!("{per_second:>7.0} transitions/s, p50 {:.2} ms, p99 {:.2} ms", quantile(50), quantile(99))
}

/// How long each commit of one writer took.
async fn write(store: Arc<SledStore>, number: u64, start: Instant) -> Vec<Duration> {
    let mut waits = Vec::new();
    for line in 0u32.. {
        if start.elapsed() > RUN {
            break;
        }
        let transition = transition(number, line);
        let asked = Instant::now();
        assert_eq!(store.commit(vec![transition]).await, [Ok(())]);
        waits.push(asked.elapsed());
    }
    waits
}

fn transition(writer: u64, line: u32) -> Transition {
    let mut tail = [0; 10];
    tail[2..].copy_from_slice(&writer.to_be_bytes());
    let id = ExecutionId::new(u64::from(line / LINES), tail);
    let key = ExecutionKey { tenant: TenantId::DEFAULT, id };
    let journal = vec![Line { seq: line % LINES, entry: Bytes::from(vec![7; ENTRY_BYTES]) }];
    let claim = Claim { id, lease: Lease { shard: key.shard(), epoch: 1 }, journal, record: None };
    Transition { tenant: key.tenant, execution: Some(claim), documents: Vec::new() }
}
