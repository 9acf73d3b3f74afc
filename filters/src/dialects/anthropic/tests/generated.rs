//! Generated requests, answers and hostile conversations.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::ir::{BlockKind, Media, MediaSource, ReasoningBlock, Signature, ToolResult, ToolUse, ToolUseKind};
use crate::json::Raw;

fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z é\u{1F600}\u{2028}\"\\\\\n]{0,12}"
}

fn block(assistant: bool) -> impl Strategy<Value = Value> {
    let id = "[a-zA-Z0-9_-]{1,8}";
    let user = prop_oneof![
        text().prop_map(|text| json!({"type":"text","text":text})),
        text().prop_map(|text| json!({"type":"text","text":text,"cache_control":{"type":"ephemeral"},"new":[1.0]})),
        (id, text()).prop_map(|(id, text)| json!({"type":"tool_result","tool_use_id":id,"content":text})),
        (id, text()).prop_map(
            |(id, text)| json!({"type":"tool_result","tool_use_id":id,"is_error":true,"content":[{"type":"text","text":text}]})
        ),
        id.prop_map(|data| json!({"type":"image","source":{"type":"base64","media_type":"image/png","data":data}})),
        id.prop_map(|url| json!({"type":"document","source":{"type":"url","url":url},"title":null})),
        id.prop_map(|id| json!({"type":"search_result","source":id,"content":[]})),
    ];
    let model = prop_oneof![
        text().prop_map(|text| json!({"type":"text","text":text})),
        (id, id, text())
            .prop_map(|(id, name, value)| json!({"type":"tool_use","id":id,"name":name,"input":{"a":value,"n":12.50}})),
        (text(), id).prop_map(|(text, seal)| json!({"type":"thinking","thinking":text,"signature":seal})),
        id.prop_map(|data| json!({"type":"redacted_thinking","data":data})),
        id.prop_map(|id| json!({"type":"server_tool_use","id":id,"name":"web_search","input":{}})),
    ];
    if assistant { model.boxed() } else { user.boxed() }
}

fn message() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(|text| json!({"role":"user","content":text})),
        text().prop_map(|text| json!({"role":"system","content":text})),
        text().prop_map(|text| json!({"role":"assistant","content":text,"x":null})),
        proptest::collection::vec(block(false), 0..4).prop_map(|list| json!({"role":"user","content":list})),
        proptest::collection::vec(block(true), 0..4).prop_map(|list| json!({"role":"assistant","content":list})),
    ]
}

fn member() -> impl Strategy<Value = (&'static str, Value)> {
    prop_oneof![
        text().prop_map(|text| ("system", json!(text))),
        text().prop_map(|text| ("system", json!([{"type":"text","text":text}]))),
        any::<bool>().prop_map(|on| ("stream", json!(on))),
        any::<u32>().prop_map(|n| ("max_tokens", json!(n))),
        (0.0..2.0f64).prop_map(|n| ("temperature", json!(n))),
        Just(("top_k", json!(40))),
        proptest::collection::vec(text(), 0..3).prop_map(|list| ("stop_sequences", json!(list))),
        Just(("metadata", json!({"user_id":"u","team":"t"}))),
        Just(("metadata", json!({}))),
        Just(("thinking", json!({"type":"enabled","budget_tokens":2048}))),
        Just(("thinking", json!({"type":"adaptive","display":"omitted"}))),
        Just(("thinking", json!({"type":"later"}))),
        Just(("output_config", json!({"effort":"max"}))),
        Just(("output_config", json!({"effort":"xhigh","format":{"type":"json_schema","schema":{}}}))),
        Just(("output_config", json!({"format":{"type":"other"}}))),
        Just(("output_config", json!({}))),
        Just(("output_format", json!({"type":"json_schema","schema":{"type":"object"}}))),
        Just(("tool_choice", json!({"type":"any","disable_parallel_tool_use":false}))),
        Just(("tool_choice", json!({"type":"auto","new":1}))),
        Just(("tool_choice", json!({"type":"future"}))),
        Just(("tools", json!([{"type":"bash_20250124","name":"bash"},{"name":"f","input_schema":{"type":"object"}}]))),
        Just(("tools", json!([]))),
        Just(("container", json!({"id":"c"}))),
        Just(("service_tier", Value::Null)),
    ]
}

