//! The issuer's public keys, at an address (`--jwks-url`): fetched at the start, every hour, and when a token names a key that is not there. The
//! last good ones stay if they cannot be fetched.

use super::keys::{Known, SET_BYTES, Set, parse};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stepwell_core::grants::Target;
use stepwell_core::ids::TenantId;
use stepwell_core::time::Timestamp;
use stepwell_engine::ports::{Connection, Egress, HttpRequest, HttpTimeouts};

/// Keys are fetched again after this time, milliseconds: what the issuer has taken out does not count for longer.
pub(super) const FRESH_MS: u64 = 3_600_000;
/// Tokens that name unknown keys have them fetched so often at most, milliseconds: anybody can make up such tokens.
const UNKNOWN_MS: u64 = 30_000;
/// Keys must have come after this time.
const FETCH: Duration = Duration::from_secs(10);

/// Where a key set is. `https`, or `http` where nobody stands between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwksUrl {
    scheme: String,
    authority: String,
    path: String,
}

impl JwksUrl {
    /// Reads `https://issuer.example/keys.json`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) =
            text.split_once("://").ok_or("it is an address such as https://issuer.example/jwks.json")?;
        let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        if path.contains('#') || !path.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("its path has characters that no path has".to_owned());
        }
        Target::parse("GET", scheme, authority)?;
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { scheme: scheme.to_ascii_lowercase(), authority: authority.to_owned(), path })
    }

    /// Whether who answers must show a certificate.
    pub fn is_secure(&self) -> bool {
        self.scheme == "https"
    }
}

/// Without a query: there may be a secret in it.
impl fmt::Display for JwksUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.split('?').next().unwrap_or_default();
        write!(f, "{}://{}{path}", self.scheme, self.authority)
    }
}

/// The keys of one issuer.
pub(super) struct Remote {
    url: JwksUrl,
    sender: Arc<dyn Egress>,
    /// Held by who fetches.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    set: Set,
    /// When an unknown key had them fetched.
    asked: Option<Timestamp>,
}

impl Remote {
    /// No keys yet.
    pub fn new(url: JwksUrl, sender: Arc<dyn Egress>) -> Self {
        Self { url, sender, turn: tokio::sync::Mutex::default(), state: Mutex::default() }
    }

    /// The key with this id.
    pub async fn key(&self, id: &str, now: Timestamp) -> Option<Arc<Known>> {
        let known = || self.lock().set.get(id).cloned();
        if let Some(key) = known() {
            return Some(key);
        }
        // Whoever comes while the keys are fetched waits for them, and finds what they wait for, or that it is not there.
        let turn = self.turn.lock().await;
        if let Some(key) = known() {
            return Some(key);
        }
        if !self.may_ask(now) {
            return None;
        }
        self.fetch_within().await;
        drop(turn);
        known()
    }

    /// The keys that the issuer has now.
    pub async fn refresh(&self) {
        let _turn = self.turn.lock().await;
        self.fetch_within().await;
    }

    fn may_ask(&self, now: Timestamp) -> bool {
        let mut state = self.lock();
        let may = state.asked.is_none_or(|asked| now.0.abs_diff(asked.0) >= UNKNOWN_MS);
        if may {
            state.asked = Some(now);
        }
        may
    }

    async fn fetch_within(&self) {
        match self.fetch().await {
            Ok(set) => {
                tracing::debug!(url = %self.url, keys = set.len(), "the issuer's keys were fetched");
                self.lock().set = set;
            }
            Err(error) => {
                tracing::warn!(%error, url = %self.url, "the issuer's keys cannot be fetched; the last ones stay");
            }
        }
    }

