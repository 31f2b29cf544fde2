//! What comes from outside while the server lives or dies: events, callbacks, webhooks. Who sends them is stubborn, as a provider is: what was
//! not acknowledged is sent again under the same name, and what was is not.

use crate::api::{Answer, Api};
use crate::load::World;
use crate::memory::Known;
use crate::workflows::{Kind, Pen, then};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

/// How an execution begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Somebody asks for it, with an idempotency key.
    Asked,
    /// An event starts it.
    Event,
    /// A signed delivery starts it.
    Webhook,
}

/// What it must be told before it can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hears {
    Nothing,
    /// An event, whenever it comes.
    Event,
    /// An event that comes when it waits.
    EventInTime,
    /// An answer to its callback.
    Callback,
}

const STARTING: &str = "crash.begin";
const WAITED_FOR: &str = "crash.go";
const HOOK: &str = "/webhooks/crash";
const SECRET: &str = "It's a Secret to Everybody";
const ONCE: &[&str] = &["-"];
/// What is recorded of a step that ends with a word from outside is another kind of line than a result.
const BEFORE_AND_AFTER: &[(&str, usize)] = &[("a", 1), ("z", 1)];

/// Executions that are started by the outside, or told something by it.
pub const OUTSIDE: [Kind; 5] = [
    Kind {
        id: "hears",
        effects: &[("a", ONCE), ("z", ONCE)],
        of_child: None,
        results: BEFORE_AND_AFTER,
        way: Way::Asked,
        hears: Hears::Event,
        steps: |pen| hearing(pen, &json!({"type": "event", "config": waits(&json!("start"))}), "steps.h.result.data"),
    },
    Kind {
        id: "hears-in-time",
        effects: &[("a", ONCE), ("z", ONCE)],
        of_child: None,
        results: BEFORE_AND_AFTER,
        way: Way::Asked,
        hears: Hears::EventInTime,
        steps: |pen| hearing(pen, &json!({"type": "event", "config": waits(&Value::Null)}), "steps.h.result.data"),
    },
    Kind {
        id: "called-back",
        effects: &[("a", ONCE), ("h", ONCE), ("z", ONCE)],
        of_child: None,
        results: BEFORE_AND_AFTER,
        way: Way::Asked,
        hears: Hears::Callback,
        steps: |pen| {
            let mut asks = pen.post("h", &["a"], None);
            asks["config"]["async"] = json!(true);
            hearing(pen, &asks, "steps.h.result")
        },
    },
    Kind {
        id: "begun-by-event",
        effects: &[("a", ONCE), ("z", ONCE)],
        of_child: None,
        results: BEFORE_AND_AFTER,
        way: Way::Event,
        hears: Hears::Nothing,
        steps: two,
    },
    Kind {
        id: "begun-by-webhook",
        effects: &[("a", ONCE), ("z", ONCE)],
        of_child: None,
        results: BEFORE_AND_AFTER,
        way: Way::Webhook,
        hears: Hears::Nothing,
        steps: two,
    },
];

fn two(pen: &Pen) -> Value {
    json!([pen.post("a", &[], Some("z")), pen.post("z", &["a"], None)])
}

fn waits(since: &Value) -> Value {
    let mut config = json!({"eventType": WAITED_FOR, "match": "event.data.name === input.name"});
    if !since.is_null() {
        config["since"] = since.clone();
    }
    config
}

/// A step, then one that waits for a word from outside, then one that tells the ledger the word.
fn hearing(pen: &Pen, waiting: &Value, heard: &str) -> Value {
    let mut waiting = waiting.clone();
    waiting["id"] = json!("h");
    json!([pen.post("a", &[], Some("h")), then(waiting, Some("z")), pen.repeat("z", &["a"], heard)])
}

impl Way {
    /// The triggers of a workflow that begins like this.
    pub fn triggers(self) -> Value {
        match self {
            Self::Asked => json!([]),
            Self::Event => json!([{"type": "event", "config": {"eventType": STARTING}}]),
            Self::Webhook => {
                json!([{"type": "webhook", "config": {"path": HOOK, "secret": SECRET, "scheme": "github"}}])
            }
        }
    }

