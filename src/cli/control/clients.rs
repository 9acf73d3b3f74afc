//! `interlingua clients`.

use clap::{Args, Subcommand};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::Reach;
use super::table::{NOTHING, or_nothing, percent, table, until};
use crate::admin::clients_view as view;
use crate::cli::Failure;

/// Where the API has them.
const PATH: &str = "/api/clients";
/// What takes a limit away.
const NONE: &str = "none";

/// The clients of a running gateway: who may use it, with which key, and how much
#[derive(Debug, Args)]
pub(in crate::cli) struct Clients {
    #[command(flatten)]
    reach: Reach,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a client. Its key is printed once, and cannot be shown again
    Add {
        /// Its name in logs and metrics
        id: String,
        #[command(flatten)]
        terms: Box<Terms>,
    },
    /// All clients: what they have used of what they may
    List,
    /// One client, in full
    Show {
        /// The client
        id: String,
    },
    /// Change what a client may; `none` takes a limit away
    Set {
        /// The client
        id: String,
        #[command(flatten)]
        terms: Box<Terms>,
        /// Take its keys again
        #[arg(long, conflicts_with = "disable")]
        enable: bool,
        /// Take its keys no more, until it is enabled again
        #[arg(long)]
        disable: bool,
    },
    /// Revoke a client: its keys are not taken any more
    Revoke {
        /// The client
        id: String,
    },
    /// Give a client a new key, which is printed once
    Rotate {
        /// The client
        id: String,
        /// How long the old key is still taken, as in 1h
        #[arg(long, value_name = "TIME")]
        grace: Option<String>,
    },
}

/// What a client may. Days and months are those of the calendar, in UTC.
#[derive(Debug, Args)]
struct Terms {
    /// What people call it
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    /// A model that it may use, `*` stands for anything; several times for several. Default: all
    #[arg(long = "model", value_name = "PATTERN")]
    models: Vec<String>,
    /// An address or network that it may come from, as in 10.1.0.0/16; several times for several. Default: all
    #[arg(long = "address", value_name = "CIDR")]
    addresses: Vec<String>,
    /// From when on its keys are not taken, as in 2027-01-31T18:00:00Z
    #[arg(long, value_name = "MOMENT")]
    expires: Option<String>,
    /// Most requests a minute
    #[arg(long, value_name = "N", value_parser = number)]
    requests_per_minute: Option<Value>,
    /// Most tokens a minute
    #[arg(long, value_name = "N", value_parser = number)]
    tokens_per_minute: Option<Value>,
    /// Most requests at a time
    #[arg(long, value_name = "N", value_parser = number)]
    concurrency: Option<Value>,
    /// Tokens a day
    #[arg(long, value_name = "N", value_parser = number)]
    daily_tokens: Option<Value>,
    /// US dollars a day
    #[arg(long, value_name = "USD", value_parser = dollars)]
    daily_usd: Option<Value>,
    /// Tokens a month
    #[arg(long, value_name = "N", value_parser = number)]
    monthly_tokens: Option<Value>,
    /// US dollars a month
    #[arg(long, value_name = "USD", value_parser = dollars)]
    monthly_usd: Option<Value>,
}

fn number(text: &str) -> Result<Value, String> {
    let number = |text: &str| text.replace('_', "").parse::<u64>().map(Value::from);
    if text == NONE { Ok(Value::Null) } else { number(text).map_err(|_| format!("write a number, or `{NONE}`")) }
}

fn dollars(text: &str) -> Result<Value, String> {
    let amount = text.trim_start_matches('$').parse::<f64>().ok().filter(|usd| usd.is_finite());
    let amount = amount.map(Value::from).ok_or_else(|| format!("write US dollars as in 2.50, or `{NONE}`"));
    if text == NONE { Ok(Value::Null) } else { amount }
}

impl Terms {
    /// What was given, in the words of the API.
    fn body(&self) -> Map<String, Value> {
        let text = |text: &Option<String>| {
            text.as_ref().map(|text| if text == NONE { Value::Null } else { Value::from(text.as_str()) })
        };
        let list = |all: &[String]| match all {
            [] => None,
            [one] if one == NONE => Some(Value::Null),
            all => Some(json!(all)),
        };
        let object = |members: &[(&str, Option<Value>)]| {
            let given = members.iter().filter_map(|(name, value)| Some(((*name).to_owned(), value.clone()?)));
            let given: Map<String, Value> = given.collect();
            (!given.is_empty()).then_some(Value::Object(given))
        };
        let daily = object(&[("tokens", self.daily_tokens.clone()), ("usd", self.daily_usd.clone())]);
        let monthly = object(&[("tokens", self.monthly_tokens.clone()), ("usd", self.monthly_usd.clone())]);
        let all = object(&[
            ("label", text(&self.label)),
            ("models", list(&self.models)),
            ("addresses", list(&self.addresses)),
            ("expires", text(&self.expires)),
            ("requests_per_minute", self.requests_per_minute.clone()),
            ("tokens_per_minute", self.tokens_per_minute.clone()),
            ("concurrency", self.concurrency.clone()),
            ("budgets", object(&[("daily", daily), ("monthly", monthly)])),
        ]);
        match all {
            Some(Value::Object(members)) => members,
            _ => Map::new(),
        }
    }
}

