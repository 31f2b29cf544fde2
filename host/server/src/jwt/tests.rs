//! Tokens as issuers sign them, and as attackers do.

use super::keys::parse;
use super::*;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::json;
use stepwell_engine::ports::NoEgress;

const ISSUER: &str = "https://issuer.example";

// A key of 2,048 bits whose private half is gone, and what it has signed until 2090: as PKCS #1 and as PSS.
const RSA_N: &str = concat!(
    "0UdZn8JCrv9vs1OLbmdEIxYT3MR-8F1XmrPGn0ca3JmriljnYuGFK3uZEzP9Oa1qx0KohbEk693tybaLLx-XQJp7fuuD0j29L2hL",
    "c_SaWoDM8md98KlhJvf1t8EhoNBhyDOyitUjs5vFjyX6yV8V2qDcoVNRhny5NYN0_1LLNmLXEi8IKNnR1C1I0XMcT0DxAjuIwwMs",
    "Ee2OyaeUnG7wrlb3Phdvc0TkNhmOJJWWPg-FXmGWGS-LyYVKN8ecFFoGg5CJovtGw8FPKZlEympbxx81vTRWgJ18n2fMADuWIp1U",
    "g1IOIS6yoiZ991H3-j6ZdcPFBymr0Aif8uJ9dMSELQ",
);
const RS256: &str = concat!(
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAic3R",
    "lcHdlbGwiLCAic3ViIjogImFubiIsICJleHAiOiAzNzg2OTEyMDAwLCAic3RlcHdlbGxfdGVuYW50IjogImFjbWUiLCAic2NvcGU",
    "iOiAicmVhZCJ9.LHcXY8i4M5o27jXae_JCSmbAFvx1RHLC4Eqsdk6gwk3dq21ufye_04Ud1VGPfKhVBs6_FU3wrn584Y1lZ4YHGh",
    "wnHcL-gnOTsDzH3m-xoqusAfI9oR5bRAK6SFfsQwAJ6ZH2_xjBxL7ZQUFrKK77gPu5Xj1CcmHtQXzl2jYyVuzDcVZTeOgLcgfrLO",
    "rHMNjoPm7injBrl3AnZGFIeXGXm-kW-6a9CE-R9Xcz2yChCzaY28PvdYhHUFCOBfAdDUTGRXbTgGm2wW5vtt_b6Iov9thwN6vgTD",
    "nU9-MkCD1CstQADmRPAwAqK7rXBp--NAvj38bU0nqaxLJznQekf_yqPg",
);
const PS256: &str = concat!(
    "eyJhbGciOiAiUFMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAic3R",
    "lcHdlbGwiLCAic3ViIjogImFubiIsICJleHAiOiAzNzg2OTEyMDAwLCAic3RlcHdlbGxfdGVuYW50IjogImFjbWUiLCAic2NvcGU",
    "iOiAicmVhZCJ9.bYhTzOmDULwCDLbcppLAZv0n16Q9irMTk3u5tgOeOklKj1EJy-8YDHPsb1KDIGdsKhhgkLt1QtNL59ywZeWAZ9",
    "IkMN8p35Os4uSVlWVqw1WBXO3DshuTc9mPyIA5NfExBSPfo6dIsgCkOR1FB4Rh0jd7E_FTEb1LcJkLJZQ1sokNTeIXxpjxv0GbVC",
    "nbyidLI_3RRflCtQWkVkqw-Wfu05zv47ZBEK2Y4ilyv6d0J2hHwd7CvT3fCTIx0YkXMUtCLK32PFiszE-dQst9bVRh3zciILbpiH",
    "9EwuA3qTZf0sNpJQ_bUCloKlbHdVe_igY56b8KwalBb1--WsvTrFv4VA",
);

/// An issuer with keys of each kind.
struct Issuer {
    random: SystemRandom,
    ed: Ed25519KeyPair,
    ec: EcdsaKeyPair,
    folder: tempfile::TempDir,
}

fn now_s() -> u64 {
    crate::system::SystemClock.now().0 / 1_000
}

fn encoded(value: &Value) -> String {
    BASE64.encode(value.to_string())
}

