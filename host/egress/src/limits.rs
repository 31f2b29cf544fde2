//! The numbers of outgoing requests.

use std::time::Duration;
use stepwell_engine::ports::HTTP_REQUEST_BYTES;

/// Numbers that bound one request, and what all of them hold together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EgressLimits {
    /// `http_connections`: connections of one tenant at a time. It protects the others' share, and whoever is called.
    pub tenant_connections: usize,
    /// `http_connections_total`: connections of all tenants. It protects the process's file descriptors.
    pub connections: usize,
    /// `http_queue`: requests of one tenant that may wait for a connection.
    pub tenant_queue: usize,
    /// How long a request waits for its turn.
    pub turn: Duration,
    /// `http_request_bytes`: a request's body; it is held in memory whole.
    pub request_bytes: usize,
    /// `http_response_bytes`: an answer's body.
    pub response_bytes: usize,
    /// Names are resolved within this time.
    pub resolve: Duration,
    /// Each address has this long to accept the connection.
    pub connect: Duration,
    /// The TLS handshake.
    pub tls: Duration,
    /// From the request's first byte to the end of the answer's head.
    pub first_byte: Duration,
    /// Between two parts of the answer's body.
    pub between_bytes: Duration,
}

impl Default for EgressLimits {
    fn default() -> Self {
        Self {
            tenant_connections: 16,
            connections: 256,
            tenant_queue: 256,
            turn: Duration::from_secs(10),
            request_bytes: HTTP_REQUEST_BYTES,
            response_bytes: 8 << 20,
            resolve: Duration::from_secs(5),
            connect: Duration::from_secs(5),
            tls: Duration::from_secs(5),
            first_byte: Duration::from_secs(30),
            between_bytes: Duration::from_secs(30),
        }
    }
}
