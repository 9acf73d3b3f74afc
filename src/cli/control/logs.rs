//! `interlingua logs`.

use std::fmt::Write as _;

use clap::{Args, Subcommand};

use super::Reach;
use super::client::Client;
use super::money::{count, usd};
use super::table::{NOTHING, or_nothing, span, table};
use crate::admin::records_view as view;
use crate::cli::{Failure, print};
use crate::records::Tried;

/// How long one question waits for a new entry, in milliseconds; shorter than any question may take.
const WAIT_MS: u64 = 15_000;

/// The request log of a running gateway
#[derive(Debug, Args)]
pub(in crate::cli) struct Logs {
    #[command(flatten)]
    reach: Reach,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// The last requests, and each new one as soon as it has ended
    Tail {
        #[command(flatten)]
        which: Which,
        /// End when the last ones are shown
        #[arg(long)]
        once: bool,
    },
    /// One request: every attempt, what it used and cost, and its bodies if they are kept
    Show {
        /// Its id, as the client was told it: req_…
        id: String,
    },
    /// Requests that fit, the newest first
    Search {
        /// In the error, the path or a model's name
        text: Option<String>,
        #[command(flatten)]
        which: Which,
        /// Begun then or later: 2026-11-20T08:00:00Z, 2026-11-20, or how long ago: 7d, 1h30m
        #[arg(long)]
        since: Option<String>,
        /// Begun before then
        #[arg(long)]
        until: Option<String>,
        /// Older ones than the entry of this number: the next page
        #[arg(long, value_name = "NUMBER")]
        before: Option<i64>,
    },
}

#[derive(Debug, Args)]
struct Which {
    /// Of this client
    #[arg(long)]
    client: Option<String>,
    /// For this model, as asked for or as served
    #[arg(long)]
    model: Option<String>,
    /// That tried this account
    #[arg(long)]
    account: Option<String>,
    /// With this outcome: 429, 4xx, ok, failed
    #[arg(long)]
    status: Option<String>,
    /// That took so many milliseconds or more
    #[arg(long, value_name = "MS")]
    min_ms: Option<u64>,
    /// So many at most, 1 to 1000
    #[arg(long, short = 'n')]
    limit: Option<usize>,
}

impl Which {
    fn query(&self) -> Vec<(&'static str, String)> {
        let texts =
            [("client", &self.client), ("model", &self.model), ("account", &self.account), ("status", &self.status)];
        let texts = texts.into_iter().filter_map(|(name, text)| Some((name, text.clone()?)));
        let numbers = [("min_ms", self.min_ms), ("limit", self.limit.map(|limit| limit as u64))];
        texts.chain(numbers.into_iter().filter_map(|(name, number)| Some((name, number?.to_string())))).collect()
    }
}

impl Logs {
    pub(in crate::cli) fn run(&self) -> Result<(), Failure> {
        match &self.action {
            Action::Tail { which, once } => self.tail(which, *once),
            Action::Show { id } => {
                let path = format!(
                    "/api/logs/{}",
                    percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC)
                );
                self.reach.run(async |client| client.get(&path).await, whole)
            }
            Action::Search { text, which, since, until, before } => {
                let mut query = which.query();
                let more = [("text", text.clone()), ("since", since.clone()), ("until", until.clone())];
                query.extend(more.into_iter().filter_map(|(name, value)| Some((name, value?))));
                query.extend(before.map(|before| ("before", before.to_string())));
                let path = path("/api/logs", &query);
                self.reach.run(async |client| client.get(&path).await, page)
            }
        }
    }

    fn tail(&self, which: &Which, once: bool) -> Result<(), Failure> {
        self.reach.talk(async |client: &Client, json| {
            let mut query = which.query();
            if which.limit.is_none() {
                query.push(("limit", "20".to_owned()));
            }
            let mut after: Option<i64> = None;
            loop {
                let mut query = query.clone();
                if let Some(after) = after {
                    query.extend([("after", after.to_string()), ("wait_ms", WAIT_MS.to_string())]);
                }
                let told: view::Logs = client.get(&path("/api/logs/tail", &query)).await?;
                let text = match (json, after) {
                    (true, _) => lines(&told)?,
                    (false, None) => listed(&told.requests),
                    // The head stands above already.
                    (false, Some(_)) => {
                        listed(&told.requests).split_once('\n').map_or(String::new(), |(_, rows)| rows.to_owned())
                    }
                };
                if !text.is_empty() {
                    print(&text)?;
                }
                if once {
                    return Ok(());
                }
                after = told.next.or(after);
            }
        })
    }
}

/// One JSON object a line.
fn lines(told: &view::Logs) -> Result<String, Failure> {
    let mut text = String::new();
    for request in &told.requests {
        writeln!(text, "{}", serde_json::to_string(request)?)?;
    }
    Ok(text)
}

