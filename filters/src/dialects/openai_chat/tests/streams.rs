//! Streams both ways.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::ir::stream::{BlockStart, Delta, Event};
use crate::ir::{ErrorKind, StopReason, ToolUseKind, Usage};
use crate::json::Raw;
use crate::sse::Parser;

const TOOLS: &str = include_str!("../fixtures/stream_tools.sse");

/// A detached copy of an event.
fn owned(event: Event<'_>) -> Event<'static> {
    match event {
        Event::Start { id, model } => {
            Event::Start { id: id.map(crate::json::Str::into_owned), model: model.map(crate::json::Str::into_owned) }
        }
        Event::BlockStart { index, choice, block } => Event::BlockStart { index, choice, block: block.into_owned() },
        Event::Delta { index, delta } => Event::Delta { index, delta: delta.into_owned() },
        Event::BlockStop { index } => Event::BlockStop { index },
        Event::Usage(usage) => Event::Usage(usage.into_owned()),
        Event::Finish { choice, stop, stop_sequence, note } => Event::Finish {
            choice,
            stop,
            stop_sequence: stop_sequence.map(crate::json::Str::into_owned),
            note: note.map(crate::json::Str::into_owned),
        },
        Event::End => Event::End,
        Event::Error(error) => Event::Error(error),
        Event::Ping => Event::Ping,
    }
}

/// The events of a stream that comes in `pieces`.
pub(super) fn decode(pieces: &[&[u8]]) -> Vec<Event<'static>> {
    let mut events = Vec::new();
    let mut sink = |event: Event<'_>| events.push(owned(event));
    let (mut parser, mut decoder) = (Parser::default(), StreamDecoder::default());
    for piece in pieces {
        parser.push(piece, &mut |event| decoder.event(event, &mut sink)).unwrap();
    }
    parser.finish(&mut |event| decoder.event(event, &mut sink));
    decoder.finish(&mut sink);
    assert!(decoder.ended());
    events
}

/// What a stream says, all told.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Read {
    pub text: Vec<String>,
    pub reasoning: Vec<String>,
    refusal: Vec<String>,
    calls: Vec<(String, String, String)>,
    stops: Vec<(u32, StopReason)>,
    usage: Option<Usage<'static>>,
    error: Option<ErrorKind>,
}

