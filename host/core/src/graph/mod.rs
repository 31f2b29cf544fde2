//! Questions about the graph of a definition. They are answered once, when it is checked; the live path looks them up.
//!
//! A loop's body and the branches of a `parallel` are read as graphs of their own, because paths stay within one iteration (D4): the
//! same step may join a fork inside a loop and none outside. Each such graph is a region; the whole workflow is the first one.

pub(crate) mod dominators;
mod joins;
mod reach;
mod regions;

pub use joins::{Fork, ForkIx, ForkSide};
pub use regions::{Inner, Outline, RegionIx};

use crate::definition::StepIx;
use reach::StepSet;
use regions::{Definition, Region};
use std::collections::BTreeMap;

/// The edges of a region: what may follow each step.
#[derive(Debug, Clone, Default)]
pub struct Edges {
    /// By step, without doubles.
    pub out: Vec<Vec<StepIx>>,
}

/// All answers about one definition.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    forks: Vec<Fork>,
    regions: Vec<Region>,
    of_container: BTreeMap<StepIx, RegionIx>,
    unreachable: Vec<StepIx>,
    /// Steps of more than one region.
    shared: StepSet,
}

/// The definition's graph would take too long to analyse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooComplex;

impl Graph {
    /// Answers all questions. `outlines`: what may follow each step, and what runs inside of it. `forks`: the lists of at least two
    /// targets. Step 0 is the start. `work`: how many edges may be walked in all.
    ///
    /// # Errors
    /// [`TooComplex`] before more than `work` edges are walked.
    pub fn new(outlines: &[Outline], forks: Vec<Fork>, mut work: usize) -> Result<Self, TooComplex> {
        let of = Definition { outlines, forks: &forks };
        let (mut regions, mut of_container) = (Vec::new(), BTreeMap::new());
        if !outlines.is_empty() {
            regions.push(Region::whole(of, &mut work)?);
        }
        let mut done = 0;
        while done < regions.len() {
            for container in regions[done].containers(outlines) {
                if let std::collections::btree_map::Entry::Vacant(slot) = of_container.entry(container) {
                    slot.insert(RegionIx(u32::try_from(regions.len()).unwrap_or(u32::MAX)));
                    regions.extend(Region::inside(of, container, &mut work)?);
                }
            }
            done += 1;
        }
        let reached = |step: &StepIx| regions.iter().any(|region| region.contains(*step));
        let steps = u32::try_from(outlines.len()).unwrap_or(u32::MAX);
        let unreachable = (0..steps).map(StepIx).filter(|step| !reached(step)).collect();
        let mut shared = StepSet::empty(outlines.len());
        for step in (0..steps).map(StepIx) {
            if regions.iter().filter(|region| region.contains(step)).nth(1).is_some() {
                shared.insert(step);
            }
        }
        Ok(Self { forks, regions, of_container, unreachable, shared })
    }

    /// The forks.
    #[must_use]
    pub fn forks(&self) -> &[Fork] {
        &self.forks
    }

    /// The region inside of a loop, or of a `parallel` with branches.
    #[must_use]
    pub fn inside(&self, container: StepIx) -> Option<RegionIx> {
        self.of_container.get(&container).copied()
    }

    /// The containers and their regions.
    pub fn containers(&self) -> impl Iterator<Item = (StepIx, RegionIx)> {
        self.of_container.iter().map(|(step, region)| (*step, *region))
    }

    /// The forks that a step joins in a region (semantics D4); empty: it is no join there.
    #[must_use]
    pub fn joined_by(&self, region: RegionIx, step: StepIx) -> &[ForkIx] {
        self.region(region).and_then(|region| region.joins.get(&step)).map_or(&[], Vec::as_slice)
    }

    /// The joins of a region, with the forks that each one joins.
    pub fn joins(&self, region: RegionIx) -> impl Iterator<Item = (StepIx, &[ForkIx])> {
        let joins = self.region(region).map(|region| region.joins.iter());
        joins.into_iter().flatten().map(|(step, forks)| (*step, forks.as_slice()))
    }

    /// The steps of a region, in the order of the definition.
    #[must_use]
    pub fn members(&self, region: RegionIx) -> Vec<StepIx> {
        self.region(region).map_or_else(Vec::new, |region| region.members.iter().collect())
    }

    /// Whether a path that comes to this step has left the region: the iteration or the branch ends there (C7, C8).
    #[must_use]
    pub fn is_end(&self, region: RegionIx, step: StepIx) -> bool {
        self.region(region).is_some_and(|region| region.ends.contains(step))
    }

    /// Whether a token at `from` can come to `join` over at least one edge of the region. Only asked about joins.
    #[must_use]
    pub fn can_reach(&self, region: RegionIx, from: StepIx, join: StepIx) -> bool {
        let reaching: Option<&StepSet> = self.region(region).and_then(|region| region.reaching.get(&join));
        reaching.is_some_and(|set| set.contains(from))
    }

    /// Whether a step runs in more than one place: inside of several loops or branches, or inside and outside of one.
    #[must_use]
    pub fn is_shared(&self, step: StepIx) -> bool {
        self.shared.contains(step)
    }

    /// Steps that nothing leads to from the start (semantics C1: warnings).
    #[must_use]
    pub fn unreachable(&self) -> &[StepIx] {
        &self.unreachable
    }

    fn region(&self, at: RegionIx) -> Option<&Region> {
        self.regions.get(at.0 as usize)
    }
}
