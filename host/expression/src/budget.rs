//! What one evaluation may spend: steps for its time, bytes for its memory.

use crate::error::EvalError;
use crate::limits::{ALLOCATION_FACTOR, EVALUATION_STEPS, RESULT_BYTES, VALUE_DEPTH};
use crate::value::Shape;

/// Bytes of text that are scanned for one step: a few microseconds at worst.
const BYTES_PER_STEP: usize = 4096;
/// What a visit of one element weighs, in scanned bytes.
const BYTES_PER_ELEMENT: usize = 64;

/// The steps and bytes that are left. One budget may serve several evaluations, which then share it.
#[derive(Clone, Debug)]
pub struct Budget {
    steps: u32,
    bytes: usize,
    value_bytes: usize,
    /// Bytes scanned that do not fill a step yet, so that many short scans are not free.
    scanned: usize,
}

impl Budget {
    /// A budget with the defaults of the limits page.
    #[must_use]
    pub fn new() -> Self {
        Self::with_result_bytes(RESULT_BYTES)
    }

    /// A budget for a tenant whose payloads may be larger than the default: no single value that is made exceeds
    /// `bytes`, and all of them together [`ALLOCATION_FACTOR`] times as many.
    #[must_use]
    pub fn with_result_bytes(bytes: usize) -> Self {
        let total = bytes.saturating_mul(ALLOCATION_FACTOR);
        Self { steps: EVALUATION_STEPS, bytes: total, value_bytes: bytes, scanned: 0 }
    }

    /// Steps left.
    #[must_use]
    pub fn steps_left(&self) -> u32 {
        self.steps
    }

    /// Bytes left for new values.
    #[must_use]
    pub fn bytes_left(&self) -> usize {
        self.bytes
    }

    /// Pays for `count` steps, before they are done.
    pub(crate) fn steps(&mut self, count: usize) -> Result<(), EvalError> {
        let left = u32::try_from(count).ok().and_then(|count| self.steps.checked_sub(count));
        self.steps = left.ok_or_else(|| EvalError::budget(format!("more than {EVALUATION_STEPS} evaluation steps")))?;
        Ok(())
    }

    /// Pays for a scan of `bytes` of text.
    pub(crate) fn scan(&mut self, bytes: usize) -> Result<(), EvalError> {
        let scanned = self.scanned.saturating_add(bytes);
        self.scanned = scanned % BYTES_PER_STEP;
        self.steps(scanned / BYTES_PER_STEP)
    }

    /// Pays for a visit of `count` elements.
    pub(crate) fn visit(&mut self, count: usize) -> Result<(), EvalError> {
        self.scan(count.saturating_mul(BYTES_PER_ELEMENT))
    }

    /// Pays for `bytes` of memory and for filling it, before it is allocated.
    pub(crate) fn allocate(&mut self, bytes: usize) -> Result<(), EvalError> {
        self.scan(bytes)?;
        let left = self.bytes.checked_sub(bytes);
        self.bytes = left.ok_or_else(|| EvalError::budget("the evaluation makes too many or too large values"))?;
        Ok(())
    }

    /// Pays for a text of `bytes`, before it is allocated.
    pub(crate) fn text(&mut self, bytes: usize) -> Result<(), EvalError> {
        self.check_size(bytes)?;
        self.allocate(bytes)
    }

    /// Refuses a value of `bytes` that is too large to be made.
    pub(crate) fn check_size(&self, bytes: usize) -> Result<(), EvalError> {
        if bytes > self.value_bytes {
            return Err(EvalError::budget(format!("a value of more than {} bytes", self.value_bytes)));
        }
        Ok(())
    }

    /// Refuses an array or object that is too large or too deep to be made.
    pub(crate) fn check_shape(&self, shape: Shape) -> Result<(), EvalError> {
        if shape.depth > VALUE_DEPTH {
            return Err(EvalError::budget(format!("a value nested deeper than {VALUE_DEPTH} levels")));
        }
        self.check_size(shape.bytes)
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new()
    }
}
