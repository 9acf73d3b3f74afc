//! Questions that need no provider.

use interlingua_filters::Dialect;
use interlingua_filters::ir::{ApiError, ErrorKind};
use pingora::Result;
use pingora_proxy::Session;
use serde_json::{Value, json};

use super::ctx::Ctx;
use super::endpoint::Action;
use super::gateway::Gateway;
use super::{respond, terms};
use crate::config::{Client, Config};
use crate::routing::Step;

/// A time for models of which nothing is known; 2025-01-01T00:00:00Z.
const CREATED: u64 = 1_735_689_600;

/// Writes the answer.
pub(super) async fn answer(gateway: &Gateway, session: &mut Session, ctx: &mut Ctx, action: &Action) -> Result<()> {
    match action {
        Action::Health => respond::whole(session, ctx, 200, "text/plain", b"ok\n".to_vec()).await,
        Action::Ready => ready(gateway, session, ctx).await,
        Action::Metrics => {
            let text = gateway.render_metrics().into_bytes();
            respond::whole(session, ctx, 200, "text/plain; version=0.0.4; charset=utf-8", text).await
        }
        Action::Hello => {
            let text = concat!(
                "Interlingua ",
                env!("CARGO_PKG_VERSION"),
                ", an LLM gateway. GET /v1/models lists what it serves.\n"
            );
            respond::whole(session, ctx, 200, "text/plain", text.as_bytes().to_vec()).await
        }
        Action::ListModels(dialect) => {
            let body = list(&ctx.snapshot.config, ctx.caller(), *dialect).to_string().into_bytes();
            respond::whole(session, ctx, 200, "application/json", body).await
        }
        Action::GetModel(dialect, id) => get(session, ctx, *dialect, id).await,
        Action::Generate(_) | Action::Operate(_) | Action::Pass(_) | Action::Mcp { .. } => Ok(()),
    }
}

async fn ready(gateway: &Gateway, session: &mut Session, ctx: &mut Ctx) -> Result<()> {
    let serves = ctx.snapshot.config.accounts.iter().any(|account| account.enabled);
    let (status, text) = match (gateway.pause.paused(), serves) {
        (Some(_), _) => (503, "paused by the operator\n"),
        (None, false) => (503, "no enabled account\n"),
        (None, true) => (200, "ready\n"),
    };
    respond::whole(session, ctx, status, "text/plain", text.as_bytes().to_vec()).await
}

async fn get(session: &mut Session, ctx: &mut Ctx, dialect: Dialect, id: &str) -> Result<()> {
    if ctx.snapshot.config.routes.resolve(id, dialect).is_none() {
        let error = unserved(&ctx.snapshot.config, id);
        return respond::error(session, ctx, &error).await;
    }
    if let Some(client) = ctx.caller().filter(|client| !terms::allows(Some(client), &ctx.snapshot.config, id, dialect))
    {
        let error = terms::not_allowed(client, id);
        return respond::error(session, ctx, &error).await;
    }
    respond::whole(
        session,
        ctx,
        200,
        "application/json",
        model(&ctx.snapshot.config, dialect, id).to_string().into_bytes(),
    )
    .await
}

/// What a caller hears of a model that no rule takes: which names are taken, as far as a line holds them.
pub(super) fn unserved(config: &Config, model: &str) -> ApiError {
    const NAMED_MAX: usize = 12;
    let rules = config.routes.rules();
    let mut names: Vec<&str> = rules.iter().take(NAMED_MAX).map(|rule| rule.pattern.as_str()).collect();
    if rules.len() > NAMED_MAX {
        names.push("…");
    }
    let message = format!("this gateway has no rule for the model '{model}'; it takes {}", names.join(", "));
    ApiError {
        code: Some("model_not_found".into()),
        param: Some("model".into()),
        ..ApiError::new(ErrorKind::NotFound, message)
    }
}

/// The models that the client may use, in the shape of the dialect's own SDK.
fn list(config: &Config, client: Option<&Client>, dialect: Dialect) -> Value {
    let listed = config.routes.listed().iter();
    let ids: Vec<&String> = listed.filter(|id| terms::allows(client, config, id, dialect)).collect();
    let models: Vec<Value> = ids.iter().map(|id| model(config, dialect, id)).collect();
    match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => json!({"object": "list", "data": models}),
        Dialect::Anthropic => {
            json!({"data": models, "has_more": false, "first_id": ids.first(), "last_id": ids.last()})
        }
        Dialect::Gemini => json!({"models": models}),
    }
}

fn model(config: &Config, dialect: Dialect, id: &str) -> Value {
    match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => {
            json!({"id": id, "object": "model", "created": CREATED, "owned_by": "interlingua"})
        }
        Dialect::Anthropic => {
            json!({"type": "model", "id": id, "display_name": id, "created_at": "2025-01-01T00:00:00Z"})
        }
        Dialect::Gemini => json!({
            "name": format!("models/{id}"),
            "displayName": id,
            "supportedGenerationMethods": methods(config, id),
        }),
    }
}

/// What can be asked of a model: its name tells whether it makes vectors, its upstreams whether they have the endpoint.
fn methods(config: &Config, id: &str) -> Vec<&'static str> {
    let route = config.routes.resolve(id, Dialect::Gemini);
    let embeds = |step: &Step| {
        let able = |dialect| matches!(dialect, Dialect::Gemini | Dialect::OpenAiChat);
        step.model.contains("embed") && step.upstreams.iter().any(|upstream| able(upstream.dialect))
    };
    if route.is_some_and(|route| route.steps.iter().any(embeds)) {
        vec!["embedContent", "batchEmbedContents", "countTokens"]
    } else {
        vec!["generateContent", "streamGenerateContent", "countTokens"]
    }
}
