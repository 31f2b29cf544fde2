//! Which HTTP requests start a workflow, and how they prove where they come from (semantics T8, T9).

use super::super::config::duration;
use super::super::fault::Findings;
use super::condition;
use serde_json::{Map, Value};
use stepwell_expression::Expression;

/// A trigger of type `webhook`.
#[derive(Debug, Clone)]
pub struct WebhookTrigger {
    /// Its place in `triggers`.
    pub at: usize,
    /// `/webhooks/...`: the path of its requests, behind the tenant's part.
    pub path: String,
    /// In capitals.
    pub method: String,
    /// How its requests are signed.
    pub scheme: Scheme,
    /// Whether it has a secret: then every request must be signed.
    pub signed: bool,
    /// How a request of the scheme `hmac` is signed.
    pub rule: HmacRule,
    /// How far the time of a signature may be from now, milliseconds; `None`: as the scheme says.
    pub tolerance_ms: Option<u64>,
    /// Sees `event` and `input` (T3).
    pub condition: Option<Expression>,
}

/// `config.scheme`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// By the header that the request has.
    Auto,
    /// `Stripe-Signature`.
    Stripe,
    /// `X-Hub-Signature-256`.
    Github,
    /// `X-Slack-Signature`.
    Slack,
    /// `webhook-signature`, of Standard Webhooks.
    Standard,
    /// As [`HmacRule`] says.
    Hmac,
}

impl Scheme {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Auto, Self::Stripe, Self::Github, Self::Slack, Self::Standard, Self::Hmac];

    /// As a definition spells it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Stripe => "stripe",
            Self::Github => "github",
            Self::Slack => "slack",
            Self::Standard => "standard",
            Self::Hmac => "hmac",
        }
    }
}

/// How a request of the scheme `hmac` is signed: HMAC over its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HmacRule {
    /// `config.header`: the header that holds the signature, in small letters.
    pub header: String,
    /// `config.algorithm`.
    pub algorithm: Algorithm,
    /// `config.prefix`: what stands before the signature, `sha256=` for instance.
    pub prefix: String,
    /// `config.encoding`.
    pub encoding: Encoding,
    /// `config.timestampHeader`: the header that says when the request was sent, in small letters.
    pub timestamp_header: Option<String>,
}

impl Default for HmacRule {
    fn default() -> Self {
        Self {
            header: "x-signature".to_owned(),
            algorithm: Algorithm::Sha256,
            prefix: String::new(),
            encoding: Encoding::Hex,
            timestamp_header: None,
        }
    }
}

/// The hash of an HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// `sha256`
    Sha256,
    /// `sha384`
    Sha384,
    /// `sha512`
    Sha512,
}

/// How a signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Hexadecimal digits, capital or small.
    Hex,
    /// Base64.
    Base64,
}

/// What all paths of webhooks begin with.
pub const WEBHOOKS: &str = "/webhooks/";
/// Longest path, bytes: it is part of a key of the store.
const PATH_BYTES: usize = 200;
/// Longest name of a header, and longest prefix of a signature, bytes.
const HEADER_BYTES: usize = 100;
/// Methods that webhooks may have. HEAD and OPTIONS are sent by themselves, by browsers and checks.
const METHODS: [&str; 5] = ["POST", "PUT", "PATCH", "GET", "DELETE"];
/// Most secrets of one webhook: each request is compared with each, and a rotation needs two.
const SECRETS: usize = 10;
/// Tolerances, milliseconds: less than a second is a number of seconds by mistake; redelivery is recognised for a day.
const TOLERANCE_MS: std::ops::RangeInclusive<u64> = 1_000..=86_400_000;

/// Whether a text can be the path of a webhook: segments of letters, digits, `-`, `_`, `.` and `~`, none of them empty, `.` or `..`.
#[must_use]
pub fn is_webhook_path(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    let fine = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(is_plain);
    text.len() <= PATH_BYTES && text.strip_prefix(WEBHOOKS).is_some_and(|rest| rest.split('/').all(fine))
}

