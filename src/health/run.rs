//! Opens the connections.

use std::sync::Arc;
use std::time::Duration;

use pingora::connectors::TransportConnector;
use tokio::task::JoinSet;

use crate::breaker::CircuitState;
use crate::config::{Account, Config, Upstream};
use crate::egress::Way;
use crate::pool::Millis;
use crate::proxy::{Gateway, now};

/// Connections at once.
const AT_ONCE_MAX: usize = 8;
/// Longest time of one look, from the look-up of the name to the end of the TLS handshake.
const TOTAL: Duration = Duration::from_secs(10);
/// Ways to one upstream that are tried in one look.
const WAYS_MAX: usize = 4;
/// How soon a changed configuration is noticed, at the latest.
const LOOK: Duration = Duration::from_secs(1);

/// Looks until it is dropped.
pub(crate) async fn run(gateway: Arc<Gateway>) {
    let connector = Arc::new(TransportConnector::new(None));
    let mut looked = tokio::time::Instant::now();
    loop {
        let snapshot = gateway.store.load_full();
        let health = snapshot.config.resilience.health;
        if health.enabled && looked.elapsed() >= health.interval {
            gateway.look_at_upstreams(&connector, &snapshot.config).await;
            looked = tokio::time::Instant::now();
        }
        tokio::time::sleep(LOOK.min(health.interval)).await;
    }
}

/// The ways that accounts take to an upstream, each once; nobody's way is none of the gateway's. Without any account it is
/// that of the upstream.
fn ways(config: &Config, upstream: &Upstream) -> Vec<Option<Way>> {
    let mut ways: Vec<Option<Way>> = Vec::new();
    let opens = |account: &Account| account.enabled && account.upstreams.iter().any(|opened| opened.id == upstream.id);
    for account in config.leased().filter(|account| opens(account)) {
        let way = Way::of(account, upstream);
        if ways.len() < WAYS_MAX && !ways.contains(&way) {
            ways.push(way);
        }
    }
    if ways.is_empty() {
        ways.push(Way::of_upstream(upstream));
    }
    ways
}

impl Gateway {
    async fn look_at_upstreams(self: &Arc<Self>, connector: &Arc<TransportConnector>, config: &Config) {
        let find = |id: &str| config.upstreams.iter().find(|upstream| upstream.id == id);
        let suspects = self.suspects(config, now());
        let mut under_way = JoinSet::new();
        for id in self.health.to_look_at(&suspects, |id| find(id).is_some()) {
            let Some(upstream) = find(&id) else { continue };
            if under_way.len() >= AT_ONCE_MAX {
                under_way.join_next().await;
            }
            let (gateway, connector, upstream) = (Arc::clone(self), Arc::clone(connector), Arc::clone(upstream));
            let ways = ways(config, &upstream);
            under_way.spawn(async move { gateway.look_at(&connector, &upstream, &ways).await });
        }
        while under_way.join_next().await.is_some() {}
    }

    /// Upstreams of accounts whose breakers are open.
    fn suspects<'c>(&self, config: &'c Config, now: Millis) -> Vec<&'c str> {
        let open = |id: &str| self.registry.get(id).is_some_and(|state| state.circuit(now).state == CircuitState::Open);
        let accounts = config.accounts.iter().filter(|account| account.enabled && open(&account.id));
        accounts.flat_map(|account| &account.upstreams).map(|upstream| upstream.id.as_str()).collect()
    }

    async fn look_at(&self, connector: &TransportConnector, upstream: &Upstream, ways: &[Option<Way>]) {
        let connecting = async {
            for way in ways {
                let Ok(peer) = self.peer_of(upstream, way.as_ref(), true).await else { continue };
                // The connection is closed at once: its provider is told nothing.
                if connector.new_stream(&peer).await.is_ok() {
                    return true;
                }
            }
            false
        };
        let reached = tokio::time::timeout(TOTAL, connecting).await.unwrap_or(false);
        let result = if reached { "reached" } else { "failed" };
        self.metrics.health_checks.with_label_values(&[upstream.id.as_str(), result]).inc();
        if reached {
            self.reached(&upstream.id);
        } else {
            self.health.failed(&upstream.id, true, now());
        }
    }

    /// An upstream has a connection to give, or has served.
    pub(crate) fn reached(&self, upstream: &str) {
        if self.health.reached(upstream) {
            self.registry.note_reachable(&[upstream], now());
            tracing::info!(upstream, "the upstream can be reached again");
        }
    }
}
