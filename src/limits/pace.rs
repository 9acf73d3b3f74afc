//! Requests and tokens a minute of one account and model family: limits are met without being hit.
//!
//! Who names a limit, and what then holds:
//! - **The operator**: no more than that in any minute, wherever it begins; right for every kind of server.
//! - **The provider's headers**: what the server itself counts is followed (`told`).
//! - **Nobody**: no bound until refusals tell one (`learned`). It is never in itself a reason to send a client away: with
//!   nobody else free one request passes it ([`Paces::passes_at`]), and more if that is served.
//!
//! Near a limit short pauses spread the requests. Who finds no room within the longest pause is told the moment when there
//! is. Tokens are taken by an estimate and corrected by the truth. A prompt that is larger than the whole limit passes when
//! nothing else is used.

mod learned;
mod stored;
#[cfg(test)]
mod tests;
mod told;
mod unnamed;
mod window;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

pub use self::stored::{StoredPace, StoredSlot};
pub use self::told::StoredTold;

use self::learned::{Growth, Learned};
use self::told::Told;
use self::window::{Kind, Window};
use super::allowance::{Allowance, Meter, Share};
use crate::pool::time::Millis;

/// Families of one account that are remembered.
pub const FAMILIES_MAX: usize = 32;
const MINUTE_MS: u64 = 60_000;
/// Parts of a token in the mean cost, and requests that it is the mean of.
const COST_PARTS: u64 = 32;
/// A learned limit that has not been met for a day is forgotten.
const LEARNED_MS_MAX: u64 = 86_400_000;
/// How long a part of a whole is true if nothing is said, and at most.
const SHARE_MS: u64 = MINUTE_MS;
const SHARE_MS_MAX: u64 = 8 * 86_400_000;
/// Part of a limit up to which there is plenty of room, in thousandths.
const PLENTY_PERMILLE: u32 = 500;

/// What one request takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Estimated prompt and expected output.
    pub tokens: u64,
}

/// What the operator knows of an account's limits, for each family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Requests a minute.
    pub requests: Option<u64>,
    /// Tokens a minute.
    pub tokens: Option<u64>,
}

/// Numbers and switches of paces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Switch.
    pub enabled: bool,
    /// From this part of a limit on, requests are spread. Percent, 1 to 100.
    pub slow_at_percent: u32,
    /// Longest pause that spreads them, in milliseconds.
    pub pause_ms_max: u64,
    /// A learned limit grows up to this part of it in one step. Percent, 100 to 1000.
    pub skip_at_percent: u32,
    /// What a refusal takes from a learned limit where it measures nothing. Percent, 1 to 90.
    pub decrease_percent: u32,
    /// The first step by which a learned limit grows; each further one is twice as large. Percent, 1 to 100.
    pub increase_percent: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            slow_at_percent: 80,
            pause_ms_max: 100,
            skip_at_percent: 120,
            decrease_percent: 10,
            increase_percent: 5,
        }
    }
}

/// Who named a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The configuration.
    Operator,
    /// The provider's headers.
    Header,
    /// Refusals.
    Learned,
}

impl Source {
    /// The name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Source::Operator => "operator",
            Source::Header => "header",
            Source::Learned => "learned",
        }
    }
}

/// One limit as it stands, for people and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeterView {
    /// The limit that binds, in its period; `None`: none is known.
    pub limit: Option<u64>,
    /// Who named it.
    pub source: Option<Source>,
    /// The part of it that is used, in thousandths; above 1000 if it was passed.
    pub used_permille: u32,
    /// What was used in the last minute.
    pub last_minute: u64,
}

/// The pace of one account and family, for people and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaceView {
    /// The model family.
    pub family: String,
    /// Requests.
    pub requests: MeterView,
    /// Tokens.
    pub tokens: MeterView,
    /// What is left of a limit whose size is not told, in thousandths.
    pub left_permille: Option<u32>,
    /// Until when not even the smallest request has room.
    pub until: Option<Millis>,
}

