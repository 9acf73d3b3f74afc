//! One limit as the provider's headers tell it.
//!
//! Two kinds of servers speak the same headers:
//! - **Bucket** (OpenAI, Anthropic): refills all the time; `reset` says when it is full.
//! - **Window**: nothing comes back before `reset`, then all of it.
//!
//! Until a server has shown three times that its `reset` is what a bucket's must be, it is taken for a window: then too
//! little is believed, never too much. One answer that no bucket would give makes it a window again for a long time, since
//! a window looks like a bucket whenever as much of it is used as has passed.

use serde::{Deserialize, Serialize};

use crate::limits::allowance::Meter;
use crate::pool::time::Millis;

/// Periods that buckets have: a minute, an hour, a day, a second.
const PERIODS_MS: [u64; 4] = [60_000, 3_600_000, 86_400_000, 1_000];
const MINUTE_MS: u64 = 60_000;
/// Resets are told in whole seconds, and take time on their way.
const SLACK_MS: u64 = 1_100;
/// Agreements after which it is a bucket.
const BUCKET_SCORE: i8 = 3;
/// What one disagreement costs.
const WINDOW_SCORE: i8 = -20;
/// Longest period: a day.
const PERIOD_MS_MAX: u64 = 86_400_000;
/// Largest limit; together with the longest period well within 63 bits.
const LIMIT_MAX: u64 = 10_000_000_000;
/// Longest reset that is believed: a day and an hour.
const RESET_MS_MAX: u64 = 90_000_000;

/// The level of one limit. Levels are in units of 1/`period_ms`, so that `limit` of them come back each millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) limit: u64,
    period_ms: u64,
    level: i64,
    /// When the level was that.
    at: Millis,
    /// Window: when it turns over.
    turns_at: Millis,
    /// Window: its length, as far as known.
    length_ms: u64,
    /// Window: what was taken of the next one already, in units.
    early: i64,
    /// All corrections that headers made; levels that leases remember are without them.
    shift: i64,
    /// Evidence for a bucket.
    score: i8,
    /// The last `remaining` that was evidence.
    voted: u64,
}

/// What is kept of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredTold {
    /// The limit.
    pub limit: u64,
    /// The period of a bucket, or the length of a window.
    pub period_ms: u64,
    /// What was left; below 0 if more was used.
    pub left: i64,
    /// When that was, in milliseconds of the epoch.
    pub at: u64,
    /// When a window turns over, in milliseconds of the epoch.
    pub turns_at: u64,
    /// Whether it is a bucket.
    pub bucket: bool,
}

impl Told {
    /// From the first header; `None` if that says no limit. `uncounted` may be missing in it.
    pub(super) fn new(meter: &Meter, uncounted: u64, now: Millis) -> Option<Self> {
        let limit = meter.limit?.clamp(1, LIMIT_MAX);
        let remaining = meter.remaining.unwrap_or(limit).min(limit);
        let mut told = Told {
            limit,
            period_ms: MINUTE_MS,
            level: 0,
            at: now,
            turns_at: now.plus(MINUTE_MS),
            length_ms: MINUTE_MS,
            early: 0,
            shift: 0,
            score: 0,
            voted: u64::MAX,
        };
        told.level = told.units(remaining.saturating_sub(uncounted));
        told.judge(remaining, meter.reset_ms, now);
        Some(told)
    }

    fn is_bucket(&self) -> bool {
        self.score >= BUCKET_SCORE
    }

    /// What comes back in so many milliseconds, if it does so all the time.
    pub(super) fn comes_back(&self, span_ms: u64) -> Option<u64> {
        self.is_bucket().then(|| self.limit.saturating_mul(span_ms) / self.period_ms.max(1))
    }

    fn units(&self, amount: u64) -> i64 {
        i64::try_from(amount.min(LIMIT_MAX) * self.period_ms).unwrap_or(i64::MAX)
    }

    /// How it stands at `now`.
    pub(super) fn advanced(mut self, now: Millis) -> Self {
        if self.is_bucket() {
            let passed = now.since(self.at).min(2 * self.period_ms);
            let refill = i64::try_from(passed.saturating_mul(self.limit)).unwrap_or(i64::MAX);
            self.level = self.level.saturating_add(refill).min(self.units(self.limit));
        } else if now >= self.turns_at {
            let turns = now.since(self.turns_at) / self.length_ms.max(1);
            self.level = self.units(self.limit) - if turns == 0 { self.early } else { 0 };
            self.early = 0;
            self.turns_at = self.turns_at.plus((turns + 1).saturating_mul(self.length_ms.max(1)));
        }
        self.at = self.at.max(now);
        self
    }

    /// The moment from which `need` has room; not before `now`. More than the limit has room when it is full.
    pub(super) fn opens(&self, need: u64, now: Millis) -> Millis {
        let told = self.advanced(now);
        let missing = told.units(need.min(told.limit)).saturating_sub(told.level);
        if missing <= 0 {
            return now;
        }
        if told.is_bucket() {
            return now.plus((missing as u64).div_ceil(told.limit));
        }
        let next = told.units(told.limit) - told.early;
        if next >= told.units(need.min(told.limit)) { told.turns_at } else { told.turns_at.plus(told.length_ms) }
    }

    /// Takes `amount` for something that is sent at `at`, not before `now`. Returns the level without corrections.
    pub(super) fn take(&mut self, amount: u64, at: Millis, now: Millis) -> i64 {
        *self = self.advanced(now);
        let units = self.units(amount);
        if !self.is_bucket() && at >= self.turns_at {
            self.early = self.early.saturating_add(units);
        } else {
            self.level = self.level.saturating_sub(units).max(-self.units(self.limit));
        }
        self.level.saturating_sub(self.shift)
    }

