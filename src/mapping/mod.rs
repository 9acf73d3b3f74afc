//! Names of models that stand for others, shared by several gateways: entries of which the last written wins.
//!
//! ```text
//! name ── {target, updated_at, deleted} ──▶ merge: the later wins, of two at one moment the one that is greater as a text,
//!                                           and of two alike the deleted one
//! ```
//!
//! A removed name stays as a tombstone, so that a gateway that has not heard of it does not bring it back. Tombstones are
//! collected after [`TOMBSTONE_KEPT_MS`]. Two things keep a removed name away however long two gateways were out of reach
//! of each other: one that has another to sync with keeps a tombstone until the other has it, too; and it remembers what
//! both had when they last met ([`Replica`]), so what the other has no more since then was removed there.
//!
//! Pure, but for `keeper.rs` and `sync.rs`: the moment is an argument. Clocks may differ: whoever changes an entry writes a moment after that of the entry.

pub(crate) mod keeper;
pub(crate) mod sync;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::pool::Millis;
use crate::routing::{MODEL_BYTES_MAX, Pattern, Template};

/// How long a removed name is remembered by itself, in milliseconds: 30 days.
pub const TOMBSTONE_KEPT_MS: u64 = 30 * 24 * 60 * 60 * 1000;
/// Most names, removed ones included.
pub const ENTRIES_MAX: usize = 10_000;
/// How far another clock may be ahead, in milliseconds: a day. What is later is not taken before its time has come.
pub const AHEAD_MS_MAX: u64 = 24 * 60 * 60 * 1000;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Mapping)]
pub struct Entry {
    /// When it was written, in milliseconds of the epoch.
    pub updated_at: u64,
    /// The model that it stands for, as a client would name it; `{1}` is what the first `*` of the name stands for.
    pub target: String,
    /// Whether it was removed.
    #[serde(default)]
    pub deleted: bool,
}

/// All names of one gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Mappings {
    /// By name: of a model as clients say it, or a pattern with `*`.
    pub entries: BTreeMap<String, Entry>,
}

/// Why an entry cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// The name is no pattern.
    #[error("'{0}' is no name of a model: {1}")]
    Name(String, String),
    /// The target is no name.
    #[error("'{0}' is no target: {1}")]
    Target(String, String),
    /// There are too many.
    #[error("there are {ENTRIES_MAX} mappings already; remove some first")]
    Full,
}

impl Mappings {
    /// Sets what a name stands for.
    ///
    /// # Errors
    /// If one of them is no name, or there are too many.
    pub fn set(&mut self, name: &str, target: &str, now: Millis) -> Result<(), MappingError> {
        check(name, target)?;
        if self.entries.len() >= ENTRIES_MAX && !self.entries.contains_key(name) {
            return Err(MappingError::Full);
        }
        let updated_at = self.moment(name, now);
        self.entries.insert(name.to_owned(), Entry { updated_at, target: target.to_owned(), deleted: false });
        Ok(())
    }

    /// Removes a name. `false` if it stands for nothing.
    pub fn remove(&mut self, name: &str, now: Millis) -> bool {
        let updated_at = self.moment(name, now);
        match self.entries.get_mut(name).filter(|entry| !entry.deleted) {
            Some(entry) => {
                *entry = Entry { updated_at, target: std::mem::take(&mut entry.target), deleted: true };
                true
            }
            None => false,
        }
    }

    /// A moment after that of the entry, whatever the clock says.
    fn moment(&self, name: &str, now: Millis) -> u64 {
        self.entries.get(name).map_or(now.0, |before| now.0.max(before.updated_at.saturating_add(1)))
    }

    /// Takes what another gateway has. `true` if anything is another than before.
    pub fn merge(&mut self, other: &Mappings) -> bool {
        let mut changed = false;
        for (name, theirs) in &other.entries {
            let ours = self.entries.get(name);
            if ours.is_none_or(|ours| ours < theirs) {
                self.entries.insert(name.clone(), theirs.clone());
                changed = true;
            }
        }
        changed
    }

