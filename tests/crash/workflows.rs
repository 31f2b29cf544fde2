//! The workflows that are run, and what must come of them.

use crate::api::{Api, must};
use crate::load::World;
use crate::outside::{Hears, OUTSIDE, Way};
use crate::ticks;
use serde_json::{Value, json};
use std::path::Path;

/// A workflow and what an execution of it must leave behind.
#[derive(Debug)]
pub struct Kind {
    /// Its id.
    pub id: &'static str,
    /// Steps that write to the ledger, and the iterations in which they do.
    pub effects: &'static [(&'static str, &'static [&'static str])],
    /// The same of the execution that it starts.
    pub of_child: Option<&'static str>,
    /// How many results there are of each step.
    pub results: &'static [(&'static str, usize)],
    /// How an execution begins, and what it must be told.
    pub way: Way,
    pub hears: Hears,
    pub steps: fn(&Pen) -> Value,
}

const ONCE: &[&str] = &["-"];

/// Mixed work: everything that an execution can wait for, with effects before and after it.
pub const KINDS: [Kind; 9] = [
    Kind {
        id: "chain",
        effects: &[("a", ONCE), ("b", ONCE), ("c", ONCE)],
        of_child: None,
        results: &[("a", 1), ("b", 1), ("c", 1)],
        way: Way::Asked,
        hears: Hears::Nothing,
        steps: |pen| {
            json!([pen.post("a", &[], Some("b")), pen.post("b", &["a"], Some("c")), pen.post("c", &["a", "b"], None)])
        },
    },
    Kind {
        id: "fork",
        effects: &[("x", ONCE), ("y", ONCE), ("j", ONCE)],
        of_child: None,
        results: &[("d", 1), ("x", 1), ("y", 1), ("e", 1), ("j", 1)],
        way: Way::Asked,
        hears: Hears::Nothing,
        steps: |pen| {
            let mut first = draw("d", None);
            first["next"] = json!(["x", "y", "e"]);
            let echo = json!({"id": "e", "type": "function", "function": "echo", "next": "j"});
            json!([
                first,
                pen.post("x", &["d"], Some("j")),
                pen.post("y", &[], Some("j")),
                echo,
                pen.post("j", &["d", "x", "y"], None)
            ])
        },
    },
    Kind {
        id: "rounds",
        effects: &[("b", &["0", "1", "2"]), ("z", ONCE)],
        of_child: None,
        results: &[("b", 3), ("z", 1)],
        way: Way::Asked,
        hears: Hears::Nothing,
        steps: |pen| {
            let all =
                json!({"id": "l", "type": "loop", "config": {"items": ["p", "q", "r"], "done": "z"}, "next": "b"});
            json!([all, pen.post("b", &[], None), pen.post("z", &[], None)])
        },
    },
    Kind {
        id: "approval",
        effects: &[("a", ONCE), ("z", ONCE)],
        of_child: None,
        results: &[("a", 1), ("z", 1)],
        way: Way::Asked,
        hears: Hears::Nothing,
        steps: |pen| {
            let human = json!({"id": "h", "type": "human", "config": {}, "next": "z"});
            json!([pen.post("a", &[], Some("h")), human, pen.post("z", &["a"], None)])
        },
    },
    Kind {
        id: "timer",
        effects: &[("a", ONCE), ("z", ONCE)],
        of_child: None,
        results: &[("a", 1), ("d", 1), ("z", 1)],
        way: Way::Asked,
        hears: Hears::Nothing,
        steps: |pen| {
            let wait = json!({"id": "w", "type": "wait", "config": {"duration": "300ms"}, "next": "d"});
            json!([pen.post("a", &[], Some("w")), wait, draw("d", Some("z")), pen.post("z", &["a", "d"], None)])
        },
    },
    Kind {
        id: "retry",
        effects: &[("f", ONCE), ("z", ONCE)],
        of_child: None,
        results: &[("d", 1), ("f", 1), ("z", 1)],
        way: Way::Asked,
        hears: Hears::Nothing,
        steps: |pen| {
            let mut flaky = pen.post("f", &["d"], Some("z"));
            flaky["config"]["input"]["url"] = json!(format!("{}/flaky", pen.ledger));
            flaky["config"]["retries"] = json!(5);
            flaky["config"]["retry"] = json!({"delay": 60, "backoff": "constant"});
            json!([draw("d", Some("f")), flaky, pen.post("z", &["d", "f"], None)])
        },
    },
    Kind {
        id: "lots",
        effects: &[("z", ONCE)],
        of_child: None,
        results: &[("d0", 1), ("d1", 1), ("d2", 1), ("d3", 1), ("d4", 1), ("d5", 1), ("d6", 1), ("z", 1)],
        way: Way::Asked,
        hears: Hears::Nothing,
        steps: |pen| {
            let mut steps = draws("z");
            steps.push(pen.post("z", &DRAWS, None));
            Value::Array(steps)
        },
    },
    Kind {
        id: "pure",
        effects: &[],
        of_child: None,
        results: &[("d0", 1), ("d1", 1), ("d2", 1), ("d3", 1), ("d4", 1), ("d5", 1), ("d6", 1), ("e", 1)],
        way: Way::Asked,
        hears: Hears::Nothing,
        steps: |_| {
            let mut steps = draws("e");
            steps.push(json!({"id": "e", "type": "function", "function": "echo"}));
            Value::Array(steps)
        },
    },
    Kind {
        id: "parent",
        effects: &[("z", ONCE)],
        of_child: Some("k"),
        results: &[("d", 1), ("c", 1), ("z", 1)],
        way: Way::Asked,
        hears: Hears::Nothing,
        steps: |pen| {
            let child = json!({"id": "c", "type": "workflow", "config": {"workflow": "leaf"}, "next": "z"});
            json!([draw("d", Some("c")), child, pen.post("z", &["d", "c"], None)])
        },
    },
];

