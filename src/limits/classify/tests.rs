mod code_assist;
mod compatible;
mod providers;

use interlingua_filters::Dialect;
use interlingua_filters::ir::{ApiError, ErrorKind};

use super::table::TABLE;
use super::{Case, Defaults, Failure, Fault, Reason, Retry, Scope, Transport, classify};
use crate::limits::hint::{Hint, HintSource};

use Dialect::{Anthropic, Gemini, OpenAiChat, OpenAiResponses};
use ErrorKind as K;
use Retry::{No, OtherAccount, SameAccountAfter};

const D: Defaults = Defaults {
    same_account_ms_max: 2_000,
    provider_wait_ms: 1_000,
    rate_limit_ms: 5_000,
    quota_ms: 600_000,
    credential_ms: 60_000,
    billing_ms: 600_000,
    model_ms: 60_000,
};

fn error(kind: ErrorKind, code: &str, message: &str) -> ApiError {
    let code = (!code.is_empty()).then(|| code.to_owned());
    ApiError { code, ..ApiError::new(kind, message) }
}

fn wait(wait_ms: u64) -> Hint {
    Hint { wait_ms, source: HintSource::RetryInfo, daily: false }
}

/// What a case must come to: reason, fault, scope, retry, cooldown.
type Expected = (Reason, Fault, Scope, Retry, Option<u64>);

struct Example {
    dialect: Dialect,
    status: Option<u16>,
    error: Option<ApiError>,
    hint: Option<Hint>,
    transport: Option<Transport>,
    expected: Expected,
}

fn broken(transport: Transport, expected: Expected) -> Example {
    Example { dialect: OpenAiChat, status: None, error: None, hint: None, transport: Some(transport), expected }
}

fn refused(dialect: Dialect, status: u16, kind: ErrorKind, code: &str, message: &str, expected: Expected) -> Example {
    let error = Some(error(kind, code, message));
    Example { dialect, status: Some(status), error, hint: None, transport: None, expected }
}

impl Example {
    fn hinted(self, hint: Hint) -> Self {
        Example { hint: Some(hint), ..self }
    }
}

fn network() -> Vec<Example> {
    let net = |reason, scope| (reason, Fault::Network, scope, OtherAccount, None);
    let provider = |reason| (reason, Fault::Provider, Scope::Request, OtherAccount, None);
    let mut with_error = broken(
        Transport::Truncated,
        (Reason::Overloaded, Fault::Provider, Scope::Provider, SameAccountAfter(1_000), None),
    );
    with_error.status = Some(200);
    with_error.error = Some(error(K::Overloaded, "overloaded_error", "Overloaded"));
    vec![
        broken(Transport::Dns, net(Reason::Dns, Scope::Provider)),
        broken(Transport::Connect, net(Reason::Connect, Scope::Provider)),
        broken(Transport::Proxy, net(Reason::Proxy, Scope::Account)),
        broken(Transport::Tls, net(Reason::Tls, Scope::Provider)),
        broken(Transport::Reset, net(Reason::Reset, Scope::Request)),
        broken(Transport::Timeout, provider(Reason::NoAnswer)),
        broken(Transport::Truncated, provider(Reason::Truncated)),
        broken(Transport::Empty, provider(Reason::EmptyAnswer)),
        broken(Transport::Malformed, provider(Reason::Malformed)),
        with_error,
    ]
}

