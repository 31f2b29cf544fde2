//! What is printed, and what is written for programs.

use serde_json::{Value, json};

/// What a figure is to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    AtMost(f64),
    AtLeast(f64),
}

impl Target {
    fn is_met(self, figure: f64) -> bool {
        match self {
            Self::AtMost(most) => figure <= most,
            Self::AtLeast(least) => figure >= least,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(most) => format!("<= {}", short(most)),
            Self::AtLeast(least) => format!(">= {}", short(least)),
        }
    }
}

/// One figure, and what it is held against.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// With its unit.
    pub ours: (f64, String),
    /// In the same unit, from the same run.
    pub against: Option<(String, f64)>,
    /// Of the ratio, or, without anything to hold it against, of the figure itself.
    pub target: Option<Target>,
}

impl Row {
    /// A figure on its own.
    pub fn of(name: impl Into<String>, ours: f64, unit: &str) -> Self {
        Self { name: name.into(), ours: (ours, unit.to_owned()), against: None, target: None }
    }

    /// Against something.
    #[must_use]
    pub fn against(self, what: impl Into<String>, figure: f64) -> Self {
        Self { against: Some((what.into(), figure)), ..self }
    }

    /// With a target.
    #[must_use]
    pub fn target(self, target: Target) -> Self {
        Self { target: Some(target), ..self }
    }

    fn ratio(&self) -> Option<f64> {
        self.against.as_ref().map(|(_, figure)| self.ours.0 / figure)
    }

    fn is_met(&self) -> Option<bool> {
        self.target.map(|target| target.is_met(self.ratio().unwrap_or(self.ours.0)))
    }

    fn json(&self) -> Value {
        let against = self.against.as_ref().map(|(what, figure)| json!({"what": what, "figure": figure}));
        let (figure, unit) = &self.ours;
        let target = self.target.map(Target::text);
        json!({"bench": self.name, "figure": figure, "unit": unit, "against": against, "ratio": self.ratio(),
               "target": target, "met": self.is_met()})
    }

    fn cells(&self) -> [String; 6] {
        let (figure, unit) = &self.ours;
        let against = self.against.as_ref().map(|(what, figure)| format!("{what}: {} {unit}", short(*figure)));
        let met = self.is_met().map(|met| if met { "yes" } else { "**no**" });
        [
            self.name.clone(),
            format!("{} {unit}", short(*figure)),
            against.unwrap_or_default(),
            self.ratio().map(short).unwrap_or_default(),
            self.target.map(Target::text).unwrap_or_default(),
            met.unwrap_or_default().to_owned(),
        ]
    }
}

/// Three digits that count.
fn short(figure: f64) -> String {
    match figure.abs() {
        large if large >= 100.0 => format!("{figure:.0}"),
        middle if middle >= 10.0 => format!("{figure:.1}"),
        small if small >= 1.0 => format!("{figure:.2}"),
        _ => format!("{figure:.3}"),
    }
}

/// A table in Markdown.
pub fn table(rows: &[Row]) -> String {
    let head = ["bench", "figure", "against", "ratio", "target", "met"].map(str::to_owned);
    let mut all = vec![head];
    all.extend(rows.iter().map(Row::cells));
    let width = |column: usize| all.iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    let line = |cells: &[String; 6]| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!(" {cell:width$} "));
        format!("|{}|\n", cells.collect::<Vec<_>>().join("|"))
    };
    let rule: String = widths.iter().map(|width| format!("|{}", "-".repeat(width + 2))).collect();
    let mut lines = all.iter().map(line);
    let head = lines.next().unwrap_or_default();
    format!("{head}{rule}|\n{}", lines.collect::<String>())
}

/// All of it, with where and what it was measured on.
pub fn json(machine: &Value, rows: &[Row]) -> Value {
    json!({"machine": machine, "rows": rows.iter().map(Row::json).collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_holds_the_ratio_where_there_is_one() {
        let row = Row::of("a", 5.0, "ms").target(Target::AtMost(1.3));
        assert_eq!(row.is_met(), Some(false));
        assert_eq!(row.clone().against("floor", 4.0).is_met(), Some(true));
        assert_eq!(row.against("floor", 4.0).target(Target::AtLeast(1.3)).is_met(), Some(false));
    }

    #[test]
    fn the_table_is_markdown() {
        let rows =
            [Row::of("a", 1234.5, "/s"), Row::of("b", 0.5, "ms").against("floor", 0.25).target(Target::AtMost(1.0))];
        let table = table(&rows);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 4, "{table}");
        assert!(lines.iter().all(|line| line.len() == lines[0].len() && line.matches('|').count() == 7), "{table}");
        assert!(lines[3].contains("0.500 ms") && lines[3].contains("2.00") && lines[3].contains("**no**"), "{table}");
    }
}
