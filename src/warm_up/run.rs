//! Looks who is due for a warm-up, and has it sent.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::OK;
use crate::config::{Account, Config, Snapshot, Upstream};
use crate::limits::cooldown::Standing;
use crate::pool::Millis;
use crate::proxy::{Gateway, now};
use crate::quota::Rules;

/// Warm-ups at once.
const AT_ONCE_MAX: usize = 4;
/// From here on a quota is low.
const LOW: f64 = 0.5;
/// How soon a changed configuration is noticed, at the latest.
const LOOK: Duration = Duration::from_secs(1);

/// Looks and sends until it is dropped.
pub(crate) async fn run(gateway: Arc<Gateway>) {
    let mut looked: Option<tokio::time::Instant> = None;
    loop {
        let snapshot = gateway.store.load_full();
        let warm_up = &snapshot.config.resilience.warm_up;
        let due = looked.is_none_or(|at| at.elapsed() >= warm_up.interval);
        if warm_up.enabled && due {
            looked = Some(tokio::time::Instant::now());
            gateway.warm_up_due(&snapshot, warm_up.cooldown).await;
        }
        tokio::time::sleep(LOOK.min(warm_up.interval)).await;
    }
}

impl Gateway {
    /// Sends a warm-up to every account and model that is configured for it and free now, whenever the last one was.
    /// Gives the number of those that were sent. For the operator; it works with the scheduler switched off.
    pub async fn warm_up_now(self: &Arc<Self>) -> usize {
        self.warm_up_due(&self.store.load_full(), Duration::ZERO).await
    }

    async fn warm_up_due(self: &Arc<Self>, snapshot: &Arc<Snapshot>, cooldown: Duration) -> usize {
        let cooldown_ms = u64::try_from(cooldown.as_millis()).unwrap_or(u64::MAX);
        let (mut under_way, mut sent) = (JoinSet::new(), 0);
        for model in &snapshot.config.resilience.warm_up.models {
            for account in &snapshot.config.accounts {
                let Some(upstream) = self.may_warm_up(&snapshot.config, account, model, now()) else { continue };
                if !self.warm_ups.begin(&account.id, model, cooldown_ms, now()) {
                    continue;
                }
                if under_way.len() >= AT_ONCE_MAX {
                    sent += usize::from(under_way.join_next().await.is_some_and(|sent| sent.unwrap_or(false)));
                }
                let (gateway, snapshot) = (Arc::clone(self), Arc::clone(snapshot));
                let (account, upstream, model) = (Arc::clone(account), Arc::clone(upstream), model.clone());
                under_way
                    .spawn(async move { Box::pin(gateway.warm_up_one(snapshot, &account, &upstream, &model)).await });
            }
        }
        while let Some(one) = under_way.join_next().await {
            sent += usize::from(one.unwrap_or(false));
        }
        sent
    }

    /// The upstream through which an account is to be warmed up for a model, if it is to be.
    fn may_warm_up<'a>(
        &self,
        config: &'a Config,
        account: &'a Account,
        model: &str,
        now: Millis,
    ) -> Option<&'a Arc<Upstream>> {
        let rules = Rules::new(config);
        let state = self.registry.get(&account.id)?;
        let low = || self.quotas.left(&rules, &account.id, model, now).is_some_and(|left| left < LOW);
        let free = state.enabled() && state.standing(rules.family(model), now) == Standing::Open;
        let wanted = free && account.takes(model) && (!config.resilience.warm_up.only_low_quota || low());
        if wanted { door(config, account, model) } else { None }
    }

    /// `true` if it was sent.
    async fn warm_up_one(
        &self,
        snapshot: Arc<Snapshot>,
        account: &Account,
        upstream: &Arc<Upstream>,
        model: &str,
    ) -> bool {
        let at = now();
        let result = Box::pin(self.warm_up(snapshot, account, upstream, model)).await;
        self.warm_ups.end(&account.id, model, at, result, now());
        if let Some(result) = result {
            self.metrics.warm_ups.with_label_values(&[account.id.as_str(), result]).inc();
            tracing::info!(account = account.id, model, result, well = result == OK, "warm-up");
        }
        result.is_some()
    }
}

/// The upstream of an account that has a model: as the rules send clients who ask for it by that name. An account that
/// they give to others is warmed up only if its `models` name it, and one of which no rule knows the name is.
fn door<'a>(config: &'a Config, account: &'a Account, model: &str) -> Option<&'a Arc<Upstream>> {
    let Some(route) = config.routes.resolve(model, account.upstream.dialect) else { return account.upstreams.first() };
    let mut steps = route.steps.iter().filter(|step| step.model == model);
    let Some(found) = steps.find_map(|step| account.upstream_in(&step.upstreams)) else {
        return account.upstreams.first().filter(|_| account.models.is_some());
    };
    account.upstreams.iter().find(|upstream| upstream.id == found.id)
}