/// The paces of one account, by family.
#[derive(Debug, Default)]
pub struct Paces {
    families: HashMap<String, Pace>,
}

/// What a lease has taken. It is given back by [`Paces::close`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Charge {
    cost: Cost,
    /// Sequence number of the lease.
    taken: u64,
    /// When it is sent.
    at: Millis,
    requests: Mark,
    tokens: Mark,
    /// Whether a header has answered it.
    answered: bool,
    /// Whether its tokens are known.
    settled: bool,
    /// Whether there was plenty of room.
    plenty: bool,
    /// Whether it passes a learned limit.
    passes: bool,
}

/// What a meter was when a lease was taken.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    level: Option<i64>,
    seen: u64,
    /// What was left of the learned limit before.
    learned: i64,
}

/// One account and family.
#[derive(Clone, Debug, Default)]
struct Pace {
    window: Window,
    requests: Limit,
    tokens: Limit,
    share: Option<(Share, Millis)>,
    /// Sequence number of the youngest lease that was served.
    served: u64,
    /// Most requests of a minute that were served.
    best_minute: u64,
    last_used: Millis,
    /// Above 0: refusals fit a limit of requests better than one of tokens; below: worse.
    fits: i64,
    /// Mean cost, in parts of a token.
    cost_mean: u64,
    /// Whether a learned limit is one of tokens.
    by_tokens: bool,
    /// When a learned limit may be passed, and how long after the next refusal.
    passes_at: Millis,
    pass_ms: u64,
}

/// One limit of one account and family.
#[derive(Clone, Copy, Debug, Default)]
struct Limit {
    told: Option<Told>,
    learned: Learned,
    /// Taken, but perhaps not yet seen by the server.
    unseen: u64,
    /// All that it has seen since the start.
    seen: u64,
}

/// All that is needed to judge a pace.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// What the operator knows.
    pub known: &'a Known,
    /// Numbers and switches.
    pub settings: &'a Settings,
}

impl Paces {
    /// When a request of `cost` can be taken; `None` if now, if need be with a pause.
    pub fn opens(&self, family: &str, cost: Cost, terms: Terms<'_>, now: Millis) -> Option<Millis> {
        let pace = self.families.get(family)?;
        let at = pace.opens(cost, terms, now);
        (at.since(now) > terms.settings.pause_ms_max).then(|| Millis(at.0 - terms.settings.pause_ms_max))
    }

    /// Takes a request of `cost`, and says for how many milliseconds it is to be held back. To be called when
    /// [`Self::opens`] allows it; a request that must go anyway is taken all the same.
    pub fn take(&mut self, family: &str, cost: Cost, taken: u64, terms: Terms<'_>, now: Millis) -> (u64, Charge) {
        if !terms.settings.enabled {
            return (0, Charge::default());
        }
        let pace = self.family(family, now);
        pace.window.advance(now);
        pace.last_used = now;
        let wait = pace.opens(cost, terms, now).since(now).min(terms.settings.pause_ms_max);
        let pause = wait.max(pace.spread(terms, now));
        let at = now.plus(pause);
        pace.window.add(cost.tokens, at);
        let before = if pace.cost_mean == 0 { cost.tokens } else { pace.cost_mean / COST_PARTS };
        pace.cost_mean = pace.cost_mean.max(before.saturating_mul(COST_PARTS)).saturating_add(cost.tokens) - before;
        // What refusals are not put down to does not grow: nothing would stop it.
        let growth = |kind| Some(terms.settings.growth()).filter(|_| pace.kind() == kind);
        let growth = (growth(Kind::Requests), growth(Kind::Tokens));
        let requests = pace.requests.take(1, at, now, growth.0);
        let tokens = pace.tokens.take(cost.tokens, at, now, growth.1);
        let plenty = pace.has_plenty(terms, now);
        (pause, Charge { cost, taken, at, requests, tokens, answered: false, settled: false, plenty, passes: false })
    }

