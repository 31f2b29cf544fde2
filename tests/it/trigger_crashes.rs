//! `kill -9` again and again while events are published and a schedule fires: each event and each occurrence starts what it starts, once.

use crate::support::{Client, Server};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// At least so many, and more until the schedule has fired often enough: how long they take depends on the machine.
const KILLS: usize = 50;
/// Occurrences of the schedule that the kills have to fall among.
const OCCURRENCES: usize = 8;
/// Each event starts all of these.
const LISTENERS: [&str; 3] = ["listener-0", "listener-1", "listener-2"];

/// `SplitMix64`: the moments of the kills.
struct Chance(u64);

impl Chance {
    /// `STEPWELL_CRASH_SEED`, or another one each time; it is printed.
    fn new() -> Self {
        let given = std::env::var("STEPWELL_CRASH_SEED").ok().map(|seed| seed.parse().expect("a seed is a number"));
        let seed = given.unwrap_or_else(|| RandomState::new().hash_one("seed"));
        eprintln!("kills by STEPWELL_CRASH_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % most as u64).expect("fits")
    }
}

fn deploy(client: &Client, id: &str, trigger: &Value) {
    let steps = json!([{"id": "only", "type": "condition", "condition": "true"}]);
    client.post("/workflows", &json!({"id": id, "steps": steps, "triggers": [trigger]})).ok(201);
}

/// Publishes one event after the other until the server is gone; the ids that were sent, and how many of them were acknowledged.
fn publish(client: &Client, round: usize, acknowledged: &AtomicUsize) -> Vec<String> {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let mut sent = Vec::new();
    for n in 0..200 {
        let id = format!("e-{round}-{n}");
        let body = json!({"type": "order.placed", "source": "shop", "id": id});
        sent.push(id);
        let request = agent.post(format!("{}/events", client.address));
        let answer = request.header("authorization", format!("Bearer {}", client.key)).send_json(&body);
        let Ok(mut answer) = answer else { break };
        let Ok(_) = answer.body_mut().read_json::<Value>() else { break };
        acknowledged.fetch_add(1, Ordering::SeqCst);
    }
    sent
}

/// One round: events are published, and in the midst of it the server is killed. The ids that were sent; all but the last `lost` ones
/// were acknowledged.
fn round(server: &mut Server, nth: usize, chance: &mut Chance) -> (Vec<String>, usize) {
    let (client, acknowledged) = (server.client.clone(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&acknowledged);
    let publishing = std::thread::spawn(move || publish(&client, nth, &count));
    let (events, looks) = (chance.below(8), chance.below(60));
    while acknowledged.load(Ordering::SeqCst) < events && !publishing.is_finished() {
        server.client.get("/healthz").ok(200);
    }
    for _ in 0..looks {
        server.client.get("/healthz").ok(200);
    }
    server.kill();
    (publishing.join().expect("joins"), acknowledged.load(Ordering::SeqCst))
}

/// How many executions there are of a workflow, by what started them: the event's id, or the occurrence.
fn started(client: &Client, workflow: &str, by: &str) -> BTreeMap<String, usize> {
    let (mut counts, mut path) = (BTreeMap::new(), format!("/workflows/executions?workflow={workflow}&limit=200"));
    loop {
        let part = client.get(&path);
        let next = part.link.split(['<', '>']).nth(1).map(str::to_owned);
        for item in part.ok(200)["items"].as_array().expect("a list") {
            let cause = item["trigger"][by].as_str().unwrap_or_else(|| panic!("{item:#}"));
            *counts.entry(cause.to_owned()).or_default() += 1;
        }
        match next {
            Some(next) => path = next,
            None => return counts,
        }
    }
}

/// Asks until everything that follows from this event is there; `None`: there is no such event.
fn settled(client: &Client, id: &str) -> Option<Value> {
    loop {
        let answer = client.get(&format!("/events/{id}"));
        if answer.status == 404 {
            return None;
        }
        let event = answer.ok(200);
        if event["settled"] == true {
            return Some(event);
        }
    }
}

fn every_event_started_its_workflows_once(client: &Client, sent: &[String], acknowledged: &[String]) {
    let kept: Vec<&String> = sent.iter().filter(|id| settled(client, id).is_some()).collect();
    let lost: Vec<_> = acknowledged.iter().filter(|id| !kept.contains(id)).collect();
    assert!(lost.is_empty(), "acknowledged, and not there: {lost:?}");
    let expected: BTreeMap<String, usize> = kept.into_iter().map(|id| (id.clone(), 1)).collect();
    for workflow in LISTENERS {
        assert_eq!(started(client, workflow, "eventId"), expected, "{workflow}");
    }
}

fn every_occurrence_started_its_workflow_once(client: &Client) {
    client.post("/schedules/clock~0/pause", &json!({})).ok(200);
    let waits = |schedule: &Value| {
        schedule["firings"].as_array().expect("a list").iter().any(|firing| firing["status"] == "waiting")
    };
    while waits(&client.get("/schedules/clock~0").ok(200)) {}
    let counts = started(client, "clock", "scheduledAt");
    let seconds: Vec<u32> = counts.keys().map(|at| second_of_the_day(at)).collect();
    let gaps: Vec<_> = seconds.windows(2).filter(|two| (two[0] + 1) % 86_400 != two[1]).collect();
    assert!(gaps.is_empty(), "occurrences are missing: {gaps:?}");
    let twice: Vec<_> = counts.iter().filter(|(_, count)| **count != 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    eprintln!("{} occurrences of the schedule", seconds.len());
    assert!(seconds.len() >= OCCURRENCES, "{seconds:?}");
}

/// Of `2026-01-31T08:00:00.000Z`.
fn second_of_the_day(at: &str) -> u32 {
    at[11..19].split(':').fold(0, |sum, part| sum * 60 + part.parse::<u32>().expect("a number"))
}

#[test]
fn random_kills_start_each_event_and_each_occurrence_exactly_once() {
    let mut chance = Chance::new();
    let mut server = Server::start();
    for id in LISTENERS {
        deploy(&server.client, id, &json!({"type": "event", "config": {"eventType": "order.*"}}));
    }
    deploy(&server.client, "clock", &json!({"type": "schedule", "config": {"cron": "* * * * * *", "catchup": "all"}}));
    let (mut sent, mut acknowledged) = (Vec::new(), Vec::new());
    let mut kills = 0;
    while kills < KILLS || started(&server.client, "clock", "scheduledAt").len() < OCCURRENCES {
        let (ids, count) = round(&mut server, kills, &mut chance);
        acknowledged.extend(ids.iter().take(count).cloned());
        sent.extend(ids);
        server = server.restart();
        kills += 1;
    }
    eprintln!("{kills} kills, {} events sent, {} acknowledged", sent.len(), acknowledged.len());
    every_event_started_its_workflows_once(&server.client, &sent, &acknowledged);
    every_occurrence_started_its_workflow_once(&server.client);
}
