//! Definitions to draw.

use crate::picture::{Answer, Figure, figure};
use crate::time::Timestamp;
use serde_json::{Value, json};

/// Every step type, nested loops, both ways out of a human step, a handler, a cycle.
pub fn everything() -> Figure {
    figure(&serde_json::from_str(include_str!("everything.json")).expect("JSON"))
}

/// The seed's order workflow, after the stock was empty.
pub fn order_failed() -> Figure {
    let mut figure = figure(&order());
    let at = |second: u64| Timestamp(1_790_000_000_000 + second * 1_000).rfc3339();
    let done = |attempts: u64| json!({"status": "completed", "attempts": attempts, "runs": 1, "startedAt": at(0), "endedAt": at(1)});
    let mut chosen = done(0);
    chosen["outcome"] = json!(true);
    let failed = json!({"status": "failed", "attempts": 1, "runs": 1, "startedAt": at(2), "endedAt": at(3)});
    let answer = json!({
        "executionId": "exec-01", "workflowId": "order", "revision": 2, "status": "failed", "state": "failed",
        "startedAt": at(0), "endedAt": at(4), "error": "update-inventory failed: no more (out_of_stock)",
        "errorDetails": {"code": "out_of_stock", "message": "no more", "step": "update-inventory", "attempt": 1},
        "steps": {
            "validate": done(1), "process-payment": done(3), "verify-payment": chosen, "notify-customer": done(1),
            "update-inventory": failed, "create-shipment": {"status": "skipped", "attempts": 0, "runs": 0},
            "payment-failed": {"status": "skipped", "attempts": 0, "runs": 0},
        },
    });
    let answer: Answer = serde_json::from_value(answer).expect("an answer");
    answer.onto(&mut figure, Timestamp(0));
    figure
}

fn order() -> Value {
    let step =
        |id: &str, next: &str| json!({"id": id, "type": "function", "function": format!("do-{id}"), "next": next});
    let last = |id: &str| json!({"id": id, "type": "function", "function": format!("do-{id}")});
    json!({"id": "order", "name": "Order", "revision": 2, "steps": [
        step("validate", "process-payment"), step("process-payment", "verify-payment"),
        {"id": "verify-payment", "type": "condition", "condition": "result.status === \"succeeded\"",
         "next": ["update-inventory", "notify-customer"], "config": {"else": "payment-failed"}},
        step("update-inventory", "create-shipment"), last("notify-customer"), last("create-shipment"), last("payment-failed"),
    ]})
}
