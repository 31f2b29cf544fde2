//! What works, and where a request may go.

use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-mine: 1\r\nconnection: close, x-hop\r\nx-hop: 1\r\n\r\nok";

#[tokio::test]
async fn a_request_goes_out_as_it_was_rebuilt_and_its_answer_comes_back() {
    let server = Server::says(OK);
    let mut request = get(server.authority());
    (request.method, request.path, request.body) = ("POST".to_owned(), "/a?b=1".to_owned(), b"body".to_vec());
    request.headers = vec![("X-A".to_owned(), b"1".to_vec()), ("connection".to_owned(), b"upgrade".to_vec())];
    let answer = send(&Setup::default().sender(), request).await.expect("an answer");
    assert_eq!(answer.status, 200);
    let names: Vec<_> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["content-length", "x-mine"]);
    assert_eq!(whole(answer).await.expect("a body"), "ok");
    let heard = server.request();
    let expected = format!(
        "POST /a?b=1 HTTP/1.1\r\nhost: {}\r\nx-a: 1\r\nuser-agent: stepwell\r\ncontent-length: 4\r\n\r\nbody",
        server.address
    );
    assert_eq!(heard, expected);
}

#[tokio::test]
async fn bodies_of_every_form_are_whole() {
    let large = "x".repeat(300_000);
    let chunked = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n{:x}\r\n{large}\r\n0\r\nx: y\r\n\r\n",
        large.len()
    );
    for (text, expected) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned(), String::new()),
        ("HTTP/1.1 204 No Content\r\n\r\n".to_owned(), String::new()),
        ("HTTP/1.0 200 OK\r\n\r\nuntil the end".to_owned(), "until the end".to_owned()),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na".to_owned(), "a".to_owned()),
        (format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{large}", large.len()), large.clone()),
        (chunked, format!("ab{large}")),
    ] {
        let server = Server::says(text);
        let answer = send(&Setup::default().sender(), get(server.authority())).await.expect("an answer");
        assert!(whole(answer).await.expect("a body") == expected);
    }
}

#[tokio::test]
async fn an_answer_to_head_has_a_length_and_no_body() {
    let server = Server::says("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n");
    let mut request = get(server.authority());
    request.method = "HEAD".to_owned();
    let answer = send(&Setup::default().sender(), request).await.expect("an answer");
    assert_eq!(answer.headers, [("content-length".to_owned(), b"99999999999".to_vec())]);
    assert_eq!(whole(answer).await.expect("no body"), "");
}

#[tokio::test]
async fn a_redirect_is_an_answer_like_any_other() {
    let server = Server::says("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n");
    let answer = send(&Setup::default().sender(), get(server.authority())).await.expect("an answer");
    assert_eq!((answer.status, answer.headers[0].0.as_str()), (302, "location"));
}

#[tokio::test]
async fn a_name_is_resolved_once_and_connected_to_where_it_was_checked() {
    let server = Server::says(OK);
    let resolver = Script::new(&[&["127.0.0.1"], &["10.0.0.1"]]);
    let sender = Setup { resolver: Arc::clone(&resolver), ..Setup::default() }.sender();
    let target = format!("rebinds.example:{}", server.address.port());
    let answer = send(&sender, get(target.clone())).await.expect("an answer");
    assert_eq!(whole(answer).await.expect("a body"), "ok");
    assert_eq!(resolver.asked(), 1);
    assert!(server.request().contains(&format!("\r\nhost: {target}\r\n")));
    let fault = fault(&sender, get(target)).await;
    assert_eq!((fault.kind, resolver.asked()), (HttpFaultKind::Denied, 2));
}

#[tokio::test]
async fn a_refusal_names_the_rule_and_the_remedy_but_not_the_address_that_was_found() {
    let resolver = Script::new(&[&["10.11.12.13", "fd00::1"]]);
    let sender = Setup { resolver, ..Setup::default() }.sender();
    let fault = fault(&sender, get("db.internal.example")).await;
    assert_eq!(fault.kind, HttpFaultKind::Denied);
    assert!(fault.message.contains("db.internal.example") && fault.message.contains("private"), "{fault}");
    assert!(fault.message.contains("--allow-network") && !fault.message.contains("10.11"), "{fault}");
}

