use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::ir::stream::{BlockStart, Delta, Event};
use crate::ir::{ApiError, ErrorKind, Signature, StopReason, ToolUseKind, Usage};
use crate::sse::{Parser, SseEvent};

const TOOLS: &[u8] = include_bytes!("../fixtures/stream_tools.sse");
const REFUSAL: &[u8] = include_bytes!("../fixtures/stream_refusal.sse");

/// An owned copy of an event.
fn own(event: Event<'_>) -> Event<'static> {
    match event {
        Event::Start { id, model } => Event::Start { id: id.map(Str::into_owned), model: model.map(Str::into_owned) },
        Event::BlockStart { index, choice, block } => Event::BlockStart { index, choice, block: block.into_owned() },
        Event::Delta { index, delta } => Event::Delta { index, delta: delta.into_owned() },
        Event::BlockStop { index } => Event::BlockStop { index },
        Event::Usage(usage) => Event::Usage(usage.into_owned()),
        Event::Finish { choice, stop, stop_sequence, note } => Event::Finish {
            choice,
            stop,
            stop_sequence: stop_sequence.map(Str::into_owned),
            note: note.map(Str::into_owned),
        },
        Event::End => Event::End,
        Event::Error(error) => Event::Error(error),
        Event::Ping => Event::Ping,
    }
}

pub(super) fn decode(pieces: &[&[u8]]) -> Vec<Event<'static>> {
    let (mut parser, mut decoder, mut events) = (Parser::default(), StreamDecoder::default(), Vec::new());
    let mut on_event = |event: SseEvent<'_>| decoder.event(event, &mut |event| events.push(own(event)));
    for piece in pieces {
        parser.push(piece, &mut on_event).unwrap();
    }
    parser.finish(&mut on_event);
    decoder.finish(&mut |event| events.push(own(event)));
    assert!(decoder.ended());
    events
}

pub(super) fn encode(events: Vec<Event<'_>>) -> Vec<u8> {
    let (mut encoder, mut out) = (StreamEncoder::new(context()), Vec::new());
    for event in events {
        encoder.event(event, &mut out);
    }
    out
}

pub(super) fn reencode(body: &[u8]) -> Vec<u8> {
    encode(decode(&[body]))
}

/// What a stream says in the end.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Seen {
    pub(super) text: String,
    pub(super) thoughts: String,
    pub(super) seals: Vec<String>,
    pub(super) calls: Vec<(String, String, String)>,
    opaque: Vec<Value>,
    citations: usize,
    pub(super) stop: Option<StopReason>,
    note: Option<String>,
    pub(super) usage: Option<Usage<'static>>,
    pub(super) terminals: Vec<&'static str>,
}

