//! The form of a human step as fields of a page: what a JSON Schema asks for, as far as a page without scripts can ask for it. Whatever is
//! beyond that is a text box for JSON. The schema itself checks what comes back; a field only says how to read it.

use maud::{Markup, html};
use serde_json::{Map, Number, Value, json};
use std::collections::HashMap;
use stepwell_core::payload::Payload;

/// Most fields of a page; a form with more is one text box.
const FIELDS: usize = 100;
/// Most choices of a list.
const CHOICES: usize = 500;
/// A text longer than this many characters gets more than one line.
const LINE_CHARS: u64 = 200;
/// How a schema's fields are called among what a page sends.
const PREFIX: &str = "data.";
/// The text box of a form that has no fields.
const WHOLE: &str = "data";

/// What a page sends: the first value of each name.
pub type Sent = HashMap<String, String>;

/// A form.
pub enum Form {
    /// Field by field.
    Fields(Vec<Field>),
    /// All of it as JSON.
    Whole,
}

/// One property.
pub struct Field {
    key: String,
    label: String,
    about: Option<String>,
    required: bool,
    kind: Kind,
    default: Option<Value>,
}

enum Kind {
    /// An `input` of this type.
    Text(&'static str),
    LongText,
    Number {
        whole: bool,
    },
    Tick,
    Choice(Vec<Value>),
    Json,
}

impl Form {
    /// Of this schema.
    pub fn of(schema: &Value) -> Self {
        let properties = schema.get("properties").and_then(Value::as_object).filter(|p| p.len() <= FIELDS);
        let Some(properties) = properties else { return Self::Whole };
        let required = |key: &str| {
            let list = schema.get("required").and_then(Value::as_array);
            list.is_some_and(|list| list.iter().any(|name| name == key))
        };
        Self::Fields(properties.iter().map(|(key, schema)| Field::of(key, schema, required(key))).collect())
    }

    /// Its fields, filled with what was sent before, if anything was.
    pub fn show(&self, sent: Option<&Sent>) -> Markup {
        html! {
            @match self {
                Self::Whole => {
                    label for=(WHOLE) { "Data" } small { "JSON" }
                    textarea id=(WHOLE) name=(WHOLE) spellcheck="false" {
                        (sent.and_then(|sent| sent.get(WHOLE)).map_or("", String::as_str))
                    }
                }
                Self::Fields(fields) => @for field in fields { (field.show(sent)) },
            }
        }
    }

    /// What was filled in.
    ///
    /// # Errors
    /// A text for the person if JSON was asked for and something else came.
    pub fn read(&self, sent: &Sent) -> Result<Option<Payload>, String> {
        match self {
            Self::Whole => {
                let text = sent.get(WHOLE).map_or("", |text| text.trim());
                if text.is_empty() { Ok(None) } else { parse(text, "Data").map(Some) }
            }
            Self::Fields(fields) => {
                let mut data = Map::new();
                for field in fields {
                    if let Some(value) = field.read(sent)? {
                        data.insert(field.key.clone(), value);
                    }
                }
                Ok(Some(Payload::from_value(&Value::Object(data))))
            }
        }
    }
}

fn parse(text: &str, label: &str) -> Result<Payload, String> {
    Payload::parse(text).map_err(|error| format!("{label}: this is not JSON: {error}"))
}

impl Field {
    fn of(key: &str, schema: &Value, required: bool) -> Self {
        let text = |name: &str| schema.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        Self {
            key: key.to_owned(),
            label: text("title").unwrap_or(key).to_owned(),
            about: text("description").map(str::to_owned),
            required,
            kind: Kind::of(schema),
            default: schema.get("default").cloned(),
        }
    }

    fn name(&self) -> String {
        format!("{PREFIX}{}", self.key)
    }

    /// What stands in it: what was sent, or else the default.
    fn text(&self, sent: Option<&Sent>) -> String {
        match (sent, &self.default) {
            (Some(sent), _) => sent.get(&self.name()).cloned().unwrap_or_default(),
            (None, Some(Value::String(text))) => text.clone(),
            (None, Some(value)) => value.to_string(),
            (None, None) => String::new(),
        }
    }

    fn show(&self, sent: Option<&Sent>) -> Markup {
        let name = self.name();
        if let Kind::Tick = self.kind {
            let ticked = match sent {
                Some(sent) => sent.contains_key(&name),
                None => self.default == Some(json!(true)),
            };
            return html! {
                label.tick { input type="checkbox" name=(name) value="true" checked[ticked]; span { (self.label) } }
                @if let Some(about) = &self.about { small { (about) } }
            };
        }
        let value = self.text(sent);
        // Who rejects need not fill anything in, so that the browser must not insist: the schema does.
        html! {
            label for=(name) { (self.label) @if self.required { " *" } }
            @match &self.kind {
                Kind::Text(kind) => input id=(name) name=(name) type=(kind) value=(value);,
                Kind::Number { whole } => input id=(name) name=(name) type="number" step=(if *whole { "1" } else { "any" }) value=(value);,
                Kind::LongText => textarea id=(name) name=(name) { (value) },
                Kind::Json => textarea id=(name) name=(name) spellcheck="false" { (value) },
                Kind::Choice(choices) => select id=(name) name=(name) {
                    option value="" {}
                    @for (at, choice) in choices.iter().enumerate() {
                        option value=(at) selected[self.is_chosen(sent, at, choice)] { (shown(choice)) }
                    }
                },
                Kind::Tick => {}
            }
            @if let Some(about) = &self.about { small { (about) } }
            @if let Kind::Json = self.kind { small { " JSON" } }
        }
    }

