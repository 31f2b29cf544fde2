//! `parallel` and `loop` (semantics C7-C13).

use super::Reader;
use crate::definition::link::Targets;
use crate::definition::{LoopRule, LoopSource, ParallelRule};
use serde_json::Value;

/// `maxIterations` (limit `loop_items`), unless the step says otherwise.
const ITERATIONS: u32 = 1_000;
/// What it may say at most: the ceiling of the limits page.
const MOST_ITERATIONS: u32 = 100_000;
/// Iterations or branches at once: each holds its place in memory.
const MOST_AT_ONCE: u32 = 1_000;

impl Reader<'_, '_> {
    pub fn parallel(&mut self, targets: &Targets<'_>) -> Option<ParallelRule> {
        self.known(&["branches", "maxConcurrency"]);
        let max_concurrency = self.count("maxConcurrency", MOST_AT_ONCE);
        let mut branches = Vec::new();
        match self.get("branches") {
            None => {}
            Some(Value::Array(list)) if list.is_empty() => {
                return self.fault("branches", "missing", "`branches` is empty; it needs at least one branch");
            }
            Some(Value::Array(list)) => {
                for (at, branch) in list.iter().enumerate() {
                    let exits = targets.exits(Some(branch), &format!("config/branches/{at}"), self.findings);
                    if exits.targets.is_empty() {
                        let pointer = format!("{}/{at}", self.pointer("branches"));
                        self.findings.fault(pointer, "missing", "a branch is a step id, or a list of step ids");
                    }
                    branches.push(exits);
                }
                self.check_first_steps(&branches);
            }
            Some(_) => {
                let message =
                    "`branches` is a list; each branch is a step id, or a list of step ids that start together";
                return self.fault("branches", "wrong_type", message);
            }
        }
        if branches.is_empty() && self.step.next.is_none_or(Value::is_null) {
            let pointer = self.step.pointer("next");
            self.findings.warn(
                pointer,
                "no_effect",
                "a parallel step without `next` or `config.branches` starts nothing",
            );
        }
        Some(ParallelRule { branches, max_concurrency })
    }

    /// The result is keyed by each branch's first step: these have to differ.
    fn check_first_steps(&mut self, branches: &[crate::definition::Exits]) {
        let mut seen = std::collections::HashSet::new();
        for (at, branch) in branches.iter().enumerate() {
            if branch.targets.first().is_some_and(|first| !seen.insert(*first)) {
                let pointer = format!("{}/{at}", self.pointer("branches"));
                let message = "two branches begin with the same step; their results are kept under its id";
                self.findings.fault(pointer, "duplicate_id", message);
            }
        }
    }

    pub fn loop_rule(&mut self, targets: &Targets<'_>) -> Option<LoopRule> {
        self.known(&[
            "items",
            "while",
            "condition",
            "maxIterations",
            "overflow",
            "concurrency",
            "continueOnError",
            "done",
        ]);
        let source = self.loop_source();
        let max_iterations = self.count("maxIterations", MOST_ITERATIONS).unwrap_or(ITERATIONS);
        let concurrency = self.count("concurrency", MOST_AT_ONCE).unwrap_or(1);
        let truncate = match self.get("overflow").map(Value::as_str) {
            None | Some(Some("fail")) => false,
            Some(Some("truncate")) => true,
            Some(_) => {
                let _: Option<()> = self.fault("overflow", "out_of_range", "`overflow` is \"fail\" or \"truncate\"");
                false
            }
        };
        let continue_on_error = self.boolean("continueOnError");
        let done = targets.exits(self.get("done"), "config/done", self.findings);
        let source = source?;
        if concurrency > 1 && matches!(source, LoopSource::While(_)) {
            let pointer = self.pointer("concurrency");
            let message = "each round of a loop with a condition needs the one before it: they run one by one";
            self.findings.warn(pointer, "no_effect", message);
        }
        if self.step.next.is_none_or(Value::is_null) {
            let message = "this loop has no body: `next` names its first step; the results are the items themselves";
            self.findings.warn(self.step.pointer("next"), "no_effect", message);
        }
        let concurrency = if matches!(source, LoopSource::While(_)) { 1 } else { concurrency };
        Some(LoopRule { source, max_iterations, truncate, concurrency, continue_on_error, done })
    }

    fn loop_source(&mut self) -> Option<LoopSource> {
        let conditions = [
            (self.step.pointer("condition"), self.step.condition_value()),
            (self.pointer("while"), self.get("while")),
            (self.pointer("condition"), self.get("condition")),
        ];
        let mut conditions = conditions.into_iter().filter_map(|(pointer, value)| Some((pointer, value?)));
        match (self.get("items"), conditions.next(), conditions.next()) {
            (Some(_), Some((pointer, _)), _) | (None, Some(_), Some((pointer, _))) => {
                let message = "a loop has either `config.items` or one condition, not both";
                self.findings.fault(pointer, "ambiguous", message);
                None
            }
            (Some(Value::String(source)), None, _) => {
                let pointer = self.pointer("items");
                self.expression(&pointer, source).map(LoopSource::Items)
            }
            (Some(literal @ (Value::Array(_) | Value::Object(_))), None, _) => {
                self.template("items", literal).map(LoopSource::Literal)
            }
            (Some(_), None, _) => {
                self.fault("items", "wrong_type", "`items` is an expression, or a literal list or object")
            }
            (None, Some((pointer, Value::String(source))), None) => {
                self.expression(&pointer, source).map(LoopSource::While)
            }
            (None, Some((pointer, _)), None) => {
                self.findings.fault(pointer, "wrong_type", "a loop's condition is an expression string");
                None
            }
            (None, None, _) => self.fault("items", "missing", "a loop needs `config.items`, or a `condition`"),
        }
    }
}
