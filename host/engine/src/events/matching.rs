//! Which workflows an event starts.

use super::{Matches, NotStarted, Published};
use crate::Error;
use crate::engine::Engine;
use stepwell_core::ids::TenantId;
use stepwell_core::occurrence::{Occurrence, Outcome, Quiet};

/// Steps that all conditions together may spend on one event: about a second of one core, since they are evaluated on threads that serve
/// requests.
const CONDITION_STEPS: u64 = 5_000_000;
/// After so many steps, others get their turn.
const STEPS_AT_ONCE: u64 = 20_000;

impl Engine {
    /// Asks the triggers of all workflows as they are now.
    pub(super) async fn matches(&self, tenant: TenantId, event: &Published) -> Result<Matches, Error> {
        let mut matches = Matches::default();
        let workflows = self.inner.registry.triggered(tenant, &event.kind).await?;
        if workflows.is_empty() {
            return Ok(matches);
        }
        let occurrence = Occurrence::new(&event.kind, &event.source, &event.event);
        let (mut steps, mut spent) = (CONDITION_STEPS, 0);
        for workflow in workflows {
            let before = steps;
            match occurrence.meets(&workflow, &mut steps) {
                Outcome::Fires(trigger) => matches.fired.push((workflow.id.clone(), trigger)),
                Outcome::Quiet(quiet) => {
                    let quiet = quiet.into_iter().map(|(trigger, why)| not_started(&workflow.id, trigger, why));
                    matches.quiet.extend(quiet);
                }
            }
            spent += before - steps;
            if spent >= STEPS_AT_ONCE {
                spent = 0;
                tokio::task::yield_now().await;
            }
        }
        Ok(matches)
    }
}

/// Why a trigger kept quiet, for whoever reads the event.
struct Why {
    code: String,
    reason: String,
}

fn not_started(workflow: &str, trigger: usize, why: Quiet) -> NotStarted {
    let Why { code, reason } = match why {
        Quiet::False => {
            Why { code: "condition_false".to_owned(), reason: "the trigger's condition is false".to_owned() }
        }
        Quiet::Failed(error) => {
            let error = error.get(..error.floor_char_boundary(REASON_BYTES)).unwrap_or_default();
            let reason = format!("the trigger's condition could not be evaluated: {error}");
            Why { code: "condition_failed".to_owned(), reason }
        }
        Quiet::OutOfSteps => {
            let reason = format!(
                "the conditions of all triggers together take more than {CONDITION_STEPS} evaluation steps for one event; simplify them"
            );
            Why { code: "condition_failed".to_owned(), reason }
        }
    };
    NotStarted { workflow_id: workflow.to_owned(), trigger, code, reason }
}

/// Longest text of an error that is kept with an event.
pub(super) const REASON_BYTES: usize = 400;
