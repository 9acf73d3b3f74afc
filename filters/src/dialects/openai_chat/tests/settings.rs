//! What a request says beside its conversation, to this dialect and from others.

use serde_json::{Value, json};

use super::*;
use crate::Dialect;
use crate::ir::{
    Block, BlockKind, Effort, LogprobsConfig, ReasoningConfig, Role, ToolResult, ToolUse, ToolUseKind, Turn,
};
use crate::json::{Num, Raw};
use crate::profiles::ThinkingControl;

fn foreign() -> Request<'static> {
    Request {
        turns: vec![Turn::new(Role::User, vec![Block::text("go")])],
        ..Request::new(Dialect::OpenAiResponses, "x".into())
    }
}

fn sent(request: &Request<'_>, target: &Target) -> (Value, Vec<String>) {
    let mut out = Vec::new();
    let encoded = encode_request(request, target, &mut out).unwrap();
    let losses = encoded.losses.iter().map(|loss| format!("{} {}", loss.kind.name(), loss.field)).collect();
    (serde_json::from_slice(&out).unwrap(), losses)
}

#[test]
fn settings_have_fields_and_come_back() {
    let body = r#"{"model":"m","messages":[],"service_tier":"flex","metadata":{"a":"b"},"prompt_cache_key":"k",
        "verbosity":"low","store":true,"logprobs":true,"top_logprobs":3,"safety_identifier":"s","logit_bias":{"1":-100},
        "prediction":{"type":"content","content":"x"},"modalities":["text","audio"],"audio":{"voice":"a","format":"wav"}}"#;
    let request = decode_request(body.as_bytes(), &Endpoint::default()).unwrap();
    assert_eq!(
        [&request.service_tier, &request.prompt_cache_key, &request.verbosity, &request.user]
            .map(|text| text.as_deref()),
        [Some("flex"), Some("k"), Some("low"), Some("s")]
    );
    assert_eq!((request.store, request.metadata.as_ref().unwrap().get()), (Some(true), r#"{"a":"b"}"#));
    assert_eq!(request.logprobs.as_ref().unwrap().top.as_ref().unwrap().get(), "3");
    let left: Vec<&str> = request.extra.iter().map(|(key, _)| key).collect();
    assert_eq!(left, ["logit_bias", "prediction", "modalities", "audio"], "what others cannot say is named as a loss");
    assert_eq!(canonical(&again(body)), canonical(body));
    for odd in [
        r#"{"model":"m","messages":[],"logprobs":false,"top_logprobs":1,"store":false,"metadata":null}"#,
        r#"{"model":"m","messages":[],"user":"u","safety_identifier":"s","logprobs":null}"#,
    ] {
        assert_eq!(canonical(&again(odd)), canonical(odd));
    }
}

#[test]
fn another_dialects_settings_are_said() {
    let mut request = foreign();
    request.service_tier = Some("priority".into());
    request.prompt_cache_key = Some("k".into());
    request.verbosity = Some("high".into());
    request.store = Some(true);
    request.metadata = Raw::parse(r#"{"a":"b"}"#);
    request.logprobs = Some(LogprobsConfig { top: Some(Num::from(30)) });
    let (out, losses) = sent(&request, &Target::new("m", false));
    assert_eq!(
        (&out["service_tier"], &out["prompt_cache_key"], &out["verbosity"], &out["store"], &out["metadata"]),
        (&json!("priority"), &json!("k"), &json!("high"), &json!(true), &json!({"a":"b"}))
    );
    assert_eq!((&out["logprobs"], &out["top_logprobs"]), (&json!(true), &json!(20)));
    assert_eq!(losses, ["clamped top_logprobs"]);
    // Servers that only resemble OpenAI answer its own members with an error.
    let quirks = Quirks { max_tokens_name: true, ..Quirks::default() };
    let (out, losses) = sent(&request, &Target { quirks, ..Target::new("m", false) });
    assert!(
        ["service_tier", "prompt_cache_key", "verbosity", "store", "metadata"].iter().all(|key| out.get(key).is_none())
    );
    assert_eq!(losses.len(), 6, "{losses:?}");
}

#[test]
fn wire_122_labels_go_only_with_answers_that_are_stored() {
    let request = Request { metadata: Raw::parse("{}"), store: Some(false), ..foreign() };
    let (out, losses) = sent(&request, &Target::new("m", false));
    assert_eq!((out.get("metadata"), out.get("store")), (None, None));
    assert_eq!(losses, ["dropped metadata"]);
}

#[test]
fn wire_123_and_157_models_that_reason_get_only_what_they_take() {
    let mut request = foreign();
    request.sampling.temperature = Some(Num::from(0.5));
    request.sampling.presence_penalty = Some(Num::from(1));
    request.max_output_tokens = Some(Num::from(9_000_000));
    request.stop = vec!["END".into()];
    request.logprobs = Some(LogprobsConfig::default());
    request.reasoning = Some(ReasoningConfig { effort: Some(Effort::Max), ..ReasoningConfig::default() });
    let (out, losses) = sent(&request, &Target::new("gpt-5-mini", false));
    for key in ["temperature", "presence_penalty", "stop", "logprobs", "max_tokens"] {
        assert_eq!(out.get(key), None, "{key}");
    }
    assert_eq!((&out["max_completion_tokens"], &out["reasoning_effort"]), (&json!(128_000), &json!("high")));
    assert_eq!(
        losses,
        [
            "dropped temperature",
            "dropped presence_penalty",
            "clamped max_output_tokens",
            "dropped stop_sequences",
            "clamped reasoning.effort",
            "dropped logprobs"
        ]
    );
    // A switch that is off: the client's words go as they are, and the provider judges.
    let mut bold = Target::new("gpt-5-mini", false);
    bold.repairs.bounds = false;
    let (out, losses) = sent(&request, &bold);
    assert_eq!(
        (&out["temperature"], &out["stop"], &out["reasoning_effort"]),
        (&json!(0.5), &json!(["END"]), &json!("xhigh"))
    );
    assert!(losses.is_empty(), "{losses:?}");
}

#[test]
fn thinking_is_switched_off_as_far_as_the_model_lets_it() {
    let off = ReasoningConfig { enabled: Some(false), ..ReasoningConfig::default() };
    let word = |model: &str, config: &ReasoningConfig<'static>| {
        let mut request = foreign();
        request.sampling.temperature = Some(Num::from(0));
        request.reasoning = Some(config.clone());
        let (out, losses) = sent(&request, &Target::new(model, false));
        (
            out.get("reasoning_effort").and_then(Value::as_str).map(str::to_owned),
            out.get("temperature").is_some(),
            losses,
        )
    };
    let none = ReasoningConfig { effort: Some(Effort::None), enabled: Some(false), ..ReasoningConfig::default() };
    assert_eq!(word("gpt-5.1", &none), (Some("none".to_owned()), true, vec![]));
    assert_eq!(word("gpt-5.1", &off).0.as_deref(), Some("none"));
    assert_eq!(word("gpt-5", &none).0.as_deref(), Some("minimal"));
    assert_eq!(word("o3", &off).0.as_deref(), Some("low"));
    assert!(word("o3", &off).2.contains(&"clamped reasoning.effort".to_owned()));
    assert_eq!(word("gpt-4o", &off), (None, true, vec![]));
    assert_eq!(word("brand-new", &off).2, ["dropped reasoning.enabled"]);
}

#[test]
fn bounds_of_the_profile_hold() {
    let mut request = foreign();
    request.sampling.temperature = Some(Num::from(3));
    request.candidates = Some(Num::from(9));
    let mut target = Target::new("m", false);
    target.profile.temperature_max = Some(2.0);
    target.profile.candidates_max = Some(4);
    target.profile.thinking = Some(ThinkingControl::None);
    let (out, losses) = sent(&request, &target);
    assert_eq!((&out["temperature"], &out["n"]), (&json!(2.0), &json!(4)));
    assert_eq!(losses, ["clamped temperature", "clamped n"]);
}

#[test]
fn repairs_that_are_switched_off_are_not_made() {
    let call = ToolUse { id: "a.b".into(), name: "f.g".into(), input: "{}".into(), kind: ToolUseKind::Function };
    let result = |id: &'static str| {
        let content = vec![Block::text("r")];
        let result = ToolResult { id: id.into(), name: None, content, is_error: None, kind: ToolUseKind::Function };
        Block::new(BlockKind::ToolResult(result))
    };
    let mut request = foreign();
    request.turns = vec![
        Turn::new(Role::Assistant, vec![Block::new(BlockKind::ToolUse(call))]),
        Turn::new(Role::User, vec![Block::text(""), result("other")]),
    ];
    let mut target = Target::new("m", false);
    target.repairs.names = false;
    target.repairs.orphans = false;
    target.repairs.empty_parts = false;
    let (out, losses) = sent(&request, &target);
    assert_eq!(out["messages"][0]["tool_calls"][0]["id"], "a.b");
    assert_eq!(out["messages"][0]["tool_calls"][0]["function"]["name"], "f.g");
    assert_eq!(out["messages"][1], json!({"role":"tool","tool_call_id":"other","content":"r"}));
    assert_eq!(out["messages"][2]["content"], "");
    assert!(losses.is_empty(), "{losses:?}");
    let (out, _) = sent(&request, &Target::new("m", false));
    assert_ne!(out["messages"][0]["tool_calls"][0]["id"], "a.b");
    assert_eq!(out["messages"][1]["role"], "tool");
    assert_eq!(out["messages"][2]["role"], "user");
}

