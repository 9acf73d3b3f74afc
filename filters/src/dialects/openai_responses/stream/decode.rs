//! Server-sent events to events.
//!
//! Deltas are passed on as they come; `…done` events and `output_item.done` only add what no delta told, because some
//! servers send nothing else. Items of kinds that only this dialect knows are told when they are whole.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialects::openai_responses::items::{self, Item, Side};
use crate::dialects::openai_responses::response::stop_reason;
use crate::dialects::openai_responses::wire::{Content, MessageWire, keep, read};
use crate::dialects::openai_responses::{DIALECT, error, namespaces, usage};
use crate::ir::stream::{BlockStart, Delta, Guard, Sink, damaged};
use crate::ir::{ApiError, Block, BlockKind, ErrorKind, Event, ToolUse, ToolUseKind};
use crate::json::{Raw, Str};
use crate::sse::SseEvent;

/// Items one answer may have; agents' answers stay below 100.
const ITEMS_MAX: usize = 4_096;

/// Parts one message may have.
const PARTS_MAX: usize = 1_024;

/// Any event of the protocol.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Str<'a>>,
    #[serde(default)]
    output_index: Option<u32>,
    #[serde(default)]
    content_index: Option<u32>,
    #[serde(default)]
    summary_index: Option<u32>,
    #[serde(borrow, default)]
    delta: Option<Str<'a>>,
    #[serde(borrow, default)]
    text: Option<Str<'a>>,
    #[serde(borrow, default)]
    refusal: Option<Str<'a>>,
    #[serde(borrow, default)]
    arguments: Option<Str<'a>>,
    #[serde(borrow, default)]
    input: Option<Str<'a>>,
    #[serde(borrow, default)]
    item: Option<&'a RawValue>,
    #[serde(borrow, default)]
    part: Option<&'a RawValue>,
    #[serde(borrow, default)]
    annotation: Option<&'a RawValue>,
    #[serde(borrow, default)]
    logprobs: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// What of a `response` object is read in a stream.
#[derive(Default, Deserialize)]
struct Snapshot<'a> {
    #[serde(borrow, default)]
    id: Option<Str<'a>>,
    #[serde(borrow, default)]
    model: Option<Str<'a>>,
    #[serde(borrow, default)]
    status: Option<Str<'a>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    incomplete_details: Option<&'a RawValue>,
    #[serde(borrow, default)]
    output: Option<Vec<&'a RawValue>>,
}

/// Reads the provider's events.
#[derive(Debug, Default)]
pub struct StreamDecoder {
    guard: Guard,
    /// Items by `output_index`.
    items: BTreeMap<u32, Progress>,
    /// Index of the next block.
    next: u32,
    called: bool,
    refused: bool,
}

