//! Pages for people who come without a program: small, without scripts, and without anything from elsewhere.

pub mod approval;
pub mod form;

use crate::error::ApiError;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use maud::{DOCTYPE, Markup, html};

/// A page shows what strangers wrote. It is escaped; and the browser is told to run nothing, load nothing, send nothing elsewhere and be framed
/// nowhere all the same.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The address is a secret: it is kept nowhere, told nobody and found by no search engine.
const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex, nofollow")),
];

const STYLE: &str = "
:root { color-scheme: light dark; --line: light-dark(#d5d9e0, #3a404b); --soft: light-dark(#5b6472, #a0a8b5);
  --back: light-dark(#f4f5f7, #15181d); --card: light-dark(#fff, #1e2229); --yes: #1a7f4b; --no: #b3372f; --mark: light-dark(#fff4d6, #4a3c12); }
* { box-sizing: border-box; }
body { margin: 0; padding: 2rem 1rem; background: var(--back); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 40rem; margin: 0 auto; padding: 1.5rem 2rem 2rem; background: var(--card); border: 1px solid var(--line); border-radius: 12px; }
h1 { margin: 0 0 .25rem; font-size: 1.4rem; overflow-wrap: anywhere; }
p.about, small, dt { color: var(--soft); }
p.about { margin: 0 0 1rem; }
dl { margin: 1rem 0; padding: .75rem 1rem; border: 1px solid var(--line); border-radius: 8px; }
dd { margin: 0 0 .5rem; overflow-wrap: anywhere; white-space: pre-wrap; max-height: 20rem; overflow: auto; }
dd.code { font: 14px/1.4 ui-monospace, monospace; }
label { display: block; margin: 1rem 0 .25rem; font-weight: 600; }
label.tick { display: flex; gap: .5rem; align-items: baseline; }
input:not([type=checkbox]), select, textarea { width: 100%; padding: .5rem .6rem; font: inherit; border: 1px solid var(--line); border-radius: 6px; background: transparent; color: inherit; }
option { background: var(--card); }
textarea { min-height: 5rem; resize: vertical; }
.said { padding: .75rem 1rem; background: var(--mark); border-radius: 8px; overflow-wrap: anywhere; }
.buttons { display: flex; gap: .75rem; margin-top: 1.5rem; }
button { flex: 1; padding: .7rem; font: inherit; font-weight: 600; color: #fff; border: 0; border-radius: 8px; cursor: pointer; }
button:focus-visible { outline: 3px solid var(--soft); }
button.yes { background: var(--yes); } button.no { background: var(--no); }
";

/// A whole page.
fn page(status: StatusCode, title: &str, body: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (maud::PreEscaped(STYLE)) }
            }
            body { main { (body) } }
        }
    };
    (status, HEADERS, page.into_string()).into_response()
}

/// Whether whoever asks wants to look at the answer.
pub fn is_wanted(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(header::ACCEPT).iter();
    accepted.any(|accept| accept.to_str().is_ok_and(|accept| accept.contains("text/html")))
}

/// An error, for people.
pub fn error(error: &ApiError) -> Response {
    let title = match error.status() {
        StatusCode::NOT_FOUND => "This link leads nowhere",
        StatusCode::CONFLICT => "Nothing to do any more",
        StatusCode::FORBIDDEN => "This is not for you to answer",
        status if status.is_server_error() => "The server cannot do this now",
        _ => "This did not work",
    };
    let mut response = page(error.status(), title, &html! { h1 { (title) } p { (error.message()) } });
    response.headers_mut().extend(error.retry_after_s().map(|s| (header::RETRY_AFTER, HeaderValue::from(s))));
    response
}
