//! The budget of an evaluation: steps and bytes, spent before the work is done (F57).
//! It measures no time; wall clocks are the caller's business.

use super::error::ExprError;
use super::limits;

/// A budget of steps and memory. One `Fuel` may serve many evaluations, which then share it.
#[derive(Clone, Debug)]
pub struct Fuel {
    steps: u64,
    bytes: u64,
}

impl Default for Fuel {
    fn default() -> Self {
        Self::new(limits::DEFAULT_STEPS)
    }
}

impl Fuel {
    /// A budget of `steps` steps and the default memory.
    pub fn new(steps: u64) -> Self {
        Self { steps, bytes: limits::DEFAULT_MEMORY_BYTES }
    }

    /// The same budget with another bound on the bytes built.
    #[must_use]
    pub fn with_memory_bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
    }

    /// Steps that are left.
    pub fn steps_left(&self) -> u64 {
        self.steps
    }

    /// Bytes that may still be built.
    pub fn bytes_left(&self) -> u64 {
        self.bytes
    }

    /// Spends `n` steps.
    pub(crate) fn spend(&mut self, n: u64) -> Result<(), ExprError> {
        match self.steps.checked_sub(n) {
            Some(rest) => {
                self.steps = rest;
                Ok(())
            }
            None => {
                self.steps = 0;
                Err(ExprError::fuel("the expression takes too many steps"))
            }
        }
    }

    /// Spends the steps of touching `bytes` bytes.
    pub(crate) fn touch(&mut self, bytes: usize) -> Result<(), ExprError> {
        self.spend(1 + (bytes as u64) / 64)
    }

    /// Takes `bytes` bytes for a value about to be built, and the steps to fill them.
    pub(crate) fn alloc(&mut self, bytes: u64) -> Result<(), ExprError> {
        match self.bytes.checked_sub(bytes) {
            Some(rest) => self.bytes = rest,
            None => {
                return Err(ExprError::fuel(format!(
                    "the expression builds too large a value ({bytes} bytes asked, {} left)",
                    self.bytes
                )));
            }
        }
        self.spend(1 + bytes / 64)
    }

    /// Takes the memory of `count` list or map elements.
    pub(crate) fn alloc_items(&mut self, count: usize) -> Result<(), ExprError> {
        self.alloc((count as u64).saturating_mul(24))
    }
}