/// How far an item has been told.
#[derive(Debug)]
enum Progress {
    /// A message: its parts by `content_index`.
    Message(BTreeMap<u32, Part>),
    /// A call, begun as this block; `None` before its name is known.
    Call { block: Option<u32>, input: bool },
    /// Reasoning, begun as this block.
    Reasoning { block: u32, told: Option<(Words, u32)>, parts: usize },
    /// An item of another kind, told when it is done.
    Other,
    /// All told.
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Words {
    Summary,
    Content,
}

#[derive(Debug)]
struct Part {
    block: u32,
    told: bool,
    open: bool,
    annotations: usize,
    /// Whether log probabilities were told.
    weighed: bool,
}

impl StreamDecoder {
    /// One SSE event of the provider → IR events. The output always has the guarded shape.
    pub fn event(&mut self, event: SseEvent<'_>, sink: &mut Sink<'_>) {
        if self.guard.ended() || event.data == "[DONE]" {
            return;
        }
        let envelope = match serde_json::from_str::<Envelope<'_>>(event.data) {
            Ok(envelope) => envelope,
            Err(error) => return self.unread(event, &error, sink),
        };
        let kind = envelope.kind.as_deref().unwrap_or(event.name);
        let at = envelope.output_index.unwrap_or(0);
        let part_at = envelope.content_index.unwrap_or(0);
        match kind {
            "response.output_text.delta" => {
                self.text(at, part_at, BlockStart::Text, envelope.delta, false, sink);
                self.logprobs(at, part_at, envelope.logprobs.map(keep), false, sink);
            }
            "response.output_text.done" => {
                self.text(at, part_at, BlockStart::Text, envelope.text, true, sink);
                self.logprobs(at, part_at, envelope.logprobs.map(keep), true, sink);
            }
            "response.refusal.delta" => self.text(at, part_at, BlockStart::Refusal, envelope.delta, false, sink),
            "response.refusal.done" => self.text(at, part_at, BlockStart::Refusal, envelope.refusal, true, sink),
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                self.input(at, envelope.delta, false, sink);
            }
            "response.function_call_arguments.done" => self.input(at, envelope.arguments, true, sink),
            "response.custom_tool_call_input.done" => self.input(at, envelope.input, true, sink),
            "response.reasoning_summary_part.added" => {
                self.thought(at, Words::Summary, envelope.summary_index.unwrap_or(0), None, false, sink);
            }
            "response.reasoning_summary_text.delta" => {
                self.thought(at, Words::Summary, envelope.summary_index.unwrap_or(0), envelope.delta, false, sink);
            }
            "response.reasoning_text.delta" => {
                self.thought(at, Words::Content, part_at, envelope.delta, false, sink);
            }
            "response.content_part.added" => self.part_added(at, part_at, envelope.part, sink),
            "response.content_part.done" => self.part_done(at, part_at, envelope.part, sink),
            "response.output_text.annotation.added" => self.annotation(at, part_at, envelope.annotation, sink),
            "response.output_item.added" => {
                if let Some(item) = envelope.item {
                    self.item_added(at, item, sink);
                }
            }
            "response.output_item.done" => {
                if let Some(item) = envelope.item {
                    self.item_done(at, item, sink);
                }
            }
            "response.created" | "response.in_progress" | "response.queued" => {
                let snapshot = snapshot(envelope.response);
                self.guard.push(Event::Start { id: snapshot.id, model: snapshot.model }, sink);
            }
            "response.completed" | "response.incomplete" => self.complete(envelope.response, sink),
            "response.failed" | "response.cancelled" => self.failed(kind, event.data, envelope.response, sink),
            "error" => self.fail(event.data, sink),
            _ if envelope.error.is_some() && envelope.kind.is_none() => self.fail(event.data, sink),
            _ => self.guard.push(Event::Ping, sink),
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

    /// An event whose members have other types than expected: an error in a foreign form, or nothing.
    fn unread(&mut self, event: SseEvent<'_>, why: &serde_json::Error, sink: &mut Sink<'_>) {
        if let Some(error) = damaged(event.data, why) {
            return self.guard.push(Event::Error(error), sink);
        }
        let Ok(value) = serde_json::from_str::<serde_json::Value>(event.data) else { return };
        let first = value.get(0).unwrap_or(&value);
        let kind = first.get("type").and_then(serde_json::Value::as_str).unwrap_or(event.name);
        let is_error =
            kind == "error" || kind == "response.failed" || (kind.is_empty() && first.get("error").is_some());
        if is_error {
            self.guard.push(Event::Error(error::from_value(200, first)), sink);
        }
    }

    fn fail(&mut self, data: &str, sink: &mut Sink<'_>) {
        self.guard.push(Event::Error(error::decode_error(200, data.as_bytes())), sink);
    }

    fn failed(&mut self, kind: &str, data: &str, response: Option<&RawValue>, sink: &mut Sink<'_>) {
        if let Some(usage) = snapshot(response).usage {
            self.guard.push(Event::Usage(usage::decode(usage)), sink);
        }
        if kind == "response.cancelled" {
            let error = ApiError::new(ErrorKind::Cancelled, "the answer was cancelled");
            return self.guard.push(Event::Error(error), sink);
        }
        self.fail(data, sink);
    }

