//! The server with functions in processes of their own.

use crate::order;
use crate::support::{Server, guest};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::path::PathBuf;

fn server() -> Server {
    Server::start_with(&["--isolation", "process", "--fuel", "1000000000000"])
}

/// The processes of this server that run functions.
fn workers(server: &Server) -> Vec<i32> {
    children(server, "run-guests")
}

/// The processes of this server with this subcommand.
pub fn children(server: &Server, subcommand: &str) -> Vec<i32> {
    let threads = std::fs::read_dir(format!("/proc/{}/task", server.pid())).expect("threads");
    let children = threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("children")).ok());
    let children: Vec<i32> = children
        .flat_map(|line| line.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect();
    let runs = |pid: &i32| {
        let line = std::fs::read_to_string(proc(*pid, "cmdline")).unwrap_or_default();
        line.split('\0').any(|argument| argument == subcommand)
    };
    children.into_iter().filter(runs).collect()
}

/// Whether a process has ended, whoever is to take note of it.
pub fn is_gone(pid: i32) -> bool {
    std::fs::read_link(proc(pid, "exe")).is_err()
}

fn proc(pid: i32, file: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{file}"))
}

fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).expect("a process"), Signal::KILL).expect("killed");
}

#[test]
fn the_order_workflow_completes_in_a_process_that_knows_nothing_of_the_server() {
    let server = server();
    let id = order::deploy(&server.client);
    let ended = server.client.run(&id, &order::paid());
    assert_eq!((&ended["status"], &ended["result"]), (&json!("completed"), &order::paid_result()), "{ended:#}");
    let workers = workers(&server);
    assert_eq!(workers.len(), 1, "one tenant, one process");
    assert_eq!(std::fs::read(proc(workers[0], "environ")).expect("environment"), b"");
    for file in std::fs::read_dir(proc(workers[0], "fd")).expect("files") {
        let target = std::fs::read_link(file.expect("file").path()).expect("file");
        assert!(!target.starts_with(server.folder().path()), "{} is the server's", target.display());
    }
}

#[test]
fn a_killed_process_costs_an_attempt_and_the_execution_completes() {
    let server = server();
    let script = "export default (input, ctx) => { while (ctx.attempt === 1); return ctx.attempt }";
    server.client.put_script("/functions/twice", script).ok(200);
    let step = json!({"id": "a", "type": "function", "function": "twice", "config": {"retries": 1, "timeout": "10m"}});
    server.client.post("/workflows", &json!({"id": "w", "steps": [step]})).ok(201);
    let started = server.client.post("/workflows/trigger", &json!({"workflowId": "w"})).ok(200);
    let id = started["executionId"].as_str().expect("id");
    while server.client.get(&format!("/workflows/executions/{id}")).ok(200)["steps"]["a"]["status"] != "running" {}
    let first = loop {
        if let Some(pid) = workers(&server).first() {
            break *pid;
        }
    };
    kill(first);
    let ended = server.client.end(id);
    assert_eq!((&ended["status"], &ended["result"]), (&json!("completed"), &json!(2)), "{ended:#}");
    assert_eq!(ended["steps"]["a"]["attempts"], 2);
    assert!(!workers(&server).contains(&first));
}

#[test]
fn processes_end_with_a_server_that_is_killed() {
    let mut server = server();
    server.client.upload("echo", &guest("fixtures/echo"));
    server.client.post("/functions/execute", &json!({"functionId": "echo", "input": 1})).ok(200);
    let pid = *workers(&server).first().expect("a process");
    server.kill();
    // Nobody but the system is left to end it: it is gone, or at least no longer there to be run.
    while !is_gone(pid) {}
}
