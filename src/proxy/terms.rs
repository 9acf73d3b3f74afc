//! What the calling client may: which models, and how much. It is asked when the request was read and its route is known,
//! before any account is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderName, HeaderValue, Method};
use interlingua_filters::Dialect;
use interlingua_filters::ir::{ApiError, ErrorKind, Usage};
use interlingua_filters::json::skim;
use pingora::Result;
use pingora::http::ResponseHeader;

use super::auth::moment;
use super::clock::now;
use super::ctx::{Attempt, Ctx, Inbound, Spent};
use super::errand::Errand;
use super::gateway::Gateway;
use crate::clients::{self, Estimate, Limit, Meter, Refusal, Weight};
use crate::config::{Client, Config};
use crate::pool::Millis;
use crate::routing::normalise;

/// How long a request waits for the place of another one of its client whose answer has its end, and how often it looks: a
/// client may ask anew as soon as it has the last byte, and the books are closed a moment later.
const ENDING_WAIT: Duration = Duration::from_millis(250);
const ENDING_LOOK: Duration = Duration::from_millis(2);
/// What passes and starts nothing: stored bytes.
const STORES: [&str; 2] = ["/files", "/uploads"];

impl Ctx {
    /// The configured client that calls.
    pub(super) fn caller(&self) -> Option<&Client> {
        self.client_place.and_then(|place| self.snapshot.config.clients.get(place))
    }
}

/// Whether a client may ask for a model: the name that it asks for is one of its own, or the model in the provider's words
/// that the rule sends it to. So an operator allows either the names that clients see or the models that they mean, and
/// another name for an allowed model is no way around, and none that is shut by mistake. Where a request goes when the
/// target cannot serve it is the operator's choice, not the client's.
pub(super) fn allows(client: Option<&Client>, config: &Config, model: &str, dialect: Dialect) -> bool {
    let Some(patterns) = client.and_then(|client| client.models.as_ref()) else { return true };
    let takes = |name: &str| patterns.iter().any(|pattern| pattern.matches(name));
    takes(normalise(model))
        || config
            .routes
            .resolve(model, dialect)
            .is_some_and(|route| route.steps.first().is_some_and(|step| takes(&step.model)))
}

/// What a client hears that may not ask for a model.
pub(super) fn not_allowed(client: &Client, model: &str) -> ApiError {
    const NAMED_MAX: usize = 12;
    let patterns = client.models.as_deref().unwrap_or_default();
    let names: Vec<&str> = patterns.iter().take(NAMED_MAX).map(crate::routing::Pattern::as_str).collect();
    let more = if patterns.len() > NAMED_MAX { ", …" } else { "" };
    let message =
        format!("client '{}' may not use the model '{model}'; it may use {}{more}", client.id, names.join(", "));
    ApiError {
        code: Some("model_not_allowed".into()),
        param: Some("model".into()),
        ..ApiError::new(ErrorKind::Permission, message)
    }
}

/// Lets the planned request of a client in, and opens its tab. `body` is what the client sent.
///
/// # Errors
/// 403 for a model that it may not use, 429 for a limit.
pub(super) async fn admit(gateway: &Gateway, ctx: &mut Ctx, body: &[u8]) -> Result<(), ApiError> {
    let snapshot = Arc::clone(&ctx.snapshot);
    let client = ctx.client_place.and_then(|place| snapshot.config.clients.get(place));
    let (Some(client), Some(inbound)) = (client, ctx.inbound.as_ref()) else { return Ok(()) };
    let counted = |limit: &str| gateway.metrics.client_refusals.with_label_values(&[client.id.as_str(), limit]).inc();
    if let Err(error) = may(client, &snapshot.config, inbound, body, ctx.dialect) {
        counted("model");
        return Err(error);
    }
    let Some(weight) = weight(gateway, &snapshot.config, client, inbound) else { return Ok(()) };
    let state = gateway.clients.state(&client.id);
    let mut admitted = state.admit(&client.limits, weight, now());
    let until = Instant::now() + ENDING_WAIT;
    while admitted.as_ref().is_err_and(|refusal| refusal.ending) && Instant::now() < until {
        tokio::time::sleep(ENDING_LOOK).await;
        admitted = state.admit(&client.limits, weight, now());
    }
    match admitted {
        Ok(tab) => {
            ctx.meter = tab.meter();
            ctx.tab = Some(tab.into());
            Ok(())
        }
        Err(refusal) => {
            counted(refusal.limit.name());
            let now = now();
            let error = refused(&client.id, refusal, now);
            ctx.meter = state.meter(&client.limits, now);
            Err(error)
        }
    }
}

