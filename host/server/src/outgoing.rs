//! What the operator says of outgoing requests, and the sender that keeps to it.

use crate::jwt::{Jwks, SET_BYTES};
use crate::serve::StartError;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use stepwell_egress::{AddressPolicy, Authorities, EgressConfig, EgressLimits, HttpEgress, SystemResolver};
use stepwell_engine::ports::Egress;

pub use stepwell_egress::IpNet;

const EVERYWHERE: [IpNet; 2] =
    [IpNet::new_assert(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0), IpNet::new_assert(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0)];
const THIS_MACHINE: [IpNet; 2] = [
    IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    IpNet::new_assert(IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
];

/// Where requests of functions may go beside the public internet, and how many at a time.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Networks that functions may reach (`--allow-network`).
    pub networks: Vec<IpNet>,
    /// PEM files with authorities whose certificates are accepted (`--trust-ca`).
    pub authorities: Vec<PathBuf>,
    /// Requests of one tenant at a time.
    pub connections: usize,
}

impl Default for Outgoing {
    fn default() -> Self {
        let connections = EgressLimits::default().tenant_connections;
        Self { networks: vec![], authorities: vec![], connections }
    }
}

impl Outgoing {
    /// The sender for an issuer's keys, whose address the operator wrote. With TLS it goes anywhere, since a certificate says who answers; without,
    /// to this machine and to networks that are allowed.
    pub(crate) async fn key_sender(&self, keys: &Jwks) -> Result<Arc<dyn Egress>, StartError> {
        let is_secure = matches!(keys, Jwks::Url(url) if url.is_secure());
        let policy = if is_secure {
            AddressPolicy::new(EVERYWHERE.to_vec())
        } else {
            AddressPolicy::new(THIS_MACHINE.into_iter().chain(self.networks.iter().copied()).collect()).closed()
        };
        self.with(policy, EgressLimits { response_bytes: SET_BYTES, ..EgressLimits::default() }).await
    }

    /// The sender of functions. It does not connect to the server's own address unless a network allows it.
    pub(crate) async fn sender(&self, own: SocketAddr) -> Result<Arc<dyn Egress>, StartError> {
        let mut limits = EgressLimits { tenant_connections: self.connections, ..EgressLimits::default() };
        limits.connections = limits.connections.max(self.connections);
        self.with(AddressPolicy::new(self.networks.clone()).without(own), limits).await
    }

    async fn with(&self, policy: AddressPolicy, limits: EgressLimits) -> Result<Arc<dyn Egress>, StartError> {
        let mut authorities = Authorities::default();
        for path in &self.authorities {
            let wrong = |reason: String| StartError::Authority { path: path.clone(), reason };
            let pem = tokio::fs::read(path).await.map_err(|error| wrong(error.to_string()))?;
            authorities = authorities.with_pem(&pem).map_err(|error| wrong(error.to_string()))?;
        }
        let config = EgressConfig {
            limits,
            policy,
            authorities,
            resolver: Arc::new(SystemResolver),
            handle: tokio::runtime::Handle::current(),
        };
        let sender = HttpEgress::new(config).map_err(|error| StartError::Tls(error.to_string()))?;
        Ok(Arc::new(sender))
    }
}