    /// Asks for the execution of this name, or asks again; the answer.
    pub fn begin(self, api: &Api, (name, request): (&str, &Value), wait: &str) -> Result<Answer, String> {
        match self {
            Self::Asked => api.post(&format!("/workflows/trigger{wait}"), request),
            Self::Event => {
                api.post("/events", &json!({"type": STARTING, "source": "crash", "id": name, "data": request["input"]}))
            }
            Self::Webhook => {
                let body = request["input"].to_string();
                let signature = format!("sha256={}", signature(&body));
                let headers = [
                    ("content-type", "application/json"),
                    ("x-github-delivery", name),
                    ("x-hub-signature-256", &signature),
                ];
                api.stranger().send("POST", HOOK, &headers, body.as_bytes())
            }
        }
    }
}

/// As GitHub signs: HMAC-SHA256 of the body, in hexadecimal.
fn signature(body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("keys of any length");
    mac.update(body.as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl World {
    /// Looks which execution an acknowledged event has started. It is one, once all that follows from the event is done.
    pub fn find(&self, api: &Api, name: &str) -> Result<(), String> {
        match api.get(&format!("/events/{name}"))? {
            (200, event) => match event["started"].as_array().map(Vec::as_slice).unwrap_or_default() {
                [one] => self.memory.acknowledged(name, one),
                [] if event["settled"] != true => {}
                other => {
                    self.memory.fault(format!("{name}: the event has started {} executions: {event}", other.len()));
                }
            },
            (503, _) => {}
            (status, body) => {
                self.memory.fault(format!("{name}: the event was acknowledged, and is answered {status}: {body}"));
            }
        }
        Ok(())
    }

    /// Tells those who wait for it what they wait for, if this says so. Webhooks are delivered once more: a provider that lost the answer does
    /// that, and the answer must be the same.
    pub fn tell(&self, api: &Api, mut which: impl FnMut() -> bool) -> Result<(), String> {
        for (name, known) in self.memory.unsettled() {
            if known.id.is_none() || !which() {
                continue;
            }
            match known.kind.hears {
                Hears::Event | Hears::EventInTime => self.publish(api, &name, &known)?,
                Hears::Callback => self.call_back(api, &name, &known)?,
                Hears::Nothing if known.kind.way == Way::Webhook => {
                    self.ask(api, (&name, known.kind), &known.request, "")?;
                }
                Hears::Nothing => {}
            }
        }
        Ok(())
    }

    /// Publishes what an execution waits for, under one id until it is acknowledged. What was first is what counts.
    fn publish(&self, api: &Api, name: &str, known: &Known) -> Result<(), String> {
        if known.said.taken.is_some() || (known.kind.hears == Hears::EventInTime && !waits_now(api, known)?) {
            return Ok(());
        }
        let data = json!({"name": name, "word": self.memory.try_word(name)});
        let event = json!({"type": WAITED_FOR, "source": "crash", "id": format!("go-{name}"), "data": data});
        match api.post("/events", &event)? {
            (200 | 201, kept) => self.memory.taken(name, &kept["data"]["word"]),
            (429 | 503 | 507, _) => self.memory.refused(),
            (status, body) => self.memory.fault(format!("{name}: its event was answered {status}: {body}")),
        }
        Ok(())
    }

    /// Answers a callback, as somebody who has nothing but its address.
    fn call_back(&self, api: &Api, name: &str, known: &Known) -> Result<(), String> {
        let path = self.ledger.callback(name).filter(|path| known.said.used.as_ref() != Some(path));
        let Some(path) = path else { return Ok(()) };
        let word = self.memory.try_word(name);
        match api.stranger().post(&path, &json!({"result": {"word": word}}))? {
            (200, _) => self.memory.taken(name, &json!(word)),
            // An answer before it was taken although nobody was told; or another attempt has another callback.
            (409, _) => self.memory.used(name, &path),
            (429 | 503 | 507, _) => self.memory.refused(),
            (status, body) => self.memory.fault(format!("{name}: its callback was answered {status}: {body}")),
        }
        Ok(())
    }
}

/// Whether it is shown to wait for its event: from then on the event counts.
fn waits_now(api: &Api, known: &Known) -> Result<bool, String> {
    let Some(id) = &known.id else { return Ok(false) };
    let (status, shown) = api.get(&format!("/workflows/executions/{id}"))?;
    Ok(status == 200 && shown["state"] == "waiting_event")
}
