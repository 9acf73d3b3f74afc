//! Traps of the wire that belong to this dialect and have no better place.

use serde_json::{Value, json};

use super::streams::{decode, encode};
use super::*;
use crate::Dialect;
use crate::ir::stream::{BlockStart, Delta, Event};
use crate::ir::{Block, BlockKind, Media, MediaSource, Role, StopReason, ToolResult, ToolUseKind, Turn};
use crate::json::Raw;

fn start(index: u32, choice: u32, block: BlockStart<'static>) -> Event<'static> {
    Event::BlockStart { index, choice, block }
}

fn text(index: u32, text: &'static str) -> Event<'static> {
    Event::Delta { index, delta: Delta::Text(text.into()) }
}

fn finish(choice: u32, stop: StopReason) -> Event<'static> {
    Event::Finish { choice, stop, stop_sequence: None, note: None }
}

fn chunks(stream: &str) -> Vec<Value> {
    let data = stream.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
}

/// A stream of everything: thoughts, text, a picture, a call.
fn everything_streamed() -> Vec<Event<'static>> {
    let call = BlockStart::ToolUse { id: "toolu_1".into(), name: "f".into(), kind: ToolUseKind::Function };
    let picture = Media { mime: Some("image/png".into()), source: MediaSource::Base64("AAAA".into()), name: None };
    let note = r#"{"type":"url_citation","url_citation":{"url":"u","title":"t","start_index":0,"end_index":1}}"#;
    let note = || Delta::Citation { dialect: Dialect::OpenAiChat, raw: Raw::parse(note).unwrap() };
    vec![
        Event::Start { id: None, model: None },
        start(0, 0, BlockStart::Reasoning { redacted: false, id: None }),
        text(0, "hm"),
        Event::BlockStop { index: 0 },
        start(1, 0, BlockStart::Text),
        text(1, "a"),
        Event::Delta { index: 1, delta: note() },
        Event::Delta { index: 1, delta: note() },
        Event::BlockStop { index: 1 },
        start(2, 0, BlockStart::Image(picture.clone())),
        Event::BlockStop { index: 2 },
        start(3, 0, BlockStart::Image(picture)),
        Event::BlockStop { index: 3 },
        start(4, 0, call),
        Event::Delta { index: 4, delta: Delta::Input("{\"b\":1,".into()) },
        Event::Delta { index: 4, delta: Delta::Input("\"a\":2}".into()) },
        Event::BlockStop { index: 4 },
        Event::Usage(crate::ir::Usage { uncached: 1, output: 1, ..crate::ir::Usage::default() }),
        finish(0, StopReason::ToolUse),
        Event::End,
    ]
}

#[test]
fn wire_035_other_chunks_say_that_they_have_no_usage() {
    let all = chunks(&encode(&everything_streamed(), context()));
    let (last, rest) = all.split_last().unwrap();
    assert!(last["usage"].is_object() && rest.iter().all(|chunk| chunk.get("usage") == Some(&Value::Null)));
    let quiet = ReplyContext { include_usage: false, ..context() };
    assert!(chunks(&encode(&everything_streamed(), quiet)).iter().all(|chunk| chunk.get("usage").is_none()));
}

