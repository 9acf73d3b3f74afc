//! The provider's own answers to what is not the request's fault: rate limits, quotas, outages, and prompts that are
//! too long.

use super::clock::{go_duration, rfc3339_in, whole_seconds};
use super::dialect::Dialect;
use super::refusal::Refusal;
use serde_json::json;
use std::time::Duration;

/// What a 429 is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Requests(u64),
    Tokens(u64),
    Concurrent(u64),
}

/// A 429 with every form of hint that the provider has.
pub(crate) fn limited(dialect: Dialect, model: &str, limit: Limit, wait: Duration) -> Refusal {
    match dialect {
        Dialect::Chat | Dialect::Responses => {
            let (kind, name, most) = match limit {
                Limit::Requests(most) => ("requests", "requests per min (RPM)", most),
                Limit::Tokens(most) => ("tokens", "tokens per min (TPM)", most),
                Limit::Concurrent(most) => ("requests", "concurrent requests", most),
            };
            let again = go_duration(wait);
            let reset = if kind == "tokens" { "x-ratelimit-reset-tokens" } else { "x-ratelimit-reset-requests" };
            let left = if kind == "tokens" { "x-ratelimit-remaining-tokens" } else { "x-ratelimit-remaining-requests" };
            Refusal::new(
                429,
                format!(
                    "Rate limit reached for {model} in organization org-mock on {name}: Limit {most}, Used {most}, \
                     Requested 1. Please try again in {again}. Visit https://platform.openai.com/account/rate-limits \
                     to learn more."
                ),
            )
            .kind(kind)
            .code("rate_limit_exceeded")
            .header("retry-after", whole_seconds(wait).to_string())
            .header("retry-after-ms", wait.as_millis().to_string())
            .header(reset, again)
            .header(left, "0")
        }
        Dialect::Anthropic => {
            let (name, family, most) = match limit {
                Limit::Requests(most) => ("requests per minute", "requests", most),
                Limit::Tokens(most) => ("input tokens per minute", "input-tokens", most),
                Limit::Concurrent(most) => ("concurrent connections", "requests", most),
            };
            let (reset, left) = if family == "requests" {
                ("anthropic-ratelimit-requests-reset", "anthropic-ratelimit-requests-remaining")
            } else {
                ("anthropic-ratelimit-input-tokens-reset", "anthropic-ratelimit-input-tokens-remaining")
            };
            Refusal::new(
                429,
                format!(
                    "This request would exceed your organization's rate limit of {most} {name} (org: org-mock, model: \
                     {model}). For details, refer to: https://docs.claude.com/en/api/rate-limits. You can see the \
                     response headers for current usage. Please reduce the prompt length or the maximum tokens \
                     requested, or try again later."
                ),
            )
            .header("retry-after", whole_seconds(wait).to_string())
            .header(reset, rfc3339_in(wait))
            .header(left, "0")
        }
        Dialect::Gemini => {
            let (metric, id, most) = match limit {
                Limit::Requests(most) => {
                    ("generate_content_requests", "GenerateRequestsPerMinutePerProjectPerModel", most)
                }
                Limit::Tokens(most) => {
                    ("generate_content_input_token_count", "GenerateContentInputTokensPerModelPerMinute", most)
                }
                Limit::Concurrent(most) => ("generate_content_requests", "GenerateRequestsConcurrentPerProject", most),
            };
            google_quota(model, metric, id, most, wait)
        }
    }
}

