//! Laws and traps of this dialect.

mod corpus;
mod errors;
mod laws;
mod requests;
mod responses;
mod streams;
mod traps;

use serde_json::Value;

use super::*;
use crate::dialects::{Endpoint, Target};
use crate::ir::stream::{BlockStart, Delta};
use crate::ir::{Event, ReplyContext, StopReason};
use crate::sse::{Parser, SseEvent};

/// The body after decoding and encoding for the same model and mode.
fn request_round_trip(body: &[u8]) -> Value {
    let request = decode_request(body, &Endpoint::default()).unwrap();
    let target = Target::new(request.model.as_str().to_owned(), request.stream);
    let mut out = Vec::new();
    let encoded = encode_request(&request, &target, &mut out).unwrap();
    assert!(encoded.losses.is_empty(), "{:?}", encoded.losses);
    parsed(&out)
}

fn response_round_trip(body: &[u8]) -> Value {
    let response = decode_response(body).unwrap();
    let context = ReplyContext {
        model: response.model.as_ref().map(|model| model.as_str().to_owned()).unwrap_or_default(),
        ..ReplyContext::default()
    };
    let mut out = Vec::new();
    encode_response(&response, &context, &mut out);
    parsed(&out)
}

fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(bytes)))
}

/// What a stream says, as a reader of it would keep it.
#[derive(Debug, Default, PartialEq)]
struct Told {
    /// One line a block: its kind and what it holds.
    blocks: Vec<String>,
    /// Texts of the blocks, by index.
    texts: Vec<String>,
    stop: Option<StopReason>,
    usage: Option<crate::ir::Usage<'static>>,
    error: Option<crate::ir::ApiError>,
    terminals: usize,
    events: usize,
}

impl Told {
    /// Blocks and texts; empty texts are not passed on (wire 48).
    fn said(&self) -> Vec<(&str, &str)> {
        let all = self.blocks.iter().map(String::as_str).zip(self.texts.iter().map(String::as_str));
        all.filter(|(kind, text)| *kind != "text" || !text.is_empty()).collect()
    }

    fn hear(&mut self, event: Event<'_>) {
        assert_eq!(self.terminals, 0, "nothing may follow the end: {event:?}");
        self.events += 1;
        match event {
            Event::BlockStart { index, block, .. } => {
                assert_eq!(index as usize, self.blocks.len());
                self.blocks.push(match block {
                    BlockStart::Text => "text".to_owned(),
                    BlockStart::Refusal => "refusal".to_owned(),
                    BlockStart::Reasoning { .. } => "reasoning".to_owned(),
                    BlockStart::ToolUse { id, name, kind } => format!("call {id} {name} {kind:?}"),
                    BlockStart::Image(_) => "image".to_owned(),
                    BlockStart::Opaque { raw, .. } => format!("opaque {}", raw.get()),
                });
                self.texts.push(String::new());
            }
            Event::Delta { index, delta } => {
                let text = &mut self.texts[index as usize];
                match delta {
                    Delta::Text(more) | Delta::Input(more) => text.push_str(&more),
                    Delta::NextPart => text.push('\u{1}'),
                    Delta::Signature(seal) => *text += &["<", seal.issuer.name(), &seal.value, ">"].concat(),
                    Delta::Logprobs { .. } => {}
                    Delta::Citation { raw, .. } => *text += &["[", raw.get(), "]"].concat(),
                }
            }
            Event::Usage(usage) => self.usage = Some(usage.counts()),
            Event::Finish { stop, .. } => self.stop = Some(stop),
            Event::End => self.terminals += 1,
            Event::Error(error) => {
                self.terminals += 1;
                self.error = Some(error);
            }
            Event::Start { .. } | Event::BlockStop { .. } | Event::Ping => {}
        }
    }
}

/// Decodes a stream that comes in `pieces`.
fn told(pieces: &[&[u8]]) -> Told {
    let mut told = Told::default();
    events(pieces, &mut |event| told.hear(event));
    told
}

fn events(pieces: &[&[u8]], sink: &mut dyn FnMut(Event<'_>)) {
    let mut parser = Parser::default();
    let mut decoder = StreamDecoder::default();
    for piece in pieces {
        parser.push(piece, &mut |event| decoder.event(event, sink)).unwrap();
    }
    parser.finish(&mut |event| decoder.event(event, sink));
    decoder.finish(sink);
    assert!(decoder.ended());
}

/// Decodes a stream and encodes it again.
fn stream_round_trip(body: &[u8], context: ReplyContext) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = StreamEncoder::new(context);
    events(&[body], &mut |event| encoder.event(event, &mut out));
    check_stream(&out);
    out
}

/// The events of an encoded stream; checks what every client relies on.
fn check_stream(bytes: &[u8]) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    let mut parser = Parser::default();
    let mut on_event = |event: SseEvent<'_>| {
        let value = parsed(event.data.as_bytes());
        assert_eq!(value["type"], event.name, "both names are equal");
        found.push(value);
    };
    parser.push(bytes, &mut on_event).unwrap();
    parser.finish(&mut on_event);
    for (n, event) in found.iter().enumerate() {
        assert_eq!(event["sequence_number"], n, "numbers are contiguous from 0");
    }
    assert_eq!(found[0]["type"], "response.created");
    let terminals = ["response.completed", "response.incomplete", "response.failed"];
    let ends = found.iter().filter(|event| terminals.iter().any(|name| event["type"] == **name)).count();
    assert_eq!(ends, 1, "one terminal event");
    let last = found.last().unwrap();
    assert!(terminals.iter().any(|name| last["type"] == **name), "{last}");
    assert_eq!(last["response"]["id"], found[0]["response"]["id"]);
    let done: Vec<Value> = found
        .iter()
        .filter(|event| event["type"] == "response.output_item.done")
        .map(|event| event["item"].clone())
        .collect();
    assert_eq!(last["response"]["output"], Value::Array(done.clone()), "the last event repeats every item");
    let added: Vec<&Value> = found.iter().filter(|event| event["type"] == "response.output_item.added").collect();
    for (n, event) in added.iter().enumerate() {
        assert_eq!(event["output_index"], n);
        if let Some(item) = done.get(n) {
            assert_eq!(event["item"]["id"], item["id"]);
        }
    }
    found
}