#[test]
fn wire_036_a_call_is_named_once_and_wire_037_its_input_keeps_its_order() {
    let all = chunks(&encode(&everything_streamed(), context()));
    let calls: Vec<&Value> =
        all.iter().map(|chunk| &chunk["choices"][0]["delta"]["tool_calls"][0]).filter(|call| !call.is_null()).collect();
    let (first, rest) = calls.split_first().unwrap();
    assert_eq!(**first, json!({"index":0,"id":"toolu_1","type":"function","function":{"name":"f","arguments":""}}));
    assert!(rest.iter().all(|call| call.get("id").is_none() && call["function"].get("name").is_none()));
    let input: String = rest.iter().map(|call| call["function"]["arguments"].as_str().unwrap()).collect();
    assert_eq!(input, r#"{"b":1,"a":2}"#);
}

#[test]
fn wire_038_thoughts_never_mix_into_the_content() {
    for shown in [true, false] {
        let all = chunks(&encode(&everything_streamed(), ReplyContext { reasoning_content: shown, ..context() }));
        let said = |key: &str| -> String {
            all.iter().filter_map(|chunk| chunk["choices"][0]["delta"][key].as_str()).collect()
        };
        assert_eq!(
            (said("content").as_str(), said("reasoning_content").as_str()),
            ("a", if shown { "hm" } else { "" })
        );
    }
}

#[test]
fn wire_039_a_second_start_leaks_no_second_role() {
    let mut events = everything_streamed();
    events.insert(9, Event::Start { id: Some("chatcmpl-other".into()), model: None });
    let all = chunks(&encode(&events, context()));
    assert_eq!(all.iter().filter(|chunk| chunk["choices"][0]["delta"].get("role").is_some()).count(), 1);
    assert!(all.iter().all(|chunk| chunk["id"] == all[0]["id"]));
}

#[test]
fn wire_040_each_choice_ends_once_in_a_chunk_of_its_own() {
    let call = || BlockStart::ToolUse { id: "c".into(), name: "f".into(), kind: ToolUseKind::Function };
    let events = [
        start(0, 0, BlockStart::Text),
        start(1, 1, call()),
        text(0, "a"),
        start(2, 1, call()),
        finish(1, StopReason::ToolUse),
        text(0, "b"),
        finish(0, StopReason::MaxTokens),
        Event::End,
    ];
    let all = chunks(&encode(&events, context()));
    let ends: Vec<(u64, &str)> = all
        .iter()
        .filter_map(|chunk| {
            let choice = &chunk["choices"][0];
            let word = choice["finish_reason"].as_str()?;
            assert_eq!(choice["delta"], json!({}));
            Some((choice["index"].as_u64()?, word))
        })
        .collect();
    assert_eq!(ends, [(1, "tool_calls"), (0, "length")]);
    let indexes: Vec<u64> = all
        .iter()
        .filter_map(|chunk| {
            let call = &chunk["choices"][0]["delta"]["tool_calls"][0];
            call.get("id").and(call["index"].as_u64())
        })
        .collect();
    assert_eq!(indexes, [0, 1], "calls are counted for each choice");
    let roles = all.iter().filter(|chunk| chunk["choices"][0]["delta"].get("role").is_some());
    assert_eq!(roles.count(), 2);
}

#[test]
fn wire_041_what_nobody_said_is_left_out() {
    let stream = encode(&everything_streamed(), context());
    for word in ["system_fingerprint", "service_tier", "logprobs"] {
        assert!(!stream.contains(word), "{word}");
    }
}

#[test]
fn wire_124_numbers_keep_their_text() {
    let body = r#"{"model":"m","messages":[],"temperature":1.0,"top_p":1,"seed":9223372036854775807,"n":1,"max_tokens":4096.0,"logit_bias":{"1":-1e2},"tools":[{"type":"function","function":{"name":"f","parameters":{"z":1.50,"a":12345678901234567890}}}]}"#;
    let out = again(body);
    for text in ["1.0,", "9223372036854775807", "4096.0", "-1e2", r#"{"z":1.50,"a":12345678901234567890}"#] {
        assert!(out.contains(text), "{text} in {out}");
    }
    let foreign = Request { origin: Dialect::Gemini, ..decode_request(body.as_bytes(), &Endpoint::default()).unwrap() };
    let mut foreign = foreign;
    foreign.turns = vec![Turn::new(Role::User, vec![Block::text("go")])];
    let (out, _) = super::encode(&foreign, Quirks::default());
    assert!(out.contains(r#""temperature":1.0"#) && out.contains(r#"{"z":1.50,"a":12345678901234567890}"#), "{out}");
}

#[test]
fn wire_134_a_result_of_no_call_is_text() {
    let content = vec![Block::text("42")];
    let result = ToolResult { id: "gone".into(), name: None, content, is_error: None, kind: ToolUseKind::Function };
    let request = Request {
        turns: vec![Turn::new(Role::User, vec![Block::new(BlockKind::ToolResult(result))])],
        ..Request::new(Dialect::Anthropic, "c".into())
    };
    let (out, encoded) = super::encode(&request, Quirks::default());
    let out: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(out["messages"][0]["role"], "user");
    assert!(out["messages"][0]["content"].to_string().contains("42"));
    assert_eq!(encoded.losses.iter().next().unwrap().field, "messages[].content[].tool_result");
}

#[test]
fn wire_139_ids_come_from_the_seed_alone() {
    let events = everything_streamed();
    assert_eq!(encode(&events, context()), encode(&events, context()));
    let other = encode(&events, ReplyContext { seed: 8, ..context() });
    assert_ne!(chunks(&other)[0]["id"], chunks(&encode(&events, context()))[0]["id"]);
    // Calls that came without ids get the same ones from the same answer.
    let stream = b"data: {\"id\":\"a\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},\"finish_reason\":\"stop\"}]}\n\n";
    assert_eq!(format!("{:?}", decode(&[stream])), format!("{:?}", decode(&[stream])));
}

#[test]
fn wire_146_lists_in_deltas_have_an_index() {
    let all = chunks(&encode(&everything_streamed(), context()));
    for key in ["annotations", "images", "tool_calls"] {
        let indexes: Vec<u64> = all
            .iter()
            .filter_map(|chunk| chunk["choices"][0]["delta"][key].as_array())
            .flatten()
            .map(|entry| entry["index"].as_u64().unwrap())
            .collect();
        let wanted: &[u64] = if key == "tool_calls" { &[0, 0, 0] } else { &[0, 1] };
        assert_eq!(indexes, wanted, "{key}");
    }
}

#[test]
fn wire_157_a_call_without_input_is_an_empty_object() {
    let call = BlockStart::ToolUse { id: "c".into(), name: "f".into(), kind: ToolUseKind::Function };
    let events = [start(0, 0, call), Event::BlockStop { index: 0 }, finish(0, StopReason::ToolUse), Event::End];
    let stream = encode(&events, context());
    let input: String = chunks(&stream)
        .iter()
        .filter_map(|chunk| {
            chunk["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"].as_str().map(str::to_owned)
        })
        .collect();
    assert_eq!(input, "{}");
}

/// The schema by which the AI SDK's openai-compatible provider checks every chunk: strings, integers and nulls where it
/// wants them.
#[test]
fn wire_159_every_chunk_passes_a_strict_reader() {
    for chunk in chunks(&encode(&everything_streamed(), context())) {
        assert!(chunk["id"].is_string() && chunk["model"].is_string() && chunk["created"].is_u64(), "{chunk}");
        assert_eq!(chunk["object"], "chat.completion.chunk");
        if let Some(usage) = chunk["usage"].as_object() {
            for key in ["prompt_tokens", "completion_tokens", "total_tokens"] {
                assert!(usage[key].is_u64(), "{chunk}");
            }
            assert!(usage["prompt_tokens_details"]["cached_tokens"].is_u64());
            assert!(usage["completion_tokens_details"]["reasoning_tokens"].is_u64());
        }
        for choice in chunk["choices"].as_array().unwrap() {
            assert!(choice["index"].is_u64() && choice.get("finish_reason").is_some(), "{chunk}");
            let delta = choice["delta"].as_object().unwrap();
            assert!(delta.get("role").is_none_or(|role| role == "assistant"));
            for key in ["content", "reasoning_content", "refusal"] {
                assert!(delta.get(key).is_none_or(Value::is_string), "{chunk}");
            }
            for call in delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
                assert!(call["index"].is_u64() && call["function"]["arguments"].is_string(), "{chunk}");
            }
            for note in delta.get("annotations").and_then(Value::as_array).into_iter().flatten() {
                assert_eq!(note["type"], "url_citation");
                assert!(note["url_citation"]["url"].is_string() && note["url_citation"]["title"].is_string());
            }
        }
    }
}
