//! What was received, and what came of it. Keys are kept as short hashes.

use super::dialect::Dialect;
use super::plan::Usage;
use super::seal::hexadecimal;
use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};

/// Keys with statistics of their own; later ones are counted under `other`.
const KEYS_MAX: usize = 16_384;
/// Headers that carry a credential.
const SECRET_HEADERS: [&str; 6] =
    ["authorization", "api-key", "x-api-key", "x-goog-api-key", "proxy-authorization", "cookie"];

/// The short hash by which a key is recorded: `sha256:` and 12 hexadecimal digits.
pub fn key_hash(key: &str) -> String {
    let digest: String = hexadecimal(&Sha256::digest(key.as_bytes())).chars().take(12).collect();
    format!("sha256:{digest}")
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) number: u64,
    pub(crate) method: Method,
    /// Path and query, without the value of `key=`.
    pub(crate) target: String,
    pub(crate) dialect: Option<Dialect>,
    /// Hash of the key.
    pub(crate) key: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    pub(crate) status: Option<u16>,
    /// What it cost, once its answer has ended.
    pub(crate) billed: Option<Usage>,
}

impl Received {
    /// Takes down a request.
    pub(crate) fn new(number: u64, method: Method, uri: &Uri, headers: &HeaderMap, body: Bytes) -> Self {
        let shown = headers.iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            let secret = SECRET_HEADERS.contains(&name.as_str());
            (name.to_string(), if secret { hide(&value) } else { value })
        });
        let headers = shown.collect();
        let (target, key) = (hide_query(uri), String::new());
        Self { number, method, target, dialect: None, key, headers, body, status: None, billed: None }
    }

    fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    fn json(&self) -> Value {
        let headers: Map<String, Value> =
            self.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let body = serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&self.body).into_owned()));
        json!({
            "number": self.number, "method": self.method.as_str(), "path": self.path(), "target": self.target,
            "dialect": self.dialect.map(Dialect::name), "key": self.key, "status": self.status, "headers": headers,
            "billed": self.billed.as_ref().map(billed),
            "body_bytes": self.body.len(), "body_sha256": hexadecimal(&Sha256::digest(&self.body)), "body": body,
        })
    }
}

/// Keeps the scheme, hides the credential.
fn hide(value: &str) -> String {
    match value.split_once(' ') {
        Some((scheme, secret)) => format!("{scheme} {}", key_hash(secret.trim())),
        None => key_hash(value),
    }
}

fn hide_query(uri: &Uri) -> String {
    let Some(query) = uri.query() else { return uri.path().to_owned() };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some(("key", secret)) => format!("key={}", key_hash(&super::route::percent_decode(secret))),
        _ => pair.to_owned(),
    });
    format!("{}?{}", uri.path(), pairs.collect::<Vec<_>>().join("&"))
}

/// Which requests are asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// A key or its hash.
    pub(crate) key: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) last: Option<usize>,
}

/// The ring of requests.
#[derive(Debug)]
pub(crate) struct Ring {
    requests: VecDeque<Received>,
    bytes: usize,
    requests_max: usize,
    bytes_max: usize,
}

impl Ring {
    pub(crate) fn new(requests_max: usize, bytes_max: usize) -> Self {
        Self { requests: VecDeque::new(), bytes: 0, requests_max, bytes_max }
    }

    /// Adds a request; the oldest make room.
    pub(crate) fn push(&mut self, request: Received) {
        self.bytes += request.body.len();
        self.requests.push_back(request);
        while self.requests.len() > self.requests_max || self.bytes > self.bytes_max {
            let Some(oldest) = self.requests.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(oldest.body.len());
        }
    }

    /// Notes what a request was answered.
    pub(crate) fn answered(&mut self, number: u64, status: u16) {
        let found = self.requests.iter_mut().rev().find(|request| request.number == number);
        if let Some(request) = found {
            request.status = Some(status);
        }
    }

    /// Notes what request `number` cost.
    pub(crate) fn billed(&mut self, number: u64, spent: Usage) {
        if let Some(request) = self.requests.iter_mut().rev().find(|request| request.number == number) {
            request.billed = Some(spent);
        }
    }

    /// The requests that fit, oldest first.
    pub(crate) fn list(&self, filter: &Filter) -> Value {
        let hash =
            filter.key.as_deref().map(|key| if key.starts_with("sha256:") { key.to_owned() } else { key_hash(key) });
        let fits = |request: &&Received| {
            hash.as_deref().is_none_or(|hash| request.key == hash)
                && filter.path.as_deref().is_none_or(|path| request.path() == path)
        };
        let mut found: Vec<Value> = self
            .requests
            .iter()
            .rev()
            .filter(fits)
            .take(filter.last.unwrap_or(usize::MAX))
            .map(Received::json)
            .collect();
        found.reverse();
        json!({"count": found.len(), "requests": found})
    }

    pub(crate) fn clear(&mut self) {
        self.requests.clear();
        self.bytes = 0;
    }
}

