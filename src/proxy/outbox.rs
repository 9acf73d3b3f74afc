//! What goes down to the client, kept apart from what comes up from a provider.
//!
//! The response filters put bytes in, [`Replay`](super::replay::Replay) takes them out when Pingora writes. So nothing
//! of a provider's header or body reaches the client by itself, output survives a failed attempt in the same batch of
//! chunks, and header and first bytes leave in one write.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use parking_lot::Mutex;
use pingora::http::ResponseHeader;

use crate::hedging::{Race, Side};

/// Shared between the request's context and its downstream session.
#[derive(Debug, Default)]
pub struct Outbox(Mutex<State>, OnceLock<(Arc<Race>, Side)>);

#[derive(Debug, Default)]
struct State {
    header: Option<Box<ResponseHeader>>,
    body: Vec<u8>,
    committed: bool,
    ended: bool,
    patience: Option<Instant>,
    patience_over: bool,
    /// A copy of what the client sees, its most bytes, and how many there were.
    copy: Vec<u8>,
    copied_max: usize,
    appended: u64,
}

/// What is to be written now.
#[derive(Debug)]
pub struct Parcel {
    /// The response header, once, before any byte of the body.
    pub header: Option<Box<ResponseHeader>>,
    /// Bytes of the body; may be empty.
    pub body: Vec<u8>,
    /// Whether the body is complete with these bytes.
    pub end: bool,
}

impl Outbox {
    /// From now on it races with another one for the commit point. Once.
    pub fn enter(&self, race: &Arc<Race>, side: Side) {
        let _ = self.1.set((Arc::clone(race), side));
    }

    /// Whether it may be committed: there is no race, or it has won.
    pub fn may_commit(&self) -> bool {
        self.1.get().is_none_or(|(race, side)| race.wins(*side))
    }

    /// Whether the other one has won.
    pub fn lost_race(&self) -> bool {
        self.1.get().is_some_and(|(race, side)| race.is_lost(*side))
    }

    /// Waits until the other one has won; for ever without a race.
    pub async fn overtaken(&self) {
        match self.1.get() {
            Some((race, side)) => race.lost(*side).await,
            None => std::future::pending().await,
        }
    }

    /// From now on as many of the client's bytes are kept. Called before the first of them.
    pub fn keep(&self, bytes_max: usize) {
        self.0.lock().copied_max = bytes_max;
    }

    /// The beginning of what the client saw, and how long the whole was; `None` if nothing was to be kept.
    pub fn kept(&self) -> Option<(Vec<u8>, u64)> {
        let mut state = self.0.lock();
        (state.copied_max > 0 && state.appended > 0).then(|| (std::mem::take(&mut state.copy), state.appended))
    }

    /// The commit point: from now on `header` is the client's, and no other attempt may begin anew.
    pub fn commit(&self, header: Box<ResponseHeader>) {
        let mut state = self.0.lock();
        if !state.committed {
            state.committed = true;
            state.patience = None;
            state.header = Some(header);
        }
    }

    /// Whether the commit point has passed.
    pub fn committed(&self) -> bool {
        self.0.lock().committed
    }

    /// Adds bytes of the body; `body` is left empty with its capacity.
    pub fn append(&self, body: &mut Vec<u8>) {
        let mut state = self.0.lock();
        if state.copied_max > 0 {
            let room = state.copied_max.saturating_sub(state.copy.len()).min(body.len());
            state.copy.extend_from_slice(&body[..room]);
            state.appended += body.len() as u64;
        }
        if state.body.is_empty() {
            std::mem::swap(&mut state.body, body);
        } else {
            state.body.append(body);
        }
        body.clear();
    }

    /// The body is complete.
    pub fn end(&self) {
        self.0.lock().ended = true;
    }

    /// Whether the body is complete, written or not.
    pub fn ended(&self) -> bool {
        self.0.lock().ended
    }

    /// Until when the client's request may wait for its first content; `None` for as long as it takes.
    pub fn set_patience(&self, until: Option<Instant>) {
        let mut state = self.0.lock();
        state.patience = if state.committed { None } else { until };
        state.patience_over = false;
    }

    /// See [`Self::set_patience`].
    pub fn patience(&self) -> Option<Instant> {
        self.0.lock().patience
    }

    /// The wait for the first content was too long.
    pub fn give_up_patience(&self) {
        let mut state = self.0.lock();
        state.patience = None;
        state.patience_over = true;
    }

    /// Whether the wait was too long; asking resets it.
    pub fn take_patience_over(&self) -> bool {
        std::mem::take(&mut self.0.lock().patience_over)
    }

    /// Takes what is to be written; `None` when there is nothing, or nothing yet.
    pub fn take(&self) -> Option<Parcel> {
        let mut state = self.0.lock();
        if !state.committed || (state.header.is_none() && state.body.is_empty() && !state.ended) {
            return None;
        }
        Some(Parcel { header: state.header.take(), body: std::mem::take(&mut state.body), end: state.ended })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_before_the_commit() {
        let outbox = Outbox::default();
        outbox.append(&mut b"early".to_vec());
        assert!(outbox.take().is_none());
        outbox.commit(Box::new(ResponseHeader::build(200, None).unwrap()));
        let parcel = outbox.take().unwrap();
        assert!(parcel.header.is_some() && parcel.body == b"early" && !parcel.end);
        assert!(outbox.take().is_none());
    }

    #[test]
    fn the_first_header_stays() {
        let outbox = Outbox::default();
        outbox.commit(Box::new(ResponseHeader::build(200, None).unwrap()));
        outbox.commit(Box::new(ResponseHeader::build(500, None).unwrap()));
        assert_eq!(outbox.take().unwrap().header.unwrap().status, 200);
    }
}
