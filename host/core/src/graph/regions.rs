//! The whole workflow, the body of each loop, the branches of each `parallel`: graphs of their own.

use super::joins::{Fork, ForkIx, ForkSide, joins_of_fork};
use super::reach::{StepSet, reaching, reversed};
use super::{Edges, TooComplex};
use crate::definition::StepIx;
use std::collections::BTreeMap;

/// Position of a region in its graph; the first is the whole workflow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct RegionIx(pub u32);

/// What may follow a step, and what runs inside of it.
#[derive(Debug, Clone, Default)]
pub struct Outline {
    /// Where the step's own token may go: `next` (of a loop: `done`), `else`, `onError`, `onTimeout`.
    pub out: Vec<StepIx>,
    /// Of a container.
    pub inner: Option<Inner>,
}

/// What runs inside of a container.
#[derive(Debug, Clone, Default)]
pub struct Inner {
    /// The first steps.
    pub first: Vec<StepIx>,
    /// Where a path has left it: the loop itself and its `done` (C8), the `next` of a `parallel` (C7).
    pub ends: Vec<StepIx>,
}

/// One of them.
#[derive(Debug, Clone)]
pub struct Region {
    /// The container; `None`: the whole workflow.
    container: Option<StepIx>,
    pub members: StepSet,
    pub ends: StepSet,
    /// For each join: the forks that it joins, in the order of the forks.
    pub joins: BTreeMap<StepIx, Vec<ForkIx>>,
    /// For each join: which steps can reach it over at least one edge.
    pub reaching: BTreeMap<StepIx, StepSet>,
}

/// The definition as the analysis sees it.
#[derive(Clone, Copy)]
pub struct Definition<'a> {
    pub outlines: &'a [Outline],
    pub forks: &'a [Fork],
}

impl Region {
    /// Everything that the start leads to, iterations and branches as a step each.
    pub fn whole(of: Definition<'_>, work: &mut usize) -> Result<Self, TooComplex> {
        Self::new(of, None, (&[StepIx(0)], &[]), work)
    }

    /// What runs inside of a container; `None` if the step is none.
    pub fn inside(of: Definition<'_>, container: StepIx, work: &mut usize) -> Result<Option<Self>, TooComplex> {
        let inner = of.outlines.get(container.at()).and_then(|outline| outline.inner.as_ref());
        inner.map(|inner| Self::new(of, Some(container), (&inner.first, &inner.ends), work)).transpose()
    }

    fn new(
        Definition { outlines, forks }: Definition<'_>,
        container: Option<StepIx>,
        (first, end): (&[StepIx], &[StepIx]),
        work: &mut usize,
    ) -> Result<Self, TooComplex> {
        let mut ends = StepSet::empty(outlines.len());
        for step in end {
            ends.insert(*step);
        }
        let mut members = StepSet::empty(outlines.len());
        let mut edges = Edges { out: vec![Vec::new(); outlines.len()] };
        let (mut stack, mut edge_count) = (first.to_vec(), 0);
        spend(work, (outlines.len() + forks.len()) / 8 + 1)?;
        while let Some(step) = stack.pop() {
            if ends.contains(step) || !members.insert(step) {
                continue;
            }
            let out = outlines.get(step.at()).map_or(&[][..], |outline| &outline.out);
            spend(work, out.len() + 1)?;
            edge_count += out.len() + 1;
            edges.out[step.at()] = out.iter().copied().filter(|target| !ends.contains(*target)).collect();
            stack.extend(&edges.out[step.at()]);
        }
        let (joins, reaching) = (BTreeMap::new(), BTreeMap::new());
        let mut region = Self { container, members, ends, joins, reaching };
        region.find_joins(&edges, forks, || spend(work, edge_count))?;
        Ok(region)
    }

    /// The containers among its steps.
    pub fn containers(&self, outlines: &[Outline]) -> Vec<StepIx> {
        self.members.iter().filter(|s| outlines.get(s.at()).is_some_and(|o| o.inner.is_some())).collect()
    }

    pub fn contains(&self, step: StepIx) -> bool {
        self.members.contains(step)
    }

    /// Whether this fork opens inside of the region: the first steps of a body or a branch belong to the inside.
    fn has(&self, fork: &Fork) -> bool {
        if fork.is_body || matches!(fork.side, ForkSide::Branch(_)) {
            self.container == Some(fork.from)
        } else {
            self.contains(fork.from)
        }
    }

    /// Finds the joins of the forks that open in this region. `walk` is asked before each walk over its edges.
    fn find_joins(
        &mut self,
        edges: &Edges,
        forks: &[Fork],
        mut walk: impl FnMut() -> Result<(), TooComplex>,
    ) -> Result<(), TooComplex> {
        for (at, fork) in (0u32..).zip(forks) {
            if !self.has(fork) {
                continue;
            }
            walk()?;
            for step in joins_of_fork(edges, fork) {
                self.joins.entry(step).or_default().push(ForkIx(at));
            }
        }
        if !self.joins.is_empty() {
            let backwards = reversed(edges);
            for join in self.joins.keys() {
                walk()?;
                self.reaching.insert(*join, reaching(&backwards, *join));
            }
        }
        Ok(())
    }
}

fn spend(work: &mut usize, edges: usize) -> Result<(), TooComplex> {
    *work = work.checked_sub(edges).ok_or(TooComplex)?;
    Ok(())
}
