//! Processes that run guests: how they are closed in, and what becomes of calls when one ends.
#![allow(clippy::expect_used, clippy::panic, reason = "these are tests")]

use crate::common::{Sandbox, fault, guests, invocation};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;
use stepwell_core::ids::TenantId;
use stepwell_engine::ports::{Fault, Invocation, NoHost, Outcome, Runtime as _};
use stepwell_runtime::{CompilerCommand, ProcessRuntime, WorkerConfig};

/// The processes that this test started and that run guests.
fn workers() -> BTreeSet<i32> {
    let own = std::process::id();
    let children = std::fs::read_dir(format!("/proc/{own}/task")).expect("threads").flat_map(|thread| {
        let path = thread.expect("thread").path().join("children");
        std::fs::read_to_string(path).unwrap_or_default().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    });
    let children: BTreeSet<i32> = children.filter_map(|pid| pid.parse().ok()).collect();
    let runs_guests = |pid: &i32| {
        std::fs::read(proc(*pid, "cmdline")).is_ok_and(|line| line.windows(10).any(|part| part == b"run-guests"))
    };
    children.into_iter().filter(runs_guests).collect()
}

fn proc(pid: i32, file: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{file}"))
}

/// The one process.
fn worker() -> i32 {
    let workers = workers();
    assert_eq!(workers.len(), 1, "{workers:?}");
    workers.into_iter().next().expect("one")
}

fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).expect("a process"), Signal::KILL).expect("killed");
}

/// A call that ends only with its process.
async fn endless(sandbox: &Sandbox) -> Invocation {
    let prepared = sandbox.upload(guests::module("", "", "(loop $more (br $more)) unreachable")).await.expect("fits");
    let mut invocation = invocation(&prepared, "1");
    invocation.limits.timeout = Duration::from_secs(600);
    invocation.limits.fuel = u64::MAX;
    invocation
}

async fn call(sandbox: &Sandbox, invocation: &Invocation) -> Outcome {
    sandbox.runtime.invoke(invocation.clone(), NoHost::shared()).await
}

#[tokio::test]
async fn a_process_has_no_environment_no_files_and_no_way_out() {
    let sandbox = Sandbox::new();
    assert!(sandbox.call(guests::echo(), "1").await.result.is_ok());
    let pid = worker();
    assert_eq!(std::fs::read(proc(pid, "environ")).expect("environment"), b"");
    assert_eq!(std::fs::read_link(proc(pid, "cwd")).expect("folder"), PathBuf::from("/"));
    let own = std::fs::canonicalize("/proc/self/fd").is_ok();
    assert!(own, "this test reads /proc");
    for entry in std::fs::read_dir(proc(pid, "fd")).expect("files") {
        let target = std::fs::read_link(entry.expect("file").path()).expect("file");
        let target = target.to_string_lossy().into_owned();
        let known = ["socket:[", "pipe:[", "anon_inode:", "/memfd:"].iter().any(|kind| target.starts_with(kind));
        assert!(known || target == "/dev/null", "{target}");
    }
    let status = std::fs::read_to_string(proc(pid, "status")).expect("status");
    assert!(status.contains("NoNewPrivs:\t1") && status.contains("Seccomp:\t2"), "{status}");
    let limits = std::fs::read_to_string(proc(pid, "limits")).expect("limits");
    let limit = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).expect("a limit");
        line[name.len()..].split_whitespace().next().expect("a number").to_owned()
    };
    assert_eq!((limit("Max core file size").as_str(), limit("Max processes").as_str()), ("0", "0"));
    assert_eq!(limit("Max open files"), "512");
    assert_ne!(limit("Max data size"), "unlimited");
}

#[tokio::test]
async fn tenants_never_share_a_process() {
    let sandbox = Sandbox::new();
    let prepared = sandbox.upload(guests::echo()).await.expect("fits");
    for tenant in [1, 2, 3, 2, 1] {
        let mut invocation = invocation(&prepared, "1");
        invocation.tenant = TenantId(tenant);
        assert!(call(&sandbox, &invocation).await.result.is_ok());
    }
    assert_eq!(workers().len(), 3);
}

