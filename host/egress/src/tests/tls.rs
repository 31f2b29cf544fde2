//! Whose certificates are accepted.

use super::*;
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};

/// An authority of our own, trusted by a sender.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(vec![]).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self { issuer: Issuer::new(params, key), certificate }
    }

    fn sender(&self, resolver: Arc<Script>) -> HttpEgress {
        let authorities = Authorities::default().with_pem(self.certificate.pem().as_bytes()).expect("an authority");
        Setup { authorities, resolver, ..Setup::default() }.sender()
    }

    /// A server with a certificate of ours for these names.
    fn server(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Server {
        let mut params =
            CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).expect("names");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        tls_server(&certificate, &key)
    }
}

/// A server that answers with the name that it was asked for.
fn tls_server(certificate: &Certificate, key: &KeyPair) -> Server {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).expect("a config");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (tell, heard) = sync_channel(64);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut tls = ServerConnection::new(Arc::clone(&config)).expect("a connection");
            let request = read_request(&mut Stream::new(&mut tls, &mut stream));
            let name = tls.server_name().unwrap_or("none").to_owned();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}", name.len());
            let _ = Stream::new(&mut tls, &mut stream).write_all(answer.as_bytes());
            tls.send_close_notify();
            let _ = tls.complete_io(&mut stream);
            let _ = tell.send(request);
        }
    });
    Server { address, heard: Mutex::new(heard) }
}

fn secure(authority: String) -> HttpRequest {
    HttpRequest { scheme: "https".to_owned(), ..get(authority) }
}

fn at(name: &str, server: &Server) -> HttpRequest {
    secure(format!("{name}:{}", server.address.port()))
}

#[tokio::test]
async fn the_right_certificate_is_asked_for_by_name_and_accepted() {
    let authority = Authority::new("ours");
    let server = authority.server(&["good.example"], |_| {});
    let sender = authority.sender(Script::new(&[&["127.0.0.1"]]));
    let answer = send(&sender, at("GOOD.example", &server)).await.expect("an answer");
    assert_eq!(whole(answer).await.expect("a body"), "good.example");
    assert!(server.request().starts_with("GET / HTTP/1.1\r\nhost: good.example:"));
}

#[tokio::test]
async fn an_address_has_a_certificate_of_its_own() {
    let authority = Authority::new("ours");
    let sender = authority.sender(Arc::default());
    let server = authority.server(&["127.0.0.1"], |_| {});
    let answer = send(&sender, secure(server.authority())).await.expect("an answer");
    assert_eq!(whole(answer).await.expect("a body"), "none");
    let other = authority.server(&["good.example"], |_| {});
    assert_eq!(fault(&sender, secure(other.authority())).await.kind, HttpFaultKind::Tls);
}

#[tokio::test]
async fn every_other_certificate_is_refused() {
    let authority = Authority::new("ours");
    let self_signed = {
        let params = CertificateParams::new(vec!["good.example".to_owned()]).expect("names");
        let key = KeyPair::generate().expect("a key");
        tls_server(&params.self_signed(&key).expect("a certificate"), &key)
    };
    let expired = authority.server(&["good.example"], |params| params.not_after = date_time_ymd(2020, 1, 1));
    let early = authority.server(&["good.example"], |params| params.not_before = date_time_ymd(4000, 1, 1));
    for (server, words) in [
        (authority.server(&["other.example"], |_| {}), "another name"),
        (authority.server(&["*.good.example"], |_| {}), "another name"),
        (authority.server(&["127.0.0.1"], |_| {}), "another name"),
        (Authority::new("another").server(&["good.example"], |_| {}), "--trust-ca"),
        (self_signed, "--trust-ca"),
        (expired, "expired"),
        (early, "not valid yet"),
    ] {
        let sender = authority.sender(Script::new(&[&["127.0.0.1"]]));
        let fault = fault(&sender, at("good.example", &server)).await;
        assert_eq!(fault.kind, HttpFaultKind::Tls);
        assert!(fault.message.contains(words) && fault.message.contains("good.example"), "{words}: {fault}");
    }
}

#[tokio::test]
async fn without_the_operators_word_our_authority_is_a_strangers() {
    let server = Authority::new("ours").server(&["good.example"], |_| {});
    let sender = Setup { resolver: Script::new(&[&["127.0.0.1"]]), ..Setup::default() }.sender();
    assert_eq!(fault(&sender, at("good.example", &server)).await.kind, HttpFaultKind::Tls);
}

#[tokio::test]
async fn a_server_without_tls_is_a_fault_and_one_that_is_silent_too() {
    let sender = limited(|limits| limits.tls = SHORT);
    let server = Server::says("HTTP/1.1 400 Bad Request\r\n\r\n");
    // What it reads as a request is a handshake, whose end never comes: either of both gives up.
    let fault_of_plain = fault(&sender, secure(server.authority())).await;
    assert!(matches!(fault_of_plain.kind, HttpFaultKind::Tls | HttpFaultKind::Timeout), "{fault_of_plain}");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = secure(listener.local_addr().expect("an address").to_string());
    assert_eq!(fault(&sender, silent).await.kind, HttpFaultKind::Timeout);
    let sender = Setup::default().sender();
    let speaks = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = speaks.local_addr().expect("an address");
    std::thread::spawn(move || {
        let (mut stream, _) = speaks.accept().expect("a connection");
        let _ = stream.write_all(b"220 mail.example ESMTP\r\n");
        let _ = stream.read_to_end(&mut Vec::new());
    });
    assert_eq!(fault(&sender, secure(address.to_string())).await.kind, HttpFaultKind::Tls);
}
