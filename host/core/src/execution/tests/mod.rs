//! Tests of the core: a world of one execution, in which functions are closures and time stands still.
#![allow(clippy::needless_pass_by_value, reason = "definitions read better with values than with references")]

mod bounds;
mod control;
mod joins;
mod language;
mod limiting;
mod loops;
mod matrix;
mod replaying;
mod secrets;
mod waits;

use super::{
    Applied, Command, Entry, Execution, ExecutionLimits, Phase, Pin, Rerun, RunIx, Started, Trigger, apply, call,
    outstanding,
};
use crate::definition::{Workflow, check};
use crate::failure::{Failure, Retry};
use crate::ids::{Digest, ExecutionId, TenantId};
use crate::payload::Payload;
use crate::secrets::SecretValues;
use crate::time::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};

/// What a step's function does: step id, input, attempt.
pub type Behaviour<'a> = dyn Fn(&str, &Value, u32) -> Result<Value, Failure> + 'a;

pub fn workflow(steps: &Value) -> Workflow {
    definition(&json!({ "steps": steps }))
}

pub fn definition(definition: &Value) -> Workflow {
    match check("test", 1, definition) {
        Ok(checked) => checked.workflow,
        Err(faults) => panic!("{faults:#?}"),
    }
}

/// A function step.
pub fn f(id: &str, next: Value) -> Value {
    json!({"id": id, "type": "function", "function": id, "next": next})
}

/// A condition step.
pub fn c(id: &str, condition: &str, next: Value, otherwise: Value) -> Value {
    json!({"id": id, "type": "condition", "condition": condition, "next": next, "config": {"else": otherwise}})
}

pub fn failure(code: &str) -> Failure {
    Failure::reported(code, format!("{code} happened"), None, Retry::Never)
}

pub fn retryable(code: &str) -> Failure {
    Failure::reported(code, format!("{code} happened"), None, Retry::Again { after_ms: None })
}

/// One execution, its journal, and what is still to be done.
#[derive(Clone)]
pub struct World<'a> {
    pub workflow: &'a Workflow,
    pub execution: Execution,
    pub journal: Vec<(Timestamp, Entry)>,
    pub todo: VecDeque<(RunIx, u32)>,
    pub now: Timestamp,
    /// Everything that the core asked for.
    pub commands: Vec<Command>,
    /// What functions can be given.
    pub secrets: SecretValues,
}

impl<'a> World<'a> {
    pub fn start(workflow: &'a Workflow, input: &Value) -> Self {
        Self::start_with(workflow, input, ExecutionLimits::default())
    }

    pub fn start_with(workflow: &'a Workflow, input: &Value, limits: ExecutionLimits) -> Self {
        Self::begin(workflow, input, (limits, None))
    }

    pub fn begin(workflow: &'a Workflow, input: &Value, (limits, rerun): (ExecutionLimits, Option<Rerun>)) -> Self {
        let pin = |id: &&str| {
            (
                (*id).to_owned(),
                Pin {
                    component: Digest([0; 32]),
                    function: (*id).to_owned(),
                    grants: crate::grants::Grants::default(),
                    effect_free: true,
                },
            )
        };
        let started = Started {
            tenant: TenantId::DEFAULT,
            workflow: workflow.id.clone(),
            revision: workflow.revision,
            trigger: Trigger::api(None),
            input: Payload::from_value(input),
            event: None,
            pins: workflow.functions().iter().map(pin).collect(),
            limits,
            parent: None,
            depth: 0,
            hops: 0,
            rerun,
        };
        let execution = Execution::blank(ExecutionId::from_bytes([1; 16]));
        let mut world = Self {
            workflow,
            execution,
            journal: Vec::new(),
            todo: VecDeque::new(),
            now: Timestamp(1_000_000),
            commands: Vec::new(),
            secrets: SecretValues::default(),
        };
        world.happened(Entry::Started(Box::new(started)));
        world
    }

