//! Functions: which artifact each id stands for, version by version.

use super::revisions::changed_by_others;
use super::{CHANGES_AT_ONCE, LISTED, Precondition, Registry, numbered, read, removal, write};
use crate::ports::{Artifact, DocumentKind, Expect, Form, FunctionMeta, Kind, Prepared, Transition, Uploading};
use crate::{Error, sound};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stepwell_core::execution::Pin;
use stepwell_core::grants::{Grants, RefusedGrant};
use stepwell_core::ids::{Digest, NAME_BYTES, TenantId, is_valid_name};
use stepwell_core::payload::Payload;
use stepwell_core::time::Timestamp;

/// A function as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Function {
    /// What steps call it by.
    pub id: String,
    /// Its name in its component.
    pub name: String,
    /// For readers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The id that its component was uploaded under.
    pub component: String,
    /// The component's.
    pub digest: Digest,
    /// Counts the uploads that changed it, from 1.
    pub version: u32,
    /// Bytes of the artifact.
    pub size: u64,
    /// What the artifact is.
    pub kind: Kind,
    /// JSON Schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<Payload>,
    /// JSON Schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Payload>,
    /// What it imports and what it gets.
    pub imports: Imports,
    /// What it may use besides computing.
    #[serde(default)]
    pub grants: FunctionGrants,
    /// RFC 3339: when this version came.
    pub created_at: String,
}

/// Interfaces: `namespace:package/interface@version`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imports {
    /// What the component imports.
    pub wanted: Vec<String>,
    /// What it is given: all of it, or the upload is refused.
    pub granted: Vec<String>,
}

/// What a function wants, and what becomes of it by the policies of the moment at which it is shown.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FunctionGrants {
    /// What its metadata and its upload ask for.
    pub wanted: Grants,
    /// What it gets; not stored, since policies change.
    #[serde(default)]
    pub granted: Grants,
    /// What it does not get, or not all of.
    #[serde(default)]
    pub refused: Vec<RefusedGrant>,
}

impl Function {
    /// What an execution keeps of it.
    #[must_use]
    pub fn pin(&self) -> Pin {
        let grants = self.grants.wanted.clone();
        let effect_free = !self.imports.wanted.iter().any(|name| has_effects(name));
        Pin { component: self.digest, function: self.name.clone(), grants, effect_free }
    }
}

/// What functions may import without having an effect outside of their execution (`sandbox.md`, section 5); whatever else they import may be
/// one. Reading is none: a step that runs again may read something else, and nobody has seen what it read before.
const WITHOUT_EFFECTS: [&str; 9] = [
    "stepwell:function/",
    "stepwell:capabilities/config@",
    "stepwell:capabilities/secrets@",
    "wasi:cli/",
    "wasi:clocks/",
    // There are no files.
    "wasi:filesystem/",
    // Without a handler nothing is sent.
    "wasi:http/types@",
    "wasi:io/",
    "wasi:random/",
];

fn has_effects(import: &str) -> bool {
    !WITHOUT_EFFECTS.iter().any(|known| import.starts_with(known))
}

/// An upload.
#[derive(Debug, Clone)]
pub struct Upload {
    /// The id of the URL.
    pub id: String,
    /// `?function=`: register only this one, under the id itself.
    pub function: Option<String>,
    /// The artifact.
    pub artifact: Artifact,
    /// What its functions may use, beside what their metadata asks for.
    pub grants: Grants,
    /// How far it is.
    pub progress: Uploading,
}

impl Upload {
    /// An upload of all functions of an artifact, which asks for nothing.
    pub fn new(id: impl Into<String>, artifact: Artifact) -> Self {
        let progress = Uploading::default();
        Self { id: id.into(), function: None, artifact, grants: Grants::default(), progress }
    }

    fn bytes(&self) -> &Bytes {
        &self.artifact.bytes
    }
}

/// What an upload came to.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployed {
    /// At least one.
    pub functions: Vec<Function>,
    /// Milliseconds; 0 if compiled code was at hand.
    pub compile_ms: u64,
    /// What the uploader may want to change.
    pub warnings: Vec<String>,
}

