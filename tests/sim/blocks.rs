//! Workflows out of blocks, of which it is known what they come to: which steps must run, and what each join must have gathered.

use crate::chance::Chance;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A part of a workflow with one entry and one exit.
pub enum Block {
    /// One step that just passes.
    Step(String),
    /// One after the other.
    Chain(Vec<Block>),
    /// A step with several `next`, and a step that joins what comes of them.
    Fork { from: String, branches: Vec<Block>, join: String },
    /// A `parallel` with branches.
    Parallel { id: String, branches: Vec<Block>, then: String },
    /// By a flag of the input; without `otherwise` the path may end here.
    Choice { id: String, when: Box<Block>, otherwise: Option<Box<Block>>, then: Option<String> },
    /// So many iterations.
    Loop { id: String, rounds: u32, body: Box<Block>, then: String },
    /// A function that always fails, with a step that handles it.
    Broken { id: String, handler: String, then: String },
}

/// What must have become of an execution that completed: the keys of the runs of functions, and for joins what they gathered.
pub type Expected = BTreeMap<String, Option<BTreeSet<String>>>;

/// Makes blocks.
pub struct Maker<'a> {
    pub chance: &'a mut Chance,
    /// A workflow that may be called.
    pub child: Option<&'a str>,
    /// How many steps there may be.
    pub left: u32,
    made: u32,
    /// What each timer takes at least, by step, milliseconds.
    pub durations: BTreeMap<String, u64>,
    /// Steps with a limit of their own.
    pub limits: BTreeMap<String, u64>,
    /// Steps that call functions without effects.
    pub pure: BTreeSet<String>,
    /// A step that fails until somebody mends it, if there is one.
    pub doomed: Option<String>,
    steps: Vec<Value>,
}

impl<'a> Maker<'a> {
    /// For a workflow of about so many steps.
    pub fn new(chance: &'a mut Chance, child: Option<&'a str>, left: u32) -> Self {
        // What is called has other ids than what calls it: the caller's values come in its input.
        let made = if child.is_none() { 100 } else { 0 };
        let (durations, limits, pure, steps) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new(), Vec::new());
        Self { chance, child, left, made, durations, limits, pure, doomed: None, steps }
    }

    fn id(&mut self, kind: &str) -> String {
        self.made += 1;
        self.left = self.left.saturating_sub(1);
        format!("{kind}{}", self.made)
    }

    /// A function step: mostly quick, now and then one that fails a few times or is slow.
    fn function(&mut self, kind: &str) -> String {
        let id = self.id(kind);
        let fails = if self.chance.one_in(6) { self.chance.between(1, 3) } else { 0 };
        let slow = if self.chance.one_in(4) { self.chance.between(1, 4_000) } else { 0 };
        let pad = if self.chance.one_in(8) { 4_000 } else { 0 };
        let effect = self.chance.one_in(2);
        if !effect {
            self.pure.insert(id.clone());
        }
        let mut config = json!({"retries": 12, "retry": {"delay": self.chance.between(1, 2_000)},
            "sim": {"fails": fails, "slow": slow, "pad": pad, "effect": effect}});
        if self.chance.one_in(10) {
            let max = self.chance.between(1, 2);
            config["limit"] = json!({"key": "input.k", "max": max});
            self.limits.insert(id.clone(), max);
        }
        let function = if effect { "effect" } else { "pure" };
        self.steps.push(json!({"id": id, "type": "function", "function": function, "config": config}));
        id
    }

    /// Many quick steps without effects, one after the other.
    pub fn many(&mut self) -> Block {
        let (id, body) = (self.id("loop"), self.id("f"));
        let rounds = u32::try_from(self.chance.between(50, 100)).unwrap_or(50);
        self.pure.insert(body.clone());
        let config = json!({"retries": 12, "retry": {"delay": 20}, "sim": {"quick": true}});
        self.steps.push(json!({"id": body, "type": "function", "function": "pure", "config": config}));
        Block::Loop { id, rounds, body: Box::new(Block::Step(body)), then: self.function("done") }
    }

    fn step(&mut self) -> Block {
        let (kind, config) = match self.chance.below(12) {
            0 => ("wait", json!({"duration": self.chance.between(1, 20_000)})),
            1 => {
                let timeout = self.chance.between(100, 20_000);
                ("human", if self.chance.one_in(2) { json!({"timeout": timeout}) } else { json!({}) })
            }
            2 => ("event", json!({"eventType": "sim.go"})),
            3 if self.child.is_some() => ("workflow", json!({"workflow": self.child})),
            _ => {
                let id = self.function("f");
                return Block::Step(id);
            }
        };
        let id = self.id(kind);
        if let Some(ms) = config.get("duration").or(config.get("timeout")).and_then(Value::as_u64) {
            self.durations.insert(id.clone(), ms);
        }
        self.steps.push(json!({"id": id, "type": kind, "config": config}));
        Block::Step(id)
    }

    /// Something, at most so deep.
    pub fn block(&mut self, depth: u32, may_end: bool) -> Block {
        if depth == 0 || self.left < 3 {
            return self.step();
        }
        match self.chance.below(10) {
            0 | 1 => self.fork(depth),
            2 => self.parallel(depth),
            3 => self.choice(depth, may_end),
            4 => {
                let (id, rounds) = (self.id("loop"), u32::try_from(self.chance.between(0, 3)).unwrap_or(1));
                let body = Box::new(self.block(depth - 1, true));
                Block::Loop { id, rounds, body, then: self.function("done") }
            }
            5 => {
                let id = self.id("broken");
                Block::Broken { id, handler: self.function("handler"), then: self.function("m") }
            }
            6 | 7 => Block::Chain((0..self.chance.between(2, 3)).map(|_| self.block(depth - 1, false)).collect()),
            _ => self.step(),
        }
    }

    fn fork(&mut self, depth: u32) -> Block {
        let from = self.function("fork");
        let branches = (0..self.chance.between(2, 3)).map(|_| self.block(depth - 1, true)).collect();
        Block::Fork { from, branches, join: self.function("join") }
    }

    fn parallel(&mut self, depth: u32) -> Block {
        let id = self.id("parallel");
        let branches = (0..self.chance.between(1, 3)).map(|_| self.block(depth - 1, true)).collect();
        Block::Parallel { id, branches, then: self.function("m") }
    }

    fn choice(&mut self, depth: u32, may_end: bool) -> Block {
        let id = self.id("choice");
        let when = Box::new(self.block(depth - 1, false));
        if may_end && self.chance.one_in(2) {
            return Block::Choice { id, when, otherwise: None, then: None };
        }
        let otherwise = Some(Box::new(self.block(depth - 1, false)));
        Block::Choice { id, when, otherwise, then: Some(self.function("m")) }
    }

    /// The last step, that gives the result: sometimes one that fails until somebody mends it.
    pub fn last(&mut self) -> Block {
        let id = self.function("last");
        if self.chance.one_in(8) {
            self.doomed = Some(id.clone());
            if let Some(step) = self.steps.iter_mut().find(|step| step["id"] == id.as_str()) {
                step["config"]["sim"]["broken"] = json!("until mended");
            }
        }
        Block::Step(id)
    }

    /// The steps of the workflow, linked, with the first one first.
    pub fn steps(self, root: &Block) -> Vec<Value> {
        let mut linked: BTreeMap<String, Value> = BTreeMap::new();
        for step in self.steps {
            linked.insert(step["id"].as_str().unwrap_or_default().to_owned(), step);
        }
        root.link(&mut linked, None);
        let first = linked.remove(root.entry());
        first.into_iter().chain(linked.into_values()).collect()
    }
}

