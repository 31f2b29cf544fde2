//! The API does what its description says: every answer that any test gets is held against `/openapi.json`.

use crate::support::{Answer, program};
use jsonschema::Validator;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// The document.
pub static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let output = program().arg("openapi").output().expect("runs");
    serde_json::from_slice(&output.stdout).expect("the document is JSON")
});

/// By pointer of the schema.
static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// Panics if a route answers what the document does not say.
pub fn check(method: &str, path: &str, answer: &Answer) {
    let path = path.split('?').next().unwrap_or_default();
    let Some((template, operations)) = operations(path) else { return };
    let Some(operation) = operations.get(&method.to_ascii_lowercase()) else {
        assert!([404, 405, 400, 413, 431, 503].contains(&answer.status), "{method} {template} is not described");
        return;
    };
    let responses = operation["responses"].as_object().expect("responses");
    let status = answer.status.to_string();
    let (name, response) = responses.get_key_value(&status).unwrap_or_else(|| {
        assert!(answer.status >= 400, "{method} {template}: {status} is not described");
        responses.get_key_value("default").expect("every operation has errors")
    });
    let kind = answer.content_type.split(';').next().unwrap_or_default();
    let Some(schema) = response["content"].get(kind).and_then(|content| content.get("schema")) else {
        panic!("{method} {template} {name}: {kind} is not described");
    };
    let validator = validator(&format!("{method} {template} {name} {kind}"), schema);
    if let Err(error) = validator.validate(&answer.body) {
        panic!("{method} {template} {status}: {error} at {}: {:#}", error.instance_path(), answer.body);
    }
}

/// The template of a path, and what it takes. A template without parameters comes first.
fn operations(path: &str) -> Option<(&'static str, &'static Map<String, Value>)> {
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    let fits = |template: &str| {
        let (mut wanted, mut given) = (template.split('/'), path.split('/'));
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return true,
                (Some(wanted), Some(given)) if wanted == given || (wanted.starts_with('{') && !given.is_empty()) => {}
                _ => return false,
            }
        }
    };
    let found = paths.iter().filter(|(template, _)| fits(template)).min_by_key(|(t, _)| t.matches('{').count());
    found.map(|(template, item)| (template.as_str(), item.as_object().expect("operations")))
}

fn validator(name: &str, schema: &Value) -> Arc<Validator> {
    let mut all = VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner);
    let made = || {
        let mut whole = schema.clone();
        whole["components"] = DOCUMENT["components"].clone();
        Arc::new(jsonschema::draft202012::new(&whole).unwrap_or_else(|error| panic!("{name}: {error}")))
    };
    Arc::clone(all.entry(name.to_owned()).or_insert_with(made))
}
