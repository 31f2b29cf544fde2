//! Uploads: what is refused, with which code, and what is kept of those that fit.
#![allow(clippy::expect_used, reason = "these are tests")]

mod common;

use bytes::Bytes;
use common::{Sandbox, guests, invocation};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;
use stepwell_core::ids::TenantId;
use stepwell_engine::ports::{Artifact, Kind, NoHost, RuntimeError, Uploading};
use stepwell_runtime::CompilerCommand;

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("wat")
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_its_code() {
    let sandbox = Sandbox::new();
    let whole = guests::component(&guests::echo());
    let handler = r#"(component (core module $m (func (export "f"))) (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i "f"))) (instance $h (export "run" (func $f)))
        (export "stepwell:function/handler@1.0.0" (instance $h)))"#;
    for (artifact, code, word) in [
        (b"not wasm at all".to_vec(), "invalid_wasm", "at byte 0"),
        (Vec::new(), "invalid_wasm", "empty"),
        (b"(module)".to_vec(), "invalid_wasm", "text form"),
        (whole[..whole.len() / 2].to_vec(), "invalid_wasm", "at byte "),
        (wat("(module (func (result i32)))"), "invalid_wasm", "type mismatch"),
        (wat("(module)"), "wrong_world", "component-type"),
        (wat("(component)"), "wrong_world", "exports nothing"),
        (
            wat(r#"(component (import "wasi:sockets/tcp@0.2.0" (instance)))"#),
            "wrong_world",
            "not available to functions",
        ),
        (
            wat(r#"(component (import "wasi:cli/exit@0.2.0" (instance (export "exit" (func)))))"#),
            "wrong_world",
            "handler",
        ),
        (wat(handler), "wrong_world", "has another type"),
        (wat("(component (core module (memory i64 1)))"), "unsupported_feature", "64-bit"),
        (wat(&format!("(component {})", "(core module)".repeat(33))), "component_too_complex", "at most 32"),
        (guests::with_metadata(&guests::echo(), "{\"name\":\"a b\"}"), "invalid_metadata", "a b"),
    ] {
        let refusal = sandbox.refusal(artifact).await;
        assert_eq!(refusal.code, code, "{}", refusal.message);
        assert!(refusal.message.contains(word), "{word}: {}", refusal.message);
    }
}

#[tokio::test]
async fn an_import_of_another_type_is_the_wrong_world() {
    let text = r#"(component
        (import "wasi:cli/exit@0.2.0" (instance (export "exit" (func (param "status" string)))))
        (core module $m (func (export "f"))) (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i "f"))) (instance $h (export "run" (func $f)))
        (export "stepwell:function/handler@1.0.0" (instance $h)))"#;
    let refusal = Sandbox::new().refusal(wat(text)).await;
    assert_eq!(refusal.code, "wrong_world");
    assert!(refusal.message.contains("wasi:cli/exit"), "{}", refusal.message);
}

#[tokio::test]
async fn size_is_checked_before_anything_runs() {
    let sandbox = Sandbox::with(|config| {
        config.component_bytes = 100;
        config.compiler.program = PathBuf::from("/does/not/exist");
    });
    assert_eq!(sandbox.refusal(vec![0; 101]).await.code, "component_too_large");
}

