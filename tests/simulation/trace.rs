//! What happened, as one number: the same seed must give the same one.

/// FNV-1a over 64 bits, fed with everything that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    hash: u64,
    steps: u64,
}

impl Trace {
    pub(crate) fn new() -> Self {
        Trace { hash: 0xCBF2_9CE4_8422_2325, steps: 0 }
    }

    /// One event: its kind and its numbers.
    pub(crate) fn note(&mut self, kind: &str, numbers: &[u64]) {
        let numbers = numbers.iter().flat_map(|number| number.to_le_bytes());
        for byte in kind.bytes().chain(numbers) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
        self.steps += 1;
    }

    pub(crate) fn hash(self) -> u64 {
        self.hash
    }

    pub(crate) fn steps(self) -> u64 {
        self.steps
    }
}
