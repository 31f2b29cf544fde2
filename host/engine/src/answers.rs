//! Answers to human steps: whatever way they come, they come through [`Engine::answer_approval`] (H5).

use crate::Error;
use crate::drive::Untold;
use crate::engine::Engine;
use crate::live::Live;
use crate::ports::ExecutionKey;
use crate::schema::Schema;
use serde_json::{Value, json};
use std::sync::Arc;
use stepwell_core::definition::{Fault, HumanRule, StepKind, Workflow};
use stepwell_core::execution::{Answer, Entry, Execution, RunIx, Stale, cannot_answer};
use stepwell_core::ids::TenantId;
use tokio::sync::oneshot;

/// Longest comment, bytes: it is kept with the execution, and a thousand people may answer.
pub const COMMENT_BYTES: usize = 4 << 10;
/// Longest name of somebody who answers, bytes: it travels in links and histories.
pub const BY_BYTES: usize = 512;

impl Engine {
    /// Answers a human step; the approval as it is afterwards. `answer.groups` come from the caller's key.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Forbidden`] if this person may not answer (`may_not_answer`); [`Error::Conflict`] if they have
    /// already (`already_answered`) or nobody can any more (`approval_closed`); [`Error::WrongShape`], [`Error::TooLarge`] and
    /// [`Error::InvalidInput`] for what they say. In all of these cases nothing changed.
    pub async fn answer_approval(&self, tenant: TenantId, id: &str, answer: Answer) -> Result<Value, Error> {
        self.accepting()?;
        check_texts(&answer)?;
        self.check_data(tenant, &answer)?;
        let (live, run) = self.asked(tenant, id).await?;
        // Who may not answer, or comes too late, is told that first.
        may_answer(&live.execution(), &live.workflow, run, &answer)?;
        check_form(&live.execution(), &live.workflow, run, &answer)?;
        let entry = Entry::ApprovalAnswered { run, answer };
        self.tell_whole(&live, entry).await?.map_err(refused)?;
        // From the store: the execution may have been parked, and be another one in memory by now.
        self.approval(tenant, id).await
    }

    /// The execution and the step run that an approval is of; [`Error::Conflict`] if the execution has ended.
    pub(crate) async fn asked(&self, tenant: TenantId, id: &str) -> Result<(Arc<Live>, RunIx), Error> {
        let stored = self.stored_approval(tenant, id).await?;
        let key = ExecutionKey { tenant, id: stored.execution };
        let live = self.rouse(key).await?.ok_or_else(|| refused(Untold::Ignored(Stale::ExecutionEnded)))?;
        Ok((live, stored.run))
    }

    /// As [`Engine::tell`], to its end even if the caller goes away: a change that is committed must also be carried out.
    pub(crate) async fn tell_whole(&self, live: &Arc<Live>, entry: Entry) -> Result<Result<(), Untold>, Error> {
        let (engine, live) = (self.clone(), Arc::clone(live));
        let (tell, told) = oneshot::channel();
        self.inner.attempts.spawn("answer", async move {
            // Nobody listens if the caller has gone away.
            let _ = tell.send(engine.tell(&live, &entry).await);
        });
        told.await.map_err(|e| Error::broken("an answer was lost", &e))
    }

    fn check_data(&self, tenant: TenantId, answer: &Answer) -> Result<(), Error> {
        let limit = self.limits_of(tenant).execution.payload_bytes;
        let length = answer.data.as_ref().map_or(0, |data| data.as_str().len() as u64);
        if length <= limit {
            return Ok(());
        }
        let message = format!("`data` has {length} bytes; at most {limit} are accepted (limit `payload_bytes`)");
        Err(Error::TooLarge { limit: "payload_bytes", message })
    }
}

/// Whether the answer would count (H3-H5).
///
/// # Errors
/// As [`Engine::answer_approval`].
pub(crate) fn may_answer(execution: &Execution, workflow: &Workflow, run: RunIx, answer: &Answer) -> Result<(), Error> {
    cannot_answer(execution, workflow, run, answer).map_or(Ok(()), |stale| Err(refused(Untold::Ignored(stale))))
}

fn check_texts(answer: &Answer) -> Result<(), Error> {
    if answer.comment.as_ref().is_some_and(|comment| comment.len() > COMMENT_BYTES) {
        let message = format!("a comment has at most {COMMENT_BYTES} bytes");
        return Err(Error::WrongShape { field: "comment", message });
    }
    check_name("by", &answer.by)
}

/// Whether a text can name a person.
///
/// # Errors
/// [`Error::WrongShape`] about this field.
pub(crate) fn check_name(field: &'static str, name: &str) -> Result<(), Error> {
    if !name.is_empty() && name.len() <= BY_BYTES && !name.contains(char::is_control) {
        return Ok(());
    }
    let message = format!("`{field}` names a person as the step's `approvers` does: 1 to {BY_BYTES} bytes on one line");
    Err(Error::WrongShape { field, message })
}

fn human_rule<'a>(execution: &Execution, workflow: &'a Workflow, run: RunIx) -> Option<&'a HumanRule> {
    match workflow.step(execution.run(run)?.step).map(|step| &step.kind) {
        Some(StepKind::Human(rule)) => Some(rule),
        _ => None,
    }
}

/// `data` matches the step's form (H6). Who approves fills it in; who rejects may leave it out.
fn check_form(execution: &Execution, workflow: &Workflow, run: RunIx, answer: &Answer) -> Result<(), Error> {
    let form = human_rule(execution, workflow, run).and_then(|rule| rule.form.as_ref());
    let Some(form) = form.filter(|_| answer.approved || answer.data.is_some()) else { return Ok(()) };
    let schema = Schema::compile(&form.to_value(), "/form");
    let schema =
        schema.map_err(|faults| Error::broken("a stored form is refused", &Error::InvalidDefinition(faults)))?;
    let data = answer.data.as_ref().map_or_else(|| json!({}), stepwell_core::payload::Payload::to_value);
    schema.validate(&data).map_err(|mut violations| {
        violations.iter_mut().for_each(|violation| violation.pointer.insert_str(0, "/data"));
        Error::InvalidInput(violations)
    })
}

/// What is wrong with the forms of a definition (H6).
pub(crate) fn form_faults(workflow: &Workflow) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    for (at, step) in workflow.steps.iter().enumerate() {
        let StepKind::Human(rule) = &step.kind else { continue };
        let Some(form) = &rule.form else { continue };
        let compiled = Schema::compile(&form.to_value(), &format!("/steps/{at}/config/form"));
        faults.extend(compiled.err().into_iter().flatten());
    }
    faults
}

/// An answer that came to nothing.
fn refused(why: Untold) -> Error {
    match why {
        Untold::Ignored(Stale::AlreadyAnswered) => Error::Conflict {
            code: "already_answered",
            message: "this person has answered already; the first answer stands, and nothing changes".to_owned(),
        },
        Untold::Ignored(Stale::MayNotAnswer) => Error::Forbidden {
            code: "may_not_answer",
            message:
                "this person may not answer: they are not among the step's `approvers`, or they started the execution \
                      and the step forbids self-approval; nothing changes"
                    .to_owned(),
        },
        Untold::Ignored(_) => Error::Conflict {
            code: "approval_closed",
            message: "the approval is no longer pending: it is decided, expired or cancelled; nothing changes"
                .to_owned(),
        },
        Untold::Lost => Error::Unavailable("the execution is not under way here".to_owned()),
    }
}