/// The counts of one key.
#[derive(Clone, Debug, Default)]
struct Counts {
    requests: u64,
    statuses: BTreeMap<u16, u64>,
    in_flight: u64,
    in_flight_max: u64,
    completed: u64,
    aborted: u64,
    billed: Usage,
}

impl Counts {
    fn json(&self) -> Value {
        let statuses: Map<String, Value> =
            self.statuses.iter().map(|(status, count)| (status.to_string(), json!(count))).collect();
        json!({
            "requests": self.requests, "statuses": statuses, "in_flight": self.in_flight,
            "in_flight_max": self.in_flight_max, "completed": self.completed, "aborted": self.aborted,
            "billed": billed(&self.billed),
        })
    }
}

fn billed(spent: &Usage) -> Value {
    let [five_minutes, hour] = spent.written;
    json!({
        "uncached": spent.uncached, "cached": spent.cached, "written_5m": five_minutes, "written_1h": hour,
        "output": spent.output, "reasoning": spent.reasoning, "total": spent.total(),
    })
}

/// The counts of all keys.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    keys: BTreeMap<String, Counts>,
    total: Counts,
}

impl Stats {
    fn change(&mut self, key: &str, change: impl Fn(&mut Counts)) {
        change(&mut self.total);
        let name = if self.keys.contains_key(key) || self.keys.len() < KEYS_MAX { key } else { "other" };
        change(self.keys.entry(name.to_owned()).or_default());
    }

    /// A request arrived; its answer is under way.
    pub(crate) fn begin(&mut self, key: &str) {
        self.change(key, |counts| {
            counts.requests += 1;
            counts.in_flight += 1;
            counts.in_flight_max = counts.in_flight_max.max(counts.in_flight);
        });
    }

    /// How many of a key's requests are in flight.
    pub(crate) fn in_flight(&self, key: &str) -> u64 {
        self.keys.get(key).map_or(0, |counts| counts.in_flight)
    }

    /// A head was sent.
    pub(crate) fn status(&mut self, key: &str, status: u16) {
        self.change(key, |counts| *counts.statuses.entry(status).or_default() += 1);
    }

    /// Tokens were spent.
    pub(crate) fn bill(&mut self, key: &str, spent: Usage) {
        self.change(key, |counts| counts.billed.add(spent));
    }

    /// An answer ended: `whole`, or because either side broke it off.
    pub(crate) fn end(&mut self, key: &str, whole: bool) {
        self.change(key, |counts| {
            counts.in_flight = counts.in_flight.saturating_sub(1);
            if whole {
                counts.completed += 1;
            } else {
                counts.aborted += 1;
            }
        });
    }

    /// Everything.
    pub(crate) fn json(&self) -> Value {
        let keys: Map<String, Value> = self.keys.iter().map(|(key, counts)| (key.clone(), counts.json())).collect();
        json!({"total": self.total.json(), "keys": keys})
    }

    /// Forgets all but what is in flight.
    pub(crate) fn clear(&mut self) {
        let keep = |counts: &Counts| Counts {
            in_flight: counts.in_flight,
            in_flight_max: counts.in_flight,
            ..Counts::default()
        };
        self.total = keep(&self.total);
        self.keys.retain(|_, counts| counts.in_flight > 0);
        for counts in self.keys.values_mut() {
            *counts = keep(counts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(number: u64, target: &str, body: &'static str) -> Received {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", "Bearer secret-key".parse().unwrap());
        let mut request = Received::new(
            number,
            Method::POST,
            &target.parse().unwrap(),
            &headers,
            Bytes::from_static(body.as_bytes()),
        );
        request.key = key_hash("secret-key");
        request
    }

    #[test]
    fn credentials_are_kept_as_hashes() {
        let request = received(1, "/v1beta/x?alt=sse&key=secret%2Dkey", "{}");
        let shown = request.json().to_string();
        assert!(!shown.contains("secret"), "{shown}");
        assert_eq!(request.headers[0].1, format!("Bearer {}", key_hash("secret-key")));
        assert_eq!(request.target, format!("/v1beta/x?alt=sse&key={}", key_hash("secret-key")));
    }

    #[test]
    fn the_ring_is_bounded_by_count_and_bytes() {
        let mut ring = Ring::new(3, 10);
        for n in 0..5 {
            ring.push(received(n, "/a", "{}"));
        }
        assert_eq!(ring.list(&Filter::default())["count"], 3);
        ring.push(received(9, "/b", "\"12345678\""));
        assert_eq!(ring.list(&Filter::default())["requests"][0]["number"], 9);
        let filter = |key: &str| Filter { key: Some(key.into()), path: Some("/b".into()), last: Some(1) };
        assert_eq!(ring.list(&filter("secret-key"))["count"], 1);
        assert_eq!(ring.list(&filter(&key_hash("secret-key")))["count"], 1);
        assert_eq!(ring.list(&filter("other"))["count"], 0);
    }
}
