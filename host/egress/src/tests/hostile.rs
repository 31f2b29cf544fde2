//! Servers that lie, flood, stall and break off. Each costs one request its answer, and nothing more.

use super::*;

/// The kind of fault that this answer ends in, in its head or in its body.
async fn kind(sender: &HttpEgress, server: &Server) -> Option<HttpFaultKind> {
    let result = match send(sender, get(server.authority())).await {
        Ok(answer) => whole(answer).await,
        Err(fault) => Err(fault),
    };
    result.err().map(|fault| fault.kind)
}

#[tokio::test]
async fn what_is_not_http_is_a_fault() {
    let sender = Setup::default().sender();
    for text in [
        "",
        "garbage\r\n\r\n",
        "<html>an answer of HTTP/0.9</html>",
        "HTTP/1.1 200",
        "HTTP/1.1 9999 X\r\n\r\n",
        "HTTP/3.0 200 OK\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx : 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: 1\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: \0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    ] {
        let server = Server::says(text);
        assert_eq!(kind(&sender, &server).await, Some(HttpFaultKind::Protocol), "{text:?}");
    }
}

#[tokio::test]
async fn a_second_answer_on_the_wire_is_nobodys() {
    let smuggled = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
    let server = Server::says(smuggled);
    let sender = Setup::default().sender();
    for _ in 0..3 {
        let answer = send(&sender, get(server.authority())).await.expect("an answer");
        assert_eq!(whole(answer).await.expect("a body"), "ok");
    }
    // Length and chunks at once: whichever is believed, what follows is not an answer to anybody.
    let both = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\nevil";
    let server = Server::says(both);
    for _ in 0..3 {
        let body = match send(&sender, get(server.authority())).await {
            Ok(answer) => whole(answer).await,
            Err(fault) => Err(fault),
        };
        assert!(body.as_ref().map_or(true, |body| !body.contains("evil")), "{body:?}");
    }
}

#[tokio::test]
async fn heads_without_an_end_are_cut() {
    let sender = Setup::default().sender();
    for (head, text) in [
        ("HTTP/1.1 200 OK\r\n", "x-a: 1\r\n".to_owned()),
        ("HTTP/1.1 200 OK\r\nx-a: ", "a".repeat(1_000)),
        ("HTTP/1.1 200 ", "a".repeat(1_000)),
    ] {
        let kind = kind(&sender, &Server::repeats(head, text)).await;
        assert_eq!(kind, Some(HttpFaultKind::ResponseTooLarge), "{head:?}");
    }
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x-a: 1\r\n".repeat(101));
    assert_eq!(kind(&sender, &Server::says(many)).await, Some(HttpFaultKind::ResponseTooLarge));
    let fits = format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{}\r\n", "x-a: 1\r\n".repeat(99));
    assert_eq!(kind(&sender, &Server::says(fits)).await, None);
    let interim = Server::repeats("", "HTTP/1.1 102 Processing\r\n\r\n");
    assert_eq!(kind(&sender, &interim).await, Some(HttpFaultKind::Protocol));
}

