//! What differs between what is alive and what stands in the file.

use std::collections::{HashMap, HashSet};

use super::{Change, Kind};
use crate::pool::Millis;

/// How long a value without an end is kept when it does not change, in milliseconds: the account may be gone.
const KEEP_MS: u64 = 90 * 24 * 60 * 60 * 1000;

/// One value that is alive.
#[derive(Clone, Debug)]
pub(super) struct Live {
    pub(super) kind: Kind,
    pub(super) key: String,
    pub(super) value: String,
    /// When it ends by itself; `None`: it does not.
    pub(super) until: Option<Millis>,
}

/// What was written last.
#[derive(Debug, Default)]
pub(super) struct Written(HashMap<(Kind, String), (String, Option<Millis>)>);

impl Written {
    /// The changes that make the file say what is alive. What has ended by itself is not removed: it ends in the file
    /// by itself, too.
    pub(super) fn follow(&mut self, live: Vec<Live>, now: Millis) -> Vec<Change> {
        let mut changes = Vec::new();
        let alive: HashSet<(Kind, &str)> = live.iter().map(|one| (one.kind, one.key.as_str())).collect();
        self.0.retain(|(kind, key), (_, until)| {
            let stays = alive.contains(&(*kind, key.as_str()));
            if !stays && until.is_none_or(|until| until > now) {
                changes.push(Change { kind: *kind, key: key.clone(), value: None, keep_ms: 0 });
            }
            stays
        });
        for Live { kind, key, value, until } in live {
            let entry = (kind, key);
            if self.0.get(&entry).is_some_and(|(old, end)| *old == value && *end == until) {
                continue;
            }
            let keep_ms = until.map_or(KEEP_MS, |until| until.since(now));
            changes.push(Change { kind, key: entry.1.clone(), value: Some(value.clone()), keep_ms });
            self.0.insert(entry, (value, until));
        }
        changes
    }

    /// Forgets what was written.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(key: &str, value: &str, until: u64) -> Live {
        Live { kind: Kind::Cooldown, key: key.to_owned(), value: value.to_owned(), until: Some(Millis(until)) }
    }

    fn told(changes: Vec<Change>) -> Vec<(String, Option<String>, u64)> {
        changes.into_iter().map(|change| (change.key, change.value, change.keep_ms)).collect()
    }

    #[test]
    fn only_changes_are_told_and_what_ends_by_itself_is_none() {
        let mut written = Written::default();
        let (a, b) = (live("a", "1", 100), live("b", "1", 200));
        assert_eq!(written.follow(vec![a.clone(), b.clone()], Millis(10)).len(), 2);
        assert_eq!(told(written.follow(vec![a.clone(), b], Millis(20))), []);
        let changed = told(written.follow(vec![a, live("b", "2", 300)], Millis(20)));
        assert_eq!(changed, [("b".to_owned(), Some("2".to_owned()), 280)]);
        assert_eq!(told(written.follow(vec![], Millis(150))), [("b".to_owned(), None, 0)], "`a` has ended by itself");
        assert_eq!(told(written.follow(vec![], Millis(150))), []);
    }
}
