//! The kinds of documents, all of them: for whoever finds a number.

use super::DocumentKind;

impl DocumentKind {
    /// The kind with this number; `None`: this version has none.
    #[must_use]
    pub fn of_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    /// All of them, by number.
    pub const ALL: [Self; 49] = [
        Self::Workflow,
        Self::WorkflowRevision,
        Self::Function,
        Self::FunctionVersion,
        Self::ApiKey,
        Self::Idempotency,
        Self::Setting,
        Self::DeletedWorkflow,
        Self::DeletedFunction,
        Self::Log,
        Self::Secret,
        Self::Event,
        Self::EventKey,
        Self::EventByTime,
        Self::EventByType,
        Self::EventMatches,
        Self::EventPending,
        Self::EventOutcome,
        Self::EventEffect,
        Self::EventWait,
        Self::EventOutbox,
        Self::Approval,
        Self::ApprovalIndex,
        Self::Notice,
        Self::Webhook,
        Self::WebhookDelivery,
        Self::WebhookEvent,
        Self::WebhookAge,
        Self::WebhookPending,
        Self::WebhookKey,
        Self::WebhookKeyAge,
        Self::Schedule,
        Self::ScheduleMark,
        Self::ScheduleLine,
        Self::ScheduleOpen,
        Self::Agent,
        Self::DeletedAgent,
        Self::Tenant,
        Self::AuditLine,
        Self::Usage,
        Self::Meter,
        Self::Place,
        Self::KeyValue,
        Self::KeyFacts,
        Self::GrantPolicy,
        Self::Config,
        Self::Ended,
        Self::Erasing,
        Self::IdempotencyAge,
    ];
}
