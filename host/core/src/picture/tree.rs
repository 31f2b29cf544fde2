//! The picture for a terminal: a tree. A step stands below the one that every way to it passes (its dominator): what follows stands under it,
//! branches are indented, and what several branches lead to stands after them all.

use super::model::{Edge, EdgeKind, Figure, Places, Progress, Shape, Status, Story};
use super::svg::counts;
use super::text::{clean, counted, duration, width};
use crate::graph::dominators;
use std::collections::HashSet;

/// Whether the terminal gets colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Plain text.
    Off,
    /// With escape sequences of ours; never of a tenant's.
    On,
}

/// Longest id, in cells.
const NAME: usize = 48;
/// Longest text beside it.
const DETAIL: usize = 72;
/// Longest message of an error.
const MESSAGE: usize = 160;
/// Columns of indentation; branches inside of so many branches stand below each other.
const INDENT: usize = 60;
/// Where the text beside the ids begins, at most.
const COLUMN: usize = 56;

/// Draws a figure as lines of text.
#[must_use]
pub fn tree(figure: &Figure, colour: Colour) -> String {
    let mut lines = Lines { colour, all: Vec::new() };
    lines.heading(figure);
    Walk::new(figure).run(&mut lines);
    lines.finish()
}

/// A line: what is aligned on the left, and what on the right.
struct Line {
    /// `(text, style)`
    left: Vec<(String, Style)>,
    right: Vec<(String, Style)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Bold,
    Dim,
    Of(Status),
}

impl Style {
    /// The escape sequence that begins it.
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "\u{1b}[1m",
            Self::Dim | Self::Of(Status::Pending | Status::Skipped) => "\u{1b}[2m",
            Self::Of(Status::Running) => "\u{1b}[34m",
            Self::Of(Status::Waiting | Status::Cancelled) => "\u{1b}[33m",
            Self::Of(Status::Completed) => "\u{1b}[32m",
            Self::Of(Status::Failed) => "\u{1b}[31m",
        }
    }
}

struct Lines {
    colour: Colour,
    all: Vec<Line>,
}

impl Lines {
    fn push(&mut self, left: Vec<(String, Style)>, right: Vec<(String, Style)>) {
        self.all.push(Line { left, right });
    }

    fn heading(&mut self, figure: &Figure) {
        let about = &figure.workflow;
        let (name, id) = (clean(&about.name, DETAIL), clean(&about.id, NAME));
        let rest = format!("  {id}, revision {}, {}", about.revision, counted(figure.steps.len() as u64, "step"));
        self.push(vec![(name, Style::Bold), (rest, Style::Dim)], vec![]);
        if let Some(story) = &figure.execution {
            self.story(story);
        }
        self.push(vec![], vec![]);
    }

    fn story(&mut self, story: &Story) {
        let status = story.step_status();
        let state = clean(&story.state.replace('_', " "), NAME);
        let rest = format!(
            "  {}, {}, since {}",
            clean(&story.id, NAME),
            duration(story.duration_ms),
            clean(&story.started_at, 30)
        );
        self.push(vec![(format!("{} {state}", status.mark()), Style::Of(status)), (rest, Style::Dim)], vec![]);
        if let Some(error) = &story.error {
            self.push(vec![(format!("  {}", clean(error, MESSAGE)), Style::Of(Status::Failed))], vec![]);
        }
    }

    fn finish(self) -> String {
        let of = |parts: &[(String, Style)]| parts.iter().map(|(text, _)| width(text)).sum::<usize>();
        let aligned = self.all.iter().filter(|line| !line.right.is_empty()).map(|line| of(&line.left));
        let column = aligned.max().unwrap_or(0).min(COLUMN);
        let mut out = String::new();
        for line in &self.all {
            for (text, style) in &line.left {
                self.write(&mut out, text, *style);
            }
            if !line.right.is_empty() {
                out.push_str(&" ".repeat(column.saturating_sub(of(&line.left)) + 2));
            }
            for (text, style) in &line.right {
                self.write(&mut out, text, *style);
            }
            out.push('\n');
        }
        out
    }

    fn write(&self, out: &mut String, text: &str, style: Style) {
        let code = if self.colour == Colour::On { style.code() } else { "" };
        out.push_str(code);
        out.push_str(text);
        out.push_str(if code.is_empty() { "" } else { "\u{1b}[0m" });
    }
}

/// What is still to be written.
enum Part {
    /// A step and all that follows it.
    Step(usize, String),
    /// A line.
    Text(String, String),
}