impl Issuer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let ed = Ed25519KeyPair::generate_pkcs8(&random).expect("a key");
        let ed = Ed25519KeyPair::from_pkcs8(ed.as_ref()).expect("a key");
        let how = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let ec = EcdsaKeyPair::generate_pkcs8(how, &random).expect("a key");
        let ec = EcdsaKeyPair::from_pkcs8(how, ec.as_ref(), &random).expect("a key");
        let issuer = Self { random, ed, ec, folder: tempfile::tempdir().expect("a folder") };
        issuer.write(&issuer.set());
        issuer
    }

    fn set(&self) -> Value {
        let point = self.ec.public_key().as_ref();
        let (x, y) = (BASE64.encode(&point[1..33]), BASE64.encode(&point[33..]));
        json!({"keys": [
            {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": BASE64.encode(self.ed.public_key().as_ref())},
            {"kty": "EC", "crv": "P-256", "kid": "ec", "use": "sig", "alg": "ES256", "x": x, "y": y},
            {"kty": "RSA", "kid": "rsa", "n": RSA_N, "e": "AQAB"},
            {"kty": "RSA", "kid": "only-rs", "alg": "RS256", "n": RSA_N, "e": "AQAB"},
            {"kty": "RSA", "kid": "enc", "use": "enc", "n": RSA_N, "e": "AQAB"},
            {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"},
            {"kty": "new", "kid": "new"}
        ]})
    }

    fn write(&self, set: &Value) {
        std::fs::write(self.folder.path().join("jwks"), set.to_string()).expect("writes");
    }

    async fn jwt(&self) -> Jwt {
        let (issuer, audience) = (ISSUER.to_owned(), "stepwell".to_owned());
        let (jwks, tenant_claim) = (Jwks::File(self.folder.path().join("jwks")), "stepwell_tenant".to_owned());
        let config = JwtConfig { issuer, audience, jwks, tenant_claim };
        Jwt::new(config, Arc::new(NoEgress)).await.expect("the keys are good")
    }

    fn signed(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encoded(header), encoded(claims));
        let signature = match header["alg"].as_str() {
            Some("ES256") => self.ec.sign(&self.random, message.as_bytes()).expect("signs").as_ref().to_vec(),
            _ => self.ed.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", BASE64.encode(signature))
    }
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": "stepwell", "sub": "ann", "exp": now_s() + 600, "scope": "read x deploy"})
}

fn ed() -> Value {
    json!({"alg": "EdDSA", "kid": "ed"})
}

#[tokio::test]
async fn tokens_of_each_kind_of_key_count() {
    let issuer = Issuer::new();
    let jwt = issuer.jwt().await;
    for token in [
        issuer.signed(&ed(), &claims()),
        issuer.signed(&json!({"alg": "ES256", "kid": "ec", "typ": "JWT"}), &claims()),
        RS256.to_owned(),
        PS256.to_owned(),
    ] {
        let claims = jwt.claims(&token).await;
        assert_eq!(claims.map(|claims| claims["sub"].clone()), Ok(json!("ann")), "{token}");
    }
    let many =
        issuer.signed(&ed(), &json!({"iss": ISSUER, "aud": ["a", "stepwell"], "sub": "ann", "exp": now_s() + 9}));
    assert!(jwt.claims(&many).await.is_ok());
}

/// What openssl signed, and the keys for it.
fn vectors() -> Value {
    serde_json::from_str(include_str!("fixtures/vectors.json")).expect("JSON")
}

#[tokio::test]
async fn what_openssl_signed_counts_by_its_own_algorithm_and_no_other() {
    let (issuer, vectors) = (Issuer::new(), vectors());
    issuer.write(&vectors);
    let jwt = issuer.jwt().await;
    let tokens = vectors["tokens"].as_object().expect("tokens");
    assert_eq!(tokens.keys().map(String::as_str).collect::<Vec<_>>(), ["RS384", "RS512", "PS384", "PS512", "ES384"]);
    for (algorithm, token) in tokens {
        let token = token.as_str().expect("a token");
        let claims = jwt.claims(token).await;
        assert_eq!(claims.map(|claims| claims["sub"].clone()), Ok(json!("ann")), "{algorithm}");
        let (_, rest) = token.split_once('.').expect("claims");
        let kid = if algorithm == "ES384" { "p384" } else { "rsa-vectors" };
        for other in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"] {
            // With the header of another algorithm neither the key nor the signature fits.
            let bent = format!("{}.{rest}", encoded(&json!({"alg": other, "kid": kid})));
            assert_eq!(jwt.claims(&bent).await.err(), Some(NoToken), "{algorithm} as {other}");
        }
        let (start, signature) = token.split_at(token.len() - 30);
        let changed: String = signature.chars().map(|c| if c == 'A' { 'B' } else { 'A' }).collect();
        assert_eq!(jwt.claims(&format!("{start}{changed}")).await.err(), Some(NoToken), "{algorithm}");
    }
}

