//! What is learned of the accounts, kept through a restart, a crash and an upgrade.
//!
//! One SQLite file with one table of records: a kind, a key, a text, when it changed and when it ends. Whoever has
//! something to keep says it in these words, so a new kind needs no new table.
//!
//! - **Off the request path.** [`Durable::put`] changes a map in memory. A thread of its own ([`Writer`]) gathers what
//!   changed and writes it in batches; no other thread touches the file once the gateway serves.
//! - **Never in the way.** A file that cannot be read, written or understood costs the memory of the past and a line in
//!   the log, never a request and never a start. A damaged or foreign file is set aside, so that nothing is destroyed.
//! - **Two processes.** While an upgrade hands over, both write. A record is replaced by one that changed later, not by
//!   one that was written later, so removals leave a record without a value for a while.
//! - **A clock that jumps.** Stamps of one process never go back, and what comes from the future is taken for now.
//!
//! Nothing secret is kept in the records: session keys are hashes, accounts are names.
//!
//! In the same file stands what the operator enters by commands ([`desk`]): that is written before a command is answered,
//! and read when the configuration is.

mod accounts;
mod bindings;
pub mod desk;
mod diff;
mod durable;
mod file;
mod listed;
mod writer;

#[cfg(test)]
mod tests;

pub use accounts::Accounts;
pub use bindings::Bindings;
pub use desk::{Desk, DeskError};
pub use durable::Durable;
pub use listed::Listed;
pub use writer::{Source, Writer};

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A lock of an account.
    Cooldown,
    /// What else is learned of an account: paces, its breaker, a suspension.
    Account,
    /// Requests at a time for an upstream that said that it is overloaded.
    Ceiling,
    /// A conversation and its account.
    Affinity,
    /// An object at a provider and its account.
    Holder,
    /// Safe mode.
    SafeMode,
    /// A quota that a provider told.
    Quota,
    /// When a model of an account was warmed up.
    WarmUp,
    /// What a client has spent.
    Client,
}

impl Kind {
    /// All kinds with their names in the file.
    const NAMES: [(Kind, &str); 9] = [
        (Kind::Cooldown, "cooldown"),
        (Kind::Account, "account"),
        (Kind::Ceiling, "ceiling"),
        (Kind::Affinity, "affinity"),
        (Kind::Holder, "holder"),
        (Kind::SafeMode, "safe_mode"),
        (Kind::Quota, "quota"),
        (Kind::WarmUp, "warm_up"),
        (Kind::Client, "client"),
    ];

    /// The name in the file.
    fn name(self) -> &'static str {
        Kind::NAMES.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    fn parse(name: &str) -> Option<Kind> {
        Kind::NAMES.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

/// One record as it was found at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its name among those of its kind.
    pub key: String,
    /// What it says.
    pub value: String,
    /// When it last changed; not in the future. Milliseconds of the epoch.
    pub changed: u64,
}

/// One record as it is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it is about.
    pub kind: Kind,
    /// Its name among those of its kind.
    pub key: String,
    /// What it says; `None`: it is removed.
    pub value: Option<String>,
    /// For how many milliseconds it is worth keeping.
    pub keep_ms: u64,
}
