//! Uploads: what is refused, why, and that it costs nobody else anything.

use crate::isolation::{children, is_gone};
use crate::raw::Raw;
use crate::support::{Server, guest};
use serde_json::json;

fn refused(wasm: &[u8], status: u16) -> (String, String) {
    let server = Server::start();
    let answer = server.client.put_wasm("/functions/f", wasm);
    let code = answer.error(status);
    assert_eq!(server.client.get("/functions/f").error(404), "function_not_found", "nothing was registered");
    server.client.upload("fine", &guest("fixtures/echo"));
    (code, answer.body["message"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn what_is_not_wasm_is_refused() {
    for bytes in [&b""[..], b"hello", b"(module)", b"\x7fELF\x02\x01\x01", &[0; 1000]] {
        let (code, message) = refused(bytes, 422);
        assert_eq!(code, "invalid_wasm", "{message}");
        assert!(message.len() > 20, "{message}");
    }
}

#[test]
fn a_truncated_component_is_refused() {
    let whole = guest("validate-order");
    assert_eq!(refused(&whole[..whole.len() / 2], 422).0, "invalid_wasm");
}

#[test]
fn a_core_module_of_no_world_is_refused() {
    // An empty module: valid WebAssembly, but nothing that could be called.
    let (code, message) = refused(b"\0asm\x01\0\0\0", 422);
    assert_eq!(code, "wrong_world");
    assert!(message.contains("stepwell:function/function@1.0.0"), "it says which world: {message}");
}

#[test]
fn what_is_over_the_size_cap_is_refused() {
    let (code, message) = refused(&vec![0; (32 << 20) + 1], 413);
    assert_eq!(code, "component_bytes");
    assert!(message.contains("33554432"), "{message}");
}

#[test]
fn one_of_several_functions_or_all_of_them() {
    let server = Server::start();
    let all = server.client.upload("order", &guest("validate-order"));
    let ids: Vec<_> = all["functions"].as_array().expect("functions").iter().map(|f| f["id"].clone()).collect();
    assert!(ids.contains(&json!("order.validate-order")) && ids.len() == 7, "{ids:?}");
    let one = server.client.put_wasm("/functions/mine?function=charge-payment", &guest("validate-order")).ok(200);
    assert_eq!((&one["id"], &one["name"], &one["compileMs"]), (&json!("mine"), &json!("charge-payment"), &json!(0)));
    let none = server.client.put_wasm("/functions/mine?function=nothing", &guest("validate-order"));
    assert_eq!(none.error(422), "unknown_function");
    assert!(none.body["message"].as_str().is_some_and(|text| text.contains("validate-order")), "it says what there is");
}

#[test]
fn an_upload_may_come_as_base64_in_json() {
    use base64::Engine as _;
    let server = Server::start();
    let wasm = base64::engine::general_purpose::STANDARD.encode(guest("fixtures/echo"));
    let created = server.client.post("/functions", &json!({"id": "echo", "wasm": wasm})).ok(201);
    assert_eq!(created["id"], "echo");
    let bad = server.client.post("/functions", &json!({"id": "echo", "wasm": "%%%"}));
    assert_eq!((bad.error(400).as_str(), &bad.body["errors"][0]["field"]), ("invalid_request", &json!("wasm")));
    assert_eq!(server.client.post("/functions", &json!({"id": "js"})).error(400), "invalid_request");
}

#[test]
fn an_upload_of_another_type_is_told_what_to_send() {
    let server = Server::start();
    let headers = [("content-type", "text/x-python")];
    let answer = server.client.send("PUT", "/functions/f", &headers, b"export default () => 1");
    assert_eq!(answer.error(415), "unsupported_media_type");
}

#[test]
fn compiled_code_outlives_a_restart_and_its_loss_is_repaired() {
    let server = Server::start();
    server.client.upload("echo", &guest("fixtures/echo"));
    let folder = server.folder();
    let server = server.kill_and_restart();
    assert_eq!(server.client.upload("echo", &guest("fixtures/echo"))["compileMs"], 0);
    let call =
        |server: &Server| server.client.post("/functions/execute", &json!({"functionId": "echo", "input": 7})).ok(200);
    assert_eq!(call(&server)["input"], 7);
    // Somebody changes every compiled file: it is not loaded, the component is compiled again from the original.
    for entry in std::fs::read_dir(folder.path().join("data/compiled")).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_file() {
            let mut bytes = std::fs::read(&path).expect("reads");
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0xff;
            std::fs::write(&path, bytes).expect("writes");
        }
    }
    let server = server.kill_and_restart();
    assert_eq!(call(&server)["input"], 7);
}

/// It keeps the compiler at work for longer than the compiler may work.
pub fn bomb() -> Vec<u8> {
    let branches = "(if (local.get 0) (then (local.set 1 (i32.add (local.get 2) (local.get 3)))))".repeat(16_000);
    let functions = format!("(func (param i32) (local i32 i32 i32 i32 i32 i32 i32 i32) {branches})").repeat(60);
    let text = format!(
        r#"(component (core module $m (func (export "f")) {functions}) (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i "f"))) (instance $h (export "run" (func $f)))
            (export "stepwell:function/handler@1.0.0" (instance $h)))"#
    );
    wat::parse_str(text).expect("a component")
}

/// The process that compiles.
pub fn compiler(server: &Server) -> i32 {
    loop {
        if let Some(pid) = children(server, "compile-component").first() {
            return *pid;
        }
    }
}

#[test]
fn a_server_that_is_killed_while_it_compiles_leaves_no_compiler_and_no_function() {
    let mut server = Server::start();
    let mut raw = Raw::connect(&server);
    raw.upload("PUT /functions/bomb", &bomb());
    let pid = compiler(&server);
    server.kill();
    while !is_gone(pid) {}
    let server = server.restart();
    assert_eq!(server.client.get("/functions/bomb").error(404), "function_not_found");
}
