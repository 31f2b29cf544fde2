//! From a tenant's JSON to a [`Workflow`].

use super::config::StepConfig;
use super::fault::{Fault, Findings, Warning};
use super::step::{self, RawStep};
use super::{Exits, OnError, Step, StepIx, Workflow};
use crate::graph::{Edges, Fork, ForkIx, ForkSide, Graph};
use crate::payload::Payload;
use serde_json::{Map, Value};
use std::collections::HashMap;
use stepwell_expression::Expression;

/// Most steps of a definition (`definition` of the limits page): the graph is analysed fork by fork.
pub const STEPS: usize = 2_000;
/// Most targets in all `next`, `else` and `onError` together: each fork's analysis walks them.
pub const EDGES: usize = 20_000;

/// Most forks times targets: each fork's joins are found by a walk over what it leads to, and all walks together take a second at most.
const FORK_WORK: usize = 4_000_000;

/// A definition that may be run.
#[derive(Debug)]
pub struct Checked {
    /// What the engine runs.
    pub workflow: Workflow,
    /// What its author may want to change.
    pub warnings: Vec<Warning>,
}

/// Checks a definition. `id` and `revision` are the registry's business and are taken as given.
///
/// # Errors
/// All faults at once, each with a JSON pointer (semantics C19).
pub fn check(id: &str, revision: u32, definition: &Value) -> Result<Checked, Vec<Fault>> {
    let mut findings = Findings::default();
    let Some(object) = definition.as_object() else {
        findings.fault("", "wrong_type", "a workflow is a JSON object with `steps`");
        return Err(findings.faults);
    };
    let raw = raw_steps(object, &mut findings);
    let by_id = index(&raw, &mut findings);
    let (mut steps, edges) = link(&raw, &by_id, &mut findings);
    let output = optional_expression(object, "output", &mut findings);
    let timeout_ms = object.get("timeout").and_then(|v| super::config::duration(v, "/timeout", &mut findings));
    if timeout_ms == Some(0) {
        findings.fault("/timeout", "out_of_range", "`timeout` is more than 0");
    }
    let enabled = boolean(object, "enabled", &mut findings).unwrap_or(true);
    check_triggers(object, &mut findings);
    if object.contains_key("limit") {
        findings.warn(
            "/limit",
            "no_effect",
            "`limit` is not enforced yet; executions of this workflow run side by side",
        );
    }
    let forks = forks(&mut steps);
    check_fork_work(forks.len(), &edges, &mut findings);
    if !findings.faults.is_empty() {
        return Err(findings.faults);
    }
    let graph = Graph::new(&edges, forks);
    for step in graph.unreachable() {
        let message = format!("nothing leads to step {:?}; it never runs", steps[step.at()].id);
        findings.warn(format!("/steps/{}", step.0), "unreachable_step", message);
    }
    let metadata = object.get("metadata").map_or_else(Payload::null, Payload::from_value);
    let name = object.get("name").and_then(Value::as_str).map_or_else(|| title(id), str::to_owned);
    let id = id.to_owned();
    let workflow = Workflow { id, name, revision, steps, graph, timeout_ms, enabled, output, metadata, by_id };
    Ok(Checked { workflow, warnings: findings.warnings })
}

fn raw_steps<'a>(object: &'a Map<String, Value>, findings: &mut Findings) -> Vec<RawStep<'a>> {
    if object.get("name").is_some_and(|name| !name.is_string()) {
        findings.fault("/name", "wrong_type", "`name` is a string");
    }
    match object.get("steps") {
        None => findings.fault("/steps", "missing", "a workflow needs `steps`, a list with at least one step"),
        Some(Value::Array(list)) if list.is_empty() => {
            findings.fault("/steps", "missing", "`steps` is empty; a workflow needs at least one step");
        }
        Some(Value::Array(list)) if list.len() > STEPS => {
            let message = format!("{} steps; a workflow has at most {STEPS} (limit `definition`)", list.len());
            findings.fault("/steps", "too_many", message);
        }
        Some(Value::Array(list)) => {
            return list.iter().enumerate().filter_map(|(at, value)| step::read(at, value, findings)).collect();
        }
        Some(_) => findings.fault("/steps", "wrong_type", "`steps` is a list"),
    }
    Vec::new()
}

