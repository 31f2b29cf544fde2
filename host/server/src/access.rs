//! What each operation needs, written once: the scope of the key, and how the audit log calls it. An operation that is not in the table needs
//! an administrator, and a test asks that all are in it.

use axum::http::Method;
use stepwell_engine::{Need, Scope};

/// Who may call an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A key with this scope.
    With(Scope),
    /// An admin key of the default tenant.
    Operator,
}

impl Access {
    /// As the description writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::With(scope) => scope.word(),
            Self::Operator => "operator",
        }
    }
}

/// One operation.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    method: &'static str,
    path: &'static str,
    /// Who may call it.
    pub access: Access,
    /// What the audit log calls it; `None`: it changes nothing that its own record does not tell of: starts and events are lists themselves.
    pub action: Option<&'static str>,
}

/// What makes no room, but lets things end that are under way, or is needed to make room.
const NEEDS_NOTHING: &[&str] = &[
    "/workflows/executions/{id}/cancel",
    "/approvals/{id}",
    "/workflows/validate",
    "/tenants/{id}",
    "/tenants/{id}/suspend",
];
/// What changes a little of what is there already.
const NEEDS_LITTLE: &[&str] = &[
    "/workflows/executions/{id}/pause",
    "/workflows/executions/{id}/resume",
    "/workflows/executions/{id}/retry",
    "/approvals/{id}/links",
    "/schedules/{id}/pause",
    "/tenants/{id}/resume",
    "/grants",
];

impl Operation {
    /// Whether it is allowed on a full disk. What nobody thought of is taken to grow.
    pub fn need(&self) -> Need {
        match self.method {
            "GET" | "DELETE" => Need::Nothing,
            _ if NEEDS_NOTHING.contains(&self.path) => Need::Nothing,
            _ if NEEDS_LITTLE.contains(&self.path) => Need::Little,
            _ => Need::Growth,
        }
    }
}

const fn op(method: &'static str, path: &'static str, access: Access, action: Option<&'static str>) -> Operation {
    Operation { method, path, access, action }
}

const READ: Access = Access::With(Scope::Read);
const TRIGGER: Access = Access::With(Scope::Trigger);
const DEPLOY: Access = Access::With(Scope::Deploy);
const APPROVE: Access = Access::With(Scope::Approve);
const ADMIN: Access = Access::With(Scope::Admin);
const OPERATOR: Access = Access::Operator;

