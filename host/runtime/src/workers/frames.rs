//! What the two processes say to each other: frames of `length of the message (4 bytes, little-endian) | length of the bytes
//! behind it (4 bytes) | message (postcard) | bytes`. Both sides are the same program, so there is no version.

use super::wire::{WireCall, WireFault, WireOutcome};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{Error, ErrorKind, Result};
use stepwell_engine::ports::{Answer, Ask, HttpFault, HttpTimeouts, Refused};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::OwnedSemaphorePermit;

/// Largest message of a process: a result and a log of the largest size that an operator may allow, with room to spare.
pub(super) const UP_MESSAGE_BYTES: usize = 8 << 20;
/// Largest bytes behind one: the body of an outgoing request.
pub(super) const UP_BYTES: usize = 8 << 20;
/// Largest message of the server: an input, an answer of the host.
pub(super) const DOWN_MESSAGE_BYTES: usize = 16 << 20;
/// Largest bytes behind one: compiled code.
pub(super) const DOWN_BYTES: usize = 512 << 20;
/// Questions of one call that are open at a time.
pub(super) const OPEN_ASKS: usize = 16;

const LENGTHS: usize = 8;
/// Bytes up to this many are written together with their message.
const TOGETHER: usize = 64 << 10;

/// What the server says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Down {
    /// The first frame.
    Setup(Setup),
    /// Make this call.
    Call {
        /// Its number.
        id: u64,
        /// It.
        call: Box<WireCall>,
    },
    /// Check the script that lies behind.
    Check {
        /// Its number.
        id: u64,
    },
    /// Nobody waits for this call any more.
    Leave {
        /// Its number.
        id: u64,
    },
    /// The answer to a question.
    Reply {
        /// Of the question.
        seq: u64,
        /// It.
        reply: Reply,
    },
}

/// What the process is to be.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Setup {
    /// Calls at a time.
    pub(super) calls: u32,
    /// Threads that guests run on.
    pub(super) guest_threads: usize,
    /// Whether instances come from a pool.
    pub(super) pooling: bool,
    /// Writable memory, bytes.
    pub(super) memory_bytes: u64,
}

/// What the process says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Up {
    /// It is set up and confined.
    Ready {
        /// Of its engine: code for another must not be loaded.
        compatibility: String,
    },
    /// It is not, and why.
    Unfit(String),
    /// A call asks for something.
    Question {
        /// The call.
        id: u64,
        /// The question.
        seq: u64,
        /// Bodies that nobody reads any more, and questions whose answers nobody waits for.
        closed: Vec<u64>,
        /// It.
        question: Question,
    },
    /// A call has ended.
    Done {
        /// The call.
        id: u64,
        /// How.
        outcome: Box<WireOutcome>,
    },
    /// A check has ended: milliseconds, or a flaw with its place.
    Checked {
        /// The check.
        id: u64,
        /// What it found.
        checked: std::result::Result<std::result::Result<u64, WireFlaw>, WireFault>,
    },
    /// A call that nobody waited for is gone.
    Left {
        /// The call.
        id: u64,
    },
}

/// What a script's check found: the message, line and column.
pub(super) type WireFlaw = (String, Option<u32>, Option<u32>);

/// What a call may ask for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Question {
    /// What it calls: compiled code, or a script's text.
    Program {
        /// `false`: what came did not load.
        cached: bool,
    },
    /// The runner of scripts.
    Runner {
        /// `false`: what came did not load.
        cached: bool,
    },
    /// Something of the host.
    Ask(Ask),
    /// An outgoing request; its body lies behind.
    Send(HttpHead),
    /// The next part of an answer's body, which has the number of the request.
    Next(u64),
}

/// Names and values.
pub(super) type Headers = Vec<(String, Vec<u8>)>;

/// An outgoing request without its body.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct HttpHead {
    pub(super) method: String,
    pub(super) scheme: String,
    pub(super) authority: String,
    pub(super) path: String,
    pub(super) headers: Headers,
    pub(super) timeouts: HttpTimeouts,
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    /// Compiled code lies behind.
    Code,
    /// A script lies behind.
    Script,
    /// Neither.
    NoProgram(WireFault),
    /// Of the host.
    Answer(std::result::Result<Answer, Refused>),
    /// The head of an answer: status and headers.
    Head(std::result::Result<(u16, Headers), HttpFault>),
    /// A part of its body lies behind; `false`: it has ended.
    Part(std::result::Result<bool, HttpFault>),
}