const DRAWS: [&str; 7] = ["d0", "d1", "d2", "d3", "d4", "d5", "d6"];
/// Has no effect, and answers otherwise each time. What it is given to carry it hands on.
const DRAW: &str = "export default (input) => ({lot: Math.random(), pad: input.pad ?? null});";

/// Writes steps that write to the ledger.
pub struct Pen {
    ledger: String,
}

impl Pen {
    /// A step that tells the ledger for whom it works, and what these steps have given.
    pub fn post(&self, id: &str, told: &[&str], next: Option<&str>) -> Value {
        then(self.write(id, ("input.name", told), ""), next)
    }

    /// The last step; it also repeats the word that it finds here.
    pub fn repeat(&self, id: &str, told: &[&str], heard: &str) -> Value {
        self.write(id, ("input.name", told), &format!(", heard: {heard}.word"))
    }

    /// A step that tells the ledger that it works for whom this expression names.
    pub fn write(&self, id: &str, (name, told): (&str, &[&str]), more: &str) -> Value {
        let told: Vec<String> =
            told.iter().map(|step| format!("{step}: steps.{step}.result.lot ?? steps.{step}.result.body")).collect();
        let body = format!("{{{{ JSON.stringify({{name: {name}, told: {{{}}}{more}}}) }}}}", told.join(", "));
        let request = json!({"method": "POST", "url": format!("{}/", self.ledger), "body": body});
        json!({"id": id, "type": "function", "function": "post", "config": {"input": request}})
    }
}

fn draw(id: &str, next: Option<&str>) -> Value {
    then(json!({"id": id, "type": "function", "function": "draw"}), next)
}

fn draws(after: &str) -> Vec<Value> {
    let nexts = DRAWS.iter().skip(1).chain([&after]);
    DRAWS.iter().zip(nexts).map(|(id, next)| draw(id, Some(next))).collect()
}

/// The step, and what comes after it.
pub fn then(mut step: Value, next: Option<&str>) -> Value {
    if let Some(next) = next {
        step["next"] = json!(next);
    }
    step
}

/// Uploads the functions and makes the workflows.
pub fn deploy(api: &Api, world: &World) -> Result<(), String> {
    let pen = Pen { ledger: format!("http://{}", world.ledger.address) };
    let grants = json!({"http": [format!("POST {}", pen.ledger)]}).to_string();
    let wasm = ("content-type", "application/wasm");
    must(api.send("PUT", "/functions/post", &[wasm, ("stepwell-grants", &grants)], &guest("calls_http")), 200)?;
    must(api.send("PUT", "/functions/echo", &[wasm], &guest("echo")), 200)?;
    must(api.send("PUT", "/functions/draw", &[("content-type", "text/javascript")], DRAW.as_bytes()), 200)?;
    must(api.post("/workflows", &json!({"id": "leaf", "steps": [pen.post("k", &[], None)]})), 201)?;
    for kind in KINDS.iter().chain(OUTSIDE.iter().filter(|_| world.is_open)) {
        let definition = json!({"id": kind.id, "steps": (kind.steps)(&pen), "triggers": kind.way.triggers()});
        must(api.post("/workflows", &definition), 201)?;
    }
    if world.is_open { must(api.post("/workflows", &ticks::definition(&pen)), 201).map(drop) } else { Ok(()) }
}

/// The bytes of a fixture, where `cargo guests` leaves them.
fn guest(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests/fixtures").join(format!("{name}.wasm"));
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; build the guests with `cargo guests`", path.display()))
}
