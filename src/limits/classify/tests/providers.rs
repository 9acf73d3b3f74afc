//! Failures of providers and of the gateways before them.

use super::*;

pub(super) fn examples() -> Vec<Example> {
    let gateway = |reason, scope| (reason, Fault::Gateway, scope, OtherAccount, None);
    let provider = |reason| (reason, Fault::Provider, Scope::Request, OtherAccount, None);
    let overloaded = |retry| (Reason::Overloaded, Fault::Provider, Scope::Provider, retry, None);
    let conflict = (Reason::Conflict, Fault::Provider, Scope::Request, SameAccountAfter(1_000), None);
    let bare = |status, expected| Example {
        dialect: OpenAiChat,
        status: Some(status),
        error: None,
        hint: None,
        transport: None,
        expected,
    };
    vec![
        refused(
            Gemini,
            400,
            K::InvalidRequest,
            "FAILED_PRECONDITION",
            "User location is not supported for the API use.",
            gateway(Reason::Region, Scope::Address),
        ),
        refused(
            OpenAiChat,
            403,
            K::Permission,
            "unsupported_country_region_territory",
            "Country, region, or territory not supported",
            gateway(Reason::Region, Scope::Address),
        ),
        bare(403, gateway(Reason::Forbidden, Scope::Address)),
        refused(
            OpenAiChat,
            404,
            K::NotFound,
            "",
            "Invalid URL (POST /v1/v1/chat/completions)",
            gateway(Reason::EndpointMissing, Scope::Provider),
        ),
        bare(404, gateway(Reason::EndpointMissing, Scope::Provider)),
        bare(405, gateway(Reason::EndpointMissing, Scope::Provider)),
        bare(302, gateway(Reason::EndpointMissing, Scope::Provider)),
        refused(Anthropic, 529, K::Overloaded, "overloaded_error", "Overloaded", overloaded(SameAccountAfter(1_000))),
        refused(Anthropic, 200, K::Overloaded, "overloaded_error", "Overloaded", overloaded(SameAccountAfter(1_000))),
        refused(Anthropic, 529, K::Overloaded, "overloaded_error", "Overloaded", overloaded(OtherAccount))
            .hinted(wait(60_000)),
        refused(
            OpenAiResponses,
            200,
            K::Unavailable,
            "server_is_overloaded",
            "Our servers are currently overloaded.",
            overloaded(SameAccountAfter(1_000)),
        ),
        bare(503, (Reason::Unavailable, Fault::Provider, Scope::Provider, SameAccountAfter(1_000), None)),
        bare(408, provider(Reason::ProviderTimeout)),
        bare(409, conflict),
        bare(425, conflict),
        bare(499, provider(Reason::Cancelled)),
        bare(504, provider(Reason::ProviderTimeout)),
        bare(524, provider(Reason::ProviderTimeout)),
        bare(500, provider(Reason::ProviderError)),
        bare(502, provider(Reason::ProviderError)),
        refused(
            OpenAiChat,
            500,
            K::Internal,
            "server_error",
            "The server had an error while processing your request.",
            provider(Reason::ProviderError),
        ),
        refused(
            OpenAiResponses,
            200,
            K::Internal,
            "server_error",
            "An error occurred",
            provider(Reason::ProviderError),
        ),
        refused(
            Gemini,
            500,
            K::Internal,
            "INTERNAL",
            "An internal error has occurred.",
            provider(Reason::ProviderError),
        ),
        bare(200, provider(Reason::Unexpected)),
    ]
}
