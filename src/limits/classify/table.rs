//! The table. The first row that matches decides, so exact words stand before classes and classes before statuses.

use interlingua_filters::Dialect;
use interlingua_filters::ir::ErrorKind;

use super::{Case, Defaults, Failure, Fault, Reason, Retry, Scope, Transport};

/// One line of the table.
pub(super) struct Row {
    pub(super) reason: Reason,
    fault: Fault,
    scope: Scope,
    next: Next,
    lock: Lock,
    pub(super) when: fn(&Case<'_>) -> bool,
}

/// What to try next, before numbers are known.
#[derive(Clone, Copy)]
enum Next {
    Stop,
    Other,
    /// The same account if the provider named a short wait, else another.
    SameIfSoon,
    /// The same account after a short wait of our own, unless the provider named a longer one.
    SameShortly,
}

/// Which default locks the scope. A hint takes the place of `Rate` and `Quota`.
#[derive(Clone, Copy)]
enum Lock {
    None,
    Rate,
    Quota,
    Credential,
    Billing,
    Model,
}

impl Row {
    const fn new(
        reason: Reason,
        fault: Fault,
        scope: Scope,
        next: Next,
        lock: Lock,
        when: fn(&Case<'_>) -> bool,
    ) -> Self {
        Row { reason, fault, scope, next, lock, when }
    }

    /// The row with its numbers. `said_ms` is the wait that the provider named.
    pub(super) fn failure(&self, said_ms: Option<u64>, defaults: &Defaults) -> Failure {
        let soon = said_ms.filter(|wait| *wait <= defaults.same_account_ms_max && defaults.same_account_ms_max > 0);
        let retry = match (self.next, soon, said_ms) {
            (Next::Stop, _, _) => Retry::No,
            (Next::SameIfSoon | Next::SameShortly, Some(wait), _) => Retry::SameAccountAfter(wait),
            (Next::SameShortly, None, None) if defaults.provider_wait_ms > 0 => {
                Retry::SameAccountAfter(defaults.provider_wait_ms)
            }
            _ => Retry::OtherAccount,
        };
        let (default_ms, takes_hint) = match self.lock {
            Lock::None => (0, false),
            Lock::Rate => (defaults.rate_limit_ms, true),
            Lock::Quota => (defaults.quota_ms, true),
            Lock::Credential => (defaults.credential_ms, false),
            Lock::Billing => (defaults.billing_ms, false),
            Lock::Model => (defaults.model_ms, false),
        };
        let hinted = takes_hint && said_ms.is_some();
        // A default of 0 switches the lock off, hint or not.
        let cooldown_ms =
            (default_ms > 0).then(|| said_ms.filter(|_| takes_hint).unwrap_or(default_ms)).filter(|ms| *ms > 0);
        Failure { fault: self.fault, scope: self.scope, retry, cooldown_ms, reason: self.reason, hinted }
    }
}

/// What no row knows: something is wrong at the provider, another account may do.
pub(super) const UNEXPECTED: Row =
    Row::new(Reason::Unexpected, Fault::Provider, Scope::Request, Next::Other, Lock::None, |_| true);

/// All rows in order.
pub(super) const TABLE: &[Row] = &[
    // --- The way to the provider. Counted as attempts; no account is to blame, so none is locked.
    // The upstream's name is wrong or the resolver is down: accounts of other upstreams may be reached.
    Row::new(Reason::Dns, Fault::Network, Scope::Provider, Next::Other, Lock::None, |case| {
        case.transport == Some(Transport::Dns)
    }),
    // Refused, unreachable, or no connection in time.
    Row::new(Reason::Connect, Fault::Network, Scope::Provider, Next::Other, Lock::None, |case| {
        case.transport == Some(Transport::Connect)
    }),
    // The egress proxy is down or refuses: other accounts may have another way, and nobody goes round it.
    Row::new(Reason::Proxy, Fault::Network, Scope::Account, Next::Other, Lock::None, |case| {
        case.transport == Some(Transport::Proxy)
    }),
    // Certificate or protocol trouble: never to be gone round, but another upstream may be well.
    Row::new(Reason::Tls, Fault::Network, Scope::Provider, Next::Other, Lock::None, |case| {
        case.transport == Some(Transport::Tls)
    }),
    // Closed before an answer.
    Row::new(Reason::Reset, Fault::Network, Scope::Request, Next::Other, Lock::None, |case| {
        case.transport == Some(Transport::Reset)
    }),
    // No header or no first content within the limit.
    Row::new(Reason::NoAnswer, Fault::Provider, Scope::Request, Next::Other, Lock::None, |case| {
        case.transport == Some(Transport::Timeout)
    }),
    // --- Answers that broke. An error event before the break is more exact than the break, so these need there to be none.
    // EOF without the terminal event is a failure, never a success.
    Row::new(Reason::Truncated, Fault::Provider, Scope::Request, Next::Other, Lock::None, |case| {
        case.transport == Some(Transport::Truncated) && case.message.is_empty()
    }),
    // A stream or body that ended well with nothing in it.
    Row::new(Reason::EmptyAnswer, Fault::Provider, Scope::Request, Next::Other, Lock::None, |case| {
        case.transport == Some(Transport::Empty) && case.message.is_empty()
    }),
    // Neither JSON nor events: a proxy's or a captive portal's page.
    Row::new(Reason::Malformed, Fault::Provider, Scope::Request, Next::Other, Lock::None, |case| {
        case.transport == Some(Transport::Malformed) && case.message.is_empty()
    }),
    // --- The request's fault.
    // A seal of reasoning that was lost, changed or made elsewhere. The caller may drop all and try once more.
    Row::new(Reason::Signature, Fault::Client, Scope::Request, Next::Stop, Lock::None, is_seal),
    // Longer than the model's context; Gemini says it in words only.
    Row::new(Reason::ContextLength, Fault::Client, Scope::Request, Next::Stop, Lock::None, |case| {
        case.kind == ErrorKind::ContextLength
            || case.code_is(&["context_length_exceeded"])
            || case.says(&["prompt is too long", "exceeds the maximum number of tokens", "maximum context length"])
    }),
    // The provider's policy blocked the prompt, or held the whole answer back.
    Row::new(Reason::ContentPolicy, Fault::Client, Scope::Request, Next::Stop, Lock::None, is_policy),
    // Body too large for the provider.
    Row::new(Reason::TooLarge, Fault::Client, Scope::Request, Next::Stop, Lock::None, |case| {
        // Groq says with 413 that one request is more than an account's minute.
        (case.status == 413 || case.kind == ErrorKind::TooLarge) && !case.code_is(&["rate_limit_exceeded"])
    }),
    // An object of an account that is gone, or that another account holds: no other account has it either.
    Row::new(Reason::ObjectMissing, Fault::Client, Scope::Request, Next::Stop, Lock::None, |case| {
        case.code_is(&["previous_response_not_found"])
            || (matches!(case.status, 403 | 404) || case.kind == ErrorKind::NotFound)
                && case.says(&[
                    "previous response",
                    "response with id",
                    "item with id",
                    "no such file",
                    "file not found",
                    "file with id",
                    "file id",
                    "cachedcontent",
                    "cached content",
                    "access the file",
                ])
    }),
    // --- The account: key, money, standing. Any status: Google says it with 400, Anthropic says "no credit" with 400.
    Row::new(Reason::KeyInvalid, Fault::Account, Scope::Account, Next::Other, Lock::Credential, |case| {
        case.code_is(&["API_KEY_INVALID", "invalid_api_key", "API_KEY_SERVICE_BLOCKED", "API_KEY_EXPIRED"])
            || matches!(case.status, 400 | 401 | 403)
                && case.says(&["api key not valid", "api key expired", "incorrect api key", "invalid x-api-key"])
    }),
    // The provider does not serve where our address is. An account with another egress may do.
    Row::new(Reason::Region, Fault::Gateway, Scope::Address, Next::Other, Lock::None, |case| {
        case.code_is(&["unsupported_country_region_territory"])
            || matches!(case.status, 400 | 403)
                && case.says(&["user location is not supported", "country, region, or territory not supported"])
    }),
    // Unpaid.
    Row::new(Reason::Billing, Fault::Account, Scope::Account, Next::Other, Lock::Billing, |case| {
        case.status == 402
            || case.kind == ErrorKind::Billing
            || case.code_is(&["billing_hard_limit_reached", "billing_not_active", "BILLING_DISABLED"])
            || matches!(case.status, 400 | 403 | 429)
                && case.says(&[
                    "credit balance is too low",
                    "insufficient balance",
                    "enable billing",
                    "billing account",
                    "billing hard limit",
                ])
    }),
    // Closed or suspended by the provider.
    Row::new(Reason::AccountDisabled, Fault::Account, Scope::Account, Next::Other, Lock::Billing, |case| {
        case.code_is(&["account_deactivated", "organization_deactivated", "CONSUMER_SUSPENDED"])
            || matches!(case.status, 400 | 401 | 403 | 429)
                && case.says(&[
                    "organization has been disabled",
                    "has been suspended",
                    "is suspended",
                    "has been deactivated",
                ])
    }),
    // Its owner must confirm something, or switch the API on.
    Row::new(Reason::OperatorNeeded, Fault::Account, Scope::Account, Next::Other, Lock::Billing, |case| {
        case.code_is(&["VALIDATION_REQUIRED", "SERVICE_DISABLED"])
            || case.status == 403
                && case.says(&["verify your account", "has not been used in project", "accept the terms"])
    }),
    // Any other refused credential.
    Row::new(Reason::Unauthorized, Fault::Account, Scope::Account, Next::Other, Lock::Credential, |case| {
        case.status == 401 || case.kind == ErrorKind::Authentication
    }),
    // A limit of spending that the account's owner set (Anthropic: 400), until it is renewed.
    Row::new(Reason::SpendLimit, Fault::Account, Scope::Account, Next::Other, Lock::Quota, |case| {
        matches!(case.status, 400 | 403 | 429)
            && case.says(&["api usage limits", "spending limit", "spend limit", "monthly usage limit"])
    }),
    // --- Limits.
    // This one request is more than the account may ever send: it must lock nobody. A larger plan may take it.
    Row::new(Reason::OverOwnLimit, Fault::Client, Scope::Request, Next::Other, Lock::None, |case| {
        (case.limited() || case.status == 413)
            && case.says(&["request too large for", "tokens must be reduced", "required for long context requests"])
    }),
    // The plan has none of this model.
    Row::new(Reason::NotEntitled, Fault::Account, Scope::AccountModel, Next::Other, Lock::Model, |case| {
        case.limited() && case.limit_is_zero()
    }),
    // The model has no room for anybody, also when it is said with 429: another model, not another account.
    Row::new(Reason::Capacity, Fault::Provider, Scope::Model, Next::SameShortly, Lock::None, |case| {
        case.code_is(&["MODEL_CAPACITY_EXHAUSTED"])
            || case.status >= 429
                && case.says(&[
                    "no capacity available",
                    "tier capacity exceeded",
                    "model is overloaded",
                    "model is currently overloaded",
                ])
    }),
    // The provider has too much to do, also inside a 200. More accounts would make it worse.
    Row::new(Reason::Overloaded, Fault::Provider, Scope::Provider, Next::SameShortly, Lock::None, |case| {
        case.status == 529
            || case.kind == ErrorKind::Overloaded
            || case.code_is(&["overloaded_error", "server_is_overloaded", "engine_overloaded", "slow_down"])
            || case.says(&["engine is currently overloaded", "service may be temporarily overloaded"])
    }),
    // The day's quota of this model, or of this model family until its renewal.
    Row::new(Reason::QuotaExhausted, Fault::Account, Scope::AccountModel, Next::Other, Lock::Quota, |case| {
        let daily = case.daily || case.says(&["requests per day", "tokens per day", "models-per-day"]);
        case.limited() && (daily || case.code_is(&["QUOTA_EXHAUSTED", "INSUFFICIENT_G1_CREDITS_BALANCE"]))
    }),
    // OpenAI and its like: nothing is left on the account, whatever the model. Gemini words its minute limits like this
    // ("exceeded your current quota"), so there the class alone proves nothing.
    Row::new(Reason::QuotaExhausted, Fault::Account, Scope::Account, Next::Other, Lock::Quota, |case| {
        case.code_is(&["insufficient_quota"])
            || case.dialect != Dialect::Gemini
                && (case.kind == ErrorKind::QuotaExhausted
                    || case.limited() && case.says(&["exceeded your current quota"]))
    }),
    // Requests or tokens a minute, for this model. A lock of one model must not stop the others.
    Row::new(Reason::RateLimit, Fault::Account, Scope::AccountModel, Next::SameIfSoon, Lock::Rate, any_limit),
    // --- What the account may use.
    // No such model here; another account's plan may have it.
    Row::new(Reason::ModelMissing, Fault::Account, Scope::AccountModel, Next::Other, Lock::Model, |case| {
        case.code_is(&["model_not_found", "DeploymentNotFound"])
            || case.kind == ErrorKind::NotFound && case.says(&["model"])
            // Code Assist, of a model that the account's tier lacks. It has one path for all of them.
            || case.dialect == Dialect::Gemini
                && case.kind == ErrorKind::NotFound
                && case.says(&["requested entity was not found"])
            || case.status == 403 && case.says(&["access to model", "access to the model"])
    }),
    // A firewall's page or an egress that is not liked has no error in it: it says nothing of the account.
    Row::new(Reason::Forbidden, Fault::Gateway, Scope::Address, Next::Other, Lock::None, |case| {
        case.status == 403 && case.message.is_empty()
    }),
    // The account may not do this.
    Row::new(Reason::Forbidden, Fault::Account, Scope::Account, Next::Other, Lock::Credential, |case| {
        case.status == 403 || case.kind == ErrorKind::Permission
    }),
    // The path is wrong or gone, or leads elsewhere: a wrong base URL, or an upstream without this endpoint.
    Row::new(Reason::EndpointMissing, Fault::Gateway, Scope::Provider, Next::Other, Lock::None, |case| {
        matches!(case.status, 300..=399 | 404 | 405 | 410)
            || matches!(case.kind, ErrorKind::NotFound | ErrorKind::MethodNotAllowed)
    }),
    // --- The provider.
    // 409 conflict, 425 too early: the same request in a moment.
    Row::new(Reason::Conflict, Fault::Provider, Scope::Request, Next::SameShortly, Lock::None, |case| {
        matches!(case.status, 409 | 425)
    }),
    // Google's 499 without our having left.
    Row::new(Reason::Cancelled, Fault::Provider, Scope::Request, Next::Other, Lock::None, |case| {
        case.status == 499 || case.kind == ErrorKind::Cancelled
    }),
    // 503: down or restarting, for every account.
    Row::new(Reason::Unavailable, Fault::Provider, Scope::Provider, Next::SameShortly, Lock::None, |case| {
        case.status == 503 || case.kind == ErrorKind::Unavailable
    }),
    // 408, 504, and the edge network's 522 and 524.
    Row::new(Reason::ProviderTimeout, Fault::Provider, Scope::Request, Next::Other, Lock::None, |case| {
        matches!(case.status, 408 | 504 | 522 | 524) || case.kind == ErrorKind::Timeout
    }),
    // 500, 502 and the rest.
    Row::new(Reason::ProviderError, Fault::Provider, Scope::Request, Next::Other, Lock::None, |case| {
        case.status >= 500
    }),
    // Every other 4xx: the request is wrong wherever it goes.
    Row::new(Reason::BadRequest, Fault::Client, Scope::Request, Next::Stop, Lock::None, |case| {
        matches!(case.status, 400..=499)
    }),
];

/// A refused seal, as each vendor words it.
fn is_seal(case: &Case<'_>) -> bool {
    let says_all = |words: &[&str]| words.iter().all(|word| case.message.contains(word));
    // Reasoning items are asked for by id where the provider does not store them, also with 404.
    let unknown_item = matches!(case.status, 400 | 404) && says_all(&["item with id 'rs_", "not found"]);
    let refused = case.code_is(&["invalid_encrypted_content"])
        || case.says(&["thought signature", "thought_signature", "thoughtsignature", "redacted_thinking"])
        || says_all(&["signature", "thinking"])
        || says_all(&["encrypted content", "could not be"])
        || says_all(&["reasoning", "was provided without its required"]);
    unknown_item || case.status == 400 && refused
}

/// A prompt or an answer that the provider's policy blocked, as each vendor words it. An account that was closed for its
/// prompts is another matter: hence no words of policy alone.
fn is_policy(case: &Case<'_>) -> bool {
    case.code_is(&[
        "content_filter",
        "content_policy_violation",
        "image_content_policy_violation",
        "moderation_blocked",
        "ResponsibleAIPolicyViolation",
        "PROHIBITED_CONTENT",
    ]) || matches!(case.status, 400 | 403)
        && case.says(&[
            "content filtering policy",
            "content management policy",
            "flagged as potentially violating",
            "input was flagged",
            "prompt was flagged",
            "rejected as a result of our safety system",
            "rejected by the safety system",
        ])
}

/// What no more exact row has taken.
fn any_limit(case: &Case<'_>) -> bool {
    case.limited()
}
