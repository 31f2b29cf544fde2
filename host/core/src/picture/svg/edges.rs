//! Edges: curves with arrowheads and labels.

use super::paper::{Paper, n};
use crate::picture::layout::{Point, Rect, Size};
use crate::picture::model::{Edge, EdgeKind};
use crate::picture::text::{clean, width};
use std::fmt::Write as _;

/// Longest label, in cells.
const LABEL: usize = 16;
/// Length of an arrowhead.
const HEAD: f64 = 7.0;

/// Draws one edge; `off`: its way was not taken.
pub(super) fn draw(paper: &mut Paper, edge: &Edge, way: &[Point], off: bool) {
    let (Some(first), Some(last)) = (way.first(), way.last()) else { return };
    // Ways down leave a box at its bottom and enter at a top; ways back leave and enter at a side.
    let down = way.get(1).is_some_and(|next| next.y > first.y) && !sideways(way);
    let class = match edge.kind {
        EdgeKind::OnError => "onError",
        EdgeKind::OnTimeout => "onTimeout",
        EdgeKind::Next | EdgeKind::Else | EdgeKind::Body | EdgeKind::Done | EdgeKind::Branch => "next",
    };
    let path = if down { curve(way) } else { corners(way) };
    paper
        .put(format_args!("<g class=\"{class}{}\"><path class=\"edge\" d=\"{path}\"/>", if off { " off" } else { "" }));
    let (x, y) = (n(last.x), n(last.y));
    let (a, b) = if down { ((-4.2, -HEAD), (4.2, -HEAD)) } else { ((HEAD, -4.2), (HEAD, 4.2)) };
    paper.put(format_args!(
        "<path class=\"head\" d=\"M{x} {y}L{} {}L{} {}Z\"/>",
        n(last.x + a.0),
        n(last.y + a.1),
        n(last.x + b.0),
        n(last.y + b.1)
    ));
    if !edge.label.is_empty() {
        label(paper, edge, place(way, down));
    }
    paper.raw("</g>");
}

fn sideways(way: &[Point]) -> bool {
    matches!(way, [first, second, ..] if (first.y - second.y).abs() < 0.01)
}

fn label(paper: &mut Paper, edge: &Edge, at: Point) {
    let text = clean(&edge.label, LABEL);
    let wide = width(&text) as f64 * 6.6 + 8.0;
    let plate = Rect { at: Point { x: at.x - wide / 2.0, y: at.y - 8.5 }, size: Size { width: wide, height: 16.0 } };
    paper.rect(plate, "plate", 4.0).middle(Point { x: at.x, y: at.y + 4.0 }, "label", &text);
}

/// Where a label disturbs least: on the first part of the way, which is the edge's own.
fn place(way: &[Point], down: bool) -> Point {
    match way {
        [a, b, ..] if down => bezier(*a, *b, 0.47),
        [_, a, ..] => Point { x: a.x, y: a.y - 14.0 },
        _ => Point::default(),
    }
}

/// A point of the curve that [`curve`] draws between two points.
fn bezier(a: Point, b: Point, t: f64) -> Point {
    let middle = f64::midpoint(a.y, b.y);
    let mix = |p0: f64, p1: f64, p2: f64, p3: f64| {
        let s = 1.0 - t;
        s * s * s * p0 + 3.0 * s * s * t * p1 + 3.0 * s * t * t * p2 + t * t * t * p3
    };
    Point { x: mix(a.x, a.x, b.x, b.x), y: mix(a.y, middle, middle, b.y) }
}

/// From top to bottom, upright at every point.
fn curve(way: &[Point]) -> String {
    let mut path = String::new();
    let mut before: Option<Point> = None;
    for at in way {
        let (x, y) = (n(at.x), n(at.y));
        // Writing to a string does not fail.
        let _ = match before {
            None => write!(path, "M{x} {y}"),
            Some(last) if (last.x - at.x).abs() < 0.05 => write!(path, "V{y}"),
            Some(last) => {
                let middle = n(f64::midpoint(last.y, at.y));
                write!(path, "C{} {middle} {x} {middle} {x} {y}", n(last.x))
            }
        };
        before = Some(*at);
    }
    path
}

/// Straight lines with round corners.
fn corners(way: &[Point]) -> String {
    let [first, .., last] = way else { return String::new() };
    let mut path = format!("M{} {}", n(first.x), n(first.y));
    for corner in way.windows(3) {
        let [before, at, after] = corner else { continue };
        let (into, out) = (toward(*at, *before), toward(*at, *after));
        let _ = write!(path, "L{} {}Q{} {} {} {}", n(into.x), n(into.y), n(at.x), n(at.y), n(out.x), n(out.y));
    }
    let _ = write!(path, "L{} {}", n(last.x), n(last.y));
    path
}

/// A little way from one point to another: at most ten, at most half of it.
fn toward(from: Point, to: Point) -> Point {
    let (dx, dy) = (to.x - from.x, to.y - from.y);
    let length = dx.hypot(dy);
    let part = if length > 0.0 { (10.0 / length).min(0.5) } else { 0.0 };
    Point { x: from.x + dx * part, y: from.y + dy * part }
}
