//! What a rerun takes over from an earlier execution.

use super::{Execution, FrameId, Kept, Run, RunIx, RunState, run_key};
use crate::definition::{StepIx, StepKind, Workflow};
use std::collections::{BTreeMap, BTreeSet};

/// The step that a rerun is to go on from has not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the step {0:?} has not run in that execution; rerun from a step that has, or from the start")]
pub struct NotReached(pub String);

/// What of an execution's step runs is not run again when it is rerun from the latest run of this step: all that came to something, except
/// that run, what came after it on its path, what came after the loops and branches around it, and in those loops the iterations after
/// its own. `None`: everything is run again.
///
/// # Errors
/// [`NotReached`].
pub fn kept_for(
    execution: &Execution,
    workflow: &Workflow,
    from: Option<StepIx>,
) -> Result<BTreeMap<String, Kept>, NotReached> {
    let Some(from) = from else { return Ok(BTreeMap::new()) };
    let latest = execution.runs.numbered().filter(|(_, run)| run.step == from).last();
    let Some((at, target)) = latest.map(|(at, run)| (RunIx(at), run)) else {
        return Err(NotReached(workflow.step_id(from).to_owned()));
    };
    let owners = owners(execution);
    let around = containers(execution, &owners, target);
    let mut again: BTreeSet<RunIx> = BTreeSet::from([at]);
    let mut kept = BTreeMap::new();
    for (number, run) in execution.runs.numbered() {
        let number = RunIx(number);
        if again.contains(&number) || runs_again(&owners, execution, run, (&again, &around)) {
            again.insert(number);
            continue;
        }
        let Some(step) = workflow.step(run.step) else { continue };
        let what = match (&run.state, &run.result, &run.failure) {
            (RunState::Completed, Some(result), _) => Kept::Result(result.clone()),
            (RunState::Completed, None, _) => Kept::Result(crate::payload::Payload::null()),
            (RunState::Failed, _, Some(failure)) if is_handled(execution, &step.id) => Kept::Failure(failure.clone()),
            (RunState::Failed | RunState::Cancelled | RunState::Waiting | RunState::Active { .. }, _, _) => continue,
        };
        if comes_to_something(&step.kind) {
            kept.insert(run_key(&step.id, &run.path, run.number), what);
        }
    }
    Ok(kept)
}

/// Conditions, loops and branches are decided anew; they do nothing outside.
fn comes_to_something(kind: &StepKind) -> bool {
    match kind {
        StepKind::Function(_)
        | StepKind::Human(_)
        | StepKind::Agent(_)
        | StepKind::Wait(_)
        | StepKind::Event(_)
        | StepKind::Workflow(_) => true,
        StepKind::Condition(_) | StepKind::Parallel(_) | StepKind::Loop(_) => false,
    }
}

fn is_handled(execution: &Execution, step: &str) -> bool {
    execution.handled.iter().any(|error| error.step.as_deref() == Some(step))
}

/// A loop or `parallel` around the run that is run again, and which of its iterations or branches that run is in.
struct Around {
    container: RunIx,
    index: u32,
    /// Where the container's own run is among the iterations: runs inside have longer paths.
    depth: usize,
    iterates: bool,
}

/// The container of each frame. Frames of ended executions are gone, but the first run in each has come straight from its container.
fn owners(execution: &Execution) -> BTreeMap<FrameId, RunIx> {
    let mut owners = BTreeMap::new();
    for run in execution.runs.iter().filter(|run| run.frame != FrameId::TOP) {
        if let std::collections::btree_map::Entry::Vacant(slot) = owners.entry(run.frame) {
            let outside = |at: &&RunIx| execution.run(**at).is_some_and(|before| before.frame != run.frame);
            if let Some(owner) = run.before.iter().find(outside) {
                slot.insert(*owner);
            }
        }
    }
    owners
}

/// The containers around a run, innermost first.
fn containers(execution: &Execution, owners: &BTreeMap<FrameId, RunIx>, target: &Run) -> Vec<Around> {
    let (mut around, mut inside) = (Vec::new(), target);
    while let Some((container, run)) = owners.get(&inside.frame).and_then(|at| Some((*at, execution.run(*at)?))) {
        let depth = run.path.len();
        let iterates = inside.path.len() > depth;
        let index = inside.path.get(depth).copied().unwrap_or(0);
        around.push(Around { container, index, depth, iterates });
        inside = run;
    }
    around
}

/// Whether a run is after one that is run again.
fn runs_again(
    owners: &BTreeMap<FrameId, RunIx>,
    execution: &Execution,
    run: &Run,
    (again, around): (&BTreeSet<RunIx>, &[Around]),
) -> bool {
    if run.before.iter().any(|before| again.contains(before)) {
        return true;
    }
    around.iter().any(|container| {
        let inside = is_inside(owners, execution, run, container.container);
        let follows = run.before.contains(&container.container) && !inside;
        let later = inside && container.iterates && run.path.get(container.depth).is_some_and(|i| *i > container.index);
        follows || later
    })
}

fn is_inside(owners: &BTreeMap<FrameId, RunIx>, execution: &Execution, run: &Run, container: RunIx) -> bool {
    let mut frame = run.frame;
    while let Some(owner) = owners.get(&frame) {
        if *owner == container {
            return true;
        }
        let Some(outer) = execution.run(*owner) else { return false };
        frame = outer.frame;
    }
    false
}
