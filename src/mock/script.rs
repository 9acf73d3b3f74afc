//! The script: what happens to whom, in YAML or JSON.
//!
//! ```yaml
//! default: echo                 # scenario of requests that name none
//! strict: true                  # refuse what the real provider refuses
//! legacy: false                 # also refuse what only older models and Vertex refuse, see `Script::legacy`
//! known_keys_only: false        # answer keys that are not listed below as unknown
//! keys:
//!   key-small: { rpm: 3, tpm: 10000 }
//!   "*": { rpm: 1000 }
//! rules:                        # every rule that matches adds its faults; the first scenario wins
//!   - match: { key: "key-bad*", dialect: anthropic, model: "claude-*", nth: [1, 2] }
//!     faults: ["429:2"]
//!   - match: { percent: 10 }
//!     faults: ["error-after:3", "delay-chunk:20"]
//!   - match: { key: "key-tool" }
//!     scenario: tool
//! ```

use super::dialect::Dialect;
use super::fault::Fault;
use super::scenario::{Named, Scenario};
use super::seal::Seal;
use parking_lot::Mutex;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::Path;
use thiserror::Error;

/// A script as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Script {
    /// Scenario of requests that name none.
    pub default: String,
    /// Whether requests are checked against the provider's rules.
    pub strict: bool,
    /// Whether to refuse also what only older models and Vertex refuse: two turns of one role in a row (today they are
    /// joined), empty text parts (Gemini), object schemas without properties (Gemini).
    pub legacy: bool,
    /// Whether keys that are not in `keys` are answered as unknown.
    pub known_keys_only: bool,
    /// Limits by key; `*` at the end of a name matches any rest, the longest matching name wins.
    pub keys: HashMap<String, KeyLimits>,
    /// Scenarios and faults by request.
    pub rules: Vec<Rule>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            default: "echo".into(),
            strict: true,
            legacy: false,
            known_keys_only: false,
            keys: HashMap::new(),
            rules: Vec::new(),
        }
    }
}

/// The limits of a key. Buckets refill continuously and hold one minute's worth.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeyLimits {
    /// Requests per minute.
    pub rpm: Option<u32>,
    /// Tokens per minute.
    pub tpm: Option<u64>,
    /// Requests in flight at once.
    pub concurrent: Option<u32>,
}

/// A rule: when it matches, what happens.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// Which requests.
    #[serde(rename = "match")]
    pub matcher: Matcher,
    /// The scenario, if the request names none.
    pub scenario: Option<String>,
    /// Faults to add.
    pub faults: Vec<String>,
}

/// Which requests a rule is for; every member that is given must fit.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Matcher {
    /// Key; `*` at the end matches any rest.
    pub key: Option<String>,
    /// Model; `*` at the end matches any rest.
    pub model: Option<String>,
    /// `openai_chat`, `openai_responses`, `anthropic` or `gemini`.
    pub dialect: Option<String>,
    /// Only streams (`true`) or only unary requests (`false`).
    pub stream: Option<bool>,
    /// Only these of the requests that fit so far, counted from 1.
    pub nth: Option<Nth>,
    /// Only every so many of them.
    pub every: Option<u64>,
    /// Only so many of a hundred, chosen by the seed.
    pub percent: Option<f64>,
}

/// One ordinal or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Nth {
    /// One.
    One(u64),
    /// Any of these.
    Any(Vec<u64>),
}

/// Why a script is refused.
#[derive(Debug, Error)]
pub enum ScriptError {
    /// The file cannot be read.
    #[error("cannot read the script {path}: {error}")]
    Read {
        /// The file.
        path: String,
        /// The cause.
        error: std::io::Error,
    },
    /// Neither YAML nor JSON, or an unknown member.
    #[error("the script is not understood: {0}")]
    Parse(#[from] serde_yaml::Error),
    /// A scenario or a fault is misspelt.
    #[error("rule {rule}: {message}")]
    Rule {
        /// Its position, from 1; 0 is the script's own `default`.
        rule: usize,
        /// What is wrong.
        message: String,
    },
}

impl Script {
    /// Reads YAML or JSON (which is YAML) and checks every name in it.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let script: Self = if text.trim().is_empty() { Self::default() } else { serde_yaml::from_str(text)? };
        ActiveScript::new(script.clone())?;
        Ok(script)
    }

    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, ScriptError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ScriptError::Read { path: path.display().to_string(), error })?;
        Self::parse(&text)
    }
}

/// What a rule sees of a request.
pub(crate) struct Subject<'a> {
    pub(crate) key: &'a str,
    pub(crate) model: &'a str,
    pub(crate) dialect: Dialect,
    pub(crate) stream: bool,
}

/// A script with its names resolved and its counters.
pub(crate) struct ActiveScript {
    /// The scenario of requests that name none.
    pub(crate) default: Scenario,
    /// As written.
    pub(crate) written: Script,
    rules: Vec<ActiveRule>,
}

struct ActiveRule {
    matcher: Matcher,
    scenario: Option<Scenario>,
    faults: Vec<Fault>,
    seen: Mutex<u64>,
}

