//! Services with certificates of an authority that only the operator trusts (`--trust-ca`): functions call them, and the keys of an issuer are
//! fetched from there (`--jwks-url`).

use crate::outgoing::{run, upload};
use crate::support::{Server, failure};
use crate::tokens::{RSA_N, TOKEN};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};
use serde_json::json;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// A service for `localhost`, and the authority that says so.
struct Service {
    port: u16,
    folder: TempDir,
    answer: Arc<Mutex<(u16, String)>>,
    asked: Arc<AtomicUsize>,
}

impl Service {
    /// With TLS.
    fn secure() -> Self {
        let mut params = CertificateParams::new(vec![]).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, "the operator's own");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("ca.pem"), params.self_signed(&key).expect("signed").pem()).expect("writes");
        let issuer = Issuer::new(params, key);
        let own = KeyPair::generate().expect("a key");
        let names = CertificateParams::new(vec!["localhost".to_owned()]).expect("names");
        let certificate = names.signed_by(&own, &issuer).expect("signed");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("TLS");
        let own = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(own.serialize_der()));
        let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], own);
        Self::listening(folder, Some(Arc::new(config.expect("a certificate"))))
    }

    /// Without.
    fn plain() -> Self {
        Self::listening(tempfile::tempdir().expect("a folder"), None)
    }

    fn listening(folder: TempDir, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (answer, asked) = (Arc::new(Mutex::new((200, "hello".to_owned()))), Arc::new(AtomicUsize::new(0)));
        let (said, counted) = (Arc::clone(&answer), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let (status, body) = said.lock().expect("lock").clone();
                let text = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                match &tls {
                    None => serve(&mut stream, &text, &counted),
                    Some(config) => secured(&mut stream, config, (&text, &counted)),
                }
            }
        });
        Self { port, folder, answer, asked }
    }

    fn says(&self, status: u16, body: &impl ToString) {
        *self.answer.lock().expect("lock") = (status, body.to_string());
    }

    fn authority(&self) -> String {
        self.folder.path().join("ca.pem").display().to_string()
    }
}

fn secured(stream: &mut TcpStream, config: &Arc<ServerConfig>, (text, asked): (&str, &AtomicUsize)) {
    let mut tls = ServerConnection::new(Arc::clone(config)).expect("a connection");
    serve(&mut Stream::new(&mut tls, stream), text, asked);
    tls.send_close_notify();
    // Who does not trust us is gone.
    let _ = tls.complete_io(stream);
}

fn serve(stream: &mut (impl Read + Write), answer: &str, asked: &AtomicUsize) {
    let (mut text, mut part) = (Vec::new(), [0; 4096]);
    while !text.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut part) {
            Ok(read) if read > 0 => text.extend_from_slice(&part[..read]),
            _ => return,
        }
    }
    asked.fetch_add(1, Ordering::SeqCst);
    let _ = stream.write_all(answer.as_bytes());
}

#[test]
fn a_function_calls_a_service_whose_authority_the_operator_trusts() {
    let service = Service::secure();
    let url = format!("https://localhost:{}", service.port);
    let network = ["--allow-network", "127.0.0.0/8", "--allow-network", "::1"];
    let server = Server::start_with(&network);
    upload(&server.client, &json!({"http": [&url]}));
    let (code, message) = failure(&run(&server.client, &json!({"url": &url})));
    assert!(code == "http_failed" && message.contains("TLS"), "{code} {message}");
    assert_eq!(service.asked.load(Ordering::SeqCst), 0, "nothing was said to who is not trusted");
    let authority = service.authority();
    let server = Server::start_with(&[&network[..], &["--trust-ca", &authority]].concat());
    upload(&server.client, &json!({"http": [&url]}));
    assert_eq!(run(&server.client, &json!({"url": &url}))["result"]["body"], "hello");
}

fn set(kid: &str) -> serde_json::Value {
    json!({"keys": [{"kty": "RSA", "kid": kid, "n": RSA_N, "e": "AQAB"}]})
}

fn trusting(url: &str, more: &[&str]) -> Server {
    let issuer = ["--jwt-issuer", "https://issuer.example", "--jwt-audience", "stepwell", "--jwks-url", url];
    let server = Server::start_with(&[&issuer[..], more].concat());
    server.client.tenant("acme");
    server
}

#[test]
fn keys_come_from_the_issuers_own_server() {
    let service = Service::secure();
    let url = format!("https://localhost:{}/keys?token=planted", service.port);
    service.says(200, &set("old"));
    let server = trusting(&url, &["--trust-ca", &service.authority()]);
    let ann = server.client.with_key(TOKEN);
    assert_eq!(service.asked.load(Ordering::SeqCst), 1, "at the start");
    // The issuer has a new key, and somebody comes with a token that it signed.
    service.says(200, &set("rsa"));
    ann.get("/workflows").ok(200);
    assert_eq!(service.asked.load(Ordering::SeqCst), 2);
    service.says(500, &"no");
    ann.get("/workflows").ok(200);
    assert_eq!(service.asked.load(Ordering::SeqCst), 2, "keys that are known are not asked for");
}

#[test]
fn a_start_does_not_wait_for_the_issuer_and_its_keys_are_taken_when_they_come() {
    let service = Service::secure();
    let url = format!("https://localhost:{}/keys", service.port);
    service.says(503, &"not yet");
    let server = trusting(&url, &["--trust-ca", &service.authority()]);
    service.says(200, &set("rsa"));
    server.client.with_key(TOKEN).get("/workflows").ok(200);
    // An issuer that nobody vouches for is not listened to.
    let stranger = trusting(&url, &[]);
    assert_eq!(stranger.client.with_key(TOKEN).get("/workflows").error(401), "unauthorized");
}

#[test]
fn keys_come_without_tls_from_this_machine_only() {
    let service = Service::plain();
    service.says(200, &set("rsa"));
    let server = trusting(&format!("http://127.0.0.1:{}/", service.port), &[]);
    server.client.with_key(TOKEN).get("/workflows").ok(200);
    let (one, other) = (format!("http://127.0.0.1:{}/", service.port), "nothing.json".to_owned());
    for (flags, words) in [
        (vec!["--jwks-url", "http://user:pass@x/"], "--jwks-url"),
        (vec!["--jwks-url", &one, "--jwks", &other], "cannot be used with"),
        (vec![], "--jwks"),
    ] {
        let data = tempfile::tempdir().expect("a folder");
        let mut command = crate::support::program();
        command.args(["serve", "--listen", "127.0.0.1:0", "--jwt-issuer", "i", "--jwt-audience", "a", "--data"]);
        let ended = command.arg(data.path()).args(&flags).output().expect("starts");
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(!ended.status.success() && said.contains(words), "{flags:?}: {said}");
    }
}
