//! The schemas that inputs of executions are checked against (semantics P3).

use super::{Function, Registry, StoredWorkflow};
use crate::Error;
use crate::schema::Schema;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use stepwell_core::definition::{StepKind, Workflow};
use stepwell_core::ids::TenantId;
use stepwell_core::payload::Payload;

/// All compiled schemas together, bytes; more are compiled again when they are needed.
const KEPT_BYTES: usize = 64 << 20;

/// Whose schema it is: what the key names never changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Source {
    /// A revision of a workflow.
    Workflow(TenantId, String, u32),
    /// A version of a function.
    Function(TenantId, String, u32),
}

/// Schemas that were compiled. `None`: what a function brought is not taken for one.
#[derive(Default)]
pub struct Schemas(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    schemas: HashMap<Source, Option<Arc<Schema>>>,
    bytes: usize,
}

/// About what an entry takes beside its schema, bytes.
const ENTRY_BYTES: usize = 512;

impl Schemas {
    fn get(&self, source: &Source, compile: impl FnOnce() -> Option<Schema>) -> Option<Arc<Schema>> {
        if let Some(known) = self.lock().schemas.get(source) {
            return known.clone();
        }
        let schema = compile().map(Arc::new);
        let mut kept = self.lock();
        let bytes = ENTRY_BYTES + schema.as_ref().map_or(0, |schema| schema.weight());
        if kept.bytes + bytes > KEPT_BYTES {
            *kept = Kept::default();
        }
        kept.bytes += bytes;
        kept.schemas.insert(source.clone(), schema.clone());
        schema
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    /// Checks an input: against the workflow's `inputSchema`; without one, and only where `by_api` says that a person or a program of
    /// theirs gave it, against that of the first step's function, if the step passes the input on as it is. A function's schema that
    /// [`Schema`] does not take is not enforced: the function checks what it gets itself.
    ///
    /// # Errors
    /// [`Error::InvalidInput`].
    pub async fn check_input(
        &self,
        tenant: TenantId,
        (stored, by_api): (&StoredWorkflow, bool),
        input: &Payload,
    ) -> Result<(), Error> {
        let schema = match stored.input_schema() {
            Some(schema) => {
                let source = Source::Workflow(tenant, stored.workflow.id.clone(), stored.workflow.revision);
                let compiled = self.schemas.get(&source, || Schema::compile(schema, "/inputSchema").ok());
                compiled.ok_or_else(|| Error::broken("a stored schema is refused", &stored.workflow.id))?
            }
            None if by_api => match self.schema_of_first_function(tenant, &stored.workflow).await? {
                Some(schema) => schema,
                None => return Ok(()),
            },
            None => return Ok(()),
        };
        schema.validate(&input.to_value()).map_err(Error::InvalidInput)
    }

    async fn schema_of_first_function(
        &self,
        tenant: TenantId,
        workflow: &Workflow,
    ) -> Result<Option<Arc<Schema>>, Error> {
        let Some(StepKind::Function(call)) = workflow.steps.first().map(|step| &step.kind) else { return Ok(None) };
        if call.input.is_some() || call.parameters.is_some() {
            return Ok(None);
        }
        let Some(function) = self.callee(tenant, &call.function).await? else { return Ok(None) };
        Ok(self.input_schema(tenant, &function))
    }

    fn input_schema(&self, tenant: TenantId, function: &Function) -> Option<Arc<Schema>> {
        let schema = function.input_schema.as_ref()?;
        let source = Source::Function(tenant, function.id.clone(), function.version);
        self.schemas.get(&source, || Schema::compile(&schema.to_value(), "").ok())
    }
}
