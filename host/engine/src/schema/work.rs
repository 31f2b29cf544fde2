//! How much work a validation can be: the parts of the schema and of the value that meet are counted before the library is asked.

use super::outline::{AGAIN, Outline, Part};
use serde_json::Value;

/// Most units of work: a fraction of a second, on a thread that serves requests.
const WORK: u64 = 1_000_000;
/// Deepest chain of parts that meet: the library is recursive, and this is what a thread's stack takes with room to spare.
const DEPTH: u32 = 512;
/// Bytes of a text that count as one unit.
const TEXT_PER_UNIT: usize = 32;

/// A part that looks at a value.
#[derive(Clone, Copy)]
struct Meeting<'a> {
    part: u32,
    value: Look<'a>,
    /// How often.
    times: u32,
    depth: u32,
}

#[derive(Clone, Copy)]
enum Look<'a> {
    Value(&'a Value),
    /// A property's name.
    Name(&'a str),
}

/// Units of work; `None` if there are too many, or if parts meet too deep inside each other.
pub(super) fn of(outline: &Outline, value: &Value) -> Option<u64> {
    let mut done = 0u64;
    let mut open = vec![Meeting { part: 0, value: Look::Value(value), times: 1, depth: 0 }];
    while let Some(meeting) = open.pop() {
        let part = outline.part(meeting.part)?;
        done = done.saturating_add(own(part, meeting.value).saturating_mul(u64::from(meeting.times)));
        // What is open will be done, too: so the list stays as short as the work is little.
        if meeting.depth > DEPTH || done.saturating_add(open.len() as u64) > WORK {
            return None;
        }
        meet(part, meeting, &mut open);
    }
    Some(done)
}

fn own(part: &Part, value: Look<'_>) -> u64 {
    let text = |text: &str| text.len() / TEXT_PER_UNIT;
    let units = match value {
        Look::Name(name) => text(name),
        Look::Value(Value::String(value)) => text(value),
        Look::Value(Value::Object(object)) => {
            let patterns = part.patterns as usize;
            object.keys().map(|name| patterns.saturating_mul(1 + text(name))).fold(0, usize::saturating_add)
        }
        Look::Value(Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_)) => 0,
    };
    u64::from(part.weight).saturating_add(units as u64)
}

/// The meetings that follow from one.
fn meet<'a>(part: &Part, meeting: Meeting<'a>, open: &mut Vec<Meeting<'a>>) {
    let depth = meeting.depth + 1;
    let times = if part.again { meeting.times.saturating_mul(AGAIN) } else { meeting.times };
    open.extend(part.in_place.iter().map(|next| Meeting { part: *next, times, depth, ..meeting }));
    let inner = |part: u32, value| Meeting { part, value, times, depth };
    match meeting.value {
        Look::Value(Value::Object(object)) => {
            for (name, value) in object {
                let named = part.properties.get(name);
                let parts = named.into_iter().chain(&part.values);
                open.extend(parts.map(|part| inner(*part, Look::Value(value))));
                open.extend(part.names.iter().map(|part| inner(*part, Look::Name(name))));
            }
        }
        Look::Value(Value::Array(items)) => {
            open.extend(part.first.iter().zip(items).map(|(part, item)| inner(*part, Look::Value(item))));
            for item in items {
                open.extend(part.items.iter().map(|part| inner(*part, Look::Value(item))));
            }
        }
        Look::Value(Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_)) | Look::Name(_) => {}
    }
}
