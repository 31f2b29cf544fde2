//! Grants and policies as somebody writes them: JSON, with limits, and with a place for each fault.

use super::decide::ANY;
use super::{Grants, HostPattern, HttpGrant, KeyValueGrant, KeyValuePolicy, Policy, SecretGrant};
use crate::definition::is_type_pattern;
use crate::ids::{NAME_BYTES, is_secret_name};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// `grants`: the longest text of grants or of a policy, bytes. They are read by each start, and kept with each execution.
pub const GRANTS_BYTES: usize = 16 << 10;
/// Items of one list.
const ITEMS: usize = 64;

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {message}")]
pub struct GrantFault {
    /// JSON pointer.
    pub pointer: String,
    /// What to write instead.
    pub message: String,
}

type Fallible<T> = Result<T, GrantFault>;

/// What a function wants.
///
/// # Errors
/// The first fault.
pub fn grants(value: &Value) -> Fallible<Grants> {
    let parts = parts(value)?;
    let key_value = parts.get("keyValue").map(|value| match value.as_str() {
        Some("read") => Ok(KeyValueGrant::Read),
        Some("write") => Ok(KeyValueGrant::Write),
        _ => Err(fault("/keyValue", "`keyValue` is \"read\" or \"write\"")),
    });
    Ok(Grants {
        http: list(parts, "http", http)?.unwrap_or_default(),
        secrets: secrets(parts, false)?.unwrap_or_default(),
        config: list(parts, "config", name)?.unwrap_or_default(),
        key_value: key_value.transpose()?,
        events: list(parts, "events", pattern)?.unwrap_or_default(),
    })
}

/// What a tenant allows.
///
/// # Errors
/// The first fault.
pub fn policy(value: &Value) -> Fallible<Policy> {
    let parts = parts(value)?;
    let key_value = parts.get("keyValue").map(|value| match value.as_str() {
        Some("none") => Ok(KeyValuePolicy::None),
        Some("read") => Ok(KeyValuePolicy::Read),
        Some("write") => Ok(KeyValuePolicy::Write),
        _ => Err(fault("/keyValue", "`keyValue` of a policy is \"none\", \"read\" or \"write\"")),
    });
    Ok(Policy {
        http: list(parts, "http", http)?,
        secrets: secrets(parts, true)?,
        config: list(parts, "config", |text| if text == ANY { Ok(text.to_owned()) } else { name(text) })?,
        key_value: key_value.transpose()?,
        events: list(parts, "events", pattern)?,
    })
}

fn fault(pointer: impl Into<String>, message: impl Into<String>) -> GrantFault {
    GrantFault { pointer: pointer.into(), message: message.into() }
}

fn parts(value: &Value) -> Fallible<&Map<String, Value>> {
    let parts =
        value.as_object().ok_or_else(|| fault("", "grants are an object, such as {\"config\": [\"REGION\"]}"))?;
    for key in parts.keys() {
        if !["http", "secrets", "config", "keyValue", "events"].contains(&key.as_str()) {
            let message = "there is no such grant; there are http, secrets, config, keyValue and events";
            return Err(fault(format!("/{}", key.chars().take(NAME_BYTES).collect::<String>()), message));
        }
    }
    Ok(parts)
}