fn may(client: &Client, config: &Config, inbound: &Inbound, body: &[u8], dialect: Dialect) -> Result<(), ApiError> {
    let Errand::Pass(passage) = &inbound.errand else {
        let allowed = allows(Some(client), config, &inbound.model, dialect);
        return if allowed { Ok(()) } else { Err(not_allowed(client, &inbound.model)) };
    };
    let reads = matches!(passage.method, Method::GET | Method::HEAD | Method::DELETE);
    if passage.is_mcp() || reads || STORES.iter().any(|store| passage.rest.starts_with(store)) {
        return Ok(());
    }
    if client.limits.counts_tokens() {
        let message = format!(
            "client '{}' may not start what passes through this gateway: its tokens are limited, and those of {} cannot be counted",
            client.id, passage.rest
        );
        return Err(ApiError::new(ErrorKind::Permission, message));
    }
    if client.models.is_none() {
        return Ok(());
    }
    let found = skim::skim(Dialect::OpenAiResponses, body).ok();
    let named = found.and_then(|found| found.model).map(|(model, _)| model.to_string());
    match named {
        Some(model) if allows(Some(client), config, &model, dialect) => Ok(()),
        Some(model) => Err(not_allowed(client, &model)),
        None => {
            let message = format!(
                "client '{}' may use some models only, and which one {} uses cannot be told",
                client.id, passage.rest
            );
            Err(ApiError::new(ErrorKind::Permission, message))
        }
    }
}

/// What a request counts as. `None` for what is no request of a model: counted tokens cost nothing, and tool servers have no
/// model.
fn weight(gateway: &Gateway, config: &Config, client: &Client, inbound: &Inbound) -> Option<Weight> {
    let passes_tool = inbound.errand.passage().is_some_and(super::errand::Passage::is_mcp);
    if inbound.errand.counts() || passes_tool {
        return None;
    }
    if !client.limits.counts_tokens() {
        return Some(Weight { estimate: Estimate::default(), slot: true });
    }
    let model = inbound.route.steps.first().map_or(inbound.model.as_str(), |step| step.model.as_str());
    let prompt = gateway.costs.prompt(inbound, model);
    let tokens = gateway.costs.of(inbound, model).tokens;
    let usage = Usage { uncached: prompt, output: tokens.saturating_sub(prompt), ..Usage::default() };
    let microusd = config.profiles.find(model).cost_microusd(&usage).unwrap_or(0);
    Some(Weight { estimate: Estimate { tokens, microusd }, slot: true })
}

/// A refusal in words. Of a budget it is the quota that is used up, of all else a rate.
fn refused(client: &str, refusal: Refusal, now: Millis) -> ApiError {
    let Refusal { limit, allowed, used, used_up, wait_ms, .. } = refusal;
    let amount = |value: u64| if limit.is_usd() { dollars(value) } else { format!("{value} tokens") };
    let seconds = wait_ms.div_ceil(1000);
    let message = match limit {
        Limit::Requests => {
            format!("client '{client}' may send {allowed} requests a minute; the next one is possible in {seconds} s")
        }
        Limit::Tokens => format!(
            "client '{client}' may use {allowed} tokens a minute; there is room for this request of about {used} in {seconds} s"
        ),
        Limit::Concurrency => {
            format!(
                "client '{client}' may have {allowed} requests at work at a time; try again when one of them has ended"
            )
        }
        Limit::DailyTokens | Limit::DailyUsd | Limit::MonthlyTokens | Limit::MonthlyUsd => {
            let period = if matches!(limit, Limit::DailyTokens | Limit::DailyUsd) { "daily" } else { "monthly" };
            let (allowed, used) = (amount(allowed), amount(used));
            if used_up {
                let renewed = moment(Millis(now.0.saturating_add(wait_ms)));
                format!(
                    "client '{client}' has used up its {period} budget of {allowed} ({used}); it is renewed at {renewed}"
                )
            } else {
                format!(
                    "of its {period} budget of {allowed} client '{client}' has used {used}, and its requests at work have reserved the rest; try again when one of them has ended"
                )
            }
        }
    };
    let kind = if used_up { ErrorKind::QuotaExhausted } else { ErrorKind::RateLimit };
    ApiError { retry_after_ms: Some(wait_ms), ..ApiError::new(kind, message) }
}

