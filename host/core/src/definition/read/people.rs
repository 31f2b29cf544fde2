//! `human` and `agent` (semantics section 3).

use super::Reader;
use crate::definition::link::Targets;
use crate::definition::{AgentRule, HumanRule, OnTimeout};
use crate::payload::Payload;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Most approvers of a step, and so most answers: they are kept with the execution.
const APPROVERS: usize = 1_000;
/// Longest name of an approver, bytes.
const APPROVER_BYTES: usize = 256;
/// Largest form, bytes of JSON.
const FORM_BYTES: usize = 64 << 10;
/// Most tools of an agent.
const TOOLS: usize = 128;
/// Longest role, bytes.
const ROLE_BYTES: usize = 1 << 10;

const HUMAN: [&str; 9] = [
    "approvers",
    "reviewers",
    "requiredApprovals",
    "rejectOn",
    "timeout",
    "onTimeout",
    "allowSelfApproval",
    "form",
    "onError",
];

impl Reader<'_, '_> {
    pub fn human(&mut self, targets: &Targets<'_>) -> Option<HumanRule> {
        let approvers = self.approvers();
        let required = self.count("requiredApprovals", APPROVERS as u32).unwrap_or(1);
        self.check_required(required);
        let reject_when_impossible = match self.get("rejectOn").map(Value::as_str) {
            None | Some(Some("first")) => false,
            Some(Some("impossible")) => true,
            Some(_) => {
                let _: Option<()> = self.fault("rejectOn", "out_of_range", "`rejectOn` is \"first\" or \"impossible\"");
                false
            }
        };
        let timeout = self.span("timeout");
        let on_timeout = targets.on_timeout(self.get("onTimeout"), OnTimeout::Next, self.findings);
        let allow_self = self.get("allowSelfApproval").is_none() || self.boolean("allowSelfApproval");
        let form = self.form();
        let shown = self.shown();
        Some(HumanRule { approvers, required, reject_when_impossible, timeout, on_timeout, allow_self, form, shown })
    }

    /// `approvers` and `reviewers` are the same list (H2).
    fn approvers(&mut self) -> Option<stepwell_expression::Template> {
        let mut all = Vec::new();
        let mut given = false;
        for key in ["approvers", "reviewers"] {
            match self.get(key) {
                None => {}
                // A template that gives the whole list.
                Some(value @ Value::String(_)) => {
                    given = true;
                    all.push(value.clone());
                }
                Some(Value::Array(list)) => {
                    given = true;
                    for (at, entry) in list.iter().enumerate() {
                        if entry.as_str().is_none_or(|name| name.is_empty() || name.len() > APPROVER_BYTES) {
                            let pointer = format!("{}/{at}", self.pointer(key));
                            let message = format!("an approver is a text of 1 to {APPROVER_BYTES} bytes");
                            self.findings.fault(pointer, "out_of_range", message);
                        }
                    }
                    all.extend(list.iter().cloned());
                }
                Some(_) => return self.fault(key, "wrong_type", format!("`{key}` is a list of texts")),
            }
        }
        if all.len() > APPROVERS {
            return self.fault("approvers", "too_many", format!("a step has at most {APPROVERS} approvers"));
        }
        if given { self.template("approvers", &Value::Array(all)) } else { None }
    }

    /// More approvals than there are approvers can never be reached (H3); groups and templates stand for any number.
    fn check_required(&mut self, required: u32) {
        let lists = ["approvers", "reviewers"].into_iter().filter_map(|key| self.get(key));
        let mut names = BTreeSet::new();
        for list in lists {
            let Some(list) = list.as_array() else { return };
            for name in list.iter().filter_map(Value::as_str) {
                if name.contains("{{") || name.starts_with("group:") {
                    return;
                }
                names.insert(name);
            }
        }
        if !names.is_empty() && names.len() < required as usize {
            let message = format!("{required} approvals can never be reached: the step has {} approvers", names.len());
            let _: Option<()> = self.fault("requiredApprovals", "out_of_range", message);
        }
    }

    fn form(&mut self) -> Option<Payload> {
        match self.get("form")? {
            value @ (Value::Object(_) | Value::Bool(_)) => {
                let form = Payload::from_value(value);
                if form.as_str().len() > FORM_BYTES {
                    return self.fault("form", "too_large", format!("`form` has at most {FORM_BYTES} bytes"));
                }
                Some(form)
            }
            _ => self.fault("form", "wrong_type", "`form` is a JSON Schema for the answer's `data`"),
        }
    }

    /// All keys without a meaning of their own are shown to whoever answers.
    fn shown(&mut self) -> Option<stepwell_expression::Template> {
        let config = self.step.config?;
        let rest: Map<String, Value> = config
            .iter()
            .filter(|(key, _)| !HUMAN.contains(&key.as_str()) && !super::config::COMMON.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if rest.is_empty() {
            return None;
        }
        let pointer = self.step.pointer("config");
        super::config::template(&Value::Object(rest), &pointer, self.findings)
    }

    pub fn agent(&mut self) -> Option<AgentRule> {
        self.known(&[
            "agentRole",
            "role",
            "tools",
            "outputSchema",
            "maxTurns",
            "maxTokens",
            "prompt",
            "input",
            "model",
        ]);
        let (key, value) = match (self.get("agentRole"), self.get("role")) {
            (Some(value), _) => ("agentRole", value),
            (None, Some(value)) => ("role", value),
            (None, None) => return self.fault("agentRole", "missing", "an agent step needs `config.agentRole`"),
        };
        let Some(role) = value.as_str().filter(|role| !role.is_empty() && role.len() <= ROLE_BYTES) else {
            let message = format!("`{key}` is a text of 1 to {ROLE_BYTES} bytes");
            return self.fault(key, "out_of_range", message);
        };
        let tools = match self.get("tools") {
            None => Vec::new(),
            Some(Value::Array(list)) if list.len() <= TOOLS && list.iter().all(Value::is_string) => {
                list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            Some(_) => {
                let message = format!("`tools` is a list of at most {TOOLS} function ids");
                return self.fault("tools", "wrong_type", message);
            }
        };
        Some(AgentRule { role: role.to_owned(), tools })
    }
}
