//! From ids to places: all targets of all steps, and the forks among them.

use super::config::StepConfig;
use super::fault::Findings;
use super::step::RawStep;
use super::{Exits, OnError, OnTimeout, Step, StepIx, StepKind, title};
use crate::graph::{Fork, ForkIx, ForkSide};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// Most targets in all lists of targets together: each fork's analysis walks them.
pub const EDGES: usize = 20_000;

/// Where each step is; a double is a fault.
pub(super) fn index(raw: &[RawStep<'_>], findings: &mut Findings) -> HashMap<String, StepIx> {
    let mut by_id = HashMap::with_capacity(raw.len());
    for (position, step) in (0u32..).zip(raw) {
        if by_id.insert(step.id.to_owned(), StepIx(position)).is_some() {
            let message = format!("two steps have the id {:?}; ids are unique in a workflow", step.id);
            findings.fault(format!("/steps/{}/id", step.at), "duplicate_id", message);
        }
    }
    by_id
}

/// Resolves all targets. A step whose type is at fault is left out: then there is a fault, and the list is not used.
pub(super) fn link(raw: &[RawStep<'_>], by_id: &HashMap<String, StepIx>, findings: &mut Findings) -> Vec<Step> {
    let mut steps = Vec::with_capacity(raw.len());
    let mut count = 0;
    for step in raw {
        if let Some(linked) = link_step(step, by_id, findings) {
            count += linked.exits().map(|exits| exits.targets.len()).sum::<usize>() + linked.detours().count();
            steps.push(linked);
        }
    }
    if count > EDGES {
        let message = format!("{count} targets in all; a workflow has at most {EDGES} (limit `definition`)");
        findings.fault("/steps", "too_many", message);
    }
    steps
}

fn link_step(step: &RawStep<'_>, by_id: &HashMap<String, StepIx>, findings: &mut Findings) -> Option<Step> {
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
    let kind = step.kind(&targets, findings)?;
    Some(Step {
        id: step.id.to_owned(),
        name: step.name.map_or_else(|| title(step.id), str::to_owned),
        kind,
        next,
        otherwise,
        on_error,
        retry: config.retry,
        timeout_ms: config.timeout_ms,
        limit: config.limit,
        join: config.join,
        cancel_rest: config.cancel_rest,
    })
}

/// Numbers the forks and tells each list of targets its own.
pub(super) fn forks(steps: &mut [Step]) -> Vec<Fork> {
    let mut forks = Vec::new();
    for (from, step) in (0u32..).zip(steps) {
        let is_loop = matches!(step.kind, StepKind::Loop(_));
        let mut number = |side, exits: &mut Exits| {
            if exits.targets.len() > 1 {
                exits.fork = u32::try_from(forks.len()).ok().map(ForkIx);
                let is_body = is_loop && side == ForkSide::Next;
                forks.push(Fork { from: StepIx(from), side, is_body, targets: exits.targets.clone() });
            }
        };
        number(ForkSide::Next, &mut step.next);
        if let Some(otherwise) = &mut step.otherwise {
            number(ForkSide::Else, otherwise);
        }
        match &mut step.kind {
            StepKind::Loop(rule) => number(ForkSide::Done, &mut rule.done),
            StepKind::Parallel(rule) => {
                for (at, branch) in (0u32..).zip(&mut rule.branches) {
                    number(ForkSide::Branch(at), branch);
                }
            }
            StepKind::Function(_)
            | StepKind::Condition(_)
            | StepKind::Human(_)
            | StepKind::Agent(_)
            | StepKind::Wait(_)
            | StepKind::Event(_)
            | StepKind::Workflow(_) => {}
        }
    }
    forks
}

/// Finds the steps that one step names.
pub(super) struct Targets<'a> {
    by_id: &'a HashMap<String, StepIx>,
    path: &'a str,
}

impl Targets<'_> {
    /// `config.onTimeout` (H4).
    pub fn on_timeout(&self, value: Option<&Value>, otherwise: OnTimeout, findings: &mut Findings) -> OnTimeout {
        let pointer = format!("{}/config/onTimeout", self.path);
        match value {
            None | Some(Value::Null) => otherwise,
            Some(Value::String(id)) => match (self.by_id.get(id), id.as_str()) {
                (Some(target), _) => OnTimeout::Go(*target),
                (None, "fail") => OnTimeout::Fail,
                (None, _) => self.resolve(id, &pointer, findings).map_or(otherwise, OnTimeout::Go),
            },
            Some(_) => {
                findings.fault(pointer, "wrong_type", "`onTimeout` is a step id or \"fail\"");
                otherwise
            }
        }
    }

    /// One id, or a list of ids that start together (C3).
    pub fn exits(&self, value: Option<&Value>, field: &str, findings: &mut Findings) -> Exits {
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
        let mut seen = HashSet::new();
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

    /// `config.onError` (C14).
    pub fn on_error(&self, value: Option<&Value>, findings: &mut Findings) -> OnError {
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
