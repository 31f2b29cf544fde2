//! Webhooks: no request that a stranger made up counts as signed, by no scheme, whatever its headers and its body are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::json;
use std::sync::LazyLock;
use stepwell_core::definition::{WebhookTrigger, check};
use stepwell_core::time::Timestamp;
use stepwell_engine::Incoming;
use stepwell_engine::fuzzing::is_signed;

/// What the stranger does not have.
const SECRET: &str = "whsec_c3Ryb25nIGVub3VnaCBmb3IgYSBmdXp6ZXI=";
/// The moment of the request: near the times in the seeds.
const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// One of each scheme.
static WEBHOOKS: LazyLock<Vec<WebhookTrigger>> = LazyLock::new(|| {
    let hmac = json!({"scheme": "hmac", "header": "x-signature"});
    let schemes = ["auto", "stripe", "github", "slack", "standard"].map(|scheme| json!({"scheme": scheme}));
    schemes.into_iter().chain([hmac]).filter_map(webhook).collect()
});

fn webhook(mut config: serde_json::Value) -> Option<WebhookTrigger> {
    config["path"] = json!("/webhooks/a");
    config["secret"] = json!("***");
    let steps = json!([{"id": "a", "type": "condition", "condition": "true"}]);
    let definition = json!({"steps": steps, "triggers": [{"type": "webhook", "config": config}]});
    check("w", 1, &definition).ok()?.workflow.triggers.webhooks.into_iter().next()
}

/// Lines are headers up to an empty one; the rest is the body.
fn request(data: &[u8]) -> Incoming {
    let end = data.windows(2).position(|two| two == b"\n\n").unwrap_or(data.len());
    let (head, body) = data.split_at(end);
    let header = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = String::from_utf8(line[..colon].to_ascii_lowercase()).ok()?;
        Some((name, line[colon + 1..].trim_ascii().to_vec().into()))
    };
    Incoming {
        method: "POST".to_owned(),
        path: "/webhooks/a".to_owned(),
        query: serde_json::Map::new(),
        headers: head.split(|byte| *byte == b'\n').filter_map(header).take(64).collect(),
        body: body.get(2..).unwrap_or_default().to_vec().into(),
    }
}

fuzz_target!(|data: &[u8]| {
    let request = request(data);
    assert!(WEBHOOKS.len() >= 5, "every scheme is tried");
    for webhook in WEBHOOKS.iter() {
        assert!(!is_signed(webhook, SECRET, &request, NOW), "{webhook:?} {request:?}");
    }
});
