//! Streamed answers.

use serde_json::json;

use super::*;
use crate::Dialect;
use crate::ir::stream::BlockStart;
use crate::ir::{ApiError, ErrorKind, Media, MediaSource, Signature, ToolUseKind, Usage};
use crate::json::Str;

pub(super) const STREAM: &[u8] = include_bytes!("../fixtures/stream.sse");

pub(super) fn sse(events: &[Value]) -> Vec<u8> {
    events.iter().flat_map(|event| format!("data: {event}\n\n").into_bytes()).collect()
}

fn encoded(events: Vec<Event<'_>>) -> Vec<Value> {
    let context = ReplyContext {
        model: "m".to_owned(),
        request: br#"{"model":"m","input":"x","instructions":"I","tools":[]}"#.to_vec().into(),
        ..ReplyContext::default()
    };
    let mut out = Vec::new();
    let mut encoder = StreamEncoder::new(context);
    for event in events {
        encoder.event(event, &mut out);
    }
    check_stream(&out)
}

fn start(index: u32, block: BlockStart<'_>) -> Event<'_> {
    Event::BlockStart { index, choice: 0, block }
}

fn text(index: u32, text: &str) -> Event<'_> {
    Event::Delta { index, delta: Delta::Text(Str::from(text)) }
}

fn sealed(index: u32, issuer: Dialect) -> Event<'static> {
    Event::Delta { index, delta: Delta::Signature(Signature { issuer, value: Str::from("S") }) }
}

fn finish(stop: StopReason) -> Event<'static> {
    Event::Finish { choice: 0, stop, stop_sequence: None, note: None }
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap().trim_start_matches("response.")).collect()
}

#[test]
fn a_stream_is_read() {
    let told = told(&[STREAM]);
    assert_eq!(told.blocks, ["reasoning", "text", "call call_1 get_weather Function"]);
    assert!(told.texts[0].starts_with("First thought.\u{1}Second."));
    assert!(told.texts[0].contains("gAAAfinal") && !told.texts[0].contains("gAAAearly"), "wire 46");
    assert_eq!(&told.texts[1..], ["Grüße, Welt \"1\".", "{\"city\":\"Köln\"}"]);
    assert_eq!(told.stop, Some(StopReason::ToolUse));
    let usage = Usage { uncached: 29, cache_read: 8, output: 20, reasoning: 40, ..Usage::default() };
    assert_eq!(told.usage, Some(usage));
}

#[test]
fn a_stream_says_the_same_after_both_ways() {
    let again = stream_round_trip(STREAM, ReplyContext::default());
    let (first, second) = (told(&[STREAM]), told(&[&again]));
    assert_eq!(second.said(), first.said());
    assert_eq!((second.stop, second.usage), (first.stop, first.usage));
}

#[test]
fn wire_045_done_may_be_the_only_carrier() {
    let bytes = sse(&[
        json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": ""}}),
        json!({"type": "response.function_call_arguments.done", "output_index": 0, "arguments": "{\"a\":1}"}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": {"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": "{\"a\":1}"}}),
        json!({"type": "response.output_item.done", "output_index": 1, "item": {"type": "custom_tool_call", "id": "ctc", "call_id": "d", "name": "g", "input": "p"}}),
        json!({"type": "response.output_item.done", "output_index": 2, "item": {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "whole", "annotations": [{"type": "file_path"}]}]}}),
        json!({"type": "response.output_item.done", "output_index": 3, "item": {"type": "web_search_call", "id": "ws"}}),
        json!({"type": "response.completed", "response": {"status": "completed"}}),
    ]);
    let told = told(&[&bytes]);
    assert_eq!(told.texts, ["{\"a\":1}", "p", "whole[{\"type\":\"file_path\"}]", ""]);
    assert_eq!(told.blocks[..2], ["call c f Function", "call d g Custom"]);
    assert!(told.blocks[3].starts_with("opaque"), "wire 155: no client call");
    assert_eq!(told.stop, Some(StopReason::ToolUse));
}