#[tokio::test]
async fn bodies_without_an_end_are_cut() {
    let sender = limited(|limits| limits.response_bytes = 1 << 20);
    for (head, text) in [
        ("HTTP/1.1 200 OK\r\n\r\n", "a".repeat(10_000)),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", format!("2710\r\n{}\r\n", "a".repeat(10_000))),
        ("HTTP/1.1 200 OK\r\ncontent-length: 1048577\r\n\r\n", "a".repeat(10_000)),
        ("HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551614\r\n\r\n", "a".to_owned()),
    ] {
        let server = Server::repeats(head, text);
        assert_eq!(kind(&sender, &server).await, Some(HttpFaultKind::ResponseTooLarge), "{head:?}");
    }
    let exactly = format!("HTTP/1.1 200 OK\r\ncontent-length: 1048576\r\n\r\n{}", "a".repeat(1 << 20));
    assert_eq!(kind(&sender, &Server::says(exactly)).await, None);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_left() {
    let sender = limited(|limits| (limits.first_byte, limits.between_bytes) = (SHORT, SHORT));
    for head in [
        "",
        "HTTP/1.1 200 OK\r\nx: ",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc",
    ] {
        let (server, gone) = Server::stalls_after(head);
        assert_eq!(kind(&sender, &server).await, Some(HttpFaultKind::Timeout), "{head:?}");
        gone.recv().expect("the connection was closed");
    }
}

#[tokio::test]
async fn the_function_may_ask_for_shorter_waits() {
    let (server, _gone) = Server::stalls_after("");
    let mut request = get(server.authority());
    request.timeouts.first_byte_ms = Some(20);
    assert_eq!(fault(&Setup::default().sender(), request).await.kind, HttpFaultKind::Timeout);
}

#[tokio::test]
async fn drop_by_drop_until_the_attempt_is_over() {
    let drip = |head: &'static str| {
        Server::new(move |stream| {
            stream.write_all(head.as_bytes())?;
            let pause = stream.try_clone()?;
            pause.set_read_timeout(Some(Duration::from_millis(5)))?;
            loop {
                stream.write_all(b"a")?;
                let _ = (&pause).read(&mut [0]); // nothing comes: it is the pause
            }
        })
    };
    let sender = Setup::default().sender();
    for head in ["HTTP/1.1 200 OK\r\nx: ", "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n"] {
        let server = drip(head);
        let connection = Connection { tenant: TenantId(1), at_most: Duration::from_millis(100) };
        let result = match sender.send(connection, get(server.authority())).await {
            Ok(answer) => whole(answer).await,
            Err(fault) => Err(fault),
        };
        let fault = result.expect_err("too slow");
        assert_eq!((fault.kind, fault.message.as_str()), (HttpFaultKind::Timeout, "the attempt's time is over"));
    }
}

#[tokio::test]
async fn an_attempt_without_time_sends_nothing() {
    let server = Server::says("HTTP/1.1 200 OK\r\n\r\n");
    let connection = Connection { tenant: TenantId(1), at_most: Duration::ZERO };
    let fault = Setup::default().sender().send(connection, get(server.authority())).await.err().expect("a fault");
    assert_eq!(fault.kind, HttpFaultKind::Timeout);
}

#[tokio::test]
async fn a_connection_that_is_reset_is_a_fault() {
    // It closes with the request unread: the system answers what still comes with a reset.
    let server = Server::new(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc")?;
        stream.shutdown(std::net::Shutdown::Both)
    });
    assert_eq!(kind(&Setup::default().sender(), &server).await, Some(HttpFaultKind::Protocol));
}

#[tokio::test]
async fn an_answer_that_comes_before_the_request_is_read_is_an_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        // The request has begun: an answer to nothing would be none.
        stream.read_exact(&mut [0; 1024]).expect("the beginning");
        stream.write_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno").expect("written");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    });
    let mut request = get(address.to_string());
    (request.method, request.body) = ("POST".to_owned(), vec![b'a'; 4 << 20]);
    let answer = send(&Setup::default().sender(), request).await.expect("an answer");
    assert_eq!(answer.status, 413);
}

#[tokio::test]
async fn whoever_stops_waiting_ends_the_connection() {
    for head in ["", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"] {
        let (server, gone) = Server::stalls_after(head);
        let (sender, request) = (Setup::default().sender(), get(server.authority()));
        let mut waiting = Box::pin(async {
            let mut answer = send(&sender, request).await.expect("an answer");
            while answer.body.next().await.expect("a part").is_some() {}
        });
        // Polled until the server has heard the request, then dropped.
        let heard = tokio::task::spawn_blocking(move || server.request());
        tokio::select! {
            () = &mut waiting => panic!("the body has no end"),
            heard = heard => assert!(!heard.expect("heard").is_empty()),
        }
        drop(waiting);
        gone.recv().expect("the connection was closed");
    }
}