impl Block {
    /// The step that it begins with.
    pub fn entry(&self) -> &str {
        match self {
            Self::Step(id)
            | Self::Fork { from: id, .. }
            | Self::Parallel { id, .. }
            | Self::Choice { id, .. }
            | Self::Loop { id, .. }
            | Self::Broken { id, .. } => id,
            Self::Chain(parts) => parts.first().map_or("", Self::entry),
        }
    }

    /// The step that it ends with.
    fn exit(&self) -> &str {
        match self {
            Self::Step(id)
            | Self::Fork { join: id, .. }
            | Self::Parallel { then: id, .. }
            | Self::Choice { then: Some(id), .. }
            | Self::Loop { then: id, .. }
            | Self::Broken { then: id, .. } => id,
            Self::Choice { when, then: None, .. } => when.exit(),
            Self::Chain(parts) => parts.last().map_or("", Self::exit),
        }
    }

    /// Writes where its steps lead.
    fn link(&self, steps: &mut BTreeMap<String, Value>, next: Option<&str>) {
        match self {
            Self::Step(id) => set(steps, id, "next", next.map(Value::from)),
            Self::Chain(parts) => {
                for (at, part) in parts.iter().enumerate() {
                    part.link(steps, parts.get(at + 1).map(Self::entry).or(next));
                }
            }
            Self::Fork { from, branches, join } => {
                set(steps, from, "next", Some(branches.iter().map(Self::entry).collect()));
                branches.iter().for_each(|branch| branch.link(steps, Some(join)));
                set(steps, join, "next", next.map(Value::from));
            }
            Self::Parallel { id, branches, then } => {
                let entries: Vec<&str> = branches.iter().map(Self::entry).collect();
                steps.insert(
                    id.clone(),
                    json!({"id": id, "type": "parallel", "config": {"branches": entries}, "next": then}),
                );
                branches.iter().for_each(|branch| branch.link(steps, None));
                set(steps, then, "next", next.map(Value::from));
            }
            Self::Choice { id, when, otherwise, then } => {
                let condition = format!("input.flags.{id}");
                let mut step = json!({"id": id, "type": "condition", "condition": condition, "next": when.entry()});
                if let Some(otherwise) = otherwise {
                    step["config"] = json!({"else": otherwise.entry()});
                    otherwise.link(steps, then.as_deref());
                }
                steps.insert(id.clone(), step);
                when.link(steps, then.as_deref().or(next));
                if let Some(then) = then {
                    set(steps, then, "next", next.map(Value::from));
                }
            }
            Self::Loop { id, rounds, body, then } => {
                let items: Vec<u32> = (0..*rounds).collect();
                let config = json!({"items": items, "done": then});
                steps.insert(id.clone(), json!({"id": id, "type": "loop", "config": config, "next": body.entry()}));
                body.link(steps, Some(id));
                set(steps, then, "next", next.map(Value::from));
            }
            Self::Broken { id, handler, then } => {
                let config = json!({"onError": handler, "sim": {"broken": "for ever"}});
                let step = json!({"id": id, "type": "function", "function": "effect", "config": config, "next": then});
                steps.insert(id.clone(), step);
                set(steps, handler, "next", Some(Value::from(then.as_str())));
                set(steps, then, "next", next.map(Value::from));
            }
        }
    }

