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

#[cfg(test)]
mod tests {
    use super::super::{Known, Settings};
    use super::{Cost, Kind, Millis, Paces, Terms};

    const NOTHING: Known = Known { requests: None, tokens: None };
    /// What the bucket holds, and what comes back in a minute.
    const LIMIT: u64 = 60;
    /// Tokens of the requests, in turn: a hundred in the mean, and the server counts units of so many.
    const SIZES: [u64; 7] = [40, 180, 70, 130, 20, 160, 100];

    /// Asks as much as is let through for some minutes; the server counts tokens or requests, and names exact waits. Gives the
    /// kind that was learned, how much a minute, and what was refused in the second half.
    fn driven(tokens: bool) -> (Kind, Option<u64>, u32) {
        let settings = Settings { pause_ms_max: 0, ..Settings::default() };
        let terms = Terms { known: &NOTHING, settings: &settings };
        let (mut paces, mut number, mut refused, mut lock) = (Paces::default(), 0u64, 0, Millis(0));
        // In parts of which `LIMIT` come back each millisecond.
        let (whole, begun) = (LIMIT * 60_000, 1_760_000_000_000);
        let mut level = whole;
        for at in 0..1_200_000 {
            let (now, size) = (Millis(begun + at), SIZES[(number % 7) as usize]);
            level = (level + LIMIT).min(whole);
            let cost = Cost { tokens: size };
            if now < lock || paces.opens("m", cost, terms, now).is_some() {
                continue;
            }
            number += 1;
            let (_, mut charge) = paces.take("m", cost, number * 2, terms, now);
            let need = if tokens { size * 600 } else { 60_000 };
            if need <= level {
                level -= need;
                paces.settle("m", &mut charge, size, now);
                paces.served("m", &mut charge, terms, now);
            } else {
                let hint = (need - level).div_ceil(LIMIT);
                (lock, refused) = (now.plus(hint), refused + u32::from(at >= 600_000));
                paces.refused("m", &mut charge, number * 2 + 1, Some(hint), terms, now);
            }
            paces.close("m", &mut charge);
        }
        let pace = &paces.families["m"];
        (pace.kind(), pace.learned(pace.kind(), Millis(begun + 1_200_000)).map(|(_, limit)| limit), refused)
    }

    #[test]
    fn a_limit_of_tokens_is_told_from_one_of_requests() {
        let (kind, limit, refused) = driven(true);
        assert_eq!(kind, Kind::Tokens);
        assert!(
            limit.is_some_and(|limit| limit.abs_diff(LIMIT * 100) <= LIMIT * 5) && refused <= 20,
            "{limit:?} {refused}"
        );
        let (kind, limit, refused) = driven(false);
        assert_eq!(kind, Kind::Requests);
        assert!(limit.is_some_and(|limit| limit.abs_diff(LIMIT) <= 3) && refused <= 20, "{limit:?} {refused}");
    }
}
