//! Wanted, and what becomes of it.

use super::{Grants, HttpGrant, KeyValueGrant, KeyValuePolicy, Policy, SecretGrant};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Who refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum By {
    /// The tenant's policy: `PUT /grants`.
    Tenant,
    /// The operator's: how the server was started, or `PUT /tenants/{id}/grants`.
    Operator,
}

/// A part of what was wanted that is not granted, or not all of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefusedGrant {
    /// What was wanted, as grants of its own.
    pub grant: Value,
    /// Who refuses.
    pub by: By,
    /// Why, and what to do.
    pub message: String,
}

/// What becomes of a wish.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decision {
    /// What the function gets.
    pub granted: Grants,
    /// What it does not get.
    pub refused: Vec<RefusedGrant>,
}

/// What of `wanted` all policies allow: the tenant's, the operator's for everybody, and the operator's for this tenant.
#[must_use]
pub fn decide(wanted: &Grants, tenant: &Policy, operator: [&Policy; 2]) -> Decision {
    let mut refused = Vec::new();
    let mut granted = narrowed(wanted, (tenant, By::Tenant), &mut refused);
    for policy in operator {
        granted = narrowed(&granted, (policy, By::Operator), &mut refused);
    }
    Decision { granted, refused }
}

fn narrowed(wanted: &Grants, (policy, by): (&Policy, By), refused: &mut Vec<RefusedGrant>) -> Grants {
    let mut refuse = |grant: Value, is_partly: bool| {
        let what = if is_partly { "allows only a part of this" } else { "does not allow this" };
        let message = match by {
            By::Tenant => {
                format!("the tenant's policy {what}; an administrator of the tenant changes it with PUT /grants")
            }
            By::Operator => format!("the operator of this server {what}"),
        };
        refused.push(RefusedGrant { grant, by, message });
    };
    Grants {
        http: http(wanted, (policy, by), &mut refuse),
        secrets: secrets(wanted, policy, &mut refuse),
        config: config(wanted, policy, &mut refuse),
        key_value: key_value(wanted, policy, &mut refuse),
        events: events(wanted, policy, &mut refuse),
    }
}

fn http(wanted: &Grants, (policy, by): (&Policy, By), refuse: &mut impl FnMut(Value, bool)) -> BTreeSet<HttpGrant> {
    let mut granted = BTreeSet::new();
    for grant in &wanted.http {
        let met: BTreeSet<HttpGrant> = match &policy.http {
            Some(allowed) => allowed.iter().filter_map(|allowed| allowed.meet(grant)).collect(),
            // Every host is more than a function should get by asking for it: the tenant says so, or nobody does.
            None if grant.is_any_host() && by == By::Tenant => BTreeSet::new(),
            None => BTreeSet::from([grant.clone()]),
        };
        if !met.contains(grant) {
            refuse(json!({"http": [grant]}), !met.is_empty());
        }
        granted.extend(met);
    }
    granted
}

fn secrets(wanted: &Grants, policy: &Policy, refuse: &mut impl FnMut(Value, bool)) -> BTreeMap<String, SecretGrant> {
    let Some(allowed) = &policy.secrets else { return wanted.secrets.clone() };
    let mut granted = BTreeMap::new();
    for (name, grant) in &wanted.secrets {
        let mut met = SecretGrant::default();
        for allowed in [allowed.get(name), allowed.get(ANY)].into_iter().flatten() {
            met.read |= grant.read && allowed.read;
            met.hosts
                .extend(grant.hosts.iter().flat_map(|one| allowed.hosts.iter().filter_map(|other| one.meet(other))));
        }
        if !(met.hosts.is_superset(&grant.hosts) && met.read == grant.read) {
            refuse(json!({"secrets": {name: grant}}), met != SecretGrant::default());
        }
        if met != SecretGrant::default() {
            granted.insert(name.clone(), met);
        }
    }
    granted
}

fn config(wanted: &Grants, policy: &Policy, refuse: &mut impl FnMut(Value, bool)) -> BTreeSet<String> {
    let Some(allowed) = &policy.config else { return wanted.config.clone() };
    let (granted, not): (BTreeSet<String>, BTreeSet<String>) =
        wanted.config.iter().cloned().partition(|name| allowed.contains(name) || allowed.contains(ANY));
    if !not.is_empty() {
        refuse(json!({ "config": not }), false);
    }
    granted
}

fn key_value(wanted: &Grants, policy: &Policy, refuse: &mut impl FnMut(Value, bool)) -> Option<KeyValueGrant> {
    let grant = wanted.key_value?;
    let granted = match policy.key_value {
        None | Some(KeyValuePolicy::Write) => Some(grant),
        Some(KeyValuePolicy::Read) => Some(KeyValueGrant::Read),
        Some(KeyValuePolicy::None) => None,
    };
    if granted != Some(grant) {
        refuse(json!({ "keyValue": grant }), granted.is_some());
    }
    granted
}

fn events(wanted: &Grants, policy: &Policy, refuse: &mut impl FnMut(Value, bool)) -> BTreeSet<String> {
    let Some(allowed) = &policy.events else { return wanted.events.clone() };
    let mut granted = BTreeSet::new();
    for pattern in &wanted.events {
        let met: BTreeSet<String> = allowed.iter().filter_map(|allowed| narrower(allowed, pattern)).collect();
        if !met.contains(pattern) {
            refuse(json!({"events": [pattern]}), !met.is_empty());
        }
        granted.extend(met);
    }
    granted
}

/// What stands for every name in a policy.
pub(super) const ANY: &str = "*";

