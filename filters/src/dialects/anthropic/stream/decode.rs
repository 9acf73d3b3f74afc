//! Server-sent events to the events of the intermediate representation.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::Dialect;
use crate::dialects::anthropic::wire::Tag;
use crate::dialects::anthropic::{decode_error, response, stop, usage};
use crate::ir::stream::{BlockStart, Delta, Event, Guard, Sink, damaged};
use crate::ir::{Signature, ToolUseKind};
use crate::json::{Extra, Raw, Str, Writer};
use crate::sse::SseEvent;
use crate::wire_object;

/// Blocks open at a time; the protocol has one. More are dropped.
const BLOCKS_OPEN_MAX: usize = 64;

/// Citations held of one block; more are dropped.
const CITATIONS_HELD_MAX: usize = 1_024;

wire_object! {
    struct Frame<'a> {
        kind: Str<'a> = "type",
        index: u64 = "index",
        delta: DeltaWire<'a> = "delta",
        block: &'a RawValue = "content_block",
        message: &'a RawValue = "message",
        usage: Raw<'a> = "usage",
        error: &'a RawValue = "error",
    }
}

wire_object! {
    struct DeltaWire<'a> {
        kind: Str<'a> = "type",
        text: Str<'a> = "text",
        thinking: Str<'a> = "thinking",
        signature: Str<'a> = "signature",
        partial_json: Str<'a> = "partial_json",
        citation: Raw<'a> = "citation",
        stop_reason: Str<'a> = "stop_reason",
        stop_sequence: Str<'a> = "stop_sequence",
        stop_details: Raw<'a> = "stop_details",
    }
}

wire_object! {
    struct MessageStart<'a> {
        id: Str<'a> = "id",
        model: Str<'a> = "model",
        usage: Raw<'a> = "usage",
    }
}

wire_object! {
    struct StartWire<'a> {
        kind: Str<'a> = "type",
        text: Str<'a> = "text",
        citations: Raw<'a> = "citations",
        thinking: Str<'a> = "thinking",
        signature: Str<'a> = "signature",
        data: Str<'a> = "data",
        id: Str<'a> = "id",
        name: Str<'a> = "name",
        input: &'a RawValue = "input",
    }
}

/// Reads the provider's events; see [`Event`] for the shape of what it gives.
#[derive(Debug, Default)]
pub struct StreamDecoder {
    guard: Guard,
    /// Open blocks by the provider's index.
    open: BTreeMap<u64, OpenBlock>,
    /// Number of the next block.
    next: u32,
    /// Whether a tool call was seen.
    called: bool,
    /// Usage so far, as the provider wrote it.
    usage: Option<Raw<'static>>,
}