#[test]
fn an_answer_told_only_at_the_end_is_told() {
    let item = json!({"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]});
    let bytes = sse(&[
        json!({"type": "response.incomplete", "response": {"id": "resp_1", "status": "incomplete", "incomplete_details": {"reason": "content_filter"}, "output": [item]}}),
    ]);
    let told = told(&[&bytes]);
    assert_eq!((told.blocks, told.texts), (vec!["refusal".to_owned()], vec!["no".to_owned()]));
    assert_eq!(told.stop, Some(StopReason::Refusal));
}

#[test]
fn wire_016_errors_inside_a_stream() {
    for (body, kind) in [
        (
            json!({"type": "error", "code": "server_is_overloaded", "message": "m", "param": null, "sequence_number": 0}),
            ErrorKind::Overloaded,
        ),
        (
            json!({"type": "error", "error": {"type": "invalid_request_error", "code": "context_length_exceeded", "message": "m"}}),
            ErrorKind::ContextLength,
        ),
        (
            json!({"type": "response.failed", "response": {"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "m"}}}),
            ErrorKind::RateLimit,
        ),
        (json!({"error": {"message": "m", "type": "server_error", "code": 503}}), ErrorKind::Internal),
        (json!([{"error": {"message": "m", "code": "insufficient_quota"}}]), ErrorKind::QuotaExhausted),
        (json!({"type": "error", "message": "m", "delta": 5}), ErrorKind::Internal),
    ] {
        let told = told(&[&sse(std::slice::from_ref(&body))]);
        let error = told.error.unwrap_or_else(|| panic!("{body}"));
        assert_eq!((error.kind, error.message.as_str()), (kind, "m"), "{body}");
    }
}

#[test]
fn wire_017_a_stream_cut_short_is_an_error() {
    let cut = STREAM.len() / 2;
    let told = told(&[&STREAM[..cut]]);
    assert_eq!(told.error.unwrap().kind, ErrorKind::BadGateway);
    let out = stream_round_trip(&STREAM[..cut], ReplyContext::default());
    assert_eq!(check_stream(&out).last().unwrap()["type"], "response.failed");
    assert_eq!(super::told(&[b"data: nonsense\n\n", b"data: [DONE]\n\n"]).terminals, 1);
    assert_eq!(super::told(&[]).terminals, 1);
}

#[test]
fn wire_043_the_order_of_events() {
    let events = encoded(vec![
        Event::Start { id: None, model: None },
        start(0, BlockStart::Reasoning { redacted: false, id: None }),
        text(0, "t"),
        Event::Delta { index: 0, delta: Delta::NextPart },
        text(0, "u"),
        sealed(0, Dialect::Anthropic),
        Event::BlockStop { index: 0 },
        start(1, BlockStart::Text),
        text(1, "a"),
        Event::BlockStop { index: 1 },
        start(2, BlockStart::Text),
        text(2, ""),
        Event::BlockStop { index: 2 },
        start(3, BlockStart::Refusal),
        text(3, "no"),
        Event::BlockStop { index: 3 },
        start(4, BlockStart::ToolUse { id: Str::from("c"), name: Str::from("f"), kind: ToolUseKind::Function }),
        Event::BlockStop { index: 4 },
        Event::Usage(Usage { uncached: 3, output: 4, ..Usage::default() }),
        finish(StopReason::ToolUse),
        Event::End,
        Event::End,
    ]);
    assert_eq!(
        names(&events),
        [
            "created",
            "in_progress",
            "output_item.added",
            "reasoning_summary_part.added",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.done",
            "reasoning_summary_part.done",
            "reasoning_summary_part.added",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.done",
            "reasoning_summary_part.done",
            "output_item.done",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "content_part.added",
            "refusal.delta",
            "refusal.done",
            "content_part.done",
            "output_item.done",
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "completed",
        ]
    );
    let output = &events.last().unwrap()["response"]["output"];
    assert_eq!(output[0]["summary"].as_array().unwrap().len(), 2);
    let slot = Str::from(output[0]["encrypted_content"].as_str().unwrap());
    assert_eq!(Signature::from_slot(DIALECT, slot).issuer, Dialect::Anthropic);
    assert_eq!(output[1]["content"][1], json!({"type": "refusal", "refusal": "no"}));
    assert_eq!(output[2]["arguments"], "{}", "wire 157");
    let last = &events.last().unwrap()["response"];
    assert_eq!(last["usage"]["input_tokens_details"], json!({"cached_tokens": 0, "cache_write_tokens": 0}));
    assert_eq!((&last["instructions"], &last["status"]), (&json!("I"), &json!("completed")));
}

#[test]
fn seals_of_calls_and_texts_follow_in_items_of_their_own() {
    let events = encoded(vec![
        start(0, BlockStart::ToolUse { id: Str::from("c"), name: Str::from("f"), kind: ToolUseKind::Function }),
        sealed(0, Dialect::Gemini),
        Event::BlockStop { index: 0 },
        start(1, BlockStart::Text),
        sealed(1, Dialect::Gemini),
        Event::BlockStop { index: 1 },
        finish(StopReason::ToolUse),
        Event::End,
    ]);
    let output = events.last().unwrap()["response"]["output"].as_array().unwrap();
    let kinds: Vec<&str> = output.iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["function_call", "reasoning", "reasoning"]);
    let body = json!({"model": "m", "input": output}).to_string();
    let request = decode_request(body.as_bytes(), &Endpoint::default()).unwrap();
    assert_eq!(request.turns.len(), 2);
    assert!(request.turns.iter().all(|turn| turn.blocks[0].signature.as_ref().unwrap().issuer == Dialect::Gemini));
}

#[test]
fn interleaved_calls_are_put_one_behind_the_other() {
    let call =
        |id: &'static str| BlockStart::ToolUse { id: Str::from(id), name: Str::from("f"), kind: ToolUseKind::Custom };
    let input = |index, text: &'static str| Event::Delta { index, delta: Delta::Input(Str::from(text)) };
    let events = encoded(vec![
        start(0, call("a")),
        start(1, call("b")),
        input(0, "1"),
        input(1, "2"),
        input(0, "3"),
        Event::BlockStop { index: 0 },
        Event::BlockStop { index: 1 },
        finish(StopReason::ToolUse),
        Event::End,
    ]);
    let output = &events.last().unwrap()["response"]["output"];
    assert_eq!((&output[0]["input"], &output[1]["input"]), (&json!("13"), &json!("2")));
}

#[test]
fn every_end_has_its_event() {
    let end = |events: Vec<Event<'static>>| {
        let last = encoded(events).pop().unwrap();
        (last["type"].as_str().unwrap().to_owned(), last["response"].clone())
    };
    let (name, response) = end(vec![finish(StopReason::MaxTokens), Event::End]);
    assert_eq!(
        (name.as_str(), &response["incomplete_details"]["reason"]),
        ("response.incomplete", &json!("max_output_tokens"))
    );
    let blocked =
        Event::Finish { choice: 0, stop: StopReason::Refusal, stop_sequence: None, note: Some(Str::from("SAFETY")) };
    let (name, response) = end(vec![blocked, Event::End]);
    assert_eq!(
        (name.as_str(), &response["incomplete_details"]["reason"]),
        ("response.incomplete", &json!("content_filter"))
    );
    assert_eq!(response["output"][0]["content"][0]["refusal"], "SAFETY", "wire 88");
    let (name, response) = end(vec![Event::Error(ApiError::new(ErrorKind::ContextLength, "long"))]);
    assert_eq!(name, "response.failed");
    assert_eq!(response["error"], json!({"code": "context_length_exceeded", "message": "long"}));
    assert_eq!(end(vec![finish(StopReason::Malformed), Event::End]).0, "response.failed");
    assert_eq!(end(vec![finish(StopReason::Pause), Event::End]).0, "response.completed");
}

#[test]
fn pictures_become_generation_calls() {
    let media =
        Media { mime: Some(Str::from("image/png")), source: MediaSource::Base64(Str::from("iVBO")), name: None };
    let events = encoded(vec![
        start(0, BlockStart::Image(media)),
        Event::BlockStop { index: 0 },
        finish(StopReason::EndTurn),
        Event::End,
    ]);
    let item = &events.last().unwrap()["response"]["output"][0];
    assert_eq!((&item["type"], &item["result"]), (&json!("image_generation_call"), &json!("iVBO")));
}

#[test]
fn one_text_delta_borrows_from_the_event() {
    let data = r#"{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"plain"}"#;
    let mut decoder = StreamDecoder::default();
    let mut borrowed = false;
    decoder.event(SseEvent { name: "", data }, &mut |event| {
        if let Event::Delta { delta: Delta::Text(Str(std::borrow::Cow::Borrowed(_))), .. } = event {
            borrowed = true;
        }
    });
    assert!(borrowed);
}

#[test]
fn unknown_parts_and_probabilities_of_a_stream_are_told() {
    let body = sse(&[
        json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "It", "logprobs": [{"token": "It", "logprob": -1, "top_logprobs": []}]}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "It"}, {"type": "hologram", "x": 1}]}}),
        json!({"type": "response.output_item.done", "output_index": 1, "item": {"type": "image_generation_call", "id": "ig_1", "result": "iVBO"}}),
        json!({"type": "response.completed", "response": {"status": "completed"}}),
    ]);
    let told = told(&[&body]);
    assert_eq!((told.blocks[0].as_str(), told.blocks[2].as_str()), ("text", "image"));
    assert!(told.blocks[1].contains("hologram"), "{:?}", told.blocks);
    let out = stream_round_trip(&body, ReplyContext::default());
    let events = check_stream(&out);
    let output = &events.last().unwrap()["response"]["output"];
    assert_eq!(output[0]["content"][0]["logprobs"][0]["token"], "It");
    assert_eq!(output[1]["content"][0]["type"], "hologram");
    assert!(
        events
            .iter()
            .any(|event| event["type"] == "response.output_text.delta" && event["logprobs"][0]["logprob"] == -1)
    );
}