/// A function id that is a route (semantics P1).
const RESERVED: &str = "execute";

impl Registry {
    /// Checks, compiles and registers an artifact.
    ///
    /// # Errors
    /// [`Error::Refused`] or [`Error::TooLarge`] if the artifact or the choice of function is at fault, [`Error::LimitReached`].
    pub async fn deploy(&self, tenant: TenantId, upload: Upload) -> Result<Deployed, Error> {
        self.deploy_if(tenant, upload, &Precondition::default()).await
    }

    /// As [`Registry::deploy`], if the precondition is true of each function that the artifact brings.
    ///
    /// # Errors
    /// As [`Registry::deploy`], [`Error::PreconditionFailed`], and [`Error::Conflict`] `upload_cancelled` if somebody ends it: then nothing is
    /// registered.
    pub async fn deploy_if(
        &self,
        tenant: TenantId,
        upload: Upload,
        precondition: &Precondition,
    ) -> Result<Deployed, Error> {
        check_id(&upload.id)?;
        self.check_size(tenant, &upload)?;
        self.check_stored(tenant)?;
        let prepared = self.prepare(tenant, &upload).await?;
        let chosen = choose(&upload, &prepared)?;
        let most = self.allowances.of(tenant).functions;
        let known = self.all(tenant, DocumentKind::Function, LISTED.max(most)).await?;
        let fresh = chosen.iter().filter(|(id, _)| !known.iter().any(|(known, _)| known == id)).count();
        if known.len() + fresh > most && fresh > 0 {
            let message = format!(
                "{} functions are stored, and {most} are the most that this tenant may have (limit `functions`): delete some first",
                known.len()
            );
            return Err(Error::LimitReached { limit: "functions", message });
        }
        for (id, _) in &chosen {
            let current = self.function(tenant, id).await?.map(|function| function.version);
            precondition.check("the function", current)?;
        }
        if !upload.progress.begin_storing() {
            return Err(cancelled());
        }
        self.keep_artifact(tenant, &upload, known.iter().map(|(_, bytes)| bytes), prepared.digest).await?;
        let mut functions = Vec::with_capacity(chosen.len());
        for (id, meta) in chosen {
            let function = described(&id, meta, &upload, &prepared);
            functions.push(self.register(tenant, function, precondition).await?);
        }
        Ok(Deployed { functions, compile_ms: prepared.compile_ms, warnings: Vec::new() })
    }

    /// Checked and compiled, unless somebody ends the upload before.
    async fn prepare(&self, tenant: TenantId, upload: &Upload) -> Result<Prepared, Error> {
        let prepared = self.runtime.prepare(tenant, upload.artifact.clone(), &upload.progress);
        tokio::select! {
            biased;
            () = upload.progress.cancelled() => Err(cancelled()),
            prepared = prepared => Ok(prepared?),
        }
    }

    /// The bytes come first: a function never refers to what is not there. They count once for all functions that run them now.
    async fn keep_artifact(
        &self,
        tenant: TenantId,
        upload: &Upload,
        mut known: impl Iterator<Item = &Bytes> + Send,
        digest: Digest,
    ) -> Result<(), Error> {
        let is_known = known.any(|bytes| read(bytes).is_ok_and(|known: Function| known.digest == digest));
        self.store.put_blob(tenant, upload.bytes().clone()).await?;
        if !is_known {
            let length = upload.bytes().len() as u64;
            self.meters.wrote(tenant, (i64::try_from(length).unwrap_or(i64::MAX), length), self.clock.now());
        }
        Ok(())
    }