fn clients() -> Vec<Example> {
    let client = |reason| (reason, Fault::Client, Scope::Request, No, None);
    vec![
        refused(
            OpenAiChat,
            403,
            K::Permission,
            "403",
            "requires moderation on OpenAI. Your input was flagged for \"harassment\".",
            client(Reason::ContentPolicy),
        ),
        refused(
            Anthropic,
            400,
            K::InvalidRequest,
            "invalid_request_error",
            "messages.1.content.0: Invalid `signature` in `thinking` block",
            client(Reason::Signature),
        ),
        refused(
            Anthropic,
            400,
            K::ContextLength,
            "invalid_request_error",
            "prompt is too long: 210345 tokens > 200000 maximum",
            client(Reason::ContextLength),
        ),
        refused(
            OpenAiChat,
            400,
            K::InvalidRequest,
            "context_length_exceeded",
            "This model's maximum context length is 128000 tokens.",
            client(Reason::ContextLength),
        ),
        refused(
            Gemini,
            400,
            K::InvalidRequest,
            "INVALID_ARGUMENT",
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            client(Reason::ContextLength),
        ),
        refused(
            OpenAiChat,
            400,
            K::InvalidRequest,
            "content_filter",
            "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
            client(Reason::ContentPolicy),
        ),
        refused(
            OpenAiResponses,
            400,
            K::InvalidRequest,
            "invalid_prompt",
            "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
            client(Reason::ContentPolicy),
        ),
        refused(
            Anthropic,
            400,
            K::InvalidRequest,
            "invalid_request_error",
            "Output blocked by content filtering policy",
            client(Reason::ContentPolicy),
        ),
        refused(
            Anthropic,
            413,
            K::TooLarge,
            "request_too_large",
            "Request exceeds the maximum size",
            client(Reason::TooLarge),
        ),
        refused(
            OpenAiResponses,
            400,
            K::InvalidRequest,
            "previous_response_not_found",
            "Previous response with id 'resp_1' not found.",
            client(Reason::ObjectMissing),
        ),
        refused(
            Gemini,
            403,
            K::Permission,
            "PERMISSION_DENIED",
            "You do not have permission to access the File abc or it may not exist.",
            client(Reason::ObjectMissing),
        ),
        refused(
            Gemini,
            404,
            K::NotFound,
            "NOT_FOUND",
            "CachedContent not found (or permission denied)",
            client(Reason::ObjectMissing),
        ),
        refused(
            OpenAiChat,
            400,
            K::InvalidRequest,
            "invalid_value",
            "Invalid 'messages[3]'. Content blocks are expected to be either text or image_url type.",
            client(Reason::BadRequest),
        ),
        refused(
            Anthropic,
            400,
            K::InvalidRequest,
            "invalid_request_error",
            "This model does not support effort level 'xhigh'.",
            client(Reason::BadRequest),
        ),
        refused(
            Gemini,
            400,
            K::InvalidRequest,
            "INVALID_ARGUMENT",
            "Invalid JSON payload received. Unknown name \"x\"",
            client(Reason::BadRequest),
        ),
        refused(OpenAiResponses, 422, K::InvalidRequest, "", "Unprocessable", client(Reason::BadRequest)),
    ]
}

fn accounts() -> Vec<Example> {
    let account = |reason, ms| (reason, Fault::Account, Scope::Account, OtherAccount, Some(ms));
    let model = (Reason::ModelMissing, Fault::Account, Scope::AccountModel, OtherAccount, Some(60_000));
    vec![
        refused(
            Gemini,
            400,
            K::Authentication,
            "API_KEY_INVALID",
            "API key not valid. Please pass a valid API key.",
            account(Reason::KeyInvalid, 60_000),
        ),
        refused(
            Gemini,
            400,
            K::InvalidRequest,
            "INVALID_ARGUMENT",
            "API key expired. Please renew the API key.",
            account(Reason::KeyInvalid, 60_000),
        ),
        refused(
            OpenAiChat,
            401,
            K::Authentication,
            "invalid_api_key",
            "Incorrect API key provided: sk-p...abcd.",
            account(Reason::KeyInvalid, 60_000),
        ),
        refused(
            Anthropic,
            401,
            K::Authentication,
            "authentication_error",
            "OAuth token has expired.",
            account(Reason::Unauthorized, 60_000),
        ),
        refused(
            Anthropic,
            402,
            K::Billing,
            "billing_error",
            "There's an issue with your billing",
            account(Reason::Billing, 600_000),
        ),
        refused(
            Anthropic,
            400,
            K::InvalidRequest,
            "invalid_request_error",
            "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.",
            account(Reason::Billing, 600_000),
        ),
        refused(
            OpenAiChat,
            429,
            K::RateLimit,
            "billing_not_active",
            "Your account is not active, please check your billing details on our website.",
            account(Reason::Billing, 600_000),
        ),
        refused(
            Anthropic,
            400,
            K::InvalidRequest,
            "invalid_request_error",
            "This organization has been disabled.",
            account(Reason::AccountDisabled, 600_000),
        ),
        refused(
            Gemini,
            403,
            K::Permission,
            "VALIDATION_REQUIRED",
            "Verify your account to continue.",
            account(Reason::OperatorNeeded, 600_000),
        ),
        refused(
            Gemini,
            403,
            K::Permission,
            "SERVICE_DISABLED",
            "Generative Language API has not been used in project 1 before or it is disabled.",
            account(Reason::OperatorNeeded, 600_000),
        ),
        refused(
            Anthropic,
            400,
            K::InvalidRequest,
            "invalid_request_error",
            "You have reached your specified API usage limits. You will regain access on 2025-11-01 at 00:00 UTC.",
            account(Reason::SpendLimit, 3_600_000),
        )
        .hinted(wait(3_600_000)),
        refused(
            Anthropic,
            403,
            K::Permission,
            "permission_error",
            "Your API key does not have permission to use the specified resource",
            account(Reason::Forbidden, 60_000),
        ),
        refused(
            OpenAiChat,
            404,
            K::NotFound,
            "model_not_found",
            "The model `gpt-9` does not exist or you do not have access to it.",
            model,
        ),
        refused(
            OpenAiChat,
            403,
            K::Permission,
            "model_not_found",
            "Project `proj_1` does not have access to model `gpt-5`",
            model,
        ),
        refused(Anthropic, 404, K::NotFound, "not_found_error", "model: claude-9", model),
        refused(
            Gemini,
            404,
            K::NotFound,
            "NOT_FOUND",
            "models/gemini-9 is not found for API version v1beta, or is not supported for generateContent.",
            model,
        ),
    ]
}

