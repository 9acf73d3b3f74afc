//! Asks providers what is left of the accounts' quotas.
//!
//! What is asked for, and when, is decided by [`super::Quotas`]. Here it is only done: a look each second, a bounded number
//! of questions at once, of one account one at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::{Reading, Rules, Source, group};
use crate::config::Platform;
use crate::proxy::{Gateway, now};

#[cfg(test)]
mod tests;

/// How often it is looked who is due.
const LOOK: Duration = Duration::from_secs(1);
/// Accounts that are asked at once.
const AT_ONCE_MAX: usize = 4;

/// Asks until it is dropped.
pub(crate) async fn run(gateway: Arc<Gateway>) {
    let mut under_way = JoinSet::new();
    loop {
        while under_way.try_join_next().is_some() {}
        gateway.quotas.renew(&gateway.registry, now());
        let room = AT_ONCE_MAX.saturating_sub(under_way.len());
        let shared = gateway.store.load().config.resilience.quota.shared_projects;
        for account in gateway.quotas.begin(now(), shared, room) {
            let gateway = Arc::clone(&gateway);
            under_way.spawn(async move { gateway.read_quota(&account).await });
        }
        tokio::time::sleep(LOOK).await;
    }
}

impl Gateway {
    /// Asks for one account's quota now, whatever the schedule says. `false` if it is being asked, or if its provider
    /// tells nothing.
    pub async fn refresh_quota(&self, account: &str) -> bool {
        let begun = self.quotas.begin_one(account);
        if begun {
            self.read_quota(account).await;
        }
        begun
    }

    /// Asks; the question was taken to be under way.
    async fn read_quota(&self, id: &str) {
        let snapshot = self.store.load_full();
        let asked = now();
        let outcome = match snapshot.roster.account(id) {
            Some(account) => {
                let upstream = account.upstreams.iter().find(|upstream| upstream.platform == Platform::CodeAssist);
                match upstream {
                    Some(upstream) => self.ask_quota(account, upstream).await.map(|told| (account, told)),
                    None => Err("its provider tells no quotas".to_owned()),
                }
            }
            None => Err("the account is gone".to_owned()),
        };
        let result = if outcome.is_ok() { "ok" } else { "failed" };
        self.metrics.quota_reads.with_label_values(&[id, result]).inc();
        let (buckets, outcome) = match outcome {
            Ok((account, (buckets, project))) => (buckets, Ok(group(account, project.as_deref()))),
            Err(error) => {
                tracing::warn!(account = id, error, "the quota cannot be read");
                (Vec::new(), Err(error))
            }
        };
        self.quotas.asked(&snapshot.config, id, outcome, now());
        let reading = |left, reset| Reading { left, reset, source: Source::Poll, read: asked };
        let told =
            buckets.iter().filter_map(|bucket| Some((bucket.model.as_str(), reading(bucket.remaining?, bucket.reset))));
        let told: Vec<_> = told.collect();
        self.quotas.told(&self.registry, &Rules::new(&snapshot.config), id, &told, now());
    }
}
