//! Which changes the audit log tells of: whatever the table of operations ([`crate::access`]) has a word for, once it is done. The line is
//! durable before the answer is sent, in a commit of its own behind the one of the change: a crash between both leaves the change without
//! its line, and its caller without an answer.

use crate::access::Operation;
use crate::auth::Caller;
use crate::connections::Peer;
use crate::error::{Pending, Place};
use crate::routes::App;
use crate::system::SystemClock;
use axum::extract::Request;
use axum::response::Response;
use std::sync::{Arc, Mutex, PoisonError};
use stepwell_core::ids::TenantId;
use stepwell_engine::AuditLine;
use stepwell_engine::ports::Clock as _;

/// How a change that was done is told.
const DONE: &str = "done";

/// Who does what, put down by whoever lets them in.
#[derive(Clone, Default)]
pub struct Trail(Arc<Mutex<Option<Acted>>>);

/// Somebody who may do this.
struct Acted {
    caller: Caller,
    action: &'static str,
    target: String,
}

/// What an answer is about, where its address does not say it.
#[derive(Clone)]
pub struct Target(pub String);

/// A change without a key: whose log it belongs to, who did it, and what.
#[derive(Clone)]
pub struct Keyless {
    /// Whose.
    pub tenant: TenantId,
    /// Who.
    pub subject: String,
    /// What.
    pub action: &'static str,
    /// To what.
    pub target: String,
}

/// A change that another tenant's log tells of, too.
#[derive(Clone, Copy)]
pub struct Also(pub TenantId);

impl Trail {
    /// A caller was let in. `target` is what the address names.
    pub fn enter(&self, caller: &Caller, operation: &Operation, target: String) {
        let acted = operation.action.map(|action| Acted { caller: caller.clone(), action, target });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = acted;
    }

    /// The same, for who notes it later: nobody else does.
    pub fn taken(&self) -> Self {
        Self(Arc::new(Mutex::new(self.take())))
    }

    fn take(&self) -> Option<Acted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The address of who asks, if it is at hand.
pub fn address(request: &Request) -> Option<String> {
    request.extensions().get::<Peer>().map(|Peer(address)| address.ip().to_string())
}

/// What is to be noted of a request, and in whose log.
pub fn lines(
    (trail, address): (Trail, Option<String>),
    response: &Response,
    place: &Place,
) -> Vec<(TenantId, AuditLine)> {
    let Some(outcome) = outcome(response) else { return Vec::new() };
    let line = |subject, key, (action, target): (&str, String)| AuditLine {
        at: SystemClock.now(),
        subject,
        key,
        address,
        request: place.request_id.clone(),
        action: action.to_owned(),
        target,
        outcome,
    };
    let extensions = response.extensions();
    let (tenant, line) = match (trail.take(), extensions.get::<Keyless>().cloned()) {
        (Some(Acted { caller, action, target }), _) => {
            let target = extensions.get::<Target>().map_or(target, |named| named.0.clone());
            (caller.tenant, line(caller.subject, caller.key, (action, target)))
        }
        (None, Some(Keyless { tenant, subject, action, target })) => (tenant, line(subject, None, (action, target))),
        (None, None) => return Vec::new(),
    };
    let also = extensions.get::<Also>().map(|also| also.0).filter(|also| *also != tenant);
    [tenant].into_iter().chain(also).map(|tenant| (tenant, line.clone())).collect()
}

/// Makes them durable. A change is not undone because it cannot be noted: the server's own log has it then.
pub async fn note(app: &App, lines: Vec<(TenantId, AuditLine)>) {
    for (tenant, line) in lines {
        if let Err(error) = app.engine().note_change(tenant, line.clone()).await {
            let AuditLine { subject, action, target, outcome, request, .. } = &line;
            tracing::error!(%error, %tenant, subject, action, target, outcome, request, "a change is not in the audit log");
        }
    }
}

/// How a change is told; `None`: nothing changed, and it is not told. Whoever may only look could otherwise push the changes of others out of
/// the log with requests that are refused.
fn outcome(response: &Response) -> Option<String> {
    if response.status().is_success() {
        return Some(DONE.to_owned());
    }
    if !response.status().is_server_error() {
        return None;
    }
    // Done or not, nobody knows.
    let pending = response.extensions().get::<Pending>()?;
    let pending = pending.0.lock().unwrap_or_else(PoisonError::into_inner);
    pending.as_ref().map(|error| error.code().to_owned())
}
