//! Where a definition may read secrets (semantics D11): in what a function is called with, and by their names.

use super::fault::Findings;
use crate::ids::is_secret_name;
use stepwell_expression::Expression;

/// The name that all secrets are properties of.
pub(crate) const ROOT: &str = "secrets";
/// Most secrets that a workflow reads: each attempt looks for the values of all of them in what the function says.
const SECRETS_READ: usize = 32;

/// A fault for an expression that reads secrets where none may be: what is computed there is kept, or decides what others can see.
pub(super) fn refuse<'e>(
    expressions: impl IntoIterator<Item = &'e Expression>,
    pointer: &str,
    findings: &mut Findings,
) {
    if expressions.into_iter().flat_map(Expression::roots).any(|root| root == ROOT) {
        let message = "secrets can be read in a function step's `config.input` and parameters only; pass the secret to the function that needs it";
        findings.fault(pointer, "secrets_not_allowed", message);
    }
}

/// Notes which secrets are read where they may be. Only `secrets.NAME` is: so that it is known which ones a function gets.
pub(super) fn read<'e>(expressions: impl IntoIterator<Item = &'e Expression>, pointer: &str, findings: &mut Findings) {
    for property in named(expressions) {
        match property.filter(|name| is_secret_name(name)) {
            Some(name) => note(name, pointer, findings),
            None => {
                let message = "write `secrets.NAME` with the name of one secret; all of them, or one whose name is computed, cannot be read";
                return findings.fault(pointer, "secrets_not_allowed", message);
            }
        }
    }
}

fn note(name: &str, pointer: &str, findings: &mut Findings) {
    if findings.secrets.contains_key(name) {
        return;
    }
    if findings.secrets.len() == SECRETS_READ {
        let message =
            format!("a workflow reads at most {SECRETS_READ} secrets (limit `definition`); put several into one");
        return findings.fault(pointer, "too_many", message);
    }
    findings.secrets.insert(name.to_owned(), pointer.to_owned());
}

/// The property of `secrets` that each expression reads, as often as it does.
pub(crate) fn named<'e>(
    expressions: impl IntoIterator<Item = &'e Expression>,
) -> impl Iterator<Item = Option<&'e str>> {
    let reads = expressions.into_iter().flat_map(Expression::reads);
    reads.filter(|(root, _)| *root == ROOT).map(|(_, property)| property)
}

#[cfg(test)]
mod tests {
    use crate::definition::check;
    use serde_json::{Value, json};

    fn one_step(config: &Value) -> Value {
        json!({"steps": [{"id": "a", "type": "function", "function": "f", "config": config}]})
    }

    fn faults(definition: &Value) -> Vec<(String, &'static str)> {
        let faults = check("w", 1, definition).err().unwrap_or_default();
        faults.into_iter().map(|fault| (fault.pointer, fault.code)).collect()
    }

    #[test]
    fn the_names_that_a_workflow_reads_are_known() {
        let config = json!({
            "input": {"a": "{{ secrets.A }}", "b": ["Bearer {{ secrets['B'] }}"], "c": "{{ secrets?.C ?? 1 }}"},
            "key": "{{ `${secrets.D}:${secrets.A}` }}"
        });
        let workflow = check("w", 1, &one_step(&config)).expect("is fine").workflow;
        let names: Vec<&str> = workflow.secrets.keys().map(String::as_str).collect();
        assert_eq!(names, ["A", "B", "C", "D"]);
        assert_eq!((&*workflow.secrets["A"], &*workflow.secrets["D"]), ("/steps/0/config/input", "/steps/0/config"));
        let expression = one_step(&json!({"input": "{token: secrets.TOKEN}"}));
        assert!(check("w", 1, &expression).expect("is fine").workflow.secrets.contains_key("TOKEN"));
        let shadowed = one_step(&json!({"input": {"a": "{{ input.list.map(secrets => secrets.length) }}"}}));
        assert!(check("w", 1, &shadowed).expect("is fine").workflow.secrets.is_empty());
    }

    #[test]
    fn secrets_as_a_whole_are_refused() {
        for input in [
            "secrets",
            "secrets[input.name]",
            "secrets[0]",
            "secrets.toString()",
            "Object.keys(secrets)",
            "secrets['a-b']",
        ] {
            for config in [json!({"input": input}), json!({"input": {"x": format!("{{{{ {input} }}}}")}})] {
                let expected = [("/steps/0/config/input".to_owned(), "secrets_not_allowed")];
                assert_eq!(faults(&one_step(&config)), expected, "{input}");
            }
        }
    }

    #[test]
    fn secrets_are_refused_everywhere_else() {
        let definition = json!({
            "output": "secrets.A",
            "triggers": [{"type": "event", "config": {"eventType": "e"}, "condition": "event.data.k == secrets.A"}],
            "steps": [
                {"id": "c", "type": "condition", "condition": "secrets.A == 'x'", "next": "l"},
                {"id": "l", "type": "loop", "config": {"items": "[secrets.A]", "done": "v"}, "next": "i"},
                {"id": "i", "type": "function", "function": "f"},
                {"id": "v", "type": "wait", "config": {"until": "{{ secrets.A }}"}, "next": "x"},
                {"id": "x", "type": "workflow", "config": {"workflow": "w", "input": {"k": "{{ secrets.A }}"}}, "next": "e"},
                {"id": "e", "type": "event", "config": {"eventType": "e", "match": "event.data.k == secrets.A"}}
            ]
        });
        let mut refused: Vec<String> = faults(&definition)
            .into_iter()
            .map(|(pointer, code)| {
                assert_eq!(code, "secrets_not_allowed", "{pointer}");
                pointer
            })
            .collect();
        refused.sort_unstable();
        let expected = [
            "/output",
            "/steps/0/condition",
            "/steps/1/config/items",
            "/steps/3/config/until",
            "/steps/4/config/input",
            "/steps/5/config/match",
            "/triggers/0/condition",
        ];
        assert_eq!(refused, expected);
    }

    #[test]
    fn a_workflow_reads_so_many_secrets_and_no_more() {
        let reading =
            |count: usize| (0..count).map(|n| (format!("p{n}"), json!(format!("{{{{ secrets.S{n} }}}}")))).collect();
        assert!(faults(&one_step(&Value::Object(reading(super::SECRETS_READ)))).is_empty());
        let faults = faults(&one_step(&Value::Object(reading(super::SECRETS_READ + 1))));
        assert_eq!(faults, [("/steps/0/config".to_owned(), "too_many")]);
    }
}