impl Seen {
    pub(super) fn of(events: &[Event<'_>]) -> Self {
        let (mut seen, mut kinds, mut calls) = (Seen::default(), BTreeMap::new(), BTreeMap::new());
        for event in events {
            match event {
                Event::BlockStart { index, block, .. } => {
                    kinds.insert(*index, matches!(block, BlockStart::Reasoning { .. }));
                    match block {
                        BlockStart::ToolUse { id, name, .. } => {
                            calls.insert(*index, seen.calls.len());
                            seen.calls.push((id.to_string(), name.to_string(), String::new()));
                        }
                        BlockStart::Opaque { raw, .. } => seen.opaque.push(raw.to_value()),
                        _ => {}
                    }
                }
                Event::Delta { index, delta } => match delta {
                    Delta::Text(text) if kinds[index] => seen.thoughts.push_str(text),
                    Delta::Text(text) => seen.text.push_str(text),
                    Delta::Input(text) => seen.calls[calls[index]].2.push_str(text),
                    Delta::Signature(seal) => seen.seals.push(format!("{seal:?}")),
                    Delta::Citation { .. } => seen.citations += 1,
                    Delta::Logprobs { .. } => {}
                    Delta::NextPart => {}
                },
                Event::Usage(usage) => seen.usage = Some(usage.counts()),
                Event::Finish { stop, note, .. } => {
                    seen.stop = Some(*stop);
                    seen.note = note.as_ref().map(ToString::to_string);
                }
                Event::End => seen.terminals.push("end"),
                Event::Error(_) => seen.terminals.push("error"),
                _ => {}
            }
        }
        for (_, _, input) in &mut seen.calls {
            if input.is_empty() {
                input.push_str("{}");
            }
        }
        seen
    }
}

impl Seen {
    /// What a whole answer says.
    pub(super) fn of_whole(response: &crate::ir::Response<'_>) -> Self {
        use crate::ir::BlockKind;
        let mut seen = Seen { usage: response.usage.as_ref().map(Usage::counts), ..Seen::default() };
        let choice = &response.choices[0];
        seen.stop = Some(choice.stop);
        for block in &choice.blocks {
            seen.seals.extend(block.signature.as_ref().map(|seal| format!("{seal:?}")));
            match &block.kind {
                BlockKind::Text { text, .. } => seen.text.push_str(text),
                BlockKind::Reasoning(thought) => seen.thoughts.extend(thought.text.iter().map(Str::as_str)),
                BlockKind::ToolUse(call) => {
                    seen.calls.push((call.id.to_string(), call.name.to_string(), call.input.to_string()));
                }
                _ => {}
            }
        }
        seen
    }
}

/// The data of every event, after checks that every client makes: names equal types, indexes contiguous, one block open
/// at a time, one terminal.
pub(super) fn strict(bytes: &[u8]) -> Vec<Value> {
    let (mut parser, mut list) = (Parser::default(), Vec::new());
    parser
        .push(bytes, &mut |event| {
            let value: Value = serde_json::from_str(event.data).unwrap();
            assert_eq!(value["type"], event.name);
            list.push(value);
        })
        .unwrap();
    let (mut next, mut open, mut ended) = (0, false, false);
    for (at, event) in list.iter().enumerate() {
        assert!(!ended, "an event after the terminal");
        match event["type"].as_str().unwrap() {
            "message_start" => assert_eq!(at, 0),
            "content_block_start" => {
                assert!(!open);
                assert_eq!(event["index"], next);
                open = true;
            }
            "content_block_delta" => assert!(open && event["index"] == next),
            "content_block_stop" => {
                assert!(open && event["index"] == next);
                open = false;
                next += 1;
            }
            "message_delta" => assert!(!open),
            "message_stop" | "error" => ended = true,
            _ => {}
        }
    }
    assert!(ended);
    list
}

pub(super) fn start(index: u32, block: BlockStart<'static>) -> Event<'static> {
    Event::BlockStart { index, choice: 0, block }
}

pub(super) fn call(index: u32, id: &'static str, kind: ToolUseKind) -> Event<'static> {
    start(index, BlockStart::ToolUse { id: id.into(), name: "f".into(), kind })
}

pub(super) fn delta(index: u32, delta: Delta<'static>) -> Event<'static> {
    Event::Delta { index, delta }
}

pub(super) fn finish(stop: StopReason) -> [Event<'static>; 2] {
    [Event::Finish { choice: 0, stop, stop_sequence: None, note: None }, Event::End]
}

pub(super) fn begun() -> Event<'static> {
    Event::Start { id: None, model: None }
}

#[test]
fn a_stream_is_read() {
    let seen = Seen::of(&decode(&[TOOLS]));
    assert_eq!((seen.text.as_str(), seen.thoughts.as_str()), ("I look it up.\nBonn.", "Let me see é😀."));
    assert_eq!(seen.seals.len(), 2);
    assert_eq!(seen.calls[0].2, r#"{"city": "Bonn", "n": 1.0}"#);
    assert_eq!(seen.calls.len(), 2);
    assert_eq!(seen.opaque[0]["input"], json!({"query":"bonn"}));
    assert_eq!((seen.opaque.len(), seen.citations), (2, 1));
    assert_eq!(seen.stop, Some(StopReason::ToolUse));
    let usage = seen.usage.unwrap();
    assert_eq!((usage.uncached, usage.cache_read, usage.cache_write_5m, usage.cache_write_1h), (25, 7, 40, 60));
    assert_eq!((usage.output, usage.reasoning), (80, 9));
    assert_eq!(Seen::of(&decode(&[REFUSAL])).note.as_deref(), Some("Blocked by policy."));
}

#[test]
fn a_stream_comes_back_as_it_was() {
    for body in [TOOLS, REFUSAL] {
        let again = reencode(body);
        strict(&again);
        assert_eq!(Seen::of(&decode(&[body])), Seen::of(&decode(&[&again])));
    }
}

#[test]
fn wire_019_message_start_has_every_member() {
    let list = strict(&reencode(TOOLS));
    assert_eq!(list[0]["message"]["usage"]["input_tokens"], 25);
    assert_eq!(list[0]["message"]["id"], "msg_01A");
    assert_eq!(list[1]["type"], "ping");
    let bare = strict(&encode([begun()].into_iter().chain(finish(StopReason::EndTurn)).collect()));
    let message = &bare[0]["message"];
    assert!(message["id"].as_str().unwrap().starts_with("msg_"));
    assert_eq!((&message["content"], &message["stop_reason"]), (&json!([]), &Value::Null));
    assert_eq!((&message["usage"]["input_tokens"], &message["stop_sequence"]), (&json!(0), &Value::Null));
    assert_eq!((&message["role"], &message["model"]), (&json!("assistant"), &json!("claude-alias")));
}

#[test]
fn wire_023_a_call_without_arguments_is_an_empty_object() {
    let mut events = vec![begun(), call(0, "a", ToolUseKind::Function), Event::BlockStop { index: 0 }];
    events.extend(finish(StopReason::EndTurn));
    let list = strict(&encode(events));
    assert_eq!(list[2]["content_block"], json!({"type":"tool_use","id":"a","name":"f","input":{}}));
    assert_eq!(list[3]["delta"]["partial_json"], "{}");
}

#[test]
fn wire_030_a_call_is_the_reason_whatever_the_provider_said() {
    for said in [StopReason::EndTurn, StopReason::StopSequence, StopReason::Other, StopReason::ToolUse] {
        let mut events = vec![begun(), call(0, "a", ToolUseKind::Function), Event::BlockStop { index: 0 }];
        events.extend(finish(said));
        let list = strict(&encode(events));
        assert_eq!(list[5]["delta"]["stop_reason"], "tool_use", "{said:?}");
    }
}

#[test]
fn wire_025_interleaved_calls_come_one_by_one() {
    let mut events = vec![begun(), call(0, "a", ToolUseKind::Function), call(1, "b", ToolUseKind::Custom)];
    events.extend([
        delta(1, Delta::Input("say \"".into())),
        delta(0, Delta::Input("{\"x\":".into())),
        delta(1, Delta::Input("hi\"\n".into())),
        delta(0, Delta::Input("1}".into())),
        Event::BlockStop { index: 0 },
        Event::BlockStop { index: 1 },
    ]);
    events.extend(finish(StopReason::ToolUse));
    let bytes = encode(events);
    strict(&bytes);
    let seen = Seen::of(&decode(&[&bytes]));
    assert_eq!(seen.calls[0].2, "{\"x\":1}");
    let input: Value = serde_json::from_str(&seen.calls[1].2).unwrap();
    assert_eq!(input, json!({"input":"say \"hi\"\n"}));
}

#[test]
fn wire_027_seals_come_last_and_wire_028_hidden_thoughts_whole() {
    let seal = |issuer, value: &'static str| Delta::Signature(Signature { issuer, value: value.into() });
    let mut events = vec![begun(), start(0, BlockStart::Reasoning { redacted: false, id: None })];
    events.extend([
        delta(0, seal(Dialect::OpenAiResponses, "early")),
        delta(0, Delta::Text("one".into())),
        delta(0, Delta::NextPart),
        delta(0, Delta::Text("two".into())),
        Event::BlockStop { index: 0 },
        start(1, BlockStart::Reasoning { redacted: true, id: None }),
        delta(1, seal(Dialect::Anthropic, "Eo8B")),
        Event::BlockStop { index: 1 },
        start(2, BlockStart::Text),
        delta(2, Delta::Text("".into())),
        Event::BlockStop { index: 2 },
        call(3, "a", ToolUseKind::Function),
        delta(3, seal(Dialect::Gemini, "gem")),
        Event::BlockStop { index: 3 },
    ]);
    events.extend(finish(StopReason::ToolUse));
    let list = strict(&encode(events));
    let kinds: Vec<&str> = list
        .iter()
        .filter_map(|event| event["content_block"]["type"].as_str().or(event["delta"]["type"].as_str()))
        .collect();
    assert_eq!(
        kinds,
        [
            "thinking",
            "thinking_delta",
            "thinking_delta",
            "signature_delta",
            "redacted_thinking",
            "tool_use",
            "input_json_delta",
            "redacted_thinking"
        ]
    );
    assert_eq!(list[4]["delta"]["thinking"], "\n\ntwo");
    assert_eq!(list[7]["content_block"]["data"], "Eo8B");
}

#[test]
fn wire_029_usage_at_the_end_is_cumulative_and_whole() {
    let mut events = vec![begun(), start(0, BlockStart::Text), delta(0, Delta::Text("x".into()))];
    events.extend([
        Event::BlockStop { index: 0 },
        Event::Finish { choice: 0, stop: StopReason::StopSequence, stop_sequence: Some("E".into()), note: None },
        Event::Usage(Usage { uncached: 5, cache_read: 4, output: 2, ..Usage::default() }),
        Event::End,
    ]);
    let list = strict(&encode(events));
    let last = &list[list.len() - 2];
    assert_eq!(last["delta"], json!({"stop_reason":"stop_sequence","stop_sequence":"E"}));
    assert_eq!(
        last["usage"],
        json!({"input_tokens":5,"cache_creation_input_tokens":0,"cache_read_input_tokens":4,
            "cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"output_tokens":2})
    );
}

#[test]
fn wire_036_a_zero_at_the_end_does_not_undo_the_start() {
    let text = std::str::from_utf8(TOOLS).unwrap();
    let body = text.replace("\"usage\": {\"input_tokens\": 25, \"cache_creation_input_tokens\": 100, \"cache_read_input_tokens\": 7, \"output_tokens\": 89", "\"usage\": {\"input_tokens\": 0, \"output_tokens\": 89");
    assert_ne!(body, text);
    let usage = Seen::of(&decode(&[body.as_bytes()])).usage.unwrap();
    assert_eq!((usage.uncached, usage.cache_read, usage.output_total()), (25, 7, 89));
}

#[test]
fn wire_016_errors_in_the_stream_are_terminal() {
    for (body, kind) in [
        (
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"O\"}}\n\n",
            ErrorKind::Overloaded,
        ),
        ("data: {\"error\":{\"type\":\"rate_limit_error\",\"message\":\"R\"}}\n\n", ErrorKind::RateLimit),
        (
            "data: [{\"error\":{\"code\":429,\"message\":\"R\",\"status\":\"RESOURCE_EXHAUSTED\"}}]\n\n",
            ErrorKind::RateLimit,
        ),
        ("data: {\"type\":\"error\"}\n\n", ErrorKind::Internal),
        ("event: error\ndata: nonsense\n\n", ErrorKind::Internal),
        ("", ErrorKind::BadGateway),
    ] {
        let events = decode(&[body.as_bytes()]);
        assert!(matches!(events.as_slice(), [Event::Error(error)] if error.kind == kind), "{events:?}");
        let list = strict(&encode(events));
        assert_eq!(list.len(), 1);
    }
}

#[test]
fn wire_032_a_break_closes_the_block_and_says_so() {
    let error = ApiError::new(ErrorKind::Overloaded, "full");
    let events = vec![begun(), start(0, BlockStart::Text), delta(0, Delta::Text("x".into())), Event::Error(error)];
    let list = strict(&encode(events));
    assert_eq!(list[list.len() - 2]["type"], "content_block_stop");
    assert_eq!(list[list.len() - 1]["error"], json!({"type":"overloaded_error","message":"full"}));
}

#[test]
fn an_input_that_stands_whole_in_the_start_counts() {
    let body = "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\",\"input\":{\"x\":1}}}\n\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n";
    assert_eq!(Seen::of(&decode(&[body.as_bytes()])).calls[0].2, "{\"x\":1}");
}

#[test]
fn a_call_without_a_stop_reason_is_still_one() {
    let text = std::str::from_utf8(TOOLS).unwrap();
    let body: String = text.split_inclusive("\n\n").filter(|event| !event.contains("message_delta")).collect();
    let seen = Seen::of(&decode(&[body.as_bytes()]));
    assert_eq!((seen.stop, seen.terminals.as_slice()), (Some(StopReason::ToolUse), &["end"][..]));
}

#[test]
fn a_ping_before_the_first_word_opens_the_message() {
    let mut events = vec![begun(), Event::Ping];
    events.extend(finish(StopReason::EndTurn));
    assert_eq!(strict(&encode(events))[1]["type"], "ping");
}

proptest! {
    #[test]
    fn any_split_gives_the_same_events(cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..9)) {
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(TOOLS.len() + 1)).collect();
        at.extend([0, TOOLS.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &TOOLS[pair[0]..pair[1]]).collect();
        prop_assert_eq!(format!("{:?}", decode(&pieces)), format!("{:?}", decode(&[TOOLS])));
    }

    #[test]
    fn broken_streams_have_one_terminal(
        end in any::<prop::sample::Index>(),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        lines in proptest::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let text = std::str::from_utf8(TOOLS).unwrap();
        let mut events: Vec<&str> = text.split_inclusive("\n\n").collect();
        for line in &lines {
            let line = line.index(events.len());
            let event = events.remove(line);
            events.insert(line / 2, event);
        }
        let mut body = events.concat().into_bytes();
        body.truncate(end.index(body.len() + 1));
        for (at, byte) in flips {
            if !body.is_empty() {
                let at = at.index(body.len());
                body[at] = byte;
            }
        }
        let events = decode(&[&body]);
        prop_assert_eq!(Seen::of(&events).terminals.len(), 1);
        strict(&encode(events));
    }
}
