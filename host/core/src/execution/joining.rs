//! Forks, joins and the groups between them (semantics C3, C5, D4).

use super::turn::Turn;
use super::{FrameId, Group, GroupId, Place, RunIx, Token, TokenId, Via};
use crate::definition::{JoinPolicy, StepIx, StepKind};
use crate::graph::ForkIx;
use crate::payload::Payload;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// What all live tokens together say, in one look at each: there may be a thousand, and this is asked with every entry.
#[derive(Default)]
struct Survey {
    /// How many tokens wait at one join for one group.
    waiting: BTreeMap<(StepIx, GroupId), usize>,
    /// Branches that wait until fewer others are under way.
    held: BTreeMap<GroupId, Vec<TokenId>>,
    /// The first group of [`Survey::members`].
    first: u32,
    /// How many tokens are in each group, by number: in nested cycles every token is in very many groups.
    members: Vec<u32>,
}

impl Survey {
    fn members_mut(&mut self, group: GroupId) -> Option<&mut u32> {
        self.members.get_mut(group.0.checked_sub(self.first)? as usize)
    }

    fn members(&self, group: GroupId) -> u32 {
        group.0.checked_sub(self.first).and_then(|at| self.members.get(at as usize)).copied().unwrap_or(0)
    }
}

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

    /// Fires the next join that is due, or lets branches go that were held back; false if nothing moved.
    pub(super) fn settle(&mut self) -> bool {
        let survey = self.survey();
        let waiting = &survey.waiting;
        let due = waiting.iter().find(|((join, group), there)| self.is_due(*join, *group, **there));
        // If nothing else can happen in a group, the join first in `steps` fires (C5).
        let stuck = || waiting.iter().find(|((_, group), _)| self.is_stuck(*group));
        match due.or_else(stuck).map(|(gathering, _)| *gathering) {
            Some((join, group)) => {
                let there = self.waiting_at(join, group);
                self.fire(join, Some(group), &there);
                true
            }
            None => {
                self.dissolve_groups(&survey);
                self.release_held(survey.held)
            }
        }
    }

    fn survey(&self) -> Survey {
        let mut survey = Survey::default();
        if let (Some(first), Some(last)) = (self.next.groups.keys().next(), self.next.groups.keys().next_back()) {
            survey.first = first.0;
            survey.members.resize((last.0 - first.0) as usize + 1, 0);
        }
        for (id, token) in self.next.tokens.iter() {
            match token.place {
                Place::At { join, group, .. } => *survey.waiting.entry((join, group)).or_default() += 1,
                Place::Held { group, .. } => survey.held.entry(group).or_default().push(id),
                Place::In(_) | Place::Bound { .. } => {}
            }
            for group in &token.groups {
                if let Some(members) = survey.members_mut(*group) {
                    *members += 1;
                }
            }
        }
        survey
    }

    /// Tokens that wait at a join for a group, in the order of their arrivals.
    fn waiting_at(&self, at: StepIx, of: GroupId) -> Vec<(u32, TokenId, StepIx)> {
        let waiting = self.next.tokens.iter().filter_map(|(id, token)| match token.place {
            Place::At { join, group, from, arrival } if join == at && group == of => Some((arrival, id, from)),
            Place::At { .. } | Place::In(_) | Place::Bound { .. } | Place::Held { .. } => None,
        });
        let mut there: Vec<_> = waiting.collect();
        there.sort_unstable();
        there
    }

    fn is_due(&self, join: StepIx, group: GroupId, there: usize) -> bool {
        let policy = self.workflow.step(join).map_or(JoinPolicy::All, |step| step.join);
        matches!(policy, JoinPolicy::Count(n) if there >= n as usize) || !self.can_more_come(join, group)
    }

    /// Whether a live token of the group, that does not wait here, can come here.
    fn can_more_come(&self, join: StepIx, group: GroupId) -> bool {
        let graph = &self.workflow.graph;
        // The youngest first: those before them have mostly come already.
        self.next.tokens.values().rev().filter(|token| token.groups.contains(&group)).any(|token| {
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
        for id in self.others(group, winner) {
            if let Some(token) = self.token_mut(id).filter(|token| !token.late_for.contains(&join)) {
                token.late_for.push(join);
            }
        }
    }

    /// `cancelRest`: the other tokens of the group are stopped.
    fn cancel_rest(&mut self, group: GroupId, keep: TokenId) {
        let inside: Vec<FrameId> = self.others(group, keep).into_iter().flat_map(|id| self.stop(id)).collect();
        self.abandon(inside);
    }

    /// The tokens of a group but for one.
    fn others(&self, group: GroupId, one: TokenId) -> Vec<TokenId> {
        let others = self.next.tokens.iter().filter(|(id, token)| *id != one && token.groups.contains(&group));
        others.map(|(id, _)| id).collect()
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
    fn release_held(&mut self, held: BTreeMap<GroupId, Vec<TokenId>>) -> bool {
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
    fn dissolve_groups(&mut self, survey: &Survey) {
        let before = self.next.groups.len();
        self.next.groups.retain(|group, _| survey.members(*group) > 1);
        if self.next.groups.len() == before {
            return;
        }
        let ended = |group: &GroupId| survey.members(*group) == 1;
        let tokens = self.next.tokens.iter().filter(|(_, token)| token.groups.iter().any(ended));
        let tokens: Vec<TokenId> = tokens.map(|(id, _)| id).collect();
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