    /// Applies an entry; false if it was ignored.
    pub fn happened(&mut self, entry: Entry) -> bool {
        match apply(&self.execution, self.workflow, self.now, &entry).expect("legal") {
            Applied::Changed { next, commands } => {
                self.execution = *next;
                self.journal.push((self.now, entry));
                self.commands.extend(commands.iter().cloned());
                for command in commands {
                    match command {
                        Command::RunAttempt { run, attempt, .. } => self.todo.push_back((run, attempt)),
                        Command::CancelAttempt { run } => self.todo.retain(|(other, _)| *other != run),
                        Command::WatchDeadline { .. }
                        | Command::WatchTimer { .. }
                        | Command::StartChild { .. }
                        | Command::CancelChild { .. }
                        | Command::ShowApproval { .. }
                        | Command::Subscribe { .. }
                        | Command::Unsubscribe { .. }
                        | Command::AwaitPlace
                        | Command::TakePlace
                        | Command::AnnounceEnd => {}
                    }
                }
                true
            }
            Applied::Ignored(_) => false,
        }
    }

    /// Runs one of the attempts that are to be done.
    pub fn step(&mut self, at: usize, behaviour: &Behaviour<'_>) {
        let (run, attempt) = self.todo.remove(at).expect("something to do");
        let step = self.workflow.step_id(self.execution.run(run).expect("run").step).to_owned();
        let result = call(&self.execution, self.workflow, run, &self.secrets)
            .and_then(|call| behaviour(&step, &call.input.to_value(), attempt));
        let usage = super::AttemptUsage::default();
        self.happened(match result {
            Ok(output) => Entry::StepSucceeded { run, attempt, output: Payload::from_value(&output), usage },
            Err(failure) => Entry::StepFailed { run, attempt, failure, chance: u32::MAX, usage },
        });
    }

    /// Runs everything, in the order that `pick` chooses (an index into what is to be done, modulo its length).
    pub fn run(&mut self, mut pick: impl FnMut() -> usize, behaviour: &Behaviour<'_>) {
        while !self.todo.is_empty() {
            let at = pick() % self.todo.len();
            self.step(at, behaviour);
        }
        assert!(self.execution.is_ended(), "stuck: {:#?}", self.execution.tokens);
        assert_eq!(outstanding(&self.execution), []);
    }

    pub fn result(&self) -> Value {
        match &self.execution.phase {
            Phase::Completed(result) => result.to_value(),
            other => panic!("not completed: {other:?}"),
        }
    }

    pub fn error_code(&self) -> &str {
        match &self.execution.phase {
            Phase::Failed(error) => &error.code,
            other => panic!("not failed: {other:?}"),
        }
    }

    /// The answer of the API.
    pub fn view(&self) -> Value {
        serde_json::from_str(&super::view(&self.execution, self.workflow, self.now, true)).expect("JSON")
    }
}

/// Runs a workflow in order; functions answer `{at: <step>}` and what they were given.
pub fn ran<'a>(workflow: &'a Workflow, input: &Value, behaviour: &Behaviour<'_>) -> World<'a> {
    let mut world = World::start(workflow, input);
    world.run(|| 0, behaviour);
    world
}

/// Answers with the step's own id.
pub fn own_id(step: &str, _: &Value, _: u32) -> Result<Value, Failure> {
    Ok(json!(step))
}

/// Runs under every order of attempts up to a number of choices; the result must be the same in each.
pub fn in_every_order(workflow: &Workflow, input: &Value, behaviour: &Behaviour<'_>) -> Value {
    let mut results = BTreeMap::new();
    let mut stack = vec![World::start(workflow, input)];
    let mut ended = 0;
    while let Some(world) = stack.pop() {
        if world.todo.is_empty() {
            assert!(world.execution.is_ended(), "stuck: {:#?}", world.execution.tokens);
            results.insert(world.result().to_string(), ());
            ended += 1;
            assert!(ended < 20_000, "too many orders");
        }
        for at in 0..world.todo.len() {
            let mut next = world.clone();
            next.step(at, behaviour);
            stack.push(next);
        }
    }
    assert_eq!(results.len(), 1, "the order matters: {results:?}");
    let (only, ()) = results.pop_first().expect("one");
    serde_json::from_str(&only).expect("JSON")
}
