//! The book: all that happened in a world, as seen from outside of the engine, and the state of each execution after each line of its journal.
//! Whatever is written into it is held to the invariants at once.

use crate::blocks::Expected;
use crate::commits::{Commits, may_wait};
use crate::invariants::{self as rule, Held};
use crate::plan::Plan;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stepwell_core::definition::Workflow;
use stepwell_core::execution::{Entry, Execution, Run, RunIx, RunState, run_key};
use stepwell_core::ids::{ExecutionId, TenantId};
use stepwell_core::payload::Payload;
use stepwell_core::time::Timestamp;
use stepwell_engine::fakes::{MemoryNotes, stored};
use stepwell_engine::ports::{Claim, ExecutionKey, Invocation, InvocationContext, Transition};

/// How long a write takes at most, milliseconds, if the clocks do not say.
const CLOCK_LEEWAY_MS: u64 = 20_000;

/// One execution, as the disk has it.
pub struct Story {
    pub id: ExecutionId,
    pub tenant: TenantId,
    pub workflow: Arc<Workflow>,
    pub plan: Arc<Plan>,
    /// What it must have run in the end.
    pub expected: Expected,
    pub lines: Vec<(Timestamp, Entry)>,
    /// After no line, after one, and so on.
    pub states: Vec<Execution>,
    /// Runs whose result is recorded.
    pub succeeded: BTreeSet<RunIx>,
    /// What its commits were.
    pub commits: Commits,
    /// Which host gave it its place.
    given_by: u32,
    /// Since when runs wait: true time, and how far the clocks were set then.
    waiting: BTreeMap<RunIx, (u64, i64)>,
}

/// One call of a function.
pub struct Call {
    pub attempt: u32,
    pub returned: Option<Payload>,
}

/// A deployed workflow.
#[derive(Clone)]
pub struct Deployed {
    pub plan: Arc<Plan>,
    pub workflow: Arc<Workflow>,
}

/// All of it.
#[derive(Default)]
pub struct Book {
    pub deployed: BTreeMap<(TenantId, String), Deployed>,
    pub stories: BTreeMap<ExecutionKey, Story>,
    /// What broke a rule.
    pub breaches: Vec<String>,
    /// Events, by id: their type and whether somebody was told that they are kept.
    pub events: BTreeMap<(TenantId, String), (String, bool)>,
    /// By host: what was under way when it started, under whichever lease.
    found: BTreeMap<u32, BTreeSet<ExecutionKey>>,
    calls: BTreeMap<String, Vec<Call>>,
    /// By host, step and key of its limit: calls under way.
    crowds: BTreeMap<(u32, String), u64>,
    /// Starts by their idempotency key.
    starts: BTreeMap<(TenantId, String), String>,
    losses: BTreeMap<String, u32>,
    mended: BTreeSet<String>,
    cancelled: BTreeSet<String>,
    skew: i64,
    jumps: Vec<(u64, i64)>,
    machines: BTreeMap<usize, Arc<MemoryNotes>>,
    /// How often a host died while a run was under way, at most.
    pub deaths: BTreeMap<(ExecutionKey, RunIx), u32>,
}

impl Story {
    /// After its last line.
    pub fn now(&self) -> &Execution {
        // The state after no line is there from the beginning.
        &self.states[self.states.len() - 1]
    }

    /// Whether it has begun, has its place if its workflow has a limit, and has not ended.
    pub fn has_place(&self) -> bool {
        let now = self.now();
        now.started.is_some() && !now.waits_for_place() && !now.is_ended()
    }

    /// The step of a run.
    pub fn step_of(&self, run: RunIx) -> String {
        self.now().run(run).map(|run| self.workflow.step_id(run.step).to_owned()).unwrap_or_default()
    }

    /// `{step}/{path}/{run}`
    pub fn name_of(&self, run: RunIx) -> String {
        self.now().run(run).map(|run| self.name(run)).unwrap_or_default()
    }

    fn name(&self, run: &Run) -> String {
        run_key(self.workflow.step_id(run.step), &run.path, run.number)
    }

    /// The idempotency key of a run.
    pub fn key_of(&self, run: RunIx) -> String {
        format!("{}/{}", self.id, self.name_of(run))
    }

    /// The idempotency key of a run.
    pub fn key_of_run(&self, run: &Run) -> String {
        format!("{}/{}", self.id, self.name(run))
    }
}

