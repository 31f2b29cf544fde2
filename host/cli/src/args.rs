//! The command line.

mod scrub;

pub use scrub::ScrubOptions;

use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use stepwell_server::grants::HttpGrant;
use stepwell_server::{IpNet, JwksUrl};

/// A server for business workflows whose functions are sandboxed WebAssembly components.
#[derive(Debug, Parser)]
#[command(name = "stepwell", version, about)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the command can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server until SIGINT or SIGTERM
    Serve(Box<ServeOptions>),
    /// Show an order being fulfilled by real components, by a server that is killed in the middle of it
    Demo(DemoOptions),
    /// Upload a function, and show how far it is
    #[command(after_help = KEY_VARIABLES)]
    Deploy(DeployOptions),
    /// Draw a workflow
    Graph(GraphOptions),
    /// Draw an execution: the state of each step, attempts, times, errors
    Show(ShowOptions),
    /// Make, suspend, resume and delete tenants
    #[command(after_help = KEY_VARIABLES)]
    Tenant {
        /// What to do
        #[command(subcommand)]
        command: TenantCommand,
    },
    /// Make, list and revoke API keys
    #[command(after_help = KEY_VARIABLES)]
    Key {
        /// What to do
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Show who changed what, the newest first
    Audit(AuditOptions),
    /// Save everything that a running server has, as it is at one moment, into a file
    #[command(after_help = BACKUP_NOTES)]
    Backup(BackupOptions),
    /// Make a server's folder of a backup
    #[command(after_help = BACKUP_NOTES)]
    Restore(RestoreOptions),
    /// Check the store of a server that does not run: is everything there, readable, and in agreement? Ends with 0: it is well, 1: it is not,
    /// 2: it could not be checked
    Fsck(FsckOptions),
    /// Show what takes up room, of a running server, or of one that does not run (with --data)
    #[command(after_help = KEY_VARIABLES)]
    Du(DuOptions),
    /// Write the store of a server that does not run as lines of JSON, which need no program of ours to be read
    Export(ExportOptions),
    /// Make a server's folder of an export
    Import(RestoreOptions),
    /// Print the API's description (OpenAPI 3.1), as the server answers it at /openapi.json
    Openapi,
    /// Compile one component from standard input (the server starts this itself)
    #[command(hide = true)]
    CompileComponent,
    /// Run the functions of one tenant (the server starts this itself, with --isolation process)
    #[command(hide = true)]
    RunGuests,
}

/// What `serve --help` says about the variables; they are no options, because anybody on the machine can read a command line.
const VARIABLES: &str = "Variables:
  STEPWELL_ADMIN_KEY   The admin key as it stands, at least 32 printable characters without spaces.
                       Without it, the first start makes a key and prints it once
  STEPWELL_MASTER_KEY  The key that secrets are sealed with: 32 random bytes, as 64 hexadecimal digits or base64.
                       Better in a file: --master-key-file
  STEPWELL_LOG         What is logged to stderr [default: info], for instance warn,stepwell::guest=debug";