struct Walk<'a> {
    figure: &'a Figure,
    /// For each step its edges `(edge, to)`.
    out: Vec<Vec<(&'a Edge, usize)>>,
    /// For each step those that lead to it.
    before: Vec<Vec<usize>>,
    /// For each step what stands after all its branches.
    after: Vec<Vec<usize>>,
    /// For each step whether it stands in the one branch that leads to it.
    own: Vec<bool>,
    reached: Vec<bool>,
}

impl<'a> Walk<'a> {
    fn new(figure: &'a Figure) -> Self {
        let steps = figure.steps.len();
        let mut out = vec![Vec::new(); steps];
        let mut before = vec![Vec::new(); steps];
        for (edge, from, to) in Places::of(figure).edges {
            let Some(edge) = figure.edges.get(edge) else { continue };
            out[from].push((edge, to));
            if !edge.ends_round {
                before[to].push(from);
            }
        }
        before.iter_mut().for_each(|list| {
            list.sort_unstable();
            list.dedup();
        });
        let plain = |edges: &Vec<(&Edge, usize)>| -> Vec<usize> {
            edges.iter().filter(|(edge, _)| !edge.ends_round).map(|(_, to)| *to).collect()
        };
        let plain: Vec<Vec<usize>> = out.iter().map(plain).collect();
        let above = if plain.is_empty() { Vec::new() } else { dominators::immediate(&plain) };
        let mut after = vec![Vec::new(); steps];
        let mut own = vec![false; steps];
        let mut reached = vec![false; steps];
        for step in order(&plain) {
            reached[step] = true;
            let Some(above) = above.get(step).copied().flatten() else { continue };
            own[step] = before[step].iter().all(|from| *from == above || *from == step);
            if !own[step] {
                after[above].push(step);
            }
        }
        Self { figure, out, before, after, own, reached }
    }

    fn run(&self, lines: &mut Lines) {
        let mut open = Vec::new();
        let lost = (0..self.figure.steps.len()).rev().filter(|step| *step > 0 && !self.reached[*step]);
        let lost: Vec<usize> = lost.collect();
        open.extend(lost.iter().map(|step| Part::Step(*step, "  ".to_owned())));
        if !lost.is_empty() {
            open.push(Part::Text(String::new(), "nothing leads to:".to_owned()));
        }
        if !self.figure.steps.is_empty() {
            open.push(Part::Step(0, String::new()));
        }
        let mut written = HashSet::new();
        while let Some(part) = open.pop() {
            match part {
                Part::Text(prefix, text) => lines.push(vec![(prefix + &text, Style::Dim)], vec![]),
                Part::Step(step, prefix) => {
                    if written.insert(step) {
                        self.line(step, &prefix, lines);
                        self.follow(step, &below(&prefix), &mut open);
                    }
                }
            }
        }
    }

    /// What follows a step: its branches, then the way on, then what the branches have in common.
    fn follow(&self, step: usize, prefix: &str, open: &mut Vec<Part>) {
        let mut parts = Vec::new();
        let main = self.way_on(step);
        let aside: Vec<&(&Edge, usize)> =
            self.out[step].iter().filter(|(edge, _)| main.is_none_or(|(main, _)| !std::ptr::eq(main, *edge))).collect();
        for (place, (edge, to)) in aside.iter().enumerate() {
            let last = place + 1 == aside.len() && main.is_none();
            self.branch(step, (edge, *to), (prefix, last), &mut parts);
        }
        match main {
            Some((edge, to)) if self.leads_on(step, edge, to) => parts.push(Part::Step(to, prefix.to_owned())),
            // What comes next in the text needs no arrow.
            Some((_, to)) if self.after[step].first() == Some(&to) => {}
            Some((edge, to)) => parts.push(Part::Text(prefix.to_owned(), self.arrow(edge, to))),
            None => {}
        }
        parts.extend(self.after[step].iter().map(|join| Part::Step(*join, prefix.to_owned())));
        open.extend(parts.into_iter().rev());
    }

    /// The one way on, if there is one and not several: it is not indented.
    fn way_on(&self, step: usize) -> Option<(&'a Edge, usize)> {
        let is_main = |(edge, _): &&(&'a Edge, usize)| match edge.kind {
            EdgeKind::Next => edge.label.is_empty(),
            EdgeKind::Done => true,
            EdgeKind::Else | EdgeKind::OnError | EdgeKind::OnTimeout | EdgeKind::Body | EdgeKind::Branch => false,
        };
        let mut main = self.out[step].iter().filter(is_main);
        main.next().filter(|_| main.next().is_none()).copied()
    }

