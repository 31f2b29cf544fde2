//! Webhooks as their providers sign them: with their own libraries, run by Node against the real server.

use crate::support::{KEY, Server};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the libraries are installed: beside what is built, and only once.
fn installed() -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/providers");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/providers");
    std::fs::create_dir_all(&folder).expect("a folder");
    let lock = std::fs::read(sources.join("package-lock.json")).expect("a lock file");
    let done = folder.join("node_modules/.installed");
    let is_installed = std::fs::read(&done).is_ok_and(|before| before == lock);
    for name in ["package.json", "package-lock.json", ".npmrc", "deliver.mjs"] {
        std::fs::copy(sources.join(name), folder.join(name)).expect("copies");
    }
    if !is_installed {
        let output = Command::new("npm").arg("ci").current_dir(&folder).output().expect("npm runs");
        assert!(output.status.success(), "npm ci: {}", String::from_utf8_lossy(&output.stderr));
        std::fs::write(done, lock).expect("writes");
    }
    folder
}

#[test]
fn webhooks_signed_by_the_providers_libraries_start_workflows() {
    let folder = installed();
    let server = Server::start();
    let mut node = Command::new("node");
    let output =
        node.arg("deliver.mjs").args([&server.client.address, KEY]).current_dir(folder).output().expect("runs");
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{failed}");
    for line in
        ["stripe: as", "github: as", "standard: as", "slack: as", "slack: challenge", "standard: with", "hmac: in"]
    {
        assert!(said.contains(line), "{line} is missing: {said}");
    }
    let refused = server.client.get("/webhook-deliveries?status=refused&limit=200").ok(200);
    assert!(refused["items"].as_array().is_some_and(|items| items.len() > 15), "{refused:#}");
    let started = server.client.get("/webhook-deliveries?workflow=stripe&status=started").ok(200);
    for delivery in started["items"].as_array().expect("items") {
        assert_eq!((&delivery["signature"], &delivery["scheme"]), (&"valid".into(), &"stripe".into()));
        assert!(delivery["deliveryKey"].as_str().is_some_and(|key| key.starts_with("evt_")), "{delivery:#}");
    }
}