    /// The headers of an answer.
    pub fn told(&mut self, family: &str, charge: &mut Charge, allowance: &Allowance, now: Millis) {
        let Some(pace) = self.families.get_mut(family).filter(|_| charge.taken > 0) else { return };
        let first = !std::mem::replace(&mut charge.answered, true);
        pace.requests.unseen = pace.requests.unseen.saturating_sub(u64::from(first));
        let (requests, tokens) = (charge.requests, charge.tokens);
        if let Some(meter) = &allowance.requests {
            let missing = pace.requests.unseen.saturating_add(pace.requests.seen.saturating_sub(requests.seen));
            pace.requests.sync(meter, requests.level, missing, now);
        }
        if let Some(meter) = &allowance.tokens {
            let missing = pace.tokens.unseen.saturating_add(pace.tokens.seen.saturating_sub(tokens.seen));
            pace.tokens.sync(meter, tokens.level, missing, now);
        }
        pace.requests.seen += u64::from(first);
        if let Some(share) = allowance.share {
            pace.share = Some((share, now));
        }
    }

    /// What the request really took.
    pub fn settle(&mut self, family: &str, charge: &mut Charge, tokens: u64, now: Millis) {
        let Some(pace) = self.families.get_mut(family).filter(|_| charge.taken > 0 && !charge.settled) else { return };
        charge.settled = true;
        pace.tokens.unseen = pace.tokens.unseen.saturating_sub(charge.cost.tokens);
        pace.tokens.seen = pace.tokens.seen.saturating_add(tokens);
        pace.window.advance(now);
        pace.window.correct(charge.cost.tokens, tokens, charge.at, now);
        if let Some(told) = &mut pace.tokens.told {
            told.correct(charge.cost.tokens, tokens, now);
        }
        pace.tokens.learned.correct(charge.cost.tokens, tokens);
    }

    /// The lease has ended. What was not settled keeps its estimate.
    pub fn close(&mut self, family: &str, charge: &mut Charge) {
        let Some(pace) = self.families.get_mut(family).filter(|_| charge.taken > 0) else { return };
        if !charge.answered {
            charge.answered = true;
            pace.requests.unseen = pace.requests.unseen.saturating_sub(1);
            pace.requests.seen += 1;
        }
        if !charge.settled {
            charge.settled = true;
            pace.tokens.unseen = pace.tokens.unseen.saturating_sub(charge.cost.tokens);
            pace.tokens.seen = pace.tokens.seen.saturating_add(charge.cost.tokens);
        }
    }

    /// The provider served a lease.
    pub fn served(&mut self, family: &str, charge: &mut Charge, terms: Terms<'_>, now: Millis) {
        let Some(pace) = self.families.get_mut(family) else { return };
        pace.served = pace.served.max(charge.taken);
        pace.best_minute = pace.best_minute.max(pace.window.used(Kind::Requests, now));
        if std::mem::take(&mut charge.passes) {
            let growth = terms.settings.growth();
            let tells = match pace.kind() {
                Kind::Requests => pace.requests.learned.passed(1, charge.requests.learned, growth, now),
                Kind::Tokens => pace.tokens.learned.passed(charge.cost.tokens, charge.tokens.learned, growth, now),
            };
            if tells {
                (pace.pass_ms, pace.passes_at) = (pace.pass_ms / 2, now);
            }
        }
    }

    /// Whether a rate limit surprises: there was plenty of room, or what was sent later was served.
    pub fn surprised(&self, family: &str, charge: &Charge) -> bool {
        let later = self.families.get(family).is_some_and(|pace| charge.taken > 0 && pace.served > charge.taken);
        charge.plenty || later
    }

    /// Takes back what one refusal taught. `true` if it was the last to teach something.
    pub fn forgive(&mut self, family: &str, event: u64) -> bool {
        let Some(pace) = self.families.get_mut(family) else { return false };
        pace.requests.learned.forgive(event) | pace.tokens.learned.forgive(event)
    }

