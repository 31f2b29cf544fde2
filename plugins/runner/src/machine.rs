//! The engine: made when this guest is built (`prepare`), and ready for one script.

use crate::guest::bindings::exports::stepwell::script::runner::Surroundings;
use crate::{clock, log};
use rquickjs::loader::{ImportAttributes, Loader, Resolver};
use rquickjs::module::Declared;
use rquickjs::{Context, Ctx, Exception, Function, Module, Object, Persistent, Result, Runtime};
use std::cell::{Cell, OnceCell};

/// What a script may use of the engine's stack, bytes. Below what the linker gives (`.cargo/config.toml`), so that a deep
/// recursion is a `RangeError` that the script can catch; wasm's own limit is behind it.
const STACK_BYTES: usize = 160 << 10;

thread_local! {
    static MACHINE: OnceCell<Machine> = const { OnceCell::new() };
    static RANDOM: Cell<u64> = const { Cell::new(0) };
}

/// How much may be allocated, the engine's own objects included, before the engine looks for cycles that nobody reaches. Looking writes
/// to every object, and so takes a copy of every page of the prepared memory: most scripts end before.
const COLLECT_BYTES: usize = 2 << 20;

/// A runtime with one context, in which the prelude has run.
pub(crate) struct Machine {
    context: Context,
    prelude: Persistent<Object<'static>>,
}

impl Machine {
    /// Makes it.
    pub(crate) fn prepare() {
        MACHINE.with(|machine| {
            machine.get_or_init(|| Self::new().expect("an engine"));
        });
    }

    /// Runs the work in the engine. Only the engine's own want of memory could make it fail before a script is there.
    pub(crate) fn with<T>(surroundings: Surroundings, work: impl for<'js> FnOnce(&Ctx<'js>, &Prelude<'js>) -> T) -> T {
        clock::set(surroundings.now_ms);
        RANDOM.set(mixed(surroundings.seed));
        MACHINE.with(|machine| {
            let machine = machine.get_or_init(|| Self::new().expect("an engine"));
            machine.context.with(|js| {
                let prelude = machine.prelude.clone().restore(&js).expect("the prelude of this engine");
                work(&js, &Prelude(prelude))
            })
        })
    }

    fn new() -> Result<Self> {
        let runtime = Runtime::new()?;
        runtime.set_max_stack_size(STACK_BYTES);
        runtime.set_loader(Alone, Alone);
        let context = Context::full(&runtime)?;
        let prelude = context.with(|js| {
            let set_up: Function<'_> = js.eval(include_str!("prelude.js"))?;
            let random = Function::new(js.clone(), random)?;
            let prelude: Object<'_> = set_up.call((log::function(&js)?, random))?;
            Ok::<_, rquickjs::Error>(Persistent::save(&js, prelude))
        })?;
        runtime.run_gc();
        runtime.set_gc_threshold(COLLECT_BYTES);
        Ok(Self { context, prelude })
    }
}

/// The functions of `prelude.js`.
pub(crate) struct Prelude<'js>(Object<'js>);

impl<'js> Prelude<'js> {
    /// One of them.
    pub(crate) fn function(&self, name: &str) -> Result<Function<'js>> {
        self.0.get(name)
    }
}

/// A script is one file.
struct Alone;

impl Resolver for Alone {
    fn resolve<'js>(
        &mut self,
        js: &Ctx<'js>,
        _base: &str,
        name: &str,
        _attributes: Option<ImportAttributes<'js>>,
    ) -> Result<String> {
        let message = format!("cannot import '{name}': a script is one file; bundle what it needs into it");
        Err(Exception::throw_type(js, &message))
    }
}

impl Loader for Alone {
    fn load<'js>(
        &mut self,
        js: &Ctx<'js>,
        name: &str,
        _attributes: Option<ImportAttributes<'js>>,
    ) -> Result<Module<'js, Declared>> {
        Err(Exception::throw_type(js, &format!("cannot import '{name}'")))
    }
}

/// Spreads the bits of a seed (the finalizer of `SplitMix64`); never zero, from which the generator would not come away.
fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)).max(1)
}

/// `Math.random()`: xorshift64*, 53 bits of it. Like that of every engine, not for secrets.
fn random() -> f64 {
    let mut x = RANDOM.get();
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    RANDOM.set(x);
    let bits = x.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}