fn hostile_block() -> impl Strategy<Value = Block<'static>> {
    let id = prop_oneof![Just(String::new()), "[ab:]{1,2}", "[é ]{1,80}"];
    let seal = |issuer| Some(Signature { issuer, value: Str::from("s") });
    prop_oneof![
        text().prop_map(Block::text),
        (id.clone(), text(), any::<bool>()).prop_map(|(id, input, custom)| {
            let kind = if custom { ToolUseKind::Custom } else { ToolUseKind::Function };
            let name = Str::from(id.clone());
            Block::new(BlockKind::ToolUse(ToolUse { id: id.into(), name, input: input.into(), kind }))
        }),
        (id, text(), any::<Option<bool>>()).prop_map(|(id, text, is_error)| {
            let content = vec![Block::text(text)];
            let kind = ToolUseKind::Function;
            Block::new(BlockKind::ToolResult(ToolResult { id: id.into(), name: None, content, is_error, kind }))
        }),
        prop::sample::select(Dialect::ALL.to_vec()).prop_map(move |issuer| {
            let thought = ReasoningBlock { text: vec![], redacted: issuer == Dialect::Gemini, id: None };
            let mut block = Block::new(BlockKind::Reasoning(thought));
            block.signature = seal(issuer);
            block
        }),
        prop::sample::select(Dialect::ALL.to_vec()).prop_map(|dialect| {
            Block::new(BlockKind::Opaque { dialect, raw: Raw::parse("{\"type\":\"x\"}").unwrap() })
        }),
        Just(Block::new(BlockKind::Refusal { text: "no".into() })),
        Just(Block::new(BlockKind::Image(Media {
            mime: None,
            source: MediaSource::Base64("/9j/4AAQ".into()),
            name: None
        }))),
    ]
}

fn hostile_turn() -> impl Strategy<Value = Turn<'static>> {
    let roles = vec![Role::System, Role::Developer, Role::User, Role::Assistant, Role::Tool];
    (prop::sample::select(roles), proptest::collection::vec(hostile_block(), 0..4))
        .prop_map(|(role, blocks)| Turn::new(role, blocks))
}

/// The rules that the provider enforces on messages.
pub(super) fn check_rules(body: &Value) {
    let messages = body["messages"].as_array().unwrap();
    assert_eq!(messages[0]["role"], "user");
    let mut used = std::collections::HashSet::new();
    let mut owed: Vec<&Value> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        assert_eq!(message["role"], if at % 2 == 0 { "user" } else { "assistant" });
        let Some(blocks) = message["content"].as_array() else {
            assert!(owed.is_empty() && !message["content"].as_str().unwrap().is_empty());
            continue;
        };
        assert!(!blocks.is_empty());
        let first: Vec<&Value> = blocks.iter().take(owed.len()).map(|block| &block["tool_use_id"]).collect();
        assert_eq!(first, owed);
        assert!(blocks.iter().skip(owed.len()).all(|block| block["type"] != "tool_result"));
        owed.clear();
        for block in blocks {
            if block["type"] == "tool_use" {
                assert!(block["input"].is_object() && used.insert(block["id"].as_str().unwrap()));
                owed.push(&block["id"]);
            }
            assert!(block["type"] != "text" || !block["text"].as_str().unwrap().trim().is_empty());
        }
    }
    assert!(owed.is_empty());
}

proptest! {
    #[test]
    fn generated_requests_come_back_as_they_were(
        messages in proptest::collection::vec(message(), 0..6),
        members in proptest::collection::vec(member(), 0..8),
    ) {
        let mut body = json!({"model":"claude-x","messages":messages});
        body.as_object_mut().unwrap().extend(members.into_iter().map(|(key, value)| (key.to_owned(), value)));
        let body = body.to_string();
        prop_assert_eq!(round_trip(body.as_bytes()), exact(body.as_bytes()));
    }

    #[test]
    fn generated_answers_come_back_as_they_were(
        content in proptest::collection::vec(block(true), 0..6),
        stop in prop::sample::select(vec!["end_turn", "max_tokens", "tool_use", "refusal", "pause_turn", "novel"]),
        tokens in any::<u64>(),
    ) {
        let body = json!({"id":"msg_1","type":"message","role":"assistant","model":"m","content":content,
            "stop_reason":stop,"stop_sequence":null,"stop_details":{"explanation":"e"},
            "usage":{"input_tokens":tokens,"output_tokens":tokens,"cache_read_input_tokens":tokens}}).to_string();
        let mut out = Vec::new();
        let response = decode_response(body.as_bytes()).unwrap();
        let _ = response.usage.as_ref().unwrap().input_total();
        encode_response(&response, &ReplyContext::default(), &mut out);
        prop_assert_eq!(exact(&out), exact(body.as_bytes()));
    }

    #[test]
    fn hostile_conversations_obey_the_rules(turns in proptest::collection::vec(hostile_turn(), 0..9)) {
        for origin in Dialect::ALL {
            let mut request = chat(turns.clone());
            request.origin = origin;
            let mut out = Vec::new();
            if encode_request(&request, &Target::default(), &mut out).is_ok() {
                let body: Value = serde_json::from_slice(&out).unwrap();
                if origin != Dialect::Anthropic {
                    check_rules(&body);
                }
            } else {
                prop_assert!(out.is_empty());
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = decode_request(&body, &Endpoint::default());
        let _ = decode_response(&body);
    }

    #[test]
    fn damaged_requests_are_read_or_refused(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut body = include_bytes!("../fixtures/request_agent.json").to_vec();
        let at = at.index(body.len());
        body[at] = byte;
        if let Ok(request) = decode_request(&body, &Endpoint::default()) {
            let mut out = Vec::new();
            encode_request(&request, &Target::default(), &mut out).unwrap();
            let _: Value = serde_json::from_slice(&out).unwrap();
        }
    }
}
