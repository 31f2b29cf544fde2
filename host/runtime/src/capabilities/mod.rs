//! The interfaces of `wit/capabilities`: each function is one question to the attempt's host, which knows what was granted.
//!
//! The host's work is not metered by itself, so each question costs fuel, and each byte that goes either way. A refusal is a value for
//! the guest; only the end of the fuel ends the attempt.

mod types;

use crate::linker::State;
use std::future::Future;
use std::sync::Arc;
use stepwell_engine::ports::{self, Answer, Ask, Refusal};
use types::{NewEvent, Read, Refused, Wanted};
use wasmtime::component::{Linker, LinkerInstance};
use wasmtime::{Result, StoreContextMut, Trap};

/// The interfaces, without their version.
pub(crate) const INTERFACES: &[&str] = &[
    "stepwell:capabilities/config",
    "stepwell:capabilities/events",
    "stepwell:capabilities/key-value",
    "stepwell:capabilities/secrets",
    "stepwell:capabilities/types",
];

/// Fuel of a question that is looked up: some 25 microseconds of compute, about what the host needs for it.
const LOOK_FUEL: u64 = 50_000;
/// Fuel of a question that writes: the disk is the dear part, and no processor waits for it; but nobody should write in a loop.
const WRITE_FUEL: u64 = 500_000;
/// Fuel of each byte that goes in or out.
const BYTE_FUEL: u64 = 4;

/// Links all of them.
pub(crate) fn add(linker: &mut Linker<State>) -> Result<()> {
    linker.instance("stepwell:capabilities/types@1.0.0")?; // types only
    add_lookups(linker)?;
    add_key_value(&mut linker.instance("stepwell:capabilities/key-value@1.0.0")?)?;
    linker.instance("stepwell:capabilities/events@1.0.0")?.func_wrap_async("publish", |store, (event,): (NewEvent,)| {
        asked(store, Ask::Publish(event.into()), types::some_text)
    })
}

fn add_lookups(linker: &mut Linker<State>) -> Result<()> {
    linker
        .instance("stepwell:capabilities/config@1.0.0")?
        .func_wrap_async("get", |store, (name,): (String,)| asked(store, Ask::Config(name), types::text))?;
    let mut secrets = linker.instance("stepwell:capabilities/secrets@1.0.0")?;
    secrets.func_wrap_async("get", |store, (name,): (String,)| asked(store, Ask::Secret(name), types::secret))?;
    secrets
        .func_wrap_async("reference", |store, (name,): (String,)| asked(store, Ask::SecretReference(name), types::text))
}

fn add_key_value(instance: &mut LinkerInstance<'_, State>) -> Result<()> {
    instance.func_wrap_async("get", |store, (key,): (String,)| asked(store, Ask::Get(key), types::entry))?;
    instance.func_wrap_async("put", |store, (key, value, expect): (String, Vec<u8>, Wanted)| {
        asked(store, Ask::Put { key, value, expect: expect.into() }, types::version)
    })?;
    instance.func_wrap_async("remove", |store, (key, expect): (String, Wanted)| {
        asked(store, Ask::Remove { key, expect: expect.into() }, types::nothing)
    })?;
    instance.func_wrap_async("keys", |store, (prefix, after, limit): (String, Option<String>, u32)| {
        asked(store, Ask::Keys { prefix, after, limit }, types::keys)
    })
}

/// What a function of these interfaces returns.
type Asked<'a, T> = Box<dyn Future<Output = Result<(Result<T, Refused>,)>> + Send + 'a>;

fn asked<T: Send + 'static>(mut store: StoreContextMut<'_, State>, ask: Ask, read: Read<T>) -> Asked<'_, T> {
    Box::new(async move {
        charge(&mut store, cost(&ask))?;
        let host = Arc::clone(&store.data().host);
        let answer = match host.ask(ask).await {
            Err(refused) => return Ok((Err(refused.into()),)),
            Ok(answer) => answer,
        };
        charge(&mut store, bytes_fuel(answer_bytes(&answer)))?;
        // Only a fault of ours answers another question.
        let confused =
            || ports::Refused::new(Refusal::Unavailable, "the host's answer does not fit the question").into();
        Ok((read(answer).ok_or_else(confused),))
    })
}

/// Takes fuel, or ends the attempt if there is not enough: what costs more than is left does not happen.
pub(crate) fn charge(store: &mut StoreContextMut<'_, State>, fuel: u64) -> Result<()> {
    match store.get_fuel()?.checked_sub(fuel) {
        Some(left) => store.set_fuel(left),
        None => {
            store.set_fuel(0)?;
            Err(Trap::OutOfFuel.into())
        }
    }
}

fn cost(ask: &Ask) -> u64 {
    let (base, bytes) = match ask {
        Ask::Config(name) | Ask::Secret(name) | Ask::SecretReference(name) | Ask::Get(name) => (LOOK_FUEL, name.len()),
        Ask::Keys { prefix, after, .. } => (LOOK_FUEL, prefix.len() + after.as_ref().map_or(0, String::len)),
        Ask::Put { key, value, .. } => (WRITE_FUEL, key.len() + value.len()),
        Ask::Remove { key, .. } => (WRITE_FUEL, key.len()),
        Ask::Publish(draft) => {
            (WRITE_FUEL, draft.kind.len() + draft.data.len() + draft.id.as_ref().map_or(0, String::len))
        }
    };
    base.saturating_add(bytes_fuel(bytes))
}

fn answer_bytes(answer: &Answer) -> usize {
    match answer {
        Answer::Text(text) => text.as_ref().map_or(0, String::len),
        Answer::Secret(secret) => secret.as_ref().map_or(0, |secret| secret.0.len()),
        Answer::Value(found) => found.as_ref().map_or(0, |(value, _)| value.len()),
        Answer::Version(_) => 0,
        Answer::Keys(keys, _) => keys.iter().map(String::len).sum(),
    }
}

fn bytes_fuel(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(BYTE_FUEL)
}