    fn is_chosen(&self, sent: Option<&Sent>, at: usize, choice: &Value) -> bool {
        match sent {
            Some(sent) => sent.get(&self.name()).is_some_and(|text| *text == at.to_string()),
            None => self.default.as_ref() == Some(choice),
        }
    }

    fn read(&self, sent: &Sent) -> Result<Option<Value>, String> {
        let text = sent.get(&self.name()).map(String::as_str);
        if let Kind::Tick = self.kind {
            return Ok(Some(json!(text.is_some())));
        }
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(None) };
        let value = match &self.kind {
            // What is no number goes on as it is: the schema says so better.
            Kind::Number { .. } => text.trim().parse::<Number>().map_or_else(|_| json!(text), Value::Number),
            Kind::Choice(choices) => {
                let chosen = text.parse::<usize>().ok().and_then(|at| choices.get(at));
                chosen.cloned().unwrap_or_else(|| json!(text))
            }
            Kind::Json => parse(text.trim(), &self.label)?.to_value(),
            // Browsers send the end of a line as two characters.
            Kind::LongText => json!(text.replace("\r\n", "\n")),
            Kind::Text(_) | Kind::Tick => json!(text),
        };
        Ok(Some(value))
    }
}

impl Kind {
    fn of(schema: &Value) -> Self {
        if let Some(choices) = schema.get("enum").and_then(Value::as_array)
            && choices.len() <= CHOICES
        {
            return Self::Choice(choices.clone());
        }
        let word = |name: &str| schema.get(name).and_then(Value::as_str).unwrap_or_default();
        match word("type") {
            "boolean" => Self::Tick,
            "integer" => Self::Number { whole: true },
            "number" => Self::Number { whole: false },
            "string" => match word("format") {
                "date" => Self::Text("date"),
                "email" => Self::Text("email"),
                "uri" => Self::Text("url"),
                _ if schema.get("maxLength").and_then(Value::as_u64).is_some_and(|n| n > LINE_CHARS) => Self::LongText,
                _ => Self::Text("text"),
            },
            _ => Self::Json,
        }
    }
}

/// A value as text for people.
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => serde_json::to_string_pretty(value).unwrap_or_default(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(pairs: &[(&str, &str)]) -> Sent {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn read(schema: &Value, pairs: &[(&str, &str)]) -> Result<Value, String> {
        Form::of(schema).read(&sent(pairs)).map(|data| data.map_or(Value::Null, |data| data.to_value()))
    }

    fn schema() -> Value {
        json!({"required": ["n"], "properties": {
            "n": {"type": "integer", "title": "How <many>?", "default": 3}, "text": {"type": "string"},
            "long": {"type": "string", "maxLength": 1000}, "yes": {"type": "boolean"},
            "size": {"enum": ["S", "M", 4]}, "rest": {"type": "array"},
        }})
    }

    #[test]
    fn what_people_fill_in_becomes_what_the_schema_asks_for() {
        let pairs = [
            ("data.n", "7"),
            ("data.text", " x "),
            ("data.long", "a\r\nb"),
            ("data.yes", "true"),
            ("data.size", "2"),
            ("data.rest", "[1]"),
            ("data.unknown", "is not taken"),
        ];
        let expected = json!({"n": 7, "text": " x ", "long": "a\nb", "yes": true, "size": 4, "rest": [1]});
        assert_eq!(read(&schema(), &pairs).unwrap(), expected);
        assert_eq!(read(&schema(), &[("data.n", ""), ("data.size", "")]).unwrap(), json!({"yes": false}));
        let odd = [("data.n", "seven"), ("data.size", "9")];
        assert_eq!(read(&schema(), &odd).unwrap(), json!({"n": "seven", "yes": false, "size": "9"}));
        assert!(read(&schema(), &[("data.rest", "[")]).unwrap_err().starts_with("rest: this is not JSON"));
    }

    #[test]
    fn a_schema_without_properties_is_one_text_box() {
        assert_eq!(read(&json!(true), &[("data", " {\"a\": 1} ")]).unwrap(), json!({"a": 1}));
        assert_eq!(read(&json!({"type": "string"}), &[]).unwrap(), Value::Null);
        assert!(read(&json!(true), &[("data", &"[".repeat(100_000))]).is_err());
    }

    #[test]
    fn fields_show_their_defaults_or_what_was_sent_and_nothing_of_it_is_markup() {
        let form = Form::of(&schema());
        let fresh = form.show(None).into_string();
        assert!(fresh.contains(r#"step="1" value="3""#) && fresh.contains("How &lt;many&gt;? *"), "{fresh}");
        let again = form.show(Some(&sent(&[("data.text", "\"><script>"), ("data.size", "1")]))).into_string();
        assert!(!again.contains("<script>") && again.contains(r#"<option value="1" selected>M"#), "{again}");
        assert!(!again.contains(r#"value="3""#), "{again}");
    }
}