#[derive(Debug)]
enum OpenBlock {
    /// Passed on as it comes, but for the citations: they come before the text, and other dialects say behind it which
    /// part of it they are of.
    Live { index: u32, cited: Vec<Raw<'static>> },
    /// A call whose input may stand whole in its start, as some compatible servers write it.
    Call { index: u32, whole: Option<String> },
    /// Held until complete: its members and the pieces of its input.
    Held { members: Extra<'static>, input: String },
}

impl StreamDecoder {
    /// One event of the provider.
    pub fn event(&mut self, event: SseEvent<'_>, sink: &mut Sink<'_>) {
        let mut frame = match serde_json::from_str::<Frame<'_>>(event.data) {
            Ok(frame) => frame,
            Err(_) if is_error(event) => {
                return self.guard.push(Event::Error(decode_error(500, event.data.as_bytes())), sink);
            }
            Err(error) => {
                if let Some(error) = damaged(event.data, &error) {
                    self.guard.push(Event::Error(error), sink);
                }
                return;
            }
        };
        let kind = frame.kind.take();
        match kind.as_deref().unwrap_or(event.name) {
            "content_block_delta" => self.delta(&mut frame, sink),
            "content_block_start" => self.block_start(&frame, sink),
            "content_block_stop" => self.block_stop(frame.index.unwrap_or(0), sink),
            "message_start" => self.message_start(&frame, sink),
            "message_delta" => self.message_delta(frame, sink),
            "message_stop" => self.message_stop(sink),
            "error" => self.guard.push(Event::Error(decode_error(500, event.data.as_bytes())), sink),
            "ping" => self.guard.push(Event::Ping, sink),
            _ if frame.error.is_some() || is_error(event) => {
                self.guard.push(Event::Error(decode_error(500, event.data.as_bytes())), sink);
            }
            _ => {}
        }
    }

    /// The provider's bytes have ended.
    pub fn finish(&mut self, sink: &mut Sink<'_>) {
        if !self.guard.ended() {
            self.guard.finish(sink);
        }
    }

    /// Whether the terminal event was emitted.
    pub fn ended(&self) -> bool {
        self.guard.ended()
    }

    fn message_start(&mut self, frame: &Frame<'_>, sink: &mut Sink<'_>) {
        let message = frame.message.and_then(|raw| serde_json::from_str::<MessageStart<'_>>(raw.get()).ok());
        let message = message.unwrap_or_default();
        self.guard.push(Event::Start { id: message.id, model: message.model }, sink);
        if let Some(raw) = message.usage {
            self.usage(&raw, sink);
        }
    }

    fn usage(&mut self, raw: &Raw<'_>, sink: &mut Sink<'_>) {
        let merged = usage::merged(self.usage.as_ref(), raw);
        self.guard.push(Event::Usage(usage::decode(merged.reborrow())), sink);
        self.usage = Some(merged);
    }

    fn message_delta(&mut self, frame: Frame<'_>, sink: &mut Sink<'_>) {
        if let Some(raw) = frame.usage {
            self.usage(&raw, sink);
        }
        let delta = frame.delta.unwrap_or_default();
        let Some(word) = delta.stop_reason else { return };
        self.flush_open(sink);
        self.guard.push(
            Event::Finish {
                choice: 0,
                stop: stop::decode(Some(&word), self.called),
                stop_sequence: delta.stop_sequence,
                note: delta.stop_details.as_ref().and_then(response::explanation),
            },
            sink,
        );
    }

    /// Some servers leave the reason out: a call is one by itself.
    fn message_stop(&mut self, sink: &mut Sink<'_>) {
        if !self.guard.finished() {
            self.flush_open(sink);
            let stop = stop::decode(None, self.called);
            self.guard.push(Event::Finish { choice: 0, stop, stop_sequence: None, note: None }, sink);
        }
        self.guard.push(Event::End, sink);
    }

    fn block_start(&mut self, frame: &Frame<'_>, sink: &mut Sink<'_>) {
        let Some(raw) = frame.block.filter(|_| self.open.len() < BLOCKS_OPEN_MAX) else { return };
        let Ok(Tag { kind: Some(kind) }) = serde_json::from_str(raw.get()) else { return };
        let at = frame.index.unwrap_or(0);
        // A start without the stop of its predecessor: that one is complete.
        self.block_stop(at, sink);
        let known = matches!(kind.as_str(), "text" | "thinking" | "redacted_thinking" | "tool_use");
        let wire = if known { serde_json::from_str::<StartWire<'_>>(raw.get()).ok() } else { None };
        let open = match wire {
            Some(wire) => self.known_start(&kind, wire, sink),
            None => serde_json::from_str::<Opaque<'_>>(raw.get())
                .ok()
                .map(|held| OpenBlock::Held { members: held.rest.into_owned(), input: String::new() }),
        };
        if let Some(open) = open {
            self.open.insert(at, open);
        }
    }

    fn known_start(&mut self, kind: &str, wire: StartWire<'_>, sink: &mut Sink<'_>) -> Option<OpenBlock> {
        if kind == "tool_use" {
            // A call without a name can be neither run nor answered.
            let (name, id) = (wire.name.filter(|name| !name.is_empty())?, wire.id.unwrap_or_default());
            let index = self.take_index();
            let id = if id.is_empty() { Str::from(format!("toolu_{index}")) } else { id };
            self.called = true;
            let block = BlockStart::ToolUse { id, name, kind: ToolUseKind::Function };
            self.guard.push(Event::BlockStart { index, choice: 0, block }, sink);
            let whole = wire.input.map(|input| input.get().to_owned()).filter(|input| !is_empty_object(input));
            return Some(OpenBlock::Call { index, whole });
        }
        let index = self.take_index();
        let block = match kind {
            "text" => BlockStart::Text,
            _ => BlockStart::Reasoning { redacted: kind == "redacted_thinking", id: None },
        };
        self.guard.push(Event::BlockStart { index, choice: 0, block }, sink);
        let mut push = |delta| self.guard.push(Event::Delta { index, delta }, sink);
        for text in [wire.text, wire.thinking].into_iter().flatten().filter(|text| !text.is_empty()) {
            push(Delta::Text(text));
        }
        for seal in [wire.signature, wire.data].into_iter().flatten().filter(|seal| !seal.is_empty()) {
            push(Delta::Signature(Signature::from_slot(Dialect::Anthropic, seal)));
        }
        let cited = wire.citations.as_ref().and_then(Raw::read::<Vec<Raw<'_>>>).unwrap_or_default();
        Some(OpenBlock::Live { index, cited: cited.into_iter().map(Raw::into_owned).collect() })
    }

    fn delta(&mut self, frame: &mut Frame<'_>, sink: &mut Sink<'_>) {
        let Some(mut delta) = frame.delta.take() else { return };
        let index = match self.open.get_mut(&frame.index.unwrap_or(0)) {
            None => return,
            Some(OpenBlock::Held { members, input }) => return grow_held(members, input, delta),
            Some(OpenBlock::Call { index, whole }) => {
                let Some(piece) = delta.partial_json.filter(|piece| !piece.is_empty()) else { return };
                // Pieces outrank an input that stood in the start.
                *whole = None;
                return self.guard.push(Event::Delta { index: *index, delta: Delta::Input(piece) }, sink);
            }
            Some(OpenBlock::Live { index, cited }) => {
                if let Some(raw) = delta.citation.take().filter(|_| cited.len() < CITATIONS_HELD_MAX) {
                    cited.push(raw.into_owned());
                }
                *index
            }
        };
        let delta = match delta.kind.as_deref() {
            Some("text_delta") => delta.text.map(Delta::Text),
            Some("thinking_delta") => delta.thinking.map(Delta::Text),
            Some("signature_delta") => delta
                .signature
                .filter(|seal| !seal.is_empty())
                .map(|seal| Delta::Signature(Signature::from_slot(Dialect::Anthropic, seal))),
            _ => None,
        };
        if let Some(delta) = delta {
            self.guard.push(Event::Delta { index, delta }, sink);
        }
    }

    fn block_stop(&mut self, at: u64, sink: &mut Sink<'_>) {
        match self.open.remove(&at) {
            None => {}
            Some(OpenBlock::Live { index, cited }) => {
                for raw in cited {
                    let delta = Delta::Citation { dialect: Dialect::Anthropic, raw };
                    self.guard.push(Event::Delta { index, delta }, sink);
                }
                self.guard.push(Event::BlockStop { index }, sink);
            }
            Some(OpenBlock::Call { index, whole }) => {
                if let Some(input) = whole {
                    self.guard.push(Event::Delta { index, delta: Delta::Input(Str::from(input)) }, sink);
                }
                self.guard.push(Event::BlockStop { index }, sink);
            }
            Some(OpenBlock::Held { members, input }) => {
                let index = self.take_index();
                let block = BlockStart::Opaque { dialect: Dialect::Anthropic, raw: completed(&members, &input) };
                self.guard.push(Event::BlockStart { index, choice: 0, block }, sink);
                self.guard.push(Event::BlockStop { index }, sink);
            }
        }
    }

    /// The answer is complete: so is every block.
    fn flush_open(&mut self, sink: &mut Sink<'_>) {
        while let Some(at) = self.open.keys().next().copied() {
            self.block_stop(at, sink);
        }
    }

    fn take_index(&mut self) -> u32 {
        let index = self.next;
        self.next = self.next.saturating_add(1);
        index
    }
}

wire_object! {
    /// All members of a block that is passed on as it is.
    struct Opaque<'a> {
        nothing: Raw<'a> = "\u{0}",
    }
}

fn is_error(event: SseEvent<'_>) -> bool {
    // Some providers send a bare error, and Google's front ends wrap one in a list.
    event.name == "error" || event.data.trim_start().starts_with("[{\"error\"")
}

fn is_empty_object(text: &str) -> bool {
    text.bytes().filter(|byte| !byte.is_ascii_whitespace()).eq(*b"{}")
}

/// Adds a delta to a held block: pieces of input, citations, or members of an unknown delta by their names.
fn grow_held(members: &mut Extra<'static>, input: &mut String, delta: DeltaWire<'_>) {
    if let Some(piece) = delta.partial_json {
        return input.push_str(&piece);
    }
    let texts = [("text", delta.text), ("thinking", delta.thinking), ("signature", delta.signature)];
    let texts = texts.into_iter().filter_map(|(key, text)| Some((key.to_owned(), Raw::from_value(&text?.as_str())?)));
    let rest = delta.rest.0.into_iter().map(|(key, value)| (key.0.into_owned(), value.into_owned()));
    for (key, value) in texts.chain(rest).filter(|(key, _)| key != "type") {
        let earlier = members.take(&key);
        let both = earlier.as_ref().and_then(Raw::read::<Str<'_>>).zip(value.read::<Str<'_>>());
        let joined = both.and_then(|(earlier, later)| Raw::from_value(&format!("{earlier}{later}")));
        members.push(key, joined.unwrap_or(value));
    }
}

/// The held block with its input put in.
fn completed(members: &Extra<'_>, input: &str) -> Raw<'static> {
    let mut text = Vec::new();
    Writer::new(&mut text).object(|w| {
        let input = Raw::parse(input);
        for (key, value) in members.iter() {
            w.key(key).raw(input.as_ref().filter(|_| key == "input").unwrap_or(value));
        }
    });
    let whole = String::from_utf8(text).ok().and_then(Raw::from_string);
    whole.unwrap_or(Raw::NULL)
}