/// Reads a webhook trigger; `before`: those before it.
pub(super) fn read(
    at: usize,
    trigger: &Value,
    before: &[WebhookTrigger],
    findings: &mut Findings,
) -> Option<WebhookTrigger> {
    let webhook = webhook(at, trigger, findings)?;
    let twice = before.iter().find(|other| (&other.path, &other.method) == (&webhook.path, &webhook.method));
    if let Some(first) = twice {
        let message = format!(
            "{} {} is the webhook of triggers[{}] already; a workflow takes each once",
            webhook.method, webhook.path, first.at
        );
        findings.fault(format!("/triggers/{at}/config/path"), "duplicate_webhook", message);
    }
    Some(webhook)
}

/// Where a trigger's `config` is read.
struct Config<'a> {
    object: &'a Map<String, Value>,
    path: String,
}

impl<'a> Config<'a> {
    fn pointer(&self, key: &str) -> String {
        format!("{}/{key}", self.path)
    }

    fn get(&self, key: &str) -> Option<&'a Value> {
        self.object.get(key).filter(|value| !value.is_null())
    }

    /// A text that is fine, or a fault with this message.
    fn text(&self, key: &str, fine: fn(&str) -> bool, message: &str, findings: &mut Findings) -> Option<&'a str> {
        let value = self.get(key)?;
        let text = value.as_str().filter(|text| fine(text));
        if text.is_none() {
            let code = if value.is_string() { "out_of_range" } else { "wrong_type" };
            findings.fault(self.pointer(key), code, message);
        }
        text
    }
}

fn webhook(at: usize, trigger: &Value, findings: &mut Findings) -> Option<WebhookTrigger> {
    let missing = "a webhook trigger needs `config.path`, such as /webhooks/orders";
    let object = super::config(at, trigger, missing, findings)?;
    let config = Config { object, path: format!("/triggers/{at}/config") };
    let method = method(&config, findings);
    let scheme = scheme(&config, findings);
    let signed = is_signed(&config, findings);
    let rule = rule(&config, scheme, findings);
    let tolerance_ms = tolerance(&config, scheme, &rule, findings);
    let condition = condition(at, trigger, findings);
    let message = "`path` is /webhooks/ and one or several segments of letters, digits, `-`, `_`, `.` and `~` with `/` between them, at most 200 bytes";
    if config.get("path").is_none() {
        findings.fault(config.pointer("path"), "missing", "a webhook trigger needs a `path`, such as /webhooks/orders");
    }
    let path = config.text("path", is_webhook_path, message, findings)?.to_owned();
    Some(WebhookTrigger { at, path, method, scheme, signed, rule, tolerance_ms, condition })
}

fn method(config: &Config<'_>, findings: &mut Findings) -> String {
    let fine = |text: &str| METHODS.iter().any(|method| method.eq_ignore_ascii_case(text));
    let text = config.text("method", fine, "`method` is POST, PUT, PATCH, GET or DELETE", findings);
    text.unwrap_or("POST").to_ascii_uppercase()
}

fn scheme(config: &Config<'_>, findings: &mut Findings) -> Scheme {
    let by_word = |text: &str| Scheme::ALL.into_iter().find(|scheme| scheme.word() == text);
    let fine = |text: &str| Scheme::ALL.iter().any(|scheme| scheme.word() == text);
    let message = "`scheme` is auto, stripe, github, slack, standard or hmac";
    config.text("scheme", fine, message, findings).and_then(by_word).unwrap_or(Scheme::Auto)
}

