//! Chunks to events.

use std::collections::BTreeMap;

use super::partial::{Arguments, PartialArg};
use crate::Dialect;
use crate::dialects::gemini::wire::{CandidateWire, FeedbackWire, PartWire, ResponseWire};
use crate::dialects::gemini::{error, part, response, stop, usage};
use crate::ir::stream::{BlockStart, Delta, Guard, Sink, damaged};
use crate::ir::{ApiError, Block, BlockKind, ErrorKind, Event, Signature, StopReason, ToolUseKind};
use crate::json::{Num, Raw, Str, Writer};
use crate::sse::SseEvent;

/// Candidates that one stream may have.
const CHOICES_MAX: usize = 64;

/// Reads a stream of Gemini's.
#[derive(Debug, Default)]
pub struct StreamDecoder {
    guard: Guard,
    state: State,
}

#[derive(Debug, Default)]
struct State {
    /// The answer's id, for ids of calls.
    id: Option<String>,
    started: bool,
    next_index: u32,
    calls: u32,
    choices: BTreeMap<u32, ChoiceState>,
}

#[derive(Debug, Default)]
struct ChoiceState {
    open: Option<Open>,
    called: bool,
    /// Whether any part came.
    said: bool,
    /// Whether a part came that is no thought.
    answered: bool,
}

/// The block that grows.
#[derive(Debug)]
enum Open {
    Text(u32),
    Thought(u32),
    /// A call whose arguments come value by value.
    Call(u32, Arguments),
}

/// Passes events through the guard.
struct Out<'g, 's, 'k> {
    guard: &'g mut Guard,
    sink: &'s mut Sink<'k>,
}

impl Out<'_, '_, '_> {
    fn push(&mut self, event: Event<'_>) {
        self.guard.push(event, self.sink);
    }

    fn unread(&mut self, data: &str, why: &serde_json::Error) {
        if let Some(error) = damaged(data, why) {
            self.push(Event::Error(error));
        }
    }
}

impl StreamDecoder {
    /// One event of the provider. Data that is no JSON at all is skipped: what follows may still be whole.
    pub fn event(&mut self, event: SseEvent<'_>, sink: &mut Sink<'_>) {
        let data = event.data.trim();
        let mut out = Out { guard: &mut self.guard, sink };
        if data.starts_with('[') {
            // Without `alt=sse` a stream is one array, and errors come in arrays at times.
            match serde_json::from_str::<Vec<ResponseWire<'_>>>(data) {
                Ok(chunks) => {
                    for chunk in chunks {
                        self.state.chunk(chunk, &mut out);
                    }
                }
                Err(error) => out.unread(data, &error),
            }
            return;
        }
        match serde_json::from_str::<ResponseWire<'_>>(data) {
            Ok(chunk) => self.state.chunk(chunk, &mut out),
            Err(error) => out.unread(data, &error),
        }
    }

    /// The provider's bytes have ended.
    pub fn finish(&mut self, sink: &mut Sink<'_>) {
        let mut out = Out { guard: &mut self.guard, sink };
        for choice in self.state.choices.values_mut() {
            close(choice, &mut out);
        }
        self.guard.finish(sink);
    }

    /// Whether the terminal event was emitted.
    pub fn ended(&self) -> bool {
        self.guard.ended()
    }
}

