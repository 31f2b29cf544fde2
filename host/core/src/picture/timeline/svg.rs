//! The timeline as SVG.

use super::{Bar, Timeline};
use crate::picture::layout::{Point, Rect, Size};
use crate::picture::model::Status;
use crate::picture::svg::paper::{Paper, n};
use crate::picture::svg::{badge, begin, outcome};
use crate::picture::text::{clean, counted, duration, width};

/// Round the drawing.
const MARGIN: f64 = 28.0;
/// For the title, the outcome and the axis.
const TOP: f64 = 118.0;
/// One bar with its space.
const ROW: f64 = 28.0;
/// The names.
const NAMES: f64 = 240.0;
/// The bars.
const CHART: f64 = 720.0;
/// Right of the bars: how long the last of them took.
const BEHIND: f64 = 150.0;
/// Longest name, in cells.
const NAME: usize = 30;
/// Most lines of the axis.
const TICKS: u64 = 8;

/// Draws a timeline; its size is bounded by its bars.
#[must_use]
pub fn timeline_svg(timeline: &Timeline) -> String {
    let more = if timeline.left_out > 0 { ROW } else { 0.0 };
    let rows = timeline.bars.len() as f64 * ROW;
    let size = Size { width: NAMES + CHART + BEHIND + 2.0 * MARGIN, height: TOP + rows + more + 2.0 * MARGIN };
    let about = &timeline.workflow;
    let title = clean(&about.name, 70);
    let mut paper = Paper::default();
    begin(&mut paper, size, (&format!("{title}: timeline"), &alternative(timeline)));
    paper.raw(PATTERN);
    paper.text(Point { x: MARGIN, y: MARGIN + 14.0 }, "h1", &title);
    let below = format!("{} · {} revision {}", timeline.execution.id, about.id, about.revision);
    paper.text(Point { x: MARGIN, y: MARGIN + 34.0 }, "h2 muted", &clean(&below, 110));
    outcome(&mut paper, &timeline.execution, Point { x: MARGIN, y: MARGIN + 44.0 });
    let scale = Scale { whole: length(timeline) };
    scale.axis(&mut paper, rows);
    for (at, bar) in timeline.bars.iter().enumerate() {
        row(&mut paper, bar, MARGIN + TOP + at as f64 * ROW, &scale);
    }
    if timeline.left_out > 0 {
        let text = format!("and {} later, which are not drawn", counted(timeline.left_out as u64, "run"));
        paper.text(Point { x: MARGIN, y: MARGIN + TOP + rows + 18.0 }, "small muted", &text);
    }
    paper.raw("</svg>\n");
    paper.finish()
}

/// Time in which nothing runs is hatched.
const PATTERN: &str = "<defs><pattern id=\"wait\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
<rect width=\"6\" height=\"6\" class=\"hatch-ground\"/><rect width=\"2\" height=\"6\" class=\"hatch\"/></pattern></defs>";

/// The longest time that is drawn, milliseconds; never 0.
fn length(timeline: &Timeline) -> u64 {
    let last = timeline.bars.iter().map(|bar| bar.to_ms).max().unwrap_or(0);
    last.max(timeline.execution.duration_ms).max(1)
}

/// From milliseconds to places.
struct Scale {
    whole: u64,
}

impl Scale {
    fn x(&self, ms: u64) -> f64 {
        MARGIN + NAMES + ms as f64 / self.whole as f64 * CHART
    }

    fn axis(&self, paper: &mut Paper, rows: f64) {
        let step = tick(self.whole);
        for mark in 0..=self.whole / step {
            let (ms, y) = (mark * step, MARGIN + TOP);
            let x = n(self.x(ms));
            paper.put(format_args!("<path class=\"rule\" d=\"M{x} {}V{}\"/>", n(y - 8.0), n(y + rows)));
            paper.middle(Point { x, y: y - 14.0 }, "small muted", &duration(ms));
        }
    }
}

/// A round time, of which few enough make the whole.
fn tick(whole: u64) -> u64 {
    const SECOND: u64 = 1_000;
    const MINUTE: u64 = 60 * SECOND;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let powers = (0..3).flat_map(|power| [1, 2, 5].map(|n| n * 10u64.pow(power)));
    let small = powers.chain([1, 2, 5, 10, 15, 30].map(|n| n * SECOND));
    let long = [1, 2, 5, 10, 15, 30].map(|n| n * MINUTE).into_iter().chain([1, 2, 3, 6, 12].map(|n| n * HOUR));
    let days = (0..6).flat_map(|power| [1, 2, 5].map(|n| n * 10u64.pow(power) * DAY));
    small.chain(long).chain(days).find(|step| whole / step <= TICKS).unwrap_or(whole)
}

