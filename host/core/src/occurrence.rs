//! A business event as triggers look at it (semantics T2-T4, D6, D8).

use crate::definition::{EventTrigger, Workflow, type_matches};
use crate::payload::Payload;
use stepwell_expression::{Budget, EvalError, Expression, Scope, Value, limits};

/// An event, parsed once for all triggers.
#[derive(Debug)]
pub struct Occurrence {
    kind: String,
    source: String,
    event: Value,
    data: Value,
}

/// Fields of the data that a message about an unknown name lists.
const NAMES_SHOWN: usize = 20;

/// What becomes of a workflow when an event occurs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// This trigger starts it, by its place in `triggers`. At most one does (T4).
    Fires(usize),
    /// These wanted events of this type, but do not fire: their places, and why.
    Quiet(Vec<(usize, Quiet)>),
}

/// Why a trigger does not fire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quiet {
    /// Its condition is false.
    False,
    /// Its condition could not be evaluated (D6).
    Failed(String),
    /// The evaluation of all conditions for this event takes too long.
    OutOfSteps,
}

impl Occurrence {
    /// Of this type, from there; `event` is all of it: `{id, type, source, data, ...}`.
    #[must_use]
    pub fn new(kind: &str, source: &str, event: &Payload) -> Self {
        let event = Value::from_json_text(event.as_str()).unwrap_or(Value::Null);
        let data = event.get("data");
        Self { kind: kind.to_owned(), source: source.to_owned(), event, data }
    }

    /// What becomes of a workflow. `steps` is what all conditions together may still spend on this event; it gets less.
    #[must_use]
    pub fn meets(&self, workflow: &Workflow, steps: &mut u64) -> Outcome {
        let mut quiet = Vec::new();
        for trigger in workflow.triggers.events.iter().filter(|trigger| self.is_for(trigger)) {
            match self.keeps_quiet(trigger.condition.as_ref(), steps) {
                None => return Outcome::Fires(trigger.at),
                Some(why) => quiet.push((trigger.at, why)),
            }
        }
        Outcome::Quiet(quiet)
    }

    fn is_for(&self, trigger: &EventTrigger) -> bool {
        trigger.types.iter().any(|pattern| type_matches(pattern, &self.kind))
            && trigger.source.as_ref().is_none_or(|source| *source == self.source)
    }

    /// Why a trigger with this condition does not fire; `None`: it does. `steps` as for [`Occurrence::meets`].
    #[must_use]
    pub fn keeps_quiet(&self, condition: Option<&Expression>, steps: &mut u64) -> Option<Quiet> {
        let condition = condition?;
        if *steps == 0 {
            return Some(Quiet::OutOfSteps);
        }
        let mut budget = Budget::new();
        let value: Result<Value, EvalError> = condition.evaluate(self, &mut budget);
        // One for the evaluation itself: a condition without any operation is not free either.
        let spent = u64::from(limits::EVALUATION_STEPS.saturating_sub(budget.steps_left())) + 1;
        *steps = steps.saturating_sub(spent);
        match value {
            Ok(value) if value.truthy() => None,
            Ok(_) => Some(Quiet::False),
            Err(error) => Some(Quiet::Failed(error.to_string())),
        }
    }
}

/// `event`, `input` (which is its data, D8), and the fields of the data by their bare names.
impl Scope for Occurrence {
    fn root(&self, name: &str) -> Option<Value> {
        match name {
            "event" => Some(self.event.clone()),
            "input" => Some(self.data.clone()),
            other => match &self.data {
                Value::Object(fields) => fields.get(other).cloned(),
                _ => None,
            },
        }
    }

    fn names(&self) -> Vec<String> {
        let mut names = vec!["event".to_owned(), "input".to_owned()];
        if let Value::Object(fields) = &self.data {
            names.extend(fields.iter().take(NAMES_SHOWN).map(|(name, _)| name.to_string()));
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn workflow(triggers: &Json) -> Workflow {
        let steps = json!([{"id": "a", "type": "condition", "condition": "true"}]);
        let definition = json!({"id": "w", "steps": steps, "triggers": triggers});
        crate::definition::check("w", 1, &definition).expect("fine").workflow
    }

    fn meets(triggers: &Json, data: &Json) -> Outcome {
        let event = json!({"id": "e", "type": "order.placed", "source": "shop", "data": data});
        let occurrence = Occurrence::new("order.placed", "shop", &Payload::from_value(&event));
        occurrence.meets(&workflow(triggers), &mut 1_000_000)
    }

    fn on(kind: &str, condition: &str) -> Json {
        json!({"type": "event", "config": {"eventType": kind}, "condition": condition})
    }

    #[test]
    fn conditions_see_the_event_and_its_data() {
        let data = json!({"total": 1001, "event": "hidden"});
        for (condition, fires) in [
            ("event.data.total > 1000", true),
            ("input.total > 1000 && event.type === 'order.placed'", true),
            ("total > 1000", true),
            ("event.data.missing > 1000", false),
            ("event === 'hidden'", false),
            ("{{ total }}", true),
        ] {
            let outcome = meets(&json!([on("order.*", condition)]), &data);
            assert_eq!(outcome == Outcome::Fires(0), fires, "{condition}: {outcome:?}");
        }
    }

    #[test]
    fn the_first_trigger_that_fires_is_the_one() {
        let triggers = json!([
            {"type": "manual"},
            on("order.cancelled", "true"),
            on("order.placed", "false"),
            on("order.*", "nobody.knows"),
            on("**", "true"),
            on("order.placed", "true")
        ]);
        assert_eq!(meets(&triggers, &json!({})), Outcome::Fires(4));
        let quiet = json!([on("order.placed", "input.total"), on("order.*", "nobody")]);
        let Outcome::Quiet(why) = meets(&quiet, &json!(null)) else { panic!("it fires") };
        assert!(matches!(&why[0], (0, Quiet::Failed(_))), "a property of null: {why:?}");
        assert!(matches!(&why[1], (1, Quiet::Failed(error)) if error.contains("nobody")), "{why:?}");
        assert_eq!(meets(&json!([on("order.cancelled", "true")]), &json!({})), Outcome::Quiet(vec![]));
    }

    #[test]
    fn another_source_is_not_meant() {
        let from = |source: &str| json!([{"type": "event", "config": {"eventType": "order.placed", "source": source}}]);
        assert_eq!(meets(&from("shop"), &json!({})), Outcome::Fires(0));
        assert_eq!(meets(&from("Shop"), &json!({})), Outcome::Quiet(vec![]));
    }

    #[test]
    fn all_conditions_of_an_event_share_their_time() {
        let long = format!("[{}].filter(x => x > 0).length", "1,".repeat(400));
        let workflow = workflow(&json!(vec![on("order.placed", &format!("{long} < 0")); 100]));
        let event = Payload::from_value(&json!({"data": {}}));
        let mut steps = 5_000;
        let outcome = Occurrence::new("order.placed", "shop", &event).meets(&workflow, &mut steps);
        let Outcome::Quiet(why) = outcome else { panic!("it fires") };
        assert_eq!((why.len(), steps), (100, 0));
        assert!(why.first().is_some_and(|(_, why)| *why == Quiet::False), "{why:?}");
        assert!(why.last().is_some_and(|(_, why)| *why == Quiet::OutOfSteps), "{why:?}");
    }
}
