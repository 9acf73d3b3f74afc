//! What a provider counts: the truth that the gateway has to guess.

/// Milliseconds of a minute.
pub(crate) const MINUTE: u64 = 60_000;

/// How a limit comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// Little by little; a whole minute's worth can be saved up.
    Bucket,
    /// At once, at each full minute.
    Window,
}

/// One limit of one account.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    per_minute: u64,
    renewal: Renewal,
    level: f64,
    at: u64,
    begun: u64,
    /// Taken since the beginning.
    taken: f64,
}

impl Meter {
    pub(crate) fn new(per_minute: u64, renewal: Renewal, now: u64) -> Self {
        Meter { per_minute, renewal, level: per_minute as f64, at: now, begun: now, taken: 0.0 }
    }

    fn refill(&mut self, now: u64) {
        match self.renewal {
            Renewal::Bucket => {
                let passed = now.saturating_sub(self.at) as f64;
                self.level = (self.level + passed * self.rate()).min(self.per_minute as f64);
            }
            Renewal::Window if now / MINUTE > self.at / MINUTE => self.level = self.per_minute as f64,
            Renewal::Window => {}
        }
        self.at = now;
    }

    /// Units that come back in a millisecond.
    fn rate(&self) -> f64 {
        self.per_minute as f64 / MINUTE as f64
    }

    /// Milliseconds until there is room for `cost`; 0 if there is. What is above the limit costs all of it.
    pub(crate) fn wait(&mut self, cost: u64, now: u64) -> u64 {
        self.refill(now);
        let missing = cost.min(self.per_minute) as f64 - self.level;
        // A hair of tolerance: who waits exactly as told must pass.
        if missing <= 1e-6 {
            return 0;
        }
        match self.renewal {
            Renewal::Bucket => (missing / self.rate()).ceil() as u64,
            Renewal::Window => (now / MINUTE + 1) * MINUTE - now,
        }
    }

    /// Takes it; what is known only afterwards may lead below zero.
    pub(crate) fn take(&mut self, cost: u64, now: u64) {
        self.refill(now);
        self.level -= cost as f64;
        self.taken += cost as f64;
    }

    pub(crate) fn limit(&self) -> u64 {
        self.per_minute
    }

    pub(crate) fn remaining(&mut self, now: u64) -> u64 {
        self.refill(now);
        self.level.max(0.0) as u64
    }

    /// Milliseconds until all of it is there again.
    pub(crate) fn reset(&mut self, now: u64) -> u64 {
        self.wait(self.per_minute, now)
    }

    pub(crate) fn taken(&self) -> f64 {
        self.taken
    }

    /// All that could have been taken until `now`.
    pub(crate) fn could_give(&self, now: u64) -> f64 {
        let windows = match self.renewal {
            Renewal::Bucket => 1.0 + (now - self.begun) as f64 / MINUTE as f64,
            Renewal::Window => (now / MINUTE - self.begun / MINUTE + 1) as f64,
        };
        self.per_minute as f64 * windows
    }
}
