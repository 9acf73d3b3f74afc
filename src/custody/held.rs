//! The keepsakes of calls that one client knows by one id.

use std::sync::Arc;

use interlingua_filters::custody::Keepsake;

use crate::pool::Millis;

/// Conversations in which one client may have a call of the same id. Providers' ids are unique; those of some
/// compatible servers are counted from 0 in each answer.
const SAME_ID_MAX: usize = 4;

/// Keepsakes, the latest last.
#[derive(Debug, Default)]
pub(super) struct Held(Vec<One>);

#[derive(Debug)]
struct One {
    session: Option<u128>,
    keepsake: Arc<Keepsake>,
    used: Millis,
}

impl Held {
    /// Adds one; it takes the place of another of its conversation.
    pub(super) fn add(&mut self, session: Option<u128>, keepsake: Arc<Keepsake>, now: Millis) {
        self.0.retain(|one| one.session != session);
        if self.0.len() >= SAME_ID_MAX {
            self.0.remove(0);
        }
        self.0.push(One { session, keepsake, used: now });
    }

    /// That of the conversation, else the latest. Forgets the old ones.
    pub(super) fn find(&mut self, session: Option<u128>, now: Millis, ttl_ms: u64) -> Option<Arc<Keepsake>> {
        let at = self.0.iter().position(|one| one.session == session).or_else(|| self.0.len().checked_sub(1))?;
        let one = self.0.get_mut(at)?;
        if now.since(one.used) > ttl_ms {
            return None;
        }
        one.used = now;
        Some(Arc::clone(&one.keepsake))
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(|one| one.keepsake.bytes() + size_of::<One>()).sum()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
