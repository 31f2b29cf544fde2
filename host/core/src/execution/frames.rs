//! Iterations and branches: how they begin, and what becomes of their results (semantics C7-C9).

use super::turn::Turn;
use super::{Branches, Frame, FrameId, Payload, Place, RunIx, RunState, Token, TokenId, Via, Wait};
use crate::definition::{Exits, ParallelRule, StepIx, StepKind};
use crate::failure::{Failure, code};
use crate::payload::JSON_DEPTH;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Loops and branches inside of each other: each level makes idempotency keys longer, and a loop that leads back to one around it never ends.
const FRAME_DEPTH: u32 = 32;

/// What a new frame is.
pub(super) struct Opening {
    /// The loop or `parallel`.
    pub owner: RunIx,
    /// Which iteration or branch, from 0.
    pub index: u32,
    /// Whether it is an iteration, in which runs are counted anew.
    pub iterates: bool,
    /// Of an iteration over items: its item.
    pub item: Option<Payload>,
    /// The `result` that its paths begin with; `None`: no value yet.
    pub result: Option<Payload>,
}

impl Turn<'_> {
    /// A frame begins with one token, which sets off for the first steps.
    pub(super) fn open_frame(&mut self, opening: Opening, first: &Exits) {
        let Some(owner) = self.next.run(opening.owner) else { return };
        let (around, step, token) = (owner.frame, owner.step, owner.token);
        let Some(parent) = self.next.frames.get(&around) else { return };
        if parent.depth >= FRAME_DEPTH {
            let message = format!(
                "loops and branches are nested deeper than {FRAME_DEPTH} levels; does a loop lead back to one around it?"
            );
            return self.fail_run(opening.owner, &Failure::guest(code::STEP_BUDGET_EXCEEDED, message));
        }
        let id = FrameId(self.next.counters.frames);
        let path = if opening.iterates {
            parent.path.iter().copied().chain(std::iter::once(opening.index)).collect()
        } else {
            Arc::clone(&parent.path)
        };
        let frame = Frame {
            owner: Some(opening.owner),
            index: opening.index,
            path,
            iteration: if opening.iterates { id } else { parent.iteration },
            depth: parent.depth + 1,
            item: opening.item,
            ..Frame::default()
        };
        let Some(error) = self.next.tokens.get(&token).map(|token| token.error.clone()) else { return };
        self.next.counters.frames += 1;
        self.next.frames.insert(id, Arc::new(frame));
        let mut inner = Token::new(id, Place::Bound { to: step, via: Via::Edge(step) });
        inner.result = opening.result;
        inner.error = error;
        inner.passed = vec![opening.owner];
        let token = self.add_token(inner);
        self.go(token, opening.owner, first);
    }

    /// A path has left its iteration or branch: it ends, and counts.
    pub(super) fn end_here(&mut self, token: TokenId) {
        let last = self.next.tokens.get(&token).and_then(|token| token.passed.last().copied());
        let step = last.and_then(|run| Some((self.next.run(run)?.step, run)));
        self.end_path(token, step);
    }

    /// The last path of a frame has ended.
    pub(super) fn frame_ended(&mut self, id: FrameId) {
        let Some(frame) = self.next.frames.get(&id).cloned() else { return };
        let Some(owner) = frame.owner else { return }; // the execution itself: see `end`
        if frame.tokens > 0 {
            return;
        }
        self.next.frames.remove(&id);
        let result = self.combined(&frame);
        match self.next.run(owner).and_then(|run| run.wait.as_deref()) {
            Some(Wait::Iterations(_)) => self.iteration_ended(owner, frame.index, result),
            Some(Wait::Branches(_)) => self.branch_ended(owner, &frame, result),
            Some(Wait::Approval(_) | Wait::Until(_) | Wait::Event(_) | Wait::Child(_) | Wait::Callback { .. })
            | None => {}
        }
    }

    /// More iterations or branches begin, as many as may be under way at once; behind the last one the path goes on.
    pub(super) fn fill(&mut self, run: RunIx) {
        let workflow = self.workflow;
        let Some(step) = self.next.run(run).and_then(|run| workflow.step(run.step)) else { return };
        match &step.kind {
            StepKind::Loop(rule) => self.fill_loop(run, step, rule),
            StepKind::Parallel(rule) => self.fill_branches(run, rule),
            StepKind::Function(_)
            | StepKind::Condition(_)
            | StepKind::Human(_)
            | StepKind::Agent(_)
            | StepKind::Wait(_)
            | StepKind::Event(_)
            | StepKind::Workflow(_) => {}
        }
    }

    /// A `parallel` with branches begins (C7).
    pub(super) fn begin_branches(&mut self, run: RunIx, rule: &ParallelRule) {
        let branches = Branches { results: rule.branches.iter().map(|_| None).collect(), ..Branches::default() };
        self.wait_for(run, Wait::Branches(branches));
        self.fill_branches(run, rule);
    }

    fn fill_branches(&mut self, run: RunIx, rule: &ParallelRule) {
        let most = rule.max_concurrency.unwrap_or(u32::MAX);
        while let Some((begun, ended)) = self.branches_mut(run).map(|b| (b.begun, b.ended)) {
            let Some(first) = rule.branches.get(begun as usize) else {
                if ended as usize == rule.branches.len() {
                    self.finish_branches(run, rule);
                }
                return;
            };
            if begun - ended >= most || !self.is_waiting(run) {
                return;
            }
            if let Some(branches) = self.branches_mut(run) {
                branches.begun += 1;
            }
            let on_it = self.next.run(run).and_then(|run| self.next.tokens.get(&run.token));
            let result = on_it.and_then(|token| token.result.clone());
            self.open_frame(Opening { owner: run, index: begun, iterates: false, item: None, result }, first);
        }
    }

    fn branch_ended(&mut self, run: RunIx, frame: &Frame, result: Payload) {
        let Some(branches) = self.branches_mut(run) else { return };
        branches.ended += 1;
        branches.passed.extend(&frame.passed);
        if let Some(slot) = branches.results.get_mut(frame.index as usize) {
            *slot = Some(result);
        }
        self.fill(run);
    }

    fn finish_branches(&mut self, run: RunIx, rule: &ParallelRule) {
        let Some(branches) = self.branches_mut(run) else { return };
        let (results, mut passed) = (std::mem::take(&mut branches.results), std::mem::take(&mut branches.passed));
        self.drop_inside(run);
        let first = |branch: &Exits| branch.targets.first().copied();
        let by_step: BTreeMap<StepIx, Payload> = rule
            .branches
            .iter()
            .zip(results.iter())
            .filter_map(|(branch, result)| Some((first(branch)?, result.clone().unwrap_or_else(Payload::null))))
            .collect();
        let map = self.map_by_step(&by_step);
        if let Some(failure) = self.too_large(&map, "the results of the branches are") {
            return self.fail_run(run, &failure);
        }
        let Some(token) = self.close(run, RunState::Completed) else { return };
        if let Some(run) = self.run_mut(run) {
            run.result = Some(map.clone());
        }
        self.set_result(token, run, Some(map));
        // What the branches have passed, the path behind them has passed.
        passed.sort_unstable();
        passed.dedup();
        if let Some(on_it) = self.token_mut(token).filter(|_| !passed.is_empty()) {
            on_it.passed = passed;
        }
        self.leave(token, run);
    }

    fn branches_mut(&mut self, run: RunIx) -> Option<&mut Branches> {
        match self.run_mut(run)?.wait.as_mut().map(Arc::make_mut) {
            Some(Wait::Branches(branches)) => Some(branches),
            Some(
                Wait::Approval(_)
                | Wait::Until(_)
                | Wait::Event(_)
                | Wait::Child(_)
                | Wait::Callback { .. }
                | Wait::Iterations(_),
            )
            | None => None,
        }
    }

    /// Whether a run still waits, rather than having failed meanwhile.
    pub(super) fn is_waiting(&self, run: RunIx) -> bool {
        self.next.run(run).is_some_and(|run| run.state == RunState::Waiting)
    }

    /// A run waits for this from now on.
    pub(super) fn wait_for(&mut self, run: RunIx, wait: Wait) {
        let due = wait.due();
        if let Some(waiting) = self.run_mut(run) {
            waiting.state = RunState::Waiting;
            waiting.wait = Some(Arc::new(wait));
        }
        self.commands.extend(due.map(|at| super::Command::WatchTimer { run, at }));
    }

    /// What was inside of a run is over; how many iterations there were stays.
    pub(super) fn drop_inside(&mut self, run: RunIx) {
        let Some(over) = self.run_mut(run) else { return };
        match over.wait.as_deref() {
            Some(Wait::Iterations(iterations)) => {
                (over.iterations, over.truncated) = (Some(iterations.ended), iterations.truncated);
                over.wait = None;
            }
            Some(Wait::Branches(_)) => over.wait = None,
            Some(Wait::Approval(_) | Wait::Until(_) | Wait::Event(_) | Wait::Child(_) | Wait::Callback { .. })
            | None => {}
        }
    }

    /// Why a value that the engine put together is no payload: it is larger, or nested deeper, than one may be.
    pub(super) fn too_large(&self, value: &Payload, what: &str) -> Option<Failure> {
        let limit = self.payload_limit();
        let how = if value.as_str().len() as u64 > limit {
            format!("larger than {limit} bytes (limit `payload_bytes`)")
        } else if value.depth() > JSON_DEPTH {
            format!("nested deeper than {JSON_DEPTH} levels (limit `json_depth`)")
        } else {
            return None;
        };
        Some(Failure::guest(code::OUTPUT_LIMIT, format!("{what} {how}")))
    }
}