/// Options of `serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = VARIABLES)]
pub struct ServeOptions {
    /// Where to listen; port 0 picks one. `listening on http://ADDR` is printed when the server is ready
    #[arg(long, env = "STEPWELL_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:7878")]
    pub listen: String,
    /// Where people and services reach the server, for links and callbacks [default: http:// and the address it listens on]
    #[arg(long, env = "STEPWELL_PUBLIC_URL", value_name = "URL", value_parser = public_url)]
    pub public_url: Option<String>,
    /// The server's folder; it is made on the first start, and closed to other users
    #[arg(long, env = "STEPWELL_DATA", value_name = "DIR", default_value = "stepwell-data")]
    pub data: PathBuf,
    /// The file with the key that secrets are sealed with: 32 random bytes, as 64 hexadecimal digits or base64. Without it and without
    /// STEPWELL_MASTER_KEY, the first start makes `master.key` in the server's folder
    #[arg(long, env = "STEPWELL_MASTER_KEY_FILE", value_name = "FILE")]
    pub master_key_file: Option<PathBuf>,
    /// The file with the key that was used so far, to change it: what was sealed with it is sealed with the other one before the server
    /// starts, and the old one is refused from then on
    #[arg(long, env = "STEPWELL_OLD_MASTER_KEY_FILE", value_name = "FILE")]
    pub old_master_key_file: Option<PathBuf>,
    /// What no function gets, whatever its upload and its tenant say
    #[arg(long, value_name = "CAPABILITY", value_enum)]
    pub deny_capability: Vec<Capability>,
    /// Where functions may send requests at most, such as https://*.example.com or "GET https://api.example.com"; without it, wherever their
    /// grants say. May be given several times
    #[arg(long, value_name = "GRANT", value_parser = HttpGrant::parse)]
    pub http_allow: Vec<HttpGrant>,
    /// A network that functions may reach beside the public internet, such as 10.0.0.0/8, for services of your own. May be given several times
    #[arg(long, value_name = "CIDR", value_parser = network)]
    pub allow_network: Vec<IpNet>,
    /// A PEM file with authorities whose certificates outgoing requests accept, and fetching keys (--jwks-url), beside the public ones. May be given several times
    #[arg(long, value_name = "FILE")]
    pub trust_ca: Vec<PathBuf>,
    /// Outgoing requests of one tenant at a time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub http_connections: u16,
    /// Take the tokens of this issuer (`iss` of a JWT), beside API keys
    #[arg(long, env = "STEPWELL_JWT_ISSUER", value_name = "ISS", requires_all = ["jwt_audience", "keys"])]
    pub jwt_issuer: Option<String>,
    /// Only tokens for this audience (`aud`)
    #[arg(long, env = "STEPWELL_JWT_AUDIENCE", value_name = "AUD", requires = "jwt_issuer")]
    pub jwt_audience: Option<String>,
    /// The file with the issuer's public keys (JWKS); it is read again when it changes
    #[arg(long, env = "STEPWELL_JWKS", value_name = "FILE", requires = "jwt_issuer", group = "keys")]
    pub jwks: Option<PathBuf>,
    /// Where the issuer's public keys are (JWKS), instead of a file: they are fetched at the start, every hour, and when a token names a key that
    /// is not there. https, or http on this machine and in networks of --allow-network
    #[arg(long, env = "STEPWELL_JWKS_URL", value_name = "URL", requires = "jwt_issuer", group = "keys", value_parser = JwksUrl::parse)]
    pub jwks_url: Option<JwksUrl>,
    /// The claim that names the tenant; a token without it is refused
    #[arg(long, env = "STEPWELL_JWT_TENANT_CLAIM", value_name = "NAME", default_value = "stepwell_tenant")]
    pub jwt_tenant_claim: String,
    /// Attempts that run at once
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub slots: u16,
    /// Connections at once; further ones are answered 503
    #[arg(long, value_name = "N", default_value_t = 4_096, value_parser = clap::value_parser!(u16).range(1..))]
    pub connections: u16,
    /// Where functions run, each call in a sandbox of its own. `thread`: in the server's process. `process`: in processes that have no
    /// access to files or network, one for each tenant that has something to run; a fault of the sandbox itself then stays within one
    /// tenant, and the call of a small function takes about twice as long
    #[arg(long, env = "STEPWELL_ISOLATION", value_enum, default_value_t = Isolation::Thread)]
    pub isolation: Isolation,
    /// Processes that run functions at once (with --isolation process)
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub workers: u16,
    /// From so full a disk on, in percent, nothing new is taken (503 `disk_low`); 100: only when nothing is free
    #[arg(long, env = "STEPWELL_DISK_LOW", value_name = "PERCENT", default_value_t = 90, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub disk_low: u8,
    /// From so full a disk on, in percent, what is under way can end, be cancelled and be deleted, and nothing else (503 `disk_full`)
    #[arg(long, env = "STEPWELL_DISK_HIGH", value_name = "PERCENT", default_value_t = 95, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub disk_high: u8,
    /// So many MiB that are free are enough, whatever part of the disk they are, and half of them for what is under way; 0: only
    /// --disk-low and --disk-high count
    #[arg(long, env = "STEPWELL_DISK_SPARE", value_name = "MIB", default_value_t = 4_096, value_parser = clap::value_parser!(u64).range(..=1 << 30))]
    pub disk_spare: u64,
    /// How the store is looked through
    #[command(flatten)]
    pub scrub: ScrubOptions,
    /// Fuel of one attempt: 10000000000 is about five seconds of compute
    #[arg(long, value_name = "N", default_value_t = 10_000_000_000)]
    pub fuel: u64,
}

/// Where functions run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Isolation {
    /// In the server's process
    Thread,
    /// In processes of their own
    Process,
}

/// What functions may use besides computing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Capability {
    /// Outgoing requests
    Http,
    /// Secrets, in requests or to be read
    Secrets,
    /// Configuration
    Config,
    /// The key-value store
    KeyValue,
    /// Publishing events
    Events,
}

