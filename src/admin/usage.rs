//! Who has used what.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::logs::{moment, reader};
use super::problem::Problem;
use super::records_view as view;
use super::view::When;
use crate::pool::Millis;
use crate::proxy::now;
use crate::records::{Grouping, Sum, SumFilter};

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(usage))
}

/// Of what, and how it is grouped.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Some of client, model, served_model, upstream, account, day, hour, with commas between them. Default: none, which is
    /// the total alone.
    group_by: Option<String>,
    /// From the hour of this moment on: RFC 3339, or how long ago, such as `7d`. What is older than 8 days is kept by the
    /// day.
    since: Option<String>,
    /// Until then; as `since`.
    until: Option<String>,
    /// Of this client.
    client: Option<String>,
    /// For this model, as the client named it.
    model: Option<String>,
    /// At this upstream.
    upstream: Option<String>,
    /// Of this account.
    account: Option<String>,
}

/// Requests, attempts, tokens and money, by groups. What happened in the last second may be missing.
#[utoipa::path(get, path = "/api/usage", tag = "records", params(Which), responses((status = 200, description = "Sums", body = view::Usage), Problem))]
async fn usage(
    State(shared): State<Shared>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Json<view::Usage>, Problem> {
    let Query(which) = which.map_err(|error| Problem::bad_request(error.body_text()))?;
    let reader = reader(&shared)?;
    let by = groupings(which.group_by.as_deref().unwrap_or_default())?;
    let (since, until) = (moment("since", which.since.as_deref())?, moment("until", which.until.as_deref())?);
    let only = [
        (Grouping::Client, which.client),
        (Grouping::Model, which.model),
        (Grouping::Upstream, which.upstream),
        (Grouping::Account, which.account),
    ];
    let only = only.into_iter().filter_map(|(what, value)| Some((what, value?))).collect();
    let filter = SumFilter { since, until, only };
    let total = reader.sums(&[], &filter).await?.into_iter().next();
    let mut groups: Vec<_> = if by.is_empty() { Vec::new() } else { reader.sums(&by, &filter).await? };
    if let Some(at) = by.iter().position(|by| matches!(by, Grouping::Day | Grouping::Hour)) {
        groups.sort_by(|a, b| a.names.get(at).cmp(&b.names.get(at)));
    }
    let when = |at: Option<u64>| at.map(|at| When::new(Millis(at), now()));
    Ok(Json(view::Usage {
        group_by: by.iter().map(|by| by.name().to_owned()).collect(),
        since: when(since),
        until: when(until),
        groups: groups.into_iter().map(|sum| used(&by, sum)).collect(),
        total: total.map(|sum| used(&[], sum)).unwrap_or_default(),
    }))
}

fn groupings(text: &str) -> Result<Vec<Grouping>, Problem> {
    let mut found = Vec::new();
    for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let by = Grouping::parse(name).ok_or_else(|| {
            let known = Grouping::NAMES.map(|(_, name)| name).join(", ");
            Problem::bad_request(format!("'{name}' is nothing to group by; there are {known}"))
        })?;
        if !found.contains(&by) {
            found.push(by);
        }
    }
    Ok(found)
}

fn used(by: &[Grouping], sum: Sum) -> view::Used {
    let Sum { names, sums } = sum;
    let mut used = view::Used {
        requests: sums.requests,
        errors: sums.errors,
        attempts: sums.attempts,
        tokens: sums.tokens,
        microusd: sums.microusd,
        unpriced: sums.unpriced,
        ..view::Used::default()
    };
    for (by, name) in by.iter().zip(names) {
        let member = match by {
            Grouping::Client => &mut used.client,
            Grouping::Model => &mut used.model,
            Grouping::ServedModel => &mut used.served_model,
            Grouping::Upstream => &mut used.upstream,
            Grouping::Account => &mut used.account,
            Grouping::Day => &mut used.day,
            Grouping::Hour => &mut used.hour,
        };
        *member = Some(name);
    }
    used
}
