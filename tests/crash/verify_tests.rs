//! The verifier finds what it is for: an execution as it should be, and each fault by itself.

use crate::ledger::Effect;
use crate::memory::{Known, Memory};
use crate::verify::{Found, Outcome, verify};
use crate::workflows::KINDS;
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

/// What the world knows, what the server says, and the ledger.
struct Scene {
    known: Known,
    found: Found,
    effects: Vec<Effect>,
}

/// Spoils a scene so that the verifier must say this.
type Spoiled = (&'static str, fn(&mut Scene), &'static str);

const SPOILED: [Spoiled; 11] = [
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
];

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
    spoiled.chain([Trial::test("verifier::accepts_what_is_right", good)]).collect()
}
