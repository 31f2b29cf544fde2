//! Tokens of an issuer whom the operator trusts, through the front door.

use crate::support::Server;
use serde_json::json;

// A key whose private half is gone, and what it has signed until 2090: ann, of the tenant acme, with the scope read.
pub const RSA_N: &str = concat!(
    "0UdZn8JCrv9vs1OLbmdEIxYT3MR-8F1XmrPGn0ca3JmriljnYuGFK3uZEzP9Oa1qx0KohbEk693tybaLLx-XQJp7fuuD0j29L2hL",
    "c_SaWoDM8md98KlhJvf1t8EhoNBhyDOyitUjs5vFjyX6yV8V2qDcoVNRhny5NYN0_1LLNmLXEi8IKNnR1C1I0XMcT0DxAjuIwwMs",
    "Ee2OyaeUnG7wrlb3Phdvc0TkNhmOJJWWPg-FXmGWGS-LyYVKN8ecFFoGg5CJovtGw8FPKZlEympbxx81vTRWgJ18n2fMADuWIp1U",
    "g1IOIS6yoiZ991H3-j6ZdcPFBymr0Aif8uJ9dMSELQ",
);
pub const TOKEN: &str = concat!(
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogInJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJhdWQiOiAic3R",
    "lcHdlbGwiLCAic3ViIjogImFubiIsICJleHAiOiAzNzg2OTEyMDAwLCAic3RlcHdlbGxfdGVuYW50IjogImFjbWUiLCAic2NvcGU",
    "iOiAicmVhZCJ9.LHcXY8i4M5o27jXae_JCSmbAFvx1RHLC4Eqsdk6gwk3dq21ufye_04Ud1VGPfKhVBs6_FU3wrn584Y1lZ4YHGh",
    "wnHcL-gnOTsDzH3m-xoqusAfI9oR5bRAK6SFfsQwAJ6ZH2_xjBxL7ZQUFrKK77gPu5Xj1CcmHtQXzl2jYyVuzDcVZTeOgLcgfrLO",
    "rHMNjoPm7injBrl3AnZGFIeXGXm-kW-6a9CE-R9Xcz2yChCzaY28PvdYhHUFCOBfAdDUTGRXbTgGm2wW5vtt_b6Iov9thwN6vgTD",
    "nU9-MkCD1CstQADmRPAwAqK7rXBp--NAvj38bU0nqaxLJznQekf_yqPg",
);

#[test]
fn a_token_stands_for_somebody_of_the_tenant_that_it_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("jwks.json");
    let set = json!({"keys": [{"kty": "RSA", "kid": "rsa", "n": RSA_N, "e": "AQAB"}]});
    std::fs::write(&file, set.to_string()).expect("writes");
    let path = file.display().to_string();
    let options = ["--jwt-issuer", "https://issuer.example", "--jwt-audience", "stepwell", "--jwks", &path];
    let server = Server::start_with(&options);
    let (operator, ann) = (&server.client, server.client.with_key(TOKEN));
    assert_eq!(ann.get("/workflows").error(401), "unauthorized", "there is no such tenant");
    let admin = operator.tenant("acme");
    let step = json!({"id": "only", "type": "condition", "condition": "true"});
    admin.post("/workflows", &json!({"id": "w", "steps": [step]})).ok(201);
    assert_eq!(ann.get("/workflows").ok(200)[0]["id"], "w");
    assert_eq!(ann.delete("/workflows/w").error(403), "forbidden");
    assert_eq!(ann.get("/tenants").error(403), "forbidden");
    let (start, signature) = TOKEN.split_at(TOKEN.len() - 40);
    assert_eq!(operator.with_key(&format!("{start}{}", signature.replace('A', "B"))).get("/workflows").status, 401);
    operator.post("/tenants/acme/suspend", &json!({})).ok(200);
    assert_eq!(ann.get("/workflows").error(403), "tenant_suspended");
    operator.post("/tenants/acme/resume", &json!({})).ok(200);
    ann.get("/workflows").ok(200);

    // The issuer has another key now: the file is read again, without a restart.
    let other = json!({"keys": [{"kty": "RSA", "kid": "new", "n": RSA_N, "e": "AQAB"}]});
    std::fs::write(&file, other.to_string()).expect("writes");
    while ann.get("/workflows").status == 200 {}
    assert_eq!(ann.get("/workflows").error(401), "unauthorized");
    std::fs::write(&file, "nothing").expect("writes");
    operator.get("/workflows").ok(200);
    let plain = Server::start();
    assert_eq!(plain.client.with_key(TOKEN).get("/workflows").error(401), "unauthorized", "nobody is trusted unasked");
}