/// A frame that is ready to be written.
#[derive(Debug)]
pub(super) struct Frame {
    head: Vec<u8>,
    bytes: Bytes,
    /// Given back when it is written.
    held: Option<OwnedSemaphorePermit>,
}

impl Frame {
    /// Of a message and what lies behind it.
    pub(super) fn new(message: &impl Serialize, bytes: Bytes) -> Result<Self> {
        let mut head = postcard::to_extend(message, vec![0; LENGTHS]).map_err(Error::other)?;
        let size = u32::try_from(head.len() - LENGTHS).map_err(Error::other)?;
        let behind = u32::try_from(bytes.len()).map_err(Error::other)?;
        let (lengths, _) = head.split_at_mut(LENGTHS);
        lengths.copy_from_slice(&(u64::from(size) | u64::from(behind) << 32).to_le_bytes());
        Ok(Self { head, bytes, held: None })
    }

    /// It, with something that is held until it is written.
    pub(super) fn holding(self, held: Option<OwnedSemaphorePermit>) -> Self {
        Self { held, ..self }
    }

    /// Writes it.
    pub(super) async fn write(mut self, out: &mut (impl AsyncWrite + Unpin)) -> Result<()> {
        if self.bytes.len() <= TOGETHER {
            self.head.extend_from_slice(&self.bytes);
            out.write_all(&self.head).await?;
        } else {
            out.write_all(&self.head).await?;
            out.write_all(&self.bytes).await?;
        }
        drop(self.held);
        Ok(())
    }
}

/// The next message and what lies behind it; `None` at the end.
///
/// # Errors
/// `InvalidData` if it is larger than `most` (message, bytes), or no message.
pub(super) async fn read<T: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
    most: (usize, usize),
) -> Result<Option<(T, Bytes)>> {
    let mut lengths = [0; LENGTHS];
    match from.read_exact(&mut lengths).await {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let lengths = u64::from_le_bytes(lengths);
    let (size, behind) = ((lengths & u64::from(u32::MAX)) as usize, (lengths >> 32) as usize);
    if size > most.0 || behind > most.1 {
        return Err(invalid(format!("a frame of {size} and {behind} bytes, at most {} and {}", most.0, most.1)));
    }
    let message = exactly(from, size).await?;
    let message = postcard::from_bytes(&message).map_err(|error| invalid(error.to_string()))?;
    let bytes = exactly(from, behind).await?;
    Ok(Some((message, bytes.into())))
}

/// So many bytes. The memory for them is taken as they come: a length alone takes none.
async fn exactly(from: &mut (impl AsyncRead + Unpin), size: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(size.min(TOGETHER));
    from.take(size as u64).read_to_end(&mut bytes).await?;
    if bytes.len() < size { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(bytes) }
}

fn invalid(why: String) -> Error {
    Error::new(ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn written(message: &Down, bytes: &'static [u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Frame::new(message, Bytes::from_static(bytes)).expect("frame").write(&mut out).await.expect("written");
        out
    }

    #[tokio::test]
    async fn frames_come_as_they_went() {
        let mut out = written(&Down::Leave { id: 7 }, b"").await;
        out.extend(written(&Down::Check { id: 8 }, b"export default 1").await);
        let mut from = out.as_slice();
        let first = read::<Down>(&mut from, (100, 100)).await.expect("read").expect("a frame");
        assert!(matches!(first, (Down::Leave { id: 7 }, bytes) if bytes.is_empty()));
        let second = read::<Down>(&mut from, (100, 100)).await.expect("read").expect("a frame");
        assert!(matches!(second, (Down::Check { id: 8 }, bytes) if &*bytes == b"export default 1"));
        assert!(read::<Down>(&mut from, (100, 100)).await.expect("read").is_none());
    }

    #[tokio::test]
    async fn what_is_too_large_or_no_frame_is_refused() {
        let good = written(&Down::Check { id: 8 }, b"export").await;
        for (bytes, most) in [
            (good.clone(), (100, 5)),
            (good.clone(), (1, 100)),
            (good[..good.len() - 1].to_vec(), (100, 100)),
            (good[..9].to_vec(), (100, 100)),
            ([1, 0, 0, 0, 0, 0, 0, 0, 99].to_vec(), (100, 100)),
            (vec![255; 100], (UP_MESSAGE_BYTES, UP_BYTES)),
        ] {
            assert!(read::<Down>(&mut bytes.as_slice(), most).await.is_err(), "{bytes:?}");
        }
    }
}
