//! `stepwell serve`.

use crate::args::ServeOptions;
use anyhow::Context as _;
use std::io::Write as _;
use stepwell_server::{CompilerCommand, Config, Limits, Server};
use tokio::signal::unix::{SignalKind, signal};

/// What is logged unless `STEPWELL_LOG` says otherwise.
const LOG: &str = "info,stepwell::guest=info";

/// Runs the server until it is told to stop.
pub fn serve(options: ServeOptions) -> anyhow::Result<()> {
    let filter = std::env::var("STEPWELL_LOG").unwrap_or_else(|_| LOG.to_owned());
    let filter = tracing_subscriber::EnvFilter::try_new(filter).context("STEPWELL_LOG is not a log filter")?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no threads")?;
    runtime.block_on(run(options))
}

async fn run(options: ServeOptions) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("this program's own file is not found")?;
    let mut limits = Limits::default();
    limits.slots.total = usize::from(options.slots);
    limits.slots.per_tenant = usize::from(options.slots);
    limits.fuel = options.fuel;
    let config = Config {
        listen: options.listen,
        data: options.data,
        admin_key: options.admin_key,
        compiler: CompilerCommand { program, args: vec!["compile-component".to_owned()] },
        limits,
    };
    let server = Server::start(config).await?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let mut out = std::io::stdout().lock();
    if let Some(key) = server.first_key() {
        writeln!(out, "admin key (shown once, keep it): {key}")?;
    }
    writeln!(out, "listening on http://{}", server.address())?;
    out.flush()?;
    drop(out);
    let stop = async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    };
    server.run(stop).await.context("the listener failed")
}
