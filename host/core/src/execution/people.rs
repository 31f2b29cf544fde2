//! Human steps (semantics H1-H6).

use super::apply::Stale;
use super::turn::Turn;
use super::{Answer, Approval, Command, Decision, Execution, Payload, Run, RunIx, RunState, TokenId, Via, Wait};
use crate::definition::{HumanRule, OnTimeout, StepKind, Workflow};
use crate::failure::{Failure, code};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use stepwell_expression::Value;

/// Most approvers, and most answers where anybody may answer: they are kept with the execution.
const ANSWERS: usize = 1_000;

/// What an approval came to so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApprovalStatus {
    /// Answers are awaited.
    Pending,
    /// Enough people approved.
    Approved,
    /// Somebody rejected it.
    Rejected,
    /// Nobody answered in time.
    Expired,
    /// The execution ended, or went another way, before.
    Cancelled,
}

impl ApprovalStatus {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Approved, Self::Rejected, Self::Expired, Self::Cancelled];

    /// As the API writes it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Where the answers stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Open,
    Approved,
    Rejected,
}

impl Turn<'_> {
    /// A human step begins: people are asked.
    pub(super) fn open_approval(&mut self, at: (TokenId, RunIx), rule: &HumanRule) {
        let approvers = match &rule.approvers {
            None => None,
            Some(template) => match self.value_of(at, template) {
                None => return,
                Some(value) => match approvers(&value, rule.required) {
                    Ok(list) => Some(list),
                    Err(why) => return self.fail_run(at.1, &Failure::guest(code::EXPRESSION_ERROR, why)),
                },
            },
        };
        let shown = match &rule.shown {
            None => None,
            Some(template) => match self.value_of(at, template) {
                None => return,
                Some(value) => Some(super::scope::to_payload(&value)),
            },
        };
        let Some(expires) = self.expiry_of(at, rule.timeout.as_ref()) else { return };
        let (opened, required) = (self.at, rule.required);
        let decisions = Vec::new();
        let approval = Approval { approvers, required, opened, expires, shown, decisions, timed_out: false };
        self.wait_for(at.1, Wait::Approval(approval));
        self.commands.push(Command::ShowApproval { run: at.1 });
    }

    /// Somebody who may answer answered.
    pub(super) fn answered(&mut self, run: RunIx, answer: &Answer) {
        let Some(rule) = self.human_rule(run) else { return };
        let impossible = rule.reject_when_impossible;
        let at = self.at;
        let Some(approval) = self.approval_mut(run) else { return };
        approval.decisions.push(Decision {
            by: answer.by.clone(),
            approved: answer.approved,
            comment: answer.comment.clone(),
            data: answer.data.clone(),
            at,
        });
        let bytes = [&answer.comment, &answer.data.as_ref().map(|data| data.as_str().to_owned())];
        let bytes: usize = bytes.into_iter().flatten().map(String::len).sum();
        let standing = standing(approval, impossible);
        self.next.result_bytes += (bytes + answer.by.len()) as u64;
        match standing {
            Standing::Open => self.commands.push(Command::ShowApproval { run }),
            Standing::Approved => self.decided(run, true, Some(answer)),
            Standing::Rejected => self.decided(run, false, Some(answer)),
        }
    }

    fn decided(&mut self, run: RunIx, approved: bool, answer: Option<&Answer>) {
        let Some(result) = self.approval_mut(run).map(|approval| result(approval, approved, answer)) else { return };
        match self.too_large(&result, "the answers together are") {
            None => self.produced(run, &result),
            Some(failure) => self.fail_run(run, &failure),
        }
    }

    /// Nobody answered in time (H4).
    pub(super) fn approval_expired(&mut self, run: RunIx) {
        let Some(on_timeout) = self.human_rule(run).map(|rule| rule.on_timeout) else { return };
        if let Some(approval) = self.approval_mut(run) {
            approval.timed_out = true;
        }
        match on_timeout {
            OnTimeout::Next => self.decided(run, false, None),
            OnTimeout::Fail => {
                let message = "nobody answered within the step's timeout";
                self.fail_run(run, &Failure::guest(code::APPROVAL_TIMEOUT, message));
            }
            OnTimeout::Go(target) => {
                let Some(value) = self.approval_mut(run).map(|approval| result(approval, false, None)) else { return };
                let Some(from) = self.next.run(run).map(|run| run.step) else { return };
                let Some(token) = self.close(run, RunState::Completed) else { return };
                if let Some(run) = self.run_mut(run) {
                    run.result = Some(value.clone());
                }
                self.set_result(token, run, Some(value));
                self.set_off(token, target, Via::Edge(from));
            }
        }
    }

    fn human_rule(&self, run: RunIx) -> Option<&HumanRule> {
        match self.workflow.step(self.next.run(run)?.step).map(|step| &step.kind) {
            Some(StepKind::Human(rule)) => Some(rule),
            _ => None,
        }
    }

    fn approval_mut(&mut self, run: RunIx) -> Option<&mut Approval> {
        match self.run_mut(run)?.wait.as_mut().map(Arc::make_mut) {
            Some(Wait::Approval(approval)) => Some(approval),
            _ => None,
        }
    }
}

