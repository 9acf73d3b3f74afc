//! What clients may, and what they have done of it: requests and tokens a minute, requests at a time, budgets of a day and
//! of a month.
//!
//! - **What is checked.** [`ClientState::admit`] looks at all limits under the client's own lock and takes of all or of
//!   none. Tokens are reserved as they are thought before; what a request has really used is booked on its [`Tab`] by each
//!   of its attempts, and the reservation is set right at its end.
//! - **What outlives what.** The state belongs to the client's id: it survives reloads, and also that the client is gone for
//!   a while, as far as it has spent something this month. Spending survives a restart; windows of a minute and requests at
//!   work do not.
//! - **Pure.** Time is an argument, and nothing is logged.

mod books;
mod client;
mod limits;
mod rate;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

pub use books::{Books, Period, Spent};
pub use client::{ClientState, Tab, Weight};
pub use limits::{Budget, Estimate, Gauge, Limit, Limits, Meter, Refusal, Status};

use crate::pool::Millis;

/// Clients that are not configured any more, and whose spending of this month is still known.
const GONE_MAX: usize = 10_000;

type States = HashMap<String, Arc<ClientState>>;

/// All clients by their ids. Finding one waits for nobody.
#[derive(Debug, Default)]
pub struct Clients {
    states: ArcSwap<States>,
    /// Held while the map is replaced.
    changing: Mutex<()>,
}

impl Clients {
    /// Takes over which clients are configured.
    pub fn follow<'a>(&self, ids: impl Iterator<Item = &'a str>, now: Millis) {
        let _changing = self.changing.lock();
        let old = self.states.load_full();
        let state = |id: &str| old.get(id).cloned().unwrap_or_default();
        let mut states: States = ids.map(|id| (id.to_owned(), state(id))).collect();
        let gone = old.iter().filter(|(id, _)| !states.contains_key(*id));
        let gone = gone.filter(|(_, state)| !state.is_idle() || state.books(now).is_some());
        let gone: Vec<_> = gone.take(GONE_MAX).map(|(id, state)| (id.clone(), Arc::clone(state))).collect();
        states.extend(gone);
        self.states.store(Arc::new(states));
    }

    /// The state of a client.
    pub fn state(&self, id: &str) -> Arc<ClientState> {
        if let Some(state) = self.states.load().get(id) {
            return Arc::clone(state);
        }
        // It was configured a moment ago.
        let _changing = self.changing.lock();
        let mut states = States::clone(&self.states.load());
        let state = Arc::clone(states.entry(id.to_owned()).or_default());
        self.states.store(Arc::new(states));
        state
    }

    /// What all clients have spent in this month, to be kept through a restart.
    pub fn export(&self, now: Millis) -> Vec<(String, Books)> {
        let states = self.states.load();
        states.iter().filter_map(|(id, state)| Some((id.clone(), state.books(now)?))).collect()
    }

    /// Puts back what was kept, once, before the first request. What is not of this month is left out.
    pub fn import(&self, stored: &[(String, Books)], now: Millis) {
        let _changing = self.changing.lock();
        let mut states = States::clone(&self.states.load());
        for (id, books) in stored.iter().filter(|(_, books)| books.month.end > now.0).take(GONE_MAX) {
            states.entry(id.clone()).or_default().restore(books, now);
        }
        self.states.store(Arc::new(states));
    }
}