impl Clients {
    pub(in crate::cli) fn run(&self) -> Result<(), Failure> {
        match &self.action {
            Action::Add { id, terms } => {
                let mut body = terms.body();
                body.insert("id".to_owned(), Value::from(id.as_str()));
                let body = Value::Object(body).to_string();
                self.reach.run(async |client| client.ask("POST", PATH, body).await, issued)
            }
            Action::List => self.reach.run(async |client| client.get(PATH).await, list),
            Action::Show { id } => {
                let path = path(id);
                self.reach.run(async |client| client.get(&path).await, show)
            }
            Action::Set { id, terms, enable, disable } => {
                let mut body = terms.body();
                if *enable || *disable {
                    body.insert("enabled".to_owned(), Value::from(*enable));
                }
                if body.is_empty() {
                    return Err("say what to change; `interlingua clients set --help` lists what can be".into());
                }
                let (path, body) = (path(id), Value::Object(body).to_string());
                self.reach.run(async |client| client.ask("PATCH", &path, body).await, show)
            }
            Action::Revoke { id } => {
                let path = path(id);
                self.reach.run(async |client| client.ask("DELETE", &path, String::new()).await, revoked)
            }
            Action::Rotate { id, grace } => {
                let mut path = format!("{}/rotate", path(id));
                if let Some(grace) = grace {
                    path = format!("{path}?grace={}", utf8_percent_encode(grace, NON_ALPHANUMERIC));
                }
                self.reach.run(async |client| client.ask("POST", &path, String::new()).await, issued)
            }
        }
    }
}

fn path(id: &str) -> String {
    format!("{PATH}/{}", utf8_percent_encode(id, NON_ALPHANUMERIC))
}

fn issued(view: &view::Issued) -> String {
    let notes = notes(&view.notes);
    format!("{}\n{notes}the key, which cannot be shown again:\n{}\n", show(&view.client), view.key)
}

fn notes(notes: &[String]) -> String {
    notes.iter().fold(String::new(), |text, note| text + "note: " + note + "\n")
}

fn revoked(view: &view::Revoked) -> String {
    let notes = notes(&view.notes);
    format!("client {} is revoked; its requests at work end as they would\n{notes}", view.client)
}

fn list(view: &view::Clients) -> String {
    if view.clients.is_empty() {
        return "there are no clients: everybody is let in who reaches the gateway from this machine".to_owned();
    }
    let rows: Vec<_> = view.clients.iter().map(row).collect();
    table(["CLIENT", "STATE", "FROM", "AT WORK", "TOKENS TODAY", "USD THIS MONTH", "NEAREST BUDGET", "LABEL"], &rows)
}

fn row(client: &view::Client) -> [String; 8] {
    let limit = client.concurrency.map_or("∞".to_owned(), |limit| limit.to_string());
    let nearest = client.budgets.iter().max_by(|a, b| a.used_ratio.total_cmp(&b.used_ratio));
    let nearest = nearest.map(|budget| format!("{} of {}", percent(budget.used_ratio), words(budget)));
    [
        client.client.clone(),
        client.state.clone(),
        client.origin.clone(),
        format!("{}/{limit}", client.in_flight),
        client.today.tokens.to_string(),
        format!("{:.2}", client.this_month.usd),
        or_nothing(nearest.as_deref()),
        or_nothing(client.label.as_deref()),
    ]
}

/// `2.50 USD a day`, `100000 tokens a month`.
fn words(budget: &view::Budget) -> String {
    let (period, unit) = budget.budget.split_once('_').unwrap_or((&budget.budget, ""));
    let period = if period == "daily" { "a day" } else { "a month" };
    match unit {
        "usd" => format!("{:.2} USD {period}", budget.limit),
        _ => format!("{:.0} tokens {period}", budget.limit),
    }
}

fn show(client: &view::Client) -> String {
    let all = |list: &Option<Vec<String>>| list.as_ref().map_or_else(|| "all".to_owned(), |list| list.join(", "));
    let minute = |minute: Option<view::Minute>| {
        minute.map_or_else(|| "no limit".to_owned(), |minute| format!("{} ({} left now)", minute.limit, minute.left))
    };
    let spent = |spent: &view::Spent| {
        let unpriced = match spent.unpriced_tokens {
            0 => String::new(),
            tokens => format!(" ({tokens} of them of models without prices)"),
        };
        format!("{} requests, {} tokens{unpriced}, {:.4} USD", spent.requests, spent.tokens, spent.usd)
    };
    let limit = client.concurrency.map_or_else(|| "no limit".to_owned(), |limit| format!("at most {limit}"));
    let mut rows = vec![
        ("label", or_nothing(client.label.as_deref())),
        ("state", client.state.clone()),
        ("from", client.origin.clone()),
        ("expires in", client.expires.as_ref().map_or_else(|| NOTHING.to_owned(), |when| until(Some(when)))),
        ("keys", client.keys.to_string()),
        ("models", all(&client.models)),
        ("addresses", all(&client.addresses)),
        ("at work", format!("{}, {limit}", client.in_flight)),
        ("requests a minute", minute(client.requests_per_minute)),
        ("tokens a minute", minute(client.tokens_per_minute)),
        ("today (UTC)", spent(&client.today)),
        ("this month (UTC)", spent(&client.this_month)),
    ];
    rows.extend(client.fault.iter().map(|fault| ("left out", fault.clone())));
    rows.extend(client.old_keys.iter().map(|old| ("an old key ends in", until(Some(old)))));
    rows.extend(client.budgets.iter().map(|budget| {
        let used =
            if budget.budget.ends_with("usd") { format!("{:.4}", budget.used) } else { format!("{:.0}", budget.used) };
        let ratio = percent(budget.used_ratio);
        ("budget", format!("{used} of {} ({ratio}), renewed in {}", words(budget), until(Some(&budget.renewed))))
    }));
    let rows: Vec<[String; 2]> = rows.into_iter().map(|(name, value)| [name.to_owned(), value]).collect();
    table(["CLIENT", &client.client], &rows)
}