    fn leads_on(&self, from: usize, edge: &Edge, to: usize) -> bool {
        let first = self.out[from].iter().find(|(edge, other)| *other == to && !edge.ends_round);
        !edge.ends_round && to != from && self.own[to] && first.is_some_and(|(first, _)| std::ptr::eq(*first, edge))
    }

    fn branch(&self, step: usize, (edge, to): (&Edge, usize), (prefix, last): (&str, bool), parts: &mut Vec<Part>) {
        let (corner, under) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let label = self.label(edge);
        let deep = width(prefix) > INDENT;
        let (head, under) = if deep {
            (format!("{prefix}┆ "), prefix.to_owned())
        } else {
            (format!("{prefix}{corner}"), format!("{prefix}{under}"))
        };
        if !self.leads_on(step, edge, to) {
            let gap = if label.is_empty() { "" } else { " " };
            parts.push(Part::Text(head, format!("{label}{gap}{}", self.arrow(edge, to))));
        } else if label.is_empty() {
            parts.push(Part::Step(to, head));
        } else {
            parts.push(Part::Text(head, label));
            parts.push(Part::Step(to, under));
        }
    }

    fn label(&self, edge: &Edge) -> String {
        if edge.label.is_empty() && edge.kind.enters() { "each".to_owned() } else { clean(&edge.label, 16) }
    }

    fn arrow(&self, edge: &Edge, to: usize) -> String {
        let sign = if edge.ends_round { "↻ ends this round" } else { "→" };
        let id = self.figure.steps.get(to).map(|step| clean(&step.id, NAME)).unwrap_or_default();
        if edge.ends_round { sign.to_owned() } else { format!("{sign} {id}") }
    }

    fn line(&self, step: usize, prefix: &str, lines: &mut Lines) {
        let Some(shape) = self.figure.steps.get(step) else { return };
        let id = clean(&shape.id, NAME);
        let mark = match &shape.progress {
            Some(progress) => (progress.status.mark().to_string(), Style::Of(progress.status)),
            None => (if shape.kind == "condition" { "◆" } else { "●" }.to_owned(), Style::Plain),
        };
        let left = vec![(prefix.to_owned(), Style::Dim), mark, (format!(" {id}"), Style::Bold)];
        let mut right = Vec::new();
        if let Some(progress) = &shape.progress {
            right.push((told(shape, progress), Style::Of(progress.status)));
            right.push(("  ".to_owned(), Style::Plain));
        }
        right.push((
            format!("{} {}", clean(&shape.kind, 12), clean(&shape.detail, DETAIL)).trim_end().to_owned(),
            Style::Dim,
        ));
        if !self.own[step] && self.before[step].len() > 1 {
            right.push((format!("  joins {}", self.names(&self.before[step])), Style::Dim));
        }
        lines.push(left, right);
        if let Some(error) = shape.progress.as_ref().and_then(|progress| progress.error.as_ref()) {
            let text = clean(error, MESSAGE);
            lines.push(vec![(below(prefix), Style::Dim), (format!("  {text}"), Style::Of(Status::Failed))], vec![]);
        }
    }

    fn names(&self, steps: &[usize]) -> String {
        let names = steps.iter().take(4).filter_map(|at| self.figure.steps.get(*at)).map(|step| clean(&step.id, 24));
        let more = steps.len().saturating_sub(4);
        let names = names.collect::<Vec<_>>().join(", ");
        if more > 0 { format!("{names} and {more} more") } else { names }
    }
}

/// What stands below a line that began so.
fn below(prefix: &str) -> String {
    prefix.replace("├─ ", "│  ").replace("└─ ", "   ").replace("┆ ", "  ")
}

/// `completed, 2 attempts, 1.2 s`
fn told(shape: &Shape, progress: &Progress) -> String {
    let mut parts = vec![progress.status.word().to_owned()];
    parts.extend(counts(shape, progress));
    parts.join(", ")
}

/// Steps that can be reached from the first, each after those that lead to it, cycles apart.
fn order(out: &[Vec<usize>]) -> Vec<usize> {
    let mut seen = vec![false; out.len()];
    let mut done = Vec::new();
    let mut stack: Vec<(usize, usize)> = Vec::new();
    if let Some(first) = seen.first_mut() {
        *first = true;
        stack.push((0, 0));
    }
    while let Some((at, next)) = stack.pop() {
        // The last way first, so that the first one comes first once the order is turned round.
        match out[at].iter().rev().nth(next) {
            None => done.push(at),
            Some(to) => {
                stack.push((at, next + 1));
                if !std::mem::replace(&mut seen[*to], true) {
                    stack.push((*to, 0));
                }
            }
        }
    }
    done.reverse();
    done
}
