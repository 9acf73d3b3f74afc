//! Quotas: how much of what a provider allows an account is left.
//!
//! - [`Quotas`]: what is known of each account and family, whoever told it: the refresher ([`refresh`]), headers of
//!   answers, refusals.
//! - [`known`]: which of two readings counts, and what follows from it. An account whose quota is used up, or nearly so
//!   for a protected model, is left out for that family by a cooldown of the registry: the one test on all paths.
//! - [`mod@told`]: which headers of answers tell of quotas.
//! - [`schedule`]: when an account is asked.
//!
//! All but [`refresh`] is pure: time is an argument.

pub mod known;
pub mod refresh;
pub mod schedule;
mod status;
#[cfg(test)]
mod tests;
pub mod told;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

pub use known::{Known, Reading, Rules, Source, Verdict};
pub use schedule::Schedule;
pub use status::{AccountQuota, FamilyQuota, QuotaStatus, StoredQuota};
pub use told::{Told, told};

use crate::config::{Account, Config, Platform, Snapshot};
use crate::limits::Reason;
use crate::limits::cooldown::Cooldown;
use crate::pool::{Millis, Registry};

/// Families of one account that are remembered; the one that was read first is forgotten for a new one.
pub const FAMILIES_MAX: usize = 64;

/// Accounts that are not configured of which something is kept, at most. What comes beyond is forgotten.
const UNCLAIMED_MAX: usize = 10_000;
/// A reading without an end is not kept for longer where the account is not configured, in milliseconds: thirty days.
const UNCLAIMED_MS: u64 = 30 * 24 * 60 * 60 * 1000;

/// A reading without an end orders accounts for so long, in milliseconds.
const ORDERS_MS: u64 = 24 * 60 * 60 * 1000;

/// What is known of the quotas of all accounts.
#[derive(Debug, Default)]
pub struct Quotas {
    accounts: Mutex<BTreeMap<String, Entry>>,
    /// What is known of accounts that are not configured. Taken after the accounts.
    unclaimed: Mutex<BTreeMap<String, Vec<StoredQuota>>>,
    /// When the next quota is renewed, in milliseconds of the epoch; 0: nobody has looked.
    renews: AtomicU64,
}

/// What is known of one account.
#[derive(Debug, Default)]
struct Entry {
    /// Whom it shares a quota with, if that is known.
    group: Option<String>,
    /// When it is asked; `None` of a provider that tells nothing.
    schedule: Option<Schedule>,
    families: BTreeMap<String, Known>,
}

impl Quotas {
    /// Follows a configuration that was put in force: accounts come and go, protections change at once.
    pub fn follow(&self, registry: &Registry, snapshot: &Snapshot, now: Millis) {
        let config = &snapshot.config;
        let rules = Rules::new(config);
        let mut accounts = self.accounts.lock();
        let mut before = std::mem::take(&mut *accounts);
        for account in &config.accounts {
            let kept = self.unclaimed.lock().remove(&account.id);
            let mut entry = before.remove(&account.id).unwrap_or_else(|| {
                let mut entry = Entry::default();
                kept.iter().flatten().for_each(|stored| entry.restore(stored, now));
                entry
            });
            if !matches!(account.upstream.platform, Platform::CodeAssist) || account.project.is_some() {
                entry.group = group(account, account.project.as_deref());
            }
            let asked = config.resilience.quota.enabled && account.enabled && tells(account);
            let first = || Schedule::first(&account.id, config.accounts.len(), now);
            entry.schedule = asked.then(|| entry.schedule.take().unwrap_or_else(first));
            for (family, known) in &mut entry.families {
                // The rules may be others.
                act(registry, &rules, (&account.id, family), known, now);
            }
            self.order(registry, &account.id, &entry, now);
            accounts.insert(account.id.clone(), entry);
        }
        for (id, entry) in before {
            entry.export(&id, now).into_iter().for_each(|stored| self.keep(stored));
        }
    }

    /// Keeps what is known of an account that is not configured.
    fn keep(&self, stored: StoredQuota) {
        let mut unclaimed = self.unclaimed.lock();
        if unclaimed.len() < UNCLAIMED_MAX || unclaimed.contains_key(&stored.account) {
            let kept = unclaimed.entry(stored.account.clone()).or_default();
            if kept.len() < FAMILIES_MAX && !kept.iter().any(|one| one.family == stored.family) {
                kept.push(stored);
            }
        }
    }

