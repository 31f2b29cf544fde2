//! What the checker found out about a definition's graph, for its author: which steps join which forks, what runs inside of each loop and
//! each branch, and what nothing leads to (semantics D4, C5, C7, C8, C1).

use super::{Exits, Step, StepIx, StepKind, Workflow};
use crate::graph::{ForkIx, ForkSide, RegionIx};
use serde::Serialize;

/// Ids and forks that a survey names in all. Every loop round a step, and every fork that a step joins, names it again: a definition at
/// its limits would have millions.
const NAMED: usize = 50_000;

/// The answers, by step ids. All lists are in the order of the definition.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Survey {
    /// The steps that gather tokens.
    pub joins: Vec<Join>,
    /// The loops.
    pub loops: Vec<Body>,
    /// The `parallel` steps with `branches`.
    pub parallels: Vec<Body>,
    /// Steps that never run.
    pub unreachable: Vec<String>,
    /// Whether something was left out, because it names too much.
    pub truncated: bool,
}

/// A step that joins forks.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Join {
    /// Its id.
    pub step: String,
    /// The loop or `parallel` in whose iterations or branches it joins; `None`: in none.
    pub within: Option<String>,
    /// The forks, outermost ones first where they are nested as they are written.
    pub forks: Vec<JoinedFork>,
}

/// A fork that is joined.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct JoinedFork {
    /// The step whose list forks.
    pub step: String,
    /// Which list: `next`, `else`, `done`, or `branches/<n>`.
    pub list: String,
}

/// A loop or a `parallel`, and what runs inside of it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Body {
    /// Its id.
    pub step: String,
    /// All steps of an iteration, or of the branches.
    pub body: Vec<String>,
    /// Where an iteration, or each branch, begins.
    pub first: Vec<String>,
    /// Where it goes on after the last.
    pub then: Vec<String>,
}

impl Survey {
    /// Of a checked definition.
    #[must_use]
    pub fn of(workflow: &Workflow) -> Self {
        let mut reader = Reader { workflow, left: NAMED };
        let mut survey = Self::default();
        let inside = workflow.graph.containers().map(|(container, region)| (Some(container), region));
        for (within, region) in std::iter::once((None, RegionIx::default())).chain(inside) {
            for (step, forks) in workflow.graph.joins(region) {
                survey.joins.extend(reader.join(step, within, forks));
            }
        }
        for (container, region) in workflow.graph.containers() {
            let Some(step) = workflow.step(container) else { continue };
            match &step.kind {
                StepKind::Loop(rule) => {
                    let (first, then) = (&step.next, &rule.done);
                    survey.loops.extend(reader.body(step, region, std::slice::from_ref(first), then));
                }
                StepKind::Parallel(rule) => {
                    survey.parallels.extend(reader.body(step, region, &rule.branches, &step.next));
                }
                StepKind::Function(_)
                | StepKind::Condition(_)
                | StepKind::Human(_)
                | StepKind::Agent(_)
                | StepKind::Wait(_)
                | StepKind::Event(_)
                | StepKind::Workflow(_) => {}
            }
        }
        survey.unreachable = reader.ids(workflow.graph.unreachable());
        survey.truncated = reader.left == 0;
        survey
    }
}

/// Counts what it names.
struct Reader<'a> {
    workflow: &'a Workflow,
    left: usize,
}

