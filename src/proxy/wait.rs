//! Waiting in line for an account: the async side of [`super::queue`]. A client that leaves drops its [`Turn`], and with it
//! its place.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::clock::now;
use super::gateway::Gateway;
pub(super) use super::queue::number;
use super::queue::{self, Entered, Stand, Turned};
use crate::pool::{Ask, Lease, Millis, Unavailable};

/// All lines of the process.
pub(super) type Queue = queue::Queue<Arc<Notify>>;

/// How a request waits.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// Until when, at most: by a clock that nobody sets.
    pub(super) until: Instant,
    /// How long it may wait in all when it comes again.
    pub(super) whole: Duration,
    /// Whether also for accounts that rest or are at a limit; else for slots alone.
    pub(super) timed: bool,
    /// The request's place in the order of arrival ([`queue::Queue::arrive`]).
    pub(super) arrival: u64,
    /// Stands for the model.
    pub(super) model: u64,
}

/// A place in a line, given back when dropped.
struct Turn<'g> {
    gateway: &'g Gateway,
    stand: Stand,
    wake: Arc<Notify>,
    since: Instant,
    result: &'static str,
}

impl Queue {
    /// A slot was given back, or an account opened.
    pub(super) fn released(&self) {
        for first in self.firsts() {
            first.notify_one();
        }
    }
}

/// Selects; waits in line where that helps within the patience.
///
/// # Errors
/// Why there is none; `soonest` counts those who wait before this request.
pub(super) async fn lease(gateway: &Gateway, ask: &Ask<'_>, patience: Patience) -> Result<Lease, Unavailable> {
    let (queue, registry, wake, at) = (&gateway.queue, &gateway.registry, Arc::new(Notify::new()), now());
    let stand = match queue.enter(registry, ask, &patience.at(at), Arc::clone(&wake), at) {
        Entered::Served(lease) => return Ok(lease),
        Entered::Refused(why) => return Err(why),
        Entered::Stands(stand) => stand,
    };
    let mut turn = Turn { gateway, stand, wake, since: Instant::now(), result: "left" };
    let mut timer = false;
    loop {
        let at = now();
        match queue.turn(registry, ask, &patience.at(at), &mut turn.stand, timer, at) {
            Turned::Served(lease) => {
                turn.result = "served";
                return Ok(lease);
            }
            Turned::Refused(why) => {
                turn.result = "refused";
                return Err(why);
            }
            Turned::Waits(until, next) => {
                if let Some(next) = next {
                    next.notify_one();
                }
                let wait = Duration::from_millis(until.since(at));
                timer = tokio::time::timeout(wait, turn.wake.notified()).await.is_err();
            }
        }
    }
}

impl Patience {
    /// The same by the calendar, as it is now.
    fn at(&self, now: Millis) -> queue::Patience {
        let left = self.until.saturating_duration_since(Instant::now());
        let until = now.plus(u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        let whole_ms = u64::try_from(self.whole.as_millis()).unwrap_or(u64::MAX);
        queue::Patience { until, whole_ms, timed: self.timed, arrival: self.arrival, model: self.model }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let served = (self.result == "served").then(now);
        if let Some(next) = self.gateway.queue.leave(&self.stand, served) {
            next.notify_one();
        }
        let waited = self.since.elapsed().as_secs_f64();
        self.gateway.metrics.waited.with_label_values(&[self.result]).observe(waited);
    }
}
