//! Whether a long execution costs more for each step than many short ones.

use super::{Plan, Rows, progress};
use crate::load::{once, requests};
use crate::report::{Row, Target};
use crate::stepwell::{How, Stepwell};
use serde_json::json;

/// Steps of the body of the loop, and its iterations: 9,990 steps, since an execution may run 10,000 and the loop is one of them.
const BODY: usize = 10;
const ITERATIONS: usize = 999;
/// Clients that start the short executions.
const CLIENTS: usize = 64;

/// Steps a second of one execution with ten thousand steps, against as many executions with one.
pub async fn rows(plan: &Plan) -> Rows {
    let iterations = if plan.short { 20 } else { ITERATIONS };
    let server = Stepwell::start(&plan.paths, &How::default())?;
    let mut client = server.client().await?;
    server.upload(&mut client, "adds_one").await?;
    server.define(&mut client, &long(iterations)).await?;
    let one = json!({"id": "only", "type": "function", "function": "adds_one"});
    server.define(&mut client, &json!({"id": "short", "steps": [one]})).await?;
    let (long, short) = (server.waited_for("long", "\"completed\""), server.waited_for("short", r#"{"n":2}"#));
    requests(&short, CLIENTS, iterations).await?;
    let (mut chain, mut many) = (0.0, 0.0);
    for round in 1..=plan.rounds {
        chain += once(&mut client, &long).await?.as_secs_f64();
        many += requests(&short, CLIENTS, iterations * BODY).await?.wall.as_secs_f64();
        progress(&format!("chain: round {round} of {}", plan.rounds));
    }
    let steps = (plan.rounds * iterations * BODY) as f64;
    let row = Row::of("one execution of 10,000 steps", steps / chain, "steps/s");
    Ok(vec![row.against("10,000 executions of one step, 64 clients", steps / many).target(Target::AtLeast(0.5))])
}

/// A loop whose body is a chain.
fn long(iterations: usize) -> serde_json::Value {
    let items: Vec<usize> = (0..iterations).collect();
    let mut steps = vec![json!({"id": "each", "type": "loop", "config": {"items": items}, "next": "step-0"})];
    steps.extend((0..BODY).map(|number| {
        let config = json!({"input": {"n": 1}});
        let mut step =
            json!({"id": format!("step-{number}"), "type": "function", "function": "adds_one", "config": config});
        if number + 1 < BODY {
            step["next"] = json!(format!("step-{}", number + 1));
        }
        step
    }));
    json!({"id": "long", "steps": steps})
}