    fn complete(&mut self, response: Option<&RawValue>, sink: &mut Sink<'_>) {
        let snapshot = snapshot(response);
        if self.items.is_empty() {
            self.guard.push(Event::Start { id: snapshot.id, model: snapshot.model }, sink);
            // Some servers tell the whole answer here only.
            for (at, item) in snapshot.output.unwrap_or_default().into_iter().take(ITEMS_MAX).enumerate() {
                self.item_done(at as u32, item, sink);
            }
        }
        if let Some(usage) = snapshot.usage {
            self.guard.push(Event::Usage(usage::decode(usage)), sink);
        }
        let details = snapshot.incomplete_details.map(keep);
        let stop = stop_reason(snapshot.status.as_deref(), details.as_ref(), self.called, self.refused);
        self.guard.push(Event::Finish { choice: 0, stop, stop_sequence: None, note: None }, sink);
        self.guard.push(Event::End, sink);
    }

    fn begin(&mut self, block: BlockStart<'_>, sink: &mut Sink<'_>) -> u32 {
        let index = self.next;
        self.next = self.next.saturating_add(1);
        match &block {
            BlockStart::ToolUse { .. } => self.called = true,
            BlockStart::Refusal => self.refused = true,
            _ => {}
        }
        self.guard.push(Event::BlockStart { index, choice: 0, block }, sink);
        index
    }

    fn delta(&mut self, index: u32, delta: Delta<'_>, sink: &mut Sink<'_>) {
        self.guard.push(Event::Delta { index, delta }, sink);
    }

    /// Whether one more item may be kept; else the stream is given up.
    fn admits(&mut self, sink: &mut Sink<'_>) -> bool {
        let fits = self.items.len() < ITEMS_MAX;
        if !fits {
            let error =
                ApiError::new(ErrorKind::BadGateway, format!("the provider's answer has over {ITEMS_MAX} items"));
            self.guard.push(Event::Error(error), sink);
        }
        fits
    }

    /// The part of a message, begun if it was not.
    fn part(&mut self, at: u32, part_at: u32, block: BlockStart<'_>, sink: &mut Sink<'_>) -> Option<&mut Part> {
        if !self.items.contains_key(&at) {
            if !self.admits(sink) {
                return None;
            }
            self.items.insert(at, Progress::Message(BTreeMap::new()));
        }
        let known = match self.items.get(&at) {
            Some(Progress::Message(parts)) if parts.len() < PARTS_MAX || parts.contains_key(&part_at) => {
                parts.contains_key(&part_at)
            }
            _ => return None,
        };
        if !known {
            let part = Part { block: self.begin(block, sink), told: false, open: true, annotations: 0, weighed: false };
            if let Some(Progress::Message(parts)) = self.items.get_mut(&at) {
                parts.insert(part_at, part);
            }
        }
        match self.items.get_mut(&at) {
            Some(Progress::Message(parts)) => parts.get_mut(&part_at),
            _ => None,
        }
    }

    /// More text of a part; the whole of it when `whole`, which counts only if nothing came before.
    fn text(
        &mut self,
        at: u32,
        part_at: u32,
        block: BlockStart<'_>,
        text: Option<Str<'_>>,
        whole: bool,
        sink: &mut Sink<'_>,
    ) {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return };
        let Some(part) = self.part(at, part_at, block, sink) else { return };
        if !part.open || (whole && part.told) {
            return;
        }
        part.told = true;
        let index = part.block;
        self.delta(index, Delta::Text(text), sink);
    }

    /// Log probabilities of the text that was told just now; of the whole of it when `whole`.
    fn logprobs(&mut self, at: u32, part_at: u32, raw: Option<Raw<'_>>, whole: bool, sink: &mut Sink<'_>) {
        let filled = |raw: &Raw<'_>| raw.read::<Vec<&RawValue>>().is_some_and(|list| !list.is_empty());
        let Some(raw) = raw.filter(filled) else { return };
        let Some(part) = self.part(at, part_at, BlockStart::Text, sink) else { return };
        if !part.open || (whole && part.weighed) {
            return;
        }
        part.weighed = true;
        let index = part.block;
        self.delta(index, Delta::Logprobs { dialect: DIALECT, raw }, sink);
    }