/// What a claim writes, in a word or two.
pub fn shown(claim: &Claim) -> String {
    let mut words: Vec<String> = claim
        .journal
        .iter()
        .map(|line| match stored::line(&line.entry) {
            Ok((_, entry)) => {
                let text = format!("{entry:?}");
                let name = text.split([' ', '(']).next().unwrap_or_default().to_owned();
                format!("{}:{name}{}", line.seq, entry.run().map(|run| format!("[{}]", run.0)).unwrap_or_default())
            }
            Err(why) => why,
        })
        .collect();
    words.extend(claim.record.as_ref().map(|record| format!("{:?}", record.status)));
    words.join(" ")
}

impl Book {
    /// The clocks were set.
    pub fn jumped(&mut self, at: u64, by_ms: i64) {
        self.skew += by_ms;
        self.jumps.push((at, self.skew));
    }

    /// How far the clocks are behind of what they have shown before.
    pub fn set_back_ms(&self) -> u64 {
        let furthest = self.jumps.iter().map(|(_, skew)| *skew).max().unwrap_or(0).max(0);
        u64::try_from(furthest - self.skew).unwrap_or(0)
    }

    /// The notes of a machine for the next host on it.
    pub fn notes(&mut self, machine: usize) -> Arc<MemoryNotes> {
        use stepwell_engine::ports::Notes as _;
        let next = self.machines.get(&machine).map_or_else(MemoryNotes::default, |notes| notes.reopen());
        for note in next.left_behind() {
            *self.deaths.entry((note.execution, note.run)).or_default() += 1;
        }
        let next = Arc::new(next);
        self.machines.insert(machine, Arc::clone(&next));
        next
    }

    /// A host starts, and finds what is under way.
    pub fn starts(&mut self, host: u32) {
        let under_way = self.stories.iter().filter(|(_, story)| story.has_place());
        let found = under_way.map(|(key, _)| *key).collect();
        self.found.insert(host, found);
    }

    /// A transition is on the disk.
    pub fn wrote(&mut self, host: u32, (elapsed, now): (u64, Timestamp), written: &Transition) -> Held {
        let Some(claim) = &written.execution else { return Ok(()) };
        let key = ExecutionKey { tenant: written.tenant, id: claim.id };
        let had_place = self.stories.get(&key).is_some_and(Story::has_place);
        let mut waited = Vec::new();
        for line in &claim.journal {
            let (at, entry) = stored::line(&line.entry)?;
            // A clock that was set back between the decision and the write says nothing of how long that took.
            let took = if now >= at { now.since(at) } else { CLOCK_LEEWAY_MS };
            waited.extend(self.line(key, (elapsed.saturating_sub(took), at), &entry)?.then_some(at));
        }
        let is_set_back = self.set_back_ms() > 0;
        let Some(story) = self.stories.get_mut(&key) else { return Err(format!("{key:?} has no start")) };
        if let Some(record) = &claim.record {
            rule::the_record_follows_from_the_journal(story, record)?;
        }
        if !claim.journal.is_empty() {
            let alone = waited.len() == claim.journal.len() && claim.record.is_none();
            story.commits.wrote((now, is_set_back), &waited, alone);
        }
        if had_place || !story.has_place() {
            return Ok(());
        }
        story.given_by = host;
        self.limit_of_the_workflow(key, host)
    }

    /// `elapsed`: the true time at which the line was decided. Whether it could have waited for the next commit.
    fn line(&mut self, key: ExecutionKey, (elapsed, at): (u64, Timestamp), entry: &Entry) -> Result<bool, String> {
        if let Entry::Started(started) = entry {
            let deployed = self.deployed.get(&(key.tenant, started.workflow.clone()));
            let Deployed { plan, workflow } = deployed.cloned().ok_or("an execution of an unknown workflow")?;
            let expected = plan.expected(&started.input.to_value());
            let (lines, states) = (Vec::new(), vec![Execution::blank(key.id)]);
            let (succeeded, waiting) = (BTreeSet::new(), BTreeMap::new());
            let (id, tenant) = (key.id, key.tenant);
            let (commits, given_by) = (Commits::default(), 0);
            let story =
                Story { id, tenant, workflow, plan, expected, lines, states, succeeded, commits, given_by, waiting };
            self.stories.insert(key, story);
        }
        let (skew, jumps) = (self.skew, &self.jumps);
        let Some(story) = self.stories.get_mut(&key) else {
            return Err(format!("{key:?} does not begin with a start"));
        };
        rule::an_end_stays(story, entry)?;
        rule::a_result_is_recorded_once(story, entry)?;
        rule::a_result_was_returned(story, entry, &self.calls)?;
        let waited = entry.run().and_then(|run| story.waiting.get(&run)).map_or(u64::MAX, |(since, set)| {
            let later = jumps.iter().filter(|(when, _)| when >= since).map(|(_, skew)| *skew);
            let forward = later.chain([skew]).max().unwrap_or(skew).saturating_sub(*set).max(0);
            elapsed.saturating_sub(*since).saturating_add(u64::try_from(forward).unwrap_or_default())
        });
        rule::timers_are_never_early(story, (at, entry), waited)?;
        let next = rule::every_line_changes_its_execution(story, at, entry)?;
        for (run, state) in next.under_way() {
            if state.state == RunState::Waiting {
                story.waiting.entry(run).or_insert((elapsed, skew));
            }
        }
        if let Entry::StepSucceeded { run, .. } = entry {
            story.succeeded.insert(*run);
        }
        let may_wait = may_wait(story, (at, entry), &next);
        story.lines.push((at, entry.clone()));
        story.states.push(next);
        Ok(may_wait)
    }

