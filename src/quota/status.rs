//! What is known of quotas, as the operator reads it and as the store keeps it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::known::{Known, Reading, Rules, Source};
use super::{Entry, lock};
use crate::config::Config;
use crate::pool::{Millis, Registry};

/// The quotas of all accounts. Times are milliseconds of the Unix epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QuotaStatus {
    /// Whether quotas are read at all.
    pub enabled: bool,
    /// All accounts, in order of their ids.
    pub accounts: Vec<AccountQuota>,
}

/// The quotas of one account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AccountQuota {
    /// The account.
    pub account: String,
    /// Service and project that it shares its quotas with, if known.
    pub project: Option<String>,
    /// Whether its provider tells quotas when it is asked.
    pub asked: bool,
    /// When it was last asked with success.
    pub read_ms: Option<u64>,
    /// When it is asked next.
    pub next_ms: Option<u64>,
    /// Why it could not be asked, the last time.
    pub error: Option<String>,
    /// What is known, in order of the families.
    pub families: Vec<FamilyQuota>,
}

/// What is known of one family.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FamilyQuota {
    /// The family: a name from the configuration, or a model.
    pub family: String,
    /// The models of it that were told of.
    pub models: Vec<String>,
    /// What is left, 0 to 100.
    pub left_percent: f64,
    /// When it is whole again.
    pub reset_ms: Option<u64>,
    /// How it was learned.
    pub source: Source,
    /// As of when.
    pub read_ms: u64,
    /// Whether the family has a protected model in it.
    pub protected: bool,
    /// Why the account is left out for this family, if it is.
    pub resting: Option<String>,
    /// Until when, unless a reading says that there is more before.
    pub resting_until_ms: Option<u64>,
}

/// What the store keeps of one account and family. Times are milliseconds of the Unix epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredQuota {
    /// The account.
    pub account: String,
    /// The family.
    pub family: String,
    /// The models of it that were told of.
    pub models: Vec<String>,
    /// What is left, 0 to 1.
    pub left: f64,
    /// When it is whole again.
    pub reset_ms: Option<u64>,
    /// How it was learned.
    pub source: Source,
    /// As of when.
    pub read_ms: u64,
    /// Whether it is about all models of the account.
    #[serde(default)]
    pub shared: bool,
}

impl StoredQuota {
    pub(super) fn new(account: &str, family: &str, known: &Known) -> Self {
        let Reading { left, reset, source, read } = known.reading;
        StoredQuota {
            account: account.to_owned(),
            family: family.to_owned(),
            models: known.models.clone(),
            left,
            reset_ms: reset.map(|reset| reset.0),
            source,
            read_ms: read.0,
            shared: known.shared,
        }
    }

    /// What it says, unless that is past, lies in the future, or is no part of a whole.
    pub(super) fn known(&self, now: Millis) -> Option<Known> {
        let (read, reset) = (Millis(self.read_ms), self.reset_ms.map(Millis));
        let lives = read <= now && reset.is_none_or(|reset| reset > now) && (0.0..=1.0).contains(&self.left);
        let models: Vec<&str> = self.models.iter().map(String::as_str).collect();
        let reading = Reading { left: self.left, reset, source: self.source, read };
        lives.then(|| Known { shared: self.shared, ..Known::new(reading, &models) })
    }
}

pub(super) fn status(
    accounts: &BTreeMap<String, Entry>,
    registry: &Registry,
    config: &Config,
    now: Millis,
) -> QuotaStatus {
    let rules = Rules::new(config);
    let family = |account: &str, family: &str, known: &Known| {
        let lock = lock(registry, account, family, now);
        FamilyQuota {
            family: family.to_owned(),
            models: known.models.clone(),
            left_percent: known.reading.left * 100.0,
            reset_ms: known.reading.reset.map(|reset| reset.0),
            source: known.reading.source,
            read_ms: known.reading.read.0,
            protected: rules.protects(family, &known.models),
            resting: lock.map(|lock| lock.reason.name().to_owned()),
            resting_until_ms: lock.map(|lock| lock.until.0),
        }
    };
    let account = |(id, entry): (&String, &Entry)| AccountQuota {
        account: id.clone(),
        project: entry.group.clone(),
        asked: entry.schedule.is_some(),
        read_ms: entry.schedule.as_ref().and_then(|schedule| schedule.read).map(|read| read.0),
        next_ms: entry.schedule.as_ref().map(|schedule| schedule.due.0),
        error: entry.schedule.as_ref().and_then(|schedule| schedule.error.clone()),
        families: entry.families.iter().map(|(name, known)| family(id, name, known)).collect(),
    };
    QuotaStatus { enabled: config.resilience.quota.enabled, accounts: accounts.iter().map(account).collect() }
}
