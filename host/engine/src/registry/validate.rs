//! What a definition would be answered if it were stored, without storing anything.

use super::webhook_secrets::Hidden;
use super::workflows::{RESERVED, check, named, slug};
use super::{Registry, Upload, inline};
use crate::Error;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use stepwell_core::definition::{Checked, Fault, Survey, Warning};
use stepwell_core::ids::{TenantId, is_valid_name};

/// What is to be said of a definition.
#[derive(Debug, Default)]
pub struct Validation {
    /// All that is wrong with it; none: it would be accepted.
    pub faults: Vec<Fault>,
    /// What its author may want to change.
    pub warnings: Vec<Warning>,
    /// What its graph means; empty if there are faults.
    pub survey: Survey,
}

impl Registry {
    /// Checks a definition as [`Registry::put_workflow`] would, and the functions that it brings along, and writes nothing.
    ///
    /// # Errors
    /// [`Error::WrongShape`] if it is no object; [`Error::TooLarge`]; [`Error::Unavailable`].
    pub async fn validate(&self, tenant: TenantId, body: Value) -> Result<Validation, Error> {
        let mut body = super::workflows::object(body)?;
        let mut validation = Validation::default();
        let id = validation.id(&body);
        let checked = validation.take(check(&id, &named(&id, &body)))?;
        let before = match self.workflow(tenant, &id).await {
            Ok(stored) => Some(stored),
            Err(Error::NotFound { .. }) => None,
            Err(other) => return Err(other),
        };
        let hidden = Hidden::take(&mut body, before.as_deref()).map_err(|faults| validation.add(faults)).ok();
        let brought = self.check_inline(tenant, &mut body, &mut validation).await?;
        if let Some(Checked { workflow, warnings }) = checked {
            let unregistered = self.unregistered(tenant, &workflow).await?;
            validation.warnings = warnings;
            validation.warnings.extend(unregistered.into_iter().filter(|warning| !brought.contains(&warning.pointer)));
            if let Some(hidden) = &hidden {
                validation.warnings.extend(self.unknown_secrets(tenant, (&workflow, hidden)).await?);
            }
            if validation.faults.is_empty() {
                validation.survey = Survey::of(&workflow);
            }
        }
        Ok(validation)
    }

    /// The pointers of the steps whose functions come with the definition.
    async fn check_inline(
        &self,
        tenant: TenantId,
        body: &mut Map<String, Value>,
        validation: &mut Validation,
    ) -> Result<BTreeSet<String>, Error> {
        let functions = match inline::take(body) {
            Ok(functions) => functions,
            Err(faults) => {
                validation.add(faults);
                return Ok(BTreeSet::new());
            }
        };
        let mut ids = BTreeSet::new();
        for inline::Inline { id, pointer, artifact, grants } in functions {
            match self.check_upload(tenant, &Upload { grants, ..Upload::new(id.clone(), artifact) }).await {
                Ok(names) => ids.extend(names),
                Err(error) => {
                    validation.add(vec![fault(pointer, error)?]);
                    ids.insert(id);
                }
            }
        }
        let steps = body.get("steps").and_then(Value::as_array).into_iter().flatten().enumerate();
        let brought = steps.filter(|(_, step)| {
            let function = step.get("function");
            let id = function.and_then(|function| function.as_str().or_else(|| function.get("id")?.as_str()));
            id.is_some_and(|id| ids.contains(id))
        });
        Ok(brought.map(|(at, _)| format!("/steps/{at}/function")).collect())
    }
}

/// What is wrong with a function that a definition brings along; other errors say nothing about it.
fn fault(pointer: String, error: Error) -> Result<Fault, Error> {
    let code = match &error {
        Error::InvalidScript { .. } => "invalid_script",
        Error::Refused { code, .. } => *code,
        Error::TooLarge { limit, .. } => *limit,
        _ => return Err(error),
    };
    Ok(Fault::new(pointer, code, error.to_string()))
}

impl Validation {
    fn add(&mut self, faults: Vec<Fault>) {
        for fault in faults {
            // The same place may be looked at twice.
            if !self.faults.contains(&fault) {
                self.faults.push(fault);
            }
        }
    }

    fn take(&mut self, checked: Result<Checked, Error>) -> Result<Option<Checked>, Error> {
        match checked {
            Ok(checked) => Ok(Some(checked)),
            Err(Error::InvalidDefinition(faults)) => {
                self.add(faults);
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }

    /// The id that the definition would have, as far as it can have one.
    fn id(&mut self, body: &Map<String, Value>) -> String {
        let name = body.get("name").and_then(Value::as_str).unwrap_or_default();
        let given = match body.get("id") {
            None | Some(Value::Null) => return slug(name, "workflow"),
            Some(given) => given.as_str().filter(|id| is_valid_name(id)),
        };
        let fault = |code, message: &str| vec![Fault::new("/id", code, message)];
        match given {
            Some(id) if RESERVED.contains(&id) => {
                self.add(fault("out_of_range", "this id is reserved; choose another"));
                slug(name, "workflow")
            }
            Some(id) => id.to_owned(),
            None => {
                let message = "a workflow id has letters, digits, `-`, `_` and `.`, and starts with a letter or digit; leave it out to get one";
                self.add(fault("invalid_id", message));
                slug(name, "workflow")
            }
        }
    }
}
