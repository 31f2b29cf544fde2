//! Which steps join which forks (semantics D4).
//!
//! A step joins a fork when two paths lead to it that begin in different branches and share no step before it. With a node of its
//! own for each branch's first edge, that is: the step's immediate dominator is the fork. Paths that come back to
//! the forking step start over and do not count.

use super::{Edges, dominators};
use crate::definition::StepIx;

/// Position of a fork in a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct ForkIx(pub u32);

/// Which array of a step forks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ForkSide {
    /// `next`
    Next,
    /// `config.else`
    Else,
    /// `config.done` of a loop
    Done,
    /// A list within `config.branches`, by its place there
    Branch(u32),
}

/// One list of at least two targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    /// The step that has it.
    pub from: StepIx,
    /// Which array.
    pub side: ForkSide,
    /// The `next` of a loop: it opens inside of each iteration, not where the loop is.
    pub is_body: bool,
    /// The branches' first steps, all different.
    pub targets: Vec<StepIx>,
}

/// The steps that join this fork.
pub fn joins_of_fork(edges: &Edges, fork: &Fork) -> Vec<StepIx> {
    let local = Region::of(edges, fork);
    let idom = dominators::immediate(&local.out);
    let first = 1 + fork.targets.len();
    (first..local.out.len()).filter(|n| idom[*n] == Some(0)).map(|n| local.step[n - first]).collect()
}

/// What the fork can reach without coming back to its own step. Node 0 is the fork, then a node for each branch's first edge, then the steps.
struct Region {
    out: Vec<Vec<usize>>,
    step: Vec<StepIx>,
}

impl Region {
    fn of(edges: &Edges, fork: &Fork) -> Self {
        let branches = fork.targets.len();
        let mut region = Self { out: vec![Vec::new(); 1 + branches], step: Vec::new() };
        let mut node = std::collections::HashMap::new();
        region.out[0] = (1..=branches).collect();
        for (branch, target) in fork.targets.iter().enumerate() {
            if let Some(at) = region.node_of(*target, fork.from, &mut node) {
                region.out[1 + branch].push(at);
            }
        }
        let mut done = 0;
        while let Some(step) = region.step.get(done).copied() {
            let at = 1 + branches + done;
            for target in &edges.out[step.at()] {
                if let Some(to) = region.node_of(*target, fork.from, &mut node) {
                    region.out[at].push(to);
                }
            }
            done += 1;
        }
        region
    }

    fn node_of(
        &mut self,
        step: StepIx,
        root: StepIx,
        known: &mut std::collections::HashMap<StepIx, usize>,
    ) -> Option<usize> {
        if step == root {
            return None;
        }
        Some(*known.entry(step).or_insert_with(|| {
            self.step.push(step);
            self.out.push(Vec::new());
            self.out.len() - 1
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps as `(next, else or onError)` by index; returns the joins of the fork at step 0's `next`.
    fn joins(out: &[&[u32]]) -> Vec<u32> {
        let edges = Edges { out: out.iter().map(|t| t.iter().map(|s| StepIx(*s)).collect()).collect() };
        let fork = Fork { from: StepIx(0), side: ForkSide::Next, is_body: false, targets: edges.out[0].clone() };
        let mut found: Vec<u32> = joins_of_fork(&edges, &fork).into_iter().map(|s| s.0).collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn branches_that_meet_join() {
        assert_eq!(joins(&[&[1, 2], &[3], &[3], &[4], &[]]), [3], "and the step after the join does not");
        assert_eq!(joins(&[&[1, 2, 3], &[4], &[4], &[5], &[5], &[]]), [4, 5], "two by two");
    }

    #[test]
    fn a_fork_that_points_at_the_join_itself() {
        assert_eq!(joins(&[&[1, 2], &[2], &[]]), [2]);
    }

    #[test]
    fn exclusive_paths_within_one_branch_do_not_join() {
        assert_eq!(joins(&[&[1, 5], &[2, 3], &[4], &[4], &[], &[]]), [] as [u32; 0]);
    }

    #[test]
    fn a_loop_back_to_the_fork_makes_no_join_of_its_branches() {
        assert_eq!(joins(&[&[1, 2], &[0, 3], &[3], &[]]), [3]);
    }

    #[test]
    fn a_cycle_within_a_branch_makes_no_join() {
        assert_eq!(joins(&[&[1, 2], &[3], &[], &[1]]), [] as [u32; 0]);
    }
}
