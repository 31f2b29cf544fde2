//! When a workflow starts by the clock (semantics T6, T7).

use super::super::config::{nearest, template};
use super::super::fault::{Findings, segment};
use super::{condition, config};
use crate::ids::is_valid_name;
use crate::payload::Payload;
use crate::schedule::{Cron, Refused, Timetable, Zone};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use stepwell_expression::{Expression, Template};

/// A trigger of type `schedule`.
#[derive(Debug, Clone)]
pub struct ScheduleTrigger {
    /// Its place in `triggers`.
    pub at: usize,
    /// `config.id`, or its place: it is another schedule if this changes.
    pub id: String,
    /// `config.cron` as it is written.
    pub cron: String,
    /// When it fires.
    pub timetable: Timetable,
    /// `config.input`.
    pub input: ScheduleInput,
    /// What becomes of missed occurrences (T7).
    pub catchup: Catchup,
    /// What becomes of an occurrence while the one before it runs (T7).
    pub overlap: Overlap,
    /// Sees `event` and `input` (T3).
    pub condition: Option<Expression>,
}

/// The input of what a schedule starts (D8).
#[derive(Debug, Clone)]
pub enum ScheduleInput {
    /// Always this.
    Constant(Payload),
    /// With `{{ }}` in it.
    Template(Template),
}

/// `config.catchup`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Catchup {
    /// The newest that was missed in the last 24 hours runs once.
    #[default]
    Latest,
    /// None.
    None,
    /// All, up to the limit `catchup_occurrences`.
    All,
}

/// `config.overlap`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// It runs beside it.
    #[default]
    Allow,
    /// It is left out.
    Skip,
    /// It waits.
    Queue,
    /// The running one is cancelled.
    Cancel,
}

const KEYS: [&str; 6] = ["cron", "timezone", "input", "catchup", "overlap", "id"];

/// Reads a schedule trigger. `others` are those before it.
pub(super) fn read(
    at: usize,
    trigger: &Value,
    others: &[ScheduleTrigger],
    findings: &mut Findings,
) -> Option<ScheduleTrigger> {
    let path = format!("/triggers/{at}/config");
    let condition = condition(at, trigger, findings);
    let config = config(at, trigger, "a schedule trigger needs `config.cron`, such as \"0 9 * * *\"", findings)?;
    for key in config.keys().filter(|key| !KEYS.contains(&key.as_str())) {
        if let Some(meant) = nearest(key, KEYS) {
            let message = format!("`{key}` has no effect; did you mean `{meant}`?");
            findings.warn(format!("{path}/{}", segment(key)), "near_miss", message);
        }
    }
    let fields = Fields { config, path };
    let id = fields.id(at, others, findings);
    let (cron, zone) = (fields.cron(findings), fields.zone(findings));
    let catchup = fields.choice("catchup", "latest, none or all", findings);
    let overlap = fields.choice("overlap", "allow, skip, queue or cancel", findings);
    let input = fields.input(findings)?;
    let (source, cron) = cron?;
    let timetable = Timetable::new(cron, zone?);
    Some(ScheduleTrigger { at, id: id?, cron: source, timetable, input, catchup, overlap, condition })
}

/// A schedule's `config`.
struct Fields<'a> {
    config: &'a Map<String, Value>,
    path: String,
}

impl Fields<'_> {
    fn get(&self, key: &str) -> Option<&Value> {
        self.config.get(key).filter(|value| !value.is_null())
    }

    fn fault(&self, key: &str, code: &'static str, message: impl Into<String>, findings: &mut Findings) {
        findings.fault(format!("{}/{key}", self.path), code, message);
    }

    fn refused(&self, key: &str, refused: Refused, findings: &mut Findings) {
        self.fault(key, refused.code, refused.message, findings);
    }

    fn cron(&self, findings: &mut Findings) -> Option<(String, Cron)> {
        let message = "`cron` is a text of five fields, such as \"0 9 * * *\", or @daily and the like";
        let (code, message) = match self.get("cron") {
            Some(Value::String(source)) => match Cron::parse(source) {
                Ok(cron) => return Some((source.clone(), cron)),
                Err(refused) => (refused.code, refused.message),
            },
            None => ("missing", message.to_owned()),
            Some(_) => ("wrong_type", message.to_owned()),
        };
        self.fault("cron", code, message, findings);
        None
    }

    fn zone(&self, findings: &mut Findings) -> Option<Zone> {
        match self.get("timezone") {
            None => return Some(Zone::UTC),
            Some(Value::String(name)) => match Zone::parse(name) {
                Ok(zone) => return Some(zone),
                Err(refused) => self.refused("timezone", refused, findings),
            },
            Some(_) => {
                let message = "`timezone` is the name of an IANA time zone, such as \"Europe/Berlin\"";
                self.fault("timezone", "wrong_type", message, findings);
            }
        }
        None
    }

    fn choice<T: Default + for<'de> Deserialize<'de>>(&self, key: &str, words: &str, findings: &mut Findings) -> T {
        let Some(value) = self.get(key) else { return T::default() };
        T::deserialize(value).unwrap_or_else(|_| {
            self.fault(key, "out_of_range", format!("`{key}` is {words}"), findings);
            T::default()
        })
    }

    /// Null is `{}` (D8).
    fn input(&self, findings: &mut Findings) -> Option<ScheduleInput> {
        let Some(value) = self.get("input") else { return Some(ScheduleInput::Constant(Payload::empty_object())) };
        let template = template(value, &format!("{}/input", self.path), findings)?;
        let constant = template.is_constant().then(|| Payload::from_value(value));
        Some(constant.map_or(ScheduleInput::Template(template), ScheduleInput::Constant))
    }

    fn id(&self, at: usize, others: &[ScheduleTrigger], findings: &mut Findings) -> Option<String> {
        let id = match self.get("id") {
            None => at.to_string(),
            Some(Value::String(id)) if is_valid_name(id) => id.clone(),
            Some(_) => {
                let message =
                    "a schedule's `id` has letters, digits, `-`, `_` and `.`, and starts with a letter or digit";
                self.fault("id", "invalid_id", message, findings);
                return None;
            }
        };
        if let Some(other) = others.iter().find(|other| other.id == id) {
            let message =
                format!("the schedule of trigger {} is called {id:?} too; give each an `id` of its own", other.at);
            self.fault("id", "duplicate_id", message, findings);
            return None;
        }
        Some(id)
    }
}
