//! The vectors that the providers publish, and what is refused.

use super::*;
use crate::webhooks::Incoming;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};

/// A request with these headers.
pub(crate) fn request(headers: &[(&str, &str)], body: &str) -> Incoming {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec().into())).collect();
    Incoming {
        method: "POST".to_owned(),
        path: "/webhooks/a".to_owned(),
        query: serde_json::Map::new(),
        headers,
        body: body.to_owned().into(),
    }
}

fn webhook(config: &Value) -> WebhookTrigger {
    let mut config = config.clone();
    config["path"] = json!("/webhooks/a");
    config["secret"] = json!("***");
    let steps = json!([{"id": "a", "type": "condition", "condition": "true"}]);
    let definition = json!({"steps": steps, "triggers": [{"type": "webhook", "config": config}]});
    let workflow = stepwell_core::definition::check("w", 1, &definition).expect("fine").workflow;
    workflow.triggers.webhooks.into_iter().next().expect("a webhook")
}

/// Seconds since 1970.
fn at(seconds: u64) -> Timestamp {
    Timestamp(seconds * 1_000)
}

fn seen(config: &Value, secrets: &[&str], request: &Incoming, now: Timestamp) -> Result<Scheme, Unsigned> {
    let webhook = webhook(config);
    let scheme = scheme_of(&webhook, request)?;
    let secrets: Vec<Zeroizing<String>> = secrets.iter().map(|secret| Zeroizing::new((*secret).to_owned())).collect();
    verify((&webhook, scheme), &secrets, request, now)?;
    Ok(scheme)
}

const GITHUB: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
const GITHUB_SECRET: &str = "It's a Secret to Everybody";

#[test]
fn githubs_example() {
    let signed = request(&[("x-hub-signature-256", GITHUB)], "Hello, World!");
    for config in [json!({}), json!({"scheme": "github"})] {
        assert_eq!(seen(&config, &[GITHUB_SECRET], &signed, at(0)), Ok(Scheme::Github));
        assert_eq!(seen(&config, &["old", GITHUB_SECRET], &signed, at(0)), Ok(Scheme::Github), "a rotation");
        assert_eq!(seen(&config, &["old"], &signed, at(0)), Err(Unsigned::Invalid));
    }
    let capitals = GITHUB.replace("757107ea", "757107EA");
    let signed = request(&[("x-hub-signature-256", &capitals)], "Hello, World!");
    assert_eq!(seen(&json!({}), &[GITHUB_SECRET], &signed, at(0)), Ok(Scheme::Github));
    for (header, body) in [
        (GITHUB, "Hello, World?"),
        (GITHUB, ""),
        (&GITHUB.replace("sha256=", "sha1="), "Hello, World!"),
        (&GITHUB[..GITHUB.len() - 2], "Hello, World!"),
        (&GITHUB[..GITHUB.len() - 1], "Hello, World!"),
        ("sha256=", "Hello, World!"),
        (&format!("sha256={}", "0".repeat(100_000)), "Hello, World!"),
    ] {
        let signed = request(&[("x-hub-signature-256", header)], body);
        assert_eq!(seen(&json!({}), &[GITHUB_SECRET], &signed, at(0)), Err(Unsigned::Invalid), "{header:.90}");
    }
}

#[test]
fn slacks_example() {
    let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&\
                user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2F\
                commands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
    let secret = "8f742231b10e8888abcd99yyyzzz85a5";
    let with = |time: &str| request(&[("x-slack-signature", signature), ("x-slack-request-timestamp", time)], body);
    let now = at(1_531_420_618);
    assert_eq!(seen(&json!({}), &[secret], &with("1531420618"), now), Ok(Scheme::Slack));
    assert_eq!(seen(&json!({}), &[secret], &with("1531420619"), now), Err(Unsigned::Invalid), "the time is signed");
    for (config, past, expected) in [
        (json!({}), 300, Ok(Scheme::Slack)),
        (json!({}), 301, Err(Unsigned::Stale)),
        (json!({"tolerance": "10s"}), 11, Err(Unsigned::Stale)),
        (json!({"tolerance": "1h"}), 3_600, Ok(Scheme::Slack)),
    ] {
        assert_eq!(seen(&config, &[secret], &with("1531420618"), at(1_531_420_618 + past)), expected);
        assert_eq!(seen(&config, &[secret], &with("1531420618"), at(1_531_420_618 - past)), expected, "and before it");
    }
    let without = request(&[("x-slack-signature", signature)], body);
    assert_eq!(seen(&json!({}), &[secret], &without, now), Err(Unsigned::Missing));
}

