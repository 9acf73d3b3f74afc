//! What is known of the quota of one account and family, and what follows from it.
//!
//! - **Rank**: what was learned later counts. An observed refusal outranks a number that was asked for before it, since
//!   that number is older evidence; one that is asked for after it clears it.
//! - **Trip**: nothing left, or less than the threshold where the family is protected.
//! - **Recovery**: a later reading that says that there is more, or the moment at which the provider renews the quota.

use serde::{Deserialize, Serialize};

use crate::config::{Config, Family};
use crate::limits::Reason;
use crate::pool::Millis;
use crate::routing::Pattern;

/// Models that are named for one family. Further ones are its, too, but not remembered by name.
const MODELS_MAX: usize = 32;

/// How a reading came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The provider was asked for it.
    Poll,
    /// A header of an answer told it.
    Header,
    /// A refusal: nothing is left.
    Refusal,
}

impl Source {
    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            Source::Poll => "poll",
            Source::Header => "header",
            Source::Refusal => "refusal",
        }
    }
}

/// What was told of a quota.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// What is left of the whole, 0 to 1.
    pub left: f64,
    /// When it is whole again, if that was told.
    pub reset: Option<Millis>,
    /// How it came.
    pub source: Source,
    /// As of when it is true: when a question was sent, when a refusal came.
    pub read: Millis,
}

impl Reading {
    /// Whether it takes the place of `old`.
    fn outranks(&self, old: &Reading) -> bool {
        (self.read, self.source) >= (old.read, old.source)
    }
}

/// The last that is known of an account and family.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// The reading that counts.
    pub reading: Reading,
    /// The models that it was told for.
    pub models: Vec<String>,
    /// Whether the reading is about all models of the account.
    pub shared: bool,
    /// End of the lock that it led to. A lock that is gone before was taken back on better evidence.
    pub locked_until: Option<Millis>,
}

impl Known {
    /// A first reading.
    pub fn new(reading: Reading, models: &[&str]) -> Self {
        let mut known = Known { reading, models: Vec::new(), shared: false, locked_until: None };
        known.name(models);
        known
    }

    /// Takes a reading over, unless what is known is better. `true` if it was.
    pub fn learn(&mut self, reading: Reading, models: &[&str]) -> bool {
        let better = reading.outranks(&self.reading);
        if better {
            if self.is_new(&reading) {
                self.locked_until = None;
            }
            self.reading = reading;
            self.shared = false;
        }
        self.name(models);
        better
    }

    /// Whether a reading tells anything else than the one before it.
    fn is_new(&self, reading: &Reading) -> bool {
        let same = reading.left.total_cmp(&self.reading.left).is_eq() && reading.reset == self.reading.reset;
        !same || reading.source == Source::Refusal
    }

    fn name(&mut self, models: &[&str]) {
        for model in models {
            if self.models.len() < MODELS_MAX && !self.models.iter().any(|known| known == model) {
                self.models.push((*model).to_owned());
            }
        }
    }
}

/// What the operator wants of quotas.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'c> {
    /// Models that share a limit.
    pub families: &'c [Family],
    /// Models that are protected.
    pub protected: &'c [Pattern],
    /// They are from below this part of the quota, in percent.
    pub below_percent: u8,
    /// How long a quota is taken for used up where nobody says until when, in milliseconds. 0: not at all.
    pub exhausted_ms: u64,
    /// How long a protected one rests where nobody says until when, in milliseconds.
    pub protected_ms: u64,
    /// Longest lock of the registry, in milliseconds.
    pub lock_ms_max: u64,
    /// Whether accounts of one project share what is known.
    pub shares_projects: bool,
}

/// What follows from a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The account may be used.
    Open,
    /// It is to be left out for this family.
    Rest {
        /// Why.
        reason: Reason,
        /// Until when.
        until: Millis,
    },
}

impl<'c> Rules<'c> {
    /// Those of a configuration.
    pub fn new(config: &'c Config) -> Self {
        let (resilience, quota) = (&config.resilience, &config.resilience.quota);
        let ms = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let refresh_ms = ms(quota.refresh);
        Rules {
            families: &config.families,
            protected: if quota.enabled { &quota.protected } else { &[] },
            below_percent: quota.protect_below_percent,
            exhausted_ms: ms(resilience.cooldown.quota_default),
            // The next reading comes before that.
            protected_ms: refresh_ms.saturating_add(refresh_ms / 2),
            lock_ms_max: ms(resilience.cooldown.max),
            shares_projects: quota.shared_projects,
        }
    }

    /// The family of a model, as [`Config::family`] has it.
    pub fn family<'m>(&self, model: &'m str) -> &'m str
    where
        'c: 'm,
    {
        Family::of(self.families, model)
    }

    /// Whether a family has a protected model in it, as far as its models are known.
    pub fn protects(&self, family: &str, models: &[String]) -> bool {
        let mut names = models.iter().map(String::as_str).chain([family]);
        names.any(|name| self.protected.iter().any(|pattern| pattern.matches(name)))
    }

    /// What follows from what is known.
    pub fn verdict(&self, family: &str, known: &Known, now: Millis) -> Verdict {
        let Reading { left, reset, read, .. } = known.reading;
        let (reason, until) = if left <= 0.0 {
            (Reason::QuotaExhausted, reset.unwrap_or(read.plus(self.exhausted_ms)))
        } else if left * 100.0 < f64::from(self.below_percent) && self.protects(family, &known.models) {
            (Reason::QuotaProtected, reset.unwrap_or(read.plus(self.protected_ms)))
        } else {
            return Verdict::Open;
        };
        if until <= now { Verdict::Open } else { Verdict::Rest { reason, until } }
    }
}

/// What one answer tells of the models in it, by family: of several numbers the least, since any of them stops requests.
pub(super) fn fold<'m>(
    rules: &Rules<'m>,
    told: &[(&'m str, Reading)],
) -> std::collections::BTreeMap<&'m str, (Reading, Vec<&'m str>)> {
    let mut families = std::collections::BTreeMap::<&str, (Reading, Vec<&str>)>::new();
    for (model, reading) in told {
        let entry = families.entry(rules.family(model)).or_insert_with(|| (*reading, Vec::new()));
        // Of two that tell the same, the one that is renewed later.
        let order = reading.left.total_cmp(&entry.0.left).then(entry.0.reset.cmp(&reading.reset));
        if order.is_lt() {
            entry.0 = *reading;
        }
        entry.1.push(model);
    }
    families
}