    /// Adds what must run, at this place of the loops around; whether the path goes on behind it.
    pub fn expect(&self, flags: &Value, path: &[u32], expected: &mut Expected) -> bool {
        match self {
            Self::Step(id) => {
                if is_function(id) {
                    expected.insert(run_key(id, path), None);
                }
                true
            }
            Self::Chain(parts) => parts.iter().all(|part| part.expect(flags, path, expected)),
            Self::Fork { from, branches, join } => {
                expected.insert(run_key(from, path), None);
                let come = branches.iter().filter(|branch| branch.expect(flags, path, expected));
                let gathered: BTreeSet<String> = come.map(|branch| branch.exit().to_owned()).collect();
                let any = !gathered.is_empty();
                if any {
                    expected.insert(run_key(join, path), Some(gathered));
                }
                any
            }
            Self::Parallel { branches, then, .. } => {
                for branch in branches {
                    branch.expect(flags, path, expected);
                }
                expected.insert(run_key(then, path), None);
                true
            }
            Self::Choice { id, when, otherwise, then } => {
                let taken = if flags[id] == true { Some(when) } else { otherwise.as_ref() };
                let goes_on = taken.is_some_and(|taken| taken.expect(flags, path, expected));
                if let Some(then) = then.as_ref().filter(|_| goes_on) {
                    expected.insert(run_key(then, path), None);
                }
                goes_on
            }
            Self::Loop { rounds, body, then, .. } => {
                for round in 0..*rounds {
                    body.expect(flags, &[path, &[round]].concat(), expected);
                }
                expected.insert(run_key(then, path), None);
                true
            }
            Self::Broken { handler, then, .. } => {
                expected.insert(run_key(handler, path), None);
                expected.insert(run_key(then, path), None);
                true
            }
        }
    }

    /// Throws a coin for each choice.
    pub fn flags(&self, chance: &mut Chance, flags: &mut Map<String, Value>) {
        match self {
            Self::Step(_) | Self::Broken { .. } => {}
            Self::Chain(parts) => parts.iter().for_each(|part| part.flags(chance, flags)),
            Self::Fork { branches, .. } | Self::Parallel { branches, .. } => {
                branches.iter().for_each(|branch| branch.flags(chance, flags));
            }
            Self::Choice { id, when, otherwise, .. } => {
                flags.insert(id.clone(), json!(!chance.one_in(3)));
                when.flags(chance, flags);
                otherwise.iter().for_each(|otherwise| otherwise.flags(chance, flags));
            }
            Self::Loop { body, .. } => body.flags(chance, flags),
        }
    }
}

fn set(steps: &mut BTreeMap<String, Value>, id: &str, field: &str, value: Option<Value>) {
    if let (Some(step), Some(value)) = (steps.get_mut(id), value) {
        step[field] = value;
    }
}

/// Whether a step of this name calls a function that must succeed.
fn is_function(id: &str) -> bool {
    id.starts_with('f') || id.starts_with("last")
}

/// `{step}/{iteration path, or "-"}/{run}`, as semantics section 6 has it. There are no cycles: each step has one run in an iteration.
pub fn run_key(step: &str, path: &[u32]) -> String {
    let path: Vec<String> = path.iter().map(u32::to_string).collect();
    format!("{step}/{}/1", if path.is_empty() { "-".to_owned() } else { path.join(".") })
}
