//! The API's own description, and the page to read it on.

use crate::described::DOCUMENT;
use crate::support::Server;
use serde_json::json;

#[test]
fn the_document_is_served_and_says_what_the_program_says() {
    let server = Server::start();
    let mut client = server.client.clone();
    client.key = String::new();
    let served = client.get("/openapi.json").ok(200);
    assert_eq!(served, *DOCUMENT);
    assert_eq!(served["openapi"], "3.1.0");
    let mut ids: Vec<&str> = Vec::new();
    for (path, item) in served["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let text = |key: &str| operation[key].as_str().unwrap_or_default();
            assert!(!text("summary").is_empty() && !text("operationId").is_empty(), "{method} {path}: {operation:#}");
            assert!(operation["responses"]["default"].is_object(), "{method} {path}");
            assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{method} {path}");
            ids.push(text("operationId"));
        }
    }
    let known = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), known > 40), (known, true), "every operation has a name of its own");
    assert_eq!(served["paths"]["/healthz"]["get"]["security"], json!([{}]));
}

#[test]
fn the_reading_page_comes_from_the_server_alone() {
    let server = Server::start();
    let page = |path: &str| server.client.exchange("GET", path, &[], b"");
    let (parts, text) = page("/docs/");
    assert_eq!(parts.status, 200);
    assert!(text.contains("swagger-ui") && !text.contains("http://") && !text.contains("https://"), "{text}");
    let policy = parts.headers.get("content-security-policy").and_then(|v| v.to_str().ok()).unwrap_or_default();
    assert!(policy.starts_with("default-src 'self'"), "{policy}");
    assert_eq!(page("/docs/swagger-ui.css").0.status, 200);
    assert_eq!(server.client.get("/docs/nothing.js").error(404), "http_error");
}
