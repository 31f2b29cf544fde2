//! The master key, changed between two starts.

use crate::support::Server;
use serde_json::json;

#[test]
fn the_master_key_is_changed_between_two_starts() {
    let keys = tempfile::tempdir().expect("a folder");
    let write = |name: &str, byte: &str| {
        let path = keys.path().join(name);
        std::fs::write(&path, byte.repeat(32)).expect("writes");
        path.display().to_string()
    };
    let (old, new) = (write("old", "1a"), write("new", "2b"));
    let server = Server::start_with(&["--master-key-file", &old]);
    server.client.put("/secrets/TOKEN", &json!({"value": "planted-token"})).ok(200);
    server
        .client
        .send(
            "PUT",
            "/functions/f",
            &[("content-type", "text/javascript")],
            b"export default input => input.token.length",
        )
        .ok(200);
    let step =
        json!({"id": "s", "type": "function", "function": "f", "config": {"input": {"token": "{{ secrets.TOKEN }}"}}});
    server.client.post("/workflows", &json!({"id": "w", "name": "w", "steps": [step]})).ok(201);
    let mut server = server;
    server.kill();
    let folder = server.folder();
    let args = |all: &[&str]| all.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>();
    let both = args(&["--master-key-file", &new, "--old-master-key-file", &old]);
    let mut server = Server::on(folder.clone(), both, Some(crate::support::KEY));
    assert_eq!(server.client.run("w", &json!({}))["result"], 13);
    server.kill();
    let mut server = Server::on(folder.clone(), args(&["--master-key-file", &new]), Some(crate::support::KEY));
    assert_eq!(server.client.run("w", &json!({}))["result"], 13);
    server.kill();
    let mut refused = crate::support::program();
    refused.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path().join("data"));
    let refused = refused.args(["--master-key-file", &old]).output().expect("runs");
    assert!(
        !refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("not the master key"),
        "{refused:?}"
    );
}
