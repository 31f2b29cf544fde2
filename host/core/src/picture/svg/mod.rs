//! The picture as SVG: one document without scripts and without anything from elsewhere.

mod edges;
pub(in crate::picture) mod paper;
mod signs;
mod steps;
mod style;

use super::TooLarge;
use super::layout::{END, Layout, Point, Rect, Size, layout};
use super::model::{Edge, EdgeKind, Figure, Shape, Status, Story};
use super::text::{clean, counted, duration, width};
use paper::{Paper, n};
use std::collections::{BTreeMap, HashMap};
pub(super) use steps::{badge, counts};

/// Round the drawing.
const MARGIN: f64 = 28.0;
/// For the title above it, and for a line about the execution.
const TITLE: f64 = 60.0;
const OUTCOME: f64 = 24.0;
/// Longest title, in cells.
const TITLE_CELLS: usize = 70;
/// Steps that the text alternative names.
const NAMED: usize = 60;

/// Draws a figure.
///
/// # Errors
/// [`TooLarge`]; Mermaid and JSON have no such limit.
pub fn svg(figure: &Figure) -> Result<String, TooLarge> {
    let sizes: Vec<Size> = figure.steps.iter().map(|step| steps::size(step, figure.execution.is_some())).collect();
    let layout = layout(figure, &sizes)?;
    let legend = legend(figure);
    let heading = heading(figure);
    let top = TITLE + if figure.execution.is_some() { OUTCOME } else { 0.0 };
    let bottom = if legend.is_empty() { 0.0 } else { 34.0 };
    let wide = (width(&heading.0) as f64 * 10.5).max(width(&heading.1) as f64 * 7.0).max(if legend.is_empty() {
        0.0
    } else {
        460.0
    });
    let size = Size {
        width: layout.size.width.max(wide) + 2.0 * MARGIN,
        height: layout.size.height + top + bottom + 2.0 * MARGIN,
    };
    let mut paper = Paper::default();
    begin(&mut paper, size, (&heading.0, &alternative(figure)));
    title(&mut paper, figure, &heading);
    let shift = Point { x: (size.width - layout.size.width) / 2.0, y: MARGIN + top };
    paper.put(format_args!("<g transform=\"translate({} {})\">", n(shift.x), n(shift.y)));
    draw(&mut paper, figure, &layout);
    paper.raw("</g>");
    signs_told(&mut paper, &legend, size.height - MARGIN - 14.0);
    paper.raw("</svg>\n");
    Ok(paper.finish())
}

fn signs_told(paper: &mut Paper, legend: &[Status], y: f64) {
    let mut x = MARGIN;
    for status in legend {
        steps::badge(paper, Point { x, y }, *status);
        paper.text(Point { x: x + 21.0, y: y + 12.0 }, "small muted", status.word());
        x += 40.0 + width(status.word()) as f64 * 6.6;
    }
}

/// The start of a document; `about`: its title and its description for those who do not see it.
pub(in crate::picture) fn begin(paper: &mut Paper, size: Size, about: (&str, &str)) {
    let (width, height) = (size.width.ceil(), size.height.ceil());
    paper.put(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\" aria-labelledby=\"picture-title picture-text\">"
    ));
    let (title, text) = (super::text::xml(about.0), super::text::xml(about.1));
    paper.put(format_args!("<title id=\"picture-title\">{title}</title><desc id=\"picture-text\">{text}</desc>"));
    paper.raw("<style>").raw(&style::style()).raw("</style>");
    paper.rect(Rect { at: Point::default(), size: Size { width, height } }, "bg", 0.0);
}

/// The two lines above a picture.
fn heading(figure: &Figure) -> (String, String) {
    let about = &figure.workflow;
    let steps = counted(figure.steps.len() as u64, "step");
    let below = match &figure.execution {
        None => format!("{} · revision {} · {steps}", about.id, about.revision),
        Some(story) => format!("{} · {} revision {} · {steps}", story.id, about.id, about.revision),
    };
    (clean(&about.name, TITLE_CELLS), clean(&below, TITLE_CELLS + 30))
}

fn title(paper: &mut Paper, figure: &Figure, (first, second): &(String, String)) {
    paper.text(Point { x: MARGIN, y: MARGIN + 14.0 }, "h1", first);
    paper.text(Point { x: MARGIN, y: MARGIN + 34.0 }, "h2 muted", second);
    if let Some(story) = &figure.execution {
        outcome(paper, story, Point { x: MARGIN, y: MARGIN + 44.0 });
    }
}

