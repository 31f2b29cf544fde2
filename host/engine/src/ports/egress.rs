//! Egress: the one way out. Whoever asks has checked the grants; the adapter checks the addresses.

use super::host::{HttpFault, HttpFaultKind, HttpRequest, HttpResponse};
use std::time::Duration;
use stepwell_core::ids::TenantId;

/// For whom a connection is made, and what it may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// Whose function asks: connections are counted per tenant.
    pub tenant: TenantId,
    /// How long it may take in all: as long as the attempt that asks. No moment, because clocks are set; who has waited for it may have gone
    /// before.
    pub at_most: Duration,
}

/// The port.
#[async_trait::async_trait]
pub trait Egress: Send + Sync + 'static {
    /// Resolves the host once, connects to an address that was checked, sends the request as it is, and waits for the head of the
    /// answer. It follows no redirects.
    ///
    /// # Errors
    /// [`HttpFault`]: an address that nobody may reach, no connection, too slow, too large.
    async fn send(&self, connection: Connection, request: HttpRequest) -> Result<HttpResponse, HttpFault>;
}

/// No way out.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEgress;

#[async_trait::async_trait]
impl Egress for NoEgress {
    async fn send(&self, _connection: Connection, _request: HttpRequest) -> Result<HttpResponse, HttpFault> {
        Err(HttpFault::new(HttpFaultKind::Connect, "this server sends no requests of functions"))
    }
}
