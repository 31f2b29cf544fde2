//! What a guest may import: the log of our world, and of WASI what standard libraries need. Interface by interface:
//! `add_to_linker_async` would bring sockets too.

use crate::capabilities;
use crate::capture::{FIELDS, SharedCapture};
use crate::contract::{LOG, LogParameters, TYPES};
use crate::limiter::Limiter;
use crate::outgoing::{self, Http};
use std::sync::Arc;
use std::time::Instant;
use stepwell_engine::ports::Host;
use wasmtime::component::{HasData, Linker, ResourceTable, WasmList, WasmStr};
use wasmtime::{Engine, Result, StoreContextMut};
use wasmtime_wasi::cli::{WasiCli, WasiCliView as _};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView as _};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, random};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_io::bindings::wasi::io;

/// Fuel of one log call, and as much again per byte: the host's work is not metered otherwise.
const LOG_CALL_FUEL: u64 = 1_000;

/// What belongs to one attempt.
pub(crate) struct State {
    /// Its outgoing requests. First, so that it is dropped before the table: then none of those that wait begins any more.
    pub(crate) http: Http,
    pub(crate) wasi: WasiCtx,
    pub(crate) table: ResourceTable,
    pub(crate) limiter: Limiter,
    pub(crate) capture: SharedCapture,
    pub(crate) deadline: Instant,
    /// Who answers what the guest asks for.
    pub(crate) host: Arc<dyn Host>,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

struct Io;

impl HasData for Io {
    type Data<'a> = &'a mut ResourceTable;
}

/// Everything that a component may import.
pub(crate) fn linker(engine: &Engine) -> Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    add_command_line(&mut linker)?;
    add_io(&mut linker)?;
    add_world(&mut linker)?;
    outgoing::link(&mut linker)?;
    capabilities::add(&mut linker)?;
    Ok(linker)
}

/// No environment, no arguments, no standard input; the streams go to the log, exit ends the attempt.
fn add_command_line(l: &mut Linker<State>) -> Result<()> {
    cli::environment::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::exit::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::stdin::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::stdout::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::stderr::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(l, State::cli)
}

fn add_io(l: &mut Linker<State>) -> Result<()> {
    io::error::add_to_linker::<_, Io>(l, |state| &mut state.table)?;
    io::poll::add_to_linker::<_, Io>(l, |state| &mut state.table)?;
    io::streams::add_to_linker::<_, Io>(l, |state| &mut state.table)?;
    clocks::wall_clock::add_to_linker::<_, WasiClocks>(l, State::clocks)?;
    clocks::monotonic_clock::add_to_linker::<_, WasiClocks>(l, State::clocks)?;
    random::random::add_to_linker::<_, WasiRandom>(l, |state| state.wasi.random())?;
    random::insecure::add_to_linker::<_, WasiRandom>(l, |state| state.wasi.random())?;
    random::insecure_seed::add_to_linker::<_, WasiRandom>(l, |state| state.wasi.random())?;
    // C libraries, and the adapter of preview 1, import files as soon as a program prints. There is no preopened
    // folder, and every function of `types` needs a descriptor that only a folder could have given: no file is in reach.
    filesystem::preopens::add_to_linker::<_, WasiFilesystem>(l, State::filesystem)?;
    filesystem::types::add_to_linker::<_, WasiFilesystem>(l, State::filesystem)
}

fn add_world(l: &mut Linker<State>) -> Result<()> {
    l.instance(TYPES)?; // types only
    l.instance(LOG)?.func_wrap("log", |store, parameters: LogParameters| log(store, &parameters))
}

/// `log.log`: only what will be kept is looked at. It never fails, except by using up the fuel.
fn log(mut store: StoreContextMut<'_, State>, (level, message, fields): &LogParameters) -> Result<()> {
    let fields = fields_of(&mut store, fields)?;
    let message = message.to_str(&store)?;
    let mut pairs = Vec::with_capacity(fields.pairs.len());
    for (name, value) in &fields.pairs {
        pairs.push((name.to_str(&store)?, value.to_str(&store)?));
    }
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
    let bytes = message.len() + pairs.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    {
        let mut capture = store.data().capture.lock();
        capture.log(level.name(), &message, &pairs);
        if fields.more {
            capture.mark_cut();
        }
    }
    let cost = LOG_CALL_FUEL.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    let left = store.get_fuel()?.saturating_sub(cost);
    store.set_fuel(left)
}

struct Fields {
    pairs: Vec<(WasmStr, WasmStr)>,
    more: bool,
}

fn fields_of(store: &mut StoreContextMut<'_, State>, list: &WasmList<(WasmStr, WasmStr)>) -> Result<Fields> {
    let count = list.len().min(FIELDS);
    let pairs = list.iter(store)?.take(count).collect::<Result<_>>()?;
    Ok(Fields { pairs, more: list.len() > count })
}