    /// What a provider told of an account's models; also of the accounts that share its project.
    pub fn told(&self, registry: &Registry, rules: &Rules<'_>, account: &str, told: &[(&str, Reading)], now: Millis) {
        let families = known::fold(rules, told);
        let mut accounts = self.accounts.lock();
        for id in sharers(&accounts, account, rules) {
            let Some(entry) = accounts.get_mut(&id) else { continue };
            for (family, (reading, models)) in &families {
                entry.learn(registry, rules, (&id, family), *reading, models, now);
            }
            self.order(registry, &id, entry, now);
        }
    }

    /// The headers of an answer for `model` told something, as of `read`. What all models share is told of the other families
    /// that are known, too, where it is less than what is known of them, or came in the same way.
    pub fn answered(
        &self,
        registry: &Registry,
        rules: &Rules<'_>,
        (account, model): (&str, &str),
        told: Told,
        read: Millis,
        now: Millis,
    ) {
        let reading = |left: told::Left| Reading { left: left.left, reset: left.reset, source: Source::Header, read };
        let asked = rules.family(model);
        let mut accounts = self.accounts.lock();
        for id in sharers(&accounts, account, rules) {
            let Some(entry) = accounts.get_mut(&id) else { continue };
            if let Some(left) = told.family {
                entry.learn(registry, rules, (&id, asked), reading(left), &[model], now);
            }
            let Some(left) = told.account else {
                self.order(registry, &id, entry, now);
                continue;
            };
            let over = |known: &Known| known.reading.reset.is_some_and(|reset| reset <= now);
            let takes = |known: &Known| known.shared || left.left < known.reading.left || over(known);
            let all = entry.families.iter().filter(|(family, known)| *family != asked && takes(known));
            let others: Vec<String> = all.map(|(family, _)| family.clone()).collect();
            for family in others {
                entry.learn(registry, rules, (&id, &family), reading(left), &[], now);
            }
            let shared = |(family, known): (&String, &mut Known)| {
                let own = family == asked && told.family != told.account;
                let from_it = known.reading.source == Source::Header && known.reading.read == read;
                known.shared = if from_it { !own } else { known.shared };
            };
            entry.families.iter_mut().for_each(shared);
            self.order(registry, &id, entry, now);
        }
    }

    /// A refusal said that nothing is left. `reset` is what it told of the end; else that of the last reading holds.
    pub fn refused(
        &self,
        registry: &Registry,
        rules: &Rules<'_>,
        account: &str,
        model: &str,
        reset: Option<Millis>,
        now: Millis,
    ) {
        let family = rules.family(model);
        let mut accounts = self.accounts.lock();
        for id in sharers(&accounts, account, rules) {
            let Some(entry) = accounts.get_mut(&id) else { continue };
            let before = entry.families.get(family).and_then(|known| known.reading.reset);
            let reset = reset.or(before).filter(|reset| *reset > now);
            let reading = Reading { left: 0.0, reset, source: Source::Refusal, read: now };
            entry.learn(registry, rules, (&id, family), reading, &[model], now);
            self.order(registry, &id, entry, now);
        }
    }

    /// Takes renewed quotas for whole again; quick where there are none.
    pub fn renew(&self, registry: &Registry, now: Millis) {
        if self.renews.load(Ordering::Relaxed) > now.0 {
            return;
        }
        let accounts = self.accounts.lock();
        self.renews.store(u64::MAX, Ordering::Relaxed);
        accounts.iter().for_each(|(id, entry)| self.order(registry, id, entry, now));
    }

    /// Tells the registry what is left, so that accounts with more of it are taken first.
    fn order(&self, registry: &Registry, account: &str, entry: &Entry, now: Millis) {
        let mut shared: f64 = 1.0;
        for (family, known) in &entry.families {
            let Reading { left, reset, read, .. } = known.reading;
            let until = reset.unwrap_or(read.plus(ORDERS_MS));
            let left = if until > now { left } else { 1.0 };
            if until > now {
                self.renews.fetch_min(until.0, Ordering::Relaxed);
            }
            if known.shared {
                shared = shared.min(left);
            }
            registry.note_left(account, Some(family), if known.shared { 1.0 } else { left }, until, now);
        }
        registry.note_left(account, None, shared, now, now);
    }

