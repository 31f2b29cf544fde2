//! The ledger: an HTTP service outside the server, which notes every effect that reaches it. It survives whatever happens to the server.

use crate::seed::Draw;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// An answer takes at most so long, so that kills find requests under way.
const LONGEST_ANSWER_MS: u64 = 12;

/// What reached the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    /// Of the request: `{execution}/{step}/{iteration}/{run}/{request}`.
    pub key: String,
    /// What it said.
    pub body: Value,
}

/// The service; it lives as long as the test.
pub struct Ledger {
    pub address: SocketAddr,
    notes: Arc<Notes>,
}

#[derive(Default)]
struct Notes {
    kept: Mutex<Kept>,
    grown: Condvar,
}

#[derive(Default)]
struct Kept {
    by_name: HashMap<String, Vec<Effect>>,
    keys: HashSet<String>,
    /// By name: where the latest one who asked wants to be called back, as the path of an address.
    callbacks: HashMap<String, String>,
    /// Effects, and whatever else counts as progress.
    count: u64,
    repeated: u64,
}

impl Ledger {
    pub fn open(mut draw: Draw) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let notes = Arc::new(Notes::default());
        let shared = Arc::clone(&notes);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (notes, ms) = (Arc::clone(&shared), draw.below(LONGEST_ANSWER_MS));
                thread::spawn(move || serve(stream, &notes, ms));
            }
        });
        Self { address, notes }
    }

    /// Effects on behalf of the execution that was started under this name.
    pub fn effects(&self, name: &str) -> Vec<Effect> {
        self.notes.lock().by_name.get(name).cloned().unwrap_or_default()
    }

    /// Where the execution of this name wants to be called back, as its step told last.
    pub fn callback(&self, name: &str) -> Option<String> {
        self.notes.lock().callbacks.get(name).cloned()
    }

    /// The names on whose behalf there were effects, that begin like this.
    pub fn names(&self, prefix: &str) -> Vec<String> {
        self.notes.lock().by_name.keys().filter(|name| name.starts_with(prefix)).cloned().collect()
    }

    /// How many effects there were, and how many of them under a key that was there before.
    pub fn sums(&self) -> (usize, u64) {
        let kept = self.notes.lock();
        (kept.by_name.values().map(Vec::len).sum(), kept.repeated)
    }

    /// Something else has happened that moments are counted by.
    pub fn tick(&self) {
        self.notes.lock().count += 1;
        self.notes.grown.notify_all();
    }

    /// Waits until so much more has happened, but not for ever.
    pub fn wait_for(&self, more: u64, at_most: Duration) {
        let kept = self.notes.lock();
        let target = kept.count + more;
        // Whether it has come so far or not makes no difference: it is a moment like any other.
        drop(self.notes.grown.wait_timeout_while(kept, at_most, |kept| kept.count < target));
    }
}

impl Notes {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps an effect; its number, and whether it is the first under its key.
    fn keep(&self, effect: Effect, callback: Option<String>) -> (u64, bool) {
        let mut kept = self.lock();
        let is_first = kept.keys.insert(effect.key.clone());
        kept.repeated += u64::from(!is_first);
        kept.count += 1;
        let name = effect.body["name"].as_str().unwrap_or_default().to_owned();
        kept.callbacks.extend(callback.map(|path| (name.clone(), path)));
        kept.by_name.entry(name).or_default().push(effect);
        self.grown.notify_all();
        (kept.count, is_first)
    }
}

/// One request, one answer. The path `/flaky` does not answer the first request under a key, although it counts.
fn serve(mut stream: TcpStream, notes: &Notes, ms: u64) {
    let Some((head, body)) = read(&mut stream) else { return };
    let key = header(&head, "idempotency-key").map(str::to_ascii_lowercase);
    // The server has another port each time.
    let callback =
        header(&head, "callback-url").and_then(|url| Some(format!("/callbacks/{}", url.rsplit('/').next()?)));
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let (number, is_first) = notes.keep(Effect { key: key.unwrap_or_default(), body }, callback);
    thread::park_timeout(Duration::from_millis(ms));
    if is_first && head.starts_with("POST /flaky") {
        return;
    }
    // No two answers are the same: whoever runs a step again gets another result.
    let text = format!("receipt {number}");
    let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len());
}

/// A header of a request.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let headers = head.lines().filter_map(|line| line.split_once(':'));
    headers.filter(|(named, _)| named.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
}

/// Head and body of a request.
fn read(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let (mut bytes, mut part) = (Vec::new(), [0; 4_096]);
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length: usize = header(&head, "content-length").map_or(0, |text| text.parse().unwrap_or_default());
            let body = bytes.split_off(end + 4);
            if body.len() >= length {
                return Some((head, body));
            }
            bytes.extend(body);
        }
        match stream.read(&mut part) {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&part[..count]),
        }
    }
}