    /// A host has given this one a place.
    fn limit_of_the_workflow(&self, key: ExecutionKey, host: u32) -> Held {
        let Some(story) = self.stories.get(&key) else { return Ok(()) };
        let Some(max) = story.plan.at_once else { return Ok(()) };
        let found = self.found.get(&host);
        let field = |story: &Story| crate::functions::field(&story.now().input(), "k");
        let of = field(story);
        let known = |key: &ExecutionKey, other: &Story| {
            other.given_by == host || found.is_some_and(|found| found.contains(key))
        };
        let same = self.stories.iter().filter(|(key, other)| {
            other.tenant == story.tenant
                && other.plan.id == story.plan.id
                && other.has_place()
                && known(key, other)
                && !other.lines.iter().any(|(_, entry)| matches!(entry, Entry::Retried { .. }))
                && field(other) == of
        });
        rule::a_workflows_limit_holds(&same.map(|(key, _)| key.id).collect::<Vec<_>>(), max)
    }

    /// A function is called.
    pub fn called(&mut self, host: u32, now: Timestamp, invocation: &Invocation) -> Held {
        let context = &invocation.context;
        let key = context.idempotency_key.clone();
        let (attempt, crowd) = (context.attempt, crowd(host, invocation));
        self.calls.entry(key.clone()).or_default().push(Call { attempt, returned: None });
        let count = self.crowds.entry(crowd).or_default();
        *count += 1;
        let at_once = *count;
        let set_back = self.set_back_ms();
        rule::a_run_has_one_idempotency_key(&key, (&context.execution_id, &context.step, &context.iteration))?;
        let place = self.place(&context.execution_id);
        let mut story = place.and_then(|place| self.stories.get_mut(&place));
        if let Some(story) = story.as_mut().filter(|story| !story.plan.pure.contains(&context.step)) {
            story.commits.effect();
        }
        let story = story.as_deref();
        let input = invocation.input.to_value();
        if input["sim"]["effect"] == true {
            // Its pause may have ended before the clocks were set back; since then it waited for its turn.
            let latest = now.plus(set_back);
            rule::an_effect_follows_from_what_is_stored(story, (&key, attempt), latest)?;
        }
        if let Some(story) = story {
            rule::a_tenant_sees_its_own(invocation.tenant, &context.execution_id, Some(story.tenant))?;
            rule::a_join_has_all_that_must_come(story, &key, &input)?;
            if let Some(max) = story.plan.step_limits.get(&context.step) {
                rule::a_steps_limit_holds(at_once, *max, &key)?;
            }
        }
        Ok(())
    }

    /// A function returned this.
    pub fn returned(&mut self, invocation: &Invocation, output: &Payload) {
        let context = &invocation.context;
        let calls = self.calls.entry(context.idempotency_key.clone()).or_default();
        if let Some(call) = calls.iter_mut().rev().find(|call| call.attempt == context.attempt) {
            call.returned = Some(output.clone());
        }
    }

    /// A call is over.
    pub fn ended(&mut self, host: u32, invocation: &Invocation) {
        if let Some(at_once) = self.crowds.get_mut(&crowd(host, invocation)) {
            *at_once = at_once.saturating_sub(1);
        }
    }

    /// Whether this call may be lost once more: a run has as many attempts as its step allows.
    pub fn may_be_lost(&mut self, key: &str) -> bool {
        let losses = self.losses.entry(key.to_owned()).or_default();
        *losses += 1;
        *losses <= 2
    }

    /// Somebody mended what makes this execution fail.
    pub fn mend(&mut self, execution: &str) {
        self.mended.insert(execution.to_owned());
    }

    /// Whether it is mended.
    pub fn is_mended(&self, context: &InvocationContext) -> bool {
        self.mended.contains(&context.execution_id)
    }

    /// Somebody tries to cancel it.
    pub fn cancel(&mut self, execution: &str) {
        self.cancelled.insert(execution.to_owned());
    }

