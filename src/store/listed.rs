//! Short lists in the file: safe mode, quotas, warm-ups. They are looked at as a whole.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::diff::{Live, Written};
use super::{Change, Durable, Kind, Source};
use crate::breaker::safe_mode::{SafeMode, Stored, StoredMode};
use crate::pool::Millis;
use crate::proxy::Gateway;
use crate::quota::StoredQuota;
use crate::warm_up::{LastWarmUp, StoredWarmUps, WarmUp};

/// How often they are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How the keys of the last warm-ups begin, and those of the history.
const LAST: &str = "last";
const HISTORY: &str = "history";

/// A list as a source of changes.
pub struct Listed {
    look: Box<dyn Fn(Millis) -> Vec<Live> + Send>,
    every: Duration,
    written: Written,
}

impl Listed {
    /// Safe mode. Puts back what is stored, and tells what changes from then on.
    pub fn safe_mode(durable: &Durable, mode: &SafeMode, now: Millis) -> Self {
        let kept = durable.take_json::<StoredMode>(Kind::SafeMode).into_iter().map(|(_, mode)| mode);
        mode.import(&Stored { modes: kept.collect() }, now);
        let mode = mode.clone();
        // What the operator says must not be lost.
        Listed::new(Duration::ZERO, now, move |_| {
            let modes = mode.export().modes;
            modes.into_iter().filter_map(|mode| live(Kind::SafeMode, mode.scope.clone(), &mode)).collect()
        })
    }

    /// What providers told of quotas, as [`Self::safe_mode`].
    pub fn quotas(durable: &Durable, gateway: &Arc<Gateway>, now: Millis) -> Self {
        let kept = durable.take_json::<StoredQuota>(Kind::Quota).into_iter().map(|(_, quota)| quota);
        gateway.quotas.import(&gateway.registry, &kept.collect::<Vec<_>>(), now);
        let gateway = Arc::clone(gateway);
        Listed::new(LOOK_EVERY, now, move |now| {
            let quotas = gateway.quotas.export(now).into_iter();
            quotas.filter_map(|quota| live(Kind::Quota, key(&[&quota.account, &quota.family]), &quota)).collect()
        })
    }

    /// Warm-ups that were sent, as [`Self::safe_mode`].
    pub fn warm_ups(durable: &Durable, gateway: &Arc<Gateway>, now: Millis) -> Self {
        gateway.warm_ups.import(&warm_ups(durable));
        let gateway = Arc::clone(gateway);
        Listed::new(LOOK_EVERY, now, move |_| {
            let StoredWarmUps { history, last } = gateway.warm_ups.export();
            let last =
                last.into_iter().filter_map(|last| live(Kind::WarmUp, key(&[LAST, &last.account, &last.model]), &last));
            let history = history.into_iter().filter_map(|sent| {
                let key = key(&[HISTORY, &sent.at_ms.to_string(), &sent.account, &sent.model]);
                live(Kind::WarmUp, key, &sent)
            });
            last.chain(history).collect()
        })
    }

    /// What clients have spent in this month, as [`Self::safe_mode`].
    pub fn clients(durable: &Durable, gateway: &Arc<Gateway>, now: Millis) -> Self {
        gateway.clients.import(&durable.take_json(Kind::Client), now);
        let gateway = Arc::clone(gateway);
        Listed::new(LOOK_EVERY, now, move |now| {
            let all = gateway.clients.export(now).into_iter();
            all.filter_map(|(id, books)| live(Kind::Client, id, &books)).collect()
        })
    }

    fn new(every: Duration, now: Millis, look: impl Fn(Millis) -> Vec<Live> + Send + 'static) -> Self {
        let mut listed = Listed { look: Box::new(look), every, written: Written::default() };
        // What comes out of the file need not go back into it.
        listed.changes(now);
        listed
    }
}

impl Source for Listed {
    fn every(&self) -> Duration {
        self.every
    }

    fn changes(&mut self, now: Millis) -> Vec<Change> {
        self.written.follow((self.look)(now), now)
    }

    fn start_over(&mut self) {
        self.written.clear();
    }
}

fn warm_ups(durable: &Durable) -> StoredWarmUps {
    let mut stored = StoredWarmUps::default();
    for record in durable.take(Kind::WarmUp) {
        if record.key.starts_with(HISTORY) {
            stored.history.extend(serde_json::from_str::<WarmUp>(&record.value).ok());
        } else {
            stored.last.extend(serde_json::from_str::<LastWarmUp>(&record.value).ok());
        }
    }
    stored.history.sort_by_key(|sent| sent.at_ms);
    stored
}

fn live(kind: Kind, key: String, value: &impl Serialize) -> Option<Live> {
    let value = serde_json::to_string(value).ok()?;
    Some(Live { kind, key, value, until: None })
}

/// Names of accounts and families have no tabs.
fn key(parts: &[&str]) -> String {
    parts.join("\t")
}
