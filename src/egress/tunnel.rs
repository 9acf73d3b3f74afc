//! A connection to a provider, opened by a proxy.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::connectors::L4Connect;
use pingora::protocols::l4::socket::SocketAddr as AnyAddress;
use pingora::protocols::l4::stream::Stream;
use pingora::{Error, Result};
use tokio::net::TcpStream;

use super::{FAILED, Kind, Proxy, http_connect, socks5};

/// Where a tunnel shall lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A name, which the proxy looks up, and a port.
    Name(String, u16),
    /// An address.
    Address(SocketAddr),
}

/// Opens connections to one target through one proxy. There is no other way in it.
#[derive(Debug)]
pub(crate) struct Tunnel {
    proxy: Arc<Proxy>,
    target: Target,
    /// Longest time until the proxy has opened it.
    patience: Duration,
}

/// Why there is no tunnel. Says nothing of the login.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TunnelError {
    #[error("it cannot be reached: {0}")]
    Unreachable(std::io::ErrorKind),
    #[error("it broke off: {0}")]
    Broken(std::io::ErrorKind),
    #[error("it did not open the tunnel within {0:?}")]
    Slow(Duration),
    #[error("what it says is not {0}")]
    Strange(&'static str),
    #[error("it refuses the user name or password")]
    Login,
    #[error("it wants a user name and password")]
    NoLogin,
    #[error("it refuses with status {0}")]
    Status(u16),
    #[error("it refuses: {0}")]
    Refused(&'static str),
    #[error("the provider's name is too long for it")]
    Name,
}

impl Tunnel {
    pub(super) fn new(proxy: Arc<Proxy>, target: Target, patience: Duration) -> Self {
        Tunnel { proxy, target, patience }
    }

    pub(super) async fn open(&self, hop: SocketAddr) -> Result<TcpStream, TunnelError> {
        let opening = async {
            let mut stream = TcpStream::connect(hop).await.map_err(|error| TunnelError::Unreachable(error.kind()))?;
            // Few small pieces that wait for each other. What follows is set by Pingora.
            stream.set_nodelay(true).map_err(|error| TunnelError::Broken(error.kind()))?;
            let login = self.proxy.login.as_ref();
            match self.proxy.kind {
                Kind::Http => http_connect::open(&mut stream, &self.target, login).await?,
                Kind::Socks5 | Kind::Socks5h => socks5::open(&mut stream, &self.target, login).await?,
            }
            Ok(stream)
        };
        match tokio::time::timeout(self.patience, opening).await {
            Ok(opened) => opened,
            Err(_) => Err(TunnelError::Slow(self.patience)),
        }
    }
}

#[async_trait]
impl L4Connect for Tunnel {
    async fn connect(&self, hop: &AnyAddress) -> Result<Stream> {
        let opened = match hop.as_inet() {
            Some(hop) => self.open(*hop).await,
            None => Err(TunnelError::Unreachable(std::io::ErrorKind::Unsupported)),
        };
        opened.map(Stream::from).map_err(|why| {
            tracing::warn!(proxy = %self.proxy, %why, "the egress proxy cannot be used");
            Error::explain(FAILED, format!("the proxy {}: {why}", self.proxy)).into_up()
        })
    }
}

impl From<std::io::Error> for TunnelError {
    fn from(error: std::io::Error) -> Self {
        TunnelError::Broken(error.kind())
    }
}
