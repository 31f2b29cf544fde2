//! The boxes of steps.

use super::paper::{Paper, n};
use super::signs;
use crate::picture::layout::{Point, Rect, Size};
use crate::picture::model::{Progress, Shape, Status};
use crate::picture::text::{clean, counted, duration, width};

/// Longest line in a box, in cells.
const LINE: usize = 34;
/// Before the text: the sign of the type.
const LEFT: f64 = 46.0;

/// The size of a step's box. `running`: with a line for its progress.
pub(super) fn size(step: &Shape, running: bool) -> Size {
    let name = width(&clean(&step.name, LINE)) as f64 * 8.5;
    let detail = width(&clean(&step.detail, LINE)) as f64 * 6.9;
    let state = if running { width(&progress_line(step)) as f64 * 6.6 + 4.0 } else { 0.0 };
    let badge = if running { 36.0 } else { 0.0 };
    let width = (name + badge).max(detail).max(state) + LEFT + 14.0;
    Size { width: width.clamp(132.0, 350.0), height: if running { 66.0 } else { 48.0 } }
}

/// Draws one.
pub(super) fn draw(paper: &mut Paper, step: &Shape, rect: Rect) {
    let status = step.progress.as_ref().map(|progress| progress.status);
    let kind = if step.kind.bytes().all(|b| b.is_ascii_lowercase()) { clean(&step.kind, 12) } else { String::new() };
    let state = status.map(|status| format!(" s-{}", status.word())).unwrap_or_default();
    let faded = if matches!(status, Some(Status::Skipped | Status::Pending)) { " off" } else { "" };
    paper.put(format_args!("<g class=\"k-{kind}{state}\">")).title(&tooltip(step));
    outline(paper, step, rect, if status.is_some() { "box outline" } else { "box" });
    paper.raw("<g class=\"inner").raw(faded).raw("\">");
    let at = rect.at;
    let middle = at.y + rect.size.height / 2.0;
    tint(paper, Point { x: at.x + 24.0, y: middle });
    paper.sign(Point { x: at.x + 16.0, y: middle - 8.0 }, "sign", signs::kind(&step.kind));
    let line = |y: f64| Point { x: at.x + LEFT, y: at.y + y };
    let two = !step.detail.is_empty();
    let (first, second) = if two { (21.0, 37.0) } else { (29.0, 0.0) };
    paper.text(line(if status.is_some() && !two { 26.0 } else { first }), "name", &clean(&step.name, LINE));
    if two {
        paper.text(line(second), "code muted", &clean(&step.detail, LINE));
    }
    if step.progress.is_some() {
        paper.text(line(54.0), "small state strong", &progress_line(step));
    }
    paper.raw("</g>");
    if let Some(status) = status {
        let inset = if matches!(step.kind.as_str(), "condition" | "human") { 38.0 } else { 24.0 };
        badge(paper, Point { x: at.x + rect.size.width - inset, y: at.y + 8.0 }, status);
    }
    paper.raw("</g>");
}

/// A disc in the colour of the type, faint.
fn tint(paper: &mut Paper, at: Point) {
    paper.put(format_args!("<circle class=\"tint\" opacity=\".13\" cx=\"{}\" cy=\"{}\" r=\"14\"/>", n(at.x), n(at.y)));
}

/// A condition has points, who waits for people round ends, all others round corners.
fn outline(paper: &mut Paper, step: &Shape, rect: Rect, class: &str) {
    let Rect { at, size } = rect;
    if step.kind != "condition" {
        paper.rect(rect, class, if step.kind == "human" { size.height / 2.0 } else { 10.0 });
        return;
    }
    let (right, bottom, middle) = (at.x + size.width, at.y + size.height, at.y + size.height / 2.0);
    let points = [
        (at.x + 14.0, at.y),
        (right - 14.0, at.y),
        (right, middle),
        (right - 14.0, bottom),
        (at.x + 14.0, bottom),
        (at.x, middle),
    ];
    let points = points.map(|(x, y)| format!("{} {}", n(x), n(y)));
    paper.put(format_args!("<path class=\"{class}\" stroke-linejoin=\"round\" d=\"M{}Z\"/>", points.join("L")));
}

/// The sign of a status on a disc of its colour.
pub(in crate::picture) fn badge(paper: &mut Paper, at: Point, status: Status) {
    let (x, y) = (n(at.x + 8.0), n(at.y + 8.0));
    paper.put(format_args!("<g class=\"s-{}\"><circle class=\"state\" cx=\"{x}\" cy=\"{y}\" r=\"8\"/>", status.word()));
    paper.sign(at, "sign cut", signs::status(status)).raw("</g>");
}

/// `completed · 2 attempts · 1.2 s`
fn progress_line(step: &Shape) -> String {
    let Some(progress) = &step.progress else { return String::new() };
    let mut parts = vec![progress.status.word().to_owned()];
    parts.extend(counts(step, progress));
    if progress.status == Status::Failed
        && let Some(code) = progress.error.as_ref().and_then(|error| error.split(": ").next())
    {
        parts.insert(1, code.to_owned());
    }
    clean(&parts.join(" · "), LINE)
}

/// What is worth to be counted: outcome, iterations, runs, attempts, time.
pub(in crate::picture) fn counts(step: &Shape, progress: &Progress) -> Vec<String> {
    let outcome = progress.outcome.map(|outcome| outcome.to_string());
    let iterations = progress.iterations.map(|many| counted(many, "iteration"));
    let runs = (progress.runs > 1).then(|| counted(progress.runs, "run"));
    let attempts = (progress.attempts > 1).then(|| counted(progress.attempts, "attempt"));
    let time = progress.duration_ms.filter(|_| step.kind != "condition" && progress.runs > 0).map(duration);
    [outcome, iterations, runs, attempts, time].into_iter().flatten().collect()
}

/// Everything that is known of a step, for whoever points at it.
fn tooltip(step: &Shape) -> String {
    let mut parts = vec![format!("{} ({}) {}", step.name, step.kind, step.id)];
    parts.extend((!step.detail.is_empty()).then(|| step.detail.clone()));
    if let Some(progress) = &step.progress {
        parts.push(progress.status.word().to_owned());
        parts.extend(counts(step, progress));
        parts.extend(progress.error.clone());
    }
    clean(&parts.join(" · "), 400)
}
