//! The world of one execution: whatever the bytes say happens, likely or not.

use arbitrary::{Result, Unstructured};
use stepwell_core::definition::Workflow;
use stepwell_core::execution::{
    Answer, Applied, AttemptUsage, Command, Entry, Execution, ExecutionLimits, Phase, Pin, Reported, RunIx, Started,
    Trigger, apply, approval_view, call, child_start, event_matches, outline, outstanding, replay, view,
};
use stepwell_core::failure::{Failure, Retry};
use stepwell_core::grants::Grants;
use stepwell_core::ids::{Digest, ExecutionId, TenantId};
use stepwell_core::payload::Payload;
use stepwell_core::secrets::SecretValues;
use stepwell_core::time::Timestamp;

/// Most entries that are tried.
const ENTRIES: usize = 80;
const LIMITS: ExecutionLimits =
    ExecutionLimits { step_runs: 60, journal_entries: 60, journal_bytes: 20_000, payload_bytes: 4_000, child_depth: 2 };

/// Plays an execution for as long as there are bytes, and holds it to what must always be.
pub fn play(workflow: &Workflow, chance: &mut Unstructured<'_>) {
    let mut world = World::new(workflow);
    world.happened(Entry::Started(Box::new(started(workflow))));
    for _ in 0..ENTRIES {
        let Ok(entry) = world.any(chance) else { break };
        world.happened(entry);
    }
    world.look();
    // Whatever has become of it, it can be ended.
    world.happened(Entry::Cancelled { by: None, reason: None });
    assert!(world.execution.is_ended() && outstanding(&world.execution).is_empty());
    let journal = world.journal.iter().map(|(at, entry)| (*at, entry));
    let replayed = replay(Execution::blank(world.execution.id), workflow, journal).expect("replays");
    assert_eq!(replayed, world.execution, "the journal gives the state");
}

struct World<'a> {
    workflow: &'a Workflow,
    execution: Execution,
    journal: Vec<(Timestamp, Entry)>,
    now: Timestamp,
}

impl<'a> World<'a> {
    fn new(workflow: &'a Workflow) -> Self {
        let execution = Execution::blank(ExecutionId::from_bytes([1; 16]));
        Self { workflow, execution, journal: Vec::new(), now: Timestamp(1_000_000) }
    }

    /// Applies an entry, whether it makes sense or not; every so often through what is written to disk.
    fn happened(&mut self, entry: Entry) {
        let Ok(Applied::Changed { next, commands }) = apply(&self.execution, self.workflow, self.now, &entry) else {
            return;
        };
        self.execution = *next;
        self.journal.push((self.now, entry));
        let running = self.execution.phase == Phase::Running;
        assert!(running || self.execution.is_ended());
        assert!(!running || !self.execution.tokens.is_empty(), "nothing is left, and it did not end");
        assert!(running || self.execution.ended_at.is_some());
        let paused = self.execution.paused.is_some();
        assert!(!paused || !commands.iter().any(|command| matches!(command, Command::RunAttempt { .. })));
        if self.journal.len() % 8 == 0 {
            let text = serde_json::to_string(&self.execution).expect("writes");
            let read: Execution = serde_json::from_str(&text).expect("reads");
            assert_eq!(read, self.execution, "it reads back as it was written");
            self.execution = read;
        }
    }

    /// Everything that the host asks of a state.
    fn look(&self) {
        let secrets = SecretValues::default();
        for command in outstanding(&self.execution) {
            match command {
                Command::RunAttempt { run, .. } => drop(call(&self.execution, self.workflow, run, &secrets)),
                Command::StartChild { run } => drop(child_start(&self.execution, self.workflow, run)),
                _ => {}
            }
        }
        for at in 0..u32::try_from(self.execution.runs.len()).unwrap_or(0) {
            drop(approval_view(&self.execution, self.workflow, RunIx(at)));
        }
        let shown = view(&self.execution, self.workflow, self.now, true);
        serde_json::from_str::<serde_json::Value>(&shown).expect("JSON");
        drop(outline(&self.execution, self.now, true));
        let _ = (self.execution.is_idle(), self.execution.next_wake());
    }

