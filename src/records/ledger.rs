//! Sums of what was used, by whom and where.

use std::collections::{HashMap, HashSet};

use super::entry::{Entry, Tokens};

/// Milliseconds of an hour: the finest grain of the ledger.
const HOUR_MS: u64 = 3_600_000;
/// Models by the clients' names that are told apart on one day: a client can make names up.
const MODELS_MAX: usize = 1_000;
/// Longest name of a model that is kept, in bytes.
const NAME_BYTES_MAX: usize = 128;
/// Sums that wait for the disk, at most. Beyond them clients' names of models are not told apart.
const WAITING_MAX: usize = 50_000;
/// What stands for the models that are not told apart.
pub const OTHER: &str = "(other)";
/// What stands for the client of the gateway's own small requests.
pub const WARM_UP: &str = "(warm-up)";

/// What is summed by. Empty texts: there was none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Key {
    /// Hours since the epoch.
    pub hour: u64,
    /// Who called.
    pub client: String,
    /// The model as the client named it.
    pub model: String,
    /// The model in the provider's words.
    pub served_model: String,
    /// The upstream.
    pub upstream: String,
    /// The account.
    pub account: String,
}

/// The sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Requests that ended there.
    pub requests: u64,
    /// Of these, the ones that were not answered well.
    pub errors: u64,
    /// Attempts.
    pub attempts: u64,
    /// Tokens.
    pub tokens: Tokens,
    /// Money, in millionths of a US dollar.
    pub microusd: u64,
    /// Attempts that used tokens without a price.
    pub unpriced: u64,
}

impl Sums {
    pub(super) fn add(&mut self, other: &Sums) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.attempts += other.attempts;
        self.tokens += other.tokens;
        self.microusd = self.microusd.saturating_add(other.microusd);
        self.unpriced += other.unpriced;
    }
}

/// What a request adds: the request itself where it ended, and each attempt where it was made.
pub(super) fn of(entry: &Entry) -> Vec<(Key, Sums)> {
    let ended_ms = entry.at_ms.saturating_add(entry.total_ms);
    let model = cut(entry.model.as_deref().unwrap_or_default());
    let key = |served: &str, upstream: &str, account: &str| Key {
        hour: ended_ms / HOUR_MS,
        client: entry.client.clone().unwrap_or_default(),
        model: model.to_owned(),
        served_model: cut(served).to_owned(),
        upstream: upstream.to_owned(),
        account: account.to_owned(),
    };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let ended = key(&text(&entry.served_model), &text(&entry.upstream), &text(&entry.account));
    let errors = u64::from(entry.error.is_some() || entry.status >= 400);
    let mut all = Vec::with_capacity(entry.attempts.len() + 1);
    all.push((ended, Sums { requests: 1, errors, ..Sums::default() }));
    for tried in &entry.attempts {
        let sums = Sums {
            attempts: 1,
            tokens: tried.tokens,
            microusd: tried.microusd.unwrap_or(0),
            unpriced: u64::from(!tried.tokens.is_none() && tried.microusd.is_none()),
            ..Sums::default()
        };
        all.push((key(&tried.model, &tried.upstream, &tried.account), sums));
    }
    all
}

/// Sums that wait for the disk.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    sums: HashMap<Key, Sums>,
    /// The day that `models` is about, and the names that were told apart on it.
    day: u64,
    models: HashSet<String>,
}

impl Ledger {
    pub(super) fn add(&mut self, usage: impl IntoIterator<Item = (Key, Sums)>) {
        for (mut key, sums) in usage {
            if key.hour / 24 != self.day {
                self.day = key.hour / 24;
                self.models.clear();
            }
            if !self.models.contains(&key.model) {
                if self.models.len() < MODELS_MAX {
                    self.models.insert(key.model.clone());
                } else {
                    OTHER.clone_into(&mut key.model);
                }
            }
            if self.sums.len() >= WAITING_MAX && !self.sums.contains_key(&key) {
                OTHER.clone_into(&mut key.model);
                OTHER.clone_into(&mut key.served_model);
                key.hour -= key.hour % 24;
            }
            self.sums.entry(key).or_default().add(&sums);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sums.is_empty()
    }

    pub(super) fn take(&mut self) -> HashMap<Key, Sums> {
        std::mem::take(&mut self.sums)
    }
}

fn cut(name: &str) -> &str {
    let end = name.floor_char_boundary(NAME_BYTES_MAX.min(name.len()));
    name.get(..end).unwrap_or_default()
}
