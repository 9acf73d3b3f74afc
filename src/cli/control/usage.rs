//! `interlingua usage`.

use std::fmt::Write as _;

use clap::Args;

use super::Reach;
use super::money::{count, usd};
use super::table::NOTHING;
use crate::admin::records_view as view;
use crate::cli::Failure;

/// What was used through a running gateway: requests, tokens and money
#[derive(Debug, Args)]
pub(in crate::cli) struct Usage {
    #[command(flatten)]
    reach: Reach,
    /// Some of client, model, served_model, upstream, account, day, hour, with commas between them
    #[arg(long, default_value = "model")]
    by: String,
    /// From then on: 2026-11-20T08:00:00Z, 2026-11-20, or how long ago: 7d, 24h
    #[arg(long, default_value = "30d")]
    since: String,
    /// Until then
    #[arg(long)]
    until: Option<String>,
    /// Of this client
    #[arg(long)]
    client: Option<String>,
    /// For this model, as the client named it
    #[arg(long)]
    model: Option<String>,
    /// At this upstream
    #[arg(long)]
    upstream: Option<String>,
    /// Of this account
    #[arg(long)]
    account: Option<String>,
}

impl Usage {
    pub(in crate::cli) fn run(&self) -> Result<(), Failure> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("group_by", &self.by).append_pair("since", &self.since);
        for (name, value) in [
            ("until", &self.until),
            ("client", &self.client),
            ("model", &self.model),
            ("upstream", &self.upstream),
            ("account", &self.account),
        ] {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        let path = format!("/api/usage?{}", query.finish());
        self.reach.run(async |client| client.get(&path).await, show)
    }
}

fn show(told: &view::Usage) -> String {
    let heads = ["REQUESTS", "FAILED", "ATTEMPTS", "INPUT", "CACHED", "WRITTEN", "OUTPUT", "COST", "UNPRICED"];
    let names = told.group_by.iter().map(|name| name.replace('_', " ").to_uppercase());
    let head: Vec<String> = names.chain(heads.map(str::to_owned)).collect();
    let mut rows: Vec<Vec<String>> = told.groups.iter().map(|used| row(&told.group_by, used)).collect();
    if rows.is_empty() && told.total.requests == 0 {
        return "nothing was used in this time".to_owned();
    }
    let mut total = row(&told.group_by, &told.total);
    if let Some(first) = total.first_mut().filter(|_| !told.group_by.is_empty()) {
        "total".clone_into(first);
    }
    rows.push(total);
    let mut text = columns(&head, &rows, told.group_by.len());
    if told.total.unpriced > 0 {
        let _ = writeln!(
            text,
            "{} attempts were at models without a price, which `profiles` can give them; their cost is not in the sum",
            count(told.total.unpriced)
        );
    }
    text
}

fn row(by: &[String], used: &view::Used) -> Vec<String> {
    let name = |by: &String| {
        let name = match by.as_str() {
            "client" => &used.client,
            "model" => &used.model,
            "served_model" => &used.served_model,
            "upstream" => &used.upstream,
            "account" => &used.account,
            "day" => &used.day,
            _ => &used.hour,
        };
        name.clone().filter(|name| !name.is_empty()).unwrap_or_else(|| NOTHING.to_owned())
    };
    let tokens = &used.tokens;
    let numbers = [
        count(used.requests),
        count(used.errors),
        count(used.attempts),
        count(tokens.input()),
        count(tokens.cache_read),
        count(tokens.cache_write_5m + tokens.cache_write_1h),
        count(tokens.answered()),
        usd(used.microusd),
        count(used.unpriced),
    ];
    by.iter().map(name).chain(numbers).collect()
}

/// A table whose first `names` columns are texts; numbers stand at the right.
fn columns(head: &[String], rows: &[Vec<String>], names: usize) -> String {
    let all = || std::iter::once(head).chain(rows.iter().map(Vec::as_slice));
    let width = |at: usize| all().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut text = String::new();
    for row in all() {
        let cells =
            row.iter().zip(&widths).enumerate().map(|(at, (cell, width))| {
                if at < names { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            });
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_at_the_right_with_the_total_below() {
        let used = |model: &str, microusd| view::Used {
            model: Some(model.to_owned()),
            requests: 1_200,
            microusd,
            ..view::Used::default()
        };
        let told = view::Usage {
            group_by: vec!["model".to_owned()],
            since: None,
            until: None,
            groups: vec![used("large", 2_500_000), used("", 0)],
            total: view::Used { unpriced: 7, ..used("", 2_500_000) },
        };
        let text = show(&told);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("MODEL  REQUESTS  FAILED"), "{text}");
        assert!(lines[1].starts_with("large     1,200       0") && lines[1].contains("$2.5000"), "{text}");
        assert!(
            lines[2].starts_with("-  ") && lines[3].starts_with("total  ") && lines[4].starts_with("7 attempts"),
            "{text}"
        );
    }
}
