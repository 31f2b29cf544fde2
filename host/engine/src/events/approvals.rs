//! What happens to human steps as events (semantics H7): so that notices are workflows too.

use super::OwnEvent;
use crate::approvals::{self, is_told};
use crate::engine::Engine;
use crate::live::Live;
use serde_json::{Map, Value, json};
use stepwell_core::execution::{Command, Execution, RunIx, Wait};
use stepwell_core::ids::TenantId;
use stepwell_core::payload::Payload;

/// People who get a link with the event; for others it can be asked for. A link has a third of a kilobyte.
const LINKS: usize = 100;
/// What an event leaves out, in this order, if it would be larger than a payload may be.
const SPARED: [&str; 4] = ["details", "decisions", "links", "approvers"];

impl Engine {
    /// The events that tell of what these commands show, to be written down with them. `next` is the state after the entry.
    pub(crate) fn approval_events(&self, live: &Live, next: &Execution, commands: &[Command]) -> Vec<OwnEvent> {
        let mut events: Vec<OwnEvent> = Vec::new();
        for command in commands {
            let Command::ShowApproval { run } = command else { continue };
            if let Some(event) = self.approval_event(live, next, *run)
                && events.iter().all(|other| other.id != event.id)
            {
                events.push(event);
            }
        }
        events
    }

    fn approval_event(&self, live: &Live, next: &Execution, run: RunIx) -> Option<OwnEvent> {
        let (id, view) = approvals::shown(live, next, run)?;
        let Some(Wait::Approval(approval)) = next.run(run)?.wait.as_deref() else { return None };
        let what = is_told(view.get("status")?.as_str()?, approval.decisions.is_empty())?;
        let Value::Object(mut data) = view else { return None };
        data.remove("form");
        data.remove("id");
        data.insert("approvalId".to_owned(), json!(id));
        if what == "requested" {
            let people = approval.approvers.as_deref().unwrap_or_default();
            let people = people.get(..LINKS).unwrap_or(people);
            let links = self.links_for((live.key.tenant, &id), people, (approval.opened, approval.expires));
            data.insert("links".to_owned(), json!(links));
        }
        let hops = next.started.as_ref().map_or(0, |started| started.hops).saturating_add(1);
        let data = self.fitting(live.key.tenant, data);
        Some(OwnEvent { id: format!("{id}.{what}"), kind: format!("stepwell.approval.{what}"), data, hops })
    }

    /// As much of it as a payload may hold.
    fn fitting(&self, tenant: TenantId, mut data: Map<String, Value>) -> Payload {
        let most = self.limits_of(tenant).execution.payload_bytes;
        let mut payload = Payload::from_value(&Value::Object(data.clone()));
        for key in SPARED {
            if payload.as_str().len() as u64 <= most {
                break;
            }
            data.remove(key);
            payload = Payload::from_value(&Value::Object(data.clone()));
        }
        payload
    }
}