#[tokio::test]
async fn what_is_signed_badly_or_by_somebody_else_does_not_count() {
    let issuer = Issuer::new();
    let jwt = issuer.jwt().await;
    let good = issuer.signed(&ed(), &claims());
    let (message, signature) = good.rsplit_once('.').expect("a signature");
    let unsigned = format!("{}.{}.", encoded(&json!({"alg": "none", "kid": "ed"})), encoded(&claims()));
    // Signed with the public key as if it were a shared secret.
    let shared = format!("{}.{}", encoded(&json!({"alg": "HS256", "kid": "ed"})), encoded(&claims()));
    let hmac = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, issuer.ed.public_key().as_ref());
    let shared = format!("{shared}.{}", BASE64.encode(ring::hmac::sign(&hmac, shared.as_bytes()).as_ref()));
    let other = Issuer::new().signed(&ed(), &claims());
    let mut richer = claims();
    richer["scope"] = json!("admin");
    let richer = format!("{}.{}.{signature}", encoded(&ed()), encoded(&richer));
    let rsa = |kid: &str, alg: &str| {
        let (_, rest) = RS256.split_once('.').expect("claims");
        format!("{}.{rest}", encoded(&json!({"alg": alg, "kid": kid})))
    };
    for (what, token) in [
        ("unsigned", unsigned),
        ("a shared secret", shared),
        ("another issuer's key", other),
        ("changed claims", richer),
        ("no signature", format!("{message}.")),
        ("no kid", issuer.signed(&json!({"alg": "EdDSA"}), &claims())),
        ("an unknown kid", issuer.signed(&json!({"alg": "EdDSA", "kid": "x"}), &claims())),
        ("another key's kid", issuer.signed(&json!({"alg": "EdDSA", "kid": "ec"}), &claims())),
        ("a kid of another kind", issuer.signed(&json!({"alg": "EdDSA", "kid": "rsa"}), &claims())),
        ("a key for something else", rsa("enc", "RS256")),
        ("an algorithm that the key does not have", rsa("only-rs", "PS256")),
        ("a key that is a secret", rsa("secret", "HS256")),
        ("what must be understood", issuer.signed(&json!({"alg": "EdDSA", "kid": "ed", "crit": ["x"]}), &claims())),
        ("too long", format!("{}{good}", "A".repeat(TOKEN_BYTES))),
        ("nothing", "..".to_owned()),
        ("no JSON", format!("AAAA.AAAA.{signature}")),
    ] {
        assert_eq!(jwt.claims(&token).await.err(), Some(NoToken), "{what}");
    }
}

#[tokio::test]
async fn claims_must_be_there_and_hold_now() {
    let issuer = Issuer::new();
    let jwt = issuer.jwt().await;
    for (claim, value) in [
        ("exp", json!(now_s() - 60)),
        ("exp", Value::Null),
        ("exp", json!("tomorrow")),
        ("nbf", json!(now_s() + 600)),
        ("aud", json!("somebody")),
        ("aud", json!(["somebody"])),
        ("aud", Value::Null),
        ("iss", json!("https://other.example")),
        ("iss", Value::Null),
        ("sub", Value::Null),
    ] {
        let mut claims = claims();
        match &value {
            Value::Null => drop(claims.as_object_mut().expect("an object").remove(claim)),
            value => claims[claim] = value.clone(),
        }
        let token = issuer.signed(&ed(), &claims);
        assert_eq!(jwt.claims(&token).await.err(), Some(NoToken), "{claim} {value}");
    }
    let mut young = claims();
    young["nbf"] = json!(now_s() + 5);
    assert!(jwt.claims(&issuer.signed(&ed(), &young)).await.is_ok(), "clocks differ a little");
}

#[test]
fn scopes_and_groups_are_read_as_issuers_write_them() {
    let of = |value: Value| {
        let claims = value.as_object().expect("an object").clone();
        (scopes(&claims), groups(&claims))
    };
    assert_eq!(of(json!({"scope": "openid read  deploy"})).0, [Scope::Read, Scope::Deploy]);
    assert_eq!(of(json!({"scopes": ["admin", 7, "x"]})).0, [Scope::Admin]);
    assert_eq!(of(json!({"scope": ["admin"]})).0, []);
    assert_eq!(of(json!({})), (vec![], vec![]));
    assert_eq!(of(json!({"groups": ["a", "group:b", "", 7, "c\n"]})).1, ["group:a", "group:b"]);
}

#[test]
fn a_set_without_a_key_for_signatures_is_refused() {
    for text in ["", "{}", "{\"keys\": []}", "{\"keys\": [{\"kty\": \"oct\", \"kid\": \"a\", \"k\": \"AAAA\"}]}", "[]"]
    {
        assert!(parse(text.as_bytes()).is_err(), "{text}");
    }
}
