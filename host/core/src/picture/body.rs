//! Which steps are in the body of which loop or parallel step (semantics C7, C8). A step is drawn once: where a path first comes to it.

use super::model::{EdgeKind, Figure, Places};
use std::collections::VecDeque;

/// Fills in `within` and `ends_round`. Linear in steps and edges: each step is entered once.
pub(super) fn find(figure: &mut Figure) {
    let places = Places::of(figure);
    let steps = figure.steps.len();
    let mut out = vec![Vec::new(); steps];
    for (edge, from, to) in &places.edges {
        if let Some(edge) = figure.edges.get(*edge).map(|edge| edge.kind) {
            out[*from].push((edge, *to));
        }
    }
    let framing: Vec<bool> = out.iter().map(|edges| edges.iter().any(|(kind, _)| kind.enters())).collect();
    let within = walk(&out, &framing);
    for (edge, from, to) in &places.edges {
        let Some(edge) = figure.edges.get_mut(*edge) else { continue };
        edge.ends_round =
            !(framing[*from] && edge.kind.enters()) && within[*from].is_some_and(|frame| ends(&out, frame, *to));
    }
    for (step, within) in within.iter().enumerate() {
        let id = within.and_then(|outer| figure.steps.get(outer)).map(|outer| outer.id.clone());
        if let Some(step) = figure.steps.get_mut(step) {
            step.within = id;
        }
    }
}

type Out = [Vec<(EdgeKind, usize)>];

/// Whether a path in the body of `frame` that comes to `to` ends its iteration or branch there.
fn ends(out: &Out, frame: usize, to: usize) -> bool {
    let after = |(kind, target): &(EdgeKind, usize)| *target == to && matches!(kind, EdgeKind::Done | EdgeKind::Next);
    to == frame || out[frame].iter().any(after)
}

fn walk(out: &Out, framing: &[bool]) -> Vec<Option<usize>> {
    let mut within = vec![None; out.len()];
    let mut seen = vec![false; out.len()];
    // The start first; then what nothing leads to.
    for start in 0..out.len() {
        let mut open = VecDeque::from([(start, None)]);
        while let Some((at, frame)) = open.pop_front() {
            if std::mem::replace(&mut seen[at], true) {
                continue;
            }
            within[at] = frame;
            for (kind, to) in &out[at] {
                if framing[at] && kind.enters() {
                    if !ends(out, at, *to) {
                        open.push_back((*to, Some(at)));
                    }
                } else if frame.is_none_or(|frame| !ends(out, frame, *to)) {
                    open.push_back((*to, frame));
                }
            }
        }
    }
    within
}
