//! The pool's time: a plain number that callers pass in.

/// Milliseconds of the Unix epoch. The epoch, not a process clock, so that cooldowns can be stored and restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

impl Millis {
    /// This moment and `ms` milliseconds more; the end of time at most.
    #[must_use]
    pub fn plus(self, ms: u64) -> Self {
        Millis(self.0.saturating_add(ms))
    }

    /// Milliseconds since `earlier`; 0 if that is not in the past.
    pub fn since(self, earlier: Millis) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
