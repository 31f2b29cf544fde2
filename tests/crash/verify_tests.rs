//! The verifier finds what it is for: an execution as it should be, and each fault by itself.

use crate::ledger::Effect;
use crate::memory::{Known, Memory};
use crate::outside::{Hears, OUTSIDE};
use crate::ticks::{self, Tick};
use crate::verify::{Found, Outcome, verify};
use crate::workflows::{KINDS, Kind};
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What the world knows, what the server says, and the ledger.
struct Scene {
    known: Known,
    found: Found,
    effects: Vec<Effect>,
}

/// Spoils a scene so that the verifier must say this.
type Spoiled = (&'static str, fn(&mut Scene), &'static str);

const SPOILED: [Spoiled; 14] = [
    ("a_failure", |scene| scene.found.status["status"] = json!("failed"), "did not complete"),
    ("a_lost_line", |scene| drop(scene.found.history.pop()), "lines of history were shown"),
    ("a_changed_line", |scene| scene.found.history[1]["output"]["lot"] = json!(0.7), "a line of history was shown as"),
    ("a_changed_end", |scene| scene.found.status["result"] = json!("other"), "shown to have ended"),
    ("a_gap", |scene| scene.found.history[2]["seq"] = json!(7), "gaps"),
    (
        "a_result_recorded_twice",
        |scene| {
            let mut again = scene.found.history[1].clone();
            again["seq"] = json!(scene.found.history.len());
            scene.found.history.push(again);
        },
        "recorded twice",
    ),
    ("a_lost_effect", |scene| drop(scene.effects.pop()), "never reached the ledger"),
    ("a_second_key", |scene| again(scene, |effect| effect.key = "exec-1/f/-/2/1".to_owned()), "has the keys"),
    ("another_content", |scene| again(scene, |effect| effect.body["told"]["d"] = json!(0.9)), "was told"),
    ("a_ghost", |scene| again(scene, |effect| effect.key = "exec-2/f/-/1/1".to_owned()), "worked for the same start"),
    (
        "an_effect_of_a_result_that_was_replaced",
        |scene| {
            scene.known.history.clear();
            scene.found.history[1]["output"]["lot"] = json!(0.7);
        },
        "whose recorded result is",
    ),
    ("a_word_that_nobody_said", |scene| listens(scene, "n/3"), "which nobody said"),
    ("another_word_than_the_acknowledged_one", |scene| listens(scene, "n/1"), "although \"n/2\" was acknowledged"),
    ("an_end_without_the_word", |scene| scene.known.kind = hearing(), "completed without the word"),
];

/// A kind that waits for a word.
fn hearing() -> &'static Kind {
    OUTSIDE.iter().find(|kind| kind.hears == Hears::Event).expect("the kind")
}

/// It was told two words, of which the second was acknowledged, and tells the ledger that it heard this one.
fn listens(scene: &mut Scene, word: &str) {
    (scene.known.kind, scene.known.said.tries) = (hearing(), 2);
    scene.known.said.taken = Some("n/2".to_owned());
    scene.effects[2].body["heard"] = json!(word);
}

/// What the schedule has started, what was shown of it, and the ledger, by occurrence.
struct Clock {
    found: Vec<Tick>,
    shown: BTreeMap<String, String>,
    effects: BTreeMap<String, Vec<Effect>>,
}

/// As above.
type Stopped = (&'static str, fn(&mut Clock), &'static str);

const STOPPED: [Stopped; 7] = [
    (
        "a_second_execution_of_an_occurrence",
        |clock| clock.found.push(tick(59, "exec-9")),
        "has started exec-0 and exec-9",
    ),
    ("an_occurrence_that_is_left_out", |clock| drop(clock.found.remove(1)), "occurrences are missing"),
    ("a_shown_occurrence_that_is_gone", |clock| drop(clock.found.remove(0)), "shown to have started exec-0"),
    ("an_occurrence_that_does_not_end", |clock| clock.found[0].status = "running".to_owned(), "is running"),
    ("an_occurrence_without_effect", |clock| drop(clock.effects.remove(&moment(61))), "has the effects {}"),
    (
        "work_for_another_occurrence",
        |clock| clock.effects.get_mut(&moment(61)).expect("is there")[0].key = "exec-8/t/-/1/1".to_owned(),
        "has the effects {\"exec-8",
    ),
    ("work_for_no_occurrence", |clock| drop(clock.effects.insert(moment(65), Vec::new())), "of which nothing is there"),
];

