//! The way to a provider where it leads through a proxy of the operator's: HTTP CONNECT (RFC 9110 section 9.3.6) or
//! SOCKS5 (RFC 1928, with the login of RFC 1929).
//!
//! **It fails closed.** Whoever has a proxy is reached through it or not at all: the peer that Pingora gets holds the
//! proxy's address and no other, and [`Tunnel`] is its only connector. What goes wrong up to the provider's first byte is a
//! failure of its own kind ([`FAILED`]), so that nobody takes a broken proxy for a broken provider. TLS runs inside of the
//! tunnel, to the provider's name, with all its checks: a proxy sees host and port, and bytes.
//!
//! Kept connections are found by a key that holds the proxy with its login and the provider, and the account where the
//! proxy is the account's own ([`Way::peer`]): who has another way never gets them.

mod http_connect;
mod proxy;
mod socks5;
#[cfg(test)]
mod tests;
mod tunnel;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType};

pub use proxy::{Kind, Proxy, ProxyError};
pub(crate) use tunnel::{Target, Tunnel};

use crate::config::{Account, BaseUrl, Upstream};

/// No tunnel: the proxy cannot be reached, refuses, or speaks something else.
pub(crate) const FAILED: ErrorType = ErrorType::Custom("EgressProxyFailed");

/// A way that is not direct.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Way {
    proxy: Arc<Proxy>,
    /// Whose alone the connections are.
    account: Option<String>,
}

impl Way {
    /// Of what is an upstream's, for all its accounts. `None`: it is reached directly.
    pub fn of_upstream(upstream: &Upstream) -> Option<Self> {
        upstream.proxy.as_ref().map(|proxy| Way { proxy: Arc::clone(proxy), account: None })
    }

    /// Of an account: its own proxy, else the upstream's. `None`: it goes directly.
    pub fn of(account: &Account, upstream: &Upstream) -> Option<Self> {
        match &account.proxy {
            Some(proxy) => Some(Way { proxy: Arc::clone(proxy), account: Some(account.id.clone()) }),
            None => Way::of_upstream(upstream),
        }
    }

    /// Host and port of the proxy.
    pub(crate) fn hop(&self) -> (&str, u16) {
        (&self.proxy.host, self.proxy.port)
    }

    /// Whether the provider's name is looked up here, and the proxy given an address.
    pub(crate) fn looks_up(&self) -> bool {
        self.proxy.kind == Kind::Socks5
    }

    /// A peer at `base`, through the proxy at `hop`. `found`: the provider's address, where it is looked up here.
    /// `patience` ends with the tunnel.
    ///
    /// The peer's address is the proxy's, as Pingora compares it with the one that a kept connection leads to; so all that
    /// tells connections apart is in its group key.
    pub(crate) fn peer(
        &self,
        base: &BaseUrl,
        hop: SocketAddr,
        found: Option<SocketAddr>,
        patience: Duration,
    ) -> HttpPeer {
        let target = match (found, base.host.parse::<IpAddr>()) {
            (Some(address), _) => Target::Address(address),
            (None, Ok(ip)) => Target::Address(SocketAddr::new(ip, base.port)),
            (None, Err(_)) => Target::Name(base.host.clone(), base.port),
        };
        let mut hasher = DefaultHasher::new();
        (self, &base.host, base.port).hash(&mut hasher);
        let mut peer = HttpPeer::new(hop, base.tls, base.host.clone());
        peer.group_key = hasher.finish();
        peer.options.custom_l4 = Some(Arc::new(Tunnel::new(Arc::clone(&self.proxy), target, patience)));
        peer
    }

    /// The proxy's own name leads nowhere.
    #[expect(clippy::unnecessary_box_returns, reason = "as Pingora wants its errors")]
    pub(crate) fn lost(&self, why: &Error) -> Box<Error> {
        tracing::warn!(proxy = %self.proxy, %why, "the egress proxy cannot be found");
        Error::explain(FAILED, format!("the proxy {} has no address", self.proxy)).into_up()
    }
}
