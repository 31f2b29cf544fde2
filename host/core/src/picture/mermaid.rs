//! The picture as Mermaid, for documents that draw it themselves. Linear in steps and edges.

use super::model::{EdgeKind, Figure, Places, Shape, Status};
use super::svg::counts;
use super::text::{clean, mermaid as escaped};
use std::fmt::Write as _;

/// Longest line of a label, in cells.
const LINE: usize = 60;

/// Colours of the statuses, readable on light and on dark paper.
const CLASSES: [(Status, &str); 7] = [
    (Status::Pending, "fill:#f2f4f7,stroke:#98a2b3,color:#475467,stroke-dasharray:4 3"),
    (Status::Running, "fill:#dbe9ff,stroke:#1666d6,color:#0b3d91"),
    (Status::Waiting, "fill:#fff1d6,stroke:#a86400,color:#6b4000"),
    (Status::Completed, "fill:#dcf5e7,stroke:#18794a,color:#0d4a2c"),
    (Status::Failed, "fill:#fde3e1,stroke:#c62f2f,color:#7f1d1d"),
    (Status::Skipped, "fill:#f2f4f7,stroke:#98a2b3,color:#667085,stroke-dasharray:4 3"),
    (Status::Cancelled, "fill:#f5ecd9,stroke:#7d5a1e,color:#5a3f12"),
];

/// Writes a figure as a Mermaid flowchart. Steps are `s0`, `s1`, ... because ids are anything; their names stand in quoted labels.
#[must_use]
pub fn mermaid(figure: &Figure) -> String {
    let places = Places::of(figure);
    let mut out = String::from("flowchart TD\n");
    let title = clean(&figure.workflow.name, LINE);
    // Writing to a string does not fail, here and below.
    let _ = writeln!(out, "  accTitle: {}", escaped(&title));
    write_steps(&mut out, figure, &places.within);
    for (edge, from, to) in &places.edges {
        let Some(edge) = figure.edges.get(*edge) else { continue };
        let label = match (edge.ends_round, edge.label.is_empty()) {
            (false, false) => edge.label.clone(),
            (false, true) => String::new(),
            (true, false) => format!("{}, ends this round", edge.label),
            (true, true) => "ends this round".to_owned(),
        };
        let arrow = match edge.kind {
            EdgeKind::OnError | EdgeKind::OnTimeout => "-.->",
            EdgeKind::Body | EdgeKind::Branch => "==>",
            EdgeKind::Next | EdgeKind::Else | EdgeKind::Done => "-->",
        };
        let label = if label.is_empty() { label } else { format!("|\"{}\"|", escaped(&clean(&label, LINE))) };
        let _ = writeln!(out, "  s{from} {arrow}{label} s{to}");
    }
    write_classes(&mut out, figure);
    out
}

/// Bodies are subgraphs, their steps inside of them; without recursion, because loops nest as deep as a definition is long.
fn write_steps(out: &mut String, figure: &Figure, within: &[Option<usize>]) {
    let mut inside = vec![Vec::new(); figure.steps.len()];
    for (step, outer) in within.iter().enumerate() {
        if let Some(outer) = outer {
            inside[*outer].push(step);
        }
    }
    enum Part {
        Step(usize),
        End,
    }
    let top = (0..figure.steps.len()).filter(|step| within[*step].is_none());
    let mut open: Vec<Part> = top.rev().map(Part::Step).collect();
    while let Some(part) = open.pop() {
        match part {
            Part::End => out.push_str("  end\n"),
            Part::Step(step) => {
                if let Some(shape) = figure.steps.get(step) {
                    let _ = writeln!(out, "  s{step}{}", boxed(shape));
                }
                if !inside[step].is_empty() {
                    let _ = writeln!(out, "  subgraph b{step}[\" \"]");
                    open.push(Part::End);
                    open.extend(inside[step].iter().rev().map(|inner| Part::Step(*inner)));
                }
            }
        }
    }
}

/// A step with the brackets of its type and up to three lines of text.
fn boxed(step: &Shape) -> String {
    let name = escaped(&clean(&step.name, LINE));
    let mut lines = vec![match step.progress.as_ref() {
        None => name,
        Some(progress) => format!("{} {name}", progress.status.mark()),
    }];
    lines.extend((!step.detail.is_empty()).then(|| escaped(&clean(&step.detail, LINE))));
    if let Some(progress) = &step.progress {
        let mut words = vec![progress.status.word().to_owned()];
        words.extend(counts(step, progress));
        lines.push(escaped(&clean(&words.join(" · "), LINE)));
    }
    let (open, close) = match step.kind.as_str() {
        "condition" => ("{{", "}}"),
        "human" => ("([", "])"),
        "wait" | "event" => (">", "]"),
        "workflow" => ("[[", "]]"),
        "loop" | "parallel" => ("[/", "\\]"),
        _ => ("[", "]"),
    };
    format!("{open}\"{}\"{close}", lines.join("<br/>"))
}

fn write_classes(out: &mut String, figure: &Figure) {
    for (status, style) in CLASSES {
        let of = |(at, step): (usize, &Shape)| {
            step.progress.as_ref().filter(|progress| progress.status == status).map(|_| format!("s{at}"))
        };
        let steps: Vec<String> = figure.steps.iter().enumerate().filter_map(of).collect();
        if !steps.is_empty() {
            let word = status.word();
            let _ = writeln!(out, "  classDef {word} {style}\n  class {} {word}", steps.join(","));
        }
    }
}
