//! `stepwell-snapshot FROM TO`: runs the set-up of the runner of scripts, and writes a module that begins where it ended.
//!
//! Each attempt of a script is a fresh instance. Setting the engine up anew in each took most of a call's time; with its memory as
//! an image, an instance is ready at once, and gets only the pages that it changes. The set-up must not call the host: it could learn
//! nothing there that holds for every attempt, and what it would say would be said once. So each import ends it here.

use anyhow::{Context as _, Result, bail};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use wasmi::{Engine, Error, ExternType, Instance, Linker, Module, Store, Val};
use wasmtime_wizer::{InstanceState, SnapshotVal, ValType, Wizer};

/// The name by which the runner exports its set-up (`prepare.rs`); the result does not export it.
const SET_UP: &str = "prepare";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [from, to] = arguments.as_slice() else { bail!("usage: stepwell-snapshot FROM TO") };
    let module = std::fs::read(from).with_context(|| from.clone())?;
    let prepared = prepared(&module)?;
    std::fs::write(to, prepared).with_context(|| to.clone())
}

fn prepared(module: &[u8]) -> Result<Vec<u8>> {
    let mut wizer = Wizer::new();
    wizer.init_func(SET_UP);
    // wasmtime's errors are not those of the standard library.
    let (context, instrumented) = wizer.instrument(module).map_err(|error| anyhow::anyhow!("{error:#}"))?;
    let mut ended = set_up(&instrumented)?;
    let snapshot = now(wizer.snapshot(&context, &mut ended))?;
    snapshot.map_err(|error| anyhow::anyhow!("{error:#}"))
}

/// An instance after its set-up.
struct Ended {
    store: Store<()>,
    instance: Instance,
}

fn set_up(module: &[u8]) -> Result<Ended> {
    let engine = Engine::default();
    let module = Module::new(&engine, module)?;
    let mut linker = Linker::new(&engine);
    for import in module.imports() {
        let (from, name) = (import.module().to_owned(), import.name().to_owned());
        let ExternType::Func(kind) = import.ty().clone() else { bail!("{from} {name} is no function") };
        let message = format!("the set-up calls {from} {name}: it must call nothing");
        linker.func_new(&from, &name, kind, move |_, _, _| Err(Error::new(message.clone())))?;
    }
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate_and_start(&mut store, &module)?;
    instance.get_typed_func::<(), ()>(&store, SET_UP)?.call(&mut store, ())?;
    Ok(Ended { store, instance })
}

/// Its globals and its memory have names that wizer gave them; it asks for no others.
impl InstanceState for Ended {
    async fn global_get(&mut self, name: &str, _: ValType) -> SnapshotVal {
        let global = self.instance.get_global(&self.store, name).expect("a global");
        match global.get(&self.store) {
            Val::I32(value) => SnapshotVal::I32(value),
            Val::I64(value) => SnapshotVal::I64(value),
            Val::F32(value) => SnapshotVal::F32(value.to_bits()),
            Val::F64(value) => SnapshotVal::F64(value.to_bits()),
            _ => panic!("a global with a value of no number"),
        }
    }

    async fn memory_contents(&mut self, name: &str, contents: impl FnOnce(&[u8]) + Send) {
        let memory = self.instance.get_memory(&self.store, name).expect("a memory");
        contents(memory.data(&self.store));
    }
}

/// The value of a future that waits for nothing.
fn now<T>(future: impl Future<Output = T>) -> Result<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Ok(value),
        Poll::Pending => bail!("the snapshot waits for something"),
    }
}
