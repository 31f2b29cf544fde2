//! What the outside world knows: what was asked for, what was acknowledged, and all that was ever shown. None of it may be taken back.

use crate::workflows::Kind;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// An execution, as the world knows it.
#[derive(Debug, Clone)]
pub struct Known {
    pub kind: &'static Kind,
    /// What it was asked for with; asking again is harmless.
    pub request: Value,
    /// Whether the start was acknowledged, or the event that starts it.
    pub is_acknowledged: bool,
    /// Its id, once it is known.
    pub id: Option<String>,
    /// What it was told.
    pub said: Said,
    /// The longest history that was shown.
    pub history: Vec<Value>,
    /// How it ended, if that was shown.
    pub end: Option<Value>,
    /// All that could be verified was.
    pub is_settled: bool,
}

/// What an execution was told from outside: one of these words, and none but the one that was acknowledged.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// The words that were sent, each `{name}/{n}` with its number from 1.
    pub tries: u32,
    /// The one that was acknowledged.
    pub taken: Option<String>,
    /// The callback that takes nothing any more.
    pub used: Option<String>,
}

#[derive(Default)]
pub struct Memory {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    by_name: BTreeMap<String, Known>,
    answered: BTreeSet<String>,
    /// Occurrences of the schedule, and what was shown to have started for them.
    ticks: BTreeMap<String, String>,
    refused: u64,
    faults: Vec<String>,
}

impl Memory {
    /// Somebody will ask for this.
    pub fn intend(&self, name: &str, kind: &'static Kind, pad: usize) -> Value {
        let input = json!({"name": name, "pad": "#".repeat(pad)});
        let request = json!({"workflowId": kind.id, "input": input, "idempotencyKey": name});
        let known = Known {
            kind,
            request: request.clone(),
            is_acknowledged: false,
            id: None,
            said: Said::default(),
            history: Vec::new(),
            end: None,
            is_settled: false,
        };
        self.lock().by_name.insert(name.to_owned(), known);
        request
    }

    /// A start was acknowledged, perhaps with the end.
    pub fn acknowledged(&self, name: &str, answer: &Value) {
        let id = answer["executionId"].as_str().unwrap_or_default().to_owned();
        let mut inner = self.lock();
        let Some(known) = inner.by_name.get_mut(name) else { return };
        known.is_acknowledged = true;
        let before = known.id.replace(id.clone());
        if id.is_empty() || before.as_ref().is_some_and(|before| *before != id) {
            inner.faults.push(format!("{name}: acknowledged as {id:?}, before as {before:?}"));
        }
        drop(inner);
        self.saw(name, answer);
    }

    /// The event that starts it was acknowledged.
    pub fn published(&self, name: &str) {
        if let Some(known) = self.lock().by_name.get_mut(name) {
            known.is_acknowledged = true;
        }
    }

    /// The next word that this one is told.
    pub fn try_word(&self, name: &str) -> String {
        let mut inner = self.lock();
        let tries = inner.by_name.get_mut(name).map_or(0, |known| {
            known.said.tries += 1;
            known.said.tries
        });
        format!("{name}/{tries}")
    }

    /// A word was acknowledged.
    pub fn taken(&self, name: &str, word: &Value) {
        let mut inner = self.lock();
        let Some(known) = inner.by_name.get_mut(name) else { return };
        let word = word.as_str().unwrap_or_default().to_owned();
        let before = known.said.taken.replace(word.clone());
        if before.as_ref().is_some_and(|before| *before != word) {
            inner.faults.push(format!("{name}: {word:?} was acknowledged, and {before:?} before"));
        }
    }

    /// A callback takes nothing any more.
    pub fn used(&self, name: &str, path: &str) {
        if let Some(known) = self.lock().by_name.get_mut(name) {
            known.said.used = Some(path.to_owned());
        }
    }

    /// An occurrence of the schedule is shown to have started this.
    pub fn ticked(&self, at: &str, id: &str) {
        let mut inner = self.lock();
        let before = inner.ticks.insert(at.to_owned(), id.to_owned());
        if before.as_ref().is_some_and(|before| before != id) {
            inner.faults.push(format!("the occurrence {at} is shown to have started {id}, and {before:?} before"));
        }
    }

    /// All occurrences that were shown.
    pub fn ticks(&self) -> BTreeMap<String, String> {
        self.lock().ticks.clone()
    }

    /// Something was refused, which the server may do.
    pub fn refused(&self) {
        self.lock().refused += 1;
    }

    /// How it stands was shown.
    pub fn saw(&self, name: &str, status: &Value) {
        let Some(end) = end(status) else { return };
        let mut inner = self.lock();
        let Some(known) = inner.by_name.get_mut(name) else { return };
        let before = known.end.replace(end.clone());
        if before.as_ref().is_some_and(|before| *before != end) {
            inner.faults.push(format!("{name}: shown to have ended as {before:?}, now as {end}"));
        }
    }

    /// Its history was shown.
    pub fn saw_history(&self, name: &str, history: &[Value]) {
        let mut inner = self.lock();
        let Some(known) = inner.by_name.get_mut(name) else { return };
        if let Some(fault) = taken_back(&known.history, history) {
            inner.faults.push(format!("{name}: {fault}"));
        } else {
            known.history = history.to_vec();
        }
    }

    /// An answer to an approval was acknowledged.
    pub fn answered(&self, approval: &str) {
        self.lock().answered.insert(approval.to_owned());
    }

    /// An approval is shown as pending.
    pub fn pending(&self, approval: &str) {
        let mut inner = self.lock();
        if inner.answered.contains(approval) {
            inner.faults.push(format!("approval {approval} is pending again, although its answer was acknowledged"));
        }
    }

    pub fn fault(&self, fault: String) {
        self.lock().faults.push(fault);
    }

    pub fn settled(&self, name: &str) {
        if let Some(known) = self.lock().by_name.get_mut(name) {
            (known.is_settled, known.history) = (true, Vec::new());
        }
    }

    pub fn all(&self) -> Vec<(String, Known)> {
        self.lock().by_name.iter().map(|(name, known)| (name.clone(), known.clone())).collect()
    }

    /// What is still to be verified.
    pub fn unsettled(&self) -> Vec<(String, Known)> {
        let mut all = self.all();
        all.retain(|(_, known)| !known.is_settled);
        all
    }

    /// (asked for, refused).
    pub fn sums(&self) -> (usize, u64) {
        let inner = self.lock();
        (inner.by_name.len(), inner.refused)
    }

    pub fn faults(&self) -> Vec<String> {
        self.lock().faults.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a status says of the end; `None`: it goes on.
pub fn end(status: &Value) -> Option<Value> {
    let ended = matches!(status["status"].as_str(), Some("completed" | "failed"));
    ended.then(
        || json!({"status": status["status"], "result": status["result"], "code": status["errorDetails"]["code"]}),
    )
}

/// What of a history that was shown is no longer so.
pub fn taken_back(shown: &[Value], now: &[Value]) -> Option<String> {
    if now.len() < shown.len() {
        return Some(format!("{} lines of history were shown, and {} are there", shown.len(), now.len()));
    }
    let (before, after) = shown.iter().zip(now).find(|(before, after)| before != after)?;
    Some(format!("a line of history was shown as {before}\n  and is now {after}"))
}
