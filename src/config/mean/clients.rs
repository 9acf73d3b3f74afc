//! Clients and keys.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;

use super::Mean;
use crate::clients::{Budget, Limits};
use crate::config::report::At;
use crate::config::units::{OneOrMany, SecretText};
use crate::config::{Client, OldKey, key_digest, raw};
use crate::pool::Millis;

/// Shortest key of a client, in characters: what is shorter can be guessed.
const KEY_CHARS_MIN: usize = 16;
/// Most keys of a client that are taken until a moment.
const OLD_KEYS_MAX: usize = 16;
/// Longest label, in characters.
const LABEL_CHARS_MAX: usize = 200;
/// Most networks of a client.
const ADDRESSES_MAX: usize = 256;
/// Largest number of a limit, of requests or tokens.
const LIMIT_MAX: u64 = 1_000_000_000_000;
/// Largest budget, in US dollars.
const USD_MAX: f64 = 1e9;

impl Mean<'_> {
    pub(super) fn clients(&mut self, at: &At<'_>, raw: &[Option<raw::Client>]) -> Vec<Client> {
        let mut ids = HashMap::new();
        let mut owners = HashMap::new();
        let mut clients = Vec::new();
        for (index, client) in raw.iter().enumerate() {
            let at = at.index(index);
            let Some(client) = client else {
                self.problems.empty_item(&at);
                continue;
            };
            let id = self.id(&at, client.id.as_deref(), &mut ids, index).unwrap_or_default();
            if client.keys.0.is_empty() {
                self.problems.missing(&at, "keys", "at least one key, for example `${env:INTERLINGUA_KEY}`");
            }
            let key_digests = self.keys(&at.key("keys"), &client.keys);
            let old_keys = self.old_keys(&at.key("old_keys"), &client.old_keys);
            for digest in key_digests.iter().chain(old_keys.iter().map(|old| &old.digest)) {
                let first = *owners.entry(*digest).or_insert(index);
                if first != index {
                    let message = format!("this client has a key of `clients[{first}]`");
                    self.problems.error(&at.key("keys"), message, Some("give each client a key of its own".to_owned()));
                }
            }
            if client.label.as_ref().is_some_and(|label| label.chars().count() > LABEL_CHARS_MAX) {
                self.problems.error(&at.key("label"), format!("longer than {LABEL_CHARS_MAX} characters"), None);
            }
            clients.push(Client {
                id,
                label: client.label.clone().filter(|label| !label.is_empty()),
                key_digests,
                old_keys,
                enabled: client.enabled.unwrap_or(true),
                expires: client.expires.as_ref().and_then(|text| self.moment(&at.key("expires"), text)),
                addresses: client.addresses.as_ref().map(|list| self.addresses(&at.key("addresses"), list)),
                models: client.models.as_ref().map(|models| self.patterns(&at.key("models"), models)),
                limits: self.limits(&at, client),
            });
        }
        clients
    }

    /// Digests of keys as written, each once.
    pub(super) fn keys(&mut self, at: &At<'_>, keys: &OneOrMany<SecretText>) -> Vec<[u8; 32]> {
        let mut digests = Vec::with_capacity(keys.0.len());
        for (index, key) in keys.0.iter().enumerate() {
            if let Some(digest) = self.key(&at.index(index), key).filter(|digest| !digests.contains(digest)) {
                digests.push(digest);
            }
        }
        digests
    }

    fn key(&mut self, at: &At<'_>, key: &SecretText) -> Option<[u8; 32]> {
        let key = self.expand(at, &key.0)?;
        match digest(&key) {
            Ok(digest) => Some(digest),
            Err(message) => {
                let help = "make one with `openssl rand -hex 24`".to_owned();
                self.problems.error(at, message, Some(help));
                None
            }
        }
    }

    fn old_keys(&mut self, at: &At<'_>, keys: &[Option<raw::OldKey>]) -> Vec<OldKey> {
        if keys.len() > OLD_KEYS_MAX {
            self.problems.error(at, format!("there are more than {OLD_KEYS_MAX} old keys"), None);
        }
        let mut old = Vec::with_capacity(keys.len());
        for (index, key) in keys.iter().enumerate() {
            let at = at.index(index);
            let Some(raw::OldKey { key, until }) = key else {
                self.problems.empty_item(&at);
                continue;
            };
            let (Some(key), Some(until)) = (key, until) else {
                self.problems.missing(&at, "key and until", "the key that was replaced, and until when it is taken");
                continue;
            };
            let digest = self.key(&at.key("key"), key);
            let until = self.moment(&at.key("until"), until);
            old.extend(digest.zip(until).map(|(digest, until)| OldKey { digest, until }));
        }
        old
    }

    /// A moment as RFC 3339 writes it. `None` was reported.
    fn moment(&mut self, at: &At<'_>, text: &str) -> Option<Millis> {
        let moment = text.parse::<Timestamp>().ok().and_then(|moment| u64::try_from(moment.as_millisecond()).ok());
        if moment.is_none() {
            let help = "write date, time and zone, as in 2027-01-31T18:00:00Z".to_owned();
            self.problems.error(at, format!("`{text}` is no moment"), Some(help));
        }
        moment.map(Millis)
    }

    fn addresses(&mut self, at: &At<'_>, list: &OneOrMany<String>) -> Vec<IpNet> {
        if list.0.is_empty() {
            let help = "leave the key out for all addresses, or set `enabled: false`".to_owned();
            self.problems.error(at, "the list of addresses is empty", Some(help));
        }
        if list.0.len() > ADDRESSES_MAX {
            self.problems.error(at, format!("there are more than {ADDRESSES_MAX} addresses"), None);
        }
        let mut networks = Vec::with_capacity(list.0.len());
        for (index, text) in list.0.iter().enumerate() {
            let alone = text.parse::<IpAddr>().map(IpNet::from);
            match text.parse::<IpNet>().ok().or(alone.ok()) {
                Some(network) => networks.push(network),
                None => {
                    let help =
                        "write an address or a network, as in 192.0.2.7, 10.1.0.0/16 or 2001:db8::/32".to_owned();
                    self.problems.error(&at.index(index), format!("`{text}` is no address"), Some(help));
                }
            }
        }
        networks
    }

    fn limits(&mut self, at: &At<'_>, raw: &raw::Client) -> Limits {
        let mut bounded = |at: &At<'_>, key, value: Option<u64>| {
            value.map(|value| self.number::<u64>(at, key, value, (1, LIMIT_MAX)))
        };
        let requests_per_minute = bounded(at, "requests_per_minute", raw.requests_per_minute);
        let tokens_per_minute = bounded(at, "tokens_per_minute", raw.tokens_per_minute);
        let concurrency = raw.concurrency.map(|value| self.number(at, "concurrency", value, (1, u32::MAX.into())));
        let budgets = at.key("budgets");
        Limits {
            requests_per_minute,
            tokens_per_minute,
            concurrency,
            daily: self.budget(&budgets.key("daily"), raw.budgets.daily),
            monthly: self.budget(&budgets.key("monthly"), raw.budgets.monthly),
        }
    }

    fn budget(&mut self, at: &At<'_>, raw: raw::Budget) -> Budget {
        let tokens = raw.tokens.map(|tokens| self.number(at, "tokens", tokens, (1, LIMIT_MAX)));
        let usd = raw.usd.filter(|usd| {
            let good = usd.is_finite() && (1e-6..=USD_MAX).contains(usd);
            if !good {
                let help = "to let a client do nothing, use `enabled: false`".to_owned();
                let message = format!("{usd} is out of bounds: above 0, to {USD_MAX} US dollars");
                self.problems.error(&at.key("usd"), message, Some(help));
            }
            good
        });
        Budget { tokens, microusd: usd.map(|usd| (usd * 1e6).round() as u64) }
    }
}

fn digest(key: &str) -> Result<[u8; 32], String> {
    if let Some(hex) = key.strip_prefix("sha256:") {
        return parse_hex(hex).ok_or_else(|| "`sha256:` must be followed by 64 hexadecimal digits".to_owned());
    }
    if key.chars().count() < KEY_CHARS_MIN {
        return Err(format!("the key is shorter than {KEY_CHARS_MIN} characters, so it can be guessed"));
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("the key holds a character that an HTTP header cannot carry".to_owned());
    }
    Ok(key_digest(key.as_bytes()))
}

fn parse_hex(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    let mut nibbles = text.chars().map(|c| c.to_digit(16));
    for byte in &mut digest {
        let (high, low) = (nibbles.next()??, nibbles.next()??);
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    nibbles.next().is_none().then_some(digest)
}