#[tokio::test]
async fn metadata_is_read_and_its_absence_is_a_function_without_a_name() {
    let sandbox = Sandbox::new();
    let prepared = sandbox.upload(guests::echo()).await.expect("fits");
    assert_eq!((prepared.kind, prepared.functions.len()), (Kind::CoreModule, 1));
    assert_eq!(prepared.functions[0].name, None);
    let module = guests::with_metadata(
        &guests::echo(),
        "{\"name\":\"a\",\"description\":\"x\"}\n{\"name\":\"b\",\"inputSchema\":{}}\n",
    );
    let prepared = sandbox.upload(module).await.expect("fits");
    let names: Vec<_> = prepared.functions.iter().map(|f| f.name.clone().unwrap_or_default()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(prepared.functions[1].input_schema.as_ref().map(|schema| schema.as_str()), Some("{}"));
}

#[tokio::test]
async fn a_second_upload_needs_no_compiler() {
    let sandbox = Sandbox::new();
    let first = sandbox.upload(guests::echo()).await.expect("fits");
    assert!(first.compile_ms > 0);
    let restarted = Sandbox::restarted(sandbox);
    let again = restarted.upload(guests::echo()).await.expect("fits");
    assert_eq!(again.compile_ms, 0);
    assert_eq!(
        (again.digest, again.kind, again.functions, again.imports),
        (first.digest, first.kind, first.functions, first.imports)
    );
}

#[tokio::test]
async fn damaged_code_is_never_loaded_but_made_again() {
    let sandbox = Sandbox::new();
    let prepared = sandbox.upload(guests::echo()).await.expect("fits");
    let folder = sandbox.config.cache_dir.clone();
    let file = || std::fs::read_dir(&folder).expect("folder").next().expect("a file").expect("a file").path();
    let good = std::fs::read(file()).expect("file");
    assert_eq!(std::fs::metadata(&folder).expect("folder").permissions().mode() & 0o777, 0o700);
    let mut changed = good.clone();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    let mut sandbox = sandbox;
    for damage in [changed, good[..good.len() / 2].to_vec(), Vec::new(), b"something else".to_vec()] {
        std::fs::write(file(), damage).expect("written");
        sandbox = sandbox.restarted();
        assert!(sandbox.runtime.invoke(invocation(&prepared, "1"), NoHost::shared()).await.result.is_ok());
        assert_eq!(std::fs::read(file()).expect("file").len(), good.len(), "made again");
    }
    std::fs::remove_dir_all(&folder).expect("removed");
    sandbox = sandbox.restarted();
    assert!(sandbox.runtime.invoke(invocation(&prepared, "1"), NoHost::shared()).await.result.is_ok());
}

#[tokio::test]
async fn a_damaged_original_is_not_compiled() {
    let sandbox = Sandbox::new();
    let prepared = sandbox.upload(guests::echo()).await.expect("fits");
    std::fs::remove_dir_all(&sandbox.config.cache_dir).expect("removed");
    let sandbox = sandbox.restarted();
    sandbox.originals.0.lock().expect("lock").insert(prepared.digest, Bytes::from_static(b"other"));
    let outcome = sandbox.runtime.invoke(invocation(&prepared, "1"), NoHost::shared()).await;
    assert!(format!("{:?}", outcome.result).contains("damaged"), "{outcome:?}");
}

#[tokio::test]
async fn a_compiler_that_takes_too_long_is_ended() {
    let sandbox = Sandbox::with(|config| config.compile_limits.wall = Duration::ZERO);
    let refusal = sandbox.refusal(guests::echo()).await;
    assert_eq!(refusal.code, "compile_timeout");
    assert!(refusal.message.contains("split the component"), "{}", refusal.message);
    // The turn came back.
    assert_eq!(sandbox.refusal(guests::echo()).await.code, "compile_timeout");
}

#[tokio::test]
async fn a_compiler_that_computes_too_long_is_ended() {
    let branches = "(if (local.get 0) (then (local.set 1 (i32.add (local.get 2) (local.get 3)))))".repeat(8_000);
    let slow = format!("(func (param i32) (local i32 i32 i32 i32 i32 i32 i32 i32) {branches})").repeat(60);
    let sandbox = Sandbox::with(|config| config.compile_limits.cpu_seconds = 1);
    let refusal = sandbox.refusal(guests::module("", &slow, "unreachable")).await;
    assert_eq!(refusal.code, "compile_timeout", "{}", refusal.message);
}

#[tokio::test]
async fn a_compiler_that_wants_too_much_memory_is_ended() {
    let sandbox = Sandbox::with(|config| config.compile_limits.memory_bytes = 160 << 20);
    let data = format!("(data \"{}\")", "x".repeat(24 << 20));
    let refusal = sandbox.refusal(guests::module("", &data, "unreachable")).await;
    assert_eq!(refusal.code, "compile_memory", "{}", refusal.message);
    assert!(refusal.message.contains("make it smaller"), "{}", refusal.message);
    assert!(sandbox.upload(guests::echo()).await.is_ok(), "small ones still fit");
}

async fn unavailable(program: &str, args: &[&str]) -> bool {
    let args = args.iter().map(|arg| (*arg).to_owned()).collect();
    let sandbox = Sandbox::with(|config| config.compiler = CompilerCommand { program: program.into(), args });
    let refused =
        sandbox.runtime.prepare(TenantId::DEFAULT, Artifact::wasm(guests::echo()), &Uploading::default()).await;
    matches!(refused, Err(RuntimeError::Unavailable(_)))
}

#[tokio::test]
async fn our_own_faults_are_not_blamed_on_the_upload() {
    assert!(unavailable("/does/not/exist", &[]).await);
    assert!(unavailable("/bin/sh", &["-c", "exit 3"]).await);
    assert!(unavailable("/bin/sh", &["-c", "echo nonsense"]).await);
    assert!(unavailable("/bin/sh", &["-c", "kill -9 $$"]).await);
}

#[tokio::test]
async fn deaths_of_the_compiler_are_told_apart() {
    for (signal, code) in [("ABRT", "compile_memory"), ("SEGV", "component_too_complex"), ("XCPU", "compile_timeout")] {
        let args = vec!["-c".to_owned(), format!("kill -{signal} $$")];
        let sandbox = Sandbox::with(|config| config.compiler = CompilerCommand { program: "/bin/sh".into(), args });
        assert_eq!(sandbox.refusal(guests::echo()).await.code, code, "{signal}");
    }
}

#[tokio::test]
async fn the_compiler_sees_nothing_of_the_servers_environment() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("environment");
    let args = vec!["-c".to_owned(), format!("env > {}", file.display())];
    let sandbox = Sandbox::with(|config| config.compiler = CompilerCommand { program: "/bin/sh".into(), args });
    let _ = sandbox.runtime.prepare(TenantId::DEFAULT, Artifact::wasm(guests::echo()), &Uploading::default()).await;
    let seen = std::fs::read_to_string(&file).expect("written");
    let names: Vec<_> = seen.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    assert!(
        names.iter().all(|name| name.starts_with("STEPWELL_COMPILE_")
            || *name == "MALLOC_ARENA_MAX"
            || ["PWD", "SHLVL", "_", "OLDPWD"].contains(name)),
        "{names:?}"
    );
}

#[test]
fn a_compiler_whose_server_is_gone_ends() {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_stepwell-compile"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("starts");
    // It would wait for its input for ever: the input stays open, only nobody is left who reads the answer.
    let _input = child.stdin.take();
    drop(child.stdout.take());
    assert!(!child.wait().expect("ends").success());
}
