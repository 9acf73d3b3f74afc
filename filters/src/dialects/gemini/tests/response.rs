use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::Dialect;
use crate::ir::{Block, BlockKind, Choice, Response, Signature, StopReason, ToolUse, ToolUseKind, Usage};
use crate::json::{Extra, Raw};

const ANSWER: &str = include_str!("../fixtures/response.json");
const BLOCKED: &str = include_str!("../fixtures/response_blocked.json");

fn decoded(body: &Value) -> Response<'static> {
    // Tests may leak a little.
    decode_response(body.to_string().leak().as_bytes()).unwrap()
}

#[test]
fn fixtures_come_back() {
    for text in [ANSWER, BLOCKED] {
        assert_eq!(response_again(text), value(text.as_bytes()));
    }
}

#[test]
fn wire_086_stop_with_a_call_is_tool_use() {
    let response = decode_response(ANSWER.as_bytes()).unwrap();
    let choice = &response.choices[0];
    assert_eq!(choice.stop, StopReason::ToolUse);
    let BlockKind::Reasoning(thought) = &choice.blocks[0].kind else { panic!() };
    assert_eq!(thought.text[0], "I need the weather.");
    let BlockKind::ToolUse(call) = &choice.blocks[2].kind else { panic!() };
    assert_eq!((call.id.as_str(), call.input.as_str()), ("call_aBc-1_0", r#"{"city": "Köln", "n": 1.0}"#));
    assert_eq!(choice.blocks[2].signature, Some(Signature { issuer: Dialect::Gemini, value: "EqUC+/==".into() }));
}

#[test]
fn wire_087_usage_is_one_ledger() {
    let usage = decode_response(ANSWER.as_bytes()).unwrap().usage.unwrap();
    assert_eq!((usage.uncached, usage.cache_read, usage.output, usage.reasoning), (100 - 30 + 7, 30, 12, 40));
    assert_eq!(usage.input_total() + usage.output_total(), 159);
}

#[test]
fn wire_088_a_blocked_prompt_is_a_refusal_with_words() {
    let response = decode_response(BLOCKED.as_bytes()).unwrap();
    assert_eq!(response.choices[0].stop, StopReason::Refusal);
    let BlockKind::Refusal { text } = &response.choices[0].blocks[0].kind else { panic!() };
    assert!(text.contains("PROHIBITED_CONTENT"), "{text}");
}

#[test]
fn wire_090_candidates_without_content() {
    let body =
        json!({"candidates": [{"finishReason": "SAFETY", "index": 0}, {"finishReason": "MAX_TOKENS", "content": {}}]});
    let response = decoded(&body);
    assert!(matches!(response.choices[0].blocks[0].kind, BlockKind::Refusal { .. }));
    assert_eq!(response.choices[1].stop, StopReason::MaxTokens);
    assert_eq!(response_again(&body.to_string()), body);
}

#[test]
fn finish_reasons() {
    for (word, stop) in [
        ("STOP", StopReason::EndTurn),
        ("MAX_TOKENS", StopReason::MaxTokens),
        ("RECITATION", StopReason::Refusal),
        ("SPII", StopReason::Refusal),
        ("MALFORMED_FUNCTION_CALL", StopReason::Malformed),
        ("NEW", StopReason::Other),
    ] {
        let body = json!({"candidates": [{"finishReason": word, "content": {"parts": [{"text": "a"}]}}]});
        assert_eq!(decoded(&body).choices[0].stop, stop);
        assert_eq!(response_again(&body.to_string()), body);
    }
}

#[test]
fn wire_096_errors_with_status_200_are_no_answers() {
    for text in [r#"{"error":{"code":503,"message":"busy"}}"#, r#"[{"error":{"code":503,"message":"busy"}}]"#] {
        assert!(decode_response(text.as_bytes()).unwrap_err().message.contains("busy"));
    }
    assert!(decode_response(b"[]").is_err());
}

#[test]
fn wire_008_an_array_of_chunks_is_one_answer() {
    let text = r#"[{"candidates":[{"content":{"parts":[{"text":"Hel"}],"role":"model"}}],"responseId":"r","usageMetadata":{"promptTokenCount":1}},
        {"candidates":[{"content":{"parts":[{"text":"lo"},{"functionCall":{"name":"f"}}],"role":"model"}}]},
        {"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":2}}]"#;
    let response = decode_response(text.as_bytes()).unwrap();
    let blocks = &response.choices[0].blocks;
    assert!(matches!(&blocks[0].kind, BlockKind::Text { text, .. } if text == "Hello"));
    assert!(matches!(&blocks[1].kind, BlockKind::ToolUse(call) if call.id == "call_r_0"));
    assert_eq!((blocks.len(), response.choices[0].stop), (2, StopReason::ToolUse));
    assert_eq!(response.usage.unwrap().uncached, 2);
}

