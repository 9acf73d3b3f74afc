//! The cooldowns of one account: for all models, or for one model family each.
//!
//! - **Trip**: a failure that names a lock. A rate limit of one family must not stop the others, so locks are keyed.
//! - **Length**: `max(old, new)`: late news of the same trouble never shortens a lock. Capped, since an unbounded hint
//!   has blocked keys for days. Spread by a seed, so that accounts locked together do not come back together. Without a
//!   hint it doubles with each refused window.
//! - **Parallel refusals** of one window count once: what was sent before the lock existed cannot tell anything new.
//! - **Recovery**: the end of the lock; a success of something sent after it was set; or an early probe: when a part of
//!   a long lock has passed, one request at a time may try. Every lock ends.
//!
//! Order of events is told by sequence numbers, not by time: two things can happen in one millisecond.

use std::collections::HashMap;

use super::classify::Reason;
use crate::pool::time::Millis;

/// Families of one account that are remembered. The one that ended first is forgotten for a new one.
pub const FAMILIES_MAX: usize = 64;
/// Doublings of an unhinted lock at most; keeps the shift in range.
const DOUBLINGS_MAX: u32 = 20;

/// Numbers and switches of cooldowns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether failures lock accounts at all.
    pub enabled: bool,
    /// Longest lock, in milliseconds. A longer hint is cut to this and tried again then.
    pub lock_ms_max: u64,
    /// Longest lock that doubling can reach, in milliseconds; 0 switches doubling off.
    pub backoff_ms_max: u64,
    /// A lock lapsed for so many milliseconds is forgotten: the next one starts from the default again.
    pub memory_ms: u64,
    /// Spread that is added to a lock, in thousandths of it; 0 switches it off.
    pub jitter_permille: u32,
    /// Whether locked accounts are probed early.
    pub probe: bool,
    /// Only locks from this length on are probed, in milliseconds.
    pub probe_lock_ms_min: u64,
    /// The part of a lock after which it is probed, in thousandths; after a probe, the same part of what remains.
    pub probe_after_permille: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            lock_ms_max: 3_600_000,
            backoff_ms_max: 300_000,
            memory_ms: 600_000,
            jitter_permille: 100,
            probe: true,
            probe_lock_ms_min: 60_000,
            probe_after_permille: 500,
        }
    }
}

/// A lock to be set.
#[derive(Clone, Copy, Debug)]
pub struct Lock {
    /// How long, in milliseconds, before cap and spread.
    pub ms: u64,
    /// Whether the provider said so; otherwise it doubles with repetition.
    pub hinted: bool,
    /// Why.
    pub reason: Reason,
    /// Sequence number of the attempt that was refused.
    pub taken: u64,
    /// Sequence number of this event; above all earlier ones.
    pub event: u64,
    /// Any number; the spread is drawn from it.
    pub seed: u64,
}

/// One lock, as stored and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cooldown {
    /// Why.
    pub reason: Reason,
    /// When it was first set.
    pub since: Millis,
    /// When it ends.
    pub until: Millis,
    /// When one request may try before that.
    pub probe_at: Option<Millis>,
    /// Whether one request is trying now.
    pub probing: bool,
    /// How often in a row a window was refused, less one.
    pub strikes: u32,
    /// Sequence number of the last event that set it.
    event: u64,
    /// When that was.
    set: Millis,
    /// Refusals behind it: the one that set it, and those of the same window.
    supports: u32,
    /// End and reason before the last event, if it was locked then.
    base: Option<(Millis, Reason)>,
}

impl Cooldown {
    /// A lock from the store. It is not tied to any attempt of this process.
    pub fn stored(reason: Reason, since: Millis, until: Millis, strikes: u32) -> Self {
        Cooldown {
            reason,
            since,
            until,
            probe_at: None,
            probing: false,
            strikes,
            event: 0,
            set: since,
            supports: 1,
            base: None,
        }
    }