    /// What can be taken of another gateway's names now, and the names of those that come from too far in the future.
    ///
    /// # Errors
    /// If one is no name, or there are too many.
    pub fn checked(mut self, now: Millis) -> Result<(Self, Vec<String>), MappingError> {
        if self.entries.len() > ENTRIES_MAX {
            return Err(MappingError::Full);
        }
        let latest = now.0.saturating_add(AHEAD_MS_MAX);
        let mut early = Vec::new();
        for (name, entry) in &self.entries {
            check(name, &entry.target)?;
            if entry.updated_at > latest {
                early.push(name.clone());
            }
        }
        self.entries.retain(|_, entry| entry.updated_at <= latest);
        Ok((self, early))
    }

    /// The names that stand for something.
    pub fn alive(&self) -> impl Iterator<Item = (&str, &str)> {
        let alive = self.entries.iter().filter(|(_, entry)| !entry.deleted);
        alive.map(|(name, entry)| (name.as_str(), entry.target.as_str()))
    }
}

/// The names of a gateway that syncs with another one, and what both had when they last met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replica {
    /// Its names.
    pub mappings: Mappings,
    /// The moment of each entry that both had.
    pub common: BTreeMap<String, u64>,
}

impl Replica {
    /// First half of a meeting: takes what the other has, and lets go what was removed and collected there since both had
    /// it. What is here then is to be told to the other. `true` if anything is another than before.
    pub fn hear(&mut self, theirs: &Mappings) -> bool {
        let common = &self.common;
        let before = self.mappings.entries.len();
        self.mappings.entries.retain(|name, entry| {
            theirs.entries.contains_key(name) || common.get(name).is_none_or(|at| *at != entry.updated_at)
        });
        let let_go = self.mappings.entries.len() != before;
        self.mappings.merge(theirs) || let_go
    }

    /// Second half: what the other has after it was told. `true` if anything is another than before.
    pub fn met(&mut self, theirs: &Mappings) -> bool {
        let changed = self.mappings.merge(theirs);
        let ours = &self.mappings.entries;
        let both = theirs.entries.iter().filter(|(name, entry)| ours.get(*name) == Some(entry));
        self.common = both.map(|(name, entry)| (name.clone(), entry.updated_at)).collect();
        changed
    }

    /// Forgets names that were removed long enough ago; with another gateway to sync with (`syncs`) only those of which it
    /// has heard. Gives their names.
    pub fn collect(&mut self, now: Millis, syncs: bool) -> Vec<String> {
        let old = now.0.saturating_sub(TOMBSTONE_KEPT_MS);
        let common = &self.common;
        let is_gone = |name: &String, entry: &Entry| {
            entry.deleted && entry.updated_at <= old && (!syncs || common.get(name) == Some(&entry.updated_at))
        };
        let gone: Vec<String> = self
            .mappings
            .entries
            .iter()
            .filter(|(name, entry)| is_gone(name, entry))
            .map(|(name, _)| name.clone())
            .collect();
        for name in &gone {
            self.mappings.entries.remove(name);
            self.common.remove(name);
        }
        gone
    }
}

fn check(name: &str, target: &str) -> Result<(), MappingError> {
    let no_name = |why: String| MappingError::Name(name.to_owned(), why);
    let no_target = |why: String| MappingError::Target(target.to_owned(), why);
    if name.len() > MODEL_BYTES_MAX {
        return Err(no_name(format!("it is longer than {MODEL_BYTES_MAX} bytes")));
    }
    if target.len() > MODEL_BYTES_MAX {
        return Err(no_target(format!("it is longer than {MODEL_BYTES_MAX} bytes")));
    }
    let pattern = Pattern::parse(name).map_err(|error| no_name(error.to_string()))?;
    if target.is_empty() || target.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(no_target("it is empty, or holds white space or a control character".to_owned()));
    }
    Template::parse(target, pattern.wildcards()).map(drop).map_err(|error| no_target(error.to_string()))
}