    /// How many functions and workflows a tenant has.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub(crate) async fn counts(&self, tenant: TenantId) -> Result<(usize, usize), Error> {
        let limits = self.allowances.of(tenant);
        let functions = self.all(tenant, DocumentKind::Function, LISTED.max(limits.functions)).await?.len();
        let workflows = self.all(tenant, DocumentKind::Workflow, LISTED.max(limits.workflows)).await?.len();
        Ok((functions, workflows))
    }

    /// Checks and compiles an artifact as [`Registry::deploy`] does, and registers nothing: the ids that it would be registered under.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::InvalidScript`] or [`Error::TooLarge`] if it is at fault.
    pub(super) async fn check_upload(&self, tenant: TenantId, upload: &Upload) -> Result<Vec<String>, Error> {
        check_id(&upload.id)?;
        self.check_size(tenant, upload)?;
        let prepared = self.prepare(tenant, upload).await?;
        Ok(choose(upload, &prepared)?.into_iter().map(|(id, _)| id).collect())
    }

    fn check_size(&self, tenant: TenantId, upload: &Upload) -> Result<(), Error> {
        let (most, limit) = match upload.artifact.form {
            Form::Wasm => (self.allowances.of(tenant).component_bytes, "component_bytes"),
            Form::JavaScript => (self.allowances.limits().script_bytes, "script_bytes"),
        };
        let length = upload.bytes().len();
        if length <= most {
            return Ok(());
        }
        let message = format!("the artifact has {length} bytes; at most {most} are accepted (limit `{limit}`)");
        Err(Error::TooLarge { limit, message })
    }

    /// The next version, or the current one if nothing changes. Uploads of one id at the same time become versions one after the other.
    pub(super) async fn register(
        &self,
        tenant: TenantId,
        function: Function,
        precondition: &Precondition,
    ) -> Result<Function, Error> {
        for _ in 0..CHANGES_AT_ONCE {
            if let Some(registered) = self.try_register(tenant, function.clone(), precondition).await? {
                return Ok(registered);
            }
        }
        Err(changed_by_others("function", &function.id))
    }

    /// `None` if another upload came first.
    async fn try_register(
        &self,
        tenant: TenantId,
        mut function: Function,
        precondition: &Precondition,
    ) -> Result<Option<Function>, Error> {
        let current = self.store.document(tenant, DocumentKind::Function, &function.id).await?;
        let mut documents = Vec::new();
        let (expect, last) = if let Some(bytes) = current {
            let current: Function = read(&bytes)?;
            precondition.check("the function", Some(current.version))?;
            let same = (current.digest, &current.name) == (function.digest, &function.name);
            if same && current.grants.wanted == function.grants.wanted {
                return Ok(Some(current));
            }
            (Expect::Value(bytes), current.version)
        } else {
            precondition.check("the function", None)?;
            let (stone, last) = self.tombstone(tenant, DocumentKind::DeletedFunction, &function.id).await?;
            if last > 0 {
                documents.push(removal(DocumentKind::DeletedFunction, function.id.clone(), stone));
            }
            (Expect::Absent, last)
        };
        function.version = last.saturating_add(1);
        function.created_at = Timestamp::rfc3339(self.clock.now());
        let key = numbered(&function.id, function.version);
        documents.push(write(DocumentKind::Function, function.id.clone(), &function, expect)?);
        documents.push(write(DocumentKind::FunctionVersion, key, &function, Expect::Absent)?);
        let transition = Transition { tenant, execution: None, documents };
        let (cache, current) = (Arc::clone(&self.functions), Arc::new(function.clone()));
        // Also if the uploader hangs up: otherwise the old version would be served until the next start.
        let then = Box::new(move || cache.put(tenant, current.id.clone(), current));
        match self.committer.commit_then(transition, then).await {
            Ok(()) => Ok(Some(function)),
            Err(crate::ports::CommitError::Unexpected { .. }) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    /// A function's current version.
    ///
    /// # Errors
    /// The store's.
    pub async fn function(&self, tenant: TenantId, id: &str) -> Result<Option<Arc<Function>>, Error> {
        if !is_valid_name(id) {
            return Ok(None);
        }
        if let Some(cached) = self.functions.get(tenant, id.to_owned()) {
            return Ok(Some(cached));
        }
        let changes = self.functions.changes();
        let Some(bytes) = self.store.document(tenant, DocumentKind::Function, id).await? else { return Ok(None) };
        let function: Arc<Function> = Arc::new(read(&bytes)?);
        self.functions.put_read(tenant, id.to_owned(), Arc::clone(&function), changes);
        Ok(Some(function))
    }

    /// What a step, or a direct call, means by a name: the function with just this id, else `function` of `component` for
    /// `component.function` (semantics D13).
    ///
    /// # Errors
    /// The store's.
    pub async fn callee(&self, tenant: TenantId, name: &str) -> Result<Option<Arc<Function>>, Error> {
        if let Some(exact) = self.function(tenant, name).await? {
            return Ok(Some(exact));
        }
        // Both parts may have dots: the longest component that fits.
        for (dot, _) in name.rmatch_indices('.') {
            let (component, function) = (&name[..dot], &name[dot + 1..]);
            if let Some(found) = self.function(tenant, component).await?
                && found.name == function
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// All functions, in the order of their ids.
    ///
    /// # Errors
    /// The store's.
    pub async fn functions(&self, tenant: TenantId) -> Result<Vec<Function>, Error> {
        let all = self.all(tenant, DocumentKind::Function, LISTED.max(self.allowances.of(tenant).functions)).await?;
        all.iter().filter_map(|(_, bytes)| sound::line(read(bytes)).transpose()).collect()
    }
}

fn check_id(id: &str) -> Result<(), Error> {
    if id == RESERVED {
        let message = format!("the function id {RESERVED:?} is reserved; choose another");
        return Err(Error::Refused { code: "id_reserved", message });
    }
    if !is_valid_name(id) {
        let message = format!(
            "a function id has letters, digits, `-`, `_` and `.`, starts with a letter or digit, and has at most {NAME_BYTES} bytes"
        );
        return Err(Error::Refused { code: "invalid_id", message });
    }
    Ok(())
}

fn cancelled() -> Error {
    let message = "the upload was cancelled before it was stored; nothing of it was registered".to_owned();
    Error::Conflict { code: "upload_cancelled", message }
}

/// Which functions are registered under which ids.
fn choose<'a>(upload: &Upload, prepared: &'a Prepared) -> Result<Vec<(String, &'a FunctionMeta)>, Error> {
    let names: Vec<&str> = prepared.functions.iter().filter_map(|meta| meta.name.as_deref()).collect();
    if let Some(wanted) = &upload.function {
        let found = prepared.functions.iter().find(|meta| meta.name.as_deref().is_none_or(|name| name == wanted));
        return found.map(|meta| vec![(upload.id.clone(), meta)]).ok_or_else(|| Error::Refused {
            code: "unknown_function",
            message: format!("the component has no function {wanted:?}; it has {}", names.join(", ")),
        });
    }
    match prepared.functions.as_slice() {
        [only] => Ok(vec![(upload.id.clone(), only)]),
        several => several
            .iter()
            .map(|meta| {
                let id = format!("{}.{}", upload.id, meta.name.as_deref().unwrap_or_default());
                check_id(&id).map(|()| (id, meta))
            })
            .collect(),
    }
}

fn described(id: &str, meta: &FunctionMeta, upload: &Upload, prepared: &Prepared) -> Function {
    let name = meta.name.clone().or_else(|| upload.function.clone()).unwrap_or_else(|| upload.id.clone());
    Function {
        id: id.to_owned(),
        name,
        description: meta.description.clone(),
        component: upload.id.clone(),
        digest: prepared.digest,
        version: 0,
        size: upload.bytes().len() as u64,
        kind: prepared.kind,
        input_schema: meta.input_schema.clone(),
        output_schema: meta.output_schema.clone(),
        imports: Imports { wanted: prepared.imports.clone(), granted: prepared.imports.clone() },
        grants: FunctionGrants {
            wanted: meta.grants.clone().union(upload.grants.clone()),
            ..FunctionGrants::default()
        },
        created_at: String::new(),
    }
}