    /// Whether the account may be used, as far as this lock goes.
    fn standing(&self, now: Millis) -> Standing {
        if now >= self.until {
            return Standing::Open;
        }
        match self.probe_at {
            _ if self.probing => Standing::Closed { at: self.until, until: self.until },
            Some(at) if now >= at => Standing::Probe { until: self.until },
            Some(at) if at < self.until => Standing::Closed { at, until: self.until },
            _ => Standing::Closed { at: self.until, until: self.until },
        }
    }

    fn plan_probe(&mut self, now: Millis, settings: &Settings) {
        let remaining = self.until.since(now);
        // What is kept back is there: a probe would only spend it.
        let worth = self.reason != Reason::QuotaProtected;
        let worth =
            worth && settings.probe && remaining >= settings.probe_lock_ms_min && settings.probe_after_permille < 1000;
        let part = permille(remaining, settings.probe_after_permille).max(1);
        self.probe_at = worth.then(|| now.plus(part));
    }
}

/// Whether an account may be used for a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Yes.
    Open,
    /// By one request at a time, to see whether the lock is still true.
    Probe {
        /// End of the lock.
        until: Millis,
    },
    /// No.
    Closed {
        /// When it may be used again, if only for a probe.
        at: Millis,
        /// End of the lock.
        until: Millis,
    },
}

impl Standing {
    /// Both locks hold; the later moment counts.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        use Standing::{Closed, Open, Probe};
        match (self, other) {
            (Open, one) | (one, Open) => one,
            (Probe { until: a }, Probe { until: b }) => Probe { until: a.max(b) },
            (Probe { until: a }, Closed { at, until: b }) | (Closed { at, until: b }, Probe { until: a }) => {
                Closed { at, until: a.max(b) }
            }
            (Closed { at: a, until: b }, Closed { at: c, until: d }) => Closed { at: a.max(c), until: b.max(d) },
        }
    }
}

/// All locks of one account.
#[derive(Clone, Debug, Default)]
pub struct Cooldowns {
    account: Option<Cooldown>,
    families: HashMap<String, Cooldown>,
}

impl Cooldowns {
    /// Whether the account may be used for `family`. The one test on all paths.
    pub fn standing(&self, family: &str, now: Millis) -> Standing {
        let own = self.families.get(family).map_or(Standing::Open, |lock| lock.standing(now));
        self.standing_in_general(now).and(own)
    }

    /// Whether the account may be used for a family without a lock of its own.
    pub fn standing_in_general(&self, now: Millis) -> Standing {
        self.account.map_or(Standing::Open, |lock| lock.standing(now))
    }

    /// Sets or extends the lock of a family, or of the whole account (`None`), and returns it; `None` if cooldowns are
    /// switched off.
    pub fn lock(&mut self, family: Option<&str>, lock: Lock, now: Millis, settings: &Settings) -> Option<Cooldown> {
        if !settings.enabled || lock.ms == 0 {
            return None;
        }
        let old = self.find(family).filter(|old| now.since(old.until) <= settings.memory_ms);
        let next = match old {
            // Sent before the lock was set: the same window. Only what the provider says itself can add to it.
            Some(old) if lock.taken < old.event && !lock.hinted && old.until > now => {
                Cooldown { supports: old.supports.saturating_add(1), ..old }
            }
            Some(old) => {
                let strikes = if lock.taken < old.event { old.strikes } else { old.strikes.saturating_add(1) };
                fresh(lock, strikes, now, settings).over(old, now, settings)
            }
            None => fresh(lock, 0, now, settings),
        };
        self.put(family, next, settings, now);
        Some(next)
    }

