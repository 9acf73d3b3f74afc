//! Who calls, and whether its key is good here and now.

use std::net::IpAddr;

use http::HeaderMap;
use interlingua_filters::ir::{ApiError, ErrorKind};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::config::{Client, Config, EntryKind};
use crate::pool::Millis;

/// A client is not let in.
#[derive(Debug)]
pub(super) struct Denied {
    /// What it hears.
    pub(super) error: ApiError,
    /// The place of the client, and by what it is denied (a metrics label), if the key is one of its.
    pub(super) of: Option<(usize, &'static str)>,
}

/// What a request shows of who sent it.
pub(super) struct Caller<'a> {
    pub(super) headers: &'a HeaderMap,
    pub(super) query: Option<&'a str>,
    /// Where its connection comes from; `None` if that has no address.
    pub(super) address: Option<IpAddr>,
}

/// Whether anybody may come in: no client was ever configured. A client that was added by a command and left out for a
/// fault keeps the door shut, too.
pub(crate) fn is_open(config: &Config) -> bool {
    config.clients.is_empty() && !config.origins.faulty.iter().any(|faulty| faulty.kind == EntryKind::Client)
}

/// Finds the client whose key the request carries: `Authorization: Bearer`, `x-api-key`, `x-goog-api-key` or `?key=`.
/// Gives its place among the clients; `Ok(None)` when no clients are configured, which the configuration allows on loopback
/// only.
///
/// Every configured digest is compared, each in constant time, so that timing tells neither key nor position.
///
/// # Errors
/// 401 without a key, with one that nobody has, and with one that is not taken any more; 403 from elsewhere than the client
/// may come from.
pub(super) fn authenticate(config: &Config, caller: &Caller<'_>, now: Millis) -> Result<Option<usize>, Denied> {
    if is_open(config) {
        return Ok(None);
    }
    let unknown = |message: &str| Denied { error: ApiError::new(ErrorKind::Authentication, message), of: None };
    let Some(key) = presented(caller.headers, caller.query) else {
        return Err(unknown("no API key: send it as 'Authorization: Bearer', 'x-api-key' or 'x-goog-api-key'"));
    };
    let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
    let (mut found, mut replaced) = (u64::MAX, 0);
    for (number, client) in config.clients.iter().enumerate() {
        let mut equal = Choice::from(0);
        for known in &client.key_digests {
            equal |= known.ct_eq(&digest);
        }
        for old in &client.old_keys {
            let is_it = old.digest.ct_eq(&digest);
            equal |= is_it;
            replaced.conditional_assign(&old.until.0, is_it);
        }
        found.conditional_assign(&(number as u64), equal);
    }
    let place = usize::try_from(found).ok();
    let Some((place, client)) = place.and_then(|place| Some((place, config.clients.get(place)?))) else {
        return Err(unknown("this API key is not one of this gateway's client keys"));
    };
    if replaced != 0 && now.0 >= replaced {
        return Err(unknown("this API key was replaced by another; ask the operator for it"));
    }
    good(client, caller.address, now)
        .map(|()| Some(place))
        .map_err(|(error, why)| Denied { error, of: Some((place, why)) })
}

/// Whether a client may come in now, from there.
fn good(client: &Client, address: Option<IpAddr>, now: Millis) -> Result<(), (ApiError, &'static str)> {
    let id = &client.id;
    let denied = |kind, why, message: String| Err((ApiError::new(kind, message), why));
    if !client.enabled {
        return denied(ErrorKind::Authentication, "disabled", format!("the key of client '{id}' is switched off"));
    }
    if let Some(expired) = client.expires.filter(|expires| now >= *expires) {
        let message = format!("the key of client '{id}' was good until {}", moment(expired));
        return denied(ErrorKind::Authentication, "expired", message);
    }
    if let Some(networks) = &client.addresses {
        let address = address.map(|address| address.to_canonical());
        if !address.is_some_and(|address| networks.iter().any(|network| network.contains(&address))) {
            let from = address.map_or_else(|| "there".to_owned(), |address| address.to_string());
            let message = format!("client '{id}' may not come from {from}");
            return denied(ErrorKind::Permission, "address", message);
        }
    }
    Ok(())
}

/// A moment as people write it, in UTC and whole seconds.
pub(super) fn moment(at: Millis) -> String {
    let seconds = i64::try_from(at.0 / 1000).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX).to_string()
}

