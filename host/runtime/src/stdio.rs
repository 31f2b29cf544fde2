//! Standard output and standard error of a guest, as streams that never fail, never wait and never grow.
//!
//! Not wasmtime's own: its pipe answers "closed" when full, which makes a guest's `println!` panic, and its asynchronous
//! writer keeps empty writes without a limit (GHSA-5m8g-xhq4-4h93).

use crate::capture::{Pipe, SharedCapture};
use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi_io::poll::Pollable;
use wasmtime_wasi_io::streams::{OutputStream, StreamResult};

/// Bytes that a guest may hand over in one write. It also bounds what `write-zeroes` allocates.
const PERMIT: usize = 64 << 10;

/// One of the two.
#[derive(Clone)]
pub(crate) struct GuestOutput {
    pub(crate) pipe: Pipe,
    pub(crate) capture: SharedCapture,
}

impl IsTerminal for GuestOutput {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestOutput {
    /// Only for WASI 0.3, which is not linked.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for GuestOutput {
    async fn ready(&mut self) {}
}

impl OutputStream for GuestOutput {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.capture.lock().write(self.pipe, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT)
    }
}