/// A quota that is used up for longer: the day, the month, the credit.
pub(crate) fn quota(dialect: Dialect, model: &str, wait: Duration) -> Refusal {
    match dialect {
        Dialect::Chat | Dialect::Responses => Refusal::new(
            429,
            "You exceeded your current quota, please check your plan and billing details. For more information on this \
             error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.",
        )
        .kind("insufficient_quota")
        .code("insufficient_quota"),
        Dialect::Anthropic => {
            let until = super::clock::epoch_seconds() + whole_seconds(wait).cast_signed();
            Refusal::new(429, "This request would exceed your account's rate limit. Please try again later.")
                .header("retry-after", whole_seconds(wait).to_string())
                .header("anthropic-ratelimit-unified-status", "rejected")
                .header("anthropic-ratelimit-unified-reset", until.to_string())
        }
        Dialect::Gemini => {
            let id = "GenerateRequestsPerDayPerProjectPerModel-FreeTier";
            google_quota(model, "generate_content_free_tier_requests", id, 250, wait)
        }
    }
}

fn google_quota(model: &str, metric: &str, id: &str, most: u64, wait: Duration) -> Refusal {
    let seconds = wait.as_secs_f64();
    let metric = format!("generativelanguage.googleapis.com/{metric}");
    Refusal::new(
        429,
        format!(
            "You exceeded your current quota, please check your plan and billing details. For more information on this \
             error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. \n* Quota exceeded for metric: \
             {metric}, limit: {most}, model: {model}\nPlease retry in {seconds}s."
        ),
    )
    .detail(json!({
        "@type": "type.googleapis.com/google.rpc.Help",
        "links": [{"description": "Learn more about Gemini API quotas",
            "url": "https://ai.google.dev/gemini-api/docs/rate-limits"}],
    }))
    .detail(json!({
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{"quotaMetric": metric, "quotaId": id, "quotaDimensions": {"location": "global", "model": model},
            "quotaValue": most.to_string()}],
    }))
    .detail(json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": format!("{seconds}s")}))
}

/// The prompt is too long for the model, in the provider's words (agents read the numbers out of them).
pub(crate) fn context(dialect: Dialect) -> Refusal {
    match dialect {
        Dialect::Chat => Refusal::invalid(
            "This model's maximum context length is 128000 tokens. However, your messages resulted in 210001 tokens. \
             Please reduce the length of the messages.",
        )
        .param("messages")
        .code("context_length_exceeded"),
        Dialect::Responses => Refusal::invalid(
            "Your input exceeds the context window of this model. Please adjust your input and try again.",
        )
        .param("input")
        .code("context_length_exceeded"),
        Dialect::Anthropic => Refusal::invalid("prompt is too long: 210001 tokens > 200000 maximum"),
        Dialect::Gemini => {
            Refusal::invalid("The input token count (1200001) exceeds the maximum number of tokens allowed (1048576).")
        }
    }
}

/// A prompt that the provider's policy refuses. Gemini itself says it inside a success; servers before it say it so.
pub(crate) fn policy(dialect: Dialect) -> Refusal {
    match dialect {
        Dialect::Chat => Refusal::invalid(
            "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please \
             modify your prompt and retry.",
        )
        .param("prompt")
        .code("content_filter"),
        Dialect::Responses => Refusal::invalid(
            "Invalid prompt: your prompt was flagged as potentially violating our usage policy. Please try again with a \
             different prompt.",
        )
        .code("invalid_prompt"),
        Dialect::Anthropic => Refusal::invalid("Output blocked by content filtering policy"),
        Dialect::Gemini => Refusal::invalid("The prompt was rejected by the safety system."),
    }
}

