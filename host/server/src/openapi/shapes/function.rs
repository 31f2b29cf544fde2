//! Functions.

use super::GrantsShown;
use serde_json::Value;
use utoipa::ToSchema;

/// What a step calls.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Function {
    /// What steps call it by.
    pub id: String,
    /// Its name in its component.
    pub name: String,
    /// For readers.
    #[schema(required = false)]
    pub description: Option<String>,
    /// The id that its component was uploaded under.
    pub component: String,
    /// SHA-256 of the artifact.
    pub digest: String,
    /// Counts the uploads that changed it, from 1.
    pub version: u32,
    /// Bytes.
    pub size: u64,
    /// What the artifact is.
    pub kind: String,
    /// JSON Schema.
    #[schema(required = false)]
    pub input_schema: Option<Value>,
    /// JSON Schema.
    #[schema(required = false)]
    pub output_schema: Option<Value>,
    /// The interfaces that it imports.
    pub imports: Imports,
    /// What it may use besides computing.
    pub grants: GrantsShown,
    /// RFC 3339.
    pub created_at: String,
}

/// Interfaces of the host.
#[derive(ToSchema)]
pub struct Imports {
    /// What it asks for.
    pub wanted: Vec<String>,
    /// What it gets.
    pub granted: Vec<String>,
}

/// What an upload came to: a function, or several of one component.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum Deployed {
    /// One.
    One(Box<DeployedFunction>),
    /// Several.
    Several(DeployedFunctions),
}

/// One function.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct DeployedFunction {
    /// The function itself.
    #[serde(flatten)]
    pub function: Function,
    /// Milliseconds; 0 if compiled code was at hand.
    pub compile_ms: u64,
    /// What the uploader may want to change.
    pub warnings: Vec<String>,
}

/// Several functions.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct DeployedFunctions {
    /// At least two.
    pub functions: Vec<Function>,
    /// Milliseconds; 0 if compiled code was at hand.
    pub compile_ms: u64,
    /// What the uploader may want to change.
    pub warnings: Vec<String>,
}

/// An upload that is under way.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Uploading {
    /// `upl-…`
    pub id: String,
    /// The id that it is uploaded under.
    pub function: String,
    /// Who uploads.
    pub by: String,
    /// Its size.
    pub bytes: u64,
    /// When its bytes were there, RFC 3339.
    pub received_at: String,
    /// `received`, `waiting`, `scanning`, `compiling` or `storing`.
    pub phase: String,
    /// Functions that are compiled.
    #[schema(required = false)]
    pub compiled: Option<u32>,
    /// Of how many.
    #[schema(required = false)]
    pub functions: Option<u32>,
}