/// How an execution is, as a line with its badge.
pub(in crate::picture) fn outcome(paper: &mut Paper, story: &Story, at: Point) {
    let status = story.step_status();
    steps::badge(paper, at, status);
    let reason = story.error.as_ref().map(|error| format!(" · {error}")).unwrap_or_default();
    let state = story.state.replace('_', " ");
    let text = clean(&format!("{state} · {}{reason}", duration(story.duration_ms)), TITLE_CELLS + 20);
    paper.put(format_args!("<g class=\"s-{}\">", status.word()));
    paper.text(Point { x: at.x + 21.0, y: at.y + 12.0 }, "h2 state strong", &text).raw("</g>");
}

/// The statuses that occur, for who meets their signs for the first time.
fn legend(figure: &Figure) -> Vec<Status> {
    let seen = figure.steps.iter().filter_map(|step| step.progress.as_ref()).map(|progress| progress.status);
    let by_word: BTreeMap<&str, Status> = seen.map(|status| (status.word(), status)).collect();
    by_word.into_values().collect()
}

/// The picture in words.
fn alternative(figure: &Figure) -> String {
    let one = |step: &Shape| {
        let status = step.progress.as_ref().map(|progress| format!(", {}", progress.status.word())).unwrap_or_default();
        format!("{} ({}{status})", clean(&step.name, 40), clean(&step.kind, 12))
    };
    let named: Vec<String> = figure.steps.iter().take(NAMED).map(one).collect();
    let rest = figure.steps.len().saturating_sub(NAMED);
    let rest = if rest > 0 { format!("; and {rest} more") } else { String::new() };
    format!("{}: {}{rest}", counted(figure.steps.len() as u64, "step"), named.join("; "))
}

fn draw(paper: &mut Paper, figure: &Figure, layout: &Layout) {
    for (step, rect) in &layout.frames {
        let half = layout.boxes.get(*step).map_or(0.0, |head| head.size.height / 2.0);
        let at = Point { x: rect.at.x, y: rect.at.y + half };
        let size = Size { width: rect.size.width, height: rect.size.height - half };
        paper.rect(Rect { at, size }, "frame", 16.0);
    }
    let by_id: HashMap<&str, &Shape> = figure.steps.iter().map(|step| (step.id.as_str(), step)).collect();
    for (edge, way) in &layout.ways {
        let Some(edge) = figure.edges.get(*edge) else { continue };
        paper.raw(if by_id.get(edge.from.as_str()).is_some_and(|from| is_inside(from, edge)) {
            "<g class=\"frames\">"
        } else {
            "<g>"
        });
        edges::draw(paper, edge, way, is_off(edge, &by_id));
        paper.raw("</g>");
    }
    for end in &layout.ends {
        let (x, y, r) = (n(end.x), n(end.y), n(END / 2.0 - 1.0));
        paper.put(format_args!("<g><title>the next one, or the end of the body</title><circle class=\"mark\" cx=\"{x}\" cy=\"{y}\" r=\"{r}\"/>"));
        paper.sign(Point { x: end.x - 8.0, y: end.y - 8.0 }, "sign edge", signs::AGAIN).raw("</g>");
    }
    for (step, rect) in figure.steps.iter().zip(&layout.boxes) {
        steps::draw(paper, step, *rect);
    }
}

/// Whether an edge lies on the ground of a frame.
fn is_inside(from: &Shape, edge: &Edge) -> bool {
    from.within.is_some() || edge.kind.enters()
}

/// Whether an execution did not take this way, or has not yet.
fn is_off(edge: &Edge, by_id: &HashMap<&str, &Shape>) -> bool {
    let progress = |id: &str| by_id.get(id).and_then(|step| step.progress.as_ref());
    let (Some(from), Some(to)) = (progress(&edge.from), progress(&edge.to)) else { return false };
    let chosen = match (edge.kind, from.outcome) {
        (EdgeKind::Next, Some(outcome)) => outcome,
        (EdgeKind::Else, Some(outcome)) => !outcome,
        (EdgeKind::OnError, _) => from.status == Status::Failed,
        _ => true,
    };
    !chosen || from.runs == 0 || to.runs == 0
}