#[test]
fn answers_of_other_dialects() {
    let call = |id: &'static str, input: &'static str, kind| {
        Block::new(BlockKind::ToolUse(ToolUse { id: id.into(), name: "f".into(), input: input.into(), kind }))
    };
    let mut sealed = call("c1", r#"{"a":1}"#, ToolUseKind::Function);
    sealed.signature = Some(Signature { issuer: Dialect::Anthropic, value: "seal".into() });
    let blocks = vec![
        Block::text("hi"),
        sealed,
        call("c2", "[1]", ToolUseKind::Function),
        call("c3", "", ToolUseKind::Function),
        call("c4", "{\"a", ToolUseKind::Function),
        call("c5", "*** Begin", ToolUseKind::Custom),
        Block::new(BlockKind::Opaque { dialect: Dialect::Anthropic, raw: Raw::NULL }),
        Block::new(BlockKind::Refusal { text: "no".into() }),
    ];
    let choice = Choice {
        index: 0,
        blocks,
        stop: StopReason::ToolUse,
        stop_raw: Some("tool_use".into()),
        stop_sequence: None,
        extra: Extra(vec![("x".into(), Raw::TRUE)]),
        form: 0xff,
    };
    let usage = Usage {
        uncached: 5,
        cache_read: 2,
        cache_write_5m: 1,
        output: 3,
        raw: Raw::parse(r#"{"input_tokens":5}"#),
        ..Usage::default()
    };
    let response = Response {
        origin: Dialect::Anthropic,
        id: None,
        model: Some("claude".into()),
        created: None,
        choices: vec![choice],
        usage: Some(usage),
        extra: Extra(vec![("type".into(), Raw::NULL)]),
    };
    let mut out = Vec::new();
    let context = ReplyContext { model: "gemini-2.5-pro".to_owned(), ..ReplyContext::default() };
    encode_response(&response, &context, &mut out);
    let out = value(&out);
    let carried = Signature { issuer: Dialect::Anthropic, value: "seal".into() }.carried(Dialect::Gemini).into_owned();
    assert_eq!(
        out["candidates"],
        json!([{"index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": [
            {"text": "hi"},
            {"functionCall": {"id": "c1", "name": "f", "args": {"a": 1}}, "thoughtSignature": carried.as_str()},
            {"functionCall": {"id": "c2", "name": "f", "args": {"result": [1]}}},
            {"functionCall": {"id": "c3", "name": "f", "args": {}}},
            {"functionCall": {"id": "c4", "name": "f", "args": {"input": "{\"a"}}},
            {"functionCall": {"id": "c5", "name": "f", "args": {"input": "*** Begin"}}},
            {"text": "no"},
        ]}}])
    );
    assert_eq!(out["modelVersion"], "gemini-2.5-pro");
    assert_eq!(
        out["usageMetadata"],
        json!({
            "promptTokenCount": 8, "cachedContentTokenCount": 2, "candidatesTokenCount": 3, "totalTokenCount": 11,
        })
    );
    assert!(out["responseId"].is_string() && out.get("type").is_none());
}

prop_compose! {
    fn any_answer()(
        candidates in prop::collection::vec(
            (prop::collection::vec(super::request::any_part(), 0..4),
             prop::option::of(prop::sample::select(vec!["STOP", "SAFETY", "MAX_TOKENS", "X"])),
             prop::option::of(0_u32..9), any::<bool>(), any::<bool>()), 0..3),
        usage in prop::option::of(any::<u32>()),
        feedback in any::<bool>(),
    ) -> Value {
        let candidates: Vec<Value> = candidates.into_iter().map(|(parts, finish, index, content, role)| {
            let mut candidate = json!({"avgLogprobs": -0.5});
            if content { candidate["content"] = json!({"parts": parts}); }
            if content && role { candidate["content"]["role"] = "model".into(); }
            if let Some(finish) = finish { candidate["finishReason"] = finish.into(); }
            if let Some(index) = index { candidate["index"] = index.into(); }
            candidate
        }).collect();
        let mut answer = json!({"candidates": candidates, "responseId": "r", "modelVersion": "gemini-3", "createTime": "now"});
        if let Some(count) = usage { answer["usageMetadata"] = json!({"promptTokenCount": count, "trafficType": "X"}); }
        if feedback { answer["promptFeedback"] = json!({"blockReason": "OTHER"}); }
        answer
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn law_answers_come_back(answer in any_answer()) {
        prop_assert_eq!(response_again(&answer.to_string()), answer);
    }
}
