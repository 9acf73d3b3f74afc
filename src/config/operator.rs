//! Where the operator's API of a running gateway is, for the commands that ask it.
//!
//! Only this is read of the file: whoever asks need not have the providers' credentials that its other keys refer to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use super::load::read_text;
use super::read;
use super::reference::Sources;
use super::report::Problems;
use crate::credentials::Secret;

/// How the file writes the digest of a key.
const DIGEST: &str = "sha256:";

/// What the file says of the operator's API.
#[derive(Clone, Debug)]
pub struct OperatorApi {
    /// Where it can be reached from this machine; `None`: the gateway serves none.
    pub address: Option<SocketAddr>,
    /// A key that it takes.
    pub key: Option<Secret>,
    /// Whether it takes keys, though the file has only digests of them, or references that cannot be read here.
    pub key_is_missing: bool,
}

/// Reads the file at `path`. `env` gives environment variables.
///
/// # Errors
/// When the file cannot be read or is no YAML.
pub fn operator_api(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<OperatorApi, String> {
    let text = read_text(path).map_err(|report| report.to_string())?;
    // Its other faults are for `interlingua check`.
    let raw = read::read(&text, &mut Problems::default())
        .map_err(|error| format!("{}: {}; `interlingua check` says more", path.display(), error.message))?;
    let vault = |_: &str| Err("the commands do not open the vault".to_owned());
    let sources = Sources { env, folder: path.parent().unwrap_or(Path::new("")), vault: &vault };
    let mut keys = raw.server.admin_keys.0.iter().filter(|key| !key.0.starts_with(DIGEST));
    let key = keys.find_map(|key| Secret::new(sources.expand(&key.0).ok()?).ok());
    Ok(OperatorApi {
        address: raw.server.admin_listen.as_deref().and_then(|text| text.parse().ok()).map(reachable),
        key_is_missing: key.is_none() && !raw.server.admin_keys.0.is_empty(),
        key,
    })
}

/// An address for all interfaces is no address to connect to.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
