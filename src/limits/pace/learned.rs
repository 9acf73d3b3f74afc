//! A limit that nobody names, as refusals tell it.
//!
//! It is followed as a bucket: so much comes back each minute, and what was saved up may be used at once. A refusal says that
//! the bucket was empty then; with a hint, also when there is room. So between two refusals all that came back was used, and
//! their distance measures the rate: the longer, the more exactly.
//!
//! - **Evidence**: one refusal measures nothing, and the full bucket of the first minute is not the rate. Nor does one that
//!   comes where there was room: it may be somebody else's use, or a limit of another kind, and a cooldown is enough.
//!   Such a one counts only if a second follows soon.
//! - **Hold**: what was measured holds for twice the time that it was measured over, so probing is rare.
//! - **Growth**: then it is raised in steps that double, as long as it is used up and nothing is refused.
//! - **Pass**: one request that is sent without room and served shows at once that the limit is higher.

use super::MINUTE_MS;
use crate::pool::time::Millis;

/// Parts of one unit. With it a rate of thousandths a minute gives whole parts each millisecond.
const UNIT: i64 = 60_000_000;
/// Thousandths of a unit.
const MILLI: u64 = 1_000;
/// A refusal where there was room counts only with a second one within this time.
const SOON_MS: u64 = 3 * MINUTE_MS;
/// Shortest and longest time over which a rate is measured.
const SPAN_MS_MIN: u64 = 500;
const SPAN_MS_MAX: u64 = 10 * MINUTE_MS;
/// How long a measured rate holds, at least and at most.
const HOLD_MS: (u64, u64) = (10_000, 16 * MINUTE_MS);
/// A wait beyond this is not that of a limit a minute.
const WAIT_MS_MAX: u64 = 65_000;
/// A rate that has grown above this part of what is measured, in percent, shows that the limit has risen meanwhile.
const RISEN_PERCENT: u64 = 150;
/// What the clocks and the way add to a wait.
const SLACK_MS: u64 = 1_100;
/// Time between two requests while a refusal has yet to be measured: else all that waited for the end of the lock would find
/// out at once.
const APART_MS: u64 = 50;
/// Farther away is as bad as this, in thousandths.
const STRAYS_MAX: u64 = 10_000;
/// Units of the largest rate and level, so that parts stay within 63 bits.
const UNITS_MAX: u64 = 10_000_000_000;

/// What is known of one limit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Learned {
    /// What comes back in a minute, in thousandths; 0: not known yet.
    rate: u64,
    /// What is left, in parts; below zero after requests that went without room.
    level: i64,
    /// When that was so.
    at: Millis,
    /// Saved up at most, in parts, if that is less than a minute's worth.
    burst: Option<i64>,
    /// Whether it was full since the anchor: then what came back cannot be told.
    filled: bool,
    anchor: Option<Anchor>,
    /// The last refusal, with what was taken since; and whether the rate was measured by it.
    last: Option<Anchor>,
    measured: bool,
    /// Sequence number of the last refusal, and what was known before it.
    event: u64,
    before: Before,
    /// When the rate was measured or raised.
    changed: Millis,
    /// When it may be raised.
    grows_at: Millis,
    /// The next step, in percent; and the time between two.
    step: u64,
    tick_ms: u64,
    /// Requests in a row that passed it.
    passes: u8,
}

/// A moment at which the level was known.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    at: Millis,
    level: i64,
    /// Taken since, in parts.
    used: i64,
}

/// What a refusal has changed.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    rate: u64,
    anchor: Option<Anchor>,
    last: Option<Anchor>,
    /// Whether the refusal began a new count of what was taken since the last one.
    counted: bool,
}

/// A refusal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    /// What was asked for.
    pub(super) need: u64,
    /// What was left when it was taken, in parts; see [`Learned::take`].
    pub(super) mark: i64,
    /// Sequence number of the lease.
    pub(super) taken: u64,
    /// Sequence number of this event.
    pub(super) event: u64,
    /// The wait that the provider named.
    pub(super) hint_ms: Option<u64>,
    /// Whether refusals are put down to this limit.
    pub(super) binds: bool,
}

/// How fast a rate is changed, in percent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Growth {
    /// The first step up.
    pub(super) first: u64,
    /// The largest step up.
    pub(super) most: u64,
    /// The step down where nothing can be measured.
    pub(super) down: u64,
}

fn parts(units: u64) -> i64 {
    i64::try_from(units.min(UNITS_MAX)).unwrap_or(i64::MAX).saturating_mul(UNIT)
}

