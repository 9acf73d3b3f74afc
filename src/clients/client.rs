//! The live state of one client, and the tab of one of its requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::books::{Books, Spent};
use super::limits::{Budget, Estimate, Gauge, Limit, Limits, Meter, Refusal, Status};
use super::rate::{Rate, Taken};
use crate::pool::Millis;

/// How long to wait where it is not known when another request ends, in milliseconds.
const SOON_MS: u64 = 1000;

/// One client. Its lock is its own: clients do not wait for one another.
#[derive(Debug, Default)]
pub struct ClientState(Mutex<Live>);

#[derive(Debug, Default)]
struct Live {
    requests: Rate,
    tokens: Rate,
    in_flight: u32,
    in_flight_max: u32,
    /// Of those at work, how many have their answers.
    ending: u32,
    /// What requests at work are thought to take.
    reserved: Estimate,
    books: Books,
}

/// What a request counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    /// What it is thought to take.
    pub estimate: Estimate,
    /// Whether it takes one of the places for requests at work.
    pub slot: bool,
}

impl ClientState {
    /// Lets a request in, or says which limit is in its way. A request that is refused takes nothing.
    ///
    /// A budget is open as long as anything of it is left that no request at work has reserved; the request that reaches its
    /// end is served. So it is passed by one request at most, and by what those at work were thought too small.
    ///
    /// # Errors
    /// The limit that ends last.
    pub fn admit(self: &Arc<Self>, limits: &Limits, weight: Weight, now: Millis) -> Result<Tab, Refusal> {
        let mut live = self.0.lock();
        live.books.turn(now);
        live.check(limits, weight, now)?;
        let Weight { estimate, slot } = weight;
        let taken = limits.tokens_per_minute.map(|limit| live.tokens.take(estimate.tokens, limit, now));
        if let Some(limit) = limits.requests_per_minute {
            live.requests.take(1, limit, now);
        }
        live.reserved.tokens = live.reserved.tokens.saturating_add(estimate.tokens);
        live.reserved.microusd = live.reserved.microusd.saturating_add(estimate.microusd);
        live.books.add(Spent { requests: 1, ..Spent::default() }, now);
        if slot {
            live.in_flight += 1;
            live.in_flight_max = live.in_flight_max.max(live.in_flight);
        }
        let meter = limits.requests_per_minute.map(|limit| meter(live.requests, limit, now));
        Ok(Tab {
            client: Arc::clone(self),
            meter,
            estimate,
            taken,
            used: AtomicU64::new(0),
            slot,
            ends: AtomicBool::new(false),
            reserves: AtomicBool::new(true),
        })
    }

    /// What it does and has spent.
    pub fn status(&self, limits: &Limits, now: Millis) -> Status {
        let mut live = self.0.lock();
        live.books.turn(now);
        Status {
            in_flight: live.in_flight,
            in_flight_max: live.in_flight_max,
            requests: limits.requests_per_minute.map(|limit| meter(live.requests, limit, now)),
            tokens: limits.tokens_per_minute.map(|limit| meter(live.tokens, limit, now)),
            today: live.books.day.spent,
            this_month: live.books.month.spent,
            budgets: live.gauges(limits).flatten().collect(),
        }
    }

    /// Where it stands with its requests a minute.
    pub fn meter(&self, limits: &Limits, now: Millis) -> Option<Meter> {
        limits.requests_per_minute.map(|limit| meter(self.0.lock().requests, limit, now))
    }

    /// What it has spent, if anything.
    pub(super) fn books(&self, now: Millis) -> Option<Books> {
        let mut live = self.0.lock();
        live.books.turn(now);
        (live.books.month.spent != Spent::default()).then_some(live.books)
    }

    /// Takes over what it had spent before a restart.
    pub(super) fn restore(&self, stored: &Books, now: Millis) {
        self.0.lock().books.restore(stored, now);
    }

    /// Whether no request of it is at work.
    pub(super) fn is_idle(&self) -> bool {
        self.0.lock().in_flight == 0
    }
}