fn list<T: Ord>(
    parts: &Map<String, Value>,
    key: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Fallible<Option<BTreeSet<T>>> {
    parts.get(key).map(|value| items(value, &format!("/{key}"), read)).transpose()
}

fn items<T: Ord>(value: &Value, pointer: &str, read: impl Fn(&str) -> Result<T, String>) -> Fallible<BTreeSet<T>> {
    let items = value.as_array().ok_or_else(|| fault(pointer, "write a list of texts"))?;
    if items.len() > ITEMS {
        return Err(fault(pointer, format!("the list has {} items; at most {ITEMS} are accepted", items.len())));
    }
    let read = |(at, item): (usize, &Value)| {
        let pointer = || format!("{pointer}/{at}");
        let text = item.as_str().ok_or_else(|| fault(pointer(), "write a text"))?;
        read(text).map_err(|message| fault(pointer(), message))
    };
    items.iter().enumerate().map(read).collect()
}

fn http(text: &str) -> Result<HttpGrant, String> {
    HttpGrant::parse(text)
}

fn pattern(text: &str) -> Result<String, String> {
    if !is_type_pattern(text) {
        return Err("a type of events has dotted segments; `*` stands for one, a last `**` for the rest".to_owned());
    }
    if text.starts_with("stepwell.") {
        return Err("events of the server itself cannot be published".to_owned());
    }
    Ok(text.to_owned())
}

/// A name of configuration.
fn name(text: &str) -> Result<String, String> {
    if is_secret_name(text) {
        return Ok(text.to_owned());
    }
    Err("a name has letters, digits and `_`, does not start with a digit, and has at most 128 bytes".to_owned())
}

fn secrets(parts: &Map<String, Value>, is_policy: bool) -> Fallible<Option<BTreeMap<String, SecretGrant>>> {
    let Some(value) = parts.get("secrets") else { return Ok(None) };
    let named = value.as_object();
    let named = named.ok_or_else(|| fault("/secrets", "`secrets` is an object: {\"TOKEN\": {\"read\": true}}"))?;
    if named.len() > ITEMS {
        return Err(fault("/secrets", format!("{} secrets are named; at most {ITEMS} may be", named.len())));
    }
    let read = |(key, value): (&String, &Value)| {
        if !(is_policy && key == ANY) {
            name(key).map_err(|message| fault("/secrets", message))?;
        }
        secret((key, value), is_policy).map(|grant| (key.clone(), grant))
    };
    named.iter().map(read).collect::<Fallible<_>>().map(Some)
}

fn secret((name, value): (&str, &Value), is_policy: bool) -> Fallible<SecretGrant> {
    let pointer = format!("/secrets/{name}");
    let how = "write {\"hosts\": [\"api.example.com\"]} to send it there unseen, or {\"read\": true} to see it";
    let parts = value.as_object().ok_or_else(|| fault(&pointer, how))?;
    if let Some(other) = parts.keys().find(|key| !["hosts", "read"].contains(&key.as_str())) {
        return Err(fault(format!("{pointer}/{}", other.chars().take(NAME_BYTES).collect::<String>()), how));
    }
    let host = |text: &str| match HostPattern::parse(text)? {
        HostPattern::Any if !is_policy => Err("a secret goes to hosts that are named, not to every one".to_owned()),
        pattern => Ok(pattern),
    };
    let hosts = parts.get("hosts").map(|value| items(value, &format!("{pointer}/hosts"), host)).transpose()?;
    let read = match parts.get("read") {
        None => false,
        Some(value) => value.as_bool().ok_or_else(|| fault(format!("{pointer}/read"), "`read` is true or false"))?,
    };
    let grant = SecretGrant { hosts: hosts.unwrap_or_default(), read };
    if grant == SecretGrant::default() && !is_policy { Err(fault(pointer, how)) } else { Ok(grant) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_read_is_written_again() {
        let text = json!({
            "http": ["https://*.example.org:8443", "GET,POST https://api.example.com"],
            "secrets": {"STRIPE_KEY": {"hosts": ["api.stripe.com"]}, "TOKEN": {"read": true}},
            "config": ["REGION"], "keyValue": "read", "events": ["order.*"],
        });
        assert_eq!(serde_json::to_value(grants(&text).expect("grants")).expect("JSON"), text);
        assert_eq!(serde_json::from_value::<Grants>(text.clone()).expect("grants"), grants(&text).expect("grants"));
        assert!(grants(&json!({})).expect("grants").is_empty());
        let allowed =
            json!({"http": [], "secrets": {"*": {"read": true, "hosts": ["*"]}}, "config": ["*"], "keyValue": "none"});
        assert_eq!(serde_json::to_value(policy(&allowed).expect("a policy")).expect("JSON"), allowed);
    }

    #[test]
    fn faults_have_their_place() {
        let many: Vec<String> = (0..=ITEMS).map(|at| format!("N{at}")).collect();
        for (text, pointer) in [
            (json!([]), ""),
            (json!({"htp": []}), "/htp"),
            (json!({"http": "a.b"}), "/http"),
            (json!({"http": ["a.b", 1]}), "/http/1"),
            (json!({"http": ["ftp://a.b"]}), "/http/0"),
            (json!({"secrets": ["A"]}), "/secrets"),
            (json!({"secrets": {"a-b": {"read": true}}}), "/secrets"),
            (json!({"secrets": {"*": {"read": true}}}), "/secrets"),
            (json!({"secrets": {"A": {}}}), "/secrets/A"),
            (json!({"secrets": {"A": true}}), "/secrets/A"),
            (json!({"secrets": {"A": {"host": []}}}), "/secrets/A/host"),
            (json!({"secrets": {"A": {"hosts": ["*"]}}}), "/secrets/A/hosts/0"),
            (json!({"secrets": {"A": {"read": 1}}}), "/secrets/A/read"),
            (json!({"config": ["a b"]}), "/config/0"),
            (json!({"config": ["*"]}), "/config/0"),
            (json!({"config": many}), "/config"),
            (json!({"keyValue": "none"}), "/keyValue"),
            (json!({"events": ["a.**.b"]}), "/events/0"),
            (json!({"events": ["stepwell.execution.failed"]}), "/events/0"),
        ] {
            let found = grants(&text).expect_err(&text.to_string());
            assert_eq!(found.pointer, pointer, "{text}: {found}");
        }
    }

    #[test]
    fn two_wishes_are_one() {
        let one = json!({"http": ["a.b"], "secrets": {"S": {"read": true}}, "keyValue": "write"});
        let other =
            json!({"http": ["c.d"], "secrets": {"S": {"hosts": ["a.b"]}, "T": {"read": true}}, "keyValue": "read"});
        let both = grants(&one).expect("grants").union(grants(&other).expect("grants"));
        let expected = json!({
            "http": ["a.b", "c.d"], "secrets": {"S": {"read": true, "hosts": ["a.b"]}, "T": {"read": true}}, "keyValue": "write",
        });
        assert_eq!(both, grants(&expected).expect("grants"));
    }
}