    /// The families without room for even the smallest request, and when they open.
    pub fn closed(&self, terms: Terms<'_>, now: Millis) -> Vec<(String, Millis)> {
        let opens = |family: &String| Some((family.clone(), self.opens(family, Cost::default(), terms, now)?));
        self.families.keys().filter_map(opens).collect()
    }

    /// All paces, in order of their families.
    pub fn views(&self, terms: Terms<'_>, now: Millis) -> Vec<PaceView> {
        let mut all: Vec<_> = self
            .families
            .iter()
            .map(|(family, pace)| PaceView {
                family: family.clone(),
                requests: pace.view(Kind::Requests, terms, now),
                tokens: pace.view(Kind::Tokens, terms, now),
                left_permille: pace.share(now).map(|(share, _)| share.left_permille),
                until: self.opens(family, Cost::default(), terms, now),
            })
            .collect();
        all.sort_by(|a, b| a.family.cmp(&b.family));
        all
    }

    /// A copy of one family's, with which the future can be tried.
    pub fn only(&self, family: &str) -> Paces {
        let pace = self.families.get(family).map(|pace| (family.to_owned(), pace.clone()));
        Paces { families: pace.into_iter().collect() }
    }

    /// Requests that come back in so many milliseconds by the headers of a server that refills all the time.
    pub fn told_each(&self, family: &str, span_ms: u64) -> Option<u64> {
        self.families.get(family)?.requests.told?.comes_back(span_ms)
    }

    /// Whether tokens are limited by headers, or by what was learned.
    pub fn limits_tokens(&self, family: &str, now: Millis) -> bool {
        let limits = |pace: &Pace| pace.tokens.told.is_some() || pace.learned(Kind::Tokens, now).is_some();
        self.families.get(family).is_some_and(limits)
    }

    /// The pace of a family; a new one takes the place of the one that was used longest ago.
    fn family(&mut self, family: &str, now: Millis) -> &mut Pace {
        if !self.families.contains_key(family) && self.families.len() >= FAMILIES_MAX {
            let first = self.families.iter().min_by_key(|(name, pace)| (pace.last_used, *name));
            if let Some(first) = first.map(|(name, _)| name.clone()) {
                self.families.remove(&first);
            }
        }
        self.families.entry(family.to_owned()).or_insert_with(|| Pace { last_used: now, ..Pace::default() })
    }
}

impl Settings {
    fn growth(&self) -> Growth {
        let most = u64::from(self.skip_at_percent.saturating_sub(100)).max(1);
        Growth { first: u64::from(self.increase_percent).clamp(1, most), most, down: u64::from(self.decrease_percent) }
    }
}

impl Known {
    fn of(&self, kind: Kind) -> Option<u64> {
        match kind {
            Kind::Requests => self.requests,
            Kind::Tokens => self.tokens,
        }
    }
}

impl Limit {
    fn take(&mut self, amount: u64, at: Millis, now: Millis, growth: Option<Growth>) -> Mark {
        self.unseen = self.unseen.saturating_add(amount);
        let learned = self.learned.take(amount, at, growth);
        Mark { level: self.told.as_mut().map(|told| told.take(amount, at, now)), seen: self.seen, learned }
    }

    fn sync(&mut self, meter: &Meter, mark: Option<i64>, missing: u64, now: Millis) {
        match &mut self.told {
            Some(told) => told.sync(meter, mark, missing, now),
            None => {
                self.told = Told::new(meter, missing, now);
                if self.told.is_some() {
                    self.learned = Learned::default();
                }
            }
        }
    }
}

impl Pace {
    fn limit(&self, kind: Kind) -> &Limit {
        match kind {
            Kind::Requests => &self.requests,
            Kind::Tokens => &self.tokens,
        }
    }

    fn limit_mut(&mut self, kind: Kind) -> &mut Limit {
        match kind {
            Kind::Requests => &mut self.requests,
            Kind::Tokens => &mut self.tokens,
        }
    }

    /// What is left of a limit whose size is not told, while that is true.
    fn share(&self, now: Millis) -> Option<(Share, Millis)> {
        let (share, at) = self.share?;
        let until = at.plus(share.reset_ms.unwrap_or(SHARE_MS).min(SHARE_MS_MAX));
        (now < until).then_some((share, until))
    }

