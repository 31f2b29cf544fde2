//! HTTP in, JSON out: routes, authentication, errors, and the wiring of the engine to its adapters.

mod access;
mod audit;
mod auth;
mod cloudevents;
mod connections;
mod error;
mod extract;
mod guard;
mod jwt;
mod leftovers;
mod master;
mod negotiate;
pub mod offline;
mod openapi;
mod outgoing;
mod pages;
mod preconditions;
mod presence;
mod routes;
mod serve;
mod socket;
mod standing;
mod streams;
mod system;
mod under_way;
mod uploads;
mod webhook_body;

pub use jwt::{Jwks, JwksUrl, JwtConfig};
pub use master::{MasterKeyError, MasterKeySource};
pub use outgoing::{IpNet, Outgoing};
pub use routes::description;
pub use serve::{Config, Isolation, Server, StartError};
pub use stepwell_core::{grants, picture};
pub use stepwell_engine::{DiskMarks, Limits, ScrubPace};
pub use stepwell_runtime::{CompilerCommand, WorkerConfig, compile_child_main, guest_child_main, printable};
