//! The API's own description (OpenAPI 3.1): made from the handlers and the shapes, so that a route that is not described does not exist.

pub mod shapes;

use crate::access;
use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse as _;
use axum::routing::get;
use bytes::Bytes;
use utoipa::OpenApi as _;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::AnyOfBuilder;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Components, ContentBuilder, OpenApi, PathItem, Ref, RefOr, ResponseBuilder, Schema};

/// What the reading page may do: it is made of files of ours, and talks to this server only.
const POLICY: &str =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

/// What does not belong to one route.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Stepwell",
        description = "Business workflows whose functions are sandboxed WebAssembly components. Every error answer is JSON with `message` and \
                       a stable `code`; `docs/errors` has a page for each. Send `Authorization: Bearer <key>`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        contact()
    ),
    components(schemas(shapes::Problem)),
    security(("key" = [])),
    tags(
        (name = "workflows", description = "Definitions, revision by revision."),
        (name = "executions", description = "Runs of workflows: watched, controlled, looked at."),
        (name = "functions", description = "Sandboxed components and scripts, version by version."),
        (name = "uploads", description = "Functions that are being checked and compiled."),
        (name = "events", description = "Business events, and what each of them started."),
        (name = "approvals", description = "What people are asked, and their answers."),
        (name = "schedules", description = "When workflows start by the clock."),
        (name = "agents", description = "Models with a role."),
        (name = "webhooks", description = "What came to the addresses of webhook triggers, `/webhooks/...`, which take any body of theirs and answer \
                                            202 with `executionId` and `deliveryId`."),
        (name = "grants", description = "What a tenant allows its functions to use."),
        (name = "config", description = "Texts for functions that are no secrets."),
        (name = "key-value", description = "Values that functions keep."),
        (name = "secrets", description = "Values that are written and never read back."),
        (name = "keys", description = "Who may ask, and what for. `x-scope` of an operation is the scope that its key needs; `admin` includes all."),
        (name = "audit", description = "Who changed what."),
        (name = "tenants", description = "For the operator: an admin key of the default tenant."),
        (name = "usage", description = "What was used, and what may be."),
        (name = "store", description = "For the operator: the store and its disk."),
        (name = "service", description = "For load balancers and supervisors.")
    )
)]
pub struct Document;

/// The document of these routes.
pub fn document() -> OpenApi {
    Document::openapi()
}

/// What all operations have in common: an id that is unique, an answer for every error, a readable summary.
pub fn complete(mut document: OpenApi) -> OpenApi {
    // The name of a person who answers for it: there is none.
    document.info.contact = None;
    let components = document.components.get_or_insert_with(Components::new);
    let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components.security_schemes.insert("key".to_owned(), RefOr::T(scheme));
    if let Some(RefOr::T(schema)) = components.schemas.get_mut("Triggered") {
        loosen(schema);
    }
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            finish(operation);
            if let Some(known) = access::listed(method, path) {
                describe_access(operation, known);
            }
        }
    }
    document
}

/// One of several shapes, where a larger one has all that a smaller one has: then it is any of them.
fn loosen(schema: &mut Schema) {
    if let Schema::OneOf(one_of) = schema {
        let mut any_of = AnyOfBuilder::new().description(one_of.description.take());
        for item in one_of.items.drain(..) {
            any_of = any_of.item(item);
        }
        *schema = Schema::AnyOf(any_of.build());
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    let all = [("GET", get), ("PUT", put), ("POST", post), ("DELETE", delete), ("PATCH", patch)];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// The scope that a key needs, and what the audit log calls the operation.
fn describe_access(operation: &mut Operation, known: &access::Operation) {
    let mut extensions = Extensions::builder().add("x-scope", known.access.word());
    if let Some(action) = known.action {
        extensions = extensions.add("x-audit", action);
    }
    operation.extensions.get_or_insert_with(Extensions::default).merge(extensions.build());
}

fn finish(operation: &mut Operation) {
    let tag = operation.tags.as_ref().and_then(|tags| tags.first()).map_or("", String::as_str);
    operation.operation_id = operation.operation_id.take().map(|id| format!("{tag}.{id}"));
    let summary = operation.summary.take().map(|summary| readable(&summary)).filter(|summary| !summary.is_empty());
    operation.summary = summary.or_else(|| answered(operation));
    let problem = RefOr::Ref(Ref::from_schema_name("Problem"));
    let content = ContentBuilder::new().schema(Some(problem)).build();
    let response = ResponseBuilder::new()
        .description("Any error; `code` tells which one, and `docs/errors` what to do about it.")
        .content("application/problem+json", content)
        .build();
    operation.responses.responses.entry("default".to_owned()).or_insert(RefOr::T(response));
}

/// What the first of its answers is.
fn answered(operation: &Operation) -> Option<String> {
    let (_, response) = operation.responses.responses.first_key_value()?;
    if let RefOr::T(response) = response { Some(response.description.clone()) } else { None }
}

/// The comment of a handler begins with its route, which stands beside the summary already.
fn readable(comment: &str) -> String {
    let rest = comment.strip_prefix('`').and_then(|rest| rest.split_once('`')).map_or(comment, |(_, rest)| rest);
    let rest = rest.trim_start_matches([':', ' ', ',']).trim();
    let mut chars = rest.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// `/openapi.json`, and a page to read it on at `/docs`.
pub fn pages<S: Clone + Send + Sync + 'static>(document: &OpenApi) -> Router<S> {
    let text = Bytes::from(document.to_json().unwrap_or_default());
    let answer = move || {
        let text = text.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], text).into_response() }
    };
    let reading = utoipa_swagger_ui::SwaggerUi::new("/docs")
        .config(utoipa_swagger_ui::Config::from("/openapi.json").validator_url("none"));
    let reading = Router::from(reading).layer(axum::middleware::map_response(guarded));
    Router::new().route("/openapi.json", get(answer)).merge(reading)
}

async fn guarded(mut response: axum::response::Response) -> axum::response::Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_are_sentences() {
        for (comment, summary) in [
            ("`GET /a/{id}`: the thing.", "The thing."),
            ("`POST /a` `{x}`: 201", "`{x}`: 201"),
            ("`POST /a`", ""),
            ("Plain.", "Plain."),
        ] {
            assert_eq!(readable(comment), summary);
        }
    }
}
