//! `stepwell demo`: the seed's order workflow on real components, through the front door, on a server that is killed in the middle of it.

mod follow;
mod process;

use crate::args::DemoOptions;
use crate::client::Client;
use anyhow::{Context as _, bail};
use follow::{Follow, Pause};
use process::ServerProcess;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use stepwell_server::printable;

/// The seed's "Order Fulfillment Workflow"; the payment is tried again when the gateway is down.
const WORKFLOW: &str = include_str!("order-fulfillment.json");

/// Runs the demo.
pub fn demo(options: &DemoOptions) -> anyhow::Result<()> {
    let workflow: Value = serde_json::from_str(WORKFLOW).context("the demo's workflow")?;
    let data = data_folder(options)?;
    println!("Stepwell demo: an order is fulfilled by sandboxed WebAssembly components.\n");
    println!("1. A server starts in {}", data.display());
    let mut server = ServerProcess::start(&data)?;
    let key = server.first_key().context("the server printed no admin key")?.to_owned();
    let mut client = Client::new(server.address(), &key);
    println!("   listening on {}\n", server.address());
    upload(&client, &options.guests, &workflow)?;
    let id = create(&client, &workflow)?;

    println!("4. An order is paid. The payment gateway is down at first, so the step will be tried again.");
    let order =
        json!({"orderId": "order-123", "total": 120, "email": "a@example.com", "card": "tok_gateway_down_once"});
    let mut follow = Follow::start(&client, &id, &order)?;
    match follow.until(&client, Pause::FirstRetry)? {
        Some(_) => bail!("the order ended before the server could be killed"),
        None => println!("   -- kill -9: the server is gone, between the first attempt and the second --"),
    }
    server.kill()?;
    server = ServerProcess::start(&data)?;
    client = Client::new(server.address(), &key);
    println!("   -- started again on {}: it reads its journal and goes on --", server.address());
    let ended = follow.until(&client, Pause::Never)?.context("the order did not end")?;
    expect(&ended, "completed", "The order was fulfilled")?;

    println!("5. A payment is declined: the other branch.");
    let ended = run(&client, &id, &json!({"orderId": "order-9", "total": 9000, "email": "a@example.com"}))?;
    expect(&ended, "completed", "The customer was told")?;

    println!("6. An order without an id: the function's own permanent failure.");
    let ended = run(&client, &id, &json!({"total": 1}))?;
    expect(&ended, "failed", "As it should be")?;

    server.stop()?;
    where_next(&data, &id);
    Ok(())
}

fn data_folder(options: &DemoOptions) -> anyhow::Result<PathBuf> {
    let default = || std::env::temp_dir().join(format!("stepwell-demo-{}", std::process::id()));
    let data = options.data.clone().unwrap_or_else(default);
    if data.exists() {
        bail!("{} exists already; the demo needs a folder of its own", data.display());
    }
    Ok(data)
}

fn upload(client: &Client, guests: &Path, workflow: &Value) -> anyhow::Result<()> {
    let steps = workflow["steps"].as_array().context("steps")?;
    let functions: Vec<&str> = steps.iter().filter_map(|step| step["function"].as_str()).collect();
    println!(
        "2. {} functions are uploaded and compiled, from Rust components in {}",
        functions.len(),
        guests.display()
    );
    for (at, id) in functions.iter().enumerate() {
        let path = guests.join(format!("{id}.wasm"));
        let wasm = std::fs::read(&path)
            .with_context(|| format!("{} is missing; build the guests with `cargo guests`", path.display()))?;
        let function = client.put_wasm(&format!("/functions/{id}?function={id}"), &wasm)?;
        let (size, ms) = (wasm.len() / 1024, &function["compileMs"]);
        println!("   [{}/{}] {id:<24} {size:>4} KiB, compiled in {ms} ms", at + 1, functions.len());
    }
    println!();
    Ok(())
}

fn create(client: &Client, workflow: &Value) -> anyhow::Result<String> {
    let created = client.post("/workflows", workflow)?;
    let id = created["id"].as_str().context("the workflow has no id")?.to_owned();
    println!("3. The workflow {:?} is created as {id}\n", created["name"].as_str().unwrap_or_default());
    Ok(id)
}

fn run(client: &Client, workflow: &str, input: &Value) -> anyhow::Result<Value> {
    let mut follow = Follow::start(client, workflow, input)?;
    follow.until(client, Pause::Never)?.context("the execution did not end")
}

fn expect(ended: &Value, status: &str, then: &str) -> anyhow::Result<()> {
    let outcome = if ended["status"] == "completed" { &ended["result"] } else { &ended["error"] };
    let outcome = printable(&outcome.to_string(), 4 << 10); // functions wrote it
    println!("   => {}: {outcome}", ended["status"].as_str().unwrap_or_default());
    if ended["status"] != status {
        bail!("the execution should have {status}");
    }
    println!("   {then}.\n");
    Ok(())
}

fn where_next(data: &Path, workflow: &str) {
    println!("Where to look next:");
    println!("  the definition that ran       host/cli/src/demo/order-fulfillment.json");
    println!("  the functions that it called  plugins/examples/order/src");
    println!("  the same server, by hand      stepwell serve --data {}", data.display());
    println!(
        "  one more order                POST /workflows/trigger {{\"workflowId\": \"{workflow}\", \"input\": ...}}"
    );
    println!("  how it works                  README.md, ARCHITECTURE.md");
}