    /// What was taken as `estimate` was `actual`.
    pub(super) fn correct(&mut self, estimate: u64, actual: u64, now: Millis) {
        *self = self.advanced(now);
        let more = self.units(actual) - self.units(estimate);
        self.level = self.level.saturating_sub(more).clamp(-self.units(self.limit), self.units(self.limit));
    }

    /// An answer's header. `mark` is what [`Self::take`] returned for its request, if that was taken of this; what may be
    /// missing in it is `uncounted`: taken, but perhaps not yet seen by the server when it wrote the header.
    ///
    /// The level is lowered if the header has less than both our level now and that when the request was sent (somebody
    /// else uses the account), and raised if it has more than these and all that may be missing in it.
    pub(super) fn sync(&mut self, meter: &Meter, mark: Option<i64>, uncounted: u64, now: Millis) {
        *self = self.advanced(now);
        if let Some(limit) = meter.limit.map(|limit| limit.clamp(1, LIMIT_MAX)).filter(|limit| *limit != self.limit) {
            self.level = self.level.saturating_add(self.units(limit) - self.units(self.limit));
            self.limit = limit;
            (self.score, self.voted) = (0, u64::MAX);
        }
        let Some(remaining) = meter.remaining.map(|remaining| remaining.min(self.limit)) else { return };
        let before = self.level;
        let expected = mark.map_or(self.level, |mark| mark.saturating_add(self.shift).min(self.level));
        let found = self.units(remaining);
        let sure = found.saturating_sub(self.units(uncounted));
        if found < expected {
            self.level -= expected - found;
        } else if sure > self.level {
            self.level = sure;
        }
        self.level = self.level.clamp(-self.units(self.limit), self.units(self.limit));
        self.shift = self.shift.saturating_add(self.level - before);
        self.judge(remaining, meter.reset_ms, now);
    }

    /// What `reset` says of the server's kind, and when a window turns over.
    fn judge(&mut self, remaining: u64, reset_ms: Option<u64>, now: Millis) {
        let Some(reset) = reset_ms.map(|reset| reset.min(RESET_MS_MAX)) else { return };
        let turns_at = now.plus(reset);
        if self.is_bucket() && remaining == 0 && reset > self.period_ms {
            // More was used than there was: the server waits for it.
            let debt = i64::try_from((reset - self.period_ms).saturating_mul(self.limit)).unwrap_or(i64::MAX);
            self.level = self.level.min(-debt).max(-self.units(self.limit));
            return;
        }
        let deficit = self.limit - remaining;
        let until_full = |period: u64| {
            u64::try_from(u128::from(deficit) * u128::from(period) / u128::from(self.limit)).unwrap_or(u64::MAX)
        };
        let fits = |period: &&u64| reset.abs_diff(until_full(**period)) <= SLACK_MS + until_full(**period) / 5;
        if until_full(MINUTE_MS) <= SLACK_MS && reset <= 2 * SLACK_MS {
            // Too little is used to tell.
        } else if let Some(period) = PERIODS_MS.iter().find(fits) {
            if self.voted != remaining {
                self.voted = remaining;
                self.score = (self.score + 1).min(BUCKET_SCORE);
            }
            if self.is_bucket() && *period != self.period_ms {
                self.set_period(*period);
            }
        } else {
            self.score = WINDOW_SCORE;
        }
        self.length_ms = self.length_ms.max(reset.min(PERIOD_MS_MAX));
        // The same turn seen again: the way here makes it late, never early.
        let same = turns_at.0.abs_diff(self.turns_at.0) <= 2 * SLACK_MS;
        self.turns_at = if same { turns_at.min(self.turns_at) } else { turns_at };
    }

    fn set_period(&mut self, period_ms: u64) {
        let scaled = |units: i64| {
            i64::try_from(i128::from(units) * i128::from(period_ms) / i128::from(self.period_ms)).unwrap_or(i64::MIN)
        };
        (self.level, self.early, self.shift) = (scaled(self.level), scaled(self.early), 0);
        self.period_ms = period_ms;
    }

    /// The part that is used at `now`, in thousandths.
    pub(super) fn used_permille(&self, now: Millis) -> u32 {
        let told = self.advanced(now);
        let whole = i128::from(told.units(told.limit)).max(1);
        u32::try_from((whole - i128::from(told.level)) * 1000 / whole).unwrap_or(0)
    }

    pub(super) fn stored(&self, now: Millis) -> StoredTold {
        let told = self.advanced(now);
        StoredTold {
            limit: told.limit,
            period_ms: if told.is_bucket() { told.period_ms } else { told.length_ms },
            // Rounded down: less is believed, not more.
            left: told.level.div_euclid(i64::try_from(told.period_ms).unwrap_or(i64::MAX)),
            at: now.0,
            turns_at: told.turns_at.0,
            bucket: told.is_bucket(),
        }
    }

    /// From the store; `None` if that is nothing.
    pub(super) fn restored(stored: &StoredTold, now: Millis) -> Option<Self> {
        let length_ms = stored.period_ms.clamp(1_000, PERIOD_MS_MAX);
        let limit = Some(stored.limit).filter(|limit| *limit > 0)?.min(LIMIT_MAX);
        let period_ms = if stored.bucket { length_ms } else { MINUTE_MS };
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        let left = stored.left.clamp(-most, most);
        let told = Told {
            limit,
            period_ms,
            level: left.saturating_mul(i64::try_from(period_ms).unwrap_or(i64::MAX)),
            at: Millis(stored.at).min(now),
            turns_at: Millis(stored.turns_at).min(now.plus(length_ms)),
            length_ms,
            early: 0,
            shift: 0,
            score: if stored.bucket { BUCKET_SCORE } else { WINDOW_SCORE },
            voted: u64::MAX,
        };
        Some(told.advanced(now))
    }
}
