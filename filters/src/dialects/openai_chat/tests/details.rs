//! OpenRouter's `reasoning_details`: thoughts with the seals of their makers.

use super::streams::decode;
use super::*;
use crate::Dialect;
use crate::ir::stream::{BlockStart, Delta, Event};
use crate::ir::{Block, BlockKind};

const ANSWER: &str = r#"{"id":"gen-1","object":"chat.completion","created":1,"model":"anthropic/claude","choices":[{"index":0,"message":{"role":"assistant","content":"x","reasoning":"One.Two.","reasoning_details":[
    {"type":"reasoning.text","text":"One.","signature":"c2VhbDE=","format":"anthropic-claude-v1","index":0},
    {"type":"reasoning.text","text":"Two.","signature":"c2VhbDI=","format":"anthropic-claude-v1","index":1},
    {"type":"reasoning.encrypted","data":"aGlkZGVu","format":"anthropic-claude-v1","index":2},
    {"type":"reasoning.summary","summary":"S","format":"openai-responses-v1","id":"rs_1"},
    {"type":"reasoning.encrypted","data":"ZW5j","format":"openai-responses-v1","id":"rs_1"},
    {"type":"reasoning.text","text":"Three.","signature":"?","format":"unknown"},
    {"type":"reasoning.encrypted","data":"dGhvdWdodA==","format":"google-gemini-v1","id":"call_1"}],
    "tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}"#;

/// Text, issuer and seal of each block that has any.
fn sealed(blocks: &[Block<'_>]) -> Vec<(String, Option<(Dialect, String)>)> {
    let text = |block: &Block<'_>| match &block.kind {
        BlockKind::Reasoning(thought) => Some(thought.text.iter().map(ToString::to_string).collect::<String>()),
        BlockKind::ToolUse(call) => Some(call.id.to_string()),
        _ => None,
    };
    let seal = |block: &Block<'_>| block.signature.as_ref().map(|seal| (seal.issuer, seal.value.to_string()));
    blocks.iter().filter_map(|block| Some((text(block)?, seal(block)))).collect()
}

#[test]
fn seals_are_kept_with_whoever_made_them() {
    let response = decode_response(ANSWER.as_bytes()).unwrap();
    let seal = |issuer, value: &str| Some((issuer, value.to_owned()));
    assert_eq!(
        sealed(&response.choices[0].blocks),
        [
            ("One.".to_owned(), seal(Dialect::Anthropic, "c2VhbDE=")),
            ("Two.".to_owned(), seal(Dialect::Anthropic, "c2VhbDI=")),
            (String::new(), seal(Dialect::Anthropic, "aGlkZGVu")),
            ("S".to_owned(), seal(Dialect::OpenAiResponses, "ZW5j")),
            ("Three.".to_owned(), None),
            ("call_1".to_owned(), seal(Dialect::Gemini, "dGhvdWdodA==")),
        ]
    );
    assert_eq!(canonical(&responses::again(ANSWER)), canonical(ANSWER));
}

#[test]
fn a_client_that_sends_them_back_keeps_the_seals() {
    let message: serde_json::Value = serde_json::from_str(ANSWER).unwrap();
    let message = &message["choices"][0]["message"];
    let body = serde_json::json!({"model":"m","messages":[message]}).to_string();
    assert_eq!(canonical(&again(&body)), canonical(&body));
    let request = decode_request(body.as_bytes(), &Endpoint::default()).unwrap();
    assert_eq!(sealed(&request.turns[0].blocks).len(), 6);
    let mut losses = crate::ir::Losses::default();
    losses.drop_extra("", &request.turns[0].extra);
    assert!(losses.is_empty(), "what blocks were made of is no loss elsewhere: {losses:?}");
    // A provider that takes no thoughts back gets none in any spelling, and the client is told.
    let (out, encoded) = encode(&request, Quirks::default());
    assert!(!out.contains("reasoning") && !encoded.losses.is_empty(), "{out}");
}

#[test]
fn a_stream_brings_seals_too() {
    let chunk = |delta: &str| format!("data: {{\"id\":\"g\",\"choices\":[{{\"index\":0,\"delta\":{delta}}}]}}\n\n");
    let entry = |members: &str| format!("{{\"reasoning_details\":[{{{members},\"format\":\"anthropic-claude-v1\"}}]}}");
    let stream = chunk(
        r#"{"reasoning":"Hm","reasoning_details":[{"type":"reasoning.text","text":"Hm","format":"anthropic-claude-v1"}]}"#,
    ) + &chunk(&entry(r#""type":"reasoning.text","text":".""#))
        + &chunk(&entry(r#""type":"reasoning.text","signature":"c2VhbA==""#))
        + &chunk(&entry(r#""type":"reasoning.encrypted","data":"aGlkZGVu""#))
        + &chunk(r#"{"content":"x"}"#)
        + "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let (mut text, mut seals, mut hidden) = (String::new(), Vec::new(), 0);
    for event in decode(&[stream.as_bytes()]) {
        match event {
            Event::Delta { index: 0, delta: Delta::Text(words) } => text.push_str(&words),
            Event::Delta { index, delta: Delta::Signature(seal) } => {
                assert_eq!(seal.issuer, Dialect::Anthropic);
                seals.push((index, seal.value.to_string()));
            }
            Event::BlockStart { block: BlockStart::Reasoning { redacted: true, .. }, .. } => hidden += 1,
            _ => {}
        }
    }
    assert_eq!((text.as_str(), hidden), ("Hm.", 1), "a text that has two names is read once");
    assert_eq!(seals, [(0, "c2VhbA==".to_owned()), (1, "aGlkZGVu".to_owned())]);
}