fn limited() -> Vec<Example> {
    let quota = |scope, ms| (Reason::QuotaExhausted, Fault::Account, scope, OtherAccount, Some(ms));
    let rate = |retry, ms| (Reason::RateLimit, Fault::Account, Scope::AccountModel, retry, Some(ms));
    let own = (Reason::OverOwnLimit, Fault::Client, Scope::Request, OtherAccount, None);
    let capacity = |retry| (Reason::Capacity, Fault::Provider, Scope::Model, retry, None);
    let daily = Hint { wait_ms: 46_800_000, source: HintSource::QuotaId, daily: true };
    let gemini_quota = "You exceeded your current quota, please check your plan and billing details.";
    vec![
        refused(
            OpenAiChat,
            429,
            K::RateLimit,
            "rate_limit_exceeded",
            "Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 30601. The input or output tokens must be reduced in order to run successfully.",
            own,
        ),
        refused(
            Anthropic,
            429,
            K::RateLimit,
            "rate_limit_error",
            "Extra usage is required for long context requests.",
            own,
        ),
        refused(
            Gemini,
            429,
            K::RateLimit,
            "RESOURCE_EXHAUSTED",
            "Quota exceeded for metric: generate_content_free_tier_requests, limit: 0, model: gemini-3-pro",
            (Reason::NotEntitled, Fault::Account, Scope::AccountModel, OtherAccount, Some(60_000)),
        ),
        refused(
            Gemini,
            429,
            K::RateLimit,
            "RESOURCE_EXHAUSTED",
            "Quota exceeded, limit: 0.5",
            rate(OtherAccount, 5_000),
        ),
        refused(
            Gemini,
            429,
            K::RateLimit,
            "MODEL_CAPACITY_EXHAUSTED",
            "No capacity available for model gemini-3-pro on the server",
            capacity(SameAccountAfter(1_000)),
        ),
        refused(
            Gemini,
            503,
            K::Unavailable,
            "UNAVAILABLE",
            "The model is overloaded. Please try again later.",
            capacity(SameAccountAfter(1_000)),
        ),
        refused(
            Gemini,
            503,
            K::Overloaded,
            "UNAVAILABLE",
            "The model is overloaded. Please try again later.",
            capacity(OtherAccount),
        )
        .hinted(wait(30_000)),
        refused(Gemini, 429, K::RateLimit, "RESOURCE_EXHAUSTED", gemini_quota, quota(Scope::AccountModel, 46_800_000))
            .hinted(daily),
        refused(
            Gemini,
            429,
            K::QuotaExhausted,
            "QUOTA_EXHAUSTED",
            "You have exhausted your capacity on this model.",
            quota(Scope::AccountModel, 600_000),
        ),
        refused(OpenAiChat, 429, K::QuotaExhausted, "insufficient_quota", gemini_quota, quota(Scope::Account, 600_000)),
        refused(
            OpenAiResponses,
            200,
            K::QuotaExhausted,
            "insufficient_quota",
            gemini_quota,
            quota(Scope::Account, 600_000),
        ),
        refused(Gemini, 429, K::QuotaExhausted, "RESOURCE_EXHAUSTED", gemini_quota, rate(OtherAccount, 34_400))
            .hinted(wait(34_400)),
        refused(
            Gemini,
            429,
            K::RateLimit,
            "RESOURCE_EXHAUSTED",
            "Resource has been exhausted (e.g. check quota).",
            rate(OtherAccount, 5_000),
        ),
        refused(
            Gemini,
            429,
            K::RateLimit,
            "RATE_LIMIT_EXCEEDED",
            "Your quota will reset after 0s.",
            rate(SameAccountAfter(540), 540),
        )
        .hinted(wait(540)),
        refused(
            OpenAiChat,
            429,
            K::RateLimit,
            "rate_limit_exceeded",
            "Rate limit reached for gpt-5. Please try again in 20s.",
            rate(OtherAccount, 20_000),
        )
        .hinted(wait(20_000)),
        refused(
            Anthropic,
            429,
            K::RateLimit,
            "rate_limit_error",
            "This request would exceed your organization's rate limit of 40,000 input tokens per minute.",
            rate(OtherAccount, 5_000),
        ),
        refused(
            OpenAiResponses,
            200,
            K::RateLimit,
            "rate_limit_exceeded",
            "Rate limit reached",
            rate(OtherAccount, 5_000),
        ),
    ]
}

