//! Looks whether upstreams that could not be reached can be reached again, so that their accounts are tried soon after
//! and not only when their breakers say so.
//!
//! - **Trip**: a request, or a look, that finds no connection: no address, refused, not in time, no TLS.
//! - **Look**: a connection is opened and closed, on a way that its accounts take: through their proxies, where they have any. Nothing is sent over it, least of all a credential. Also upstreams
//!   are looked at of which only a breaker is known to be open, as after a restart.
//! - **Recovery**: a connection, or any answer. Then one request at a time may try the accounts there.
//!
//! A breaker that is open although its upstream could be reached all along has opened for what the provider answers. That
//! there is a connection is no news there, and its rest holds.
//!
//! [`Health`] is pure: time is an argument. [`run`] opens the connections.

mod run;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use serde::Serialize;

pub(crate) use run::run;

use crate::limits::Transport;
use crate::pool::Millis;

/// What is known of the upstreams' reachability.
#[derive(Debug, Default)]
pub struct Health {
    /// Whether any is unreachable, so that good answers cost no lock.
    any: AtomicBool,
    inner: Mutex<BTreeMap<String, Trouble>>,
}

/// An upstream that cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Trouble {
    since: Millis,
    failed: u64,
    looked: Option<Millis>,
}

/// An upstream that cannot be reached, for people. Times are milliseconds of the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unreachable {
    /// The upstream.
    pub upstream: String,
    /// When that was first seen.
    pub since_ms: u64,
    /// How many requests and looks have failed since.
    pub failed: u64,
    /// When it was last looked at.
    pub looked_ms: Option<u64>,
}

impl Health {
    /// Whether a failure of this kind means that there is no connection to be had.
    pub fn is_unreachable(transport: Transport) -> bool {
        matches!(transport, Transport::Dns | Transport::Connect | Transport::Proxy | Transport::Tls)
    }

    /// No connection. `looked`: it was not a request that found out.
    pub fn failed(&self, upstream: &str, looked: bool, now: Millis) {
        let mut inner = self.inner.lock();
        let first = Trouble { since: now, failed: 0, looked: None };
        let trouble = inner.entry(upstream.to_owned()).or_insert(first);
        trouble.failed = trouble.failed.saturating_add(1);
        if looked {
            trouble.looked = Some(now);
        }
        self.any.store(true, Ordering::Relaxed);
    }

    /// A connection, or an answer. `true` if there was none before.
    pub fn reached(&self, upstream: &str) -> bool {
        if !self.any.load(Ordering::Relaxed) {
            return false;
        }
        let mut inner = self.inner.lock();
        let news = inner.remove(upstream).is_some();
        self.any.store(!inner.is_empty(), Ordering::Relaxed);
        news
    }

    /// The upstreams to look at: the unreachable ones, and those of `suspects`, each once. Others than `known` are
    /// forgotten.
    pub fn to_look_at(&self, suspects: &[&str], known: impl Fn(&str) -> bool) -> Vec<String> {
        let mut inner = self.inner.lock();
        inner.retain(|upstream, _| known(upstream));
        self.any.store(!inner.is_empty(), Ordering::Relaxed);
        let mut all: Vec<String> =
            inner.keys().map(String::as_str).chain(suspects.iter().copied()).map(str::to_owned).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The upstreams that cannot be reached.
    pub fn unreachable(&self) -> Vec<Unreachable> {
        let view = |(upstream, trouble): (&String, &Trouble)| Unreachable {
            upstream: upstream.clone(),
            since_ms: trouble.since.0,
            failed: trouble.failed,
            looked_ms: trouble.looked.map(|at| at.0),
        };
        self.inner.lock().iter().map(view).collect()
    }
}