#[tokio::test]
async fn a_killed_process_costs_its_calls_and_nobody_elses() {
    let sandbox = Sandbox::new();
    let endless = endless(&sandbox).await;
    let quick = sandbox.upload(guests::echo()).await.expect("fits");
    let quick = invocation(&quick, "1");
    let mut other = endless.clone();
    other.tenant = TenantId(2);
    let mut others = std::pin::pin!(call(&sandbox, &other));
    let mut calls = std::pin::pin!(async { tokio::join!(call(&sandbox, &endless), call(&sandbox, &endless)) });
    // The first process that there is runs the first tenant's calls.
    let first = loop {
        tokio::select! {
            biased;
            ended = &mut calls => panic!("they ended: {ended:?}"),
            outcome = call(&sandbox, &quick) => assert!(outcome.result.is_ok()),
        }
        if workers().len() == 1 {
            break worker();
        }
    };
    while workers().len() < 2 {
        tokio::select! {
            biased;
            ended = &mut others => panic!("it ended: {ended:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    kill(first);
    let (a, b) = calls.await;
    for outcome in [a, b] {
        let Fault::Lost(why) = fault(outcome) else { panic!("not lost") };
        assert!(why.contains("signal: 9"), "{why}");
    }
    // The next call starts another process, and the other tenant's call goes on.
    assert!(call(&sandbox, &quick).await.result.is_ok());
    assert_eq!(workers().len(), 2);
    tokio::select! {
        biased;
        ended = &mut others => panic!("it ended: {ended:?}"),
        () = tokio::task::yield_now() => {}
    }
}

#[tokio::test]
async fn so_many_processes_at_once_and_idle_ones_make_room() {
    let sandbox = Sandbox::new();
    let endless = endless(&sandbox).await;
    let mut quick = invocation(&sandbox.upload(guests::echo()).await.expect("fits"), "1");
    quick.tenant = TenantId(2);
    let runtime =
        ProcessRuntime::new(&sandbox.config, WorkerConfig { at_once: 1, ..crate::common::workers() }).expect("runtime");
    let call = |invocation: &Invocation| runtime.invoke(invocation.clone(), NoHost::shared());
    {
        let mut running = std::pin::pin!(call(&endless));
        while workers().is_empty() {
            tokio::select! {
                biased;
                ended = &mut running => panic!("it ended: {ended:?}"),
                () = tokio::task::yield_now() => {}
            }
        }
        assert_eq!(fault(call(&quick).await), Fault::NoCapacity, "the only process is busy, and another tenant's");
    }
    assert!(call(&quick).await.result.is_ok(), "it is idle: the other tenant gets its place");
    while workers().len() > 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn idle_processes_end() {
    let sandbox = Sandbox::new();
    let quick = invocation(&sandbox.upload(guests::echo()).await.expect("fits"), "1");
    let workers_config = WorkerConfig { idle: Duration::ZERO, ..crate::common::workers() };
    let runtime = ProcessRuntime::new(&sandbox.config, workers_config).expect("runtime");
    for _ in 0..2 {
        assert!(runtime.invoke(quick.clone(), NoHost::shared()).await.result.is_ok());
        while !workers().is_empty() {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_process_that_cannot_be_started_is_said_at_the_start_and_costs_an_attempt_later() {
    let sandbox = Sandbox::new();
    let quick = invocation(&sandbox.upload(guests::echo()).await.expect("fits"), "1");
    for program in ["/does/not/exist", "/bin/false"] {
        let command = CompilerCommand { program: program.into(), args: Vec::new() };
        let runtime = ProcessRuntime::new(&sandbox.config, WorkerConfig::new(command)).expect("runtime");
        assert!(runtime.try_out().await.is_err_and(|error| error.to_string().contains("--isolation thread")));
        let outcome = runtime.invoke(quick.clone(), NoHost::shared()).await;
        assert!(matches!(fault(outcome), Fault::Lost(_)), "{program}");
    }
}

#[tokio::test]
async fn processes_end_with_the_runtime() {
    let sandbox = Sandbox::new();
    assert!(sandbox.call(guests::echo(), "1").await.result.is_ok());
    let pid = worker();
    drop(sandbox);
    while proc(pid, "exe").exists() && std::fs::read_link(proc(pid, "exe")).is_ok() {
        tokio::task::yield_now().await;
    }
}