impl Live {
    fn check(&self, limits: &Limits, weight: Weight, now: Millis) -> Result<(), Refusal> {
        let refusal =
            |limit, allowed, used, wait_ms| Refusal { limit, allowed, used, used_up: false, ending: false, wait_ms };
        let budgets = self.gauges(limits).flatten().filter_map(|Gauge { limit, allowed, used, renewed }| {
            let reserved = if limit.is_usd() { self.reserved.microusd } else { self.reserved.tokens };
            if used >= allowed {
                let wait_ms = renewed.saturating_sub(now.0);
                return Some(Refusal { used_up: true, ..refusal(limit, allowed, used, wait_ms) });
            }
            (used.saturating_add(reserved) >= allowed).then(|| refusal(limit, allowed, used, SOON_MS))
        });
        let rates = [
            (Limit::Requests, &self.requests, limits.requests_per_minute, 1),
            (Limit::Tokens, &self.tokens, limits.tokens_per_minute, weight.estimate.tokens),
        ];
        let waits = rates.into_iter().filter_map(|(limit, rate, allowed, cost)| {
            let allowed = allowed?;
            let wait_ms = rate.wait_ms(cost, allowed, now);
            (wait_ms > 0).then(|| refusal(limit, allowed, cost, wait_ms))
        });
        let full = limits.concurrency.filter(|limit| weight.slot && self.in_flight >= *limit);
        let full = full.map(|limit| Refusal {
            ending: self.ending > 0,
            ..refusal(Limit::Concurrency, limit.into(), self.in_flight.into(), SOON_MS)
        });
        let longest = budgets.chain(waits).chain(full).max_by_key(|refusal| refusal.wait_ms);
        longest.map_or(Ok(()), Err)
    }

    fn gauges(&self, limits: &Limits) -> impl Iterator<Item = Option<Gauge>> + use<> {
        let Books { day, month } = self.books;
        let gauges = |period: super::books::Period, budget: Budget, tokens: Limit, usd: Limit| {
            let gauge = |limit, used, allowed: Option<u64>| {
                allowed.map(|allowed| Gauge { limit, allowed, used, renewed: period.end })
            };
            [gauge(tokens, period.spent.tokens, budget.tokens), gauge(usd, period.spent.microusd, budget.microusd)]
        };
        let monthly = gauges(month, limits.monthly, Limit::MonthlyTokens, Limit::MonthlyUsd);
        let daily = gauges(day, limits.daily, Limit::DailyTokens, Limit::DailyUsd);
        monthly.into_iter().chain(daily)
    }
}

fn meter(rate: Rate, limit: u64, now: Millis) -> Meter {
    Meter { limit, left: rate.left(limit, now), whole_in_ms: rate.whole_in_ms(now) }
}

/// What one request takes of its client's limits. All of its attempts write on it. Dropped, it gives back what was reserved
/// and its place; only the tokens of its minute stay taken as thought if it was not [settled](Tab::settle).
#[derive(Debug)]
pub struct Tab {
    client: Arc<ClientState>,
    meter: Option<Meter>,
    estimate: Estimate,
    /// Of the tokens a minute.
    taken: Option<Taken>,
    /// Tokens of all attempts so far.
    used: AtomicU64,
    /// Whether it has a place that is to be given back.
    slot: bool,
    /// Whether its answer has its end.
    ends: AtomicBool,
    /// Whether its reservation is to be given back.
    reserves: AtomicBool,
}

impl Tab {
    /// Where the client stood when the request was let in.
    pub fn meter(&self) -> Option<Meter> {
        self.meter
    }

    /// Books what an attempt has used: at once, also if the request goes on or its client has left.
    pub fn spend(&self, spent: Spent, now: Millis) {
        let mut live = self.client.0.lock();
        live.books.add(Spent { requests: 0, ..spent }, now);
        if self.reserves.load(Ordering::Relaxed) {
            self.used.fetch_add(spent.tokens, Ordering::Relaxed);
        } else if let Some(taken) = self.taken {
            // The loser of two hedged requests comes late.
            live.tokens.settle(taken.nothing(), spent.tokens, now);
        }
    }

    /// The answer has its end: the place is free in a moment, and the client's next request may come before that.
    pub fn ends(&self) {
        if self.slot && !self.ends.swap(true, Ordering::Relaxed) {
            self.client.0.lock().ending += 1;
        }
    }

    /// The request has ended: what was reserved is set right by what was used.
    pub fn settle(&self, now: Millis) {
        if self.unreserve()
            && let Some(taken) = self.taken
        {
            self.client.0.lock().tokens.settle(taken, self.used.load(Ordering::Relaxed), now);
        }
    }

    fn unreserve(&self) -> bool {
        let mut live = self.client.0.lock();
        // Under the lock, so that what is spent meanwhile is either in `used` or taken by itself.
        let reserves = self.reserves.swap(false, Ordering::Relaxed);
        if reserves {
            live.reserved.tokens = live.reserved.tokens.saturating_sub(self.estimate.tokens);
            live.reserved.microusd = live.reserved.microusd.saturating_sub(self.estimate.microusd);
        }
        reserves
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        self.unreserve();
        if self.slot {
            let mut live = self.client.0.lock();
            live.in_flight = live.in_flight.saturating_sub(1);
            let ended = u32::from(self.ends.load(Ordering::Relaxed));
            live.ending = live.ending.saturating_sub(ended);
        }
    }
}