    /// Puts a stored lock back, unless there is a longer one. What lies further ahead than the cap is cut.
    pub fn restore(&mut self, family: Option<&str>, stored: Cooldown, now: Millis, settings: &Settings) {
        let until = stored.until.min(now.plus(settings.lock_ms_max));
        if !settings.enabled || until <= now || self.find(family).is_some_and(|lock| lock.until >= until) {
            return;
        }
        let mut lock = Cooldown { until, probing: false, ..stored };
        lock.plan_probe(now, settings);
        self.put(family, lock, settings, now);
    }

    /// A success of an attempt: clears what was set before it was sent. `true` if something was cleared.
    pub fn succeeded(&mut self, family: &str, taken: u64) -> bool {
        let mut cleared = false;
        if self.account.is_some_and(|lock| taken > lock.event) {
            self.account = None;
            cleared = true;
        }
        if self.families.get(family).is_some_and(|lock| taken > lock.event) {
            self.families.remove(family);
            cleared = true;
        }
        cleared
    }

    /// The same for one family alone: another account of the same project was served.
    pub fn succeeded_elsewhere(&mut self, family: &str, taken: u64) -> bool {
        let cleared = self.families.get(family).is_some_and(|lock| taken > lock.event);
        if cleared {
            self.families.remove(family);
        }
        cleared
    }

    /// Takes back what one refusal (its event's number) did to the lock of `family` and to that of the whole account, unless
    /// another refusal has confirmed it. What was locked before that refusal is locked again. `true` if a lock has changed.
    pub fn forgive(&mut self, family: &str, event: u64, now: Millis) -> bool {
        let mut changed = false;
        for key in [None, Some(family)] {
            let Some(mut lock) = self.find(key).filter(|lock| lock.event > 0 && event >= lock.event) else { continue };
            lock.supports = lock.supports.saturating_sub(1);
            if lock.supports > 0 {
                self.replace(key, Some(lock));
                continue;
            }
            changed = true;
            let before = lock.base.filter(|(until, _)| *until > now);
            self.replace(
                key,
                before.map(|(until, reason)| Cooldown { until, reason, supports: 1, base: None, ..lock }),
            );
        }
        changed
    }

    /// The provider told at `asked` or later that there is quota: one request may see at once whether the locks that were
    /// set before are still true. They are not cleared: a refusal that was seen outranks a figure. `true` if one was set.
    pub fn doubt(&mut self, family: &str, asked: Millis, now: Millis) -> bool {
        let mut doubted = false;
        for lock in self.account.iter_mut().chain(self.families.get_mut(family)) {
            let limit = matches!(lock.reason, Reason::QuotaExhausted | Reason::RateLimit | Reason::SpendLimit);
            if limit && lock.set < asked && lock.until > now {
                lock.probe_at = Some(now);
                doubted = true;
            }
        }
        doubted
    }

    /// Why a family, or the whole account (`None`), was locked last.
    pub fn reason(&self, family: Option<&str>) -> Option<Reason> {
        self.find(family).map(|lock| lock.reason)
    }

    /// Clears one family, or the whole account's lock (`None`); on evidence that is better than a refusal.
    pub fn clear(&mut self, family: Option<&str>) -> bool {
        match family {
            Some(family) => self.families.remove(family).is_some(),
            None => self.account.take().is_some(),
        }
    }

    /// Clears everything.
    pub fn clear_all(&mut self) {
        self.account = None;
        self.families.clear();
    }

    /// A probe begins: no second one until it ends, and then not before a part of what remains has passed.
    pub fn begin_probe(&mut self, family: &str, now: Millis, settings: &Settings) {
        for lock in self.account.iter_mut().chain(self.families.get_mut(family)) {
            if matches!(lock.standing(now), Standing::Probe { .. }) {
                lock.probing = true;
                lock.plan_probe(now, settings);
            }
        }
    }

    /// The probe ended, with or without a verdict.
    pub fn end_probe(&mut self, family: &str) {
        for lock in self.account.iter_mut().chain(self.families.get_mut(family)) {
            lock.probing = false;
        }
    }

