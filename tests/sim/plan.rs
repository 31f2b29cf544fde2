//! The workflows of a seed.

use crate::blocks::{Block, Expected, Maker};
use crate::chance::Chance;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// One workflow, and what is known of it.
pub struct Plan {
    /// Its id.
    pub id: String,
    /// As it is deployed.
    pub definition: Value,
    root: Block,
    /// Its own timeout, milliseconds.
    pub timeout_ms: Option<u64>,
    /// How many executions of one key may be under way.
    pub at_once: Option<u64>,
    /// The type of the events that start it.
    pub started_by: Option<String>,
    /// The ids of its steps.
    pub steps: BTreeSet<String>,
    /// What each timer takes at least, by step, milliseconds.
    pub durations: BTreeMap<String, u64>,
    /// How many calls of a step may be under way for one key.
    pub step_limits: BTreeMap<String, u64>,
    /// Steps that call functions without effects.
    pub pure: BTreeSet<String>,
    /// Whether it, or the one that it calls, fails until it is mended.
    pub may_fail: bool,
    /// Whether it, or the one that it calls, has a timeout.
    pub may_time_out: bool,
}

impl Plan {
    /// A workflow by chance.
    pub fn new(chance: &mut Chance, id: &str, child: Option<&Plan>) -> Self {
        let size = u32::try_from(chance.between(2, 14)).unwrap_or(2);
        let called_times_out = child.is_some_and(|child| child.may_time_out);
        let (timeout_ms, at_once, by_event) = (
            chance.one_in(6).then(|| chance.between(5_000, 60_000)),
            chance.one_in(3).then(|| chance.between(1, 2)),
            chance.one_in(3),
        );
        let mut maker = Maker::new(chance, child.map(|child| child.id.as_str()), size);
        let body = maker.block(3, false);
        let many = maker.chance.one_in(16).then(|| maker.many());
        let root = Block::Chain([Some(body), many, Some(maker.last())].into_iter().flatten().collect());
        let (durations, step_limits, pure) = (maker.durations.clone(), maker.limits.clone(), maker.pure.clone());
        let may_fail = maker.doomed.is_some() || child.is_some_and(|child| child.may_fail);
        let linked = maker.steps(&root);
        let steps = linked.iter().filter_map(|step| step["id"].as_str().map(str::to_owned)).collect();
        let mut definition = json!({"id": id, "steps": linked});
        if let Some(timeout) = timeout_ms {
            definition["timeout"] = json!(timeout);
        }
        if let Some(max) = at_once {
            definition["limit"] = json!({"key": "input.k", "max": max});
        }
        let started_by = (by_event && child.is_some()).then(|| format!("sim.start.{id}"));
        if let Some(kind) = &started_by {
            definition["triggers"] = json!([{"type": "event", "config": {"eventType": kind}}]);
        }
        let (id, may_time_out) = (id.to_owned(), timeout_ms.is_some() || called_times_out);
        Self {
            id,
            definition,
            root,
            timeout_ms,
            at_once,
            started_by,
            steps,
            durations,
            step_limits,
            pure,
            may_fail,
            may_time_out,
        }
    }

    /// An input by chance.
    pub fn input(&self, chance: &mut Chance) -> Value {
        let mut flags = Map::new();
        self.root.flags(chance, &mut flags);
        json!({"k": chance.below(2), "flags": flags})
    }

    /// What must have run of an execution with this input that completed.
    pub fn expected(&self, input: &Value) -> Expected {
        let mut expected = Expected::new();
        self.root.expect(&input["flags"], &[], &mut expected);
        expected
    }
}
