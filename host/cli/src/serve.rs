//! `stepwell serve`.

use crate::args::{self, Capability, ServeOptions};
use anyhow::{Context as _, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use stepwell_server::grants::{KeyValuePolicy, Policy};
use stepwell_server::{
    CompilerCommand, Config, DiskMarks, Isolation, Jwks, JwtConfig, Limits, MasterKeySource, Outgoing, Server,
    WorkerConfig,
};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// What is logged unless `STEPWELL_LOG` says otherwise.
const LOG: &str = "info,wasmtime_wasi_http=error";

/// Threads that block get this long to end with the process.
const LAST_THREADS: Duration = Duration::from_secs(5);

/// Runs the server until it is told to stop.
pub fn serve(options: ServeOptions) -> anyhow::Result<()> {
    let filter = std::env::var("STEPWELL_LOG").unwrap_or_else(|_| LOG.to_owned());
    let filter = tracing_subscriber::EnvFilter::try_new(filter).context("STEPWELL_LOG is not a log filter")?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no threads")?;
    let done = runtime.block_on(run(options));
    // What still blocks a thread then is not waited for: the store survives worse.
    runtime.shutdown_timeout(LAST_THREADS);
    done
}

/// `STEPWELL_ADMIN_KEY`; what is no text is a key all the same, a bad one.
fn admin_key() -> Option<String> {
    std::env::var_os("STEPWELL_ADMIN_KEY").map(|key| key.to_string_lossy().into_owned())
}

/// The file wins over nothing but the data folder: two keys are a mistake that only the operator can mend.
fn master_key(file: Option<PathBuf>) -> anyhow::Result<MasterKeySource> {
    let text = std::env::var_os("STEPWELL_MASTER_KEY").map(|key| key.to_string_lossy().into_owned());
    Ok(match (file, text) {
        (Some(_), Some(_)) => bail!("there are two master keys: unset STEPWELL_MASTER_KEY or STEPWELL_MASTER_KEY_FILE"),
        (Some(file), None) => MasterKeySource::File(file),
        (None, Some(text)) => MasterKeySource::Text(text.into()),
        (None, None) => MasterKeySource::DataFolder,
    })
}

fn isolation(options: &ServeOptions, program: &Path) -> Isolation {
    match options.isolation {
        args::Isolation::Thread => Isolation::Thread,
        args::Isolation::Process => {
            let command = CompilerCommand { program: program.to_owned(), args: vec!["run-guests".to_owned()] };
            Isolation::Process(WorkerConfig { at_once: usize::from(options.workers), ..WorkerConfig::new(command) })
        }
    }
}

/// A process that runs guests. What it logs goes to the server, which passes it on.
pub fn run_guests() -> ExitCode {
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .without_time()
        .init();
    stepwell_server::guest_child_main()
}

/// What the operator allows functions.
fn policy(options: &ServeOptions) -> Policy {
    let mut policy = Policy::default();
    if !options.http_allow.is_empty() {
        policy.http = Some(options.http_allow.iter().cloned().collect());
    }
    for denied in &options.deny_capability {
        match denied {
            Capability::Http => policy.http = Some(BTreeSet::new()),
            Capability::Secrets => policy.secrets = Some(BTreeMap::new()),
            Capability::Config => policy.config = Some(BTreeSet::new()),
            Capability::KeyValue => policy.key_value = Some(KeyValuePolicy::None),
            Capability::Events => policy.events = Some(BTreeSet::new()),
        }
    }
    policy
}

fn disk_marks(options: &ServeOptions) -> anyhow::Result<DiskMarks> {
    let (low, high) = (options.disk_low, options.disk_high);
    if low > high {
        bail!("--disk-low is {low} and --disk-high is {high}: the low mark comes first");
    }
    Ok(DiskMarks { low, high, spare_bytes: options.disk_spare << 20 })
}

async fn run(options: ServeOptions) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("this program's own file is not found")?;
    let mut limits = Limits::default();
    limits.slots.total = usize::from(options.slots);
    limits.slots.per_tenant = usize::from(options.slots);
    limits.fuel = options.fuel;
    limits.disk = disk_marks(&options)?;
    limits.scrub = options.scrub.pace();
    let isolation = isolation(&options, &program);
    let policy = policy(&options);
    let outgoing = Outgoing {
        networks: options.allow_network,
        authorities: options.trust_ca,
        connections: usize::from(options.http_connections),
    };
    let jwks = options.jwks.map(Jwks::File).or(options.jwks_url.map(Jwks::Url));
    let jwt = match (options.jwt_issuer, options.jwt_audience, jwks) {
        (Some(issuer), Some(audience), Some(jwks)) => {
            Some(JwtConfig { issuer, audience, jwks, tenant_claim: options.jwt_tenant_claim })
        }
        _ => None, // the options go together
    };
    let config = Config {
        outgoing,
        policy,
        listen: options.listen,
        public_url: options.public_url,
        data: options.data,
        admin_key: admin_key(),
        jwt,
        master_key: master_key(options.master_key_file)?,
        isolation,
        old_master_key: options.old_master_key_file,
        compiler: CompilerCommand { program, args: vec!["compile-component".to_owned()] },
        limits,
        connections: usize::from(options.connections),
    };
    let server = Server::start(config).await?;
    let mut signals = Signals::new()?;
    let mut out = std::io::stdout().lock();
    if let Some(key) = server.first_key() {
        writeln!(out, "admin key (shown once, keep it): {key}")?;
    }
    writeln!(out, "listening on http://{}", server.address())?;
    out.flush()?;
    drop(out);
    let (tell, mut told) = watch::channel(());
    let stop = async move {
        // An error means that the sender is gone, and with it the server.
        let _ = told.changed().await;
    };
    let twice = async {
        signals.next().await;
        tell.send_replace(());
        signals.next().await;
    };
    tokio::select! {
        () = server.run(stop) => Ok(()),
        () = twice => bail!("ended at once by a second signal; what was running runs again at the next start"),
    }
}

/// SIGINT and SIGTERM.
struct Signals {
    interrupted: Signal,
    terminated: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { interrupted: signal(SignalKind::interrupt())?, terminated: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupted.recv() => {}
            _ = self.terminated.recv() => {}
        }
    }
}
