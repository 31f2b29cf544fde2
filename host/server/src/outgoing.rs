//! What the operator says of outgoing requests, and the sender that keeps to it.

use crate::serve::StartError;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use stepwell_egress::{AddressPolicy, Authorities, EgressConfig, EgressLimits, HttpEgress, SystemResolver};
use stepwell_engine::ports::Egress;

pub use stepwell_egress::IpNet;

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
    /// The sender. It does not connect to the server's own address unless a network allows it.
    pub(crate) async fn sender(&self, own: SocketAddr) -> Result<Arc<dyn Egress>, StartError> {
        let mut authorities = Authorities::default();
        for path in &self.authorities {
            let wrong = |reason: String| StartError::Authority { path: path.clone(), reason };
            let pem = tokio::fs::read(path).await.map_err(|error| wrong(error.to_string()))?;
            authorities = authorities.with_pem(&pem).map_err(|error| wrong(error.to_string()))?;
        }
        let mut limits = EgressLimits { tenant_connections: self.connections, ..EgressLimits::default() };
        limits.connections = limits.connections.max(self.connections);
        let config = EgressConfig {
            limits,
            policy: AddressPolicy::new(self.networks.clone()).without(own),
            authorities,
            resolver: Arc::new(SystemResolver),
            handle: tokio::runtime::Handle::current(),
        };
        let sender = HttpEgress::new(config).map_err(|error| StartError::Tls(error.to_string()))?;
        Ok(Arc::new(sender))
    }
}
