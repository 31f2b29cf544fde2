//! Which steps can come to which.

use super::Edges;
use crate::definition::StepIx;

/// A set of steps, a bit each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StepSet(Vec<u64>);

impl StepSet {
    /// None of so many steps.
    pub fn empty(steps: usize) -> Self {
        Self(vec![0; steps.div_ceil(64)])
    }

    /// Adds a step; false if it was there.
    pub fn insert(&mut self, step: StepIx) -> bool {
        let (word, bit) = (step.at() / 64, 1u64 << (step.at() % 64));
        let fresh = self.0[word] & bit == 0;
        self.0[word] |= bit;
        fresh
    }

    /// Whether the step is in the set.
    pub fn contains(&self, step: StepIx) -> bool {
        self.0.get(step.at() / 64).is_some_and(|word| word & (1 << (step.at() % 64)) != 0)
    }

    /// The steps, in order.
    pub fn iter(&self) -> impl Iterator<Item = StepIx> {
        let steps = u32::try_from(self.0.len() * 64).unwrap_or(u32::MAX);
        (0..steps).map(StepIx).filter(|step| self.contains(*step))
    }
}

/// The same edges, the other way round.
pub fn reversed(edges: &Edges) -> Edges {
    let mut out = vec![Vec::new(); edges.out.len()];
    for (from, targets) in (0u32..).zip(&edges.out) {
        for target in targets {
            out[target.at()].push(StepIx(from));
        }
    }
    Edges { out }
}

/// The steps that can reach `target` over at least one edge, found along reversed edges.
pub fn reaching(backwards: &Edges, target: StepIx) -> StepSet {
    walk(backwards, backwards.out[target.at()].clone())
}

fn walk(edges: &Edges, mut stack: Vec<StepIx>) -> StepSet {
    let mut seen = StepSet::empty(edges.out.len());
    while let Some(step) = stack.pop() {
        if seen.insert(step) {
            stack.extend_from_slice(&edges.out[step.at()]);
        }
    }
    seen
}