fn index(raw: &[RawStep<'_>], findings: &mut Findings) -> HashMap<String, StepIx> {
    let mut by_id = HashMap::with_capacity(raw.len());
    for (position, step) in (0u32..).zip(raw) {
        if by_id.insert(step.id.to_owned(), StepIx(position)).is_some() {
            let message = format!("two steps have the id {:?}; ids are unique in a workflow", step.id);
            findings.fault(format!("/steps/{}/id", step.at), "duplicate_id", message);
        }
    }
    by_id
}

/// Resolves all targets.
fn link(raw: &[RawStep<'_>], by_id: &HashMap<String, StepIx>, findings: &mut Findings) -> (Vec<Step>, Edges) {
    let mut steps = Vec::with_capacity(raw.len());
    let mut edges = Edges::default();
    let mut count = 0;
    for step in raw {
        let path = format!("/steps/{}", step.at);
        let targets = Targets { by_id, path: &path };
        let next = targets.exits(step.next, "next", findings);
        let config = StepConfig::read(step, findings);
        let otherwise = step.config.and_then(|c| c.get("else")).filter(|v| !v.is_null());
        let otherwise = otherwise.map(|value| targets.exits(Some(value), "config/else", findings));
        let on_error = targets.on_error(step.config.and_then(|c| c.get("onError")), findings);
        if otherwise.is_some() && !step.is_condition() {
            findings.warn(format!("{path}/config/else"), "no_effect", "only a condition step takes `else`");
        }
        let otherwise = otherwise.filter(|_| step.is_condition());
        let mut out = next.targets.clone();
        out.extend(otherwise.iter().flat_map(|exits| exits.targets.iter().copied()));
        out.extend(if let OnError::Handle(target) = on_error { Some(target) } else { None });
        count += out.len();
        out.sort_unstable();
        out.dedup();
        edges.out.push(out);
        if let Some(kind) = step.kind(findings) {
            steps.push(Step {
                id: step.id.to_owned(),
                name: step.name.map_or_else(|| title(step.id), str::to_owned),
                kind,
                next,
                otherwise,
                on_error,
                retry: config.retry,
                timeout_ms: config.timeout_ms,
                join: config.join,
                cancel_rest: config.cancel_rest,
            });
        }
    }
    if count > EDGES {
        let message = format!("{count} targets in all; a workflow has at most {EDGES} (limit `definition`)");
        findings.fault("/steps", "too_many", message);
    }
    (steps, edges)
}

struct Targets<'a> {
    by_id: &'a HashMap<String, StepIx>,
    path: &'a str,
}

impl Targets<'_> {
    fn exits(&self, value: Option<&Value>, field: &str, findings: &mut Findings) -> Exits {
        let pointer = format!("{}/{field}", self.path);
        let targets = match value {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::String(id)) => self.resolve(id, &pointer, findings).into_iter().collect(),
            Some(Value::Array(list)) => self.list(list, &pointer, findings),
            Some(_) => {
                findings.fault(pointer, "wrong_type", "a step id, or a list of step ids that start together");
                Vec::new()
            }
        };
        Exits { targets, fork: None }
    }

    fn list(&self, list: &[Value], pointer: &str, findings: &mut Findings) -> Vec<StepIx> {
        let mut targets = Vec::with_capacity(list.len());
        let mut seen = std::collections::HashSet::new();
        for (at, value) in list.iter().enumerate() {
            let pointer = format!("{pointer}/{at}");
            let Some(id) = value.as_str() else {
                findings.fault(pointer, "wrong_type", "a step id");
                continue;
            };
            if let Some(target) = self.resolve(id, &pointer, findings) {
                if seen.insert(target) {
                    targets.push(target);
                } else {
                    let message = format!("{id:?} stands twice in this list; a fork starts each branch once");
                    findings.fault(pointer, "duplicate_id", message);
                }
            }
        }
        targets
    }

    fn on_error(&self, value: Option<&Value>, findings: &mut Findings) -> OnError {
        let pointer = format!("{}/config/onError", self.path);
        match value {
            None | Some(Value::Null) => OnError::Fail,
            // A step that is called so wins over the word: the author named it.
            Some(Value::String(id)) => match (self.by_id.get(id), id.as_str()) {
                (Some(target), _) => OnError::Handle(*target),
                (None, "fail") => OnError::Fail,
                (None, "continue") => OnError::Continue,
                (None, _) => self.resolve(id, &pointer, findings).map_or(OnError::Fail, OnError::Handle),
            },
            Some(_) => {
                findings.fault(pointer, "wrong_type", "`onError` is a step id, \"fail\" or \"continue\"");
                OnError::Fail
            }
        }
    }

    fn resolve(&self, id: &str, pointer: &str, findings: &mut Findings) -> Option<StepIx> {
        let target = self.by_id.get(id).copied();
        if target.is_none() {
            let shown: String = id.chars().take(80).collect();
            findings.fault(pointer, "unknown_target", format!("there is no step with the id {shown:?}"));
        }
        target
    }
}

