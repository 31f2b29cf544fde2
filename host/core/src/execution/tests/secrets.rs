//! Secrets reach functions, and nothing else (D11).

use super::*;
use crate::failure::code;
use zeroize::Zeroizing;

fn with_secret(workflow: &Workflow) -> World<'_> {
    let value = ("TOKEN".to_owned(), Zeroizing::new("planted".to_owned()));
    World { secrets: [value].into_iter().collect(), ..World::start(workflow, &json!({"k": 1})) }
}

fn step(config: Value) -> Value {
    json!({"id": "a", "type": "function", "function": "a", "config": config})
}

#[test]
fn a_function_gets_the_secrets_that_its_config_names() {
    for (config, expected) in [
        (json!({"input": {"auth": "Bearer {{ secrets.TOKEN }}"}}), json!({"auth": "Bearer planted"})),
        (json!({"input": "secrets.TOKEN"}), json!("planted")),
        (json!({"key": "{{ secrets['TOKEN'] }}"}), json!({"k": 1, "key": "planted"})),
    ] {
        let w = workflow(&json!([step(config)]));
        let mut world = with_secret(&w);
        world.run(|| 0, &|_, given, _| {
            assert_eq!(given, &expected);
            Ok(json!("done"))
        });
        let kept = format!("{:?} {:?} {}", world.execution, world.journal, world.view());
        assert!(!kept.contains("planted"), "{kept}");
    }
}

#[test]
fn a_secret_that_is_not_set_is_a_permanent_failure_that_names_it() {
    let w = workflow(&json!([step(json!({"key": "{{ input.no ? secrets.OTHER : 1 }}", "retries": 3}))]));
    let mut world = with_secret(&w);
    world.run(|| 0, &|_, _, _| panic!("it is not called"));
    assert_eq!((world.error_code(), world.view()["steps"]["a"]["attempts"].as_u64()), (code::UNKNOWN_SECRET, Some(1)));
    assert!(world.view()["error"].as_str().is_some_and(|error| error.contains("OTHER")), "{}", world.view());
}

#[test]
fn a_handler_sees_stars_where_the_secret_was() {
    let config = json!({"input": {"auth": "Bearer {{ secrets.TOKEN }}", "k": "{{ input.k }}"}, "onError": "h"});
    let w = workflow(&json!([step(config), f("h", Value::Null)]));
    let mut world = with_secret(&w);
    world.run(|| 0, &|step, given, _| {
        if step == "a" { Err(failure("broken")) } else { Ok(given["input"].clone()) }
    });
    assert_eq!(world.result(), json!({"auth": "Bearer ***", "k": 1}));
    assert!(!format!("{:?}", world.journal).contains("planted"));
}
