//! Forks, joins and the groups between them (semantics C3, C5, D4).

use super::turn::Turn;
use super::{FrameId, Group, GroupId, Place, RunIx, Token, TokenId, Via};
use crate::definition::{JoinPolicy, StepIx, StepKind};
use crate::graph::ForkIx;
use crate::payload::Payload;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Tokens that wait at one join for one group, in the order of their arrivals.
type Waiting = BTreeMap<(StepIx, GroupId), Vec<(u32, TokenId, StepIx)>>;

/// What becomes of a token that comes to a join.
enum Gathering {
    /// None of its groups is joined here.
    Alone,
    /// It waits for the others of this group.
    For(GroupId),
    /// The join has fired without it.
    Over,
}

impl Turn<'_> {
    /// A run of a fork: one token becomes several, in a new group.
    pub(super) fn split(&mut self, token: TokenId, fork: ForkIx, targets: &[StepIx]) -> Vec<(TokenId, StepIx)> {
        let Some(parent) = self.remove_token(token) else { return Vec::new() };
        let group = GroupId(self.next.counters.groups);
        self.next.counters.groups += 1;
        self.next.groups.insert(group, Group { fork });
        let mut branch = (*parent).clone();
        branch.groups.push(group);
        targets.iter().map(|target| (self.add_token(branch.clone()), *target)).collect()
    }

    /// A token comes to a join: it waits with the others of the outermost of its groups whose fork is joined here. With no such
    /// group it goes through at once; the result is a map all the same, so that the step's input always has one shape.
    pub(super) fn arrive_at_join(&mut self, token: TokenId, join: StepIx, from: StepIx) {
        let arrival = self.next.counters.arrivals;
        match self.gathering(token, join) {
            Gathering::Alone => self.fire(join, None, &[(arrival, token, from)]),
            Gathering::Over => self.absorb(token),
            Gathering::For(group) => {
                self.next.counters.arrivals += 1;
                if let Some(on_it) = self.token_mut(token) {
                    on_it.place = Place::At { join, group, from, arrival };
                }
            }
        }
    }

    fn gathering(&self, token: TokenId, join: StepIx) -> Gathering {
        let Some(on_it) = self.next.tokens.get(&token) else { return Gathering::Over };
        let forks = self.workflow.graph.joined_by(self.region(on_it.frame), join);
        if on_it.late_for.contains(&join) {
            return Gathering::Over;
        }
        let joined = |id: &&GroupId| self.next.groups.get(id).is_some_and(|group| forks.contains(&group.fork));
        on_it.groups.iter().find(joined).map_or(Gathering::Alone, |group| Gathering::For(*group))
    }

    /// Fires the joins that are due; false if nothing moved.
    pub(super) fn settle_joins(&mut self) -> bool {
        let waiting = self.waiting();
        let due = waiting.iter().find(|((join, group), there)| self.is_due(*join, *group, there.len()));
        // If nothing else can happen in a group, the join first in `steps` fires (C5).
        let stuck = || waiting.iter().find(|((_, group), _)| self.is_stuck(*group));
        match due.or_else(stuck).map(|((join, group), there)| (*join, *group, there.clone())) {
            Some((join, group, there)) => {
                self.fire(join, Some(group), &there);
                true
            }
            None => {
                self.dissolve_groups();
                false
            }
        }
    }

    fn waiting(&self) -> Waiting {
        let mut waiting = Waiting::new();
        for (id, token) in &self.next.tokens {
            if let Place::At { join, group, from, arrival } = token.place {
                waiting.entry((join, group)).or_default().push((arrival, *id, from));
            }
        }
        for there in waiting.values_mut() {
            there.sort_unstable();
        }
        waiting
    }

    fn is_due(&self, join: StepIx, group: GroupId, there: usize) -> bool {
        let policy = self.workflow.step(join).map_or(JoinPolicy::All, |step| step.join);
        matches!(policy, JoinPolicy::Count(n) if there >= n as usize) || !self.can_more_come(join, group)
    }

    /// Whether a live token of the group, that does not wait here, can come here.
    fn can_more_come(&self, join: StepIx, group: GroupId) -> bool {
        let graph = &self.workflow.graph;
        self.next.tokens.values().filter(|token| token.groups.contains(&group)).any(|token| {
            let reaches = |from| graph.can_reach(self.region(token.frame), from, join);
            match token.place {
                Place::At { join: other, group: gathering, .. } if other == join && gathering == group => false,
                Place::At { join: other, .. } => reaches(other),
                Place::In(run) => self.next.run(run).is_some_and(|run| reaches(run.step)),
                Place::Held { to, .. } => to == join || reaches(to),
                Place::Bound { .. } => true,
            }
        })
    }

    /// Whether every token of the group waits at some join, so that the group cannot go on by itself.
    fn is_stuck(&self, group: GroupId) -> bool {
        let mut tokens = self.next.tokens.values().filter(|token| token.groups.contains(&group));
        tokens.all(|token| matches!(token.place, Place::At { .. }))
    }

    /// The gathered tokens become one, with a map of their results by the step that each came from.
    fn fire(&mut self, join: StepIx, group: Option<GroupId>, there: &[(u32, TokenId, StepIx)]) {
        let wanted = match self.workflow.step(join).map(|step| step.join) {
            Some(JoinPolicy::Count(n)) => there.len().min(n as usize),
            Some(JoinPolicy::All) | None => there.len(),
        };
        let (there, late) = there.split_at(wanted);
        let Some((joined, map)) = self.gather(there) else { return };
        let token = self.add_token(joined);
        if let Some(group) = group {
            self.fired_early(join, group, token);
        }
        late.iter().for_each(|(_, token, _)| self.absorb(*token));
        match self.too_large(&map, "the joined results are") {
            None => {
                if let Some(on_it) = self.token_mut(token) {
                    on_it.result = Some(map);
                }
                self.enter(token, join);
            }
            Some(failure) => {
                if let Some(run) = self.begin(token, join) {
                    self.fail_run(run, &failure);
                }
            }
        }
    }

    /// One token in place of several, and the map of their results.
    fn gather(&mut self, there: &[(u32, TokenId, StepIx)]) -> Option<(Token, Payload)> {
        let mut results: BTreeMap<StepIx, Payload> = BTreeMap::new();
        let first = self.next.tokens.get(&there.first()?.1)?;
        let mut joined = Token::new(first.frame, first.place);
        let input = self.next.input();
        for (nth, (_, id, from)) in there.iter().enumerate() {
            let Some(token) = self.remove_token(*id) else { continue };
            // Late is only what all of them are late for: a path that won is welcome again when a cycle brings it back.
            if nth == 0 {
                joined.late_for.clone_from(&token.late_for);
            } else {
                joined.late_for.retain(|join| token.late_for.contains(join));
            }
            results.insert(*from, token.result.clone().unwrap_or_else(|| input.clone()));
            joined.groups.extend(&token.groups);
            joined.passed.extend(&token.passed);
            joined.error = if there.len() == 1 { token.error.clone() } else { None };
        }
        joined.groups.sort_unstable();
        joined.groups.dedup();
        joined.passed.sort_unstable();
        joined.passed.dedup();
        Some((joined, self.map_by_step(&results)))
    }

    /// A join that need not wait for all has fired: the other branches are late, or are stopped.
    fn fired_early(&mut self, join: StepIx, group: GroupId, winner: TokenId) {
        let Some(step) = self.workflow.step(join).filter(|step| matches!(step.join, JoinPolicy::Count(_))) else {
            return;
        };
        if step.cancel_rest {
            return self.cancel_rest(group, winner);
        }
        let others = self.next.tokens.iter_mut().filter(|(id, token)| **id != winner && token.groups.contains(&group));
        for (_, token) in others {
            if !token.late_for.contains(&join) {
                Arc::make_mut(token).late_for.push(join);
            }
        }
    }

    /// `cancelRest`: the other tokens of the group are stopped.
    fn cancel_rest(&mut self, group: GroupId, keep: TokenId) {
        let rest = self.next.tokens.iter().filter(|(id, token)| **id != keep && token.groups.contains(&group));
        let rest: Vec<TokenId> = rest.map(|(id, _)| *id).collect();
        let inside: Vec<FrameId> = rest.into_iter().flat_map(|id| self.stop(id)).collect();
        self.abandon(inside);
    }

    /// A plain `parallel` goes on over its `next`: branches beyond `most` wait until others are done (C7).
    pub(super) fn fan_out(&mut self, token: TokenId, run: RunIx, most: Option<u32>) {
        let workflow = self.workflow;
        let Some(step) = self.next.run(run).and_then(|run| workflow.step(run.step)) else { return };
        let before = self.arrivals.len();
        self.go(token, run, &step.next);
        let Some(most) = most.filter(|_| step.next.fork.is_some()) else { return };
        for token in self.arrivals.split_off((before + most as usize).min(self.arrivals.len())) {
            let Some(on_it) = self.token_mut(token) else { continue };
            if let (Place::Bound { to, via: Via::Edge(from) }, Some(group)) = (on_it.place, on_it.groups.last()) {
                on_it.place = Place::Held { to, from, group: *group };
            }
        }
    }

    /// Lets branches go that were held back and whose turn has come; false if there are none.
    pub(super) fn release_held(&mut self) -> bool {
        let mut held: BTreeMap<GroupId, Vec<TokenId>> = BTreeMap::new();
        for (id, token) in &self.next.tokens {
            if let Place::Held { group, .. } = token.place {
                held.entry(group).or_default().push(*id);
            }
        }
        let mut any = false;
        for (group, waiting) in held {
            let free = self.most_at_once(group).saturating_sub(self.busy_in(group));
            for token in waiting.into_iter().take(free) {
                if let Some(Place::Held { to, from, .. }) = self.next.tokens.get(&token).map(|token| token.place) {
                    self.set_off(token, to, Via::Edge(from));
                    any = true;
                }
            }
        }
        any
    }

    fn most_at_once(&self, group: GroupId) -> usize {
        let fork =
            self.next.groups.get(&group).and_then(|group| self.workflow.graph.forks().get(group.fork.0 as usize));
        let kind = fork.and_then(|fork| self.workflow.step(fork.from)).map(|step| &step.kind);
        match kind {
            Some(StepKind::Parallel(rule)) => rule.max_concurrency.map_or(usize::MAX, |most| most as usize),
            _ => usize::MAX,
        }
    }

    /// Tokens of a group that are under way, rather than at a join or held back: those wait for others, perhaps for one that is held.
    fn busy_in(&self, group: GroupId) -> usize {
        let of_group = self.next.tokens.values().filter(|token| token.groups.contains(&group));
        of_group.filter(|token| matches!(token.place, Place::In(_) | Place::Bound { .. })).count()
    }

    fn absorb(&mut self, token: TokenId) {
        self.end_path(token, None);
    }

    /// A group ends when one token is left in it.
    fn dissolve_groups(&mut self) {
        // By number: in nested cycles every token is in very many groups.
        let mut members = vec![0u32; self.next.counters.groups as usize];
        for group in self.next.tokens.values().flat_map(|token| &token.groups) {
            members[group.0 as usize] += 1;
        }
        self.next.groups.retain(|group, _| members[group.0 as usize] > 1);
        let ended = |group: &GroupId| members[group.0 as usize] == 1;
        let tokens: Vec<TokenId> =
            self.next.tokens.iter().filter(|(_, t)| t.groups.iter().any(ended)).map(|(id, _)| *id).collect();
        for id in tokens {
            if let Some(token) = self.token_mut(id) {
                token.groups.retain(|group| !ended(group));
            }
        }
    }

    pub(super) fn payload_limit(&self) -> u64 {
        self.next.started.as_ref().map_or(u64::MAX, |started| started.limits.payload_bytes)
    }

    /// `{<step id>: <result>}` in the order of the steps; each value keeps its text.
    pub(super) fn map_by_step(&self, results: &BTreeMap<StepIx, Payload>) -> Payload {
        let entries = results.iter().filter_map(|(step, result)| {
            Some((
                self.workflow.step_id(*step).to_owned(),
                serde_json::from_str::<Box<RawValue>>(result.as_str()).ok()?,
            ))
        });
        let map: indexmap::IndexMap<String, Box<RawValue>> = entries.collect();
        serde_json::to_string(&map).map_or_else(|_| Payload::null(), |text| Payload::trusted(&text))
    }
}
