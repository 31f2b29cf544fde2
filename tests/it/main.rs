//! The whole program through its front door: the real binary, HTTP, real guests, bad input.
#![allow(clippy::expect_used, clippy::panic, reason = "these are tests")]

mod agents;
mod approvals;
mod audit;
mod bad_input;
mod callbacks;
mod client;
mod cloudevents;
mod crashes;
mod damaged;
mod definitions;
mod demo;
mod described;
mod description;
mod disk;
mod events;
mod fixtures;
mod following;
mod grants;
mod inputs;
mod isolation;
mod keys;
mod life;
mod links;
mod listing;
mod logs;
mod managing;
mod order;
mod outgoing;
mod parking;
mod pictures;
mod planted;
mod progress;
mod providers;
mod raw;
mod rotation;
mod saving;
mod schedules;
mod scopes;
mod scripts;
mod scrubbing;
mod secrets;
mod shapes;
mod stopping;
mod support;
mod tenant_loops;
mod tenants;
mod tokens;
mod trigger_crashes;
mod trusting;
mod two_tenants;
mod uploads;
mod usage;
mod validation;
mod versions;
mod webhook_input;
mod webhooks;

/// A fixture without a test of its name does not compile.
macro_rules! assert_test_exists {
    ($name:ident) => {
        const _: fn() = fixtures::$name;
    };
}
stepwell_guests::foreach_fixture!(assert_test_exists);