    /// The moment from which `cost` has room under all limits; not before `now`.
    fn opens(&self, cost: Cost, terms: Terms<'_>, now: Millis) -> Millis {
        if !terms.settings.enabled {
            return now;
        }
        let both = [(Kind::Requests, 1), (Kind::Tokens, cost.tokens)];
        let learned = both.map(|(kind, need)| self.guess(kind, now).map(|learned| learned.opens(need, now)));
        learned.into_iter().flatten().fold(self.opens_named(cost, terms, now), Millis::max)
    }

    /// The same under the limits that somebody has named.
    fn opens_named(&self, cost: Cost, terms: Terms<'_>, now: Millis) -> Millis {
        let requests = self.opens_one(Kind::Requests, 1, terms, now);
        let tokens = self.opens_one(Kind::Tokens, cost.tokens, terms, now);
        let share = self.share(now).filter(|(share, _)| share.left_permille == 0).map_or(now, |(_, until)| until);
        requests.max(tokens).max(share)
    }

    fn opens_one(&self, kind: Kind, need: u64, terms: Terms<'_>, now: Millis) -> Millis {
        let mut at = now;
        if let Some(bound) = terms.known.of(kind) {
            at = at.max(self.window.opens(kind, need, bound, now));
        }
        if let Some(told) = &self.limit(kind).told {
            at = at.max(told.opens(need, now));
        }
        at
    }

    /// The part of the tightest limit of a kind that is used, in thousandths, that limit, and who named it.
    fn used(&self, kind: Kind, terms: Terms<'_>, now: Millis) -> Option<(u32, u64, Source)> {
        let permille = |limit: u64| {
            let used = self.window.used(kind, now).saturating_mul(1000);
            u32::try_from(used / limit.max(1)).unwrap_or(u32::MAX)
        };
        let operator = terms.known.of(kind).map(|limit| (permille(limit), limit, Source::Operator));
        let told = self.limit(kind).told.map(|told| (told.used_permille(now), told.limit, Source::Header));
        let learned = self.learned(kind, now);
        let learned = learned.map(|(learned, limit)| (learned.used_permille(now), limit, Source::Learned));
        operator.into_iter().chain(told.or(learned)).max_by_key(|(used, ..)| *used)
    }

    /// The pause that spreads requests near a limit, in milliseconds.
    fn spread(&self, terms: Terms<'_>, now: Millis) -> u64 {
        let slow_at = terms.settings.slow_at_percent.clamp(1, 100) * 10;
        let both = [Kind::Requests, Kind::Tokens].into_iter().filter_map(|kind| self.used(kind, terms, now));
        let used = both.map(|(used, ..)| used.min(1000)).max().unwrap_or(0);
        if used < slow_at {
            return 0;
        }
        let (over, whole) = (u64::from(used - slow_at) + 1, u64::from(1000 - slow_at) + 1);
        terms.settings.pause_ms_max.saturating_mul(over) / whole
    }

    /// Whether at most half of every limit is used; where none is known, of the best minute so far.
    fn has_plenty(&self, terms: Terms<'_>, now: Millis) -> bool {
        let mut limits =
            [Kind::Requests, Kind::Tokens].into_iter().filter_map(|kind| self.used(kind, terms, now)).peekable();
        if limits.peek().is_some() {
            return limits.all(|(used, ..)| used <= PLENTY_PERMILLE);
        }
        self.window.used(Kind::Requests, now).saturating_mul(2) <= self.best_minute
    }

    fn view(&self, kind: Kind, terms: Terms<'_>, now: Millis) -> MeterView {
        let used = self.used(kind, terms, now);
        MeterView {
            limit: used.map(|(_, limit, _)| limit),
            source: used.map(|(.., source)| source),
            used_permille: used.map_or(0, |(used, ..)| used),
            last_minute: self.window.used(kind, now),
        }
    }
}