/// Numbers the forks and tells each step's exits their own.
fn forks(steps: &mut [Step]) -> Vec<Fork> {
    let mut forks = Vec::new();
    for (from, step) in (0u32..).zip(steps) {
        let sides = [(ForkSide::Next, Some(&mut step.next)), (ForkSide::Else, step.otherwise.as_mut())];
        for (side, exits) in sides {
            let Some(exits) = exits.filter(|exits| exits.targets.len() > 1) else { continue };
            exits.fork = u32::try_from(forks.len()).ok().map(ForkIx);
            forks.push(Fork { from: StepIx(from), side, targets: exits.targets.clone() });
        }
    }
    forks
}

fn check_fork_work(forks: usize, edges: &Edges, findings: &mut Findings) {
    let targets: usize = edges.out.iter().map(Vec::len).sum();
    if forks.saturating_mul(targets) > FORK_WORK {
        let message = format!(
            "{forks} forks and {targets} targets; a workflow has at most {FORK_WORK} of both multiplied (limit `definition`)"
        );
        findings.fault("/steps", "too_many", message);
    }
}

fn optional_expression(object: &Map<String, Value>, key: &str, findings: &mut Findings) -> Option<Expression> {
    let source = match object.get(key)? {
        Value::Null => return None,
        Value::String(source) => source,
        _ => {
            findings.fault(format!("/{key}"), "wrong_type", format!("`{key}` is an expression string"));
            return None;
        }
    };
    Expression::parse(source)
        .map_err(|error| findings.fault(format!("/{key}"), "invalid_expression", error.to_string()))
        .ok()
}

fn boolean(object: &Map<String, Value>, key: &str, findings: &mut Findings) -> Option<bool> {
    match object.get(key) {
        None | Some(Value::Null) => None,
        Some(Value::Bool(value)) => Some(*value),
        Some(_) => {
            findings.fault(format!("/{key}"), "wrong_type", format!("`{key}` is true or false"));
            None
        }
    }
}

fn check_triggers(object: &Map<String, Value>, findings: &mut Findings) {
    let list = match object.get("triggers") {
        None | Some(Value::Null) => return,
        Some(Value::Array(list)) => list,
        Some(_) => return findings.fault("/triggers", "wrong_type", "`triggers` is a list"),
    };
    for (at, trigger) in list.iter().enumerate() {
        let pointer = format!("/triggers/{at}/type");
        match trigger.get("type").and_then(Value::as_str) {
            Some("manual") => {}
            Some(kind @ ("event" | "schedule" | "webhook")) => {
                let message = format!("{kind} triggers are stored but not active in this version; start by the API");
                findings.warn(pointer, "inactive_trigger", message);
            }
            Some(_) | None => {
                findings.fault(pointer, "unknown_type", "a trigger's `type` is schedule, event, webhook or manual");
            }
        }
    }
}

/// `process-order` as `Process Order`: the name of what has none (semantics C19).
#[must_use]
pub fn title(id: &str) -> String {
    let words = id.split(['-', '_', '.']).filter(|word| !word.is_empty());
    let capital = |word: &str| {
        let mut chars = word.chars();
        chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
    };
    words.map(capital).collect::<Vec<String>>().join(" ")
}