    /// What is left of an account's quota for a model, 0 to 1. `None`: nobody has told, or it has been renewed since.
    pub fn left(&self, rules: &Rules<'_>, account: &str, model: &str, now: Millis) -> Option<f64> {
        let accounts = self.accounts.lock();
        let known = accounts.get(account)?.families.get(rules.family(model))?;
        known.reading.reset.is_none_or(|reset| reset > now).then_some(known.reading.left)
    }

    /// The accounts to be asked now, of each project one; they are taken to be under way.
    pub(crate) fn begin(&self, now: Millis, shares_projects: bool, most: usize) -> Vec<String> {
        let mut accounts = self.accounts.lock();
        let mut groups: Vec<String> = Vec::new();
        let mut begun = Vec::new();
        for (id, entry) in accounts.iter_mut() {
            let Some(schedule) = entry.schedule.as_mut().filter(|schedule| schedule.due <= now) else { continue };
            let shared = entry.group.as_ref().filter(|_| shares_projects);
            if begun.len() >= most || shared.is_some_and(|group| groups.contains(group)) || !schedule.begin() {
                continue;
            }
            groups.extend(shared.cloned());
            begun.push(id.clone());
        }
        begun
    }

    /// Takes an account to be under way. `false` if it is, or if its provider tells nothing.
    pub(crate) fn begin_one(&self, account: &str) -> bool {
        let mut accounts = self.accounts.lock();
        accounts.get_mut(account).and_then(|entry| entry.schedule.as_mut()).is_some_and(Schedule::begin)
    }

    /// An account was asked: `outcome` has the group that it turned out to be in, or why there is no answer.
    pub(crate) fn asked(&self, config: &Config, account: &str, outcome: Result<Option<String>, String>, now: Millis) {
        let quota = &config.resilience.quota;
        let refresh_ms = u64::try_from(quota.refresh.as_millis()).unwrap_or(u64::MAX);
        let mut accounts = self.accounts.lock();
        let Some(entry) = accounts.get_mut(account) else { return };
        match outcome {
            Err(error) => {
                if let Some(schedule) = &mut entry.schedule {
                    schedule.failed(account, refresh_ms, error, now);
                }
            }
            Ok(group) => {
                entry.group.clone_from(&group);
                for id in sharers(&accounts, account, &Rules::new(config)) {
                    let schedule = accounts.get_mut(&id).and_then(|entry| entry.schedule.as_mut());
                    if let Some(schedule) = schedule.filter(|schedule| id == account || !schedule.asking) {
                        schedule.answered(account, refresh_ms, now);
                    }
                }
            }
        }
    }

    /// What is known, for the operator.
    pub fn status(&self, registry: &Registry, config: &Config, now: Millis) -> QuotaStatus {
        status::status(&self.accounts.lock(), registry, config, now)
    }

    /// What is known, for the store.
    pub fn export(&self, now: Millis) -> Vec<StoredQuota> {
        let accounts = self.accounts.lock();
        let mut all: Vec<_> = accounts.iter().flat_map(|(id, entry)| entry.export(id, now)).collect();
        let mut unclaimed = self.unclaimed.lock();
        unclaimed.retain(|_, kept| {
            kept.retain(|one| one.known(now).is_some() && now.since(Millis(one.read_ms)) < UNCLAIMED_MS);
            !kept.is_empty()
        });
        all.extend(unclaimed.values().flatten().cloned());
        all
    }

    /// Puts back what the store kept, where nothing newer is known, and not of quotas that have been renewed since. What
    /// concerns accounts that are not there is kept until they are.
    pub fn import(&self, registry: &Registry, stored: &[StoredQuota], now: Millis) {
        let mut accounts = self.accounts.lock();
        for stored in stored {
            match accounts.get_mut(&stored.account) {
                Some(entry) => entry.restore(stored, now),
                None => self.keep(stored.clone()),
            }
        }
        accounts.iter().for_each(|(id, entry)| self.order(registry, id, entry, now));
    }
}

impl Entry {
    fn export(&self, id: &str, now: Millis) -> Vec<StoredQuota> {
        let lives = |known: &&Known| known.reading.reset.is_none_or(|reset| reset > now);
        let families = self.families.iter().filter(|(_, known)| lives(known));
        families.map(|(family, known)| StoredQuota::new(id, family, known)).collect()
    }

    fn restore(&mut self, stored: &StoredQuota, now: Millis) {
        let Some(known) = stored.known(now) else { return };
        let full = self.families.len() >= FAMILIES_MAX;
        if !full && !self.families.contains_key(&stored.family) {
            self.families.insert(stored.family.clone(), known);
        }
    }

