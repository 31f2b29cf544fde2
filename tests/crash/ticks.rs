//! A schedule that fires each second, whatever happens to the server: each occurrence starts one execution, and none is left out.

use crate::api::{Api, must};
use crate::ledger::Effect;
use crate::load::World;
use crate::settle::judge;
use crate::workflows::Pen;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Whoever works for an occurrence tells the ledger so under this name and its moment.
const NAME: &str = "tick ";
/// Executions on one page.
const PAGE: usize = 200;
/// Looks at what has not ended, and the pause between.
const LOOKS: usize = 240;
const PAUSE: Duration = Duration::from_millis(250);

/// An execution of the schedule's workflow.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// The occurrence that started it, `2026-01-31T08:00:00.000Z`.
    pub at: String,
    pub id: String,
    pub status: String,
}

/// The workflow of the schedule.
pub fn definition(pen: &Pen) -> Value {
    let name = format!("'{NAME}' + event.data.scheduledAt");
    let schedule = json!({"type": "schedule", "config": {"cron": "* * * * * *", "catchup": "all"}});
    json!({"id": "ticks", "steps": [pen.write("t", (&name, &[]), "")], "triggers": [schedule]})
}

impl World {
    /// Remembers what the latest occurrences are shown to have started.
    pub fn watch_ticks(&self, api: &Api) -> Result<(), String> {
        if let (200, list) = api.get("/workflows/executions?workflow=ticks&limit=5")? {
            let ticks = ticks(&list);
            let known = ticks.iter().filter(|tick| !tick.at.is_empty());
            known.for_each(|tick| self.memory.ticked(&tick.at, &tick.id));
        }
        Ok(())
    }

    /// In the end: stops the schedule, waits until all that it has started is done, and verifies it. How many occurrences there were.
    pub fn settle_ticks(&self, api: &Api) -> Result<usize, String> {
        must(api.post("/schedules/ticks~0/pause", &json!({})), 200)?;
        let mut found = Vec::new();
        for _ in 0..LOOKS {
            let schedule = must(api.get("/schedules/ticks~0"), 200)?;
            let waits =
                schedule["firings"].as_array().into_iter().flatten().any(|firing| firing["status"] == "waiting");
            found = all(api)?;
            if !waits && found.iter().all(|tick| tick.status != "running" && tick.status != "pending") {
                break;
            }
            std::thread::park_timeout(PAUSE);
        }
        let effects = self.ledger.names(NAME).into_iter().map(|name| {
            let effects = self.ledger.effects(&name);
            (name.trim_start_matches(NAME).to_owned(), effects)
        });
        judge(&faults(&found, &self.memory.ticks(), &effects.collect()))?;
        Ok(found.len())
    }
}

/// All executions of the workflow.
fn all(api: &Api) -> Result<Vec<Tick>, String> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/workflows/executions?workflow=ticks&limit={PAGE}{cursor}");
        let list = must(api.get(&path), 200)?;
        found.extend(ticks(&list));
        match list["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(found),
        }
    }
}

fn ticks(list: &Value) -> Vec<Tick> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let tick = |item: &Value| Tick {
        at: text(&item["trigger"]["scheduledAt"]),
        id: text(&item["executionId"]),
        status: text(&item["status"]),
    };
    list["items"].as_array().into_iter().flatten().map(tick).collect()
}

/// All that is wrong with what was found, after what was shown and what the ledger was told, by occurrence.
pub fn faults(
    found: &[Tick],
    shown: &BTreeMap<String, String>,
    effects: &BTreeMap<String, Vec<Effect>>,
) -> Vec<String> {
    let (mut faults, mut by_moment) = (Vec::new(), BTreeMap::new());
    for tick in found {
        if let Some(other) = by_moment.insert(tick.at.as_str(), tick) {
            faults.push(format!("the occurrence {} has started {} and {}", tick.at, other.id, tick.id));
        }
        if tick.status != "completed" {
            faults.push(format!("{}, of the occurrence {}, is {}", tick.id, tick.at, tick.status));
        }
        let keys: BTreeSet<_> = effects.get(&tick.at).into_iter().flatten().map(|effect| effect.key.as_str()).collect();
        let fits = |key: &&str| key.starts_with(&tick.id);
        if keys.len() != 1 || !keys.iter().all(fits) {
            faults.push(format!("{}, of the occurrence {}, has the effects {keys:?}", tick.id, tick.at));
        }
    }
    let moments: Vec<_> = by_moment.keys().copied().collect();
    let gaps = moments.windows(2).filter(|two| (second(two[0]) + 1) % 86_400 != second(two[1]));
    faults.extend(gaps.map(|two| format!("between {} and {}, occurrences are missing", two[0], two[1])));
    for (at, id) in shown.iter().filter(|(at, id)| by_moment.get(at.as_str()).is_none_or(|tick| tick.id != **id)) {
        faults.push(format!("the occurrence {at} was shown to have started {id}, which is not there"));
    }
    for at in effects.keys().filter(|at| !by_moment.contains_key(at.as_str())) {
        faults.push(format!("somebody worked for the occurrence {at}, of which nothing is there"));
    }
    faults
}

/// The second of the day.
fn second(at: &str) -> u32 {
    let time = at.get(11..19).unwrap_or_default();
    time.split(':').fold(0, |sum, part| sum * 60 + part.parse::<u32>().unwrap_or_default())
}
