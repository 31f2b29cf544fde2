//! Wiring: the store, the runtime, the engine and the routes become one server.

use crate::auth::{Entrance, KeyError};
use crate::connections;
use crate::jwt::{Jwt, JwtConfig};
use crate::master::{self, MasterKeyError, MasterKeySource};
use crate::outgoing::Outgoing;
use crate::routes::{self, App, Storage};
use crate::system::{SystemClock, SystemEntropy};
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use stepwell_core::grants::Policy;
use stepwell_engine::ports::{Runtime, Store};
use stepwell_engine::{Engine, Limits, Ports};
use stepwell_runtime::{
    CacheKey, CompilerCommand, ProcessRuntime, RuntimeConfig, SetupError, WasmtimeRuntime, WorkerConfig,
};
use stepwell_store::{FileNotes, OpenError, SledConfig, SledStore};
use tokio::net::TcpListener;
use tokio::sync::watch;
use zeroize::Zeroizing;

/// Requests that are still open when the engine has stopped get this long to end.
const LAST_ANSWERS: Duration = Duration::from_secs(5);
/// In-flight notes have room for twice the attempts that may run, so that those of the last process fit beside them.
const NOTES_PER_SLOT: usize = 2;

/// Where guests run. The sandbox round each call is the same.
#[derive(Debug, Clone)]
pub enum Isolation {
    /// On threads of the server's process.
    Thread,
    /// In processes of their own, one for each tenant that has something to run.
    Process(WorkerConfig),
}