impl Reader<'_> {
    fn id(&mut self, step: StepIx) -> Option<String> {
        self.left = self.left.checked_sub(1)?;
        Some(self.workflow.step_id(step).to_owned())
    }

    fn ids(&mut self, steps: &[StepIx]) -> Vec<String> {
        steps.iter().map_while(|step| self.id(*step)).collect()
    }

    fn join(&mut self, step: StepIx, within: Option<StepIx>, forks: &[ForkIx]) -> Option<Join> {
        let step = self.id(step)?;
        let within = within.map(|container| self.workflow.step_id(container).to_owned());
        let all = self.workflow.graph.forks();
        let forks = forks.iter().map_while(|fork| {
            let fork = all.get(fork.0 as usize)?;
            let list = match fork.side {
                ForkSide::Next => "next".to_owned(),
                ForkSide::Else => "else".to_owned(),
                ForkSide::Done => "done".to_owned(),
                ForkSide::Branch(nth) => format!("branches/{nth}"),
            };
            Some(JoinedFork { step: self.id(fork.from)?, list })
        });
        let forks = forks.collect();
        Some(Join { step, within, forks })
    }

    fn body(&mut self, step: &Step, region: RegionIx, first: &[Exits], then: &Exits) -> Option<Body> {
        self.left = self.left.checked_sub(1)?;
        let first: Vec<StepIx> = first.iter().flat_map(|exits| &exits.targets).copied().collect();
        let (first, then) = (self.ids(&first), self.ids(&then.targets));
        let body = self.ids(&self.workflow.graph.members(region));
        Some(Body { step: step.id.clone(), body, first, then })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::check;
    use serde_json::{Value, json};

    fn survey(steps: &Value) -> Survey {
        Survey::of(&check("w", 1, &json!({"id": "w", "steps": steps})).expect("fine").workflow)
    }

    fn step(id: &str, next: &Value) -> Value {
        json!({"id": id, "type": "condition", "condition": "true", "next": next})
    }

    #[test]
    fn joins_are_named_with_their_forks_inside_and_outside_of_loops() {
        let survey = survey(&json!([
            step("start", &json!(["left", "right"])),
            step("left", &json!("meet")),
            step("right", &json!("meet")),
            step("meet", &json!("each")),
            {"id": "each", "type": "loop", "next": ["a", "b"], "config": {"items": "[1]", "done": "last"}},
            step("a", &json!("gather")),
            step("b", &json!("gather")),
            step("gather", &json!("each")),
            step("last", &json!(null)),
            step("lost", &json!(null)),
        ]));
        let fork = |step: &str| vec![JoinedFork { step: step.to_owned(), list: "next".to_owned() }];
        let expected = [("meet", None, fork("start")), ("gather", Some("each"), fork("each"))];
        let expected = expected.map(|(step, within, forks)| Join {
            step: step.to_owned(),
            within: within.map(str::to_owned),
            forks,
        });
        assert_eq!(survey.joins, expected);
        let texts = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        let (body, first, then) = (texts(&["a", "b", "gather"]), texts(&["a", "b"]), texts(&["last"]));
        assert_eq!(survey.loops, [Body { step: "each".to_owned(), body, first, then }]);
        assert_eq!((survey.unreachable, survey.truncated), (texts(&["lost"]), false));
    }

    #[test]
    fn branches_of_a_parallel_are_bodies() {
        let survey = survey(&json!([
            {"id": "p", "type": "parallel", "next": "z", "config": {"branches": ["a", ["b", "c"]]}},
            step("a", &json!(null)), step("b", &json!("d")), step("c", &json!("d")), step("d", &json!(null)),
            step("z", &json!(null)),
        ]));
        let parallel = &survey.parallels[0];
        assert_eq!(
            (parallel.first.join(""), parallel.body.join(""), parallel.then.join("")),
            ("abc".to_owned(), "abcd".to_owned(), "z".to_owned())
        );
        let join = &survey.joins[0];
        assert_eq!(
            (join.step.as_str(), join.within.as_deref(), join.forks[0].list.as_str()),
            ("d", Some("p"), "branches/1")
        );
    }

    #[test]
    fn a_survey_of_many_loops_over_the_same_steps_stays_small() {
        let (loops, chain) = (200, 400);
        let all: Vec<String> = (0..loops).map(|at| format!("l{at}")).collect();
        let mut steps = vec![step("start", &json!(all))];
        steps.extend(all.iter().map(|id| json!({"id": id, "type": "loop", "next": "c0", "config": {"items": "[1]"}})));
        steps.extend((0..chain).map(|at| step(&format!("c{at}"), &json!(format!("c{}", at + 1)))));
        steps.push(step(&format!("c{chain}"), &json!(null)));
        let survey = survey(&json!(steps));
        let named: usize = survey.loops.iter().map(|body| body.body.len() + 2).sum();
        assert!(survey.truncated && named <= NAMED && named > NAMED / 2, "{named}");
    }
}