/// Thousandths a minute, of parts in milliseconds; one a minute at least.
fn rate(came: i64, span: u64) -> Option<u64> {
    let came = u64::try_from(came).ok().filter(|came| *came > 0)?;
    Some((came / span.max(1)).clamp(MILLI, UNITS_MAX * MILLI))
}

impl Learned {
    /// From the store.
    pub(super) fn restored(per_minute: u64, at: Millis, now: Millis) -> Self {
        let rate = per_minute.clamp(1, UNITS_MAX) * MILLI;
        let hold = now.plus(HOLD_MS.0);
        Learned { rate, at: now, changed: at, grows_at: hold, step: 1, tick_ms: MINUTE_MS, ..Learned::default() }
    }

    /// What comes back in a minute, if it is known.
    pub(super) fn limit(&self) -> Option<u64> {
        (self.rate > 0).then(|| (self.rate / MILLI).max(1))
    }

    /// When it was last changed.
    pub(super) fn changed(&self) -> Millis {
        self.changed
    }

    fn cap(&self) -> i64 {
        let minute = i64::try_from(self.rate.saturating_mul(MINUTE_MS)).unwrap_or(i64::MAX);
        self.burst.map_or(minute, |burst| burst.min(minute)).max(UNIT)
    }

    fn advanced(mut self, now: Millis) -> Self {
        if now > self.at {
            let passed = now.since(self.at).min(SPAN_MS_MAX);
            let back = i64::try_from(passed.saturating_mul(self.rate)).unwrap_or(i64::MAX);
            let level = self.level.saturating_add(back);
            self.filled |= self.rate > 0 && level >= self.cap();
            self.level = if self.rate > 0 { level.min(self.cap()) } else { self.level };
            self.at = now;
        }
        self
    }

    /// The moment from which `need` has room; not before `now`.
    pub(super) fn opens(&self, need: u64, now: Millis) -> Millis {
        if self.rate == 0 {
            let refused = self.last.is_some_and(|last| now.since(last.at) < SOON_MS);
            return if refused { now.max(self.at.plus(APART_MS)) } else { now };
        }
        let missing = parts(need).min(self.cap()).saturating_sub(self.advanced(now).level);
        // What is left may be told of a moment that has yet to come: that of a request that is held back.
        match u64::try_from(missing) {
            Ok(missing) if missing > 0 => now.max(self.at).plus(missing.div_ceil(self.rate)),
            _ => now,
        }
    }

    /// The part that is used, in thousandths.
    pub(super) fn used_permille(&self, now: Millis) -> u32 {
        let cap = i128::from(self.cap());
        let left = i128::from(self.advanced(now).level);
        u32::try_from((cap - left) * 1000 / cap.max(1)).unwrap_or(0)
    }

    /// Takes `need` for something that is sent at `at`. Returns what was left before, in parts.
    pub(super) fn take(&mut self, need: u64, at: Millis, growth: Option<Growth>) -> i64 {
        *self = self.advanced(at);
        let before = self.level;
        // Who comes when little is left, would take more.
        let pressed = self.rate > 0 && before < parts(need).saturating_mul(2) && at >= self.grows_at;
        if let Some(growth) = growth.filter(|_| pressed) {
            self.grow(growth, at);
        }
        self.change(parts(need));
        before
    }

    /// What was taken as `estimate` was `actual`.
    pub(super) fn correct(&mut self, estimate: u64, actual: u64) {
        self.change(parts(actual).saturating_sub(parts(estimate)));
    }

    /// Nothing closes it for longer than two minutes.
    fn bound(&mut self) {
        if self.rate > 0 {
            self.level = self.level.clamp(-self.cap(), self.cap());
        }
    }

    fn change(&mut self, more: i64) {
        self.level = self.level.saturating_sub(more);
        self.bound();
        for anchor in self.anchor.iter_mut().chain(&mut self.last) {
            anchor.used = anchor.used.saturating_add(more);
        }
    }

    fn grow(&mut self, growth: Growth, now: Millis) {
        let step = self.step.clamp(1, growth.most.max(1));
        let more = (self.rate.saturating_mul(step) / 100).max(1);
        self.rate = self.rate.saturating_add(more).min(UNITS_MAX * MILLI);
        self.step = step.saturating_mul(2);
        (self.changed, self.grows_at) = (now, now.plus(self.tick_ms));
    }

