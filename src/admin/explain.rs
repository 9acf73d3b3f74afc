//! Where a model would go now: which rule, which accounts in which order, and why others are passed over.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use interlingua_filters::Dialect;
use interlingua_filters::json::skim::Skim;
use interlingua_filters::lane::{Lane, Needs};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::look::Look;
use super::problem::Problem;
use super::{Shared, view};
use crate::cli::explain::passed_over;
use crate::config::Upstream;
use crate::limits::Cost;
use crate::pool::{Ask, Attempted, CandidateView, Skip, explain};
use crate::routing::Step;

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(explained))
}

/// What is asked.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Question {
    /// The model, as a client would name it.
    model: String,
    /// The protocol that the client speaks: `openai_chat` (the default), `openai_responses`, `anthropic` or `gemini`.
    protocol: Option<String>,
}

/// Where a request for a model would go now, and why.
#[utoipa::path(get, path = "/api/explain", tag = "models", params(Question), responses(
    (status = 200, description = "The steps of its route, each with its accounts in order", body = view::Explained),
    Problem
))]
async fn explained(
    State(shared): State<Shared>,
    query: Result<Query<Question>, QueryRejection>,
) -> Result<Json<view::Explained>, Problem> {
    let Query(Question { model, protocol }) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let name = protocol.as_deref().unwrap_or(Dialect::OpenAiChat.name());
    let client = Dialect::ALL.into_iter().find(|dialect| dialect.name() == name).ok_or_else(|| {
        let known = Dialect::ALL.map(Dialect::name).join(", ");
        Problem::bad_request(format!("there is no protocol '{name}'; there are {known}"))
    })?;
    let look = Look::new(&shared.gateway);
    let routes = &look.snapshot.config.routes;
    let Some(route) = routes.resolve(&model, client) else {
        return Err(Problem::not_found(format!("no rule takes the model '{model}'; /api/models lists the rules")));
    };
    let steps = route.steps.iter().map(|step| explain_step(&look, client, step)).collect();
    Ok(Json(view::Explained { stands_for: routes.mapped(&model), model, rule: route.rule.clone(), steps }))
}

fn explain_step(look: &Look<'_>, client: Dialect, step: &Step) -> view::ExplainedStep {
    let snapshot = &look.snapshot;
    let eligible = |id: &str| snapshot.roster.account(id).is_some_and(|account| account.takes(&step.model));
    let pools = snapshot.roster.pools(&step.upstreams);
    let ask = Ask {
        upstreams: &pools,
        family: snapshot.config.family(&step.model),
        attempted: &Attempted::default(),
        bound: None,
        required: None,
        eligible: Some(&eligible),
        cost: Cost::default(),
    };
    let candidates = explain(&look.gateway.registry, &ask, look.now);
    view::ExplainedStep {
        kind: step.kind.name().to_owned(),
        on: step.on.to_string(),
        model: step.model.clone(),
        upstreams: step.upstreams.iter().map(|upstream| way(client, upstream)).collect(),
        candidates: candidates.iter().map(|view| candidate(look, step, view)).collect(),
    }
}

fn way(client: Dialect, upstream: &Upstream) -> view::ExplainedUpstream {
    let needs = Needs { client_streams: true, upstream_streams: true, quirks: upstream.quirks };
    let lane = match Lane::choose(client, upstream.dialect, &Skim::default(), needs) {
        Lane::Splice => "passes",
        Lane::Convert => "translated",
        Lane::Refuse => "refused",
    };
    view::ExplainedUpstream {
        upstream: upstream.id.clone(),
        dialect: upstream.dialect.name().to_owned(),
        lane: lane.to_owned(),
    }
}

fn candidate(look: &Look<'_>, step: &Step, view: &CandidateView) -> view::Candidate {
    let account = look.snapshot.roster.account(&view.id);
    let upstream = account.and_then(|account| account.upstream_in(&step.upstreams));
    let until = match view.skipped.as_ref() {
        Some(Skip::Cooling { until, .. } | Skip::Paced { until } | Skip::Broken { until }) => Some(look.when(*until)),
        _ => None,
    };
    view::Candidate {
        account: view.id.clone(),
        tier: look.snapshot.config.tiers.get(usize::from(view.tier)).cloned().unwrap_or_default(),
        upstream: upstream.map(|upstream| upstream.id.clone()),
        in_flight: view.in_flight,
        limit: Some(view.limit).filter(|limit| *limit > 0),
        passed_over: view.skipped.as_ref().map(passed_over),
        until,
    }
}