impl State {
    fn chunk(&mut self, chunk: ResponseWire<'_>, out: &mut Out<'_, '_, '_>) {
        if let Some(raw) = &chunk.error {
            let body = format!("{{\"error\":{}}}", raw.get());
            return out.push(Event::Error(error::decode_error(0, body.as_bytes())));
        }
        if !std::mem::replace(&mut self.started, true) {
            self.id = chunk.id.as_deref().map(str::to_owned);
            out.push(Event::Start { id: chunk.id, model: chunk.model });
        }
        if let Some(counts) = chunk.usage.map(usage::decode).filter(usage::counts) {
            out.push(Event::Usage(counts));
        }
        let candidates = chunk.candidates.unwrap_or_default();
        if candidates.is_empty()
            && let Some(feedback) = chunk.feedback.as_ref().and_then(Raw::read::<FeedbackWire<'_>>)
            && let Some(reason) = feedback.reason
        {
            let note = stop::explain("The prompt", &reason, feedback.message.as_deref());
            return self.refuse(0, &note, out);
        }
        for (at, candidate) in candidates.into_iter().enumerate() {
            self.candidate(candidate, at, out);
        }
    }

    fn candidate(&mut self, wire: CandidateWire<'_>, at: usize, out: &mut Out<'_, '_, '_>) {
        let number = wire.index.as_ref().and_then(Num::as_u64).and_then(|index| u32::try_from(index).ok());
        let number = number.unwrap_or(at as u32);
        if self.choices.len() >= CHOICES_MAX && !self.choices.contains_key(&number) {
            return;
        }
        for part in wire.content.and_then(|content| content.parts).map_or_else(Vec::new, |parts| parts.items) {
            self.part(number, part, out);
        }
        for key in ["groundingMetadata", "citationMetadata", "urlContextMetadata"] {
            if let Some(value) = wire.rest.get(key).filter(|value| !value.is_null()) {
                self.cite(number, key, value, out);
            }
        }
        if let Some(value) = wire.rest.get("logprobsResult").filter(|value| !value.is_null()) {
            let delta = Delta::Logprobs { dialect: Dialect::Gemini, raw: value.reborrow() };
            let index = self.text_block(number, out);
            out.push(Event::Delta { index, delta });
        }
        let Some(reason) = wire.finish else { return };
        let nothing = self.choices.values().all(|choice| !choice.answered);
        let choice = self.choices.entry(number).or_default();
        close(choice, out);
        let stop = stop::decode(&reason, choice.called);
        let message: Option<String> = wire.rest.get("finishMessage").and_then(Raw::read);
        if stop == StopReason::Refusal && !choice.said {
            let note = stop::explain("The answer", &reason, message.as_deref());
            return self.refuse(number, &note, out);
        }
        if stop == StopReason::Malformed && nothing {
            // It fails, so that it is asked for again: an empty answer would look like a good one.
            let message = stop::broken_call(&reason, message.as_deref());
            return out.push(Event::Error(ApiError::new(ErrorKind::BadGateway, message)));
        }
        out.push(Event::Finish { choice: number, stop, stop_sequence: None, note: message.map(Str::from) });
    }

    /// An answer that was held back whole: its explanation is all that there is to show.
    fn refuse(&mut self, choice: u32, note: &str, out: &mut Out<'_, '_, '_>) {
        let index = self.start(choice, BlockStart::Refusal, out);
        out.push(Event::Delta { index, delta: Delta::Text(Str::from(note)) });
        out.push(Event::BlockStop { index });
        let note = Some(Str::from(note));
        out.push(Event::Finish { choice, stop: StopReason::Refusal, stop_sequence: None, note });
    }

    fn start(&mut self, choice: u32, block: BlockStart<'_>, out: &mut Out<'_, '_, '_>) -> u32 {
        let index = self.next_index;
        self.next_index += 1;
        out.push(Event::BlockStart { index, choice, block });
        index
    }

    fn part(&mut self, number: u32, mut wire: PartWire<'_>, out: &mut Out<'_, '_, '_>) {
        if let Some(call) = &mut wire.call {
            let pieces = call.rest.take("partialArgs");
            let more = call.rest.take("willContinue").is_some_and(|value| value == Raw::TRUE);
            let growing = matches!(self.choice(number).open, Some(Open::Call(..)));
            if pieces.is_some() || more || (call.name.is_none() && growing) {
                return self.call_piece(number, wire, pieces.as_ref(), more, out);
            }
        }
        let Ok(block) = part::block(wire) else { return };
        match block.kind {
            BlockKind::Text { text, .. } => self.text(number, text, false, block.signature, out),
            BlockKind::Reasoning(mut reasoning) => {
                let text = reasoning.text.pop().unwrap_or_default();
                self.text(number, text, true, block.signature, out);
            }
            _ => self.whole(number, block, out),
        }
    }

    fn choice(&mut self, number: u32) -> &mut ChoiceState {
        self.choices.entry(number).or_default()
    }

    /// Text or a thought. A sealed part is a block of its own.
    fn text(
        &mut self,
        number: u32,
        text: Str<'_>,
        thought: bool,
        seal: Option<Signature<'_>>,
        out: &mut Out<'_, '_, '_>,
    ) {
        if text.is_empty() && seal.is_none() {
            return;
        }
        let choice = self.choice(number);
        choice.said = true;
        choice.answered |= !thought && !text.is_empty();
        let open = match &choice.open {
            Some(Open::Text(index)) if !thought && seal.is_none() => Some(*index),
            Some(Open::Thought(index)) if thought && seal.is_none() => Some(*index),
            _ => None,
        };
        let index = if let Some(index) = open {
            index
        } else {
            close(choice, out);
            let block = if thought { BlockStart::Reasoning { redacted: false, id: None } } else { BlockStart::Text };
            self.start(number, block, out)
        };
        if !text.is_empty() {
            out.push(Event::Delta { index, delta: Delta::Text(text) });
        }
        if let Some(seal) = seal {
            out.push(Event::Delta { index, delta: Delta::Signature(seal) });
            out.push(Event::BlockStop { index });
        } else {
            self.choice(number).open = Some(if thought { Open::Thought(index) } else { Open::Text(index) });
        }
    }

    /// A block that comes whole.
    fn whole(&mut self, number: u32, block: Block<'_>, out: &mut Out<'_, '_, '_>) {
        let choice = self.choice(number);
        (choice.said, choice.answered) = (true, true);
        close(choice, out);
        let index = match block.kind {
            BlockKind::ToolUse(call) => {
                let id = if call.id.is_empty() { self.call_id(&call.name) } else { call.id };
                let index = self.begin_call(number, id, call.name, out);
                let input = if call.input.is_empty() { Str::from("{}") } else { call.input };
                out.push(Event::Delta { index, delta: Delta::Input(input) });
                index
            }
            // One event serves all media: the MIME type tells them apart.
            BlockKind::Image(media) | BlockKind::Audio(media) | BlockKind::Video(media) | BlockKind::File(media) => {
                self.start(number, BlockStart::Image(media), out)
            }
            kind => {
                let Some(raw) = raw_part(Block { kind, ..Block::new(BlockKind::Refusal { text: Str::default() }) })
                else {
                    return;
                };
                self.start(number, BlockStart::Opaque { dialect: Dialect::Gemini, raw }, out)
            }
        };
        if let Some(seal) = block.signature {
            out.push(Event::Delta { index, delta: Delta::Signature(seal) });
        }
        out.push(Event::BlockStop { index });
    }

    fn call_id(&mut self, name: &str) -> Str<'static> {
        Str::from(response::call_id(self.id.as_deref(), self.calls, name))
    }