fn path(path: &str, query: &[(&'static str, String)]) -> String {
    let mut text = form_urlencoded::Serializer::new(String::new());
    text.extend_pairs(query);
    format!("{path}?{}", text.finish())
}

fn page(told: &view::Logs) -> String {
    if told.requests.is_empty() {
        return "no request fits".to_owned();
    }
    let mut text = listed(&told.requests);
    if let Some(next) = told.next {
        let _ = writeln!(text, "there may be more: --before {next}");
    }
    if told.dropped > 0 {
        let _ = writeln!(text, "{} entries were dropped since the start: the disk was too slow", count(told.dropped));
    }
    text
}

fn listed(requests: &[view::Logged]) -> String {
    let head = ["TIME", "ID", "CLIENT", "MODEL", "ACCOUNT", "STATUS", "TRIES", "TOKENS", "COST", "TIME TAKEN", "ERROR"];
    table(head, &requests.iter().map(row).collect::<Vec<_>>())
}

fn row(logged: &view::Logged) -> [String; 11] {
    let entry = &logged.entry;
    // To the second.
    let time = logged.when.at.get(..19).unwrap_or(&logged.when.at).replace('T', " ");
    let tokens = &entry.tokens;
    let tokens = if tokens.is_none() {
        NOTHING.to_owned()
    } else {
        format!("{} > {}", count(tokens.input()), count(tokens.answered()))
    };
    [
        time,
        entry.id.clone(),
        or_nothing(entry.client.as_deref()),
        or_nothing(entry.model.as_deref()),
        or_nothing(entry.account.as_deref()),
        if entry.status == 0 { "left".to_owned() } else { entry.status.to_string() },
        entry.attempts.len().to_string(),
        tokens,
        entry.microusd.map_or(NOTHING.to_owned(), usd),
        span(entry.total_ms),
        or_nothing(entry.error.as_deref()),
    ]
}

fn whole(told: &view::LoggedWhole) -> String {
    let entry = &told.logged.entry;
    let mut text = String::new();
    let first_byte = entry.first_byte_ms.map_or(String::new(), |ms| format!(", first byte after {}", span(ms)));
    let tokens = &entry.tokens;
    let unpriced =
        if entry.unpriced > 0 { format!(", {} attempts without a price", entry.unpriced) } else { String::new() };
    for (name, value) in [
        ("request", entry.id.clone()),
        ("began", told.logged.when.at.clone()),
        ("client", or_nothing(entry.client.as_deref())),
        ("asked", format!("{} {} ({}, {})", entry.method, entry.path, entry.protocol, entry.mode)),
        ("model", or_nothing(entry.model.as_deref())),
        ("rule", or_nothing(entry.rule.as_deref())),
        ("status", if entry.status == 0 { "the client left".to_owned() } else { entry.status.to_string() }),
        ("error", or_nothing(entry.error.as_deref())),
        ("time", format!("{}{first_byte}", span(entry.total_ms))),
        ("bytes", format!("{} in, {} out", count(entry.bytes_in), count(entry.bytes_out))),
        (
            "tokens",
            format!(
                "{} in full, {} read from a cache, {} written to one, {} out, {} of reasoning",
                count(tokens.uncached),
                count(tokens.cache_read),
                count(tokens.cache_write_5m + tokens.cache_write_1h),
                count(tokens.output),
                count(tokens.reasoning)
            ),
        ),
        ("cost", format!("{}{unpriced}", entry.microusd.map_or(NOTHING.to_owned(), usd))),
        ("losses", if entry.losses.is_empty() { NOTHING.to_owned() } else { entry.losses.join(", ") }),
    ] {
        let _ = writeln!(text, "{name:<8} {value}");
    }
    let head =
        ["ATTEMPT", "AFTER", "ACCOUNT", "UPSTREAM", "MODEL", "STATUS", "OUTCOME", "TOOK", "TOKENS", "COST", "SAID"];
    let rows: Vec<_> = entry.attempts.iter().enumerate().map(attempt).collect();
    let _ = write!(text, "\n{}", table(head, &rows));
    for (name, body) in [("request", &told.request_body), ("answer", &told.answer_body)] {
        let Some(body) = body else { continue };
        let cut = if body.cut { ", its beginning" } else { "" };
        let shown = body.text.as_deref().or(body.base64.as_deref()).unwrap_or_default();
        let _ = writeln!(text, "\n---- {name} ({} bytes{cut})\n{shown}", count(body.bytes));
    }
    text
}

fn attempt((at, tried): (usize, &Tried)) -> [String; 11] {
    let tokens = &tried.tokens;
    [
        (at + 1).to_string(),
        span(tried.after_ms),
        tried.account.clone(),
        tried.upstream.clone(),
        tried.model.clone(),
        if tried.status == 0 { NOTHING.to_owned() } else { tried.status.to_string() },
        tried.outcome.clone(),
        span(tried.ms),
        if tokens.is_none() {
            NOTHING.to_owned()
        } else {
            format!("{} > {}", count(tokens.input()), count(tokens.answered()))
        },
        tried.microusd.map_or(NOTHING.to_owned(), usd),
        or_nothing(tried.message.as_deref()),
    ]
}
