//! From a definition to what there is to draw. It reads the tenant's own JSON, because there the expressions still are as they were written;
//! the definition has passed [`check`](crate::definition::check()), and what is not as it should be is left out here.

use super::body;
use super::model::{About, Edge, EdgeKind, Figure, Shape};
use super::text::counted;
use serde_json::{Map, Value};
use std::collections::HashSet;

/// What stands above the pictures of a definition.
#[must_use]
pub fn about(definition: &Value) -> About {
    let text = |key: &str| definition.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let revision = definition.get("revision").and_then(Value::as_u64).unwrap_or(0);
    About { id: text("id"), name: text("name"), revision }
}

/// The picture of a definition as `GET /workflows/{id}` answers it.
#[must_use]
pub fn figure(definition: &Value) -> Figure {
    let workflow = about(definition);
    let (mut steps, mut edges) = (Vec::new(), Vec::new());
    for step in definition.get("steps").and_then(Value::as_array).into_iter().flatten() {
        let Some(source) = Source::of(step) else { continue };
        steps.push(source.shape());
        source.edges(&mut edges);
    }
    let mut figure = Figure { workflow, execution: None, steps, edges };
    let known: HashSet<&str> = figure.steps.iter().map(|step| step.id.as_str()).collect();
    let kept: Vec<bool> = figure.edges.iter().map(|edge| known.contains(edge.to.as_str())).collect();
    let mut kept = kept.into_iter();
    figure.edges.retain(|_| kept.next().unwrap_or(false));
    body::find(&mut figure);
    figure
}

/// One step of the JSON.
struct Source<'a> {
    id: &'a str,
    kind: &'a str,
    step: &'a Map<String, Value>,
    config: Option<&'a Map<String, Value>>,
}

impl<'a> Source<'a> {
    fn of(step: &'a Value) -> Option<Self> {
        let step = step.as_object()?;
        let (id, kind) = (step.get("id")?.as_str()?, step.get("type")?.as_str()?);
        Some(Self { id, kind, step, config: step.get("config").and_then(Value::as_object) })
    }

    fn shape(&self) -> Shape {
        let name = self.step.get("name").and_then(Value::as_str).unwrap_or(self.id);
        let details = [Some(self.purpose()), self.retries(), self.join()];
        let details = details.into_iter().flatten().filter(|detail| !detail.is_empty());
        let detail = details.collect::<Vec<_>>().join(" · ");
        let (id, name, kind) = (self.id.to_owned(), name.to_owned(), self.kind.to_owned());
        Shape { id, name, kind, detail, within: None, progress: None }
    }

