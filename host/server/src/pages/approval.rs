//! The page behind a signed link: what is asked, the form, a comment, and two buttons (semantics H6).

use super::form::{Form, Sent, shown};
use super::page;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;
use stepwell_engine::{COMMENT_BYTES, LinkedApproval};

/// Values of the buttons.
pub const APPROVE: &str = "approve";
/// The other one.
pub const REJECT: &str = "reject";

/// What is shown beside the question.
#[derive(Default)]
pub struct Shown<'a> {
    /// What was sent before, if it has to be corrected.
    pub sent: Option<&'a Sent>,
    /// What has to be corrected.
    pub faults: Vec<String>,
}

fn text<'a>(view: &'a Value, key: &str) -> &'a str {
    view.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The question; or what became of it, if this person cannot answer it any more.
pub fn show(status: StatusCode, approval: &LinkedApproval, said: &Shown<'_>) -> Response {
    let view = &approval.view;
    let title = view.pointer("/details/title").and_then(Value::as_str).unwrap_or_else(|| text(view, "stepName"));
    let own = decisions(view).iter().find(|decision| text(decision, "by") == approval.by);
    let open = text(view, "status") == "pending" && own.is_none();
    let body = html! {
        h1 { (title) }
        p.about {
            (text(view, "workflowName")) " asks " (approval.by) ", since " (text(view, "createdAt"))
            @if let Some(expires) = view.get("expiresAt").and_then(Value::as_str) { ", until " (expires) }
            ". " (progress(view))
        }
        (details(view))
        @if let Some(own) = own { p.said { (answered(own)) } }
        @if !open { p.said { (became(view)) } } @else { (question(view, said)) }
    };
    page(status, title, &body)
}

fn decisions(view: &Value) -> &[Value] {
    view.get("decisions").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn progress(view: &Value) -> String {
    let required = view.get("requiredApprovals").and_then(Value::as_u64).unwrap_or(1);
    let given = decisions(view).iter().filter(|decision| decision.get("approved") == Some(&Value::Bool(true))).count();
    if required > 1 { format!("{given} of {required} approvals given.") } else { String::new() }
}

fn answered(own: &Value) -> String {
    let word = if own.get("approved") == Some(&Value::Bool(true)) { "approved" } else { "rejected" };
    format!("You {word} this at {}. Thank you: everybody answers once.", text(own, "at"))
}

fn became(view: &Value) -> &'static str {
    match text(view, "status") {
        "pending" => "Others still have to answer.",
        "approved" => "It is approved. No more answers are needed.",
        "rejected" => "It is rejected. No more answers are needed.",
        "expired" => "Nobody answered in time. It is too late now.",
        _ => "It was cancelled. No answer is needed any more.",
    }
}

/// What the step shows to those whom it asks.
fn details(view: &Value) -> Markup {
    let shown_keys = view.get("details").and_then(Value::as_object);
    let rest: Vec<_> = shown_keys.into_iter().flatten().filter(|(key, _)| *key != "title").collect();
    html! {
        @if !rest.is_empty() {
            dl {
                @for (key, value) in rest {
                    dt { (key) }
                    dd.code[value.is_array() || value.is_object()] { (shown(value)) }
                }
            }
        }
    }
}

fn question(view: &Value, said: &Shown<'_>) -> Markup {
    let form = view.get("form").map(Form::of);
    let comment = said.sent.and_then(|sent| sent.get("comment")).map_or("", String::as_str);
    html! {
        @for fault in &said.faults { p.said role="alert" { (fault) } }
        // To where it came from: the address is the permission.
        form method="post" {
            @if let Some(form) = &form { (form.show(said.sent)) }
            label for="comment" { "Comment" }
            textarea id="comment" name="comment" maxlength=(COMMENT_BYTES) { (comment) }
            @if form.is_some() { small { "If you reject, only the comment is sent." } }
            div.buttons {
                button.yes name="decision" value=(APPROVE) { "Approve" }
                button.no name="decision" value=(REJECT) { "Reject" }
            }
        }
    }
}