    fn part_added(&mut self, at: u32, part_at: u32, part: Option<&RawValue>, sink: &mut Sink<'_>) {
        if let Some(start) = part.and_then(part_start) {
            self.part(at, part_at, start, sink);
        }
    }

    fn part_done(&mut self, at: u32, part_at: u32, part: Option<&RawValue>, sink: &mut Sink<'_>) {
        let Some(value) = part else { return };
        self.read_part(at, part_at, value, sink);
    }

    /// Tells a part that is whole. One of an unknown kind is told, too, as a message of its own.
    fn read_part(&mut self, at: u32, part_at: u32, value: &RawValue, sink: &mut Sink<'_>) {
        match items::part(value, Side::Output, format_args!("part")) {
            Ok(block) if matches!(block.kind, BlockKind::Text { .. } | BlockKind::Refusal { .. }) => {
                self.whole_part(at, part_at, block, sink);
            }
            _ => self.unknown_part(at, part_at, value, sink),
        }
    }

    fn unknown_part(&mut self, at: u32, part_at: u32, value: &RawValue, sink: &mut Sink<'_>) {
        let is_known = matches!(self.items.get(&at), Some(Progress::Message(parts)) if parts.contains_key(&part_at));
        let message = format!(
            r#"{{"id":"msg_part_{at}_{part_at}","type":"message","status":"completed","role":"assistant","content":[{}]}}"#,
            value.get()
        );
        let Some(raw) = Raw::from_string(message).filter(|_| !is_known) else { return };
        let Some(part) = self.part(at, part_at, BlockStart::Opaque { dialect: DIALECT, raw }, sink) else { return };
        part.open = false;
        let index = part.block;
        self.guard.push(Event::BlockStop { index }, sink);
    }

    /// Tells what is not yet told of a part, and closes it.
    fn whole_part(&mut self, at: u32, part_at: u32, block: Block<'_>, sink: &mut Sink<'_>) {
        let mut extra = block.extra;
        let (start, text, citations) = match block.kind {
            BlockKind::Text { text, citations } => (BlockStart::Text, text, citations),
            BlockKind::Refusal { text } => (BlockStart::Refusal, text, None),
            _ => return,
        };
        let Some(part) = self.part(at, part_at, start.clone(), sink) else { return };
        if !part.open {
            return;
        }
        let (index, told, annotated) = (part.block, part.told, part.annotations);
        if !told && !text.is_empty() {
            self.delta(index, Delta::Text(text), sink);
        }
        self.logprobs(at, part_at, extra.take("\0logprobs"), true, sink);
        if let Some(Progress::Message(parts)) = self.items.get_mut(&at)
            && let Some(part) = parts.get_mut(&part_at)
        {
            part.open = false;
        }
        let list: Vec<Raw<'_>> = citations.as_ref().and_then(Raw::read).unwrap_or_default();
        for raw in list.into_iter().skip(annotated) {
            self.delta(index, Delta::Citation { dialect: DIALECT, raw }, sink);
        }
        self.guard.push(Event::BlockStop { index }, sink);
    }

    fn annotation(&mut self, at: u32, part_at: u32, annotation: Option<&RawValue>, sink: &mut Sink<'_>) {
        let Some(value) = annotation else { return };
        let Some(part) = self.part(at, part_at, BlockStart::Text, sink) else { return };
        part.annotations += 1;
        let index = part.block;
        self.delta(index, Delta::Citation { dialect: DIALECT, raw: keep(value) }, sink);
    }