/// What a server is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens; port 0 picks one.
    pub listen: String,
    /// Where others reach it, for links and callbacks; `None`: `http://` and the address that it listens on.
    pub public_url: Option<String>,
    /// Its folder; made with mode 0700.
    pub data: PathBuf,
    /// `STEPWELL_ADMIN_KEY`
    pub admin_key: Option<String>,
    /// Whose tokens are taken beside API keys.
    pub jwt: Option<JwtConfig>,
    /// Where the key is that secrets are sealed with.
    pub master_key: MasterKeySource,
    /// The file with the key that it takes the place of.
    pub old_master_key: Option<PathBuf>,
    /// The program that compiles components.
    pub compiler: CompilerCommand,
    /// Where guests run.
    pub isolation: Isolation,
    /// What functions may use, whatever their uploads and their tenants say.
    pub policy: Policy,
    /// Requests of functions.
    pub outgoing: Outgoing,
    /// The numbers.
    pub limits: Limits,
    /// Connections at once; fewer where the process may not open so many files.
    pub connections: usize,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder.
    #[error("the data folder {} cannot be used", path.display())]
    Data {
        /// Which folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The sandbox.
    #[error(transparent)]
    Runtime(#[from] SetupError),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The keys of the issuer of tokens.
    #[error("the keys of the issuer of tokens (--jwks) cannot be used")]
    Jwks(#[source] std::io::Error),
    /// The master key.
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    /// A file of `--trust-ca`.
    #[error("--trust-ca {}: {reason}", path.display())]
    Authority {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Outgoing requests.
    #[error("outgoing requests cannot be set up: {0}")]
    Tls(String),
    /// The unfinished executions.
    #[error("the unfinished executions cannot be read: {0}")]
    Engine(#[from] stepwell_engine::Error),
    /// The address.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which one.
        address: String,
        /// Why.
        source: std::io::Error,
    },
}

/// A server that is ready; it answers once it is run.
pub struct Server {
    engine: Engine,
    app: App,
    listener: TcpListener,
    address: SocketAddr,
    connections: usize,
    stopped: watch::Sender<bool>,
    first_key: Option<Zeroizing<String>>,
}

impl Server {
    /// Opens everything and goes on with unfinished executions.
    ///
    /// # Errors
    /// [`StartError`] says what to do.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        // First of all: a start that fails here must not have run a step, nor made a key that nobody gets to see.
        let listen = |source| StartError::Listen { address: config.listen.clone(), source };
        let listener = TcpListener::bind(&config.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let failed = |source| StartError::Data { path: config.data.clone(), source };
        make_private(&config.data).map_err(failed)?;
        let store_config = SledConfig::new(config.data.join("store"));
        let sled = Arc::new(blocking(move || SledStore::open(&store_config)).await.map_err(failed)??);
        let store: Arc<dyn Store> = Arc::<SledStore>::clone(&sled);
        let slots = config.limits.slots.total.saturating_mul(NOTES_PER_SLOT);
        let notes = FileNotes::open(&config.data.join("in-flight"), u32::try_from(slots).unwrap_or(u32::MAX));
        let notes = Arc::new(notes.map_err(failed)?);
        let jwt = match config.jwt.clone() {
            Some(jwt) => {
                let sender = config.outgoing.key_sender(&jwt.jwks).await?;
                Some(Jwt::new(jwt, sender).await.map_err(StartError::Jwks)?)
            }
            None => None,
        };
        let entrance = Entrance::new(config.admin_key.as_deref(), jwt)?;
        let entropy = Arc::new(SystemEntropy);
        let old = config.old_master_key.as_deref();
        let keyring = master::keyring((&config.master_key, old, &config.data), &store, entropy.clone()).await?;
        let public_url = config.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        let ports = Ports {
            public_url: public_url.trim_end_matches('/').to_owned(),
            runtime: runtime(&config, &store).await?,
            store,
            clock: Arc::new(SystemClock),
            entropy,
            notes,
            keyring: Arc::new(keyring),
            egress: config.outgoing.sender(address).await?,
            policy: config.policy.clone(),
        };
        let engine = Engine::start(ports, config.limits).await?;
        let first_key = if entrance.has_own() { None } else { engine.keys().first().await? };
        let (stopped, is_stopped) = watch::channel(false);
        let app = App::new((engine.clone(), Storage { store: sled, data: config.data.into() }), entrance, is_stopped);
        Ok(Self { engine, app, listener, address, connections: config.connections, stopped, first_key })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The admin key that this first start made; it cannot be shown again.
    #[must_use]
    pub fn first_key(&self) -> Option<&str> {
        self.first_key.as_ref().map(|key| key.as_str())
    }

    /// Answers until `stop` resolves; then takes no new work, lets running attempts end, answers who still waits, and returns.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) {
        let app = self.app.clone();
        let router = routes::router(self.app);
        let serving = connections::serve(self.listener, router, self.connections, self.stopped.subscribe());
        let mut serving = std::pin::pin!(serving);
        let stopping = async {
            stop.await;
            tracing::info!("shutting down");
            self.engine.shutdown().await;
        };
        tokio::select! {
            () = &mut serving => {} // only when told
            () = stopping => {}
            () = app.entrance().keep_fresh() => {} // never
        }
        self.stopped.send_replace(true);
        if tokio::time::timeout(LAST_ANSWERS, serving).await.is_err() {
            tracing::warn!("connections were still open when the server ended");
        }
    }
}

async fn runtime(config: &Config, store: &Arc<dyn Store>) -> Result<Arc<dyn Runtime>, StartError> {
    let key = CacheKey::load_or_create(&config.data.join("compiled.key"))?;
    let folder = config.data.join("compiled");
    let mut runtime = RuntimeConfig::new(folder, key, config.compiler.clone(), Arc::new(Arc::clone(store)));
    // What a tenant may upload is checked before it comes there.
    runtime.component_bytes = config.limits.component_bytes.max(config.limits.ceilings.component_bytes);
    runtime.max_concurrent = u32::try_from(config.limits.slots.total).unwrap_or(u32::MAX);
    Ok(match &config.isolation {
        Isolation::Thread => Arc::new(WasmtimeRuntime::new(&runtime)?),
        Isolation::Process(workers) => {
            let runtime = ProcessRuntime::new(&runtime, workers.clone())?;
            runtime.try_out().await?;
            Arc::new(runtime)
        }
    })
}

fn make_private(folder: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Runs what blocks where it may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)
}
