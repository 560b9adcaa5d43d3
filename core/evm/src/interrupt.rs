//! Interruption of code that runs too long.

/// A function that is called repeatedly while code runs and stops the code when it returns true
/// ([`crate::TxError::Interrupted`]).
///
/// Without an interrupt there is no check and no cost.
pub type Interrupt<'a> = &'a dyn Fn() -> bool;

/// Number of jumps between two checks of the interrupt. A check usually reads a clock (about 25
/// ns); a round of the shortest loop takes about as long, so checking at each jump would double its
/// time.
const JUMPS_PER_CHECK: u32 = 256;

/// The interrupt of one EVM, with the number of jumps since its last check.
#[derive(Default)]
pub(crate) struct InterruptCheck<'a> {
    interrupt: Option<Interrupt<'a>>,
    jumps: u32,
}

impl<'a> InterruptCheck<'a> {
    pub(crate) fn new(interrupt: Interrupt<'a>) -> Self {
        Self {
            interrupt: Some(interrupt),
            jumps: 0,
        }
    }

    /// Returns true if the execution must stop. It is called in each frame.
    pub(crate) fn is_due(&self) -> bool {
        self.interrupt.is_some_and(|interrupt| interrupt())
    }

    /// Counts a jump. Returns true if the check is due and the execution must stop.
    pub(crate) fn is_due_at_jump(&mut self) -> bool {
        self.jumps = self.jumps.wrapping_add(1);
        self.jumps.is_multiple_of(JUMPS_PER_CHECK) && self.is_due()
    }
}
