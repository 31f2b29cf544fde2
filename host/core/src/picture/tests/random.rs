//! Any definition that may be run can be looked at.

use super::hostile::assert_harmless;
use crate::definition::check;
use crate::picture::layout::{Rect, Size, layout};
use crate::picture::{Colour, Figure, figure, mermaid, svg, tree};
use proptest::prelude::*;
use serde_json::{Value, json};

const STEPS: usize = 14;

/// Steps of the types that need no more than targets. Those that a version does not run yet are drawn all the same.
fn step(at: usize) -> impl Strategy<Value = Value> {
    let targets = || prop::collection::btree_set(0..STEPS, 0..3);
    let kind = prop::sample::select(vec!["function", "condition", "loop", "parallel", "function"]);
    (kind, targets(), targets(), prop::option::of(0..STEPS), any::<bool>()).prop_map(
        move |(kind, next, other, handler, single)| {
            let id = |to: &usize| format!("s{to}");
            let list = |targets: &std::collections::BTreeSet<usize>| match targets.iter().next() {
                Some(only) if targets.len() == 1 && single => json!(id(only)),
                _ => json!(targets.iter().map(id).collect::<Vec<_>>()),
            };
            let mut config = json!({});
            if let Some(handler) = &handler {
                config["onError"] = json!(id(handler));
            }
            let key = match kind {
                "condition" => "else",
                "loop" => "done",
                "parallel" => "branches",
                _ => "description",
            };
            config[key] = list(&other);
            if kind == "loop" {
                config["items"] = json!("[1, 2]");
            }
            let mut step = json!({"id": id(&at), "type": kind, "next": list(&next), "config": config});
            if kind == "function" {
                step["function"] = json!("f");
            } else if kind == "condition" {
                step["condition"] = json!("result < 1 && \"a\"");
            }
            step
        },
    )
}

fn definition() -> impl Strategy<Value = Value> {
    let steps: Vec<_> = (0..STEPS).map(step).collect();
    steps.prop_map(|steps| json!({"id": "w", "name": "W", "steps": steps}))
}

fn apart(a: &Rect, b: &Rect) -> bool {
    a.at.x + a.size.width <= b.at.x + 0.01
        || b.at.x + b.size.width <= a.at.x + 0.01
        || a.at.y + a.size.height <= b.at.y + 0.01
        || b.at.y + b.size.height <= a.at.y + 0.01
}

fn holds(outer: &Rect, inner: &Rect) -> bool {
    inner.at.x >= outer.at.x - 0.01
        && inner.at.y >= outer.at.y - 0.01
        && inner.at.x + inner.size.width <= outer.at.x + outer.size.width + 0.01
        && inner.at.y + inner.size.height <= outer.at.y + outer.size.height + 0.01
}

/// Boxes do not lie on each other, and lie in the frames of their bodies and in no other.
fn assert_laid_out(figure: &Figure) {
    let sizes = vec![Size { width: 120.0, height: 40.0 }; figure.steps.len()];
    let layout = layout(figure, &sizes).expect("small enough");
    for (at, one) in layout.boxes.iter().enumerate() {
        assert!(layout.boxes.iter().skip(at + 1).all(|other| apart(one, other)), "{figure:?}");
        assert!(holds(&Rect { at: Default::default(), size: layout.size }, one), "{figure:?}");
    }
    for (step, frame) in &layout.frames {
        let inside: Vec<usize> = around(figure, *step);
        for (at, rect) in layout.boxes.iter().enumerate() {
            assert!(if inside.contains(&at) { holds(frame, rect) } else { apart(frame, rect) }, "{at} {figure:?}");
        }
    }
    assert_eq!(layout.ways.len(), figure.edges.len());
    assert!(
        layout.ways.iter().all(|(_, way)| way.len() >= 2 && way.iter().all(|p| p.x.is_finite() && p.y.is_finite()))
    );
}

/// The steps in a body, however deep, and its head.
fn around(figure: &Figure, head: usize) -> Vec<usize> {
    let index = |id: &str| figure.steps.iter().position(|step| step.id == id);
    let is_in = |step: usize| {
        let outer = |at: &usize| figure.steps[*at].within.as_deref().and_then(index);
        std::iter::successors(Some(step), outer).any(|at| at == head)
    };
    (0..figure.steps.len()).filter(|step| is_in(*step)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_definition_is_drawn(definition in definition()) {
        let figure = figure(&definition);
        assert_laid_out(&figure);
        assert_harmless(&svg(&figure).expect("small enough"));
        let text = tree(&figure, Colour::Off);
        for step in &figure.steps {
            let lines = text.lines().filter(|line| ["● ", "◆ "].iter().any(|mark| line.contains(&format!("{mark}{} ", step.id)))).count();
            prop_assert_eq!(lines, 1, "{} in\n{}", &step.id, text);
        }
        let text = mermaid(&figure);
        let lines = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
        prop_assert_eq!(lines("  subgraph "), lines("  end"));
        // What may be run is among what can be drawn: it has as many steps and edges in the picture.
        if let Ok(checked) = check("w", 1, &definition) {
            prop_assert_eq!(figure.steps.len(), checked.workflow.steps.len());
        }
    }
}