/// Whether it has a secret, which must be there if `validateSignature` is true (T9).
fn is_signed(config: &Config<'_>, findings: &mut Findings) -> bool {
    let given = [("secret", config.get("secret")), ("secrets", config.get("secrets"))];
    for (key, value) in given {
        if let Some(value) = value {
            check_secrets(&config.pointer(key), value, findings);
        }
    }
    if let [(_, Some(_)), (_, Some(_))] = given {
        findings.fault(config.pointer("secrets"), "ambiguous", "send either `secret` or `secrets`");
    }
    let signed = given.iter().any(|(_, value)| value.is_some());
    match (config.get("validateSignature"), signed) {
        (Some(Value::Bool(true)), false) => {
            let message = "`validateSignature` needs the `secret` that the sender signs with; is it defined where this definition is made?";
            findings.fault(config.pointer("secret"), "missing", message);
        }
        (Some(Value::Bool(false)), true) => {
            let message = "requests are checked all the same, because there is a secret; leave the secret out for a webhook that anybody may call";
            findings.warn(config.pointer("validateSignature"), "no_effect", message);
        }
        (Some(Value::Bool(_)) | None, _) => {}
        (Some(_), _) => {
            findings.fault(config.pointer("validateSignature"), "wrong_type", "`validateSignature` is true or false");
        }
    }
    if !signed && config.get("validateSignature") != Some(&Value::Bool(true)) {
        let message = "this webhook has no secret: anybody who knows its address can start the workflow";
        findings.warn(config.path.clone(), "open_webhook", message);
    }
    signed
}

/// A text, or a list of texts. What a secret says is looked at where it is sealed; here it may be hidden already.
fn check_secrets(pointer: &str, value: &Value, findings: &mut Findings) {
    let Value::Array(list) = value else {
        if !value.is_string() {
            findings.fault(pointer, "wrong_type", "a secret is a text, or a list of texts");
        }
        return;
    };
    if !(1..=SECRETS).contains(&list.len()) {
        findings.fault(pointer, "out_of_range", format!("a list of secrets has 1 to {SECRETS} (limit `definition`)"));
    }
    for (nth, item) in list.iter().enumerate().filter(|(_, item)| !item.is_string()).take(SECRETS) {
        let what = if item.is_null() { "null" } else { "not a text" };
        findings.fault(format!("{pointer}/{nth}"), "wrong_type", format!("a secret is a text; this one is {what}"));
    }
}

/// The fields that only the scheme `hmac` has.
fn rule(config: &Config<'_>, scheme: Scheme, findings: &mut Findings) -> HmacRule {
    let mut rule = HmacRule::default();
    let own = ["header", "algorithm", "prefix", "encoding", "timestampHeader"];
    if scheme != Scheme::Hmac {
        for key in own.into_iter().filter(|key| config.get(key).is_some()) {
            let message = format!("`{key}` belongs to the scheme hmac; set `scheme` to hmac, or leave `{key}` out");
            findings.fault(config.pointer(key), "wrong_scheme", message);
        }
        return rule;
    }
    let message = "the name of a header, at most 100 bytes";
    if let Some(header) = config.text("header", is_header, message, findings) {
        rule.header = header.to_ascii_lowercase();
    }
    rule.timestamp_header = config.text("timestampHeader", is_header, message, findings).map(str::to_ascii_lowercase);
    let known = |text: &str| matches!(text, "sha256" | "sha384" | "sha512");
    match config.text("algorithm", known, "`algorithm` is sha256, sha384 or sha512", findings) {
        Some("sha384") => rule.algorithm = Algorithm::Sha384,
        Some("sha512") => rule.algorithm = Algorithm::Sha512,
        Some(_) | None => {}
    }
    let known = |text: &str| matches!(text, "hex" | "base64");
    if config.text("encoding", known, "`encoding` is hex or base64", findings) == Some("base64") {
        rule.encoding = Encoding::Base64;
    }
    let short = |text: &str| text.len() <= HEADER_BYTES && text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    let message = "`prefix` is what stands before the signature, such as sha256=, at most 100 bytes";
    config.text("prefix", short, message, findings).unwrap_or_default().clone_into(&mut rule.prefix);
    rule
}

fn is_header(text: &str) -> bool {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    (1..=HEADER_BYTES).contains(&text.len()) && text.bytes().all(is_token)
}