    fn input(&mut self, at: u32, text: Option<Str<'_>>, whole: bool, sink: &mut Sink<'_>) {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return };
        let Some(Progress::Call { block: Some(block), input }) = self.items.get_mut(&at) else { return };
        if whole && *input {
            return;
        }
        *input = true;
        let index = *block;
        self.delta(index, Delta::Input(text), sink);
    }

    /// More of a thought: text of part `n` of the summary or of the content.
    fn thought(&mut self, at: u32, words: Words, n: u32, text: Option<Str<'_>>, whole: bool, sink: &mut Sink<'_>) {
        if !self.items.contains_key(&at) {
            if !self.admits(sink) {
                return;
            }
            let block = self.begin(BlockStart::Reasoning { redacted: false, id: None }, sink);
            self.items.insert(at, Progress::Reasoning { block, told: None, parts: 0 });
        }
        let Some(Progress::Reasoning { block, told, parts }) = self.items.get_mut(&at) else { return };
        let index = *block;
        let begins = told.is_some_and(|last| last != (words, n));
        if begins || told.is_none() {
            *parts += 1;
        }
        *told = Some((words, n));
        if begins {
            self.delta(index, Delta::NextPart, sink);
        }
        if let Some(text) = text.filter(|text| whole || !text.is_empty()) {
            self.delta(index, Delta::Text(text), sink);
        }
    }

    fn item_added(&mut self, at: u32, value: &RawValue, sink: &mut Sink<'_>) {
        if self.items.contains_key(&at) || !self.admits(sink) {
            return;
        }
        let seed: Seed<'_> = serde_json::from_str(value.get()).unwrap_or_default();
        let progress = match seed.kind.as_deref() {
            Some("message") => Progress::Message(BTreeMap::new()),
            Some("reasoning") => {
                let block = self.begin(BlockStart::Reasoning { redacted: false, id: seed.id }, sink);
                Progress::Reasoning { block, told: None, parts: 0 }
            }
            Some("function_call") => self.call_added(seed, ToolUseKind::Function, sink),
            Some("custom_tool_call") => self.call_added(seed, ToolUseKind::Custom, sink),
            _ => Progress::Other,
        };
        self.items.insert(at, progress);
    }

    fn call_added(&mut self, seed: Seed<'_>, kind: ToolUseKind, sink: &mut Sink<'_>) -> Progress {
        let id = seed.call_id.filter(|id| !id.is_empty()).or(seed.id.filter(|id| !id.is_empty()));
        let block = match (id, seed.name.filter(|name| !name.is_empty())) {
            (Some(id), Some(name)) => {
                let namespace: Option<Str<'_>> = seed.namespace.and_then(|word| serde_json::from_str(word.get()).ok());
                let name = match namespace {
                    Some(namespace) => namespaces::of_answer(&namespace, name),
                    None => name,
                };
                Some(self.begin(BlockStart::ToolUse { id, name, kind }, sink))
            }
            // Its name comes when it is done.
            _ => None,
        };
        Progress::Call { block, input: false }
    }

    /// An item is whole: what it says and no event said before is told now.
    fn item_done(&mut self, at: u32, value: &RawValue, sink: &mut Sink<'_>) {
        if !self.items.contains_key(&at) && !self.admits(sink) {
            return;
        }
        match items::item(value, format_args!("item")) {
            Ok(Item::Message(message)) => self.message_done(at, message, sink),
            Ok(Item::Block(Block { kind: BlockKind::ToolUse(call), .. })) => self.call_done(at, call, sink),
            Ok(Item::Block(block)) if matches!(block.kind, BlockKind::Reasoning(_)) => {
                self.reasoning_done(at, block, sink);
            }
            Ok(Item::Block(Block { kind: BlockKind::Image(media), .. }))
                if matches!(self.items.get(&at), None | Some(Progress::Other)) =>
            {
                let index = self.begin(BlockStart::Image(media), sink);
                self.guard.push(Event::BlockStop { index }, sink);
            }
            _ => {
                let told = match self.items.get(&at) {
                    Some(Progress::Message(parts)) => !parts.is_empty(),
                    Some(Progress::Call { block, .. }) => block.is_some(),
                    Some(Progress::Done | Progress::Reasoning { .. }) => true,
                    Some(Progress::Other) | None => false,
                };
                if !told {
                    let index = self.begin(BlockStart::Opaque { dialect: DIALECT, raw: keep(value) }, sink);
                    self.guard.push(Event::BlockStop { index }, sink);
                }
            }
        }
        self.close(at, sink);
    }

    /// Closes what is open of an item.
    fn close(&mut self, at: u32, sink: &mut Sink<'_>) {
        match self.items.insert(at, Progress::Done) {
            Some(Progress::Message(parts)) => {
                for part in parts.into_values().filter(|part| part.open) {
                    self.guard.push(Event::BlockStop { index: part.block }, sink);
                }
            }
            Some(Progress::Call { block: Some(index), .. } | Progress::Reasoning { block: index, .. }) => {
                self.guard.push(Event::BlockStop { index }, sink);
            }
            _ => {}
        }
    }

    fn message_done(&mut self, at: u32, message: MessageWire<'_>, sink: &mut Sink<'_>) {
        match message.content {
            Some(Content::Text(text)) => self.whole_part(at, 0, Block::text(text), sink),
            Some(Content::List(list)) => {
                for (n, value) in list.into_iter().enumerate() {
                    self.read_part(at, n as u32, value, sink);
                }
            }
            None => {}
        }
    }

    fn call_done(&mut self, at: u32, call: ToolUse<'_>, sink: &mut Sink<'_>) {
        match self.items.get(&at) {
            None | Some(Progress::Other | Progress::Call { block: None, .. }) => {
                let start = BlockStart::ToolUse { id: call.id, name: call.name, kind: call.kind };
                let block = Some(self.begin(start, sink));
                self.items.insert(at, Progress::Call { block, input: false });
            }
            _ => {}
        }
        self.input(at, Some(call.input), true, sink);
    }

    fn reasoning_done(&mut self, at: u32, block: Block<'_>, sink: &mut Sink<'_>) {
        let BlockKind::Reasoning(reasoning) = block.kind else { return };
        if matches!(self.items.get(&at), None | Some(Progress::Other)) {
            let start = BlockStart::Reasoning { redacted: reasoning.redacted, id: reasoning.id };
            let block = self.begin(start, sink);
            self.items.insert(at, Progress::Reasoning { block, told: None, parts: 0 });
        }
        let Some(Progress::Reasoning { block: index, told, parts }) = self.items.get(&at) else { return };
        let (index, parts) = (*index, *parts);
        // The summary stands first in an item that is whole, so what no event told are the parts behind it.
        if !told.is_some_and(|(words, _)| words == Words::Content) {
            for (n, text) in reasoning.text.into_iter().enumerate().skip(parts) {
                self.thought(at, Words::Summary, n as u32, Some(text), true, sink);
            }
        }
        if let Some(signature) = block.signature {
            self.delta(index, Delta::Signature(signature), sink);
        }
    }
}

/// What is known of an item when it begins.
#[derive(Default, Deserialize)]
struct Seed<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Str<'a>>,
    #[serde(borrow, default)]
    id: Option<Str<'a>>,
    #[serde(borrow, default)]
    call_id: Option<Str<'a>>,
    #[serde(borrow, default)]
    name: Option<Str<'a>>,
    #[serde(borrow, default)]
    namespace: Option<&'a RawValue>,
}

fn part_start(part: &RawValue) -> Option<BlockStart<'static>> {
    let seed: Seed<'_> = read(part.get(), format_args!("part")).ok()?;
    match seed.kind.as_deref() {
        Some("output_text" | "text") => Some(BlockStart::Text),
        Some("refusal") => Some(BlockStart::Refusal),
        _ => None,
    }
}

fn snapshot(response: Option<&RawValue>) -> Snapshot<'_> {
    response.and_then(|response| serde_json::from_str(response.get()).ok()).unwrap_or_default()
}
