//! Warm-up: small requests that start the windows of quotas which run from their first use.
//!
//! A window of five hours that begins when the first work of the day comes is a window that ends in the middle of the
//! work. Started before, it is renewed sooner. Each warm-up spends some tokens, so it is off by default, and bounded: one
//! request of each account and model in the time of `cooldown`, whatever came of restarts in between.
//!
//! - [`WarmUps`]: what was sent, and who is due. Pure: time is an argument.
//! - [`run`]: looks who is due, and has it sent as any request is ([`Gateway::warm_up`]).

mod run;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(crate) use run::run;

#[cfg(doc)]
use crate::proxy::Gateway;

use crate::pool::Millis;

/// Warm-ups that are remembered for people to read.
pub const HISTORY_MAX: usize = 500;
/// Pairs of account and model whose last warm-up is remembered.
const LAST_MAX: usize = 20_000;

/// One warm-up. Times are milliseconds of the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WarmUp {
    /// The account.
    pub account: String,
    /// The model.
    pub model: String,
    /// When it was sent.
    pub at_ms: u64,
    /// How long it took.
    pub took_ms: u64,
    /// `ok`, or the reason of the failure.
    pub result: String,
}

/// When an account and model had their last warm-up that went well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastWarmUp {
    /// The account.
    pub account: String,
    /// The model.
    pub model: String,
    /// When it was sent, in milliseconds of the Unix epoch.
    pub at_ms: u64,
}

/// What the store keeps, and what people read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredWarmUps {
    /// The last ones, oldest first; at most [`HISTORY_MAX`].
    pub history: Vec<WarmUp>,
    /// What `cooldown` is counted from.
    pub last: Vec<LastWarmUp>,
}

/// Account and model.
type Pair = (String, String);

/// What was sent, and what is under way.
#[derive(Debug, Default)]
pub struct WarmUps {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    last: BTreeMap<Pair, Millis>,
    under_way: BTreeSet<Pair>,
    history: VecDeque<WarmUp>,
}

impl WarmUps {
    /// Begins the warm-up of an account and model, unless one is under way or went well less than `cooldown_ms` ago.
    /// What is begun must be [ended](Self::end).
    pub fn begin(&self, account: &str, model: &str, cooldown_ms: u64, now: Millis) -> bool {
        let pair = (account.to_owned(), model.to_owned());
        let mut inner = self.inner.lock();
        // A clock that was set back does not stop warm-ups for ever.
        let fresh = |last: &Millis| *last <= now && now.since(*last) < cooldown_ms;
        if inner.last.get(&pair).is_some_and(fresh) {
            return false;
        }
        inner.under_way.insert(pair)
    }

    /// A warm-up that was begun at `at` has ended. `None`: it was not sent. One that failed may be tried at the next look.
    pub fn end(&self, account: &str, model: &str, at: Millis, result: Option<&str>, now: Millis) {
        let pair = (account.to_owned(), model.to_owned());
        let mut inner = self.inner.lock();
        inner.under_way.remove(&pair);
        let Some(result) = result else { return };
        inner.push(WarmUp {
            account: account.to_owned(),
            model: model.to_owned(),
            at_ms: at.0,
            took_ms: now.since(at),
            result: result.to_owned(),
        });
        if result == OK {
            inner.note(pair, at);
        }
    }

    /// What was sent, for the store and for people.
    pub fn export(&self) -> StoredWarmUps {
        let inner = self.inner.lock();
        let last = inner.last.iter().map(|((account, model), at)| LastWarmUp {
            account: account.clone(),
            model: model.clone(),
            at_ms: at.0,
        });
        StoredWarmUps { history: inner.history.iter().cloned().collect(), last: last.collect() }
    }

    /// Puts back what the store kept, before what was sent since.
    pub fn import(&self, stored: &StoredWarmUps) {
        let mut inner = self.inner.lock();
        let since = std::mem::take(&mut inner.history);
        for entry in stored.history.iter().cloned().chain(since) {
            inner.push(entry);
        }
        for last in &stored.last {
            inner.note((last.account.clone(), last.model.clone()), Millis(last.at_ms));
        }
    }
}

/// The result of one that went well.
pub const OK: &str = "ok";

impl Inner {
    fn push(&mut self, entry: WarmUp) {
        if self.history.len() >= HISTORY_MAX {
            self.history.pop_front();
        }
        self.history.push_back(entry);
    }

    /// The later of two counts; of too many the oldest goes.
    fn note(&mut self, pair: Pair, at: Millis) {
        let last = self.last.entry(pair).or_insert(at);
        *last = at.max(*last);
        if self.last.len() > LAST_MAX {
            let oldest = self.last.iter().min_by_key(|(_, at)| **at).map(|(pair, _)| pair.clone());
            if let Some(oldest) = oldest {
                self.last.remove(&oldest);
            }
        }
    }
}
