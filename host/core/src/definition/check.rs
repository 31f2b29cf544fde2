//! From a tenant's JSON to a [`Workflow`].

use super::fault::{Fault, Findings, Warning};
use super::step::{self, RawStep};
use super::{Step, StepIx, StepKind, Workflow, link, triggers};
use crate::graph::{Fork, Graph, Inner, Outline, RegionIx};
use crate::payload::Payload;
use serde_json::{Map, Value};
use stepwell_expression::Expression;

/// Most steps of a definition (`definition` of the limits page): the graph is analysed fork by fork.
pub const STEPS: usize = 2_000;
/// Edges that are walked to analyse a definition: each fork's joins are found by a walk over what it leads to, and all walks together take a second at most.
const WALKS: usize = 4_000_000;

/// Pairs of joins that are looked at for a warning.
const PAIRS: usize = 100_000;

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
    let by_id = link::index(&raw, &mut findings);
    let mut steps = link::link(&raw, &by_id, &mut findings);
    let output = optional_expression(object, "output", &mut findings);
    let timeout_ms = object.get("timeout").and_then(|v| super::config::duration(v, "/timeout", &mut findings));
    if timeout_ms == Some(0) {
        findings.fault("/timeout", "out_of_range", "`timeout` is more than 0");
    }
    let enabled = boolean(object, "enabled", &mut findings).unwrap_or(true);
    let triggers = triggers::read(object, &mut findings);
    let limit = super::limit::read(object, "", &mut findings);
    let forks = link::forks(&mut steps);
    let graph = if findings.faults.is_empty() { analyse(&steps, forks, &mut findings) } else { None };
    let Some(graph) = graph else { return Err(findings.faults) };
    let secrets = std::mem::take(&mut findings.secrets);
    let metadata = object.get("metadata").map_or_else(Payload::null, Payload::from_value);
    let name = object.get("name").and_then(Value::as_str).map_or_else(|| title(id), str::to_owned);
    let id = id.to_owned();
    let workflow = Workflow {
        id,
        name,
        revision,
        steps,
        graph,
        timeout_ms,
        limit,
        enabled,
        output,
        metadata,
        triggers,
        secrets,
        by_id,
    };
    Ok(Checked { workflow, warnings: findings.warnings })
}

/// The graph, and what its author may want to know of it.
fn analyse(steps: &[Step], forks: Vec<Fork>, findings: &mut Findings) -> Option<Graph> {
    let outlines: Vec<Outline> = (0u32..).zip(steps).map(|(at, step)| outline(StepIx(at), step)).collect();
    let Ok(graph) = Graph::new(&outlines, forks, WALKS) else {
        let message = "this definition has too many forks, joins, loops and targets together (limit `definition`); split it with workflow steps";
        findings.fault("/steps", "too_many", message);
        return None;
    };
    for step in graph.unreachable() {
        let message = format!("nothing leads to step {:?}; it never runs", steps[step.at()].id);
        findings.warn(format!("/steps/{}", step.0), "unreachable_step", message);
    }
    warn_of_shared_steps(steps, &graph, findings);
    warn_of_mutual_joins(steps, &graph, findings);
    Some(graph)
}

/// What may follow a step, and what runs inside of it.
fn outline(at: StepIx, step: &Step) -> Outline {
    let mut out: Vec<StepIx> = step.detours().collect();
    out.extend(step.otherwise.iter().flat_map(|exits| &exits.targets));
    let inner = match &step.kind {
        StepKind::Loop(rule) => {
            out.extend(&rule.done.targets);
            let ends = std::iter::once(at).chain(rule.done.targets.iter().copied()).collect();
            Some(Inner { first: step.next.targets.clone(), ends })
        }
        StepKind::Parallel(rule) if !rule.branches.is_empty() => {
            out.extend(&step.next.targets);
            let first = rule.branches.iter().flat_map(|branch| &branch.targets).copied().collect();
            Some(Inner { first, ends: step.next.targets.clone() })
        }
        StepKind::Function(_)
        | StepKind::Condition(_)
        | StepKind::Parallel(_)
        | StepKind::Human(_)
        | StepKind::Agent(_)
        | StepKind::Wait(_)
        | StepKind::Event(_)
        | StepKind::Workflow(_) => {
            out.extend(&step.next.targets);
            None
        }
    };
    out.sort_unstable();
    out.dedup();
    Outline { out, inner }
}

/// A step that runs inside of a loop or a branch, and also elsewhere (C8); a loop that leads back to one around it.
fn warn_of_shared_steps(steps: &[Step], graph: &Graph, findings: &mut Findings) {
    let mut home: Vec<Option<RegionIx>> = vec![None; steps.len()];
    let regions = std::iter::once(RegionIx::default()).chain(graph.containers().map(|(_, region)| region));
    for region in regions {
        for step in graph.members(region) {
            let first = home[step.at()].get_or_insert(region);
            if *first != region {
                let message = format!(
                    "step {:?} is reached inside of a loop or a branch and also outside of it: it runs in each of them",
                    steps[step.at()].id
                );
                findings.warn(format!("/steps/{}", step.0), "shared_step", message);
            }
        }
    }
}

/// Two joins of one fork that each lead to the other: if everybody waits, the first in `steps` fires (C5).
fn warn_of_mutual_joins(steps: &[Step], graph: &Graph, findings: &mut Findings) {
    let regions = std::iter::once(RegionIx::default()).chain(graph.containers().map(|(_, region)| region));
    let mut pairs = 0;
    for region in regions {
        let joins: Vec<_> = graph.joins(region).collect();
        for (nth, (one, forks)) in joins.iter().enumerate() {
            for (other, others) in &joins[nth + 1..] {
                pairs += 1;
                if pairs > PAIRS {
                    return;
                }
                let mutual = graph.can_reach(region, *one, *other) && graph.can_reach(region, *other, *one);
                if mutual && forks.iter().any(|fork| others.contains(fork)) {
                    let (one_id, other_id) = (&steps[one.at()].id, &steps[other.at()].id);
                    let message = format!(
                        "steps {one_id:?} and {other_id:?} join the same fork and each leads to the other: if all branches wait at them, {one_id:?} goes on first"
                    );
                    findings.warn(format!("/steps/{}", one.0), "mutual_joins", message);
                }
            }
        }
    }
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

fn optional_expression(object: &Map<String, Value>, key: &str, findings: &mut Findings) -> Option<Expression> {
    let source = match object.get(key)? {
        Value::Null => return None,
        Value::String(source) => source,
        _ => {
            findings.fault(format!("/{key}"), "wrong_type", format!("`{key}` is an expression string"));
            return None;
        }
    };
    super::config::expression(source, &format!("/{key}"), findings)
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
