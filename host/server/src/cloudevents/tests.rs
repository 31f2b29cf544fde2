//! The examples of the specification, and what it refuses.

use super::*;
use axum::http::{HeaderName, HeaderValue};

fn event(value: &Value) -> Result<NewEvent, Vec<String>> {
    structured(&Payload::from_value(value)).map_err(names)
}

fn names(faults: Vec<Fault>) -> Vec<String> {
    faults.into_iter().map(|(field, _)| field).collect()
}

fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in list {
        headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
    }
    headers
}

#[test]
fn the_example_of_the_specification() {
    let given = json!({
        "specversion": "1.0", "type": "com.example.someevent", "source": "/mycontext", "subject": null, "id": "C234-1234-1234",
        "time": "2018-04-05T17:31:00Z", "comexampleextension1": "value", "comexampleothervalue": 5, "datacontenttype": "application/json",
        "data": {"appinfoA": "abc", "appinfoB": 123, "appinfoC": true}
    });
    let read = event(&given).expect("fine");
    assert_eq!(
        (&*read.kind, &*read.source, read.id.as_deref()),
        ("com.example.someevent", "/mycontext", Some("C234-1234-1234"))
    );
    assert_eq!(read.timestamp.as_deref(), Some("2018-04-05T17:31:00Z"));
    let metadata = read.metadata.expect("metadata").to_value();
    let expected =
        json!({"comexampleextension1": "value", "comexampleothervalue": 5, "datacontenttype": "application/json"});
    assert_eq!(metadata, expected);
    assert_eq!(read.data.expect("data").to_value(), given["data"]);
}

#[test]
fn data_in_base64_is_what_its_type_says() {
    let with = |kind: Value, data: &str| {
        let value = json!({"specversion": "1.0", "type": "a", "source": "s", "id": "1", "datacontenttype": kind, "data_base64": data});
        let event = event(&value).expect("fine");
        let encoding = event.metadata.and_then(|metadata| metadata.to_value().get(ENCODING).cloned());
        (event.data.expect("data").to_value(), encoding)
    };
    assert_eq!(with(json!("application/json"), "eyJhIjoxfQ=="), (json!({"a": 1}), None));
    assert_eq!(with(Value::Null, "eyJhIjoxfQ=="), (json!({"a": 1}), None));
    assert_eq!(with(json!("text/plain"), "eyJhIjoxfQ=="), (json!("{\"a\":1}"), None));
    assert_eq!(with(json!("image/png"), "/w=="), (json!("/w=="), Some(json!("base64"))));
}

#[test]
fn all_faults_are_named_at_once() {
    assert_eq!(event(&json!({})).expect_err("nothing"), ["specversion", "type", "source", "id"]);
    assert_eq!(event(&json!([])).expect_err("a list"), ["body"]);
    let fine = json!({"specversion": "1.0", "type": "a", "source": "s", "id": "1"});
    for (field, value) in [
        ("specversion", json!("0.3")),
        ("specversion", json!(1.0)),
        ("type", json!(null)),
        ("type", json!("")),
        ("type", json!(1)),
        ("id", json!(1)),
        ("time", json!(5)),
        ("subject", json!(5)),
        ("Capital", json!("x")),
        ("with-dash", json!("x")),
        ("list", json!([])),
        ("fraction", json!(1.5)),
        ("data_base64", json!("?")),
        ("data_base64", json!(1)),
    ] {
        let mut bad = fine.clone();
        bad[field] = value.clone();
        assert_eq!(event(&bad).expect_err("a fault"), [field], "{field} {value}");
    }
    let mut both = fine.clone();
    both["data"] = json!(1);
    both["data_base64"] = json!("");
    assert_eq!(event(&both).expect_err("both"), ["data_base64"]);
    assert!(event(&fine).expect("fine").data.is_none());
}

#[test]
fn binary_events_have_their_attributes_in_headers() {
    let all = headers(&[
        ("ce-specversion", "1.0"),
        ("ce-type", "com.example.someevent"),
        ("ce-source", "/my%20context/%e2%82%ac"),
        ("ce-id", "\"A \\\"quoted\\\" id\""),
        ("ce-time", "2018-04-05T17:31:00Z"),
        ("ce-comexample", "100%"),
        ("content-type", "application/json; charset=utf-8"),
    ]);
    assert_eq!(form(&all), Form::Binary);
    let read = binary(&all, b"{\"a\": 1.0}").expect("fine");
    assert_eq!((&*read.source, read.id.as_deref()), ("/my context/\u{20ac}", Some("A \"quoted\" id")));
    assert_eq!(read.data.expect("data").as_str(), "{\"a\": 1.0}");
    let metadata = read.metadata.expect("metadata").to_value();
    assert_eq!(metadata, json!({"comexample": "100%", "datacontenttype": "application/json; charset=utf-8"}));
    let faults = |list: &[(&'static str, &str)], body: &[u8]| names(binary(&headers(list), body).expect_err("faults"));
    let fine = [("ce-specversion", "1.0"), ("ce-type", "a"), ("ce-source", "s"), ("ce-id", "1")];
    assert!(binary(&headers(&fine), b"").expect("fine").data.is_none());
    for (more, expected) in [
        (("ce-type", "b"), "ce-type"),
        (("ce-ext", "%ff"), "ce-ext"),
        (("ce-ext", "\"\\\""), "ce-ext"),
        (("ce-a_b", "x"), "ce-a_b"),
        (("ce-datacontenttype", "text/plain"), "ce-datacontenttype"),
    ] {
        assert_eq!(faults(&[&fine[..], &[more]].concat(), b""), [expected], "{more:?}");
    }
    assert_eq!(faults(&fine[1..], b""), ["ce-specversion"]);
    assert_eq!(faults(&fine, b"{"), ["body"]);
}

#[test]
fn the_content_type_comes_before_the_headers() {
    let with = |kind| headers(&[("content-type", kind), ("ce-id", "1")]);
    assert_eq!(form(&with("application/cloudevents+json; charset=UTF-8")), Form::Structured);
    assert_eq!(form(&with("Application/CloudEvents-Batch+JSON")), Form::Batch);
    assert_eq!(form(&headers(&[("content-type", "application/json")])), Form::Own);
}

#[test]
fn an_event_is_shown_as_it_came() {
    let ours = r#"{"id":"1","type":"a","timestamp":"2018-04-05T17:31:00.000Z","source":"s","data":{"n":1.50},"metadata":{"subject":"x","n":1,"Odd":2,"list":[]},"started":[]}"#;
    let expected = r#"{"specversion":"1.0","id":"1","source":"s","type":"a","time":"2018-04-05T17:31:00.000Z","n":1,"subject":"x","data":{"n":1.50}}"#;
    let (seen, expected): (Value, Value) = (
        serde_json::from_str(&shown(ours).expect("shown")).expect("JSON"),
        serde_json::from_str(expected).expect("JSON"),
    );
    assert_eq!(seen, expected);
    let binary =
        r#"{"id":"1","type":"a","timestamp":"t","source":"s","data":"/w==","metadata":{"dataencoding":"base64"}}"#;
    let seen: Value = serde_json::from_str(&shown(binary).expect("shown")).expect("JSON");
    assert_eq!((&seen["data_base64"], seen.get("data")), (&json!("/w=="), None));
}
