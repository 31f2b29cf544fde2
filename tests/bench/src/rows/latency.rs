//! What requests feel while functions compute on all processors.

use super::{Plan, Rows, progress};
use crate::figures::Spread;
use crate::http::{Client, Message};
use crate::load::{Work, once};
use crate::report::{Row, Target};
use crate::stepwell::{How, Stepwell};
use anyhow::Context as _;
use serde_json::{Value, json};

/// Executions that compute without end: more than there are slots.
const FLOOD: usize = 200;
/// Requests of a round, one at a time; idle and busy rounds take turns.
const REQUESTS: usize = 400;

/// The 99th percentile of a request, busy against idle.
pub async fn rows(plan: &Plan) -> Rows {
    let server = Stepwell::start(&plan.paths, &How { args: &["--fuel", "1000000000000"], ..How::default() })?;
    let mut client = server.client().await?;
    server.upload(&mut client, "loops_forever").await?;
    let step = json!({"id": "only", "type": "function", "function": "loops_forever", "config": {"timeout": "10m"}});
    server.define(&mut client, &json!({"id": "spin", "steps": [step]})).await?;
    let work = Work { message: Message::get("/workflows/spin"), ..server.waited_for("spin", "loops_forever") };
    let (mut idle, mut busy) = (Spread::default(), Spread::default());
    let (rounds, requests) = if plan.short { (1, REQUESTS / 10) } else { (plan.rounds * 2, REQUESTS) };
    for round in 1..=rounds {
        idle.add(latencies(&mut client, &work, requests).await?);
        let under_way = flood(&mut client, if plan.short { FLOOD / 20 } else { FLOOD }).await?;
        busy.add(latencies(&mut client, &work, requests).await?);
        for id in under_way {
            client.send(&Message::post(format!("/workflows/executions/{id}/cancel"), &json!({}))).await?;
        }
        until_running(&mut client, |running| running == 0).await?;
        progress(&format!(
            "latency: round {round} of {rounds}, p99 {:.2} ms idle, {:.2} busy",
            idle.percentile(99),
            busy.percentile(99)
        ));
    }
    let row = |percent: usize| {
        let row = Row::of(
            format!("a request while functions compute on all processors, p{percent}"),
            busy.percentile(percent),
            "ms",
        );
        row.against("idle", idle.percentile(percent))
    };
    Ok(vec![row(50), row(99).target(Target::AtMost(3.0))])
}

async fn latencies(client: &mut Client, work: &Work, count: usize) -> anyhow::Result<Spread> {
    let mut took = Vec::with_capacity(count);
    for _ in 0..count {
        took.push(once(client, work).await?);
    }
    Ok(Spread::of(took))
}

async fn flood(client: &mut Client, count: usize) -> anyhow::Result<Vec<String>> {
    let (start, mut under_way) = (Message::post("/workflows/trigger", &json!({"workflowId": "spin"})), Vec::new());
    for _ in 0..count {
        let started = client.ask(&start).await?;
        under_way.push(started["executionId"].as_str().context("an id")?.to_owned());
    }
    until_running(client, |running| running > 1).await?;
    Ok(under_way)
}

/// By the number of attempts that run.
async fn until_running(client: &mut Client, wanted: impl Fn(u64) -> bool) -> anyhow::Result<()> {
    loop {
        let usage: Value = client.ask(&Message::get("/usage")).await?;
        if wanted(usage["quotas"]["attempts_running"]["used"].as_u64().context("a number")?) {
            return Ok(());
        }
    }
}
