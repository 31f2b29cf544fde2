//! What was acknowledged survives `kill -9`: a child process writes and reports each acknowledgement, is killed at any
//! moment, and its store must hold all that it reported.

#![allow(clippy::expect_used)]

use bytes::Bytes;
use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use stepwell_core::ids::{ExecutionId, TenantId};
use stepwell_core::time::Timestamp;
use stepwell_engine::ports::{Claim, ExecutionKey, Line, Record, RecordStatus, Store, Transition};
use stepwell_store::{SledConfig, SledStore};

const FOLDER: &str = "STEPWELL_TEST_KILL_FOLDER";
/// Kills per test run.
const ROUNDS: u64 = 12;
const WRITERS: u8 = 16;
/// A round ends at a random acknowledgement up to this one, some in the middle of the store's opening.
const MOST_ACKNOWLEDGEMENTS: u64 = 600;

/// An execution goes from one to the next with each line.
const STATES: [RecordStatus; 3] = [RecordStatus::Unfinished, RecordStatus::Parked, RecordStatus::Completed];

fn key(writer: u8) -> ExecutionKey {
    ExecutionKey { tenant: TenantId::DEFAULT, id: ExecutionId::new(u64::from(writer), [writer; 10]) }
}

/// Every seventh entry is large enough for a file.
fn entry(writer: u8, seq: u32) -> Bytes {
    let size = if seq % 7 == 3 { 5_000 } else { 200 };
    Bytes::from(vec![writer ^ seq.to_le_bytes()[0]; size])
}

fn next(writer: u8, seq: u32) -> Transition {
    let key = key(writer);
    let record = Record {
        status: STATES[seq as usize % STATES.len()],
        created: Timestamp(0),
        wake: None,
        workflow: "order".to_owned(),
        outline: Bytes::new(),
        body: Bytes::copy_from_slice(&seq.to_be_bytes()),
    };
    let lease = stepwell_engine::ports::Lease { shard: key.shard(), epoch: 1 };
    let claim =
        Claim { id: key.id, lease, journal: vec![Line { seq, entry: entry(writer, seq) }], record: Some(record) };
    Transition { tenant: key.tenant, execution: Some(claim), documents: Vec::new() }
}

/// Not a test by itself: the process that [`acknowledged_transitions_survive_kill_9`] kills.
#[tokio::test]
async fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    report("opening");
    let store = Arc::new(SledStore::open(&SledConfig::new(folder)).expect("the store opens after a kill"));
    futures_util::future::join_all((0..WRITERS).map(|writer| write_until_killed(Arc::clone(&store), writer))).await;
}

async fn write_until_killed(store: Arc<SledStore>, writer: u8) {
    let journal = store.journal(key(writer), 0, usize::MAX).await.expect("the journal can be read");
    for seq in journal.len() as u32.. {
        assert_eq!(store.commit(vec![next(writer, seq)]).await, [Ok(())]);
        report(&format!("{writer} {seq}"));
    }
}

/// One write per line: what has arrived was acknowledged.
fn report(line: &str) {
    std::io::stdout().lock().write_all(format!("\n#{line}\n").as_bytes()).expect("the parent reads");
}

#[test]
fn acknowledged_transitions_survive_kill_9() {
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let random = RandomState::new();
    let mut acknowledged = BTreeMap::new();
    for round in 0..ROUNDS {
        let after = match round % 4 {
            // The child reports once before it opens the store.
            0 => 1,
            _ => 1 + random.hash_one(round) % MOST_ACKNOWLEDGEMENTS,
        };
        run_and_kill(folder.path(), after, &mut acknowledged);
        verify(folder.path(), &acknowledged);
    }
    assert!(acknowledged.values().sum::<u32>() > 100, "hardly anything was written: {acknowledged:?}");
}

/// Kills the child after so many reports; keeps the length that each journal must have at least.
fn run_and_kill(folder: &Path, reports: u64, acknowledged: &mut BTreeMap<u8, u32>) {
    let this = std::env::current_exe().expect("a test has a path");
    let mut child = Command::new(this)
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the child starts");
    let mut output = BufReader::new(child.stdout.take().expect("it is a pipe"));
    let mut seen = 0;
    let mut line = String::new();
    while seen < reports {
        line.clear();
        let read = output.read_line(&mut line).expect("the child writes text");
        assert!(read > 0, "the child ended by itself after {seen} reports");
        seen += u64::from(keep(&line, acknowledged));
    }
    child.kill().expect("the child can be killed");
    child.wait().expect("the child is dead");
    let mut rest = String::new();
    output.read_to_string(&mut rest).expect("the child writes text");
    // The last line may be cut off in the middle of a number: it does not count.
    let complete = rest.rsplit_once('\n').map_or("", |(complete, _)| complete);
    for line in complete.lines() {
        keep(line, acknowledged);
    }
}

fn keep(line: &str, acknowledged: &mut BTreeMap<u8, u32>) -> bool {
    let Some(report) = line.trim_end().strip_prefix('#') else { return false };
    if let Some((writer, seq)) = report.split_once(' ') {
        let (writer, seq) = (writer.parse().expect("a writer"), seq.parse::<u32>().expect("a number"));
        let length = acknowledged.entry(writer).or_insert(0);
        assert!(seq + 1 > *length, "writer {writer} wrote line {seq} again");
        *length = seq + 1;
    }
    true
}

fn verify(folder: &Path, acknowledged: &BTreeMap<u8, u32>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
    let store = SledStore::open(&SledConfig::new(folder)).expect("the store opens after a kill");
    runtime.block_on(async {
        let mut of_state = BTreeMap::<RecordStatus, u64>::new();
        for writer in 0..WRITERS {
            let length = acknowledged.get(&writer).copied().unwrap_or(0);
            let journal = store.journal(key(writer), 0, usize::MAX).await.expect("the journal can be read");
            assert!(journal.len() as u32 >= length, "writer {writer}: {} of {length} lines", journal.len());
            assert!(journal.iter().all(|line| line.entry == entry(writer, line.seq)), "writer {writer}");
            let record = store.record(key(writer)).await.expect("the record can be read");
            // The record and the last line were written together, or not at all.
            let last = journal.last().map(|line| Bytes::copy_from_slice(&line.seq.to_be_bytes()));
            record.iter().for_each(|record| *of_state.entry(record.status).or_default() += 1);
            assert_eq!(record.map(|record| record.body), last, "writer {writer}");
        }
        // So were the counts.
        for state in STATES {
            let counted = store.count(TenantId::DEFAULT, state).await;
            assert_eq!(counted, Ok(of_state.get(&state).copied().unwrap_or(0)), "{state:?}");
        }
        assert_eq!(store.health().await, Ok(()));
    });
}