    fn config(&self, key: &str) -> Option<&'a Value> {
        self.config.and_then(|config| config.get(key)).filter(|value| !value.is_null())
    }

    /// A text or a number of `config`, as it stands there.
    fn word(&self, key: &str) -> Option<String> {
        match self.config(key)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn purpose(&self) -> String {
        let of = |key: &str| self.word(key).unwrap_or_default();
        match self.kind {
            "function" => self.function(),
            "condition" => self.step.get("condition").and_then(Value::as_str).unwrap_or_default().to_owned(),
            "parallel" => self.branches(),
            "loop" => self.rounds(),
            "human" => self.people(),
            "agent" => self.word("agentRole").unwrap_or_else(|| of("role")),
            "wait" => self.pause(),
            "event" => of("eventType"),
            "workflow" => of("workflow"),
            _ => String::new(),
        }
    }

    fn function(&self) -> String {
        let function = self.step.get("function");
        let id = function.and_then(|f| f.as_str().or_else(|| f.get("id")?.as_str()));
        id.unwrap_or_default().to_owned()
    }

    fn branches(&self) -> String {
        let many = self.config("branches").and_then(Value::as_array).map_or(0, Vec::len);
        let at_once = self.word("maxConcurrency").map(|n| format!(", {n} at once"));
        if many == 0 { String::new() } else { format!("{many} branches{}", at_once.unwrap_or_default()) }
    }

    fn rounds(&self) -> String {
        let condition = || self.step.get("condition").and_then(Value::as_str).map(str::to_owned);
        let what = match self.config("items") {
            Some(Value::String(items)) => format!("each of {items}"),
            Some(Value::Array(items)) => format!("each of {}", counted(items.len() as u64, "item")),
            Some(_) => "each item".to_owned(),
            None => self.word("while").or_else(condition).map_or_else(String::new, |text| format!("while {text}")),
        };
        let at_once = self.word("concurrency").filter(|n| n != "1").map(|n| format!(", {n} at once"));
        format!("{what}{}", at_once.unwrap_or_default())
    }

    fn people(&self) -> String {
        let list = self.config("approvers").or_else(|| self.config("reviewers")).and_then(Value::as_array);
        let names: Vec<&str> = list.into_iter().flatten().filter_map(Value::as_str).collect();
        match (names.as_slice(), self.word("requiredApprovals")) {
            ([], _) => String::new(),
            ([only], _) => (*only).to_owned(),
            (names, needed) => format!("{} of {}", needed.as_deref().unwrap_or("1"), names.join(", ")),
        }
    }

    fn pause(&self) -> String {
        let until = || self.word("until").map(|until| format!("until {until}"));
        match self.config("duration") {
            Some(Value::Number(ms)) => ms.as_u64().map(super::text::duration).unwrap_or_default(),
            Some(Value::String(text)) => text.clone(),
            _ => until().unwrap_or_default(),
        }
    }

    fn retries(&self) -> Option<String> {
        let nested = self.config("retry").and_then(|retry| retry.get("attempts")).and_then(Value::as_u64);
        let many = nested.or_else(|| self.config("retries").and_then(Value::as_u64)).filter(|many| *many > 0)?;
        Some(if many == 1 { "1 retry".to_owned() } else { format!("{many} retries") })
    }

    fn join(&self) -> Option<String> {
        match self.config("join")? {
            Value::String(word) if word == "any" => Some("first to arrive".to_owned()),
            Value::Object(join) => join.get("count")?.as_u64().map(|n| format!("first {n} to arrive")),
            _ => None,
        }
    }

    /// The ways out of the step. `next` means the body of a loop, and what comes after all branches of a `parallel` with `branches`.
    fn edges(&self, edges: &mut Vec<Edge>) {
        let is_loop = self.kind == "loop";
        let (next, label) = match self.kind {
            "loop" => (EdgeKind::Body, ""),
            "condition" => (EdgeKind::Next, "true"),
            _ => (EdgeKind::Next, ""),
        };
        if self.kind == "parallel" {
            for branch in self.config("branches").and_then(Value::as_array).into_iter().flatten() {
                self.push(Some(branch), (EdgeKind::Branch, ""), edges);
            }
        }
        self.push(self.step.get("next"), (next, label), edges);
        if self.kind == "condition" {
            self.push(self.config("else"), (EdgeKind::Else, "false"), edges);
        }
        if is_loop {
            self.push(self.config("done"), (EdgeKind::Done, "done"), edges);
        }
        self.push(self.config("onTimeout"), (EdgeKind::OnTimeout, "timeout"), edges);
        self.push(self.config("onError"), (EdgeKind::OnError, "error"), edges);
    }

    /// One target or a list. Words such as `continue` are no steps: they go when it is known which steps there are.
    fn push(&self, targets: Option<&Value>, (kind, label): (EdgeKind, &str), edges: &mut Vec<Edge>) {
        let list = match targets {
            Some(Value::Array(list)) => list.as_slice(),
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        for to in list.iter().filter_map(Value::as_str) {
            let (from, to, label) = (self.id.to_owned(), to.to_owned(), label.to_owned());
            edges.push(Edge { from, to, kind, label, ends_round: false });
        }
    }
}
