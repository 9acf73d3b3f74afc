//! Accounts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use super::Mean;
use super::upstreams::Upstreams;
use crate::config::report::At;
use crate::config::units::{OneOrMany, SecretText};
use crate::config::{Account, AuthStyle, Upstream, raw};
use crate::credentials::{OAuth, Secret};
use crate::routing::Pattern;

/// `concurrency` if the file says nothing.
const CONCURRENCY: u64 = 3;

/// Largest `concurrency`.
const CONCURRENCY_MAX: u64 = 100_000;

/// Accounts, and what else the file says of them.
#[derive(Default)]
pub(super) struct Accounts {
    /// In the order of the file.
    pub(super) list: Vec<Arc<Account>>,
    /// Names of upstreams that some account opens, also accounts with a fault or switched off.
    pub(super) opened: HashSet<String>,
    /// As `opened`, of accounts that are on.
    pub(super) on: HashSet<String>,
}

impl Mean<'_> {
    pub(super) fn accounts(
        &mut self,
        at: &At<'_>,
        raw: &[Option<raw::Account>],
        upstreams: &Upstreams,
        tiers: &[String],
    ) -> Accounts {
        let ranks: HashMap<&str, usize> = tiers.iter().enumerate().map(|(rank, name)| (name.as_str(), rank)).collect();
        let mut accounts = Accounts::default();
        let mut seen = HashMap::with_capacity(raw.len());
        for (index, account) in raw.iter().enumerate() {
            let at = at.index(index);
            let Some(account) = account else {
                self.problems.empty_item(&at);
                continue;
            };
            accounts.opened.extend(account.upstream.0.iter().cloned());
            let enabled = account.enabled.unwrap_or(true);
            if enabled {
                accounts.on.extend(account.upstream.0.iter().cloned());
            }
            let id = self.id(&at, account.id.as_deref(), &mut seen, index).unwrap_or_default();
            let tier = self.tier(&at, account.tier.as_deref(), tiers, &ranks);
            let concurrency = account.concurrency.unwrap_or(CONCURRENCY);
            let concurrency = self.number(&at, "concurrency", concurrency, (1, CONCURRENCY_MAX));
            let limits = self.account_limits(&at.key("limits"), &account.limits);
            let models = account.models.as_ref().map(|models| self.patterns(&at.key("models"), models));
            let opened = self.references(&at, &account.upstream, upstreams);
            let oauth = self.way(&at, account);
            let credential = self.credential(&at, account, &opened);
            let own = oauth.as_ref().and_then(OAuth::project);
            let project = self.projects(&at, account, own, &opened);
            let headers = self.account_headers(&at.key("headers"), &account.headers);
            let proxy = self.proxy(&at.key("proxy"), account.proxy.as_ref());
            let (Some(first), Some(credential), Some(proxy)) = (opened.first(), credential, proxy) else { continue };
            let upstream = Arc::clone(first);
            let oauth = oauth.map(Arc::new);
            let account = Account {
                id,
                upstream,
                upstreams: opened,
                tier,
                credential,
                oauth,
                headers,
                project,
                proxy,
                concurrency,
                limits,
                enabled,
                models,
            };
            accounts.list.push(Arc::new(account));
        }
        accounts
    }

    /// Upstreams by their names, as in accounts and routes. Those with faults are left out.
    pub(super) fn references(
        &mut self,
        at: &At<'_>,
        names: &OneOrMany<String>,
        upstreams: &Upstreams,
    ) -> Vec<Arc<Upstream>> {
        let at_list = at.key("upstream");
        if names.0.is_empty() {
            self.problems.missing(at, "upstream", "the `id` of an upstream, or a list of them");
        }
        let mut found: Vec<Arc<Upstream>> = Vec::with_capacity(names.0.len());
        for (index, name) in names.0.iter().enumerate() {
            let at = at_list.index(index);
            if !upstreams.has(name) {
                let known: Vec<&str> = upstreams.ids.iter().map(String::as_str).collect();
                self.dangling(&at, "upstream", name, &known);
            } else if found.iter().any(|taken| taken.id == *name) {
                self.problems.error(&at, format!("the upstream `{name}` is there twice"), None);
            } else {
                found.extend(upstreams.get(name).cloned());
            }
        }
        found
    }

    fn tier(&mut self, at: &At<'_>, name: Option<&str>, tiers: &[String], ranks: &HashMap<&str, usize>) -> u8 {
        let last = tiers.len().saturating_sub(1);
        let rank = match name {
            None => last,
            Some(name) => ranks.get(name).copied().unwrap_or_else(|| {
                let known: Vec<&str> = tiers.iter().map(String::as_str).collect();
                self.dangling(&at.key("tier"), "tier", name, &known);
                last
            }),
        };
        u8::try_from(rank).unwrap_or(u8::MAX)
    }

    pub(super) fn patterns(&mut self, at: &At<'_>, models: &OneOrMany<String>) -> Vec<Pattern> {
        if models.0.is_empty() {
            let help = "leave the key out for all models, or set `enabled: false` for none".to_owned();
            self.problems.error(at, "the list of models is empty", Some(help));
        }
        let mut patterns = Vec::with_capacity(models.0.len());
        for (index, text) in models.0.iter().enumerate() {
            match Pattern::parse(text) {
                Ok(pattern) => patterns.push(pattern),
                Err(error) => self.problems.error(&at.index(index), error.to_string(), None),
            }
        }
        patterns
    }

    /// How access tokens are got, if they are.
    fn way(&mut self, at: &At<'_>, raw: &raw::Account) -> Option<OAuth> {
        let oauth = raw.oauth.as_ref().and_then(|oauth| self.oauth(&at.key("oauth"), oauth));
        let at_key = at.key("service_account");
        let service_account = raw.service_account.as_ref().and_then(|key| self.service_account(&at_key, key));
        if raw.oauth.is_some() && raw.service_account.is_some() {
            let help = "remove one of them".to_owned();
            self.problems.error(&at_key, "the account has `oauth` and a `service_account`", Some(help));
        }
        oauth.or(service_account)
    }

    /// Headers of an account; their values are taken for secrets.
    fn account_headers(&mut self, at: &At<'_>, raw: &BTreeMap<String, SecretText>) -> Vec<(HeaderName, HeaderValue)> {
        let headers = self.headers(at, raw).into_iter();
        let sensitive = |(name, value): (String, String)| {
            let mut value = HeaderValue::try_from(value).ok()?;
            value.set_sensitive(true);
            Some((HeaderName::try_from(name).ok()?, value))
        };
        headers.filter_map(sensitive).collect()
    }

    fn credential(&mut self, at: &At<'_>, raw: &raw::Account, upstreams: &[Arc<Upstream>]) -> Option<Secret> {
        let at_key = at.key("credential");
        let wanted = upstreams.iter().find(|upstream| upstream.auth != AuthStyle::None);
        let beside = [("oauth", raw.oauth.is_some()), ("service_account", raw.service_account.is_some())];
        let beside = beside.iter().find(|(_, is_there)| *is_there).map(|(key, _)| *key);
        if let (Some(key), true) = (beside, raw.credential.is_some()) {
            let help = "remove one of them".to_owned();
            self.problems.error(&at_key, format!("the account has a `credential` and `{key}`"), Some(help));
        }
        let Some(text) = &raw.credential else {
            if let Some(upstream) = wanted.filter(|_| beside.is_none()) {
                let what = format!("the upstream `{}` wants one; for example `${{env:NAME}}`", upstream.id);
                self.problems.missing(at, "credential", &what);
            }
            return Some(Secret::none());
        };
        if wanted.is_none() && !upstreams.is_empty() {
            let help = "leave the credential out, or say with `auth` where it goes".to_owned();
            self.problems.error(&at_key, "the upstream has `auth: none`, so this would never be sent", Some(help));
        }
        let text = self.expand(&at_key, &text.0)?;
        if text.is_empty() {
            let help = "write `${env:NAME}`, `${file:/path}` or the credential itself".to_owned();
            self.problems.error(&at_key, "the credential is empty", Some(help));
        }
        match Secret::new(text) {
            Ok(secret) => Some(secret),
            Err(error) => {
                self.problems.error(&at_key, error.to_string(), None);
                None
            }
        }
    }
}