impl Read {
    pub(super) fn of(events: &[Event<'_>]) -> Self {
        let mut read = Read::default();
        let mut calls = BTreeMap::new();
        let mut words: BTreeMap<u32, char> = BTreeMap::new();
        for event in events {
            match event {
                Event::BlockStart { index, block, .. } => match block {
                    BlockStart::Text => drop(words.insert(*index, 't')),
                    BlockStart::Reasoning { .. } => drop(words.insert(*index, 'r')),
                    BlockStart::Refusal => drop(words.insert(*index, 'f')),
                    BlockStart::ToolUse { id, name, .. } => {
                        calls.insert(*index, (id.to_string(), name.to_string(), String::new()));
                    }
                    _ => {}
                },
                Event::Delta { index, delta: Delta::Text(text) } => match words[index] {
                    't' => read.text.push(text.to_string()),
                    'r' => read.reasoning.push(text.to_string()),
                    _ => read.refusal.push(text.to_string()),
                },
                Event::Delta { index, delta: Delta::Input(text) } => calls.get_mut(index).unwrap().2.push_str(text),
                Event::Usage(usage) => read.usage = Some(usage.counts()),
                Event::Finish { choice, stop, .. } => read.stops.push((*choice, *stop)),
                Event::Error(error) => read.error = Some(error.kind),
                _ => {}
            }
        }
        read.calls = calls.into_values().collect();
        read
    }

    /// Without the cuts between deltas, which an encoder may change.
    fn joined(mut self) -> Self {
        for list in [&mut self.text, &mut self.reasoning, &mut self.refusal] {
            *list = vec![list.concat()];
        }
        for (_, _, input) in self.calls.iter_mut().filter(|(_, _, input)| input.is_empty()) {
            input.push_str("{}");
        }
        self
    }
}

fn read(stream: &str) -> Read {
    Read::of(&decode(&[stream.as_bytes()]))
}

fn encode(events: &[Event<'static>], context: ReplyContext) -> String {
    let (mut encoder, mut out) = (StreamEncoder::new(context), Vec::new());
    events.iter().for_each(|event| encoder.event(event.clone(), &mut out));
    String::from_utf8(out).unwrap()
}

/// A chunk of choice 0 with `delta` and the rest of the choice.
fn chunk(delta: &str, rest: &str) -> String {
    format!("data: {{\"id\":\"a\",\"choices\":[{{\"index\":0,\"delta\":{delta}{rest}}}]}}\n\n")
}

const STOP: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";

fn call(id: &str, name: &str, input: &str) -> (String, String, String) {
    (id.to_owned(), name.to_owned(), input.to_owned())
}

#[test]
fn a_recorded_stream_is_read() {
    let read = read(TOOLS);
    assert_eq!(read.text, ["Let me ", "look 😀."]);
    assert_eq!(read.reasoning, ["Both é"]);
    assert_eq!(
        read.calls,
        [call("call_a", "get_weather", "{\"city\":\"Paris\"}"), call("call_b", "get_time", "{\"tz\":1}")],
        "wire 25: deltas of parallel calls interleave"
    );
    assert_eq!(read.stops, [(0, StopReason::ToolUse)]);
    let usage = read.usage.unwrap();
    assert_eq!((usage.uncached, usage.cache_read, usage.output, usage.reasoning), (300, 64, 32, 8));
}

#[test]
fn wire_006_no_done_is_needed() {
    let events = decode(&[TOOLS.replace("data: [DONE]", "").as_bytes()]);
    assert!(matches!(events.last(), Some(Event::End)));
}

#[test]
fn wire_017_an_end_without_a_finish_is_a_failure() {
    assert_eq!(read(&chunk(r#"{"content":"a"}"#, "")).error, Some(ErrorKind::BadGateway));
    assert_eq!(read("").error, Some(ErrorKind::BadGateway));
    assert_eq!(read("data: [DONE]\n\n").error, Some(ErrorKind::BadGateway));
    let done = read(&(chunk(r#"{"content":"a"}"#, "") + "data: [DONE]\n\n"));
    assert_eq!((done.error, done.stops), (None, vec![(0, StopReason::Other)]));
}

#[test]
fn wire_016_errors_inside_the_stream() {
    for (stream, kind) in [
        ("data: {\"error\":{\"message\":\"m\",\"code\":\"server_is_overloaded\"}}\n\n", ErrorKind::Overloaded),
        ("event: error\ndata: {\"message\":\"m\",\"code\":429}\n\n", ErrorKind::RateLimit),
        ("event: error\ndata: it broke\n\n", ErrorKind::Internal),
        ("data: [{\"error\":{\"code\":503,\"message\":\"m\"}}]\n\n", ErrorKind::Unavailable),
        ("data: {\"object\":\"error\",\"message\":\"m\",\"code\":400}\n\n", ErrorKind::InvalidRequest),
        (
            "data: {\"id\":\"g\",\"error\":{\"code\":502,\"message\":\"m\"},\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}]}\n\n",
            ErrorKind::BadGateway,
        ),
        (
            "data: {\"id\":\"g\",\"choices\":[{\"index\":0,\"error\":{\"code\":502,\"message\":\"m\"}}]}\n\n",
            ErrorKind::BadGateway,
        ),
    ] {
        assert_eq!(read(stream).error, Some(kind), "{stream}");
        let late = chunk(r#"{"content":"a"}"#, "") + stream + STOP;
        let late = read(&late);
        assert_eq!((late.error, late.stops.len()), (Some(kind), 0), "{stream}");
    }
    assert_eq!(
        read(&("data: {\"id\":\"\",\"choices\":[],\"prompt_filter_results\":[]}\n\n".to_owned() + STOP)).error,
        None
    );
}

#[test]
fn wire_026_ids_come_late_or_again_or_never() {
    let calls = |deltas: &[&str]| {
        let stream: String = deltas.iter().map(|delta| chunk(&format!("{{\"tool_calls\":[{delta}]}}"), "")).collect();
        read(&(stream + STOP)).calls
    };
    let late = [
        r#"{"index":0,"function":{"name":"f","arguments":"{"}}"#,
        r#"{"index":0,"id":"c1","function":{"arguments":"}"}}"#,
    ];
    assert_eq!(calls(&late), [call("c1", "f", "{}")]);
    let again = [
        r#"{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":"{"}}"#,
        r#"{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":"}"}}"#,
        r#"{"index":0,"id":"","function":{"name":null,"arguments":null}}"#,
    ];
    assert_eq!(calls(&again), [call("c1", "f", "{}")]);
    let no_index = [
        r#"{"id":"c1","function":{"name":"f","arguments":"{}"}},{"id":"c2","function":{"name":"g","arguments":"{"}}"#,
        r#"{"function":{"arguments":"}"}}"#,
    ];
    assert_eq!(calls(&no_index), [call("c1", "f", "{}"), call("c2", "g", "{}")]);
    let all_zero = [
        r#"{"index":0,"id":"c1","function":{"name":"f","arguments":"{}"}}"#,
        r#"{"index":0,"id":"c2","function":{"name":"f","arguments":"{}"}}"#,
    ];
    assert_eq!(calls(&all_zero), [call("c1", "f", "{}"), call("c2", "f", "{}")]);
    let never = [r#"{"index":0,"function":{"name":"f","arguments":"{}"}}"#, r#"{"index":1,"function":{"name":"g"}}"#];
    let never = calls(&never);
    assert_eq!((never[0].1.as_str(), never[1].1.as_str()), ("f", "g"));
    assert!(never[0].0.starts_with("call_") && never[0].0 != never[1].0);
    assert_eq!(
        calls(&[r#"{"index":0,"id":"c1","function":{"name":"f","arguments":{"a":1}}}"#]),
        [call("c1", "f", "{\"a\":1}")]
    );
}

#[test]
fn wire_024_empty_calls_open_nothing() {
    let stream = chunk(r#"{"content":"a","tool_calls":[]}"#, "")
        + &chunk(r#"{"tool_calls":[{"index":0,"id":"","function":{"name":"","arguments":""}}]}"#, "")
        + STOP;
    let read = read(&stream);
    assert_eq!((read.calls.len(), &read.stops[..]), (0, &[(0, StopReason::EndTurn)][..]));
}

#[test]
fn a_call_that_nobody_named_is_malformed() {
    let stream = chunk(r#"{"tool_calls":[{"index":0,"id":"c","function":{"arguments":"{}"}}]}"#, "") + STOP;
    assert_eq!(read(&stream).stops, [(0, StopReason::Malformed)]);
}

#[test]
fn words_of_all_kinds_and_two_finish_reasons() {
    let stream = chunk(r#"{"reasoning":"r1","reasoning_content":"r1"}"#, "")
        + &chunk(
            r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"r2"}]},{"type":"text","text":"t"}]}"#,
            "",
        )
        + &chunk(r#"{"content":{"odd":1},"refusal":"no"}"#, ",\"finish_reason\":\"stop\"")
        + &chunk(r#"{"content":""}"#, ",\"finish_reason\":\"stop\"")
        + "data: {broken\n\ndata: {\"choices\":7}\n\n";
    let read = read(&stream);
    assert_eq!((read.reasoning.concat().as_str(), read.text.concat().as_str()), ("r1r2", "t"));
    assert_eq!((read.refusal.concat().as_str(), &read.stops[..]), ("no", &[(0, StopReason::Refusal)][..]));
}

#[test]
fn wire_040_every_choice_has_its_own_state() {
    let stream = "data: {\"id\":\"a\",\"choices\":[{\"index\":1,\"delta\":{\"content\":\"b\"}},{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n\
        data: {\"choices\":[{\"index\":1,\"delta\":{},\"finish_reason\":\"length\"}]}\n\n";
    assert_eq!(read(stream).error, Some(ErrorKind::BadGateway), "choice 0 never ended");
    let whole = read(&(stream.to_owned() + STOP));
    assert_eq!(whole.stops, [(1, StopReason::MaxTokens), (0, StopReason::EndTurn)]);
}

#[test]
fn a_stream_encoded_says_the_same() {
    let events = decode(&[TOOLS.as_bytes()]);
    let text = encode(&events, context());
    assert_eq!(Read::of(&decode(&[text.as_bytes()])).joined(), Read::of(&events).joined());
}

#[test]
fn wire_033_to_037_chunks_have_the_shape_that_clients_check() {
    let text = encode(&decode(&[TOOLS.as_bytes()]), context());
    assert!(text.ends_with("data: [DONE]\n\n"));
    let chunks: Vec<Value> = text
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("data: {"))
        .map(|rest| serde_json::from_str(&format!("{{{rest}")).unwrap())
        .collect();
    let role = |chunk: &&Value| chunk["choices"][0]["delta"].get("role").is_some();
    assert_eq!(chunks.iter().filter(role).count(), 1);
    assert!(role(&&chunks[0]));
    for chunk in &chunks {
        assert_eq!((&chunk["id"], &chunk["object"]), (&"chatcmpl-C2".into(), &"chat.completion.chunk".into()));
        assert_eq!((&chunk["created"], &chunk["model"]), (&1_700_000_000.into(), &"m".into()));
        assert!(chunk["choices"].is_array() && chunk.get("usage").is_some());
    }
    let last = chunks.last().unwrap();
    assert_eq!(last["choices"], serde_json::json!([]));
    assert_eq!(last["usage"]["completion_tokens_details"]["reasoning_tokens"], 8);
    assert!(chunks[..chunks.len() - 1].iter().all(|chunk| chunk["usage"].is_null()));
    let finishes = chunks.iter().filter(|chunk| chunk["choices"][0]["finish_reason"].is_string());
    assert_eq!(finishes.collect::<Vec<_>>().len(), 1);
    let names = chunks.iter().filter(|chunk| !chunk["choices"][0]["delta"]["tool_calls"][0]["id"].is_null()).count();
    assert_eq!(names, 2, "id and name once a call");
}

#[test]
fn wire_034_no_usage_chunk_unless_asked_for() {
    let quiet = ReplyContext { include_usage: false, reasoning_content: false, ..context() };
    let text = encode(&decode(&[TOOLS.as_bytes()]), quiet);
    assert!(!text.contains("usage") && !text.contains("Both"));
}

#[test]
fn another_dialects_stream_for_a_chat_client() {
    let usage = Usage { uncached: 1, output: 2, raw: Raw::parse("{\"input_tokens\":1}"), ..Usage::default() };
    let events = [
        Event::Start { id: Some("msg_1".into()), model: None },
        Event::Ping,
        Event::BlockStart {
            index: 0,
            choice: 0,
            block: BlockStart::ToolUse { id: "toolu_1".into(), name: "f".into(), kind: ToolUseKind::Function },
        },
        Event::BlockStop { index: 0 },
        Event::BlockStart {
            index: 1,
            choice: 0,
            block: BlockStart::ToolUse { id: "toolu_2".into(), name: "p".into(), kind: ToolUseKind::Custom },
        },
        Event::Delta { index: 1, delta: Delta::Input("x".into()) },
        Event::BlockStop { index: 1 },
        Event::Usage(usage),
        Event::Finish { choice: 0, stop: StopReason::EndTurn, stop_sequence: None, note: None },
        Event::End,
        Event::End,
    ];
    let text = encode(&events, context());
    assert!(text.starts_with(": ping\n\ndata: {\"id\":\"chatcmpl-"), "{text}");
    assert!(text.contains(r#""tool_calls":[{"index":0,"function":{"arguments":"{}"}}]"#), "wire 157: {text}");
    assert!(text.contains(r#"{"index":1,"custom":{"input":"x"}}"#), "{text}");
    assert!(text.contains(r#""finish_reason":"tool_calls""#));
    assert!(text.contains(r#""usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3"#), "{text}");
    assert_eq!(text.matches("[DONE]").count(), 1);
}

#[test]
fn a_refusal_is_explained() {
    let events = [
        Event::Finish { choice: 0, stop: StopReason::Refusal, stop_sequence: None, note: Some("blocked".into()) },
        Event::End,
    ];
    let text = encode(&events, context());
    assert!(text.contains(r#""delta":{"refusal":"blocked"}"#) && text.contains("content_filter"), "{text}");
}

#[test]
fn an_error_ends_without_a_finish_made_up() {
    let events = decode(&[chunk(r#"{"content":"a"}"#, "").as_bytes()]);
    let text = encode(&events, context());
    assert!(text.contains("data: {\"error\":{") && !text.contains("[DONE]") && !text.contains("\"stop\""), "{text}");
    let error = encode(&events[events.len() - 1..], context());
    assert_eq!(error.matches("data:").count(), 1, "nothing before an error that comes first");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_split_gives_the_same_events(cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        let bytes = TOOLS.as_bytes();
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(format!("{:?}", decode(&pieces)), format!("{:?}", decode(&[bytes])));
    }

    #[test]
    fn exactly_one_terminal_event_always(
        cut in any::<prop::sample::Index>(),
        garbage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let mut bytes = TOOLS.as_bytes()[..cut.index(TOOLS.len() + 1)].to_vec();
        for (at, byte) in garbage {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        let events = decode(&[&bytes]);
        let ends = events.iter().filter(|event| matches!(event, Event::End | Event::Error(_))).count();
        prop_assert_eq!(ends, 1);
        prop_assert!(matches!(events.last(), Some(Event::End | Event::Error(_))));
        let text = encode(&events, context());
        prop_assert_eq!(text.matches("data: [DONE]").count() + text.matches("data: {\"error\"").count(), 1);
    }
}
