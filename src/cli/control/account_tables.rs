//! Accounts, for people to read.

use std::fmt::Write as _;

use super::table::{NOTHING, ago, percent, span, table, until};
use crate::admin::accounts_view::{AccountEntries, AccountEntry, Imported, Pinned, Removed, Tested};
use crate::admin::view;

/// Most models that are named in a table.
const MODELS_SHOWN: usize = 12;

/// `accounts list`.
pub(super) fn list(view: &AccountEntries) -> String {
    if view.accounts.is_empty() {
        return "there is no account; add one with `interlingua accounts add ID --provider NAME`".to_owned();
    }
    let row = |entry: &AccountEntry| {
        let upstreams: Vec<&str> = entry.upstreams.iter().map(|one| one.id.as_str()).collect();
        let note = match (&entry.fault, entry.pinned) {
            (Some(fault), _) => format!("not in force: {fault}"),
            (None, true) => "pinned".to_owned(),
            (None, false) => NOTHING.to_owned(),
        };
        [
            entry.id.clone(),
            entry.origin.clone(),
            entry.tier.clone(),
            state(entry),
            upstreams.join(" "),
            entry.concurrency.to_string(),
            entry.credential.clone(),
            note,
        ]
    };
    let rows: Vec<_> = view.accounts.iter().map(row).collect();
    table(["ACCOUNT", "FROM", "TIER", "STATE", "UPSTREAMS", "CONCURRENCY", "KEY", "NOTE"], &rows)
}

/// `accounts show`, and what a change has come to.
pub(super) fn one(entry: &AccountEntry) -> String {
    let mut text = format!("{}\n", entry.id);
    let mut line = |name: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name:<13}{value}");
    };
    line("from", &entry.origin);
    for upstream in &entry.upstreams {
        line("upstream", &format!("{} ({}) {}", upstream.id, upstream.dialect, upstream.address));
    }
    line("key", &entry.credential);
    line("tier", &entry.tier);
    line("concurrency", &entry.concurrency.to_string());
    line("models", &entry.models.as_ref().map_or("all".to_owned(), |models| models.join(" ")));
    for (limit, what) in
        [(entry.limits.requests_per_minute, "requests a minute"), (entry.limits.tokens_per_minute, "tokens a minute")]
    {
        if let Some(limit) = limit {
            line("limit", &format!("{limit} {what}"));
        }
    }
    line("state", &state(entry));
    if let Some(reason) = entry.standing.as_ref().and_then(|standing| standing.reason.as_ref()) {
        line("why", reason);
    }
    if entry.pinned {
        line("pinned", "all requests prefer it");
    }
    if let Some(fault) = &entry.fault {
        line("not in force", fault);
    }
    if entry.created.is_some() {
        line("added", &ago(entry.created.as_ref()));
        line("changed", &ago(entry.changed.as_ref()));
    }
    text
}

/// `accounts test`.
pub(super) fn tested(view: &Tested) -> String {
    let row = |look: &crate::admin::accounts_view::Look| {
        [
            look.upstream.clone(),
            if look.reachable { "yes" } else { "no" }.to_owned(),
            look.credential.clone(),
            look.status.map_or(NOTHING.to_owned(), |status| status.to_string()),
            span(look.latency_ms),
            look.models.len().to_string(),
            look.said.clone(),
        ]
    };
    let rows: Vec<_> = view.looks.iter().map(row).collect();
    let mut text = table(["UPSTREAM", "REACHABLE", "KEY", "STATUS", "TOOK", "MODELS", "WHAT"], &rows);
    let mut models: Vec<&str> = view.looks.iter().flat_map(|look| &look.models).map(String::as_str).collect();
    models.sort_unstable();
    models.dedup();
    if !models.is_empty() {
        let more = models.len().saturating_sub(MODELS_SHOWN);
        let shown: Vec<&str> = models.into_iter().take(MODELS_SHOWN).collect();
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        let _ = writeln!(text, "models: {}{rest}", shown.join(" "));
    }
    let _ = writeln!(text, "{} {}", view.account, if view.works { "works" } else { "was not seen to work" });
    text
}