    async fn fetch(&self) -> Result<Set, String> {
        let connection = Connection { tenant: TenantId::DEFAULT, at_most: FETCH };
        let JwksUrl { scheme, authority, path } = self.url.clone();
        let request = HttpRequest {
            method: "GET".to_owned(),
            scheme,
            authority,
            path,
            headers: vec![("accept".to_owned(), b"application/jwk-set+json, application/json".to_vec())],
            body: Vec::new(),
            timeouts: HttpTimeouts::default(),
        };
        let mut answer = self.sender.send(connection, request).await.map_err(|fault| fault.to_string())?;
        if answer.status != 200 {
            return Err(format!("it is answered with the status {}", answer.status));
        }
        let mut text = Vec::new();
        while let Some(part) = answer.body.next().await.map_err(|fault| fault.to_string())? {
            text.extend_from_slice(&part);
            if text.len() > SET_BYTES {
                return Err(format!("the key set is larger than {SET_BYTES} bytes"));
            }
        }
        parse(&text).map_err(|error| error.to_string())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use stepwell_engine::ports::{HttpBody, HttpFault, HttpFaultKind, HttpResponse};

    /// An issuer that answers with the next of these, and in the end not at all.
    #[derive(Default)]
    struct Issuer(Mutex<Vec<(u16, String)>>);

    struct Text(Option<Bytes>);

    #[async_trait::async_trait]
    impl HttpBody for Text {
        async fn next(&mut self) -> Result<Option<Bytes>, HttpFault> {
            Ok(self.0.take())
        }
    }

    #[async_trait::async_trait]
    impl Egress for Issuer {
        async fn send(&self, _: Connection, request: HttpRequest) -> Result<HttpResponse, HttpFault> {
            assert_eq!((request.authority.as_str(), request.path.as_str()), ("issuer.example", "/keys?a=b"));
            let next = self.0.lock().expect("lock").pop();
            let (status, text) = next.ok_or_else(|| HttpFault::new(HttpFaultKind::Connect, "nobody is there"))?;
            Ok(HttpResponse { status, headers: Vec::new(), body: Box::new(Text(Some(text.into()))) })
        }
    }

    fn set(kid: &str) -> (u16, String) {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        (200, format!(r#"{{"keys": [{{"kty": "OKP", "crv": "Ed25519", "kid": "{kid}", "x": "{x}"}}]}}"#))
    }

    fn remote(mut answers: Vec<(u16, String)>) -> (Remote, Arc<Issuer>) {
        answers.reverse();
        let issuer = Arc::new(Issuer(Mutex::new(answers)));
        let url = JwksUrl::parse("https://issuer.example/keys?a=b").expect("an address");
        (Remote::new(url, issuer.clone()), issuer)
    }

    const AT: Timestamp = Timestamp(1_000_000);

    #[tokio::test]
    async fn an_unknown_key_is_asked_for_and_not_again_for_a_while() {
        let (remote, issuer) = remote(vec![set("a"), set("b"), set("c")]);
        let left = || issuer.0.lock().expect("lock").len();
        remote.refresh().await;
        assert!(remote.key("a", AT).await.is_some());
        assert_eq!(left(), 2, "what is known is not asked for");
        assert!(remote.key("b", AT).await.is_some(), "the first that is unknown is asked for");
        for later in [0, 1, UNKNOWN_MS - 1] {
            assert!(remote.key("c", AT.plus(later)).await.is_none());
        }
        assert_eq!(left(), 1);
        assert!(remote.key("c", AT.plus(UNKNOWN_MS)).await.is_some());
        assert!(remote.key("a", AT.plus(UNKNOWN_MS)).await.is_none(), "what the issuer has taken out counts no more");
    }

    #[tokio::test]
    async fn the_last_good_keys_stay() {
        let broken = vec![
            set("a"),
            (500, set("b").1),
            (302, set("b").1),
            (200, "nothing".to_owned()),
            (200, format!("{}{}", set("b").1, " ".repeat(SET_BYTES))),
        ];
        let count = broken.len();
        let (remote, issuer) = remote(broken);
        for _ in 0..=count {
            remote.refresh().await;
            assert!(remote.key("a", AT).await.is_some());
        }
        assert!(issuer.0.lock().expect("lock").is_empty());
    }

    #[test]
    fn addresses_are_read_and_shown_without_secrets() {
        let shown = |text: &str| JwksUrl::parse(text).map(|url| url.to_string());
        assert_eq!(shown("https://issuer.example/a/b?key=secret").as_deref(), Ok("https://issuer.example/a/b"));
        assert_eq!(shown("https://issuer.example").as_deref(), Ok("https://issuer.example/"));
        assert_eq!(shown("http://127.0.0.1:8080?x").as_deref(), Ok("http://127.0.0.1:8080/"));
        for bad in [
            "",
            "issuer.example/a",
            "ftp://issuer.example/",
            "https://",
            "https://u:p@issuer.example/",
            "https://a/b c",
            "https://a/#b",
        ] {
            assert!(shown(bad).is_err(), "{bad}");
        }
    }
}
