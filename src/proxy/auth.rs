//! Who calls.

use http::HeaderMap;
use interlingua_filters::ir::{ApiError, ErrorKind};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::config::Client;

/// Finds the client whose key the request carries: `Authorization: Bearer`, `x-api-key`, `x-goog-api-key` or `?key=`.
/// `Ok(None)` when no clients are configured, which the configuration allows on loopback only.
///
/// Every configured digest is compared, each in constant time, so that timing tells neither key nor position.
///
/// # Errors
/// 401 without a key, or with one that nobody has.
pub(super) fn authenticate<'c>(
    clients: &'c [Client],
    headers: &HeaderMap,
    query: Option<&str>,
) -> Result<Option<&'c Client>, ApiError> {
    if clients.is_empty() {
        return Ok(None);
    }
    let Some(key) = presented(headers, query) else {
        let message = "no API key: send it as 'Authorization: Bearer', 'x-api-key' or 'x-goog-api-key'";
        return Err(ApiError::new(ErrorKind::Authentication, message));
    };
    let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
    let mut found = u64::MAX;
    for (number, client) in clients.iter().enumerate() {
        let mut equal = Choice::from(0);
        for known in &client.key_digests {
            equal |= known.ct_eq(&digest);
        }
        found.conditional_assign(&(number as u64), equal);
    }
    match usize::try_from(found).ok().and_then(|number| clients.get(number)) {
        Some(client) => Ok(Some(client)),
        None => Err(ApiError::new(ErrorKind::Authentication, "this API key is not one of this gateway's client keys")),
    }
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

    fn clients() -> Vec<Client> {
        ["alpha", "beta"]
            .map(|id| Client { id: id.to_owned(), key_digests: vec![Sha256::digest(format!("key-{id}")).into()] })
            .into()
    }

    fn who(headers: &[(&'static str, &str)], query: Option<&str>) -> Result<Option<String>, ErrorKind> {
        let headers =
            headers.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect();
        let clients = clients();
        let found = authenticate(&clients, &headers, query);
        found.map(|client| client.map(|client| client.id.clone())).map_err(|error| error.kind)
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
    fn without_clients_anyone_is_let_in() {
        assert!(authenticate(&[], &HeaderMap::new(), None).is_ok_and(|client| client.is_none()));
    }
}
