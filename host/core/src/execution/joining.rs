//! Forks, joins and the groups between them (semantics C3, C5, D4).

use super::turn::Turn;
use super::{Group, GroupId, Place, Token, TokenId};
use crate::definition::{JoinPolicy, StepIx};
use crate::failure::{Failure, code};
use crate::graph::ForkIx;
use crate::payload::{JSON_DEPTH, Payload};
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
        let Some(parent) = self.next.tokens.remove(&token) else { return Vec::new() };
        let group = GroupId(self.next.counters.groups);
        self.next.counters.groups += 1;
        self.next.groups.insert(group, Group { fork });
        let mut branch = (*parent).clone();
        branch.place = Place::Moving;
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
        let forks = self.workflow.graph.joined_by(join);
        let Some(on_it) = self.next.tokens.get(&token) else { return Gathering::Over };
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
        self.next.tokens.values().filter(|token| token.groups.contains(&group)).any(|token| match token.place {
            Place::At { join: other, group: gathering, .. } if other == join && gathering == group => false,
            Place::At { join: other, .. } => self.workflow.graph.can_reach(other, join),
            Place::In(run) => self.next.run(run).is_some_and(|run| self.workflow.graph.can_reach(run.step, join)),
            Place::Moving => true,
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
        let (joined, map) = self.gather(there);
        let token = self.add_token(joined);
        if let Some(group) = group {
            self.fired_early(join, group, token);
        }
        late.iter().for_each(|(_, token, _)| self.absorb(*token));
        match self.too_large(&map) {
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
    fn gather(&mut self, there: &[(u32, TokenId, StepIx)]) -> (Token, Payload) {
        let mut results: BTreeMap<StepIx, Payload> = BTreeMap::new();
        let mut joined = Token::new();
        let input = self.next.input();
        for (nth, (_, id, from)) in there.iter().enumerate() {
            let Some(token) = self.next.tokens.remove(id) else { continue };
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
        (joined, self.map_by_step(&results))
    }

    /// Why a joined map is no payload: it is larger, or nested deeper, than one may be.
    fn too_large(&self, map: &Payload) -> Option<Failure> {
        let limit = self.payload_limit();
        let what = if map.as_str().len() as u64 > limit {
            format!("larger than {limit} bytes (limit `payload_bytes`)")
        } else if map.depth() > JSON_DEPTH {
            format!("nested deeper than {JSON_DEPTH} levels (limit `json_depth`)")
        } else {
            return None;
        };
        Some(Failure::guest(code::OUTPUT_LIMIT, format!("the joined results are {what}")))
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
        let rest: Vec<(TokenId, Place)> = rest.map(|(id, token)| (*id, token.place)).collect();
        for (id, place) in rest {
            self.next.tokens.remove(&id);
            if let Place::In(run) = place {
                self.cancel_run(run);
            }
        }
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