/// Millionths of a US dollar as dollars and cents, with more places where it is less than a cent.
fn dollars(microusd: u64) -> String {
    let (whole, part) = (microusd / 1_000_000, microusd % 1_000_000);
    if part % 10_000 == 0 { format!("${whole}.{:02}", part / 10_000) } else { format!("${whole}.{part:06}") }
}

/// What an attempt has used, as far as it was told, and as it is thought where it broke off or nobody told. `whole` if its
/// answer has come to its end.
pub(super) fn used(gateway: &Gateway, ctx: &Ctx, attempt: &Attempt, whole: bool) -> Option<Usage<'static>> {
    let own = attempt.reply.own_usage().cloned();
    let inbound = ctx.inbound.as_ref()?;
    if (whole && own.is_some()) || inbound.errand.counts() {
        return own;
    }
    let prompt = || gateway.costs.prompt(inbound, &attempt.model);
    match attempt.reply.reply().and_then(interlingua_filters::reply::Reply::bill) {
        Some(bill) => {
            let mut usage = bill.usage.counts();
            if bill.input_untold && ctx.continuing.is_none() {
                usage.uncached = usage.uncached.saturating_add(prompt());
            }
            Some(usage)
        }
        None if own.is_some() => own,
        // The provider has read the prompt, and told nothing of it.
        None if whole || ctx.walk.client_left => {
            let prompt = prompt();
            (prompt > 0).then(|| Usage { uncached: prompt, ..Usage::default() })
        }
        None => None,
    }
}

/// Books what an attempt has used on the client's tab.
pub(super) fn spend(ctx: &Ctx, spent: &Spent) {
    let Some(tab) = &ctx.tab else { return };
    let tokens = spent.usage.input_total().saturating_add(spent.usage.output_total());
    let unpriced = if spent.microusd.is_some() { 0 } else { tokens };
    tab.spend(clients::Spent { requests: 0, tokens, microusd: spent.microusd.unwrap_or(0), unpriced }, now());
}

/// Tells clients of the OpenAI dialects where they stand with their requests a minute, under the names that OpenAI uses.
/// Tokens are not told: before the end of an answer they are a guess, and what is left would be wrong more often than
/// right. Anthropic and Google have other names, or none.
pub(super) fn tell(response: &mut ResponseHeader, dialect: Dialect, meter: Meter) -> Result<()> {
    if !matches!(dialect, Dialect::OpenAiChat | Dialect::OpenAiResponses) {
        return Ok(());
    }
    let number = |value: u64| HeaderValue::from(value);
    response.insert_header(HeaderName::from_static("x-ratelimit-limit-requests"), number(meter.limit))?;
    response.insert_header(HeaderName::from_static("x-ratelimit-remaining-requests"), number(meter.left))?;
    let reset = format!("{}ms", meter.whole_in_ms);
    response.insert_header(HeaderName::from_static("x-ratelimit-reset-requests"), reset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(limit: Limit, allowed: u64, used: u64, used_up: bool, wait_ms: u64) -> (ErrorKind, String) {
        let error = refused(
            "laptop",
            Refusal { limit, allowed, used, used_up, ending: false, wait_ms },
            Millis(1_800_000_000_000),
        );
        assert_eq!(error.retry_after_ms, Some(wait_ms));
        (error.kind, error.message)
    }

    #[test]
    fn a_refusal_says_which_limit_how_much_and_when_it_ends() {
        let (kind, said) = words(Limit::DailyUsd, 5_000_000, 5_000_310, true, 60_000);
        assert_eq!(kind, ErrorKind::QuotaExhausted);
        assert_eq!(
            said,
            "client 'laptop' has used up its daily budget of $5.00 ($5.000310); it is renewed at 2027-01-15T08:01:00Z"
        );
        let (kind, said) = words(Limit::Tokens, 1000, 900, false, 2001);
        assert_eq!(kind, ErrorKind::RateLimit);
        assert!(said.contains("1000 tokens a minute") && said.contains("about 900 in 3 s"), "{said}");
        let (kind, said) = words(Limit::MonthlyTokens, 1000, 900, false, 1000);
        assert_eq!(kind, ErrorKind::RateLimit, "what is reserved comes back");
        assert!(said.contains("reserved the rest"), "{said}");
    }
}
