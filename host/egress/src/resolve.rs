//! Names to addresses, once for each request.

use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};

/// Whoever knows the addresses of names.
pub trait Resolver: Send + Sync + 'static {
    /// The addresses of a name of a host. It may block: it is called on threads that may.
    ///
    /// # Errors
    /// The name has no address, or it could not be asked.
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's resolver: `/etc/hosts`, the name servers, the search domains.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
    }
}