/// The provider's usual text for a status.
pub(crate) fn status(dialect: Dialect, model: &str, key: &str, status: u16) -> Refusal {
    match (status, dialect) {
        (401, Dialect::Gemini) => Refusal::new(
            401,
            "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid \
             authentication credential.",
        ),
        (401, _) => super::auth::unknown_key(dialect, key),
        (402, Dialect::Chat | Dialect::Responses) => Refusal::new(402, "Insufficient Balance"),
        (402, Dialect::Anthropic) => Refusal::new(
            402,
            "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or \
             purchase credits.",
        ),
        (402, Dialect::Gemini) => Refusal::new(402, "Billing is disabled for this project."),
        (403, Dialect::Chat | Dialect::Responses) => {
            Refusal::new(403, format!("Project `proj_mock` does not have access to model `{model}`"))
                .code("model_not_found")
        }
        (403, Dialect::Anthropic) => {
            Refusal::new(403, "Your API key does not have permission to use the specified resource.")
        }
        (403, Dialect::Gemini) => Refusal::new(403, "The caller does not have permission"),
        (404, _) => no_model(dialect, model),
        (413, Dialect::Anthropic) => Refusal::new(413, "Request exceeds the maximum size"),
        (413, _) => Refusal::new(413, "Request payload size exceeds the limit"),
        (500, Dialect::Chat | Dialect::Responses) => {
            Refusal::new(500, "The server had an error while processing your request. Sorry about that!")
        }
        (500, Dialect::Anthropic) => Refusal::new(500, "Internal server error"),
        (500, Dialect::Gemini) => Refusal::new(
            500,
            "An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting",
        ),
        (529, Dialect::Anthropic) => Refusal::new(529, "Overloaded"),
        (503 | 529, Dialect::Gemini) => Refusal::new(status, "The model is overloaded. Please try again later."),
        (503 | 529, _) => {
            Refusal::new(status, "The engine is currently overloaded, please try again later").kind_if_openai(dialect)
        }
        (504, Dialect::Gemini) => Refusal::new(504, "Deadline expired before operation could complete."),
        (429, _) => Refusal::new(429, "Too many requests"),
        (400, _) => Refusal::invalid("The request is invalid (a fault of the simulator)."),
        _ => Refusal::new(status, format!("Simulated failure with status {status}")),
    }
}

/// The model or the path does not exist.
pub(crate) fn no_model(dialect: Dialect, model: &str) -> Refusal {
    match dialect {
        Dialect::Chat | Dialect::Responses => {
            Refusal::new(404, format!("The model `{model}` does not exist or you do not have access to it."))
                .code("model_not_found")
        }
        Dialect::Anthropic => Refusal::new(404, format!("model: {model}")),
        Dialect::Gemini => Refusal::new(
            404,
            format!(
                "models/{model} is not found for API version v1beta, or is not supported for generateContent. Call \
                 ListModels to see the list of available models and their supported methods."
            ),
        ),
    }
}

impl Refusal {
    /// OpenAI has a type of its own for an overloaded engine.
    fn kind_if_openai(self, dialect: Dialect) -> Self {
        if dialect.is_openai() { self.kind("server_error").code("server_is_overloaded") } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_129_every_hint_form_of_a_rate_limit() {
        let wait = Duration::from_millis(1500);
        let header = |refusal: &Refusal, name: &str| {
            refusal.headers.iter().find(|(own, _)| *own == name).map(|(_, value)| value.clone())
        };
        let chat = limited(Dialect::Chat, "m", Limit::Tokens(9), wait);
        assert_eq!(header(&chat, "retry-after").as_deref(), Some("2"));
        assert_eq!(header(&chat, "retry-after-ms").as_deref(), Some("1500"));
        assert_eq!(header(&chat, "x-ratelimit-reset-tokens").as_deref(), Some("1.5s"));
        assert!(chat.message.contains("Please try again in 1.5s."));
        let anthropic = limited(Dialect::Anthropic, "m", Limit::Requests(9), wait);
        assert!(header(&anthropic, "anthropic-ratelimit-requests-reset").unwrap().ends_with('Z'));
        let gemini = limited(Dialect::Gemini, "m", Limit::Requests(9), wait);
        assert_eq!(gemini.details[2]["retryDelay"], "1.5s");
        assert!(gemini.message.ends_with("Please retry in 1.5s."));
    }

    #[test]
    fn wire_154_agents_find_both_numbers_in_a_prompt_that_is_too_long() {
        assert_eq!(context(Dialect::Anthropic).message, "prompt is too long: 210001 tokens > 200000 maximum");
        assert_eq!(context(Dialect::Chat).code, Some("context_length_exceeded"));
    }
}
