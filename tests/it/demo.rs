//! `stepwell demo`, as a newcomer sees it.

use crate::support::{guests, program};

#[test]
fn the_demo_kills_its_server_and_the_order_completes() {
    let data = tempfile::tempdir().expect("folder");
    let folder = data.path().join("demo");
    let output = program().arg("demo").arg("--guests").arg(guests()).arg("--data").arg(&folder).output().expect("runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let at = |needle: &str| text.find(needle).unwrap_or_else(|| panic!("{needle:?} is missing in:\n{text}"));
    assert!(at("process-payment    attempt 1 failed") < at("kill -9"));
    assert!(at("kill -9") < at("process-payment    attempt 2 succeeded"));
    assert!(at("condition is true") < at("ship-order-123"));
    at("\"because\":\"declined\"");
    at("orderId missing");
    at("Where to look next");
}

#[test]
fn the_demo_without_guests_says_how_to_build_them() {
    let data = tempfile::tempdir().expect("folder");
    let output = program()
        .arg("demo")
        .arg("--guests")
        .arg(data.path())
        .arg("--data")
        .arg(data.path().join("demo"))
        .output()
        .expect("runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains("cargo guests"), "{text}");
}
