//! The server's side of a compilation: starts the child, feeds it, bounds it, and judges how it ended.

use super::frame::{Answer, parse, progress};
use super::limits::to_environment;
use super::turns::{Turn, Turns};
use super::unfit::{Code, unfit};
use super::world::World;
use crate::cache::{Facts, TrustedCode};
use crate::clock;
use crate::config::{CompileLimits, CompilerCommand};
use crate::text::printable;
use bytes::Bytes;
use rustix::process::Signal;
use std::io::Result as IoResult;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use stepwell_core::ids::TenantId;
use stepwell_engine::ports::{RuntimeError, Uploading};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

/// Largest answer that is read: machine code is three to five times as large as its component, which has at most 64 MiB.
const OUTPUT_BYTES: u64 = 512 << 20;
/// Bytes of the child's standard error that are kept for the server's log.
const ERROR_BYTES: u64 = 8 << 10;

/// What came of a compilation.
pub(crate) struct Compiled {
    pub(crate) facts: Facts,
    pub(crate) compile_ms: u64,
    pub(crate) code: TrustedCode,
}

/// Starts children: one at a time for each tenant.
pub(crate) struct Compiler {
    command: CompilerCommand,
    limits: CompileLimits,
    /// Of the engine that serves.
    compatibility: String,
    turns: Turns,
}

/// How the child ended.
struct Ended {
    status: ExitStatus,
    output: Vec<u8>,
    error: String,
}

impl Compiler {
    /// A compiler whose code must run in an engine of this compatibility.
    pub(crate) fn new(
        (command, children): (CompilerCommand, usize),
        limits: CompileLimits,
        compatibility: String,
    ) -> Self {
        Self { command, limits, compatibility, turns: Turns::new(children) }
    }

    /// A turn of the compiler. Wait for it before looking whether somebody else has compiled the same meanwhile.
    ///
    /// # Errors
    /// [`RuntimeError::Unavailable`], when the server ends.
    pub(crate) async fn turn(&self, client: Option<TenantId>) -> Result<Turn, RuntimeError> {
        self.turns.turn(client).await.ok_or_else(|| RuntimeError::Unavailable("the server is shutting down".to_owned()))
    }

    /// Checks and compiles an upload in a child process.
    ///
    /// # Errors
    /// [`RuntimeError::Unfit`]: the upload's fault; [`RuntimeError::Unavailable`]: the child could not be started, or it
    /// was ended by someone else.
    pub(crate) async fn compile(
        &self,
        (world, artifact): (World, &Bytes),
        _turn: &Turn,
        upload: &Uploading,
    ) -> Result<Compiled, RuntimeError> {
        let mut child = self.start(world).map_err(|error| {
            tracing::error!(program = %self.command.program.display(), %error, "the compiler does not start");
            RuntimeError::Unavailable(format!("it does not start: {error}"))
        })?;
        let deadline = clock::after(clock::now(), self.limits.wall);
        let Some(ended) = clock::until(deadline, converse(&mut child, artifact, upload)).await else {
            if let Err(error) = child.kill().await {
                tracing::warn!(%error, "a compiler that took too long could not be ended");
            }
            return Err(self.too_slow());
        };
        self.judge(ended.map_err(|error| RuntimeError::Unavailable(error.to_string()))?)
    }

    fn start(&self, world: World) -> IoResult<Child> {
        Command::new(&self.command.program)
            .args(&self.command.args)
            .env_clear()
            .envs(to_environment(&self.limits, world))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }

    fn judge(&self, ended: Ended) -> Result<Compiled, RuntimeError> {
        if !ended.status.success() {
            return Err(self.died(&ended));
        }
        match parse(&ended.output) {
            Some((Answer::Compiled(header), start)) if header.compatibility == self.compatibility => Ok(Compiled {
                facts: header.facts,
                compile_ms: header.compile_ms,
                code: TrustedCode::from_child(ended.output, start),
            }),
            Some((Answer::Compiled(_), _)) => {
                Err(RuntimeError::Unavailable("it is of another version than this server".to_owned()))
            }
            Some((Answer::Unfit { code, message }, _)) => Err(unfit(code, message).into()),
            Some((Answer::Unavailable(message), _)) => Err(RuntimeError::Unavailable(message)),
            Some((Answer::Progress { .. }, _)) | None => {
                tracing::error!(error = ended.error, "the compiler's answer cannot be read");
                Err(RuntimeError::Unavailable("its answer cannot be read".to_owned()))
            }
        }
    }