/// `accounts remove`.
pub(super) fn removed(view: &Removed) -> String {
    let mut text = format!("{} is removed\n", view.account);
    for (what, names) in [("upstreams", &view.upstreams), ("secrets", &view.secrets)] {
        if !names.is_empty() {
            let _ = writeln!(text, "with its {what}: {}", names.join(" "));
        }
    }
    text
}

/// `accounts pin` and `accounts unpin`.
pub(super) fn pinned(view: &Pinned) -> String {
    match &view.account {
        None => "no account is pinned".to_owned(),
        Some(account) if view.by_command => format!("{account} is pinned: all requests prefer it"),
        Some(account) => format!("{account} is pinned, by the configuration"),
    }
}

/// `accounts import`.
pub(super) fn imported(view: &Imported) -> String {
    let mut text = format!("{} accounts are added\n", view.added.len());
    if !view.there.is_empty() {
        let _ = writeln!(text, "left as they are, since they are there already: {}", view.there.join(" "));
    }
    if !view.without_secret.is_empty() {
        let names = view.without_secret.join(" ");
        let _ = writeln!(text, "left out, since the file does not hold their keys (export with --secrets): {names}");
    }
    text
}

fn state(entry: &AccountEntry) -> String {
    let state = match &entry.standing {
        Some(standing) => standing.state.name(),
        None => "left out",
    };
    if entry.switched { format!("{state} (set by command)") } else { state.to_owned() }
}

/// `accounts status`.
pub(super) fn status(view: &view::Accounts) -> String {
    let rows: Vec<_> = view.accounts.iter().map(row).collect();
    let mut tally = view::Tally::default();
    for account in &view.accounts {
        tally.add(account.standing.state);
    }
    let out = tally.total - tally.open_to_requests();
    let text = table(
        ["ACCOUNT", "TIER", "STATE", "AT WORK", "NEXT TRY", "NEAREST LIMIT", "QUOTA LEFT", "CACHED", "WHY"],
        &rows,
    );
    let trouble = view.state_error.as_ref();
    let trouble = trouble.map_or(String::new(), |why| format!("what is learned is lost at a restart now: {why}\n"));
    format!("{text}{} accounts, {} can take requests, {out} cannot\n{trouble}", tally.total, tally.open_to_requests())
}

fn row(account: &view::Account) -> [String; 9] {
    let standing = &account.standing;
    let limit = account.limit.map_or("∞".to_owned(), |limit| limit.to_string());
    let next = standing.next_probe.as_ref().or(standing.until.as_ref());
    let mut why = standing.reason.clone().unwrap_or_else(|| NOTHING.to_owned());
    if let (Some(end), Some(_)) = (&standing.until, &standing.next_probe) {
        why = format!("{why}, ends in {}", until(Some(end)));
    }
    [
        account.account.clone(),
        account.tier.clone(),
        standing.state.name().to_owned(),
        format!("{}/{limit}", account.in_flight),
        until(next),
        nearest(&account.paces),
        scarcest(&account.quotas),
        account.cached_token_ratio.map_or(NOTHING.to_owned(), percent),
        why,
    ]
}

/// The limit that is used most: `82% of 500 requests/min (header)`.
fn nearest(paces: &[view::Pace]) -> String {
    let meters = paces.iter().flat_map(|pace| [(&pace.requests, "requests"), (&pace.tokens, "tokens")]);
    let known = meters.filter_map(|(meter, what)| Some((meter.limit?, meter, what)));
    let nearest = known.max_by(|a, b| a.1.used_ratio.total_cmp(&b.1.used_ratio));
    nearest.map_or(NOTHING.to_owned(), |(limit, meter, what)| {
        let source = meter.source.as_deref().unwrap_or("unknown");
        format!("{} of {limit} {what} ({source})", percent(meter.used_ratio))
    })
}

/// The quota of which the least is left: `12% for opus, whole in 3h`.
fn scarcest(quotas: &[view::Quota]) -> String {
    let scarcest = quotas.iter().min_by(|a, b| a.left_ratio.total_cmp(&b.left_ratio));
    scarcest.map_or(NOTHING.to_owned(), |quota| {
        let reset = quota.reset.as_ref().map_or(String::new(), |reset| format!(", whole in {}", until(Some(reset))));
        format!("{} for {}{reset}", percent(quota.left_ratio), quota.family)
    })
}
