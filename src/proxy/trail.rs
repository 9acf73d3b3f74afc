//! What was tried, for the request log. Noted where attempts end; nothing is formatted here.

use std::sync::Arc;
use std::time::Instant;

use super::ctx::Attempt;
use crate::config::{Account, Upstream};

/// Attempts that are noted: more than a request may have, those included that never were sent.
const TRIED_MAX: usize = 128;
/// The outcome of an attempt that served.
pub(super) const OK: &str = "ok";
/// The client left before its answer was whole.
pub(super) const LEFT: &str = "client_left";
/// Another account was faster.
pub(super) const OVERTAKEN: &str = "overtaken";
/// The provider refused the access token, and another one was fetched.
pub(super) const RENEWED: &str = "renewed";

/// One attempt that has ended.
pub(super) struct Tried {
    /// The account.
    pub(super) account: Arc<Account>,
    /// Where.
    pub upstream: Arc<Upstream>,
    /// The model in the provider's words.
    pub model: String,
    /// The provider's status; 0 if none came.
    pub status: u16,
    /// What came of it: a word of this module, or a reason of a failure.
    pub outcome: &'static str,
    /// What the provider said.
    pub message: Option<String>,
    /// When it began.
    pub started: Instant,
    /// When it ended.
    pub ended: Instant,
}

/// The attempts of one request, in order.
#[derive(Default)]
pub struct Trail(Vec<Tried>);

impl Trail {
    /// Notes the end of an attempt. What was said of it first counts.
    pub(super) fn note(&mut self, attempt: &Attempt, outcome: &'static str, message: Option<String>) {
        self.push(Tried {
            account: Arc::clone(&attempt.account),
            upstream: Arc::clone(&attempt.upstream),
            model: attempt.model.clone(),
            status: attempt.status,
            outcome,
            message,
            started: attempt.started,
            ended: Instant::now(),
        });
    }

    /// The same of one that has no [`Attempt`].
    pub(super) fn push(&mut self, tried: Tried) {
        let is_noted = self.0.iter().any(|known| known.started == tried.started);
        if !is_noted && self.0.len() < TRIED_MAX {
            self.0.push(tried);
        }
    }

    /// Takes over what another one has noted.
    pub(super) fn append(&mut self, other: Trail) {
        self.0.extend(other.0.into_iter().take(TRIED_MAX));
        self.0.sort_by_key(|tried| tried.started);
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Tried> {
        self.0.iter()
    }
}
