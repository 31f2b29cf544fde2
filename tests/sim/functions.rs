//! The functions of the simulated world. What one does stands in its input, under `sim`; its result says which run it was, and nothing else,
//! so that every attempt of a run that succeeds gives the same.

use crate::gate::Gate;
use crate::world::World;
use serde_json::{Value, json};
use std::sync::{Arc, Weak};
use stepwell_core::failure::Retry;
use stepwell_core::ids::{Digest, TenantId};
use stepwell_core::payload::Payload;
use stepwell_engine::ports::{
    Artifact, Fault, FunctionMeta, Host, Invocation, Kind, Outcome, Prepared, Runtime, RuntimeError, Uploading, Usage,
};

/// The runtime of one host.
pub struct Functions {
    world: Weak<World>,
    host: u32,
    gate: Arc<Gate>,
}

impl Functions {
    /// Of this host.
    pub fn new(world: &Arc<World>, host: u32, gate: Arc<Gate>) -> Self {
        Self { world: Arc::downgrade(world), host, gate }
    }

    async fn call(&self, world: &World, invocation: &Invocation) -> Result<Payload, Fault> {
        let input = invocation.input.to_value();
        let orders = &input["sim"];
        let stormy = world.is_stormy();
        let (hiccup, lost, slow) = world.chance(|chance| {
            (
                stormy && chance.one_in(40),
                stormy && chance.one_in(80),
                if orders["quick"] != true && chance.one_in(3) { chance.below(50) } else { 0 },
            )
        });
        world.wait(slow + orders["slow"].as_u64().unwrap_or(0)).await;
        self.gate.pass().await;
        let context = &invocation.context;
        if hiccup {
            return Err(Fault::NoCapacity);
        }
        let broken =
            orders["broken"] == "for ever" || (orders["broken"] == "until mended" && !world.book().is_mended(context));
        let fails = u64::from(context.attempt) <= orders["fails"].as_u64().unwrap_or(0);
        if broken || fails {
            return Err(failed(if broken { Retry::Never } else { Retry::Again { after_ms: None } }));
        }
        // Some are lost after they have done what they do.
        let pad = "x".repeat(usize::try_from(orders["pad"].as_u64().unwrap_or(0)).unwrap_or(0));
        let output = Payload::from_value(&json!({"at": context.idempotency_key, "pad": pad}));
        world.book().returned(invocation, &output);
        if lost && world.book().may_be_lost(&context.idempotency_key) {
            Err(Fault::Lost("told to be".to_owned()))
        } else {
            Ok(output)
        }
    }
}

fn failed(retry: Retry) -> Fault {
    Fault::Failed { code: "sim_broken".to_owned(), message: "told to fail".to_owned(), details: None, retry }
}

#[async_trait::async_trait]
impl Runtime for Functions {
    async fn prepare(
        &self,
        _tenant: TenantId,
        artifact: Artifact,
        _uploading: &Uploading,
    ) -> Result<Prepared, RuntimeError> {
        let mut digest = [0; 32];
        digest.iter_mut().zip(artifact.bytes.iter()).for_each(|(to, from)| *to = *from);
        let imports = if artifact.bytes.starts_with(b"effect") {
            vec!["wasi:http/outgoing-handler@0.2.0".to_owned()]
        } else {
            Vec::new()
        };
        Ok(Prepared {
            digest: Digest(digest),
            kind: Kind::Component,
            functions: vec![FunctionMeta::default()],
            imports,
            compile_ms: 0,
        })
    }

    async fn invoke(&self, invocation: Invocation, _host: Arc<dyn Host>) -> Outcome {
        self.gate.pass().await;
        let Some(world) = self.world.upgrade() else { return std::future::pending().await };
        world.say(format_args!(
            "host {} calls {} attempt {}",
            self.host, invocation.context.idempotency_key, invocation.context.attempt
        ));
        let checked = world.book().called(self.host, world.now(), &invocation);
        world.hold(checked);
        let under_way = UnderWay { world: Arc::clone(&world), host: self.host, invocation: &invocation };
        let result = self.call(&world, &invocation).await;
        drop(under_way);
        Outcome { result, usage: Usage::default(), log: Vec::new() }
    }
}

/// A call, until it ends, however it does.
struct UnderWay<'a> {
    world: Arc<World>,
    host: u32,
    invocation: &'a Invocation,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.world.book().ended(self.host, self.invocation);
    }
}

/// What the book knows of a function's input.
pub fn field(input: &Payload, name: &str) -> Value {
    input.to_value()[name].clone()
}
