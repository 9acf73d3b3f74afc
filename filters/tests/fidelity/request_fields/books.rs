//! What is between the client and the provider's books, caches and stores.

use super::{Field, extra, field};

pub(super) const FIELDS: &[Field] = &[
    field(
        "end user",
        [Some(r#"{"user":"ada"}"#), Some(r#"{"user":"ada"}"#), Some(r#"{"metadata":{"user_id":"ada"}}"#), None],
        |request| request.user.as_deref().map(str::to_owned),
    ),
    field(
        "labels",
        [
            Some(r#"{"metadata":{"team":"blue"},"store":true}"#),
            Some(r#"{"metadata":{"team":"blue"}}"#),
            None,
            Some(r#"{"labels":{"team":"blue"}}"#),
        ],
        |request| request.metadata.as_ref().map(|raw| raw.to_value().to_string()),
    ),
    field(
        "service tier",
        [
            Some(r#"{"service_tier":"default"}"#),
            Some(r#"{"service_tier":"default"}"#),
            Some(r#"{"service_tier":"standard_only"}"#),
            None,
        ],
        |request| request.service_tier.as_deref().map(str::to_owned),
    ),
    field(
        "key of the cache",
        [Some(r#"{"prompt_cache_key":"k"}"#), Some(r#"{"prompt_cache_key":"k"}"#), None, None],
        |request| request.prompt_cache_key.as_deref().map(str::to_owned),
    ),
    field("cached contents", [None, None, None, Some(r#"{"cachedContent":"cachedContents/1"}"#)], |request| {
        extra(request, "cachedContent")
    }),
    field(
        "verbosity",
        [Some(r#"{"verbosity":"low"}"#), Some(r#"{"text":{"verbosity":"low"}}"#), None, None],
        |request| request.verbosity.as_deref().map(str::to_owned),
    ),
    field("keep the answer", [Some(r#"{"store":true}"#), Some(r#"{"store":true}"#), None, None], |request| {
        request.store.map(|store| store.to_string())
    }),
    field("earlier answer by id", [None, Some(r#"{"previous_response_id":"resp_1"}"#), None, None], |request| {
        extra(request, "previous_response_id")
    }),
    field(
        "answer in sound",
        [Some(r#"{"modalities":["text","audio"],"audio":{"voice":"alloy","format":"wav"}}"#), None, None, None],
        |request| extra(request, "modalities"),
    ),
    field("prediction", [Some(r#"{"prediction":{"type":"content","content":"abc"}}"#), None, None, None], |request| {
        extra(request, "prediction")
    }),
    field(
        "safety settings",
        [
            None,
            None,
            None,
            Some(r#"{"safetySettings":[{"category":"HARM_CATEGORY_HARASSMENT","threshold":"BLOCK_NONE"}]}"#),
        ],
        |request| extra(request, "safetySettings"),
    ),
    field(
        "context management",
        [None, None, Some(r#"{"context_management":{"edits":[{"type":"clear_tool_uses_20250919"}]}}"#), None],
        |request| extra(request, "context_management"),
    ),
    field(
        "MCP servers of the provider",
        [None, None, Some(r#"{"mcp_servers":[{"type":"url","url":"https://example.com/mcp","name":"m"}]}"#), None],
        |request| extra(request, "mcp_servers"),
    ),
    field(
        "safety identifier",
        [Some(r#"{"safety_identifier":"ada"}"#), Some(r#"{"safety_identifier":"ada"}"#), None, None],
        |request| request.user.as_deref().map(str::to_owned),
    ),
    field(
        "usage at the end of a stream",
        [Some(r#"{"stream":true,"stream_options":{"include_usage":true}}"#), None, None, None],
        |request| extra(request, "stream_options"),
    ),
];
