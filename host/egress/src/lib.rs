//! The Egress port: the one room that connects to addresses that a tenant names.
//!
//! The way of a request: [`HttpEgress`]`::send` -> `request` (rebuilt from its parts, checked) -> `turns` (connections per tenant and
//! in all) -> `resolve` (a name, once) -> `policy` (which of its addresses may be reached) -> `connect` (to exactly those, TLS) ->
//! `exchange` (HTTP/1.1: head) -> `body` (part by part).
//!
//! What this crate never does: resolve twice, follow a redirect, use a connection again, decompress, spawn work that outlives the
//! call, or write a header, a query or an address that was found into a log.

mod body;
mod clock;
mod connect;
mod exchange;
mod limits;
mod policy;
mod request;
mod resolve;
mod sender;
mod surroundings;
mod target;
#[cfg(test)]
mod tests;
mod tls;
mod turns;

pub use ipnet::IpNet;
pub use limits::EgressLimits;
pub use policy::AddressPolicy;
pub use resolve::{Resolver, SystemResolver};
pub use sender::{EgressConfig, HttpEgress};
pub use tls::{Authorities, InvalidAuthority};
