//! Agents: what a tenant calls by a role instead of a function's id (semantics A1). They are kept and listed; nothing runs them yet.

use super::revisions::changed_by_others;
use super::workflows::slug;
use super::{CHANGES_AT_ONCE, Precondition, Registry, Tombstone, read, removal, write};
use crate::ports::{CommitError, DocumentKind, Expect, Transition};
use crate::schema::Schema;
use crate::{Error, sound};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use stepwell_core::definition::{self, Warning};
use stepwell_core::ids::{TenantId, is_valid_name};
use stepwell_core::time::Timestamp;

/// `agent_bytes`: the longest agent, as it is sent. Instructions and a schema fit; a list of all agents is answered whole.
pub const AGENT_BYTES: usize = 64 << 10;
/// Most tools of an agent: a model is told of each in every turn.
const TOOLS: usize = 128;
/// How many numbers are tried behind a slug that is taken.
const SLUGS_TRIED: u32 = 1_000;
/// Fields that are texts.
const TEXTS: [&str; 5] = ["name", "role", "description", "instructions", "model"];
/// What the server knows of an agent stands beside what was given, so that an answer can be sent back as it is.
const OWN: [&str; 5] = ["id", "version", "warnings", "createdAt", "updatedAt"];

/// An agent as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Agent {
    /// How often it was written, from 1.
    pub version: u32,
    definition: Value,
    #[serde(default)]
    warnings: Vec<Warning>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl Agent {
    /// The answer of the API: the agent as it was given, and what the server knows of it.
    #[must_use]
    pub fn answer(&self) -> Value {
        let mut answer = self.definition.clone();
        answer["version"] = json!(self.version);
        answer["warnings"] = json!(self.warnings);
        answer["createdAt"] = json!(self.created_at.rfc3339());
        answer["updatedAt"] = json!(self.updated_at.rfc3339());
        answer
    }
}

impl Registry {
    /// Keeps a new agent; its id is the body's, or a slug of its name.
    ///
    /// # Errors
    /// [`Error::WrongShape`], [`Error::InvalidDefinition`] for its schema, [`Error::Conflict`] if the id is taken, [`Error::LimitReached`].
    pub async fn create_agent(&self, tenant: TenantId, body: Value) -> Result<Agent, Error> {
        let body = object(body)?;
        check(&body)?;
        let base = match (given_id(&body)?, body.get("name").and_then(Value::as_str)) {
            (Some(id), _) => id.to_owned(),
            (None, Some(name)) => slug(name, "agent"),
            (None, None) => return Err(wrong("name", "an agent needs a `name`, or an `id`")),
        };
        let tries = if given_id(&body)?.is_some() { 1 } else { SLUGS_TRIED };
        self.room_for_an_agent(tenant).await?;
        for number in 1..=tries {
            let id = if number == 1 { base.clone() } else { format!("{base}-{number}") };
            if let Some(agent) = self.write_agent(tenant, (&id, &body), None).await? {
                return Ok(agent);
            }
        }
        let message = format!("the agent id {base:?} is taken; choose another");
        Err(Error::Conflict { code: "id_taken", message })
    }

    /// Keeps an agent under this id; true: it is new. The same agent again changes nothing.
    ///
    /// # Errors
    /// As [`Registry::create_agent`], and [`Error::PreconditionFailed`].
    pub async fn put_agent(
        &self,
        tenant: TenantId,
        (id, body): (&str, Value),
        precondition: &Precondition,
    ) -> Result<(Agent, bool), Error> {
        let body = object(body)?;
        check(&body)?;
        if !is_valid_name(id) {
            return Err(wrong("id", ID_SHAPE));
        }
        if given_id(&body)?.is_some_and(|given| given != id) {
            return Err(wrong("id", "the body's `id` is not the one in the address; leave it out or make it the same"));
        }
        for _ in 0..CHANGES_AT_ONCE {
            let before = self.store.document(tenant, DocumentKind::Agent, id).await?;
            let known = before.as_ref().map(|bytes| read::<Agent>(bytes)).transpose()?;
            precondition.check("the agent", known.as_ref().map(|agent| agent.version))?;
            match known.as_ref() {
                None => self.room_for_an_agent(tenant).await?,
                Some(known) if known.definition == defined(id, &body) => return Ok((known.clone(), false)),
                Some(_) => {}
            }
            let is_new = known.is_none();
            if let Some(agent) = self.write_agent(tenant, (id, &body), before.zip(known)).await? {
                return Ok((agent, is_new));
            }
        }
        Err(changed_by_others("agent", id))
    }