    fn learn(
        &mut self,
        registry: &Registry,
        rules: &Rules<'_>,
        (account, family): (&str, &str),
        reading: Reading,
        models: &[&str],
        now: Millis,
    ) {
        if !self.families.contains_key(family) && self.families.len() >= FAMILIES_MAX {
            let first = self.families.iter().min_by_key(|(name, known)| (known.reading.read, *name));
            if let Some(first) = first.map(|(name, _)| name.clone()) {
                self.families.remove(&first);
                registry.note_left(account, Some(&first), 1.0, now, now);
            }
        }
        let known = match self.families.get_mut(family) {
            Some(known) => {
                if !known.learn(reading, models) {
                    return;
                }
                known
            }
            None => self.families.entry(family.to_owned()).or_insert_with(|| Known::new(reading, models)),
        };
        if reading.source == Source::Poll && reading.left > 0.0 {
            // Whether a limit that was refused before the question is still reached, one request may see at once.
            registry.note_quota(account, family, reading.read, now);
        }
        act(registry, rules, (account, family), known, now);
    }
}

/// Does in the registry what follows from what is known.
fn act(registry: &Registry, rules: &Rules<'_>, (account, family): (&str, &str), known: &mut Known, now: Millis) {
    let lock = lock(registry, account, family, now);
    let Verdict::Rest { reason, until } = rules.verdict(family, known, now) else {
        if lock.is_some() {
            registry.clear(account, Some(family));
            tracing::info!(account, family, left = known.reading.left, "the quota is open again");
        }
        known.locked_until = None;
        return;
    };
    if lock.is_none() && known.locked_until.is_some_and(|end| now < end) {
        // A success, or the operator, has taken the lock back: that is better evidence than the same number once more.
        return;
    }
    // A lock is cut at the longest that is configured. One that holds beyond the next reading need not be set anew.
    let soon = now.plus(rules.protected_ms.min(rules.lock_ms_max / 2));
    let enough = |lock: &Cooldown| lock.reason == reason && lock.until >= until.min(soon);
    if let Some(lock) = lock.filter(enough) {
        known.locked_until = Some(lock.until);
        return;
    }
    let set = registry.cool(account, Some(family), until.since(now), reason, now);
    known.locked_until = set.map(|lock| lock.until);
    if set.is_some() {
        tracing::info!(account, family, left = known.reading.left, reason = reason.name(), "left out for its quota");
    }
}

/// The lock of a family that is about its quota.
fn lock(registry: &Registry, account: &str, family: &str, now: Millis) -> Option<Cooldown> {
    let all = registry.get(account)?.cooldowns(now);
    let own = all.into_iter().find(|(locked, _)| locked.as_deref() == Some(family)).map(|(_, lock)| lock);
    own.filter(|lock| matches!(lock.reason, Reason::QuotaExhausted | Reason::QuotaProtected))
}

/// The account itself, and those that share its quota.
fn sharers(accounts: &BTreeMap<String, Entry>, account: &str, rules: &Rules<'_>) -> Vec<String> {
    let group = accounts.get(account).and_then(|entry| entry.group.as_ref()).filter(|_| rules.shares_projects);
    let Some(group) = group else { return vec![account.to_owned()] };
    let shares = |entry: &Entry| entry.group.as_ref() == Some(group);
    accounts.iter().filter(|(_, entry)| shares(entry)).map(|(id, _)| id.clone()).collect()
}

/// Whether an account's provider tells its quota when it is asked.
fn tells(account: &Account) -> bool {
    account.oauth.is_some() && account.upstreams.iter().any(|upstream| upstream.platform == Platform::CodeAssist)
}

/// Accounts of one group share a quota: those of one project at one service.
pub(crate) fn group(account: &Account, project: Option<&str>) -> Option<String> {
    let upstream = &account.upstream;
    let (service, project) = match &upstream.platform {
        Platform::CodeAssist => ("code_assist".to_owned(), project),
        // Quotas there are those of a project in one place.
        Platform::Vertex { project: usual, location } => {
            (format!("vertex/{location}"), project.or(account.project.as_deref()).or(usual.as_deref()))
        }
        Platform::Direct | Platform::Azure { .. } => (format!("upstream/{}", upstream.id), project),
    };
    project.map(|project| format!("{service}/{project}"))
}