    fn begin_call(&mut self, number: u32, id: Str<'_>, name: Str<'_>, out: &mut Out<'_, '_, '_>) -> u32 {
        self.calls += 1;
        self.choice(number).called = true;
        self.start(number, BlockStart::ToolUse { id, name, kind: ToolUseKind::Function }, out)
    }

    /// A piece of a call: the first has the name, the last says that nothing follows.
    fn call_piece(
        &mut self,
        number: u32,
        wire: PartWire<'_>,
        pieces: Option<&Raw<'_>>,
        more: bool,
        out: &mut Out<'_, '_, '_>,
    ) {
        let Some(call) = wire.call else { return };
        if let Some(name) = call.name {
            let choice = self.choice(number);
            (choice.said, choice.answered) = (true, true);
            close(choice, out);
            let id = call.id.filter(|id| !id.is_empty()).unwrap_or_else(|| self.call_id(&name));
            let index = self.begin_call(number, id, name, out);
            self.choice(number).open = Some(Open::Call(index, Arguments::default()));
        }
        let choice = self.choice(number);
        let Some(Open::Call(index, arguments)) = &mut choice.open else { return };
        for piece in pieces.and_then(Raw::read::<Vec<PartialArg<'_>>>).unwrap_or_default() {
            arguments.add(&piece);
        }
        if let Some(slot) = wire.signature {
            let seal = Signature::from_slot(Dialect::Gemini, slot);
            out.push(Event::Delta { index: *index, delta: Delta::Signature(seal) });
        }
        if !more {
            close(choice, out);
        }
    }

    /// Sources of the text so far.
    fn cite(&mut self, number: u32, key: &str, value: &Raw<'_>, out: &mut Out<'_, '_, '_>) {
        let index = self.text_block(number, out);
        if let Some(raw) = Raw::from_string(format!("{{\"{key}\":{}}}", value.get())) {
            out.push(Event::Delta { index, delta: Delta::Citation { dialect: Dialect::Gemini, raw } });
        }
    }

    /// The text that is open, or a new one.
    fn text_block(&mut self, number: u32, out: &mut Out<'_, '_, '_>) -> u32 {
        let choice = self.choice(number);
        if let Some(Open::Text(index)) = choice.open {
            return index;
        }
        close(choice, out);
        let index = self.start(number, BlockStart::Text, out);
        self.choice(number).open = Some(Open::Text(index));
        index
    }
}

fn close(choice: &mut ChoiceState, out: &mut Out<'_, '_, '_>) {
    match choice.open.take() {
        None => {}
        Some(Open::Text(index) | Open::Thought(index)) => out.push(Event::BlockStop { index }),
        Some(Open::Call(index, arguments)) => {
            out.push(Event::Delta { index, delta: Delta::Input(Str::from(arguments.text())) });
            out.push(Event::BlockStop { index });
        }
    }
}

/// A part as written, for the kinds that streams have no block for.
fn raw_part(block: Block<'_>) -> Option<Raw<'static>> {
    if let BlockKind::Opaque { raw, .. } = block.kind {
        return Some(raw.into_owned());
    }
    let mut text = Vec::new();
    response::client_style(false).part(&mut Writer::new(&mut text), &block, None);
    Raw::from_string(String::from_utf8(text).ok()?)
}