/// A template's value as a list without doubles (H2).
fn approvers(value: &Value, required: u32) -> Result<Vec<String>, String> {
    let wrong = || "`approvers` is a list of texts".to_owned();
    let Value::Array(list) = value else { return Err(wrong()) };
    let mut names: Vec<String> = Vec::new();
    // A list that a template gave stands in the list as one item.
    let flat = list.iter().flat_map(|item| match item {
        Value::Array(inner) => inner.iter().cloned().collect(),
        other => vec![other.clone()],
    });
    for name in flat {
        let name = name.as_str().filter(|name| !name.is_empty()).ok_or_else(wrong)?;
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
        if names.len() > ANSWERS {
            return Err(format!("`approvers` has more than {ANSWERS} names"));
        }
    }
    let groups = names.iter().any(|name| name.starts_with("group:"));
    if names.is_empty() || (!groups && names.len() < required as usize) {
        return Err(format!("{required} approvals can never be reached: `approvers` has {} names", names.len()));
    }
    Ok(names)
}

/// Whether an answer counts: the one rule for every way in which it can come (H5). `None`: it does.
pub(super) fn may_answer(
    execution: &Execution,
    workflow: &Workflow,
    (run, approval): (RunIx, &Approval),
    answer: &Answer,
) -> Option<Stale> {
    let listed = approval.approvers.as_ref().is_none_or(|list| {
        list.iter().any(|name| *name == answer.by || (name.starts_with("group:") && answer.groups.contains(name)))
    });
    let rule = execution.run(run).and_then(|run| workflow.step(run.step)).map(|step| &step.kind);
    let allows_self = !matches!(rule, Some(StepKind::Human(rule)) if !rule.allow_self);
    let starter = execution.started.as_ref().and_then(|started| started.trigger.by.as_deref());
    if !listed || (!allows_self && starter == Some(answer.by.as_str())) {
        return Some(Stale::MayNotAnswer);
    }
    approval.decisions.iter().any(|decision| decision.by == answer.by).then_some(Stale::AlreadyAnswered)
}

/// Why an answer would change nothing now; `None`: it would count. The same rule that [`super::apply`] keeps, for whoever asks first.
#[must_use]
pub fn cannot_answer(execution: &Execution, workflow: &Workflow, at: RunIx, answer: &Answer) -> Option<Stale> {
    if execution.is_ended() {
        return Some(Stale::ExecutionEnded);
    }
    let Some(run) = execution.run(at).filter(|run| run.state == RunState::Waiting) else {
        return Some(Stale::RunEnded);
    };
    let Some(Wait::Approval(approval)) = run.wait.as_deref() else { return Some(Stale::RunEnded) };
    may_answer(execution, workflow, (at, approval), answer)
}