    /// The locks that hold now: family (`None` for the whole account) and lock.
    pub fn active(&self, now: Millis) -> impl Iterator<Item = (Option<&str>, &Cooldown)> {
        let account = self.account.iter().map(|lock| (None, lock));
        let families = self.families.iter().map(|(family, lock)| (Some(family.as_str()), lock));
        account.chain(families).filter(move |(_, lock)| lock.until > now)
    }

    /// The lock that keeps the account from `family` longest.
    pub fn longest(&self, family: &str, now: Millis) -> Option<&Cooldown> {
        let locks = self.account.iter().chain(self.families.get(family));
        locks.filter(|lock| lock.until > now).max_by_key(|lock| lock.until)
    }

    fn find(&self, family: Option<&str>) -> Option<Cooldown> {
        match family {
            Some(family) => self.families.get(family).copied(),
            None => self.account,
        }
    }

    fn replace(&mut self, family: Option<&str>, lock: Option<Cooldown>) {
        match (family, lock) {
            (None, lock) => self.account = lock,
            (Some(family), None) => {
                self.families.remove(family);
            }
            (Some(family), Some(lock)) => {
                self.families.insert(family.to_owned(), lock);
            }
        }
    }

    fn put(&mut self, family: Option<&str>, lock: Cooldown, settings: &Settings, now: Millis) {
        let Some(family) = family else {
            self.account = Some(lock);
            return;
        };
        if !self.families.contains_key(family) && self.families.len() >= FAMILIES_MAX {
            self.families.retain(|_, old| now.since(old.until) <= settings.memory_ms);
            if self.families.len() >= FAMILIES_MAX {
                let first = self.families.iter().min_by_key(|(name, old)| (old.until, *name));
                if let Some(first) = first.map(|(name, _)| name.clone()) {
                    self.families.remove(&first);
                }
            }
        }
        self.families.insert(family.to_owned(), lock);
    }
}

impl Cooldown {
    /// This lock set over `old`: the later end, and the reason that goes with it.
    fn over(self, old: Cooldown, now: Millis, settings: &Settings) -> Self {
        if old.until <= now {
            return self;
        }
        let base = Some((old.until, old.reason));
        let mut merged = Cooldown { since: old.since, probing: old.probing, base, ..self };
        if old.until > self.until {
            merged.until = old.until;
            merged.reason = old.reason;
        }
        merged.plan_probe(now, settings);
        merged
    }
}

fn fresh(lock: Lock, strikes: u32, now: Millis, settings: &Settings) -> Cooldown {
    let doubled = lock.ms.saturating_mul(1 << strikes.min(DOUBLINGS_MAX)).min(settings.backoff_ms_max).max(lock.ms);
    let ms = spread(if lock.hinted { lock.ms } else { doubled }, lock.seed, settings);
    let mut cooldown = Cooldown {
        reason: lock.reason,
        since: now,
        until: now.plus(ms),
        probe_at: None,
        probing: false,
        strikes,
        event: lock.event,
        set: now,
        supports: 1,
        base: None,
    };
    cooldown.plan_probe(now, settings);
    cooldown
}

/// The lock with cap and spread: later than said, since earlier would be refused; but never past the cap, so what is cut
/// by the cap is spread below it.
fn spread(ms: u64, seed: u64, settings: &Settings) -> u64 {
    let cap = settings.lock_ms_max;
    let part = mix(seed) % 1001;
    let extra = |ms| permille(permille(ms, settings.jitter_permille), part as u32);
    if ms >= cap { cap - extra(cap).min(cap) } else { ms.saturating_add(extra(ms)).min(cap) }
}

fn permille(ms: u64, part: u32) -> u64 {
    u64::try_from(u128::from(ms) * u128::from(part) / 1000).unwrap_or(u64::MAX)
}

/// Spreads neighbouring seeds over all numbers (the finaliser of SplitMix64, Steele et al. 2014).
fn mix(seed: u64) -> u64 {
    let x = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests;