    /// Whether it, or the one that it is a child of, was cancelled or ended otherwise.
    pub fn was_cancelled(&self, story: &Story) -> bool {
        let parent = story.now().started.as_ref().is_some_and(|started| started.parent.is_some());
        parent || self.cancelled.contains(&story.id.to_string())
    }

    /// A start is acknowledged.
    pub fn acknowledged(&mut self, tenant: TenantId, start: &str, id: &str) -> Held {
        let place = self.place(id);
        rule::an_acknowledged_start_is_stored(place.and_then(|place| self.stories.get(&place)), id)?;
        let known = self.starts.insert((tenant, start.to_owned()), id.to_owned());
        rule::a_start_has_one_execution(known.as_deref(), id)
    }

    /// All that was acknowledged.
    pub fn promised(&self) -> Vec<String> {
        self.starts.values().cloned().collect()
    }

    /// Somebody was shown a status.
    pub fn shown_status(&self, (tenant, id): (TenantId, &str), shown: &str, now: Timestamp) -> Held {
        let story = self.place(id).and_then(|place| self.stories.get(&place));
        rule::a_tenant_sees_its_own(tenant, id, story.map(|story| story.tenant))?;
        rule::a_shown_status_is_stored(story, shown, now)
    }

    /// Somebody was shown lines of a journal.
    pub fn shown_lines(&self, id: &str, from: usize, lines: &[Value]) -> Held {
        rule::shown_lines_are_stored(self.place(id).and_then(|place| self.stories.get(&place)), from, lines)
    }

    /// The tenant of an execution.
    pub fn owner(&self, id: &str) -> Option<TenantId> {
        self.place(id).map(|place| place.tenant)
    }

    /// Where an execution is.
    pub fn place(&self, id: &str) -> Option<ExecutionKey> {
        let id: ExecutionId = id.parse().ok()?;
        self.stories.keys().find(|key| key.id == id).copied()
    }

    /// How many executions each event has started of each workflow that it starts, and whether somebody was told that the event is kept.
    pub fn started_by_events(&self) -> Vec<((&str, bool), usize)> {
        let mut all = Vec::new();
        for ((tenant, event), (kind, acknowledged)) in &self.events {
            let wants = |deployed: &Deployed| deployed.plan.started_by.as_deref() == Some(kind);
            for ((of, workflow), _) in self.deployed.iter().filter(|(_, deployed)| wants(deployed)) {
                let is_its = |story: &&Story| {
                    story.now().started.as_ref().is_some_and(|started| {
                        started.workflow == *workflow && started.trigger.event_id.as_ref() == Some(event)
                    })
                };
                if of == tenant {
                    let of_tenant = self.stories.values().filter(|story| story.tenant == *tenant);
                    all.push(((event.as_str(), *acknowledged), of_tenant.filter(is_its).count()));
                }
            }
        }
        all
    }

    /// The world is calm, and time has passed.
    pub fn close(&self) -> Vec<String> {
        let mut breaches = Vec::new();
        for story in self.stories.values() {
            let deaths = self.deaths.values().copied().max().unwrap_or(0);
            // One that ran when its host died holds nothing back any more.
            let careful = self.deaths.keys().any(|(key, _)| key.id == story.id);
            let checks = [
                rule::everything_ends(story),
                rule::a_replay_comes_to_the_same(story),
                rule::what_completed_has_run_all(story),
                if careful { Ok(()) } else { rule::results_wait_for_company(story, self.found.len() - 1) },
                rule::a_failure_has_its_reason(story, (self.was_cancelled(story), deaths)),
            ];
            breaches.extend(checks.into_iter().filter_map(Result::err));
        }
        let lost = self.promised().into_iter().filter(|id| self.place(id).is_none());
        breaches.extend(lost.map(|id| format!("{id} was acknowledged and is lost")));
        for (tenant, start) in self.starts.keys().filter(|(_, start)| start.starts_with("start")) {
            let is_its = |story: &&Story| {
                let by_api = story.now().started.as_ref().is_some_and(|started| started.trigger.kind == "api");
                story.tenant == *tenant
                    && by_api
                    && crate::functions::field(&story.now().input(), "who") == start.as_str()
            };
            let count = self.stories.values().filter(is_its).count();
            breaches.extend(rule::a_start_is_one_execution(start, count).err());
        }
        for ((event, acknowledged), started) in self.started_by_events() {
            breaches.extend(rule::an_event_starts_once(event, started, acknowledged).err());
        }
        breaches
    }
}

/// What counts together under a step's limit.
fn crowd(host: u32, invocation: &Invocation) -> (u32, String) {
    let context = &invocation.context;
    let of = crate::functions::field(&invocation.input, "k");
    (host, format!("{:?} {} {} {of}", invocation.tenant, context.workflow_id, context.step))
}