fn presented(headers: &HeaderMap, query: Option<&str>) -> Option<String> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = header("authorization").and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    if let Some(key) = bearer.or_else(|| header("x-api-key")).or_else(|| header("x-goog-api-key")) {
        return Some(key.to_owned());
    }
    let mut pairs = form_urlencoded::parse(query?.as_bytes());
    pairs.find(|(name, _)| name == "key").map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Beside, Faulty, OldKey, zero_with};

    const NOW: Millis = Millis(1_800_000_000_000);

    fn config() -> Config {
        let env = |name: &str| (name == "HOME").then(|| "/home/nobody".to_owned());
        let mut config = zero_with(Beside::only(&env)).unwrap();
        config.clients =
            ["alpha", "beta"].map(|id| Client::unlimited(id.to_owned(), vec![of(&format!("key-{id}"))])).into();
        config
    }

    fn of(key: &str) -> [u8; 32] {
        Sha256::digest(key).into()
    }

    fn try_at(
        config: &Config,
        headers: &[(&'static str, &str)],
        query: Option<&str>,
        from: &str,
    ) -> Result<Option<String>, Denied> {
        let headers =
            headers.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect();
        let caller = Caller { headers: &headers, query, address: from.parse().ok() };
        let place = authenticate(config, &caller, NOW)?;
        Ok(place.map(|place| config.clients[place].id.clone()))
    }

    fn who(headers: &[(&'static str, &str)], query: Option<&str>) -> Result<Option<String>, ErrorKind> {
        try_at(&config(), headers, query, "127.0.0.1").map_err(|denied| denied.error.kind)
    }

    /// Why the key of beta is not taken.
    fn why(change: impl FnOnce(&mut Client), key: &str, from: &str) -> Option<(ErrorKind, &'static str)> {
        let mut config = config();
        change(&mut config.clients[1]);
        let denied = try_at(&config, &[("x-api-key", key)], None, from).err()?;
        Some((denied.error.kind, denied.of.map_or("", |(_, why)| why)))
    }

    #[test]
    fn wire_127_every_place_for_a_key() {
        for (headers, query) in [
            (vec![("authorization", "Bearer key-beta")], None),
            (vec![("authorization", "bearer key-beta")], None),
            (vec![("x-api-key", "key-beta")], None),
            (vec![("x-goog-api-key", "key-beta")], None),
            (vec![], Some("alt=sse&key=key-beta")),
        ] {
            assert_eq!(who(&headers, query), Ok(Some("beta".to_owned())));
        }
    }

    #[test]
    fn strangers_stay_out() {
        assert_eq!(who(&[], None), Err(ErrorKind::Authentication));
        assert_eq!(who(&[("x-api-key", "key-gamma")], None), Err(ErrorKind::Authentication));
        assert_eq!(who(&[("authorization", "Basic key-beta")], None), Err(ErrorKind::Authentication));
    }

    #[test]
    fn without_clients_anyone_is_let_in_but_not_if_one_was_left_out() {
        let mut config = config();
        config.clients.clear();
        assert_eq!(try_at(&config, &[], None, "127.0.0.1").unwrap(), None);
        config.origins.faulty.push(Faulty { kind: EntryKind::Client, id: "x".to_owned(), why: String::new() });
        assert!(try_at(&config, &[], None, "127.0.0.1").is_err());
    }

    #[test]
    fn a_key_is_good_while_its_client_is() {
        let expires = |at: u64| move |client: &mut Client| client.expires = Some(Millis(at));
        assert_eq!(
            why(|client| client.enabled = false, "key-beta", "::1"),
            Some((ErrorKind::Authentication, "disabled"))
        );
        assert_eq!(why(expires(NOW.0), "key-beta", "::1"), Some((ErrorKind::Authentication, "expired")));
        assert_eq!(why(expires(NOW.0 + 1), "key-beta", "::1"), None);
    }

    #[test]
    fn a_client_comes_from_its_networks_alone() {
        let networks = |client: &mut Client| {
            client.addresses = Some(vec!["10.1.0.0/16".parse().unwrap(), "2001:db8::/32".parse().unwrap()]);
        };
        for good in ["10.1.255.1", "::ffff:10.1.0.1", "2001:db8::7"] {
            assert_eq!(why(networks, "key-beta", good), None, "{good}");
        }
        for bad in ["10.2.0.1", "::1", "no address"] {
            assert_eq!(why(networks, "key-beta", bad), Some((ErrorKind::Permission, "address")), "{bad}");
        }
    }

    #[test]
    fn a_replaced_key_is_taken_until_its_end() {
        let old = |until: u64| {
            move |client: &mut Client| client.old_keys = vec![OldKey { digest: of("key-old"), until: Millis(until) }]
        };
        assert_eq!(why(old(NOW.0 + 1), "key-old", "::1"), None);
        assert_eq!(why(old(NOW.0), "key-old", "::1"), Some((ErrorKind::Authentication, "")));
        assert_eq!(why(old(NOW.0), "key-beta", "::1"), None, "the new one is taken all the same");
    }
}
