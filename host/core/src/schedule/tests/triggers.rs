//! From a definition to what an occurrence starts.

use super::at;
use crate::definition::{Catchup, Overlap, ScheduleTrigger, check};
use crate::schedule::due;
use serde_json::{Value, json};

fn read(trigger: &Value) -> ScheduleTrigger {
    let steps = json!([{"id": "a", "type": "condition", "condition": "true"}]);
    let definition = json!({"id": "w", "steps": steps, "triggers": [{"type": "manual"}, trigger]});
    let checked = check("w", 1, &definition).unwrap_or_else(|faults| panic!("{faults:#?}"));
    checked.workflow.triggers.schedules.into_iter().next().expect("a schedule")
}

#[test]
fn what_is_left_out_has_a_meaning() {
    let bare = read(
        &json!({"type": "schedule", "config": {"cron": "@daily", "timezone": null, "input": null, "catchup": null}}),
    );
    assert_eq!((bare.at, bare.id.as_str(), bare.cron.as_str()), (1, "1", "@daily"));
    assert_eq!((bare.catchup, bare.overlap, bare.timetable.zone().name()), (Catchup::Latest, Overlap::Allow, "UTC"));
    let config =
        json!({"cron": "0 9 * * *", "timezone": "Asia/Tokyo", "catchup": "none", "overlap": "cancel", "id": "x"});
    let full = read(&json!({"type": "schedule", "config": config}));
    assert_eq!((full.id.as_str(), full.catchup, full.overlap), ("x", Catchup::None, Overlap::Cancel));
    assert_eq!(full.timetable.next(at("2026-05-01T01:00:00Z")), Some(at("2026-05-02T00:00:00Z")));
}

#[test]
fn an_occurrence_brings_its_input_and_its_event() {
    let moment = at("2026-05-01T09:00:00Z");
    for (input, condition, expected) in [
        (json!(null), None, Ok("{}")),
        (json!({"n": 1.50, "list": [1, null]}), None, Ok(r#"{"n":1.5,"list":[1,null]}"#)),
        (json!([1]), Some("input[0] === 1"), Ok("[1]")),
        (json!("day {{ event.data.scheduledAt.slice(0, 10) }}"), None, Ok("\"day 2026-05-01\"")),
        (
            json!({"at": "{{ scheduledAt }}"}),
            Some("at === scheduledAt && event.type === 'schedule'"),
            Ok(r#"{"at":"2026-05-01T09:00:00.000Z"}"#),
        ),
        (json!({}), Some("scheduledAt > '2027'"), Err("condition_false")),
        (json!({}), Some("input.no.such"), Err("condition_failed")),
        (json!({"x": "{{ input.n }}"}), None, Err("expression_error")),
    ] {
        let trigger = json!({"type": "schedule", "config": {"cron": "@daily", "input": input}, "condition": condition});
        let found = due(&read(&trigger), "w~1", moment, false);
        let found = found.as_ref().map(|due| due.input.as_str()).map_err(|quiet| quiet.code);
        assert_eq!(found, expected, "{trigger}");
    }
    let never = read(&json!({"type": "schedule", "config": {"cron": "@daily"}, "condition": "false"}));
    let by_hand = due(&never, "w~1", moment, true).expect("fires by hand");
    let when = "2026-05-01T09:00:00.000Z";
    let event = json!({"type": "schedule", "source": "w~1", "timestamp": when, "data": {"scheduledAt": when}});
    assert_eq!(by_hand.event.to_value(), event);
}