#[test]
fn wishes_for_reasoning_in_an_object_are_read() {
    for (wish, effort, budget, enabled) in [
        (r#""reasoning":{"effort":"high","exclude":true}"#, Some(Effort::High), None, Some(true)),
        (r#""reasoning":{"max_tokens":2000}"#, None, Some(2000), Some(true)),
        (r#""thinking":{"type":"enabled","budget_tokens":9,"x":1.0}"#, None, Some(9), Some(true)),
        (r#""thinking":{"type":"disabled"}"#, None, None, Some(false)),
    ] {
        let body = format!(r#"{{"model":"m","messages":[],{wish}}}"#);
        let request = decode_request(body.as_bytes(), &Endpoint::default()).unwrap();
        let config = request.reasoning.as_ref().unwrap();
        assert_eq!(
            (config.effort, config.budget.as_ref().and_then(Num::as_u64), config.enabled),
            (effort, budget, enabled)
        );
        assert_eq!(canonical(&again(&body)), canonical(&body));
        let mut losses = crate::ir::Losses::default();
        losses.drop_extra("", &request.extra);
        assert!(losses.is_empty(), "{losses:?}");
    }
    let odd = r#"{"model":"m","messages":[],"reasoning":{"x":1},"thinking":"hard","reasoning_effort":"low"}"#;
    assert_eq!(canonical(&again(odd)), canonical(odd));
}
