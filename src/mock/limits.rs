//! Token buckets by key. `now` is an argument.

use super::outage::Limit;
use super::script::KeyLimits;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Keys that are tracked; beyond, the bookkeeping is emptied (a test that uses more does not test limits).
const KEYS_MAX: usize = 16_384;

/// A bucket that refills continuously and holds one minute's worth.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    level: f64,
    at: Instant,
}

impl Bucket {
    fn refill(&mut self, per_minute: f64, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level + passed * per_minute / 60.0).min(per_minute);
        self.at = now;
    }
}

/// Where a key stands; the numbers of the rate-limit headers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Standing {
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
    /// Until the bucket is full again.
    pub(crate) reset: Duration,
}

/// The buckets of all keys.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    requests: HashMap<String, Bucket>,
    tokens: HashMap<String, Bucket>,
}

impl Buckets {
    /// Takes one request of `tokens` input tokens from the key's buckets.
    ///
    /// # Errors
    /// The limit that is reached, and how long until the request would pass.
    pub(crate) fn admit(
        &mut self,
        key: &str,
        limits: &KeyLimits,
        tokens: u64,
        now: Instant,
    ) -> Result<(), (Limit, Duration)> {
        if self.requests.len() > KEYS_MAX || self.tokens.len() > KEYS_MAX {
            *self = Self::default();
        }
        let per_minute = [limits.rpm.map(f64::from), limits.tpm.map(|tpm| tpm as f64)];
        // A prompt larger than the bucket would never pass: it costs the whole bucket.
        let costs = [1.0, per_minute[1].map_or(0.0, |tpm| (tokens as f64).min(tpm))];
        let maps = [&mut self.requests, &mut self.tokens];
        let kinds = [Limit::Requests(u64::from(limits.rpm.unwrap_or(0))), Limit::Tokens(limits.tpm.unwrap_or(0))];
        let mut taken = Vec::with_capacity(2);
        for (((map, rate), cost), kind) in maps.into_iter().zip(per_minute).zip(costs).zip(kinds) {
            let Some(rate) = rate else { continue };
            let bucket = map.entry(key.to_owned()).or_insert(Bucket { level: rate, at: now });
            bucket.refill(rate, now);
            // A hair of tolerance: a client that waits exactly as told must pass.
            if bucket.level + 1e-6 < cost {
                let wait = if rate > 0.0 { (cost - bucket.level) * 60.0 / rate } else { 3600.0 };
                return Err((kind, Duration::try_from_secs_f64(wait).unwrap_or(Duration::from_hours(1))));
            }
            taken.push((bucket, cost));
        }
        for (bucket, cost) in taken {
            bucket.level -= cost;
        }
        Ok(())
    }

    /// Takes output tokens afterwards; the level may fall below zero, as real limits let it.
    pub(crate) fn charge(&mut self, key: &str, tokens: u64) {
        if let Some(bucket) = self.tokens.get_mut(key) {
            bucket.level -= tokens as f64;
        }
    }

    /// Where a key stands: requests and tokens.
    pub(crate) fn standing(&self, key: &str, limits: &KeyLimits) -> [Option<Standing>; 2] {
        let stand = |map: &HashMap<String, Bucket>, limit: Option<u64>| {
            let limit = limit?;
            let level = map.get(key).map_or(limit as f64, |bucket| bucket.level).max(0.0);
            let missing = (limit as f64 - level) * 60.0 / (limit as f64).max(1.0);
            let reset = Duration::try_from_secs_f64(missing).unwrap_or_default();
            Some(Standing { limit, remaining: level as u64, reset })
        };
        [stand(&self.requests, limits.rpm.map(u64::from)), stand(&self.tokens, limits.tpm)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_waits_as_told_passes() {
        let (mut buckets, start) = (Buckets::default(), Instant::now());
        let limits = KeyLimits { rpm: Some(3), tpm: None, concurrent: None };
        for _ in 0..3 {
            assert!(buckets.admit("k", &limits, 10, start).is_ok());
        }
        let (limit, wait) = buckets.admit("k", &limits, 10, start).unwrap_err();
        assert_eq!((limit, wait), (Limit::Requests(3), Duration::from_secs(20)));
        assert!(buckets.admit("other", &limits, 10, start).is_ok());
        assert!(buckets.admit("k", &limits, 10, start + wait / 2).is_err());
        assert!(buckets.admit("k", &limits, 10, start + wait).is_ok());
    }

    #[test]
    fn a_refused_request_costs_nothing_and_output_is_charged() {
        let (mut buckets, now) = (Buckets::default(), Instant::now());
        let limits = KeyLimits { rpm: Some(100), tpm: Some(600), concurrent: None };
        assert!(buckets.admit("k", &limits, 500, now).is_ok());
        buckets.charge("k", 90);
        assert_eq!(buckets.admit("k", &limits, 20, now).unwrap_err(), (Limit::Tokens(600), Duration::from_secs(1)));
        let [requests, tokens] = buckets.standing("k", &limits);
        assert_eq!((requests.unwrap().remaining, tokens.unwrap().remaining), (99, 10));
        assert!(buckets.admit("k", &limits, 9_999, now + Duration::from_mins(1)).is_ok());
    }
}
