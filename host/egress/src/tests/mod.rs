//! The sender against real servers on this machine, which behave as they like.

mod hostile;
mod plain;
mod tls;

use crate::{AddressPolicy, Authorities, EgressConfig, EgressLimits, HttpEgress, Resolver};
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stepwell_core::ids::TenantId;
use stepwell_engine::ports::{
    Connection, Egress as _, HttpFault, HttpFaultKind, HttpRequest, HttpResponse, HttpTimeouts,
};
use tokio::runtime::Handle;

/// A deadline that no test reaches.
const FAR: Duration = Duration::MAX;

/// A server: each connection's bytes up to the end of the request are kept, then it does what the test says.
struct Server {
    address: SocketAddr,
    heard: Mutex<Receiver<String>>,
}

impl Server {
    fn new(answer: impl Fn(&mut TcpStream) -> io::Result<()> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (tell, heard) = sync_channel(64);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let request = read_request(&mut stream);
                if request.is_empty() {
                    continue;
                }
                let _ = tell.send(request);
                // The other side may be gone already: that is what some tests want.
                let _ = answer(&mut stream);
            }
        });
        Self { address, heard: Mutex::new(heard) }
    }

    fn says(text: impl Into<Vec<u8>>) -> Self {
        let text = text.into();
        Self::new(move |stream| stream.write_all(&text))
    }

    /// Says this for ever.
    fn repeats(head: &'static str, text: impl Into<Vec<u8>>) -> Self {
        let text = text.into();
        Self::new(move |stream| {
            stream.write_all(head.as_bytes())?;
            loop {
                stream.write_all(&text)?;
            }
        })
    }

    /// Says this, and no more until the other side goes.
    fn stalls_after(head: &'static str) -> (Self, Receiver<()>) {
        let (tell, gone) = sync_channel(8);
        let server = Self::new(move |stream| {
            stream.write_all(head.as_bytes())?;
            wait_for_the_end(stream, &tell)
        });
        (server, gone)
    }

    /// What the next connection sent.
    fn request(&self) -> String {
        self.heard.lock().expect("sound").recv().expect("a request")
    }

    /// As the target of a request.
    fn authority(&self) -> String {
        self.address.to_string()
    }
}

fn wait_for_the_end(stream: &mut TcpStream, tell: &SyncSender<()>) -> io::Result<()> {
    let mut rest = [0; 64];
    while stream.read(&mut rest).is_ok_and(|read| read > 0) {}
    let _ = tell.send(());
    Ok(())
}

/// Head and, where its length is said, body.
fn read_request(stream: &mut impl Read) -> String {
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
            if body.len() >= length.parse().unwrap_or(0) {
                return text;
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return text,
            Ok(read) => text.push_str(&String::from_utf8_lossy(&buffer[..read])),
        }
    }
}

/// Answers one list after the other, and counts.
#[derive(Default)]
struct Script {
    answers: Mutex<Vec<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Script {
    /// The first list is answered first.
    fn new(lists: &[&[&str]]) -> Arc<Self> {
        let list = |list: &&[&str]| list.iter().map(|ip| ip.parse().expect("an address")).collect();
        Arc::new(Self { answers: Mutex::new(lists.iter().rev().map(list).collect()), asked: AtomicUsize::new(0) })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Resolver for Script {
    fn resolve(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.answers.lock().expect("sound").pop().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

/// The sender of a test.
struct Setup {
    limits: EgressLimits,
    allowed: Vec<&'static str>,
    authorities: Authorities,
    resolver: Arc<Script>,
}

impl Default for Setup {
    fn default() -> Self {
        let limits = EgressLimits::default();
        Self { limits, allowed: vec!["127.0.0.0/8"], authorities: Authorities::default(), resolver: Arc::default() }
    }
}

impl Setup {
    fn sender(self) -> HttpEgress {
        self.sender_on(Handle::current())
    }

    fn sender_on(self, handle: Handle) -> HttpEgress {
        let allowed = self.allowed.iter().map(|net| net.parse().expect("a network")).collect();
        let config = EgressConfig {
            limits: self.limits,
            policy: AddressPolicy::new(allowed),
            authorities: self.authorities,
            resolver: self.resolver,
            handle,
        };
        HttpEgress::new(config).expect("a sender")
    }
}

/// A sender with shorter waits or smaller bounds.
fn limited(change: impl FnOnce(&mut EgressLimits)) -> HttpEgress {
    let mut setup = Setup::default();
    change(&mut setup.limits);
    setup.sender()
}

fn get(authority: impl Into<String>) -> HttpRequest {
    HttpRequest {
        method: "GET".to_owned(),
        scheme: "http".to_owned(),
        authority: authority.into(),
        path: "/".to_owned(),
        headers: vec![],
        body: vec![],
        timeouts: HttpTimeouts::default(),
    }
}

fn connection() -> Connection {
    Connection { tenant: TenantId(1), at_most: FAR }
}

async fn send(sender: &HttpEgress, request: HttpRequest) -> Result<HttpResponse, HttpFault> {
    sender.send(connection(), request).await
}

/// The fault of a request that gets no answer.
async fn fault(sender: &HttpEgress, request: HttpRequest) -> HttpFault {
    send(sender, request).await.err().expect("a fault")
}

/// The whole body.
async fn whole(mut answer: HttpResponse) -> Result<String, HttpFault> {
    let mut body = Vec::new();
    while let Some(part) = answer.body.next().await? {
        assert!(!part.is_empty() && part.len() <= 64 << 10, "a part of {} bytes", part.len());
        body.extend_from_slice(&part);
    }
    assert_eq!(answer.body.next().await, Ok(None), "after the end");
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// Long enough to be noticed, short enough to be waited for.
const SHORT: Duration = Duration::from_millis(50);
