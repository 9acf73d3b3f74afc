//! Whole answers.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::Dialect;
use crate::ir::{Block, BlockKind, Choice, ReasoningBlock, Response, StopReason, ToolUse, ToolUseKind, Usage};
use crate::json::{Extra, Raw};

const FULL: &str = include_str!("../fixtures/response_full.json");

pub(super) fn again(body: &str) -> String {
    let response = decode_response(body.as_bytes()).unwrap();
    let model = response.model.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut out = Vec::new();
    encode_response(&response, &ReplyContext { model, ..context() }, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn every_member_comes_back_with_its_text() {
    assert_eq!(canonical(&again(FULL)), canonical(FULL));
}

#[test]
fn the_answer_is_read() {
    let response = decode_response(FULL.as_bytes()).unwrap();
    let stops: Vec<StopReason> = response.choices.iter().map(|choice| choice.stop).collect();
    let [first, called, refused, cut, last] = stops[..] else { panic!("{stops:?}") };
    assert_eq!((first, cut, last), (StopReason::EndTurn, StopReason::MaxTokens, StopReason::EndTurn));
    assert_eq!(called, StopReason::ToolUse, "wire 30: a call decides, whatever the word");
    assert_eq!(refused, StopReason::Refusal);
    let BlockKind::Reasoning(thought) = &response.choices[3].blocks[0].kind else { panic!() };
    assert_eq!(thought.text[0], "Hm.");
    let usage = response.usage.unwrap();
    assert_eq!((usage.uncached, usage.cache_read, usage.output, usage.reasoning), (36, 64, 30, 20));
}

#[test]
fn wire_016_an_error_inside_200_is_no_answer() {
    let error = decode_response(br#"{"error":{"message":"overloaded","code":"server_is_overloaded"}}"#).unwrap_err();
    assert_eq!(error.message, "overloaded");
    assert!(decode_response(b"{}").is_err());
    assert!(decode_response(b"<html>").is_err());
}

#[test]
fn calls_without_ids_get_stable_ones() {
    let body = r#"{"id":"x","choices":[{"message":{"tool_calls":[{"function":{"name":"f","arguments":{"a":1}}},{"id":"","function":{"name":"f"}}]}}]}"#;
    let ids = |body: &str| -> Vec<(String, String)> {
        let response = decode_response(body.as_bytes()).unwrap();
        let call = |block: &Block<'_>| match &block.kind {
            BlockKind::ToolUse(call) => (call.id.to_string(), call.input.to_string()),
            other => panic!("{other:?}"),
        };
        response.choices[0].blocks.iter().map(call).collect()
    };
    let found = ids(body);
    assert_ne!(found[0].0, found[1].0);
    assert_eq!(found[0].1, r#"{"a":1}"#);
    assert_eq!(found, ids(body));
    assert_ne!(found, ids(&body.replace("\"x\"", "\"y\"")));
}

fn foreign(blocks: Vec<Block<'static>>, stop: StopReason) -> Response<'static> {
    let choice = Choice {
        index: 0,
        blocks,
        stop,
        stop_raw: Some("end_turn".into()),
        stop_sequence: None,
        extra: Extra::default(),
        form: 0xff,
    };
    Response {
        origin: Dialect::Anthropic,
        id: Some("msg_1".into()),
        model: Some("claude".into()),
        created: None,
        choices: vec![choice],
        usage: Some(Usage {
            uncached: 5,
            cache_read: 3,
            cache_write_5m: 2,
            output: 7,
            raw: Raw::parse("{}"),
            ..Usage::default()
        }),
        extra: Extra::default(),
    }
}

#[test]
fn another_dialects_answer_has_all_that_clients_require() {
    let thought = ReasoningBlock { text: vec!["a".into(), "b".into()], redacted: false, id: None };
    let call = ToolUse { id: "toolu_1".into(), name: "f".into(), input: "".into(), kind: ToolUseKind::Function };
    let blocks = vec![
        Block::new(BlockKind::Reasoning(thought)),
        Block::text("One "),
        Block::text("two."),
        Block::new(BlockKind::ToolUse(call)),
    ];
    let mut out = Vec::new();
    encode_response(&foreign(blocks, StopReason::EndTurn), &context(), &mut out);
    let out: Value = serde_json::from_slice(&out).unwrap();
    assert!(out["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert_eq!(out["object"], "chat.completion");
    assert_eq!(out["created"], 1_700_000_000);
    assert_eq!(
        out["choices"],
        json!([{"index":0,"message":{"role":"assistant","content":"One two.","reasoning_content":"a\n\nb","refusal":null,
            "tool_calls":[{"id":"toolu_1","type":"function","function":{"name":"f","arguments":"{}"}}]},
            "finish_reason":"tool_calls"}])
    );
    assert_eq!(out["usage"]["prompt_tokens"], 10);
    assert_eq!(out["usage"]["prompt_tokens_details"], json!({"cached_tokens":3,"cache_write_tokens":2}));
}

#[test]
fn wire_038_reasoning_is_shown_only_when_asked_for() {
    let thought = ReasoningBlock { text: vec!["secret".into()], redacted: false, id: None };
    let response = foreign(vec![Block::new(BlockKind::Reasoning(thought)), Block::text("x")], StopReason::EndTurn);
    let mut out = Vec::new();
    encode_response(&response, &ReplyContext { reasoning_content: false, ..context() }, &mut out);
    assert!(!String::from_utf8(out).unwrap().contains("secret"));
}

#[test]
fn wire_088_a_refused_prompt_is_no_empty_success() {
    let mut response = foreign(Vec::new(), StopReason::Refusal);
    response.choices.clear();
    let mut out = Vec::new();
    encode_response(&response, &context(), &mut out);
    let out: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(out["choices"][0]["finish_reason"], "content_filter");
}

fn message() -> impl Strategy<Value = Value> {
    let text = prop_oneof![Just(Value::Null), Just(json!("")), "[a-z\n\"]{1,5}".prop_map(Value::from)];
    let calls = proptest::option::of(proptest::collection::vec(
        ("[a-z]{1,4}", "[ -~]{0,6}", any::<bool>()).prop_map(|(name, input, typed)| {
            let mut call = json!({"id":name,"function":{"name":name,"arguments":input}});
            if typed {
                call["type"] = "function".into();
            }
            call
        }),
        0..3,
    ));
    (text.clone(), text.clone(), text, calls, any::<bool>()).prop_map(|(content, thought, refusal, calls, notes)| {
        let mut message = json!({"role":"assistant","content":content,"reasoning":thought,"refusal":refusal});
        if let Some(calls) = calls {
            message["tool_calls"] = calls.into();
        }
        if notes {
            message["annotations"] = json!([]);
            message["x"] = json!({"y":1});
        }
        message
    })
}

proptest! {
    #[test]
    fn any_answer_comes_back(
        messages in proptest::collection::vec(message(), 0..3),
        reason in prop_oneof![Just(json!("stop")), Just(json!("odd")), Just(Value::Null), Just(json!(""))],
        usage in prop_oneof![Just(Value::Null), Just(json!({"prompt_tokens":1,"x":2})), Just(json!("odd"))],
    ) {
        let choices: Vec<Value> = messages.into_iter().enumerate()
            .map(|(index, message)| json!({"index":index,"message":message,"finish_reason":reason,"logprobs":null}))
            .collect();
        let body = json!({"id":"a","object":"chat.completion","created":1,"model":"m","choices":choices,"usage":usage,"z":[1]});
        let body = body.to_string();
        prop_assert_eq!(canonical(&again(&body)), canonical(&body));
    }
}
