//! Which events start a workflow (semantics T2, T3).

use super::super::fault::Findings;
use super::{condition, config};
use serde_json::{Map, Value};
use stepwell_expression::Expression;

/// A trigger of type `event`.
#[derive(Debug, Clone)]
pub struct EventTrigger {
    /// Its place in `triggers`.
    pub at: usize,
    /// Types with `*` and `**` (T2); one of them has to match.
    pub types: Vec<String>,
    /// `config.source`: where the event must come from.
    pub source: Option<String>,
    /// Sees `event` and `input` (T3).
    pub condition: Option<Expression>,
}

/// Longest type or pattern of events, bytes: they are keys of the store.
const TYPE_BYTES: usize = 200;
/// Most patterns of one trigger or step.
const PATTERNS: usize = 50;
/// Whether a text can be a type of events, or a pattern of them: segments between dots, each without white space, or `*`; `**` only last.
#[must_use]
pub fn is_type_pattern(text: &str) -> bool {
    let fine = |segment: &str| !segment.is_empty() && !segment.chars().any(|c| c.is_whitespace() || c.is_control());
    let stars = |segment: &str| !segment.contains('*') || segment == "*";
    let (head, last) = text.rsplit_once('.').map_or((None, text), |(head, last)| (Some(head), last));
    !text.is_empty()
        && text.len() <= TYPE_BYTES
        && head.is_none_or(|head| head.split('.').all(|s| fine(s) && stars(s)))
        && fine(last)
        && (stars(last) || last == "**")
}

/// The first segment of the types of the server's own events (H7).
const OWN: &str = "stepwell";

/// Whether a type matches a pattern: `*` stands for one dotted segment, a trailing `**` for the rest (T2). The server's own events are only
/// meant where they are named: otherwise a workflow for all events would be started by its own end.
#[must_use]
pub fn type_matches(pattern: &str, kind: &str) -> bool {
    if pattern.starts_with('*') && kind.split('.').next() == Some(OWN) {
        return false;
    }
    let (mut pattern, mut kind) = (pattern.split('.'), kind.split('.'));
    loop {
        match (pattern.next(), kind.next()) {
            (Some("**"), Some(_)) | (None, None) => return true,
            (Some(wanted), Some(given)) if wanted == "*" || wanted == given => {}
            (Some(_), Some(_) | None) | (None, Some(_)) => return false,
        }
    }
}

/// Reads an event trigger.
pub(super) fn read(at: usize, trigger: &Value, findings: &mut Findings) -> Option<EventTrigger> {
    let path = format!("/triggers/{at}/config");
    let config = config(at, trigger, "an event trigger needs `config.eventType`", findings)?;
    let types = types(config, &path, findings);
    let source = match config.get("source") {
        None | Some(Value::Null) => None,
        Some(Value::String(source)) => Some(source.clone()),
        Some(_) => {
            findings.fault(format!("{path}/source"), "wrong_type", "`source` is a string");
            None
        }
    };
    Some(EventTrigger { at, types, source, condition: condition(at, trigger, findings) })
}

/// `eventType` or `eventTypes[]`; at least one.
fn types(config: &Map<String, Value>, path: &str, findings: &mut Findings) -> Vec<String> {
    let (key, given) = match (config.get("eventType"), config.get("eventTypes")) {
        (Some(one @ Value::String(_)), _) => ("eventType", std::slice::from_ref(one)),
        (None | Some(Value::Null), Some(Value::Array(many))) if (1..=PATTERNS).contains(&many.len()) => {
            ("eventTypes", many.as_slice())
        }
        _ => {
            let message =
                format!("an event trigger needs `eventType`, a string, or `eventTypes`, a list of 1 to {PATTERNS}");
            findings.fault(format!("{path}/eventType"), "missing", message);
            return Vec::new();
        }
    };
    let mut types = Vec::with_capacity(given.len());
    for (nth, value) in given.iter().enumerate() {
        match value.as_str().filter(|text| is_type_pattern(text)) {
            Some(text) => types.push(text.to_owned()),
            None => {
                let nth = if key == "eventTypes" { format!("/{nth}") } else { String::new() };
                let message = format!(
                    "a type of events has dotted segments without white space, at most {TYPE_BYTES} bytes; `*` stands for one segment, a last `**` for the rest"
                );
                findings.fault(format!("{path}/{key}{nth}"), "out_of_range", message);
            }
        }
    }
    types
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_segment_by_segment() {
        for (pattern, kind, expected) in [
            ("order.created", "order.created", true),
            ("order.created", "order.Created", false),
            ("order.*", "order.created", true),
            ("order.*", "order.created.late", false),
            ("order.*", "order", false),
            ("order.**", "order.created.late", true),
            ("order.**", "order", false),
            ("**", "anything.at.all", true),
            ("*.created", "order.created", true),
            ("*", "order.created", false),
            ("**", "stepwell.execution.failed", false),
            ("*.execution.failed", "stepwell.execution.failed", false),
            ("stepwell.**", "stepwell.execution.failed", true),
        ] {
            assert!(is_type_pattern(pattern), "{pattern}");
            assert_eq!(type_matches(pattern, kind), expected, "{pattern} {kind}");
        }
        for bad in ["", ".", "a..b", "a.**.b", "a*", "***", "a b", &"x".repeat(201)] {
            assert!(!is_type_pattern(bad), "{bad}");
        }
    }
}
