//! What is kept of paces through a restart.

use serde::{Deserialize, Serialize};

use super::told::{StoredTold, Told};
use super::window::{SLOTS_MAX, Slot};
use super::{Kind, LEARNED_MS_MAX, Learned, Limit, Pace, Paces};
use crate::pool::time::Millis;

/// One pace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredPace {
    /// The model family.
    pub family: String,
    /// Requests, as headers told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<StoredTold>,
    /// Tokens, as headers told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<StoredTold>,
    /// Learned requests a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learned_requests: Option<u64>,
    /// Learned tokens a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learned_tokens: Option<u64>,
    /// When the learned limits were last changed, in milliseconds of the epoch.
    pub learned_at: u64,
    /// What was used in the last minute.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub used: Vec<StoredSlot>,
}

/// What was used in one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredSlot {
    /// The second of the epoch.
    pub second: u64,
    /// Requests.
    pub requests: u64,
    /// Tokens.
    pub tokens: u64,
}

impl Paces {
    /// What is worth keeping, in order of the families.
    pub fn stored(&self, now: Millis) -> Vec<StoredPace> {
        let mut all: Vec<_> = self.families.iter().filter_map(|(family, pace)| pace.stored(family, now)).collect();
        all.sort_by(|a, b| a.family.cmp(&b.family));
        all
    }

    /// Puts back what was kept of families that have not been used since.
    pub fn restore(&mut self, stored: &[StoredPace], now: Millis) {
        for one in stored.iter().take(super::FAMILIES_MAX) {
            if !self.families.contains_key(&one.family) && !one.family.is_empty() {
                *self.family(&one.family, now) = Pace::restored(one, now);
            }
        }
    }
}

impl Pace {
    fn stored(&self, family: &str, now: Millis) -> Option<StoredPace> {
        let learned = |kind| self.learned(kind, now);
        let (requests, tokens) = (learned(Kind::Requests), learned(Kind::Tokens));
        let stored = StoredPace {
            family: family.to_owned(),
            requests: self.requests.told.map(|told| told.stored(now)),
            tokens: self.tokens.told.map(|told| told.stored(now)),
            learned_requests: requests.map(|(_, limit)| limit),
            learned_tokens: tokens.map(|(_, limit)| limit),
            learned_at: requests.into_iter().chain(tokens).map(|(learned, _)| learned.changed().0).max().unwrap_or(0),
            used: self
                .window
                .slots()
                .filter(|slot| slot.number.saturating_add(61).saturating_mul(1000) > now.0)
                .map(|slot| StoredSlot { second: slot.number, requests: slot.requests, tokens: slot.tokens })
                .collect(),
        };
        let empty = StoredPace { family: family.to_owned(), ..StoredPace::default() };
        (stored != empty).then_some(stored)
    }

    fn restored(stored: &StoredPace, now: Millis) -> Self {
        let at = Millis(stored.learned_at).min(now);
        let learned = |limit: Option<u64>| {
            let limit = limit.filter(|limit| *limit > 0 && now.since(at) < LEARNED_MS_MAX);
            limit.map_or_else(Learned::default, |limit| Learned::restored(limit, at, now))
        };
        let limit = |told: Option<&StoredTold>, limit: Option<u64>| {
            let told = told.and_then(|told| Told::restored(told, now));
            let learned = if told.is_none() { learned(limit) } else { Learned::default() };
            Limit { told, learned, ..Limit::default() }
        };
        let mut pace = Pace {
            requests: limit(stored.requests.as_ref(), stored.learned_requests),
            tokens: limit(stored.tokens.as_ref(), stored.learned_tokens),
            by_tokens: stored.learned_requests.is_none() && stored.learned_tokens.is_some(),
            last_used: now,
            ..Pace::default()
        };
        for slot in stored.used.iter().take(SLOTS_MAX) {
            // Nothing counts from the future.
            let number = slot.second.min(now.0 / 1000);
            pace.window.put(Slot { number, requests: slot.requests, tokens: slot.tokens });
        }
        pace.window.advance(now);
        pace
    }
}
