//! What differs between two looks.

use std::collections::HashMap;
use std::sync::Arc;

use super::event::{Change, Event, Hashed};
use crate::breaker::CircuitState;
use crate::config::{Account, Client, Config};
use crate::pool::Registry;
use crate::proxy::now;

/// Accounts and clients of a configuration.
#[derive(Clone)]
pub(super) struct Seen {
    accounts: HashMap<String, Arc<Account>>,
    clients: HashMap<String, Client>,
}

impl Seen {
    pub(super) fn of(config: &Config) -> Self {
        Seen {
            accounts: config.accounts.iter().map(|account| (account.id.clone(), Arc::clone(account))).collect(),
            clients: config.clients.iter().map(|client| (client.id.clone(), client.clone())).collect(),
        }
    }

    /// What `now` has otherwise, in the order of the names.
    pub(super) fn changes(&self, now: &Seen) -> Vec<Event> {
        let accounts = differing(&self.accounts, &now.accounts).into_iter();
        let accounts =
            accounts.map(|(id, change)| Event::Account { account: Hashed::account(id), change }).collect::<Vec<_>>();
        let clients = differing(&self.clients, &now.clients).into_iter();
        let clients = clients.map(|(id, change)| Event::Client { client: id.to_owned(), change });
        accounts.into_iter().chain(clients).collect()
    }
}

fn differing<'a, T: PartialEq>(before: &'a HashMap<String, T>, now: &'a HashMap<String, T>) -> Vec<(&'a str, Change)> {
    let gone = before.keys().filter(|id| !now.contains_key(*id)).map(|id| (id.as_str(), Change::Removed));
    let other = now.iter().filter_map(|(id, one)| match before.get(id) {
        None => Some((id.as_str(), Change::Added)),
        Some(known) if known != one => Some((id.as_str(), Change::Changed)),
        Some(_) => None,
    });
    let mut all: Vec<_> = gone.chain(other).collect();
    all.sort_by_key(|(id, _)| *id);
    all
}

/// The breakers of all accounts, as they were seen last.
pub struct Breakers {
    registry: Registry,
    open: HashMap<String, CircuitState>,
}

impl Breakers {
    /// As they stand now.
    pub fn new(registry: Registry) -> Self {
        let mut breakers = Breakers { registry, open: HashMap::new() };
        breakers.look();
        breakers
    }

    /// What has changed since the last look.
    pub fn look(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        let before = std::mem::take(&mut self.open);
        for account in self.registry.accounts() {
            let circuit = account.circuit(now());
            let known = before.get(account.id()).copied().unwrap_or_default();
            if circuit.state != known {
                let state = circuit.state.name().to_owned();
                let account = Hashed::account(account.id());
                events.push(Event::Breaker { account, state, failures: circuit.failures });
            }
            if circuit.state != CircuitState::Closed {
                self.open.insert(account.id().to_owned(), circuit.state);
            }
        }
        events
    }
}