/// A network, or one address.
fn network(text: &str) -> Result<IpNet, String> {
    let net = text.parse::<IpNet>().map(|net| net.trunc()).ok();
    let one = || text.parse::<std::net::IpAddr>().map(IpNet::from).ok();
    net.or_else(one).ok_or_else(|| "it is a network such as 10.0.0.0/8 or fd00::/8, or one address".to_owned())
}

/// An address that paths can be added to.
fn public_url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let plain = rest
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic() && !b"?#@\"<>".contains(&b)));
    if plain { Ok(text.to_owned()) } else { Err("it is an address such as https://stepwell.example.com".to_owned()) }
}

/// Options of `demo`.
#[derive(Debug, clap::Args)]
pub struct DemoOptions {
    /// Where the compiled example functions are; `cargo guests` builds them
    #[arg(long, value_name = "DIR", default_value = "target/guests")]
    pub guests: PathBuf,
    /// The demo server's folder; it must not exist yet, and it stays for you to look at
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// What `graph --help` and `show --help` say about the variables.
const KEY_VARIABLES: &str = "Variables:
  STEPWELL_API_KEY    The key to ask with; without it, STEPWELL_ADMIN_KEY
  NO_COLOR            Where set, the drawing has no colours; it has none anyway if it does not go to a terminal";

/// Where the server is.
#[derive(Debug, clap::Args)]
pub struct ServerOptions {
    /// The server's address
    #[arg(long, env = "STEPWELL_URL", value_name = "URL", default_value = "http://127.0.0.1:7878")]
    pub server: String,
}

/// How something is shown, and by whom.
#[derive(Debug, clap::Args)]
pub struct Output {
    /// As JSON, for programs
    #[arg(long)]
    pub json: bool,
    /// Where the server is
    #[command(flatten)]
    pub server: ServerOptions,
}

/// Options of `deploy`.
#[derive(Debug, clap::Args)]
pub struct DeployOptions {
    /// A component or a core module, or a JavaScript module (.js, .mjs)
    pub file: PathBuf,
    /// The function's id [default: the file's name without its ending]
    #[arg(long)]
    pub id: Option<String>,
    /// Of several functions of a component, only this one, under the id itself
    #[arg(long, value_name = "NAME")]
    pub function: Option<String>,
    /// What it may use besides computing, such as {"config": ["REGION"]}
    #[arg(long, value_name = "JSON")]
    pub grants: Option<String>,
    /// How it is shown
    #[command(flatten)]
    pub output: Output,
}

/// What can be done with tenants. It needs an admin key of the default tenant.
#[derive(Debug, Subcommand)]
pub enum TenantCommand {
    /// Make a tenant; it has no key yet: `stepwell key create --tenant ID`
    Create {
        /// Small letters, digits and `-`
        id: String,
        /// A name for people
        #[arg(long)]
        name: Option<String>,
        /// How it is shown
        #[command(flatten)]
        output: Output,
    },
    /// List all tenants
    List {
        /// How they are shown
        #[command(flatten)]
        output: Output,
    },
    /// Show a tenant
    Show {
        /// Its id
        id: String,
        /// How it is shown
        #[command(flatten)]
        output: Output,
    },
    /// Refuse its keys and let nothing of it begin; nothing is lost
    Suspend {
        /// Its id
        id: String,
        /// How it is shown
        #[command(flatten)]
        output: Output,
    },
    /// Let a suspended tenant go on
    Resume {
        /// Its id
        id: String,
        /// How it is shown
        #[command(flatten)]
        output: Output,
    },
    /// Remove a tenant and all that it has, for good
    Delete {
        /// Its id
        id: String,
        /// Yes, all of it
        #[arg(long)]
        yes: bool,
        /// Where the server is
        #[command(flatten)]
        output: Output,
    },
}

/// What can be done with API keys. It needs an admin key.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key and print it, once
    Create(NewKeyOptions),
    /// List the keys
    List {
        /// Of this tenant, for the operator; left out, one's own
        #[arg(long)]
        tenant: Option<String>,
        /// How they are shown
        #[command(flatten)]
        output: Output,
    },
    /// Refuse a key from now on
    Revoke {
        /// Its id: key-...
        id: String,
        /// Of this tenant, for the operator; left out, one's own
        #[arg(long)]
        tenant: Option<String>,
        /// Where the server is
        #[command(flatten)]
        output: Output,
    },
}

