//! Functions that a workflow definition brings along (semantics D12): `function` as an object with `source` or `wasm`.

use super::{Registry, Upload};
use crate::Error;
use crate::ports::Artifact;
use base64::Engine as _;
use serde_json::{Map, Value};
use stepwell_core::definition::Fault;
use stepwell_core::grants::{self, Grants};
use stepwell_core::ids::TenantId;

/// Functions of one definition: each is an upload of its own, which compiles or runs something, within one request.
const AT_ONCE: usize = 64;

/// One of them.
pub(super) struct Inline {
    /// What it is registered under.
    pub id: String,
    /// Where its text or its bytes stand.
    pub pointer: String,
    /// What it is.
    pub artifact: Artifact,
    /// What it wants.
    pub grants: Grants,
}

impl Registry {
    /// Registers the functions of a definition that is otherwise in order. What is left of each is its id: the registered function is
    /// what counts from then on, and writing back what was read must not bring an old text back.
    ///
    /// # Errors
    /// [`Error::InvalidDefinition`] with the place of each fault; as [`Registry::deploy`]. Functions before the one at fault stay registered.
    pub(super) async fn register_inline(
        &self,
        tenant: TenantId,
        definition: &mut Map<String, Value>,
    ) -> Result<(), Error> {
        for Inline { id, pointer, artifact, grants } in take(definition).map_err(Error::InvalidDefinition)? {
            match self.deploy(tenant, Upload { grants, ..Upload::new(id, artifact) }).await {
                Ok(_) => {}
                Err(Error::InvalidScript { message, .. }) => {
                    return Err(Error::InvalidDefinition(vec![Fault::new(pointer, "invalid_script", message)]));
                }
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }
}

/// Takes the artifacts out of the definition.
pub(super) fn take(definition: &mut Map<String, Value>) -> Result<Vec<Inline>, Vec<Fault>> {
    let (mut found, mut faults): (Vec<Inline>, Vec<Fault>) = (Vec::new(), Vec::new());
    let steps = definition.get_mut("steps").and_then(Value::as_array_mut).into_iter().flatten();
    for (at, step) in steps.enumerate() {
        let Some(function) = step.get_mut("function").and_then(Value::as_object_mut) else { continue };
        let pointer = format!("/steps/{at}/function");
        match artifact(function, &pointer) {
            Ok(None) => {}
            Ok(Some(inline))
                if found.iter().any(|other| other.id == inline.id && other.artifact != inline.artifact) =>
            {
                faults.push(Fault::new(pointer, "duplicate_id", "another step brings another function of this id"));
            }
            Ok(Some(inline)) if found.iter().any(|other| other.id == inline.id) => {}
            Ok(Some(inline)) => found.push(inline),
            Err(fault) => faults.push(fault),
        }
    }
    if found.len() > AT_ONCE {
        let message =
            format!("{} functions are in the definition; at most {AT_ONCE} may be: upload them first", found.len());
        faults.push(Fault::new("/steps", "too_many", message));
    }
    if faults.is_empty() { Ok(found) } else { Err(faults) }
}

fn artifact(function: &mut Map<String, Value>, pointer: &str) -> Result<Option<Inline>, Fault> {
    let (name, artifact) = match (function.remove("source"), function.remove("wasm")) {
        (None, None) => return Ok(None),
        (Some(Value::String(source)), None) => ("source", Artifact::script(source)),
        (None, Some(Value::String(wasm))) => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(wasm.as_bytes());
            let wrong =
                |error| Fault::new(format!("{pointer}/wasm"), "wrong_type", format!("it is not base64: {error}"));
            ("wasm", Artifact::wasm(bytes.map_err(wrong)?))
        }
        _ => return Err(Fault::new(pointer, "wrong_type", "give `source` or `wasm`, one of them, as text")),
    };
    let grants = function.remove("grants").map(|wanted| grants::grants(&wanted)).transpose();
    let grants = grants
        .map_err(|fault| Fault::new(format!("{pointer}/grants{}", fault.pointer), "invalid_grants", fault.message))?;
    // That there is an id, the definition's own check has seen.
    let id = function.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Some(Inline { id, pointer: format!("{pointer}/{name}"), artifact, grants: grants.unwrap_or_default() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    type Pairs = Vec<(String, String)>;

    fn taken(steps: &Value) -> Result<(Pairs, Value), Vec<String>> {
        let Value::Object(mut definition) = json!({ "steps": steps }) else { panic!("an object") };
        let found =
            take(&mut definition).map_err(|faults| faults.into_iter().map(|f| f.pointer).collect::<Vec<_>>())?;
        Ok((found.into_iter().map(|one| (one.id, one.pointer)).collect(), definition["steps"].clone()))
    }

    #[test]
    fn artifacts_are_taken_out_and_ids_stay() {
        let steps = json!([
            {"function": {"id": "a", "source": "x", "own": 1}}, {"function": "b"}, {"function": {"id": "c"}}, {},
            {"function": {"id": "d", "wasm": "AGFzbQ=="}}, {"function": {"id": "a", "source": "x"}},
        ]);
        let (found, left) = taken(&steps).unwrap();
        let expected = [("a", "/steps/0/function/source"), ("d", "/steps/4/function/wasm")];
        assert_eq!(found, expected.map(|(id, at)| (id.to_owned(), at.to_owned())));
        let ids = json!([{"function": {"id": "a", "own": 1}}, {"function": "b"}, {"function": {"id": "c"}}, {}, {"function": {"id": "d"}}, {"function": {"id": "a"}}]);
        assert_eq!(left, ids);
    }

    #[test]
    fn what_is_wrong_is_said_where_it_is() {
        let of = |function: Value| taken(&json!([{ "function": function }])).unwrap_err();
        assert_eq!(of(json!({"id": "a", "source": 1})), ["/steps/0/function"]);
        assert_eq!(of(json!({"id": "a", "source": "", "wasm": ""})), ["/steps/0/function"]);
        assert_eq!(of(json!({"id": "a", "wasm": "?"})), ["/steps/0/function/wasm"]);
        let two = json!([{"function": {"id": "a", "source": "x"}}, {"function": {"id": "a", "source": "y"}}]);
        assert_eq!(taken(&two).unwrap_err(), ["/steps/1/function"]);
        let many: Vec<_> = (0..=AT_ONCE).map(|i| json!({"function": {"id": format!("f{i}"), "source": ""}})).collect();
        assert_eq!(taken(&json!(many)).unwrap_err(), ["/steps"]);
    }
}