/// In a minute, second 60 is the next one.
fn moment(second: u32) -> String {
    format!("2026-01-31T08:{:02}:{:02}.000Z", second / 60, second % 60)
}

fn tick(second: u32, id: &str) -> Tick {
    Tick { at: moment(second), id: id.to_owned(), status: "completed".to_owned() }
}

/// Three occurrences, across the end of a minute.
fn clock() -> Clock {
    let found: Vec<_> = (0..3).map(|n| tick(59 + n, &format!("exec-{n}"))).collect();
    let shown = found.iter().take(2).map(|tick| (tick.at.clone(), tick.id.clone())).collect();
    let effect = |tick: &Tick| vec![Effect { key: format!("{}/t/-/1/1", tick.id), body: json!({}) }];
    let effects = found.iter().map(|tick| (tick.at.clone(), effect(tick))).collect();
    Clock { found, shown, effects }
}

fn ticks(spoil: fn(&mut Clock), says: &str) -> Result<(), Failed> {
    let mut clock = clock();
    spoil(&mut clock);
    let faults = ticks::faults(&clock.found, &clock.shown, &clock.effects);
    let is_found = if says.is_empty() { faults.is_empty() } else { faults.iter().any(|fault| fault.contains(says)) };
    if is_found { Ok(()) } else { Err(format!("expected {says:?}, but: {faults:?}").into()) }
}

/// One more effect, almost the same.
fn again(scene: &mut Scene, change: fn(&mut Effect)) {
    let mut effect = scene.effects[0].clone();
    change(&mut effect);
    scene.effects.push(effect);
}

/// An execution of the kind `retry`, as it should be.
fn scene() -> Scene {
    let memory = Memory::default();
    let kind = KINDS.iter().find(|kind| kind.id == "retry").expect("the kind");
    memory.intend("n", kind, 0);
    let status = json!({"executionId": "exec-1", "status": "completed", "result": {"body": "receipt 3"}});
    memory.acknowledged("n", &status);
    let result = |seq: u64, step: &str, output: Value| json!({"seq": seq, "entry": "step_succeeded", "step": step, "run": seq, "output": output});
    let history = vec![
        json!({"seq": 0, "entry": "started"}),
        result(1, "d", json!({"lot": 0.5})),
        result(2, "f", json!({"body": "receipt 2"})),
        result(3, "z", json!({"body": "receipt 3"})),
    ];
    memory.saw_history("n", &history);
    let effect = |step: &str, told: Value| Effect {
        key: format!("exec-1/{step}/-/1/1"),
        body: json!({"name": "n", "told": told}),
    };
    let first = effect("f", json!({"d": 0.5}));
    let effects = vec![first.clone(), first, effect("z", json!({"d": 0.5, "f": "receipt 2"}))];
    let known = memory.all().remove(0).1;
    Scene { known, found: Found { status, history }, effects }
}

fn judge(scene: &Scene) -> Result<Outcome, Vec<String>> {
    verify("n", &scene.known, &scene.found, &scene.effects)
}

fn good() -> Result<(), Failed> {
    let outcome = judge(&scene());
    if outcome == Ok(Outcome::Completed) { Ok(()) } else { Err(format!("{outcome:?}").into()) }
}

fn bad(spoil: fn(&mut Scene), says: &str) -> Result<(), Failed> {
    let mut scene = scene();
    spoil(&mut scene);
    match judge(&scene) {
        Err(faults) if faults.iter().any(|fault| fault.contains(says)) => Ok(()),
        other => Err(format!("expected {says:?}, but: {other:?}").into()),
    }
}

pub fn all() -> Vec<Trial> {
    let spoiled = SPOILED
        .into_iter()
        .map(|(name, spoil, says)| Trial::test(format!("verifier::finds::{name}"), move || bad(spoil, says)));
    let stopped = STOPPED
        .into_iter()
        .map(|(name, spoil, says)| Trial::test(format!("verifier::finds::{name}"), move || ticks(spoil, says)));
    let accepts = Trial::test("verifier::accepts_a_schedule_that_is_right", || ticks(|_| (), ""));
    spoiled.chain(stopped).chain([accepts, Trial::test("verifier::accepts_what_is_right", good)]).collect()
}
