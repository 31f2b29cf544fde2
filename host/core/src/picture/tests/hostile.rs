//! Names that strangers chose, and pictures that are too large.

use crate::picture::{Answer, Colour, Figure, TooLarge, figure, mermaid, svg, tree};
use crate::time::Timestamp;
use serde_json::{Value, json};

const NASTY: &str = "</title><script>alert(1)</script>\"'&]]>--><!--\u{1b}[2J\u{9b}31m\u{202e}\u{2066}\n\r\u{0}\u{7}`${x}`end;click s0 href \"javascript:alert(1)\"%%{init}%%\u{ffff}";

fn nasty() -> Figure {
    let id = |n: u32| format!("{n}{}", NASTY.replace(['\n', '\r', '/'], "_"));
    let definition = json!({"id": NASTY, "name": NASTY, "steps": [
        {"id": id(0), "name": NASTY, "type": "function", "function": NASTY, "next": id(1), "config": {"onError": id(2)}},
        {"id": id(1), "name": NASTY, "type": "condition", "condition": NASTY, "next": id(2), "config": {"else": id(0)}},
        {"id": id(2), "name": NASTY, "type": NASTY, "config": {"join": NASTY}},
    ]});
    let mut figure = figure(&definition);
    let answer = json!({"executionId": NASTY, "workflowId": NASTY, "revision": 1, "status": NASTY, "state": NASTY, "startedAt": NASTY,
        "error": NASTY, "errorDetails": {"code": NASTY, "message": NASTY, "step": id(0)},
        "steps": {id(0): {"status": "failed", "runs": 1, "startedAt": NASTY}}});
    serde_json::from_value::<Answer>(answer).expect("an answer").onto(&mut figure, Timestamp(0));
    figure
}

/// Elements and attributes that a picture consists of; there is nothing among them that loads, links or runs.
const ELEMENTS: [&str; 11] =
    ["svg", "defs", "pattern", "title", "desc", "style", "rect", "text", "g", "path", "circle"];

pub fn assert_harmless(text: &str) {
    let document = roxmltree::Document::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    for element in document.descendants().filter(roxmltree::Node::is_element) {
        assert!(ELEMENTS.contains(&element.tag_name().name()), "{:?}", element.tag_name());
        for attribute in element.attributes() {
            assert!(!attribute.name().starts_with("on") && !attribute.name().contains("href"), "{attribute:?}");
            assert!(!attribute.value().contains("url("), "{attribute:?}");
        }
    }
    assert_plain(text);
}

fn assert_plain(text: &str) {
    let steers = |c: char| {
        (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{ffff}')
    };
    assert!(!text.contains(steers), "{text:?}");
}

#[test]
fn an_svg_of_nasty_names_is_only_text() {
    assert_harmless(&svg(&nasty()).expect("a picture"));
}

#[test]
fn mermaid_of_nasty_names_has_no_statement_more() {
    let text = mermaid(&nasty());
    assert_plain(&text);
    for line in text.lines().skip(1) {
        let outside: String = line.split('"').step_by(2).collect();
        let known = ["accTitle: ", "s", "classDef ", "class "].iter().any(|start| line.trim_start().starts_with(start));
        assert!(known && (line.contains("accTitle") || !outside.contains("click")), "{line}");
    }
    assert_eq!(text.matches('`').count() + text.matches('<').count() - text.matches("<br/>").count(), 0, "{text}");
}

#[test]
fn a_tree_of_nasty_names_does_not_steer_the_terminal() {
    let text = tree(&nasty(), Colour::Off);
    assert_plain(&text);
    assert!(text.lines().all(|line| line.chars().count() < 400), "{text}");
}

#[test]
fn a_figure_from_elsewhere_may_be_any_nonsense() {
    let step = |id: &str, within: &str| json!({"id": id, "name": "", "type": "", "within": within});
    let edge = |from: &str, to: &str| json!({"from": from, "to": to, "kind": "next", "label": "x", "endsRound": true});
    let value = json!({"workflow": {"id": "", "name": "", "revision": 0},
        "steps": [step("a", "b"), step("b", "c"), step("c", "a"), step("d", "d"), step("a", "zz")],
        "edges": [edge("a", "b"), edge("b", "a"), edge("zz", "a"), edge("d", "d"), edge("c", "d"), edge("d", "c")]});
    let figure: Figure = serde_json::from_value(value).expect("a figure");
    assert_harmless(&svg(&figure).expect("a picture"));
    assert!(!tree(&figure, Colour::Off).is_empty() && !mermaid(&figure).is_empty());
    let empty: Figure =
        serde_json::from_value(json!({"workflow": {"id": "", "name": "", "revision": 0}, "steps": [], "edges": []}))
            .expect("a figure");
    assert_harmless(&svg(&empty).expect("a picture"));
    assert!(!tree(&empty, Colour::Off).is_empty());
}

fn chain(steps: usize, more: impl Fn(usize) -> Value) -> Figure {
    let step = |at: usize| json!({"id": format!("s{at}"), "type": "function", "function": "f", "next": more(at)});
    figure(&json!({"id": "w", "name": "w", "steps": (0..steps).map(step).collect::<Vec<_>>()}))
}

#[test]
fn the_largest_chain_is_drawn_and_what_nobody_could_look_at_is_refused() {
    let long = chain(2_000, |at| json!([format!("s{}", at + 1)]));
    assert_harmless(&svg(&long).expect("a picture"));
    let dense = chain(200, |at| json!((at + 1..200).map(|to| format!("s{to}")).collect::<Vec<_>>()));
    assert_eq!(svg(&dense).map_err(|refused| refused.what), Err("edges"));
    let far = chain(1_000, |at| json!([format!("s{}", at + 1), format!("s{}", 999 - at)]));
    assert!(matches!(svg(&far), Err(TooLarge { what: "bends", .. })));
    for figure in [long, dense, far] {
        assert!(!mermaid(&figure).is_empty() && !tree(&figure, Colour::Off).is_empty());
    }
}

/// As deep as a definition is long; nothing here may recurse, and indentation ends somewhere.
#[test]
fn loops_in_loops_in_loops_are_drawn() {
    let step = |at: usize| json!({"id": format!("s{at}"), "type": "loop", "config": {"items": "[1]"}, "next": format!("s{}", at + 1)});
    let deep = figure(&json!({"id": "w", "name": "w", "steps": (0..2_000).map(step).collect::<Vec<_>>()}));
    assert_eq!(deep.steps.iter().filter(|step| step.within.is_some()).count(), 1_999);
    assert_harmless(&svg(&deep).expect("a picture"));
    assert!(tree(&deep, Colour::Off).len() < 2_000 * 400);
    assert_eq!(mermaid(&deep).matches("subgraph").count(), 1_999);
}