    /// `None` if another change came first.
    async fn write_agent(
        &self,
        tenant: TenantId,
        (id, body): (&str, &Map<String, Value>),
        before: Option<(Bytes, Agent)>,
    ) -> Result<Option<Agent>, Error> {
        let definition = defined(id, body);
        let (now, warnings) = (self.clock.now(), self.unregistered_tools(tenant, &definition).await?);
        let mut documents = Vec::with_capacity(2);
        let (expect, last, created_at) = match before {
            Some((bytes, known)) => (Expect::Value(bytes), known.version, known.created_at),
            None => {
                let (stone, last) = self.tombstone(tenant, DocumentKind::DeletedAgent, id).await?;
                if last > 0 {
                    documents.push(removal(DocumentKind::DeletedAgent, id.to_owned(), stone));
                }
                (Expect::Absent, last, now)
            }
        };
        let agent = Agent { version: last.saturating_add(1), definition, warnings, created_at, updated_at: now };
        documents.push(write(DocumentKind::Agent, id.to_owned(), &agent, expect)?);
        match self.committer.commit(Transition { tenant, execution: None, documents }).await {
            Ok(()) => Ok(Some(agent)),
            Err(CommitError::Unexpected { .. }) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    async fn room_for_an_agent(&self, tenant: TenantId) -> Result<(), Error> {
        let most = self.allowances.limits().agents;
        if self.all(tenant, DocumentKind::Agent, most).await?.len() < most {
            return Ok(());
        }
        let message = format!("{most} agents are stored, the most that a tenant may have");
        Err(Error::LimitReached { limit: "agents", message })
    }

    /// Tools that are no functions of the tenant (semantics A2).
    async fn unregistered_tools(&self, tenant: TenantId, definition: &Value) -> Result<Vec<Warning>, Error> {
        let mut warnings = Vec::new();
        for (at, tool) in definition["tools"].as_array().into_iter().flatten().filter_map(Value::as_str).enumerate() {
            if self.callee(tenant, tool).await?.is_none() {
                warnings.push(Warning {
                    pointer: format!("/tools/{at}"),
                    code: "unregistered_function".to_owned(),
                    message: format!(
                        "the function {tool:?} is not registered yet; the agent cannot call it until it is"
                    ),
                });
            }
        }
        Ok(warnings)
    }

    /// One agent.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn agent(&self, tenant: TenantId, id: &str) -> Result<Agent, Error> {
        read(&self.agent_document(tenant, id).await?)
    }

    /// All agents, in the order of their ids.
    ///
    /// # Errors
    /// The store's.
    pub async fn agents(&self, tenant: TenantId) -> Result<Vec<Agent>, Error> {
        let all = self.all(tenant, DocumentKind::Agent, self.allowances.limits().agents).await?;
        all.iter().filter_map(|(_, bytes)| sound::line(read(bytes)).transpose()).collect()
    }

    /// Deletes an agent. Its version numbers are not given again.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`].
    pub async fn delete_agent(&self, tenant: TenantId, id: &str, precondition: &Precondition) -> Result<(), Error> {
        for _ in 0..CHANGES_AT_ONCE {
            let bytes = self.agent_document(tenant, id).await?;
            let last = read::<Agent>(&bytes)?.version;
            precondition.check("the agent", Some(last))?;
            let documents = vec![
                removal(DocumentKind::Agent, id.to_owned(), Expect::Value(bytes)),
                write(DocumentKind::DeletedAgent, id.to_owned(), &Tombstone { last }, Expect::Anything)?,
            ];
            match self.committer.commit(Transition { tenant, execution: None, documents }).await {
                Ok(()) => return Ok(()),
                Err(CommitError::Unexpected { .. }) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Err(changed_by_others("agent", id))
    }

    /// Hands an agent something to do.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::Refused`] `agent_provider_not_configured`: this version has no models to ask.
    pub async fn assign(&self, tenant: TenantId, id: &str) -> Result<(), Error> {
        self.agent_document(tenant, id).await?;
        let message =
            "no model provider is configured, so that no agent can do anything; use a function, or a human step";
        Err(Error::Refused { code: "agent_provider_not_configured", message: message.to_owned() })
    }

    async fn agent_document(&self, tenant: TenantId, id: &str) -> Result<Bytes, Error> {
        let not_found = || Error::NotFound { what: "agent", id: id.to_owned() };
        if !is_valid_name(id) {
            return Err(not_found());
        }
        self.store.document(tenant, DocumentKind::Agent, id).await?.ok_or_else(not_found)
    }
}

const ID_SHAPE: &str = "an agent id has letters, digits, `-`, `_` and `.`, and starts with a letter or digit";

fn wrong(field: &'static str, message: &str) -> Error {
    Error::WrongShape { field, message: message.to_owned() }
}

fn object(body: Value) -> Result<Map<String, Value>, Error> {
    if let Value::Object(body) = body { Ok(body) } else { Err(wrong("body", "send a JSON object with a `name`")) }
}

fn given_id(body: &Map<String, Value>) -> Result<Option<&str>, Error> {
    match body.get("id") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(id)) if is_valid_name(id) => Ok(Some(id)),
        Some(_) => Err(wrong("id", ID_SHAPE)),
    }
}

/// The fields that have a meaning; all others are kept as they are (semantics C20).
fn check(body: &Map<String, Value>) -> Result<(), Error> {
    let given = |field: &str| body.get(field).filter(|value| !value.is_null());
    for field in TEXTS {
        if given(field).is_some_and(|value| value.as_str().is_none_or(|text| text.trim().is_empty())) {
            return Err(Error::WrongShape { field, message: format!("`{field}` is a text, and not empty") });
        }
    }
    let is_tool = |tool: &Value| tool.as_str().is_some_and(is_valid_name);
    let is_list = |tools: &Value| tools.as_array().is_some_and(|all| all.len() <= TOOLS && all.iter().all(is_tool));
    if given("tools").is_some_and(|tools| !is_list(tools)) {
        let message = format!("`tools` is a list of at most {TOOLS} function ids");
        return Err(Error::WrongShape { field: "tools", message });
    }
    if given("metadata").is_some_and(|metadata| !metadata.is_object()) {
        return Err(wrong("metadata", "`metadata` is an object"));
    }
    let schema = given("outputSchema").map(|schema| Schema::compile(schema, "/outputSchema"));
    schema.map_or(Ok(()), |schema| schema.map(drop).map_err(Error::InvalidDefinition))
}

/// The agent with its id, and a name that follows from it.
fn defined(id: &str, body: &Map<String, Value>) -> Value {
    let mut definition = Map::new();
    definition.insert("id".to_owned(), json!(id));
    definition.insert("name".to_owned(), json!(definition::title(id)));
    let is_given =
        |(key, value): &(&String, &Value)| !(OWN.contains(&key.as_str()) || *key == "name" && value.is_null());
    definition.extend(body.iter().filter(is_given).map(|(key, value)| (key.clone(), value.clone())));
    Value::Object(definition)
}