/// Of two patterns of types, the one that the other covers; `None` if neither does.
fn narrower(one: &str, other: &str) -> Option<String> {
    if covers(one, other) {
        return Some(other.to_owned());
    }
    covers(other, one).then(|| one.to_owned())
}

/// Whether `wide` matches all that `narrow` matches: a star of `narrow` is met by a star, and the rest by the rest.
fn covers(wide: &str, narrow: &str) -> bool {
    let (mut wide_parts, mut parts) = (wide.split('.'), narrow.split('.'));
    loop {
        match (wide_parts.next(), parts.next()) {
            (Some("**"), Some(_)) | (None, None) => return true,
            (Some("*"), Some(part)) if part != "**" => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::type_matches;
    use crate::grants;

    fn decided(wanted: &Value, tenant: &Value, operator: &Value) -> (Value, Vec<(Value, By)>) {
        let policy = |value: &Value| grants::policy(value).expect("a policy");
        let decision =
            decide(&grants::grants(wanted).expect("grants"), &policy(tenant), [&policy(operator), &Policy::default()]);
        let refused = decision.refused.into_iter().map(|refused| (refused.grant, refused.by)).collect();
        (serde_json::to_value(decision.granted).expect("JSON"), refused)
    }

    #[test]
    fn by_default_a_function_gets_what_it_asks_for() {
        let wanted = json!({
            "http": ["https://*.c.d", "GET https://a.b"], "secrets": {"S": {"hosts": ["a.b"]}, "T": {"read": true}},
            "config": ["R"], "keyValue": "write", "events": ["order.*"],
        });
        assert_eq!(decided(&wanted, &json!({}), &json!({})), (wanted, vec![]));
        let any = json!({"http": ["https://*"]});
        assert_eq!(decided(&any, &json!({}), &json!({})), (json!({}), vec![(any.clone(), By::Tenant)]));
        assert_eq!(decided(&any, &any, &json!({})), (any, vec![]));
    }

    #[test]
    fn what_the_operator_says_of_one_tenant_counts_beside_what_holds_for_all() {
        let policy = |value: Value| grants::policy(&value).expect("a policy");
        let wanted = grants::grants(&json!({"config": ["R", "S", "T"]})).expect("grants");
        let (all, one) = (policy(json!({"config": ["R", "S"]})), policy(json!({"config": ["S", "T"]})));
        let decision = decide(&wanted, &Policy::default(), [&all, &one]);
        assert_eq!(decision.granted, grants::grants(&json!({"config": ["S"]})).expect("grants"));
        assert!(decision.refused.len() == 2 && decision.refused.iter().all(|refused| refused.by == By::Operator));
    }

    #[test]
    fn both_narrow_it_and_it_is_told_who_did() {
        let wanted = json!({
            "http": ["https://*.a.b"], "secrets": {"S": {"hosts": ["x.a.b", "y"], "read": true}, "T": {"read": true}},
            "config": ["R", "S"], "keyValue": "write", "events": ["order.**", "mail.sent"],
        });
        let tenant = json!({
            "http": ["GET https://x.a.b", "https://y.a.b"], "secrets": {"*": {"hosts": ["*.a.b"]}}, "config": ["R"],
            "keyValue": "read", "events": ["order.*", "**"],
        });
        let operator =
            json!({"http": ["*.a.b"], "keyValue": "none", "events": ["order.placed", "mail.**"], "config": ["*"]});
        let (granted, refused) = decided(&wanted, &tenant, &operator);
        assert_eq!(
            granted,
            json!({
                "http": ["GET https://x.a.b", "https://y.a.b"], "secrets": {"S": {"hosts": ["x.a.b"]}}, "config": ["R"],
                "events": ["mail.sent", "order.placed"],
            })
        );
        let by =
            |by: By| refused.iter().filter(|(_, who)| *who == by).map(|(grant, _)| grant.clone()).collect::<Vec<_>>();
        assert_eq!(
            by(By::Tenant),
            [
                json!({"http": ["https://*.a.b"]}),
                json!({"secrets": {"S": {"hosts": ["x.a.b", "y"], "read": true}}}),
                json!({"secrets": {"T": {"read": true}}}),
                json!({"config": ["S"]}),
                json!({"keyValue": "write"}),
            ]
        );
        assert_eq!(
            by(By::Operator),
            [json!({"keyValue": "read"}), json!({"events": ["order.*"]}), json!({"events": ["order.**"]})]
        );
    }

    #[test]
    fn nothing_allowed_is_nothing_granted() {
        let wanted = json!({
            "http": ["https://a.b"], "secrets": {"S": {"hosts": ["a.b"]}}, "config": ["R"], "keyValue": "read", "events": ["a"],
        });
        let nothing = json!({"http": [], "secrets": {}, "config": [], "keyValue": "none", "events": []});
        let (granted, refused) = decided(&wanted, &nothing, &json!({}));
        assert_eq!((granted, refused.len()), (json!({}), 5));
        let (granted, refused) = decided(&wanted, &json!({}), &nothing);
        assert_eq!((granted, refused.len()), (json!({}), 5));
    }

    #[test]
    fn patterns_cover_each_other_only_if_they_do() {
        for (wide, narrow, expected) in [
            ("**", "a.b", true),
            ("**", "**", true),
            ("a.*", "a.b", true),
            ("a.*", "a.*", true),
            ("a.*", "a.**", false),
            ("a.**", "a.*", true),
            ("a.b", "a.*", false),
            ("*.b", "a.*", false),
            ("a.*", "a.b.c", false),
            ("a.**", "a", false),
        ] {
            assert_eq!(covers(wide, narrow), expected, "{wide} {narrow}");
            if expected && !narrow.contains('*') {
                assert!(type_matches(wide, narrow));
            }
        }
    }
}