fn standing(approval: &Approval, reject_when_impossible: bool) -> Standing {
    let approvals = approval.decisions.iter().filter(|decision| decision.approved).count();
    let required = approval.required as usize;
    if approvals >= required {
        return Standing::Approved;
    }
    let rejected = approval.decisions.iter().any(|decision| !decision.approved);
    let open = match &approval.approvers {
        Some(list) if !list.iter().any(|name| name.starts_with("group:")) => list.len(),
        Some(_) | None => ANSWERS,
    };
    let left = open.saturating_sub(approval.decisions.len());
    if (rejected && !reject_when_impossible) || approvals + left < required {
        Standing::Rejected
    } else {
        Standing::Open
    }
}

/// The step's result (H1); `answer`: the deciding one.
fn result(approval: &Approval, approved: bool, answer: Option<&Answer>) -> Payload {
    let by = approval.decisions.iter().filter(|decision| decision.approved).map(|decision| decision.by.as_str());
    let text = json!({
        "approved": approved,
        "timedOut": approval.timed_out,
        "decisions": approval.decisions.iter().map(decision_view).collect::<Vec<_>>(),
        "approvedBy": by.collect::<Vec<_>>(),
        "comment": answer.and_then(|answer| answer.comment.as_deref()),
        "data": answer.and_then(|answer| answer.data.as_ref()).map_or(Json::Null, Payload::to_value),
    });
    Payload::from_value(&text)
}

fn decision_view(decision: &Decision) -> Json {
    json!({
        "by": decision.by,
        "approved": decision.approved,
        "comment": decision.comment,
        "at": decision.at.rfc3339(),
    })
}

/// What became of the approval of a run; `None` if the run is none of a human step, or has not been opened.
#[must_use]
pub fn approval_status(run: &Run) -> Option<ApprovalStatus> {
    let Some(Wait::Approval(approval)) = run.wait.as_deref() else { return None };
    Some(match run.state {
        RunState::Waiting => ApprovalStatus::Pending,
        RunState::Cancelled => ApprovalStatus::Cancelled,
        RunState::Active { .. } | RunState::Completed | RunState::Failed if approval.timed_out => {
            ApprovalStatus::Expired
        }
        RunState::Active { .. } | RunState::Completed | RunState::Failed => {
            let approvals = approval.decisions.iter().filter(|decision| decision.approved).count();
            if approvals >= approval.required as usize { ApprovalStatus::Approved } else { ApprovalStatus::Rejected }
        }
    })
}

/// An approval as the API shows it, without its id: `{executionId, workflowId, workflowName, step, stepName, status, approvers,
/// requiredApprovals, decisions, form?, details?, createdAt, expiresAt?}`.
#[must_use]
pub fn approval_view(execution: &Execution, workflow: &Workflow, at: RunIx) -> Option<Json> {
    let run = execution.run(at)?;
    let Some(Wait::Approval(approval)) = run.wait.as_deref() else { return None };
    let step = workflow.step(run.step)?;
    let mut view = json!({
        "executionId": execution.id.to_string(),
        "workflowId": workflow.id,
        "workflowName": workflow.name,
        "step": step.id,
        "stepName": step.name,
        "status": approval_status(run)?.word(),
        "approvers": approval.approvers,
        "requiredApprovals": approval.required,
        "decisions": approval.decisions.iter().map(decision_view).collect::<Vec<_>>(),
        "createdAt": approval.opened.rfc3339(),
    });
    if let Some(expires) = approval.expires {
        view["expiresAt"] = json!(expires.rfc3339());
    }
    if let StepKind::Human(rule) = &step.kind
        && let Some(form) = &rule.form
    {
        view["form"] = form.to_value();
    }
    if let Some(shown) = &approval.shown {
        view["details"] = shown.to_value();
    }
    Some(view)
}
