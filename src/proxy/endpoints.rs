//! The addresses behind an upstream's host name.
//!
//! Pingora's load balancer holds them: it spreads connections over all addresses of the name and looks the name up again
//! in the background. Accounts are not its business: to it, two accounts on one address are one backend.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::Result;
use pingora::{Error, ErrorType};
use pingora_load_balancing::discovery::ServiceDiscovery;
use pingora_load_balancing::selection::RoundRobin;
use pingora_load_balancing::{Backend, Backends, LoadBalancer};

/// How long an answer of the name service is used before it is asked again.
const FRESH_FOR: Duration = Duration::from_secs(30);
/// Addresses of one name that are tried, per choice.
const ADDRESSES_MAX: usize = 64;

/// Host names that were asked for, with their addresses.
#[derive(Default)]
pub(super) struct Endpoints(Mutex<HashMap<(String, u16), Arc<Endpoint>>>);

struct Endpoint {
    balancer: LoadBalancer<RoundRobin>,
    /// When the name was last looked up; held while it is, so that many requests ask once.
    looked_up: tokio::sync::Mutex<Option<Instant>>,
}

/// Looks a name up at the system's resolver, off the worker threads.
struct Lookup {
    host: String,
    port: u16,
}

#[async_trait]
impl ServiceDiscovery for Lookup {
    async fn discover(&self) -> Result<(BTreeSet<Backend>, HashMap<u64, bool>)> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await.map_err(|error| {
            Error::because(ErrorType::ConnectError, format!("cannot look up '{}'", self.host), error)
        })?;
        let mut backends = BTreeSet::new();
        for address in found.take(ADDRESSES_MAX) {
            backends.insert(Backend::new(&address.to_string())?);
        }
        Ok((backends, HashMap::new()))
    }
}

impl Endpoints {
    /// An address of `host`, a different one each time where there are several.
    ///
    /// # Errors
    /// When the name cannot be looked up and no earlier answer is known.
    pub(super) async fn address(&self, host: &str, port: u16) -> Result<SocketAddr> {
        if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse() {
            return Ok(SocketAddr::new(address, port));
        }
        let endpoint = self.endpoint(host, port);
        endpoint.refresh().await?;
        let backend = endpoint.balancer.select(b"", ADDRESSES_MAX);
        let address = backend.and_then(|backend| backend.addr.as_inet().copied());
        address.ok_or_else(|| Error::explain(ErrorType::ConnectError, format!("'{host}' has no address")))
    }

    fn endpoint(&self, host: &str, port: u16) -> Arc<Endpoint> {
        let mut known = self.0.lock();
        if let Some(endpoint) = known.get(&(host.to_owned(), port)) {
            return Arc::clone(endpoint);
        }
        let lookup = Lookup { host: host.to_owned(), port };
        let balancer = LoadBalancer::from_backends(Backends::new(Box::new(lookup)));
        let endpoint = Arc::new(Endpoint { balancer, looked_up: tokio::sync::Mutex::default() });
        known.insert((host.to_owned(), port), Arc::clone(&endpoint));
        endpoint
    }
}

impl Endpoint {
    /// Looks the name up when the last answer is old; a failure counts only while no answer is known.
    async fn refresh(&self) -> Result<()> {
        let known = !self.balancer.backends().get_backend().is_empty();
        // With an answer at hand nobody waits for a newer one.
        let mut looked_up = match self.looked_up.try_lock() {
            Ok(guard) => guard,
            Err(_) if known => return Ok(()),
            Err(_) => self.looked_up.lock().await,
        };
        if looked_up.is_some_and(|at| at.elapsed() < FRESH_FOR) {
            return Ok(());
        }
        let updated = self.balancer.update().await;
        if updated.is_ok() || known {
            *looked_up = Some(Instant::now());
            return Ok(());
        }
        updated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_and_names() {
        let endpoints = Endpoints::default();
        assert_eq!(endpoints.address("127.0.0.1", 80).await.unwrap().to_string(), "127.0.0.1:80");
        assert_eq!(endpoints.address("[::1]", 80).await.unwrap().to_string(), "[::1]:80");
        assert!(endpoints.address("localhost", 81).await.unwrap().ip().is_loopback());
        assert!(endpoints.address("does-not-exist.invalid", 80).await.is_err());
    }
}