fn tolerance(config: &Config<'_>, scheme: Scheme, rule: &HmacRule, findings: &mut Findings) -> Option<u64> {
    let pointer = config.pointer("tolerance");
    let ms = duration(config.get("tolerance")?, &pointer, findings)?;
    if !TOLERANCE_MS.contains(&ms) {
        let message = "`tolerance` is from 1 s to 24 h: a text such as \"5m\", or milliseconds";
        findings.fault(pointer, "out_of_range", message);
        return None;
    }
    if scheme == Scheme::Github || (scheme == Scheme::Hmac && rule.timestamp_header.is_none()) {
        let message = "`tolerance` has no effect: requests of this scheme do not say when they were signed";
        findings.warn(pointer, "no_effect", message);
    }
    Some(ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::check;
    use serde_json::json;

    fn definition(configs: &[Value]) -> Value {
        let triggers: Vec<Value> = configs.iter().map(|config| json!({"type": "webhook", "config": config})).collect();
        json!({"steps": [{"id": "a", "type": "function", "function": "f"}], "triggers": triggers})
    }

    /// The faults of one webhook with this config, without the common start of their pointers.
    fn faults(config: &Value) -> Vec<(String, &'static str)> {
        let faults = check("w", 1, &definition(std::slice::from_ref(config))).err().unwrap_or_default();
        let short = |pointer: &str| pointer.trim_start_matches("/triggers/0/config").to_owned();
        faults.into_iter().map(|fault| (short(&fault.pointer), fault.code)).collect()
    }

    fn webhook(config: &Value) -> WebhookTrigger {
        let checked = check("w", 1, &definition(std::slice::from_ref(config))).expect("fine");
        checked.workflow.triggers.webhooks.into_iter().next().expect("a webhook")
    }

    #[test]
    fn paths_are_plain_and_below_webhooks() {
        for path in ["/webhooks/stripe", "/webhooks/a/b-c_d.e~f/1", "/webhooks/..."] {
            assert!(is_webhook_path(path), "{path}");
        }
        let long = format!("/webhooks/{}", "x".repeat(200));
        for path in [
            "",
            "/",
            "/webhooks",
            "/webhooks/",
            "/hooks/a",
            "webhooks/a",
            "/webhooks/a/",
            "/webhooks//a",
            "/webhooks/..",
            "/webhooks/./a",
            "/webhooks/a/../../b",
            "/webhooks/a?b",
            "/webhooks/a#b",
            "/webhooks/a%2e",
            "/webhooks/\u{fc}",
            "/webhooks/a b",
            "/webhooks/:id",
            "/webhooks/a\0",
            "/WEBHOOKS/a",
            "https://x/webhooks/a",
            &long,
        ] {
            assert!(!is_webhook_path(path), "{path}");
            assert_eq!(faults(&json!({"path": path, "secret": "s"})), [("/path".to_owned(), "out_of_range")], "{path}");
        }
    }

    #[test]
    fn what_is_not_said_is_the_usual() {
        let plain = webhook(&json!({"path": "/webhooks/a"}));
        assert_eq!((&*plain.method, plain.scheme, plain.signed), ("POST", Scheme::Auto, false));
        assert_eq!((plain.rule, plain.tolerance_ms), (HmacRule::default(), None));
        let all = webhook(&json!({
            "path": "/webhooks/a", "method": "put", "scheme": "hmac", "secrets": ["a", "b"], "validateSignature": true,
            "header": "X-Mine", "algorithm": "sha512", "prefix": "v1=", "encoding": "base64", "timestampHeader": "X-Sent",
            "tolerance": "10m"
        }));
        let rule = HmacRule {
            header: "x-mine".to_owned(),
            algorithm: Algorithm::Sha512,
            prefix: "v1=".to_owned(),
            encoding: Encoding::Base64,
            timestamp_header: Some("x-sent".to_owned()),
        };
        assert_eq!((&*all.method, all.scheme, all.signed), ("PUT", Scheme::Hmac, true));
        assert_eq!((all.rule, all.tolerance_ms), (rule, Some(600_000)));
    }

    #[test]
    fn a_webhook_that_is_to_be_signed_has_a_secret() {
        let unsigned = json!({"path": "/webhooks/stripe", "method": "POST", "validateSignature": true});
        for secret in [json!({}), json!({"secret": null}), json!({"secrets": null})] {
            let mut config = unsigned.clone();
            config.as_object_mut().expect("object").extend(secret.as_object().expect("object").clone());
            assert_eq!(faults(&config), [("/secret".to_owned(), "missing")]);
        }
        let warnings = |config: Value| {
            let warnings = check("w", 1, &definition(&[config])).expect("fine").warnings;
            warnings.into_iter().map(|warning| (warning.pointer, warning.code)).collect::<Vec<_>>()
        };
        let open = warnings(json!({"path": "/webhooks/a"}));
        assert_eq!(open, [("/triggers/0/config".to_owned(), "open_webhook".to_owned())]);
        let both = warnings(json!({"path": "/webhooks/a", "secret": "s", "validateSignature": false}));
        assert_eq!(both, [("/triggers/0/config/validateSignature".to_owned(), "no_effect".to_owned())]);
        assert_eq!(warnings(json!({"path": "/webhooks/a", "secret": "s"})), []);
    }

    #[test]
    fn all_faults_are_named_at_once() {
        let config = json!({
            "path": "/orders", "method": "HEAD", "scheme": "md5", "secret": 1, "validateSignature": "yes", "header": "X-A",
            "tolerance": 300
        });
        let found = faults(&config);
        for expected in [
            ("/path", "out_of_range"),
            ("/method", "out_of_range"),
            ("/scheme", "out_of_range"),
            ("/secret", "wrong_type"),
            ("/validateSignature", "wrong_type"),
            ("/header", "wrong_scheme"),
            ("/tolerance", "out_of_range"),
        ] {
            assert!(found.contains(&(expected.0.to_owned(), expected.1)), "{expected:?}: {found:?}");
        }
        assert_eq!(found.len(), 7, "{found:?}");
        for (config, pointer, code) in [
            (Value::Null, "", "missing"),
            (json!([]), "", "wrong_type"),
            (json!({}), "/path", "missing"),
            (json!({"path": 1}), "/path", "wrong_type"),
            (json!({"path": "/webhooks/a", "secret": "a", "secrets": ["b"]}), "/secrets", "ambiguous"),
            (json!({"path": "/webhooks/a", "secrets": []}), "/secrets", "out_of_range"),
            (json!({"path": "/webhooks/a", "secrets": vec!["s"; 11]}), "/secrets", "out_of_range"),
            (json!({"path": "/webhooks/a", "secrets": ["a", null]}), "/secrets/1", "wrong_type"),
            (
                json!({"path": "/webhooks/a", "secret": "s", "scheme": "hmac", "algorithm": "md5"}),
                "/algorithm",
                "out_of_range",
            ),
            (
                json!({"path": "/webhooks/a", "secret": "s", "scheme": "hmac", "header": "a b"}),
                "/header",
                "out_of_range",
            ),
            (
                json!({"path": "/webhooks/a", "secret": "s", "scheme": "hmac", "prefix": "a\n"}),
                "/prefix",
                "out_of_range",
            ),
            (json!({"path": "/webhooks/a", "secret": "s", "tolerance": "2d"}), "/tolerance", "out_of_range"),
        ] {
            assert_eq!(faults(&config), [(pointer.to_owned(), code)], "{config}");
        }
    }

    #[test]
    fn a_workflow_takes_each_webhook_once() {
        let get = json!({"path": "/webhooks/a", "method": "GET", "secret": "s"});
        let post = json!({"path": "/webhooks/a", "secret": "s"});
        let again = json!({"path": "/webhooks/a", "method": "post", "secret": "t"});
        assert_eq!(
            check("w", 1, &definition(&[get.clone(), post.clone()])).expect("fine").workflow.triggers.webhooks.len(),
            2
        );
        let faults = check("w", 1, &definition(&[get, post, again])).expect_err("twice");
        assert_eq!((&*faults[0].pointer, faults[0].code), ("/triggers/2/config/path", "duplicate_webhook"));
    }
}
