//! Clients that ask without a pause.

use crate::figures::{Load, Spread};
use crate::http::{Client, Message, Place};
use crate::process;
use anyhow::{Context as _, ensure};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A request that is sent again and again, and what its answer must contain.
#[derive(Debug, Clone)]
pub struct Work {
    pub place: Place,
    pub message: Message,
    pub proof: &'static str,
    /// The processes whose time it takes.
    pub pids: Vec<u32>,
}

/// So many clients for so long; the first requests, while all connect, count as well.
pub async fn load(work: &Work, clients: usize, lasting: Duration) -> anyhow::Result<Load> {
    let work = Arc::new(work.clone());
    let mut connections = Vec::with_capacity(clients);
    for _ in 0..clients {
        connections.push(Client::connect(&work.place).await?);
    }
    let (cpu, start) = (process::cpu(&work.pids)?, Instant::now());
    let all: Vec<_> =
        connections.into_iter().map(|client| tokio::spawn(ask(client, Arc::clone(&work), start + lasting))).collect();
    let mut took = Vec::new();
    for one in all {
        took.extend(one.await??);
    }
    let (wall, cpu) = (start.elapsed(), process::cpu(&work.pids)?.saturating_sub(cpu));
    Ok(Load { latencies: Spread::of(took), wall, cpu })
}

/// Just so many requests, by so many clients.
pub async fn requests(work: &Work, clients: usize, count: usize) -> anyhow::Result<Load> {
    let left = Arc::new(std::sync::atomic::AtomicUsize::new(count));
    let (cpu, start) = (process::cpu(&work.pids)?, Instant::now());
    let all: Vec<_> = (0..clients)
        .map(|_| {
            let (work, left) = (work.clone(), Arc::clone(&left));
            tokio::spawn(async move {
                let (mut client, mut took) = (Client::connect(&work.place).await?, Vec::new());
                let take = |left: usize| left.checked_sub(1);
                let (set, fetch) = (std::sync::atomic::Ordering::Relaxed, std::sync::atomic::Ordering::Relaxed);
                while left.fetch_update(set, fetch, take).is_ok() {
                    took.push(once(&mut client, &work).await?);
                }
                anyhow::Ok(took)
            })
        })
        .collect();
    let mut took = Vec::new();
    for one in all {
        took.extend(one.await??);
    }
    let (wall, cpu) = (start.elapsed(), process::cpu(&work.pids)?.saturating_sub(cpu));
    Ok(Load { latencies: Spread::of(took), wall, cpu })
}

async fn ask(mut client: Client, work: Arc<Work>, end: Instant) -> anyhow::Result<Vec<Duration>> {
    let mut took = Vec::new();
    while Instant::now() < end {
        took.push(once(&mut client, &work).await?);
    }
    Ok(took)
}

/// One request; how long it took.
pub async fn once(client: &mut Client, work: &Work) -> anyhow::Result<Duration> {
    let asked = Instant::now();
    let body = client.send(&work.message).await?;
    let took = asked.elapsed();
    let text = std::str::from_utf8(&body).context("an answer that is no text")?;
    ensure!(text.contains(work.proof), "the answer does not contain {}: {text}", work.proof);
    Ok(took)
}
