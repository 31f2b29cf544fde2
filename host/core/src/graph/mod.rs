//! Questions about the graph of a definition. They are answered once, when it is checked; the live path looks them up.

pub(crate) mod dominators;
mod joins;
mod reach;

pub use joins::{Fork, ForkIx, ForkSide};

use crate::definition::StepIx;

/// The edges of a definition: what may follow a step.
#[derive(Debug, Clone, Default)]
pub struct Edges {
    /// `next`, `else` and `onError` targets of each step, in this order, without doubles.
    pub out: Vec<Vec<StepIx>>,
}

/// All answers about one definition.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    forks: Vec<Fork>,
    /// For each step: the forks that it joins, in the order of `forks`.
    joins: Vec<Vec<ForkIx>>,
    /// For each join step: which steps can reach it over at least one edge.
    reaching: std::collections::BTreeMap<StepIx, reach::StepSet>,
    unreachable: Vec<StepIx>,
}

impl Graph {
    /// Answers all questions. `forks` are the arrays with at least two targets; step 0 is the start.
    #[must_use]
    pub fn new(edges: &Edges, forks: Vec<Fork>) -> Self {
        let joins = joins::joins_of(edges, &forks);
        let backwards = reach::reversed(edges);
        let reaching = (0u32..)
            .zip(&joins)
            .filter(|(_, of)| !of.is_empty())
            .map(|(step, _)| (StepIx(step), reach::reaching(&backwards, StepIx(step))))
            .collect();
        let unreachable = reach::unreachable(edges);
        Self { forks, joins, reaching, unreachable }
    }

    /// The fork that this side of a step opens, if it has several targets.
    #[must_use]
    pub fn fork_at(&self, from: StepIx, side: ForkSide) -> Option<ForkIx> {
        let at = self.forks.iter().position(|f| f.from == from && f.side == side)?;
        u32::try_from(at).ok().map(ForkIx)
    }

    /// The forks.
    #[must_use]
    pub fn forks(&self) -> &[Fork] {
        &self.forks
    }

    /// The forks that a step joins (semantics D4); empty: it is no join.
    #[must_use]
    pub fn joined_by(&self, step: StepIx) -> &[ForkIx] {
        self.joins.get(step.at()).map_or(&[], Vec::as_slice)
    }

    /// Whether a token at `from` can come to `join` over at least one edge. Only asked about joins.
    #[must_use]
    pub fn can_reach(&self, from: StepIx, join: StepIx) -> bool {
        self.reaching.get(&join).is_some_and(|set| set.contains(from))
    }

    /// Steps that nothing leads to from the start (semantics C1: warnings).
    #[must_use]
    pub fn unreachable(&self) -> &[StepIx] {
        &self.unreachable
    }
}