#[tokio::test]
async fn only_the_good_addresses_of_a_name_are_used() {
    let server = Server::says(OK);
    let resolver = Script::new(&[&["10.0.0.1", "::ffff:127.0.0.1", "169.254.169.254", "::1", "127.0.0.1"]]);
    let sender = Setup { resolver, ..Setup::default() }.sender();
    let answer = send(&sender, get(format!("mixed.example:{}", server.address.port()))).await.expect("an answer");
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn four_addresses_are_tried() {
    let server = Server::says(OK);
    let port = server.address.port();
    let resolver = Script::new(&[
        &["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.1"],
        &["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.1"],
    ]);
    let sender = Setup { resolver, ..Setup::default() }.sender();
    assert!(send(&sender, get(format!("many.example:{port}"))).await.is_ok());
    assert_eq!(fault(&sender, get(format!("many.example:{port}"))).await.kind, HttpFaultKind::Connect);
}

#[tokio::test]
async fn addresses_are_never_resolved_however_they_are_spelled() {
    let resolver = Script::new(&[&["8.8.8.8"]]);
    let sender = Setup { resolver: Arc::clone(&resolver), allowed: vec![], ..Setup::default() }.sender();
    for authority in [
        "127.0.0.1",
        "169.254.169.254",
        "10.0.0.1:8080",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[fd00:ec2::254]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "255.255.255.255",
    ] {
        assert_eq!(fault(&sender, get(authority)).await.kind, HttpFaultKind::Denied, "{authority}");
    }
    for authority in [
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "0x7f000001",
        "[fe80::1%25lo]",
        "[::1",
        "a@127.0.0.1",
        "127.0.0.1:80:80",
        "",
    ] {
        assert_eq!(fault(&sender, get(authority)).await.kind, HttpFaultKind::Invalid, "{authority}");
    }
    assert_eq!(resolver.asked(), 0);
}

#[tokio::test]
async fn the_systems_resolver_knows_this_machine_and_it_is_refused() {
    let config = EgressConfig {
        limits: EgressLimits::default(),
        policy: AddressPolicy::default(),
        authorities: Authorities::default(),
        resolver: Arc::new(crate::SystemResolver),
        handle: Handle::current(),
    };
    let sender = HttpEgress::new(config).expect("a sender");
    let fault = fault(&sender, get("localhost")).await;
    assert_eq!(fault.kind, HttpFaultKind::Denied);
    assert!(fault.message.contains("loopback"), "{fault}");
}

#[tokio::test]
async fn a_name_without_an_address_and_a_port_without_a_server() {
    let resolver = Script::new(&[&[]]);
    let sender = Setup { resolver, ..Setup::default() }.sender();
    for _ in 0..2 {
        assert_eq!(fault(&sender, get("nowhere.example")).await.kind, HttpFaultKind::Dns);
    }
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    assert_eq!(fault(&sender, get(closed.to_string())).await.kind, HttpFaultKind::Connect);
}

#[test]
fn whoever_asks_needs_no_sockets_of_their_own() {
    let server = Server::says(OK);
    let with_sockets =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads");
    let sender = Setup::default().sender_on(with_sockets.handle().clone());
    let without = tokio::runtime::Builder::new_current_thread().build().expect("a thread");
    let body = without.block_on(async { whole(send(&sender, get(server.authority())).await?).await });
    assert_eq!(body.expect("a body"), "ok");
}

#[tokio::test]
async fn each_tenant_has_its_own_connections() {
    let (server, _) = Server::stalls_after("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\na");
    let sender = limited(|limits| (limits.tenant_connections, limits.turn) = (1, SHORT));
    let held = send(&sender, get(server.authority())).await.expect("an answer");
    assert_eq!(fault(&sender, get(server.authority())).await.kind, HttpFaultKind::Limit);
    let other = Server::says(OK);
    let answer = sender.send(Connection { tenant: TenantId(2), at_most: FAR }, get(other.authority())).await;
    assert_eq!(whole(answer.expect("an answer")).await.expect("a body"), "ok");
    drop(held);
    assert!(send(&sender, get(other.authority())).await.is_ok());
}
