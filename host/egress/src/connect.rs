//! A connection to one of the addresses that were checked, and to no other.

use crate::clock::Limit;
use crate::limits::EgressLimits;
use crate::target::{Scheme, Target};
use crate::tls;
use rustls::ClientConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use stepwell_engine::ports::{HttpFault, HttpFaultKind, HttpTimeouts};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Addresses that are tried, one after the other.
pub(crate) const TRIED: usize = 4;

/// What bytes go through, in the open or encrypted.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The waits of one request: the host's, or shorter ones that the function asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waits {
    pub(crate) connect: Duration,
    pub(crate) tls: Duration,
    pub(crate) first_byte: Duration,
    pub(crate) between_bytes: Duration,
}

impl Waits {
    /// The shorter of both.
    pub(crate) fn new(limits: &EgressLimits, asked: HttpTimeouts) -> Self {
        let shorter =
            |limit: Duration, asked: Option<u64>| asked.map_or(limit, |ms| limit.min(Duration::from_millis(ms)));
        Self {
            connect: shorter(limits.connect, asked.connect_ms),
            tls: shorter(limits.tls, asked.connect_ms),
            first_byte: shorter(limits.first_byte, asked.first_byte_ms),
            between_bytes: shorter(limits.between_bytes, asked.between_bytes_ms),
        }
    }
}

/// Connects, and shakes hands where the target says so.
pub(crate) async fn connect(
    target: &Target,
    addresses: &[SocketAddr],
    config: &Arc<ClientConfig>,
    (deadline, waits): (Limit, Waits),
) -> Result<Box<dyn Stream>, HttpFault> {
    let stream = reach(target, addresses, (deadline, waits.connect)).await?;
    if target.scheme == Scheme::Http {
        return Ok(Box::new(stream));
    }
    let name = tls::server_name(target)?;
    let handshake = TlsConnector::from(Arc::clone(config)).connect(name, stream);
    let limit = deadline.within(waits.tls, "the TLS handshake took too long");
    match limit.keep(handshake).await? {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(tls::fault(&error, target)),
    }
}

/// The first of these that accepts.
async fn reach(
    target: &Target,
    addresses: &[SocketAddr],
    (deadline, wait): (Limit, Duration),
) -> Result<TcpStream, HttpFault> {
    let message = format!("nobody accepts connections at {target}");
    let mut last = HttpFault::new(HttpFaultKind::Connect, message.clone());
    for address in addresses.iter().take(TRIED) {
        let limit = deadline.within(wait, "nobody accepted the connection in time");
        match limit.keep(TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // A delayed small write costs time, never correctness.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(_)) => last = HttpFault::new(HttpFaultKind::Connect, message.clone()),
            Err(fault) => last = fault,
        }
    }
    Err(last)
}