fn examples() -> Vec<Example> {
    [network(), clients(), accounts(), limited(), providers::examples()].into_iter().flatten().collect()
}

fn run(example: &Example, defaults: &Defaults) -> Failure {
    classify(example.dialect, example.status, example.error.as_ref(), example.hint, example.transport, defaults)
}

#[test]
fn every_example_comes_to_what_it_must() {
    for example in examples() {
        let got = run(&example, &D);
        let parts = (got.reason, got.fault, got.scope, got.retry, got.cooldown_ms);
        assert_eq!(parts, example.expected, "{:?} {:?} {:?}", example.dialect, example.status, example.error);
    }
}

#[test]
fn every_row_has_an_example() {
    let mut unused: Vec<usize> = (0..TABLE.len()).collect();
    for example in examples() {
        let case = Case::new(example.dialect, example.status, example.error.as_ref(), example.hint, example.transport);
        if let Some(hit) = TABLE.iter().position(|row| (row.when)(&case)) {
            unused.retain(|row| *row != hit);
        }
    }
    let unused: Vec<&str> = unused.iter().map(|row| TABLE[*row].reason.name()).collect();
    assert!(unused.is_empty(), "rows without an example: {unused:?}");
}

#[test]
fn lesson_1_only_the_account_s_own_fault_locks_it() {
    for example in examples() {
        let got = run(&example, &D);
        if got.cooldown_ms.is_some() {
            assert_eq!(got.fault, Fault::Account, "{}", got.reason.name());
            assert!(matches!(got.scope, Scope::Account | Scope::AccountModel));
        }
    }
}

#[test]
fn every_lock_and_wait_can_be_switched_off() {
    for example in examples() {
        let got = run(&example, &Defaults::OFF);
        assert_eq!(got.cooldown_ms, None);
        assert!(!matches!(got.retry, SameAccountAfter(_)), "{}", got.reason.name());
    }
}

#[test]
fn the_wait_of_the_error_itself_is_a_hint_too() {
    let mut refusal = error(K::RateLimit, "", "slow");
    refusal.retry_after_ms = Some(9_000);
    let got = classify(OpenAiChat, Some(429), Some(&refusal), None, None, &D);
    assert_eq!((got.cooldown_ms, got.hinted), (Some(9_000), true));
}

#[test]
fn names_are_unique_and_parse_back() {
    for (reason, name) in Reason::NAMES {
        assert_eq!(Reason::parse(name), Some(*reason));
        assert_eq!(reason.name(), *name);
    }
}

#[test]
fn no_status_breaks_it() {
    for dialect in Dialect::ALL {
        for status in 0..=1000 {
            let got = classify(dialect, Some(status), None, None, None, &Defaults::default());
            assert!(got.cooldown_ms.is_none_or(|ms| ms <= 600_000));
        }
    }
}
