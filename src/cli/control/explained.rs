//! `interlingua explain --live`: with what a running gateway knows of its accounts now.

use super::Reach;
use super::table::{NOTHING, table, until};
use crate::admin::view;
use crate::cli::Failure;

/// Asks a running gateway where it would send a request for a model now.
pub(in crate::cli) fn explained(reach: &Reach, model: &str, protocol: &str) -> Result<(), Failure> {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("model", model)
        .append_pair("protocol", protocol)
        .finish();
    let path = format!("/api/explain?{query}");
    reach.run(async |client| client.get(&path).await, show)
}

fn show(view: &view::Explained) -> String {
    let stands_for = view.stands_for.as_ref().map_or(String::new(), |target| format!(", which stands for {target},"));
    let mut text = format!("{}{stands_for} takes the rule '{}'\n", view.model, view.rule);
    for step in &view.steps {
        let upstreams: Vec<String> =
            step.upstreams.iter().map(|one| format!("{} ({}, {})", one.upstream, one.dialect, one.lane)).collect();
        let on = if step.kind == "fallback" { format!(" on {}", step.on) } else { String::new() };
        text.push_str(&format!("\n{}{on}: model '{}' at {}\n", step.kind, step.model, upstreams.join(", ")));
        let row = |one: &view::Candidate| {
            let limit = one.limit.map_or("∞".to_owned(), |limit| limit.to_string());
            [
                one.account.clone(),
                one.upstream.clone().unwrap_or_else(|| NOTHING.to_owned()),
                one.tier.clone(),
                format!("{}/{limit}", one.in_flight),
                until(one.until.as_ref()),
                one.passed_over.clone().unwrap_or_else(|| NOTHING.to_owned()),
            ]
        };
        let rows: Vec<_> = step.candidates.iter().map(row).collect();
        text.push_str(&table(["ACCOUNT", "UPSTREAM", "TIER", "AT WORK", "OPENS IN", "PASSED OVER"], &rows));
    }
    text
}