impl ActiveScript {
    /// Resolves every name.
    pub(crate) fn new(written: Script) -> Result<Self, ScriptError> {
        let scenario = |rule: usize, name: &str| {
            Scenario::parse(name).ok_or_else(|| ScriptError::Rule { rule, message: format!("`{name}` is no scenario") })
        };
        let default = scenario(0, &written.default)?;
        let mut rules = Vec::with_capacity(written.rules.len());
        for (at, rule) in written.rules.iter().enumerate() {
            let faults: Result<Vec<_>, _> = rule.faults.iter().map(|fault| Fault::parse(fault)).collect();
            rules.push(ActiveRule {
                matcher: rule.matcher.clone(),
                scenario: rule.scenario.as_deref().map(|name| scenario(at + 1, name)).transpose()?,
                faults: faults.map_err(|message| ScriptError::Rule { rule: at + 1, message })?,
                seen: Mutex::new(0),
            });
        }
        Ok(Self { default, written, rules })
    }

    /// The limits of a key, with the name they are listed under.
    pub(crate) fn limits(&self, key: &str) -> Option<KeyLimits> {
        let fits = self.written.keys.iter().filter(|(name, _)| fits(name, key));
        fits.max_by_key(|(name, _)| name.len()).map(|(_, limits)| *limits)
    }

    /// Whether the provider knows the key.
    pub(crate) fn knows(&self, key: &str) -> bool {
        !self.written.known_keys_only || self.written.keys.keys().any(|name| fits(name, key))
    }

    /// What the rules say about a request; counts it.
    pub(crate) fn apply(&self, subject: &Subject<'_>, seal: Seal) -> Named {
        let mut named = Named::default();
        for (at, rule) in self.rules.iter().enumerate() {
            if rule.fires(subject, at, seal) {
                named.scenario = named.scenario.or(rule.scenario);
                named.faults.extend(rule.faults.iter().cloned());
            }
        }
        named
    }
}

impl ActiveRule {
    fn fires(&self, subject: &Subject<'_>, at: usize, seal: Seal) -> bool {
        let matcher = &self.matcher;
        let said = |pattern: &Option<String>, text: &str| pattern.as_deref().is_none_or(|pattern| fits(pattern, text));
        let concerns = said(&matcher.key, subject.key)
            && said(&matcher.model, subject.model)
            && said(&matcher.dialect, subject.dialect.name())
            && matcher.stream.is_none_or(|stream| stream == subject.stream);
        if !concerns {
            return false;
        }
        let count = {
            let mut seen = self.seen.lock();
            *seen += 1;
            *seen
        };
        let nth = match &matcher.nth {
            None => true,
            Some(Nth::One(n)) => *n == count,
            Some(Nth::Any(list)) => list.contains(&count),
        };
        let every = matcher.every.is_none_or(|every| every > 0 && count % every == 0);
        nth && every && matcher.percent.is_none_or(|percent| draw(seal, at, count) < percent)
    }
}

/// A number from 0 up to 100, the same for the same seed, rule and count.
fn draw(seal: Seal, rule: usize, count: u64) -> f64 {
    let digest = seal.digest("draw", &[&rule.to_string(), &count.to_string()]);
    let number = digest.iter().take(4).fold(0u32, |sum, byte| (sum << 8) | u32::from(*byte));
    f64::from(number) / f64::from(u32::MAX) * 100.0
}

fn fits(pattern: &str, text: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == text, |head| text.starts_with(head))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn active(text: &str) -> ActiveScript {
        ActiveScript::new(Script::parse(text).unwrap()).unwrap()
    }

    fn subject(key: &str) -> Subject<'_> {
        Subject { key, model: "m", dialect: Dialect::Chat, stream: false }
    }

    #[test]
    fn rules_count_their_own_requests() {
        let script =
            active("rules: [{match: {key: 'a*', nth: [2]}, faults: ['429:2']}, {match: {every: 2}, scenario: tool}]");
        let seal = Seal::new(1);
        let said: Vec<Named> = ["ab", "b", "ac", "ad"].map(|key| script.apply(&subject(key), seal)).into();
        assert_eq!(said.iter().map(|named| named.faults.len()).collect::<Vec<_>>(), [0, 0, 1, 0]);
        assert_eq!(said[1].scenario, Some(Scenario::Tool));
        assert_eq!(said[2].scenario, None);
    }

    #[test]
    fn percentages_follow_the_seed() {
        let count = |seed| {
            let script = active("rules: [{match: {percent: 20}, faults: ['503']}]");
            let seal = Seal::new(seed);
            (0..1000).map(|_| !script.apply(&subject("k"), seal).faults.is_empty()).collect::<Vec<_>>()
        };
        let hits = count(1).iter().filter(|hit| **hit).count();
        assert!((150..250).contains(&hits), "{hits}");
        assert_eq!(count(1), count(1));
        assert_ne!(count(1), count(2));
    }

    #[test]
    fn mistakes_in_a_script_are_errors() {
        for bad in [
            "rulez: []",
            "default: nope",
            "rules: [{faults: ['nope']}]",
            "rules: [{scenario: nope}]",
            "keys: {a: {rmp: 1}}",
        ] {
            assert!(Script::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_longest_key_pattern_wins() {
        let script = active("{known_keys_only: true, keys: {'a*': {rpm: 1}, 'ab*': {rpm: 2}}}");
        assert_eq!(script.limits("abc").unwrap().rpm, Some(2));
        assert!(script.knows("ax") && !script.knows("b"));
    }
}
