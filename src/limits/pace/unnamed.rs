//! Limits that nobody names: learned from refusals, and passed before a client is sent away.

use super::learned::{Learned, Refusal};
use super::window::Kind;
use super::{COST_PARTS, Charge, Cost, LEARNED_MS_MAX, Limit, Pace, Paces, Terms};
use crate::pool::time::Millis;

/// Requests in the last minute from which a refusal teaches something. Fewer may have met a limit of another kind, or
/// somebody else's use of the account; a cooldown is enough for those.
const LEARN_MIN: u64 = 4;
/// A learned limit that refuses is passed again after so long, at first; doubled each time up to the second.
const PASS_MS: (u64, u64) = (5_000, 300_000);
/// By so much more refusals must fit one kind of limit than the other, in hundredths of a request.
const FITS_BETTER: i64 = 100;
/// What one refusal says at most of that.
const FITS_MAX: i64 = 300;
/// So near, in thousandths, what comes back is as it is to be.
const NEAR: i64 = 10;
/// Refused requests are larger than others by more than this if tokens are what is limited.
const LARGER_PERCENT: i64 = 20;

impl Paces {
    /// When a request that finds nobody else may pass the learned limit here; `None` if that does not stand in its way, or
    /// something else does.
    pub fn passes_at(&self, family: &str, cost: Cost, terms: Terms<'_>, now: Millis) -> Option<Millis> {
        let pace = self.families.get(family)?;
        let closed = |opens: Millis| opens.since(now) > terms.settings.pause_ms_max;
        let guessed = !closed(pace.opens_named(cost, terms, now)) && closed(pace.opens(cost, terms, now));
        guessed.then_some(pace.passes_at)
    }

    /// A lease that was just taken passes the learned limit: no second one does, until it is known what comes of it.
    pub fn pass(&mut self, family: &str, charge: &mut Charge, now: Millis) {
        let Some(pace) = self.families.get_mut(family).filter(|_| charge.taken > 0) else { return };
        charge.passes = true;
        pace.passes_at = now.plus(pace.pass_ms.max(PASS_MS.0));
    }

    /// The provider said that a limit a minute is reached, and perhaps for how long: the limits that nobody names are
    /// learned.
    pub fn refused(
        &mut self,
        family: &str,
        charge: &mut Charge,
        event: u64,
        hint_ms: Option<u64>,
        terms: Terms<'_>,
        now: Millis,
    ) {
        if !terms.settings.enabled {
            return;
        }
        // It has taken nothing.
        self.settle(family, charge, 0, now);
        let Some(pace) = self.families.get_mut(family).filter(|_| charge.taken > 0) else { return };
        pace.requests.learned.correct(1, 0);
        let minute = pace.window.used(Kind::Requests, now);
        pace.best_minute = pace.best_minute.min(minute);
        if charge.passes {
            pace.pass_ms = pace.pass_ms.saturating_mul(2);
        }
        pace.pass_ms = pace.pass_ms.clamp(PASS_MS.0, PASS_MS.1);
        pace.passes_at = pace.passes_at.max(now.plus(pace.pass_ms));
        if pace.is_told() || minute <= LEARN_MIN && pace.learned(pace.kind(), now).is_none() {
            return;
        }
        let all =
            [(Kind::Requests, 1, charge.requests.learned), (Kind::Tokens, charge.cost.tokens, charge.tokens.learned)];
        let all = all.map(|(kind, need, mark)| {
            let (taken, binds) = (charge.taken, pace.kind() == kind);
            (kind, Refusal { need, mark, taken, event, hint_ms, binds })
        });
        pace.compare(&all, now);
        for (kind, refusal) in &all {
            let known = terms.known.of(*kind).is_some();
            let limit = pace.limit_mut(*kind);
            if !known && refusal.need > 0 {
                limit.learned.refused(refusal, terms.settings.growth(), now);
            }
        }
    }

    /// Forgets all that was told and learned of a family, or of all (`None`): somebody knows better. What the operator knows
    /// holds still.
    pub fn forget(&mut self, family: Option<&str>) {
        for (_, pace) in self.families.iter_mut().filter(|(name, _)| family.is_none_or(|family| *name == family)) {
            for limit in [&mut pace.requests, &mut pace.tokens] {
                (limit.told, limit.learned) = (None, Learned::default());
            }
            (pace.share, pace.pass_ms, pace.passes_at) = (None, 0, Millis(0));
        }
    }
}

impl Pace {
    /// The kind of limit that refusals are put down to.
    pub(super) fn kind(&self) -> Kind {
        if self.by_tokens { Kind::Tokens } else { Kind::Requests }
    }

    /// Whether headers tell a limit. Who tells one tells all that it has.
    pub(super) fn is_told(&self) -> bool {
        self.requests.told.is_some() || self.tokens.told.is_some()
    }

    /// What is learned and still counts, if it is of this kind.
    pub(super) fn guess(&self, kind: Kind, now: Millis) -> Option<&Learned> {
        let limit = self.limit(kind);
        let old = limit.learned.limit().is_some() && now.since(limit.learned.changed()) >= LEARNED_MS_MAX;
        (self.kind() == kind && !self.is_told() && !old).then_some(&limit.learned)
    }

    /// The learned limit that still counts, if it is one of this kind.
    pub(super) fn learned(&self, kind: Kind, now: Millis) -> Option<(&Learned, u64)> {
        self.guess(kind, now).and_then(|learned| Some((learned, learned.limit()?)))
    }

    /// Which kind of limit a refusal fits. One of tokens refuses large requests before small ones; one of requests takes no
    /// notice. It is not one that had room. And between two refusals as much comes back as always, of what is limited.
    fn compare(&mut self, [requests, tokens]: &[(Kind, Refusal); 2], now: Millis) {
        let over = |limit: &Limit, refusal: &Refusal| limit.learned.room(refusal).unwrap_or(0).clamp(0, FITS_MAX);
        let room = over(&self.tokens, &tokens.1) - over(&self.requests, &requests.1);
        let mean = (self.cost_mean / COST_PARTS).max(1);
        let large = i64::try_from(tokens.1.need.saturating_mul(100) / mean).unwrap_or(FITS_MAX).min(FITS_MAX) - 100;
        let strays = |limit: &Limit, refusal: &Refusal| limit.learned.strays(refusal, now);
        let both = strays(&self.tokens, &tokens.1).zip(strays(&self.requests, &requests.1));
        // Which of the two is farther away counts, not how far both are: between distant refusals that is little.
        let stray = both.map_or(0, |(tokens, requests)| 100 * (tokens - requests) / (tokens + requests + NEAR));
        self.fits = self.fits * 7 / 8 + room + stray + LARGER_PERCENT - large;
        if self.fits.abs() >= FITS_BETTER {
            self.by_tokens = self.fits < 0;
        }
    }
}
