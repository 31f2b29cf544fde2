//! The child process: reads an upload from standard input, checks and compiles it, answers on standard output.

use super::frame::{Answer, Header, Refusal, refuse};
use super::unfit::Code;
use super::world::World;
use super::{features, limits, meta, progress, scan, world, wrap};
use crate::cache::Facts;
use crate::engine::{compatibility, compiling, compiling_without_compiler};
use crate::loaded::{Loaded, Misfit};
use crate::runner::Runner;
use crate::seccomp::{self, Purpose};
use crate::{clock, linker};
use rustix::event::{PollFd, PollFlags, poll};
use std::borrow::Cow;
use std::io::{Read as _, Write as _};
use std::process::ExitCode;
use stepwell_engine::ports::{FunctionMeta, Kind};
use wasmtime::component::Component;
use wasmtime::{Engine, OutOfMemory};

/// Largest upload that is read: the operator's ceiling (`limits.md`); the parent checks the configured size before.
const INPUT_BYTES: u64 = 64 << 20;
/// Stack of the thread that compiles. Validation and Cranelift recurse over nested blocks.
const STACK_BYTES: usize = 64 << 20;

/// Stack of the thread that watches the pipe.
const WATCH_STACK_BYTES: usize = 128 << 10;

/// The whole life of the child process: call it first thing in `main`, before any thread is started.
///
/// Reads a component or a core module from standard input until its end. Answers on standard output; the exit code is
/// success for an upload that is refused, too.
#[must_use]
pub fn compile_child_main() -> ExitCode {
    let (answer, code) = match limits::confine().map_err(std::io::Error::from).and_then(|()| end_with_parent()) {
        Ok(()) => answer(),
        Err(error) => (Answer::Unavailable(format!("the compiler could not limit itself: {error}")), Vec::new()),
    };
    match write(&answer, &code) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE, // the parent is gone
    }
}

/// Ends this process when nobody is left who would read its answer: a server that is killed leaves no compiler behind.
fn end_with_parent() -> std::io::Result<()> {
    let watch = || {
        let stdout = std::io::stdout();
        // No event is asked for: what is left is the error that a pipe without a reader has.
        let mut pipe = [PollFd::new(&stdout, PollFlags::empty())];
        loop {
            match poll(&mut pipe, None) {
                Ok(1..) => std::process::exit(1),
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => return, // then the limits are what ends it
            }
        }
    };
    std::thread::Builder::new().name("parent".to_owned()).stack_size(WATCH_STACK_BYTES).spawn(watch).map(drop)
}

pub(super) fn write(answer: &Answer, code: &[u8]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, answer)?;
    out.write_all(b"\n")?;
    out.write_all(code)?;
    out.flush()
}

fn answer() -> (Answer, Vec<u8>) {
    let engine = match compiling() {
        Ok(engine) => engine,
        Err(error) => return (Answer::Unavailable(format!("the compiler could not be set up: {error:#}")), Vec::new()),
    };
    let world = limits::world();
    let compile = move || closed_in(&engine, world);
    let thread = std::thread::Builder::new().name("compile".to_owned()).stack_size(STACK_BYTES).spawn(compile);
    match thread.map(std::thread::JoinHandle::join) {
        Ok(Ok(Ok(done))) => done,
        Ok(Ok(Err(refusal))) => (refusal.into(), Vec::new()),
        Ok(Err(_panic)) => {
            let message =
                "the compiler cannot deal with this component: change what its toolchain generates, or report it";
            (refuse(Code::ComponentTooComplex, message).into(), Vec::new())
        }
        Err(error) => (Answer::Unavailable(format!("the compiler could not start its thread: {error}")), Vec::new()),
    }
}

/// The last thread is running: from here on the process reads what strangers sent, and can do nothing but compute and answer.
fn closed_in(engine: &Engine, world: World) -> Result<(Answer, Vec<u8>), Refusal> {
    let unavailable = |message| Ok((Answer::Unavailable(message), Vec::new()));
    if let Err(error) = seccomp::confine(Purpose::Compile, &[]) {
        return unavailable(error.to_string());
    }
    let mut artifact = Vec::new();
    if let Err(error) = std::io::stdin().lock().take(INPUT_BYTES).read_to_end(&mut artifact) {
        return unavailable(format!("the compiler could not read its input: {error}"));
    }
    compile(engine, &artifact, world)
}

fn compile(engine: &Engine, artifact: &[u8], world: World) -> Result<(Answer, Vec<u8>), Refusal> {
    let kind = scan::kind(artifact)?;
    scan::scan(artifact)?;
    features::check(artifact)?;
    let component = match kind {
        Kind::Component | Kind::JavaScript => Cow::Borrowed(artifact),
        Kind::CoreModule => Cow::Owned(wrap::wrap(artifact)?),
    };
    // What was wrapped is scanned as well: the caps hold for what is compiled.
    let scan = scan::scan(&component)?;
    let imports = world::check(&scan, world)?;
    let functions = meta::read(scan.metadata())?;
    progress::tell(scan.functions);
    let start = clock::now();
    let compiled = Component::from_binary(engine, &component).map_err(|error| too_complex(&error))?;
    let compile_ms =
        u64::try_from(clock::now().saturating_duration_since(start).as_millis()).unwrap_or(u64::MAX).max(1);
    fits(engine, &compiled, world)?;
    let code = compiled.serialize().map_err(|error| too_complex(&error))?;
    let compatibility = compiling_without_compiler().map(|engine| compatibility(&engine));
    let compatibility = compatibility.map_err(|error| too_complex(&error))?;
    let facts = Facts { kind, functions: with_default(functions), imports };
    Ok((Answer::Compiled(Header { facts, compile_ms, compatibility }), code))
}

/// The definitive check, with the linker that serves: every import and the handler with their types.
fn fits(engine: &Engine, component: &Component, world: World) -> Result<(), Refusal> {
    let linker = linker::linker(engine).map_err(|error| too_complex(&error))?;
    let fits = match world {
        World::Function => Loaded::new(&linker, component).map(drop),
        World::Runner => Runner::new(&linker, component).map(drop),
    };
    match fits {
        Ok(()) => Ok(()),
        Err(Misfit::Import(error)) => {
            Err(refuse(Code::WrongWorld, format!("an import does not have the type that this server has: {error:#}")))
        }
        Err(misfit) => Err(refuse(Code::WrongWorld, format!("the component does not fit: {misfit}"))),
    }
}

/// A component was valid and is refused all the same: a limit of the compiler.
fn too_complex(error: &wasmtime::Error) -> Refusal {
    if error.is::<OutOfMemory>() || error.downcast_ref() == Some(&rustix::io::Errno::NOMEM) {
        return refuse(
            Code::CompileMemory,
            "compiling the component takes more memory than it may take: make it smaller, or split it",
        );
    }
    refuse(Code::ComponentTooComplex, format!("the component cannot be compiled: {error:#}"))
}

fn with_default(functions: Vec<FunctionMeta>) -> Vec<FunctionMeta> {
    if functions.is_empty() {
        return vec![FunctionMeta::default()];
    }
    functions
}