fn row(paper: &mut Paper, bar: &Bar, y: f64, scale: &Scale) {
    paper.put(format_args!("<g class=\"s-{}\">", bar.status.word())).title(&told(bar));
    badge(paper, Point { x: MARGIN, y: y + 3.0 }, bar.status);
    let number = match (bar.path.is_empty(), bar.repeated) {
        (false, _) => clean(&format!(" [{}]", bar.path), NAME / 2),
        (true, true) => format!(" #{}", bar.run),
        (true, false) => String::new(),
    };
    let name = clean(&bar.name, NAME - width(&number));
    paper.text(Point { x: MARGIN + 22.0, y: y + 15.5 }, "name", &format!("{name}{number}"));
    let place = |from: u64, to: u64, least: f64| {
        let (left, right) = (scale.x(from), scale.x(to));
        Rect { at: Point { x: left, y: y + 3.0 }, size: Size { width: (right - left).max(least), height: 16.0 } }
    };
    let end = if bar.moment {
        let x = scale.x(bar.from_ms);
        let points = [(x, y + 3.5), (x + 7.5, y + 11.0), (x, y + 18.5), (x - 7.5, y + 11.0)];
        let points = points.map(|(x, y)| format!("{} {}", n(x), n(y)));
        paper.put(format_args!("<path class=\"state\" d=\"M{}Z\"/>", points.join("L")));
        x + 7.5
    } else {
        let whole = place(bar.from_ms, bar.to_ms, 3.0);
        paper.rect(whole, "wait outline", 3.0);
        for span in &bar.spans {
            paper.put(format_args!("<g class=\"s-{}\">", span.status.word()));
            let time = duration(span.to_ms.saturating_sub(span.from_ms));
            paper.title(&format!("attempt {}: {}, {time}", span.attempt, span.status.word()));
            let mut rect = place(span.from_ms, span.to_ms, 3.0);
            if matches!(span.status, Status::Failed | Status::Cancelled) {
                // Half as high: not everybody sees red.
                rect = Rect { at: Point { y: rect.at.y + 8.0, ..rect.at }, size: Size { height: 8.0, ..rect.size } };
            }
            paper.rect(rect, "state", 3.0).raw("</g>");
        }
        whole.at.x + whole.size.width
    };
    paper.text(Point { x: end + 8.0, y: y + 15.0 }, "small muted halo", &beside(bar)).raw("</g>");
}

/// What stands right of a bar.
fn beside(bar: &Bar) -> String {
    if bar.moment {
        return String::new();
    }
    let time = duration(bar.to_ms.saturating_sub(bar.from_ms));
    match (bar.attempts, bar.status) {
        (2.., _) => format!("{time} · {}", counted(u64::from(bar.attempts), "attempt")),
        (_, Status::Completed) => time,
        (_, status) => format!("{time} · {}", status.word()),
    }
}

fn told(bar: &Bar) -> String {
    let time = duration(bar.to_ms.saturating_sub(bar.from_ms));
    let attempts = counted(u64::from(bar.attempts), "attempt");
    let text = format!("{} ({}), run {}: {}, {attempts}, {time}", bar.name, bar.step, bar.run, bar.status.word());
    clean(&text, 300)
}

/// The picture in words.
fn alternative(timeline: &Timeline) -> String {
    let bars: Vec<String> = timeline.bars.iter().take(60).map(told).collect();
    let rest = timeline.bars.len().saturating_sub(60) + timeline.left_out;
    let rest = if rest > 0 { format!("; and {rest} more") } else { String::new() };
    format!("{}{rest}", bars.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        for (whole, step) in [(1, 1), (9, 2), (700, 100), (4_000, 500), (65_000, 10_000), (86_400_000, 10_800_000)] {
            assert_eq!(tick(whole), step, "{whole}");
        }
        for power in 0..64 {
            let whole = u64::MAX >> power;
            assert!(tick(whole) > 0 && (whole / tick(whole) <= TICKS), "{whole}");
        }
    }
}
