//! Outgoing requests of a function: held to its grants, completed with what is the host's, and passed on.

use super::AttemptHost;
use super::references::put_in;
use crate::admission::sha256;
use crate::ports::{Connection, HttpFault, HttpFaultKind, HttpRequest, HttpResponse, Refusal, Refused};
use serde_json::json;
use stepwell_core::grants::{Grants, Target};

/// `attempt_requests`: requests of one attempt.
const REQUESTS: u32 = 100;
/// Longest idempotency key that is sent as it is: services take 255 bytes.
const KEY_BYTES: usize = 200;

impl AttemptHost {
    pub(super) async fn send_granted(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpFault> {
        let target = Target::parse(&request.method, &request.scheme, &request.authority)
            .map_err(|message| HttpFault::new(HttpFaultKind::Invalid, message))?;
        let granted = self.granted().await.map_err(fault)?;
        if !granted.allows_request(&target) {
            let message = self.denial("this request", &json!({"http": [target.to_string()]}));
            return Err(HttpFault::new(HttpFaultKind::Denied, message));
        }
        let number = self.next_request()?;
        // The one form that was checked is the one that is connected to.
        request.authority = authority(&target);
        self.fill_in(&mut request, &target, &granted).await?;
        self.complete(&mut request, number);
        let connection = Connection { tenant: self.tenant(), at_most: self.facts.at_most };
        self.engine.inner.ports.egress.send(connection, request).await
    }

    fn next_request(&self) -> Result<u32, HttpFault> {
        let mut progress = self.lock();
        if progress.requests >= REQUESTS {
            let message = format!("an attempt sends at most {REQUESTS} requests (limit `attempt_requests`)");
            return Err(HttpFault::new(HttpFaultKind::Limit, message));
        }
        progress.requests += 1;
        Ok(progress.requests)
    }

    /// Secrets in the places of their references, if they may go where the request goes.
    async fn fill_in(&self, request: &mut HttpRequest, target: &Target, granted: &Grants) -> Result<(), HttpFault> {
        let used = self.lock().references.used(request);
        for (text, name) in used {
            if !granted.sends_secret(&name, &target.host) {
                let grant = json!({"secrets": {&name: {"hosts": [target.host]}}});
                let message = self.denial("sending this secret to this host", &grant);
                return Err(HttpFault::new(HttpFaultKind::Denied, message));
            }
            let value = self.value(&name).await.map_err(fault)?;
            let unset = || HttpFault::new(HttpFaultKind::Denied, format!("the secret {name:?} is no longer set"));
            put_in(request, &text, &value.ok_or_else(unset)?).map_err(|_| {
                let message = format!("the secret {name:?} has line breaks and cannot stand in a header");
                HttpFault::new(HttpFaultKind::Invalid, message)
            })?;
        }
        Ok(())
    }

    /// What the function left to the host: which trace the request belongs to, and by what it is known again when it is repeated. Requests
    /// are counted, because one service may get several that are not the same.
    fn complete(&self, request: &mut HttpRequest, number: u32) {
        let has = |request: &HttpRequest, wanted: &str| {
            request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted))
        };
        if let Some(trace) = self.facts.trace.as_ref().filter(|_| !has(request, "traceparent")) {
            let trace = trace.below(&format!("request/{number}")).to_string();
            request.headers.push(("traceparent".to_owned(), trace.into_bytes()));
        }
        let repeats_harmlessly = matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS");
        if !repeats_harmlessly && !has(request, "idempotency-key") {
            let key = idempotency_key(&self.facts.idempotency_key, number);
            request.headers.push(("idempotency-key".to_owned(), key.into_bytes()));
        }
    }
}

fn authority(target: &Target) -> String {
    if target.port == target.scheme.port() { target.host.clone() } else { format!("{}:{}", target.host, target.port) }
}

/// The same for the same request of every attempt.
fn idempotency_key(attempt: &str, number: u32) -> String {
    let key = format!("{attempt}/{number}");
    if key.len() <= KEY_BYTES && key.bytes().all(|b| b.is_ascii_graphic()) {
        return key;
    }
    sha256(&[b"request", key.as_bytes()]).hex()
}

fn fault(refused: Refused) -> HttpFault {
    let kind = if refused.why == Refusal::Denied { HttpFaultKind::Denied } else { HttpFaultKind::Internal };
    HttpFault::new(kind, refused.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_requests_are_short_and_plain() {
        assert_eq!(idempotency_key("exec-1/only/-/1", 2), "exec-1/only/-/1/2");
        for long in ["x".repeat(300), "ü".to_owned(), "a b".to_owned()] {
            let key = idempotency_key(&long, 1);
            assert_eq!(key.len(), 64);
            assert_ne!(key, idempotency_key(&long, 2));
        }
    }
}