    /// The child answers for every upload that it can judge. That it did not is the upload's fault if a limit or a fault
    /// of the compiler ended it, and ours if someone else did.
    fn died(&self, ended: &Ended) -> RuntimeError {
        tracing::warn!(status = %ended.status, error = ended.error, "the compiler died");
        let is = |signal: Signal| ended.status.signal() == Some(signal.as_raw());
        if is(Signal::XCPU) {
            return self.too_slow();
        }
        // Rust aborts when an allocation fails, and when a stack overflows.
        if is(Signal::ABORT) {
            return unfit(
                Code::CompileMemory,
                format!(
                    "compiling the component takes more memory than the {} MiB that it may take: make it smaller, or split it",
                    self.limits.memory_bytes >> 20
                ),
            )
            .into();
        }
        if [Signal::SEGV, Signal::BUS, Signal::ILL, Signal::FPE, Signal::TRAP, Signal::SYS].into_iter().any(is) {
            return unfit(
                Code::ComponentTooComplex,
                "the compiler cannot deal with this component: change what its toolchain generates, or report it",
            )
            .into();
        }
        RuntimeError::Unavailable(format!("it ended without an answer ({})", ended.status))
    }

    fn too_slow(&self) -> RuntimeError {
        unfit(
            Code::CompileTimeout,
            format!(
                "compiling the component takes longer than it may take ({} s, of which {} s of computing): make functions \
                 smaller (optimise for size), or split the component",
                self.limits.wall.as_secs(),
                self.limits.cpu_seconds
            ),
        )
        .into()
    }
}

/// Writes the upload and reads the answer at the same time, so that neither side waits for the other's pipe.
async fn converse(child: &mut Child, artifact: &Bytes, upload: &Uploading) -> IoResult<Ended> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (fed, output, error) = tokio::join!(feed(stdin, artifact), answer(stdout, upload), complaint(stderr));
    let status = child.wait().await?;
    if let Err(error) = fed {
        // The child may judge before it has read everything, or die; its status says more than a broken pipe.
        tracing::debug!(%error, "the compiler did not read the whole upload");
    }
    Ok(Ended { status, output: output?, error })
}

async fn feed(stdin: Option<ChildStdin>, artifact: &Bytes) -> IoResult<()> {
    let Some(mut stdin) = stdin else { return Ok(()) };
    stdin.write_all(artifact).await?;
    stdin.shutdown().await
}

async fn answer(stdout: Option<ChildStdout>, upload: &Uploading) -> IoResult<Vec<u8>> {
    let Some(stdout) = stdout else { return Ok(Vec::new()) };
    let (mut stdout, mut output) = (BufReader::new(stdout.take(OUTPUT_BYTES)), Vec::new());
    while stdout.read_until(b'\n', &mut output).await? > 0 {
        let Some((done, of)) = progress(&output) else { break };
        upload.compiled(done, of);
        output.clear();
    }
    stdout.read_to_end(&mut output).await?;
    if stdout.get_ref().limit() == 0 {
        return Err(std::io::Error::other("its answer is too large"));
    }
    Ok(output)
}

async fn complaint(stderr: Option<ChildStderr>) -> String {
    let bytes = read(stderr, ERROR_BYTES).await.unwrap_or_default();
    printable(&String::from_utf8_lossy(&bytes), bytes.len())
}

/// At most so many bytes. The pipe is then closed: a child that writes more gets SIGPIPE.
async fn read(pipe: Option<impl AsyncRead + Unpin>, most: u64) -> IoResult<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(most).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}