    /// A request that was sent without room was served. `mark` is what [`Self::take`] returned. `true` if that tells that the
    /// limit is higher.
    pub(super) fn passed(&mut self, need: u64, mark: i64, growth: Growth, now: Millis) -> bool {
        let missing = parts(need).saturating_sub(mark);
        if self.rate == 0 || missing <= 0 {
            return false;
        }
        *self = self.advanced(now);
        self.level = self.level.saturating_add(missing).min(self.cap());
        // A part of a request may be the error of a clock.
        let tells = missing >= parts(need) / 4 * 3;
        self.passes = if tells { self.passes.saturating_add(1) } else { self.passes };
        if self.passes > 1 {
            self.step = growth.first;
            self.grow(growth, now);
        }
        tells
    }

    /// The room that it had beside what was asked for, in hundredths of that; below zero if it had too little. `None` if it
    /// cannot tell.
    pub(super) fn room(&self, refusal: &Refusal) -> Option<i64> {
        let known = self.rate > 0 && !self.filled && self.anchor.is_some() && refusal.taken > self.event;
        known.then(|| refusal.mark.saturating_sub(parts(refusal.need)) / (parts(refusal.need.max(1)) / 100))
    }

    /// How far what came back since the last refusal is from what was to be expected, in thousandths of that. `None` if it
    /// cannot be told.
    pub(super) fn strays(&self, refusal: &Refusal, now: Millis) -> Option<i64> {
        let last = self.last.filter(|_| self.rate > 0 && !self.filled && refusal.taken > self.event)?;
        let (hint_ms, need) = (refusal.hint_ms.unwrap_or(0), parts(refusal.need.max(1)));
        let span = now.plus(hint_ms).since(last.at);
        let came = last.used.saturating_add(if hint_ms > 0 { need } else { 0 }).saturating_sub(last.level);
        let expected = i64::try_from(self.rate.saturating_mul(span)).unwrap_or(i64::MAX).max(1);
        let far = came.abs_diff(expected) / (expected.unsigned_abs() / MILLI).max(1);
        Some(i64::try_from(far.min(STRAYS_MAX)).unwrap_or(0)).filter(|_| span >= SPAN_MS_MIN)
    }

    /// The provider refused, and has taken nothing; that was given back before.
    pub(super) fn refused(&mut self, refusal: &Refusal, growth: Growth, now: Millis) {
        *self = self.advanced(now);
        if refusal.taken < self.event {
            self.refused_too(refusal);
            return;
        }
        if refusal.hint_ms.is_none() && self.last.is_some_and(|last| last.used <= 0) {
            // Nothing was served since the last one. It still holds: that of a window does until the window ends.
            self.event = refusal.event;
            let was = self.last.map(|last| last.at);
            for anchor in self.anchor.iter_mut().chain(&mut self.last).filter(|anchor| Some(anchor.at) == was) {
                anchor.at = now;
            }
            self.before = Before { rate: self.rate, anchor: self.anchor, last: self.last, counted: false };
            self.level = self.level.min(parts(refusal.need).saturating_sub(1));
            return;
        }
        self.before = Before { rate: self.rate, anchor: self.anchor, last: self.last, counted: true };
        (self.event, self.passes) = (refusal.event, 0);
        let hint_ms = refusal.hint_ms.unwrap_or(0);
        if hint_ms > WAIT_MS_MAX {
            (self.anchor, self.last, self.measured) = (None, None, false);
            return;
        }
        let need = parts(refusal.need.max(1));
        // With a hint it is known when there is room for this; without, nothing is left.
        let fresh = Anchor { at: now.plus(hint_ms), level: if hint_ms > 0 { need } else { 0 }, used: 0 };
        let roomy = refusal.binds && (self.rate == 0 || refusal.mark >= need.saturating_mul(3));
        self.shorten(&fresh);
        let measured = self.measured(&fresh, roomy);
        let odd = |rate: u64| {
            // A bucket of that rate would not let wait so long.
            let most = u64::try_from(need.saturating_mul(3) / 2).unwrap_or(0).div_ceil(rate.max(1));
            refusal.binds && hint_ms > most.saturating_add(SLACK_MS)
        };
        let measured = measured.map(|(rate, span)| (rate, span, odd(rate)));
        // Only what binds is raised.
        let risen = |rate: u64| refusal.binds && !roomy && self.rate > rate.saturating_mul(RISEN_PERCENT) / 100;
        let rises = measured.is_some_and(|(rate, _, odd)| !odd && risen(rate));
        match measured.filter(|(_, _, odd)| !odd && !rises) {
            Some((rate, span, _)) => {
                (self.rate, self.measured) = (rate, true);
                let used = self.anchor.map_or(0, |anchor| anchor.used / UNIT).max(1);
                self.hold(span, 100 / u64::try_from(used).unwrap_or(1).max(1), growth, now);
                if span > SPAN_MS_MAX {
                    self.anchor = Some(fresh);
                }
            }
            None => {
                self.measured = false;
                if self.filled && roomy && self.rate > 0 {
                    // Less is saved up than was thought.
                    let saved = self.cap().saturating_sub(refusal.mark).max(UNIT);
                    self.burst = Some(saved);
                } else if !roomy && self.rate > 0 && (self.anchor.is_none() || rises) {
                    self.rate = (self.rate * (100 - growth.down.min(99)) / 100).max(MILLI);
                }
                if self.rate > 0 {
                    self.hold(if rises { HOLD_MS.0 } else { MINUTE_MS }, 0, growth, now);
                }
                self.anchor = Some(fresh);
            }
        }
        self.last = Some(fresh);
        self.filled = false;
        let until = i64::try_from(hint_ms.saturating_mul(self.rate)).unwrap_or(i64::MAX);
        self.level = fresh.level.saturating_sub(until);
        self.at = now;
        self.bound();
    }

