//! What was used, grouped as the operator asks.

use rusqlite::params_from_iter;
use rusqlite::types::Value;

use super::entry::Tokens;
use super::ledger::Sums;
use super::read::{ReadError, Reader};

/// Groups that are told, at most: those with the most cost, then requests, come first.
pub const SUMS_MAX: usize = 10_000;

/// What is grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// Who called.
    Client,
    /// The model as the client named it.
    Model,
    /// The model in the provider's words.
    ServedModel,
    /// The upstream.
    Upstream,
    /// The account.
    Account,
    /// The day, in UTC.
    Day,
    /// The hour, in UTC; of what is older than [`super::HOURS_KEPT`] the day's first.
    Hour,
}

impl Grouping {
    /// All of them with their names.
    pub const NAMES: [(Grouping, &str); 7] = [
        (Grouping::Client, "client"),
        (Grouping::Model, "model"),
        (Grouping::ServedModel, "served_model"),
        (Grouping::Upstream, "upstream"),
        (Grouping::Account, "account"),
        (Grouping::Day, "day"),
        (Grouping::Hour, "hour"),
    ];

    /// By its name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, name)| *name == text).map(|(grouping, _)| *grouping)
    }

    /// The name.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(grouping, _)| *grouping == self).map_or("", |(_, name)| name)
    }

    fn column(self) -> &'static str {
        match self {
            Grouping::Day => "strftime('%Y-%m-%d', hour * 3600, 'unixepoch')",
            Grouping::Hour => "strftime('%Y-%m-%dT%H:00:00Z', hour * 3600, 'unixepoch')",
            _ => self.name(),
        }
    }
}

/// Which sums are asked for.
#[derive(Clone, Debug, Default)]
pub struct SumFilter {
    /// From the hour of this moment on, in milliseconds of the epoch.
    pub since: Option<u64>,
    /// Before the hour of this moment, unless it is in the middle of one.
    pub until: Option<u64>,
    /// Exact values: what, and which.
    pub only: Vec<(Grouping, String)>,
}

/// One group.
#[derive(Clone, Debug)]
pub struct Sum {
    /// Its names, in the order of the groupings; empty where there was none.
    pub names: Vec<String>,
    /// What was used.
    pub sums: Sums,
}

impl Reader {
    /// What was used, by groups.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn sums(&self, by: &[Grouping], filter: &SumFilter) -> Result<Vec<Sum>, ReadError> {
        const HOUR_MS: u64 = 3_600_000;
        let (mut wheres, mut values): (Vec<String>, Vec<Value>) = (vec!["true".to_owned()], Vec::new());
        let number = |number: u64| Value::from(i64::try_from(number).unwrap_or(i64::MAX));
        if let Some(since) = filter.since {
            wheres.push("hour >= ?".to_owned());
            values.push(number(since / HOUR_MS));
        }
        if let Some(until) = filter.until {
            wheres.push("hour < ?".to_owned());
            values.push(number(until.div_ceil(HOUR_MS)));
        }
        for (what, value) in &filter.only {
            wheres.push(format!("{} = ?", what.column()));
            values.push(value.clone().into());
        }
        let columns: Vec<&str> = by.iter().map(|by| by.column()).collect();
        let names = if columns.is_empty() { String::new() } else { format!("{}, ", columns.join(", ")) };
        let group = if columns.is_empty() { String::new() } else { format!("GROUP BY {}", columns.join(", ")) };
        let select = format!(
            "SELECT {names}sum(requests), sum(errors), sum(attempts), sum(uncached), sum(cache_read), sum(cache_write_5m),
                sum(cache_write_1h), sum(output), sum(reasoning), sum(microusd), sum(unpriced)
             FROM usage WHERE {} {group} ORDER BY sum(microusd) DESC, sum(requests) DESC LIMIT {SUMS_MAX}",
            wheres.join(" AND ")
        );
        let width = by.len();
        self.run(move |connection| {
            let mut select = connection.prepare(&select)?;
            let rows = select.query_map(params_from_iter(values), |row| {
                let names = (0..width).map(|at| row.get(at)).collect::<Result<_, _>>()?;
                let sum = |at: usize| {
                    row.get::<_, Option<i64>>(width + at).map(|sum| u64::try_from(sum.unwrap_or(0)).unwrap_or(0))
                };
                let tokens = Tokens {
                    uncached: sum(3)?,
                    cache_read: sum(4)?,
                    cache_write_5m: sum(5)?,
                    cache_write_1h: sum(6)?,
                    output: sum(7)?,
                    reasoning: sum(8)?,
                };
                let (requests, errors, attempts) = (sum(0)?, sum(1)?, sum(2)?);
                let sums = Sums { requests, errors, attempts, tokens, microusd: sum(9)?, unpriced: sum(10)? };
                Ok(Sum { names, sums })
            })?;
            rows.collect()
        })
        .await
    }
}