/// Options of `key create`.
#[derive(Debug, clap::Args)]
pub struct NewKeyOptions {
    /// What it may do: read, trigger, deploy, approve, admin
    #[arg(long, value_delimiter = ',', required = true)]
    pub scopes: Vec<String>,
    /// Of this tenant, for the operator; left out, of one's own
    #[arg(long)]
    pub tenant: Option<String>,
    /// A name for people
    #[arg(long)]
    pub name: Option<String>,
    /// In whose name it asks
    #[arg(long)]
    pub subject: Option<String>,
    /// The groups that its holder is in
    #[arg(long, value_delimiter = ',')]
    pub groups: Vec<String>,
    /// How long it works, such as 90d
    #[arg(long, value_name = "TIME")]
    pub expires_in: Option<String>,
    /// How it is shown
    #[command(flatten)]
    pub output: Output,
}

/// Options of `audit`.
#[derive(Debug, clap::Args)]
#[command(after_help = KEY_VARIABLES)]
pub struct AuditOptions {
    /// Not before this moment, RFC 3339
    #[arg(long)]
    pub since: Option<String>,
    /// An action such as function.deploy, or the word before its dot
    #[arg(long)]
    pub action: Option<String>,
    /// Only of this subject
    #[arg(long)]
    pub subject: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
    /// How they are shown
    #[command(flatten)]
    pub output: Output,
}

/// What `backup --help` says.
const BACKUP_NOTES: &str = "A backup holds the store: workflows, functions, executions, keys. It does not hold the master key that secrets are sealed with
(`master.key` in the server's folder, or where --master-key-file says): keep that somewhere else, for without it secrets are lost.
Compiled functions are not in it; they are compiled again.

Variables:
  STEPWELL_API_KEY    The key to ask with: an admin key of the default tenant; without it, STEPWELL_ADMIN_KEY";

/// Options of `backup`.
#[derive(Debug, clap::Args)]
pub struct BackupOptions {
    /// The file; it must not be there yet. It gets its name when it was read back and is whole
    pub file: PathBuf,
    /// Where the server is
    #[command(flatten)]
    pub server: ServerOptions,
}

/// Options of `restore` and `import`.
#[derive(Debug, clap::Args)]
pub struct RestoreOptions {
    /// The file
    pub file: PathBuf,
    /// The server's folder; it must be empty, but for the master key
    #[arg(long, env = "STEPWELL_DATA", value_name = "DIR")]
    pub data: PathBuf,
}

/// Options of `fsck`.
#[derive(Debug, clap::Args)]
pub struct FsckOptions {
    /// The server's folder
    #[arg(long, env = "STEPWELL_DATA", value_name = "DIR", default_value = "stepwell-data")]
    pub data: PathBuf,
    /// Make again what follows from something else (lists, the note of the progress), and remove files that nothing names
    #[arg(long)]
    pub repair: bool,
    /// As JSON, for programs
    #[arg(long)]
    pub json: bool,
}

/// Options of `du`.
#[derive(Debug, clap::Args)]
pub struct DuOptions {
    /// The folder of a server that does not run
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// How it is shown
    #[command(flatten)]
    pub output: Output,
}

/// Options of `export`.
#[derive(Debug, clap::Args)]
pub struct ExportOptions {
    /// The file; it must not be there yet. Without it: the standard output
    pub file: Option<PathBuf>,
    /// The server's folder
    #[arg(long, env = "STEPWELL_DATA", value_name = "DIR", default_value = "stepwell-data")]
    pub data: PathBuf,
}

/// Options of `graph`.
#[derive(Debug, clap::Args)]
#[command(after_help = KEY_VARIABLES)]
pub struct GraphOptions {
    /// The workflow's id
    pub workflow: String,
    /// Another revision than the current one
    #[arg(long, value_name = "N")]
    pub revision: Option<u32>,
    /// The form of the picture
    #[arg(long, value_enum, default_value_t = Form::Tree)]
    pub format: Form,
    /// Where the server is
    #[command(flatten)]
    pub server: ServerOptions,
}

/// Options of `show`.
#[derive(Debug, clap::Args)]
#[command(after_help = KEY_VARIABLES)]
pub struct ShowOptions {
    /// The execution's id: exec-...
    pub execution: String,
    /// The form of the picture
    #[arg(long, value_enum, default_value_t = Form::Tree)]
    pub format: Form,
    /// Where the server is
    #[command(flatten)]
    pub server: ServerOptions,
}

/// The form of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Lines of text for a terminal
    Tree,
    /// A picture for a browser
    Svg,
    /// For documents that draw it themselves
    Mermaid,
    /// For programs
    Json,
}
