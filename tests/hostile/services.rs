//! Services that functions call, some of which never behave.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What becomes of a connection.
enum Manner {
    /// These bytes, once the head of a request has come.
    Says(Vec<u8>),
    /// Nothing.
    Silent,
}

/// A service on this machine; it lives as long as the test.
pub struct Service {
    pub address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    open: AtomicUsize,
    most: AtomicUsize,
    stays: AtomicBool,
    text: Mutex<String>,
}

impl Service {
    /// Answers with this text.
    pub fn answering(text: &str) -> Self {
        Self::saying(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len()).into_bytes())
    }

    /// Answers with these bytes.
    pub fn saying(bytes: Vec<u8>) -> Self {
        Self::start(Manner::Says(bytes))
    }

    /// Takes connections, and says nothing.
    pub fn silent() -> Self {
        Self::start(Manner::Silent)
    }

    fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Seen::default());
        let (shared, manner) = (Arc::clone(&seen), Arc::new(manner));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, manner) = (Arc::clone(&shared), Arc::clone(&manner));
                std::thread::spawn(move || seen.serve(stream, &manner));
            }
        });
        Self { address, seen }
    }

    /// It keeps its connections open after it has answered.
    pub fn stay_open(&self) {
        self.seen.stays.store(true, Ordering::Release);
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::Acquire)
    }

    /// Most of them at one time.
    pub fn most_at_once(&self) -> usize {
        self.seen.most.load(Ordering::Acquire)
    }

    /// All that was sent to it.
    pub fn requests(&self) -> String {
        self.seen.text.lock().expect("nobody panicked").clone()
    }
}

impl Seen {
    fn serve(&self, mut stream: TcpStream, manner: &Manner) {
        self.connections.fetch_add(1, Ordering::AcqRel);
        let open = self.open.fetch_add(1, Ordering::AcqRel) + 1;
        self.most.fetch_max(open, Ordering::AcqRel);
        self.converse(&mut stream, manner);
        self.open.fetch_sub(1, Ordering::AcqRel);
    }

    fn converse(&self, stream: &mut TcpStream, manner: &Manner) {
        if matches!(manner, Manner::Silent) {
            return drain(stream);
        }
        let mut head = Vec::new();
        let mut part = [0; 4_096];
        while !head.windows(4).any(|four| four == b"\r\n\r\n") {
            match stream.read(&mut part) {
                Ok(0) | Err(_) => return,
                Ok(count) => head.extend_from_slice(&part[..count]),
            }
        }
        self.text.lock().expect("nobody panicked").push_str(&String::from_utf8_lossy(&head));
        match manner {
            Manner::Silent => {}
            Manner::Says(bytes) => drop(stream.write_all(bytes)),
        }
        if self.stays.load(Ordering::Acquire) {
            drain(stream);
        }
    }
}

/// Reads until the other side goes.
fn drain(stream: &mut TcpStream) {
    let mut part = [0; 4_096];
    while matches!(stream.read(&mut part), Ok(1..)) {}
}
