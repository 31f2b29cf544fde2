//! Steps that somebody outside completes (semantics C22).

use crate::Error;
use crate::drive::Untold;
use crate::engine::Engine;
use crate::ports::ExecutionKey;
use crate::tokens::Purpose;
use serde::{Deserialize, Serialize};
use stepwell_core::execution::{Entry, Reported, RunIx};
use stepwell_core::failure::Failure;
use stepwell_core::ids::{ExecutionId, TenantId};
use stepwell_core::payload::Payload;

/// The fact of a function's context that holds the address.
pub(crate) const FACT: &str = "callback-url";

/// Which attempt's callback a token is.
#[derive(Debug, Serialize, Deserialize)]
struct Callback(TenantId, ExecutionId, RunIx, u32);

impl Engine {
    /// The address at which this attempt can be completed.
    pub(crate) fn callback_url(&self, key: ExecutionKey, run: RunIx, attempt: u32) -> String {
        let token = self.inner.signer.sign(Purpose::Callback, &Callback(key.tenant, key.id, run, attempt));
        format!("{}/callbacks/{token}", self.inner.ports.public_url)
    }

    /// Completes a step from outside. It works once, also before the function has returned.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the token is none of ours; [`Error::Conflict`] (`callback_used`) if the step no longer waits for it;
    /// [`Error::Forbidden`] `tenant_suspended`: it may be sent again later; [`Error::TooLarge`].
    pub async fn complete(&self, token: &str, outcome: Result<Payload, Failure>) -> Result<(), Error> {
        self.accepting()?;
        let not_found = || Error::NotFound { what: "callback", id: String::new() };
        let read = self.inner.signer.read(Purpose::Callback, token);
        let Callback(tenant, id, run, attempt) = read.ok_or_else(not_found)?;
        self.inner.tenants.check(tenant).map_err(|error| if_there(error, not_found))?;
        self.check_result(tenant, &outcome)?;
        let live = self.rouse(ExecutionKey { tenant, id }).await?.ok_or_else(used)?;
        // A token may know of a later state than a store that was put back to an earlier one.
        let known = live.execution().run(run).is_some_and(|run| run.attempts >= attempt);
        if !known {
            return Err(not_found());
        }
        // Who was asked may repeat what the function sent along.
        let outcome = match self.redactor(&live).await? {
            Some(redactor) => redactor.result(outcome),
            None => outcome,
        };
        let outcome = match outcome {
            Ok(value) => Reported::Succeeded(value),
            Err(failure) => Reported::Failed { failure, chance: self.chance() },
        };
        match self.tell_whole(&live, Entry::CallbackReceived { run, attempt, outcome }).await? {
            Ok(()) => Ok(()),
            Err(Untold::Ignored(_)) => Err(used()),
            Err(Untold::Lost) => Err(Error::Unavailable("the execution is not under way here".to_owned())),
        }
    }

    fn check_result(&self, tenant: TenantId, outcome: &Result<Payload, Failure>) -> Result<(), Error> {
        let limit = self.limits_of(tenant).execution.payload_bytes;
        let said = outcome.as_ref().map_or_else(|failure| failure.details.as_ref(), Some);
        let length = said.map_or(0, |said| said.as_str().len() as u64);
        if length <= limit {
            return Ok(());
        }
        let message = format!(
            "the result has {length} bytes; at most {limit} are accepted (limit `payload_bytes`): store large data elsewhere and \
             send its address"
        );
        Err(Error::TooLarge { limit: "payload_bytes", message })
    }
}

/// A deleted tenant has no callbacks.
fn if_there(error: Error, not_found: impl Fn() -> Error) -> Error {
    if matches!(error, Error::NotFound { .. }) { not_found() } else { error }
}

fn used() -> Error {
    let message = "this callback was used, or the step no longer waits for it; nothing changes".to_owned();
    Error::Conflict { code: "callback_used", message }
}