/// Those that need a key.
#[rustfmt::skip]
const OPERATIONS: &[Operation] = &[
    op("GET", "/workflows", READ, None),
    op("POST", "/workflows", DEPLOY, Some("workflow.create")),
    op("POST", "/workflows/validate", DEPLOY, None),
    op("GET", "/workflows/{id}", READ, None),
    op("PUT", "/workflows/{id}", DEPLOY, Some("workflow.put")),
    op("DELETE", "/workflows/{id}", DEPLOY, Some("workflow.delete")),
    op("GET", "/workflows/{id}/revisions", READ, None),
    op("GET", "/workflows/{id}/revisions/{number}", READ, None),
    op("GET", "/workflows/{id}/graph", READ, None),
    op("POST", "/workflows/trigger", TRIGGER, None),
    op("GET", "/workflows/executions", READ, None),
    op("GET", "/workflows/executions/{id}", READ, None),
    op("GET", "/workflows/executions/{id}/history", READ, None),
    op("GET", "/workflows/executions/{id}/logs", READ, None),
    op("GET", "/workflows/executions/{id}/graph", READ, None),
    op("GET", "/workflows/executions/{id}/timeline", READ, None),
    op("GET", "/workflows/executions/{id}/events", READ, None),
    op("POST", "/workflows/executions/{id}/cancel", TRIGGER, Some("execution.cancel")),
    op("POST", "/workflows/executions/{id}/pause", TRIGGER, Some("execution.pause")),
    op("POST", "/workflows/executions/{id}/resume", TRIGGER, Some("execution.resume")),
    op("POST", "/workflows/executions/{id}/retry", TRIGGER, Some("execution.retry")),
    op("POST", "/workflows/executions/{id}/rerun", TRIGGER, Some("execution.rerun")),
    op("GET", "/functions", READ, None),
    op("POST", "/functions", DEPLOY, Some("function.deploy")),
    op("POST", "/functions/execute", TRIGGER, None),
    op("GET", "/functions/{id}", READ, None),
    op("PUT", "/functions/{id}", DEPLOY, Some("function.deploy")),
    op("DELETE", "/functions/{id}", DEPLOY, Some("function.delete")),
    op("GET", "/functions/{id}/versions", READ, None),
    op("POST", "/functions/{id}/rollback", DEPLOY, Some("function.rollback")),
    op("GET", "/uploads", DEPLOY, None),
    op("DELETE", "/uploads/{id}", DEPLOY, Some("upload.cancel")),
    op("GET", "/agents", READ, None),
    op("POST", "/agents", DEPLOY, Some("agent.create")),
    op("GET", "/agents/{id}", READ, None),
    op("PUT", "/agents/{id}", DEPLOY, Some("agent.put")),
    op("DELETE", "/agents/{id}", DEPLOY, Some("agent.delete")),
    op("POST", "/agents/{id}/assign", TRIGGER, None),
    op("GET", "/approvals", READ, None),
    op("GET", "/approvals/{id}", READ, None),
    op("POST", "/approvals/{id}", APPROVE, Some("approval.answer")),
    op("POST", "/approvals/{id}/links", APPROVE, Some("approval.link")),
    op("GET", "/secrets", DEPLOY, None),
    op("GET", "/secrets/{name}", DEPLOY, None),
    op("PUT", "/secrets/{name}", DEPLOY, Some("secret.put")),
    op("DELETE", "/secrets/{name}", DEPLOY, Some("secret.delete")),
    op("POST", "/secrets/rotate", ADMIN, Some("secret.rotate")),
    op("GET", "/grants", READ, None),
    op("PUT", "/grants", ADMIN, Some("grants.put")),
    op("GET", "/config", READ, None),
    op("GET", "/config/{name}", READ, None),
    op("PUT", "/config/{name}", DEPLOY, Some("config.put")),
    op("DELETE", "/config/{name}", DEPLOY, Some("config.delete")),
    op("GET", "/kv", READ, None),
    op("GET", "/kv/{key}", READ, None),
    op("PUT", "/kv/{key}", DEPLOY, Some("kv.put")),
    op("DELETE", "/kv/{key}", DEPLOY, Some("kv.delete")),
    op("GET", "/events", READ, None),
    op("POST", "/events", TRIGGER, None),
    op("GET", "/events/{id}", READ, None),
    op("GET", "/schedules", READ, None),
    op("GET", "/schedules/{id}", READ, None),
    op("POST", "/schedules/{id}/pause", DEPLOY, Some("schedule.pause")),
    op("POST", "/schedules/{id}/resume", DEPLOY, Some("schedule.resume")),
    op("POST", "/schedules/{id}/run", TRIGGER, Some("schedule.run")),
    op("POST", "/schedules/{id}/backfill", TRIGGER, Some("schedule.backfill")),
    op("GET", "/webhook-deliveries", READ, None),
    op("GET", "/webhook-deliveries/{id}", READ, None),
    op("POST", "/webhook-deliveries/{id}/replay", TRIGGER, Some("delivery.replay")),
    op("GET", "/keys", ADMIN, None),
    op("POST", "/keys", ADMIN, Some("key.create")),
    op("GET", "/keys/{id}", ADMIN, None),
    op("DELETE", "/keys/{id}", ADMIN, Some("key.revoke")),
    op("GET", "/usage", READ, None),
    op("GET", "/audit", ADMIN, None),
    op("GET", "/tenants", OPERATOR, None),
    op("POST", "/tenants", OPERATOR, Some("tenant.create")),
    op("GET", "/tenants/{id}", OPERATOR, None),
    op("PATCH", "/tenants/{id}", OPERATOR, Some("tenant.change")),
    op("DELETE", "/tenants/{id}", OPERATOR, Some("tenant.delete")),
    op("POST", "/tenants/{id}/suspend", OPERATOR, Some("tenant.suspend")),
    op("POST", "/tenants/{id}/resume", OPERATOR, Some("tenant.resume")),
    op("GET", "/tenants/{id}/usage", OPERATOR, None),
    op("GET", "/tenants/{id}/grants", OPERATOR, None),
    op("PUT", "/tenants/{id}/grants", OPERATOR, Some("tenant.grants")),
    op("POST", "/tenants/{id}/keys", OPERATOR, Some("tenant.key")),
    op("GET", "/tenants/{id}/keys", OPERATOR, None),
    op("DELETE", "/tenants/{id}/keys/{key}", OPERATOR, Some("tenant.revoke")),
    op("GET", "/store", OPERATOR, None),
    op("GET", "/store/sizes", OPERATOR, None),
    op("GET", "/store/backup", OPERATOR, None),
];

/// What nobody thought of is for administrators.
const UNKNOWN: Operation = op("", "", ADMIN, None);

/// The operation of a path as the routes write it, if it is in the table.
pub fn listed(method: &str, path: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|known| known.method == method && known.path == path)
}

/// The same, and what counts for one that is not in it.
pub fn needed(method: &Method, path: &str) -> &'static Operation {
    // Whoever may see an answer may see its head.
    let method = if *method == Method::HEAD { "GET" } else { method.as_str() };
    listed(method, path).unwrap_or(&UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_there_once_and_looking_changes_nothing() {
        for operation in OPERATIONS {
            let same = OPERATIONS.iter().filter(|o| (o.method, o.path) == (operation.method, operation.path));
            assert_eq!(same.count(), 1, "{operation:?}");
            assert!(operation.method != "GET" || operation.action.is_none(), "{operation:?}");
        }
        assert_eq!(needed(&Method::HEAD, "/workflows").access, READ);
        assert_eq!(needed(&Method::POST, "/new").access, ADMIN);
        assert_eq!(needed(&Method::POST, "/new").need(), Need::Growth);
        for path in NEEDS_NOTHING.iter().chain(NEEDS_LITTLE) {
            assert!(OPERATIONS.iter().any(|o| o.path == *path && o.method != "GET"), "{path}");
        }
    }
}