    /// The same for one that was sent before the last refusal. It says nothing new; but until now it seemed to have been taken
    /// before that.
    fn refused_too(&mut self, refusal: &Refusal) {
        let need = parts(refusal.need);
        self.level = self.level.saturating_sub(need);
        for anchor in self.before.anchor.iter_mut().chain(&mut self.before.last) {
            anchor.used = anchor.used.saturating_sub(need);
        }
        let nothing = self.before.last.is_some_and(|last| last.used <= 0);
        if self.before.counted && nothing && refusal.hint_ms.is_none() {
            self.take_back();
            return;
        }
        let Some(last) = &mut self.last else { return };
        last.used = last.used.saturating_add(need);
        let last = *last;
        let Some(anchor) = &mut self.anchor else { return };
        if anchor.at >= last.at {
            anchor.used = anchor.used.saturating_add(need);
        } else if self.measured {
            let came = anchor.used.saturating_sub(last.used).saturating_add(last.level).saturating_sub(anchor.level);
            self.rate = rate(came, last.at.since(anchor.at)).unwrap_or(self.rate);
        }
        self.bound();
    }

    /// Between two refusals no more can have come than was used, and one request. If it is less than was measured since the
    /// anchor, more was saved up at that than was thought: it is measured from the last refusal.
    fn shorten(&mut self, fresh: &Anchor) {
        let (Some(anchor), Some(last)) = (self.anchor, self.last) else { return };
        let (long, short) = (fresh.at.since(anchor.at), fresh.at.since(last.at));
        if last.at <= anchor.at || short < SPAN_MS_MIN || self.filled {
            return;
        }
        let most = rate(last.used.saturating_add(fresh.level.max(UNIT)), short);
        if most < rate(anchor.used.saturating_add(fresh.level).saturating_sub(anchor.level), long) {
            self.anchor = Some(last);
        }
    }

    /// The rate since the anchor, and the time that it is measured over.
    fn measured(&self, fresh: &Anchor, roomy: bool) -> Option<(u64, u64)> {
        let anchor = self.anchor.filter(|_| !self.filled)?;
        let span = fresh.at.since(anchor.at);
        if span < SPAN_MS_MIN || roomy && span > SOON_MS {
            return None;
        }
        let came = anchor.used.saturating_add(fresh.level).saturating_sub(anchor.level);
        Some((rate(came, span)?, span))
    }

    fn hold(&mut self, span: u64, coarse: u64, growth: Growth, now: Millis) {
        self.changed = now;
        self.grows_at = now.plus(span.saturating_mul(2).clamp(HOLD_MS.0, HOLD_MS.1));
        self.tick_ms = span.clamp(HOLD_MS.0, MINUTE_MS);
        self.step = coarse.clamp(1, growth.first.max(1));
    }

    /// Takes back the last refusal, if that was this. `true` if so.
    pub(super) fn forgive(&mut self, event: u64) -> bool {
        let is_last = self.event == event && event > 0;
        if is_last {
            self.take_back();
            self.event = 0;
        }
        is_last
    }

    /// As it was before the last refusal, with what was taken since.
    fn take_back(&mut self) {
        let since = self.last.map_or(0, |last| last.used);
        let counted =
            |anchor: Option<Anchor>| anchor.map(|anchor| Anchor { used: anchor.used.saturating_add(since), ..anchor });
        self.rate = self.before.rate;
        self.bound();
        if std::mem::take(&mut self.before.counted) {
            (self.anchor, self.last) = (counted(self.before.anchor), counted(self.before.last));
        }
    }
}
