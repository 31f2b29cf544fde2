//! The Egress port: the one room that connects to addresses that a tenant names.