    /// What happens next: mostly what somebody waits for.
    fn any(&mut self, chance: &mut Unstructured<'_>) -> Result<Entry> {
        if chance.is_empty() {
            return Err(arbitrary::Error::NotEnoughData);
        }
        let (run, attempt) = self.some_run(chance)?;
        let by = Some("a".to_owned());
        Ok(match chance.int_in_range(0..=18)? {
            0..=4 => {
                let output = payload(chance)?;
                Entry::StepSucceeded { run, attempt, output, usage: AttemptUsage::default() }
            }
            5 | 6 => {
                let (failure, usage) = (failure(chance)?, AttemptUsage::default());
                Entry::StepFailed { run, attempt, failure, chance: chance.arbitrary()?, usage }
            }
            7 => Entry::AttemptLost { run, attempt },
            8 => {
                self.now = self.now.plus(chance.int_in_range(0..=1_000)?);
                Entry::TimerFired { run }
            }
            9 => {
                let by = chance.choose(&["a", "b", "c", "d"])?;
                let groups = if *by == "c" { vec!["group:c".to_owned()] } else { Vec::new() };
                let data = chance.arbitrary::<bool>()?.then(Payload::null);
                let (by, approved) = ((*by).to_owned(), chance.arbitrary()?);
                Entry::ApprovalAnswered { run, answer: Answer { by, groups, approved, comment: None, data } }
            }
            10 => {
                let event = Payload::parse(r#"{"type":"a.b","source":"s","data":{"n":1}}"#).expect("JSON");
                let _ = event_matches(&self.execution, self.workflow, run, &event);
                Entry::EventReceived { run, event }
            }
            11 => Entry::ChildEnded { run, attempt, outcome: reported(chance)? },
            12 => Entry::CallbackReceived { run, attempt, outcome: reported(chance)? },
            13 => Entry::Paused { by },
            14 => Entry::Resumed { by },
            15 => Entry::Retried { by },
            16 => Entry::DeadlinePassed,
            17 => Entry::Admitted,
            _ if chance.ratio(1, 8)? => Entry::Cancelled { by, reason: None },
            _ => {
                self.now = self.now.plus(chance.int_in_range(0..=100_000)?);
                Entry::TimerFired { run }
            }
        })
    }

    /// A step run that is under way and its attempt, or seldom any.
    fn some_run(&self, chance: &mut Unstructured<'_>) -> Result<(RunIx, u32)> {
        let under_way: Vec<(RunIx, u32)> = self.execution.under_way().map(|(at, run)| (at, run.attempts)).collect();
        if under_way.is_empty() || chance.ratio(1, 8)? {
            let most = u32::try_from(self.execution.runs.len()).unwrap_or(0) + 1;
            return Ok((RunIx(chance.int_in_range(0..=most)?), chance.int_in_range(0..=4)?));
        }
        chance.choose(&under_way).copied()
    }
}

fn payload(chance: &mut Unstructured<'_>) -> Result<Payload> {
    const VALUES: [&str; 7] = ["null", "1", "{}", r#"{"n":1}"#, r#"{"n":2,"list":[1,[2,{"a":3}]]}"#, "[]", r#""text""#];
    Ok(Payload::parse(chance.choose(&VALUES)?).expect("JSON"))
}

fn failure(chance: &mut Unstructured<'_>) -> Result<Failure> {
    let retry = match chance.int_in_range(0..=2)? {
        0 => Retry::Never,
        1 => Retry::Again { after_ms: None },
        _ => Retry::Again { after_ms: Some(chance.arbitrary()?) },
    };
    Ok(Failure::reported("bad", "it is bad".to_owned(), None, retry))
}

fn reported(chance: &mut Unstructured<'_>) -> Result<Reported> {
    if chance.arbitrary()? {
        return Ok(Reported::Succeeded(payload(chance)?));
    }
    Ok(Reported::Failed { failure: failure(chance)?, chance: chance.arbitrary()? })
}

fn started(workflow: &Workflow) -> Started {
    let pin = |id: &&str| {
        let (component, function) = (Digest([0; 32]), (*id).to_owned());
        ((*id).to_owned(), Pin { component, function, grants: Grants::default(), effect_free: true })
    };
    Started {
        tenant: TenantId::DEFAULT,
        workflow: workflow.id.clone(),
        revision: workflow.revision,
        trigger: Trigger::api(None),
        input: Payload::parse(r#"{"n":1}"#).expect("JSON"),
        event: None,
        pins: workflow.functions().iter().map(pin).collect(),
        limits: LIMITS,
        parent: None,
        depth: 0,
        hops: 0,
        rerun: None,
    }
}
