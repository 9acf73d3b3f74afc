//! The slots of one account: how many requests are at work, and how many may be.
//!
//! Reserving is a compare-and-set, so that no two threads take the last slot. `loom/` checks this very file, and the pool around it.

use super::sync::{AtomicU32, Ordering};

/// Slots in use, their limit, and the most that were ever in use.
#[derive(Debug)]
pub(super) struct Slots {
    /// 0 means no limit.
    limit: AtomicU32,
    in_flight: AtomicU32,
    in_flight_max: AtomicU32,
}

impl Slots {
    /// None in use.
    pub(super) fn new(limit: u32) -> Self {
        Slots { limit: AtomicU32::new(limit), in_flight: AtomicU32::new(0), in_flight_max: AtomicU32::new(0) }
    }

    /// Slots in use.
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Acquire)
    }

    /// Most slots that were ever in use.
    pub(super) fn in_flight_max(&self) -> u32 {
        self.in_flight_max.load(Ordering::Relaxed)
    }

    /// Slots at most; 0 means no limit.
    pub(super) fn limit(&self) -> u32 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Changes the limit. Slots beyond a smaller one stay in use until they are given back.
    pub(super) fn set_limit(&self, limit: u32) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Whether none is free.
    pub(super) fn full(&self) -> bool {
        let limit = self.limit();
        limit > 0 && self.in_flight() >= limit
    }

    /// Takes one; `false` if none is free. With `limited` off there is always one.
    pub(super) fn reserve(&self, limited: bool) -> bool {
        let limit = if limited && self.limit() > 0 { self.limit() } else { u32::MAX };
        let before =
            self.in_flight.fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| (used < limit).then(|| used + 1));
        if let Ok(before) = before {
            self.in_flight_max.fetch_max(before + 1, Ordering::Relaxed);
        }
        before.is_ok()
    }

    /// Gives one back.
    pub(super) fn give_back(&self) {
        // Saturating: one lease gives back once, but a wrong count must not become "four thousand million in flight".
        let _ = self.in_flight.fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| Some(used.saturating_sub(1)));
    }
}