#[test]
fn the_example_of_standard_webhooks() {
    let (id, time, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", r#"{"test": 2432232314}"#);
    let signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let now = at(1_614_265_330);
    let named = |prefix: &str, signature: &str| {
        let names = ["id", "timestamp", "signature"].map(|name| format!("{prefix}-{name}"));
        request(&[(&names[0], id), (&names[1], time), (&names[2], signature)], body)
    };
    for prefix in ["webhook", "svix"] {
        for secret in [secret, &secret["whsec_".len()..]] {
            assert_eq!(seen(&json!({}), &[secret], &named(prefix, signature), now), Ok(Scheme::Standard));
        }
    }
    let several = format!("v1,AAAA v2,x nonsense v1a,AAAA {signature}");
    assert_eq!(seen(&json!({}), &[secret], &named("webhook", &several), now), Ok(Scheme::Standard));
    let late = at(1_614_265_330 + 301);
    assert_eq!(seen(&json!({}), &[secret], &named("webhook", signature), late), Err(Unsigned::Stale));
    for bad in [
        "v1,",
        "v1",
        "",
        "v1a,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        "v1,h0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ] {
        assert_eq!(seen(&json!({}), &[secret], &named("webhook", bad), now), Err(Unsigned::Invalid), "{bad}");
    }
    assert_eq!(seen(&json!({}), &["not base64!"], &named("webhook", signature), now), Err(Unsigned::Invalid));
    let many = format!("{}{signature}", "v1,AAAA ".repeat(SIGNATURES));
    assert_eq!(
        seen(&json!({}), &[secret], &named("webhook", &many), now),
        Err(Unsigned::Invalid),
        "too many to look at"
    );
}

#[test]
fn standard_webhooks_with_a_public_key() {
    use base64::Engine as _;
    let key = SigningKey::from_bytes(&[7; 32]);
    let public = format!("whpk_{}", mac::BASE64.encode(key.verifying_key().as_bytes()));
    let body = r#"{"test": 2432232314}"#;
    let signature = key.sign(format!("msg_1.1614265330.{body}").as_bytes());
    let signature = format!("v1a,{}", mac::BASE64.encode(signature.to_bytes()));
    let with = |body: &str| {
        let headers = [("webhook-id", "msg_1"), ("webhook-timestamp", "1614265330"), ("webhook-signature", &signature)];
        request(&headers, body)
    };
    let now = at(1_614_265_330);
    assert_eq!(seen(&json!({}), &[&public], &with(body), now), Ok(Scheme::Standard));
    assert_eq!(seen(&json!({}), &[&public], &with("{}"), now), Err(Unsigned::Invalid));
    let other = format!("whpk_{}", mac::BASE64.encode(SigningKey::from_bytes(&[8; 32]).verifying_key().as_bytes()));
    assert_eq!(seen(&json!({}), &[&other, &public], &with(body), now), Ok(Scheme::Standard));
    assert_eq!(seen(&json!({}), &[&other], &with(body), now), Err(Unsigned::Invalid));
    let shared = format!("whsec_{}", &public["whpk_".len()..]);
    assert_eq!(seen(&json!({}), &[&shared], &with(body), now), Err(Unsigned::Invalid), "a public key is no shared one");
    for bad in ["whpk_", "whpk_AAAA", "whpk_?", "whsec_", "whsec_?", ""] {
        assert!(standard::key(bad).is_none(), "{bad}");
    }
}

/// What `stripe.webhooks.generateTestHeaderString` of Stripe's own library gives for this body, secret and time.
const STRIPE_BODY: &str = r#"{"id": "evt_1", "object": "event"}"#;
const STRIPE_SECRET: &str = "whsec_test_secret";
const STRIPE_SIGNED: &str = "d8ad0119c04884f963d66fde235b40b6fb9b013e987cbf5471d69f2574a46d8e";

#[test]
fn a_header_of_stripes_library() {
    let now = at(1_614_265_330);
    let with = |header: &str, body: &str| request(&[("stripe-signature", header)], body);
    let signed = format!("t=1614265330,v1={STRIPE_SIGNED}");
    for config in [json!({}), json!({"scheme": "stripe"})] {
        assert_eq!(seen(&config, &[STRIPE_SECRET], &with(&signed, STRIPE_BODY), now), Ok(Scheme::Stripe));
    }
    let rolled = format!("t=1614265330, v1={}, v1={STRIPE_SIGNED}, v0={}", "0".repeat(64), "f".repeat(64));
    assert_eq!(seen(&json!({}), &[STRIPE_SECRET], &with(&rolled, STRIPE_BODY), now), Ok(Scheme::Stripe));
    assert_eq!(
        seen(&json!({}), &[STRIPE_SECRET], &with(&signed, STRIPE_BODY), at(1_614_265_631)),
        Err(Unsigned::Stale)
    );
    for (header, expected) in [
        (format!("t=1614265331,v1={STRIPE_SIGNED}"), Unsigned::Invalid),
        (format!("t=1614265330,v0={STRIPE_SIGNED}"), Unsigned::Invalid),
        (format!("v1={STRIPE_SIGNED}"), Unsigned::Invalid),
        (format!("t=1614265330,t=1614265330,v1={STRIPE_SIGNED}"), Unsigned::Ambiguous),
        ("t=1614265330".to_owned(), Unsigned::Invalid),
        (String::new(), Unsigned::Invalid),
        (format!("t=99999999999999999999,v1={STRIPE_SIGNED}"), Unsigned::Invalid),
    ] {
        assert_eq!(seen(&json!({}), &[STRIPE_SECRET], &with(&header, STRIPE_BODY), now), Err(expected), "{header}");
    }
}

#[test]
fn a_scheme_of_ones_own() {
    use base64::Engine as _;
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let mut mac = Hmac::<sha2::Sha512>::new_from_slice(b"key").expect("any key");
    mac.update(b"{}");
    let written = mac::BASE64.encode(mac.finalize().into_bytes());
    let config = json!({"scheme": "hmac", "header": "X-Mine", "algorithm": "sha512", "prefix": "v=", "encoding": "base64",
        "timestampHeader": "X-Sent"});
    let header = format!("v={written}");
    let with = |time: &str| request(&[("x-mine", &header), ("x-sent", time)], "{}");
    let now = at(1_614_265_330);
    for fine in ["1614265330", "1614265330123", "2021-02-25T15:02:10Z"] {
        assert_eq!(seen(&config, &["key"], &with(fine), now), Ok(Scheme::Hmac), "{fine}");
    }
    assert_eq!(seen(&config, &["key"], &with("1614265029"), now), Err(Unsigned::Stale));
    assert_eq!(seen(&config, &["key"], &with("yesterday"), now), Err(Unsigned::Invalid));
    assert_eq!(seen(&config, &["other"], &with("1614265330"), now), Err(Unsigned::Invalid));
    let bare = request(&[("x-mine", &*written), ("x-sent", "1614265330")], "{}");
    assert_eq!(seen(&config, &["key"], &bare, now), Err(Unsigned::Invalid), "without its prefix");
    assert_eq!(seen(&config, &["key"], &request(&[("x-mine", &header)], "{}"), now), Err(Unsigned::Missing));
}

#[test]
fn what_is_sent_twice_or_in_several_schemes_is_refused() {
    let once = ("x-hub-signature-256", GITHUB);
    let secret = [GITHUB_SECRET];
    for headers in [vec![once, once], vec![once, ("stripe-signature", "t=1,v1=00")]] {
        let seen = seen(&json!({}), &secret, &request(&headers, "Hello, World!"), at(0));
        assert_eq!(seen, Err(Unsigned::Ambiguous), "{headers:?}");
    }
    assert_eq!(seen(&json!({}), &secret, &request(&[], "Hello, World!"), at(0)), Err(Unsigned::Missing));
    let other = json!({"scheme": "slack"});
    assert_eq!(seen(&other, &secret, &request(&[once], "Hello, World!"), at(0)), Err(Unsigned::Missing));
    let both = [("webhook-signature", "v1,AAAA"), ("svix-signature", "v1,AAAA"), ("webhook-id", "a")];
    assert_eq!(seen(&json!({}), &["AAAA"], &request(&both, ""), at(0)), Err(Unsigned::Ambiguous));
}

#[test]
fn a_delivery_is_called_as_its_sender_calls_it() {
    let ids = BodyIds { id: Some("evt_1".to_owned()), event_id: Some("Ev1".to_owned()) };
    let all = request(&[("x-github-delivery", "d-1"), ("webhook-id", "msg_1")], "");
    for (scheme, expected) in [
        (Some(Scheme::Stripe), Some("evt_1")),
        (Some(Scheme::Github), Some("d-1")),
        (Some(Scheme::Slack), Some("Ev1")),
        (Some(Scheme::Standard), Some("msg_1")),
        (Some(Scheme::Hmac), None),
        (None, Some("d-1")),
    ] {
        assert_eq!(delivery_key(scheme, &all, &ids).as_deref(), expected, "{scheme:?}");
    }
    let nothing = request(&[("webhook-id", "a"), ("webhook-id", "b"), ("x-github-delivery", "")], "");
    for scheme in [None, Some(Scheme::Github), Some(Scheme::Standard), Some(Scheme::Stripe)] {
        assert_eq!(delivery_key(scheme, &nothing, &BodyIds::default()), None, "{scheme:?}");
    }
}
