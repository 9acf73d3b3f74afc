//! A provider's chunks to events.

mod beside;
mod chunk;

use std::collections::BTreeMap;

use chunk::{CallDelta, Called, Chunk, ChunkChoice, ChunkDelta, Said};

use super::calls::{Call, Calls, Piece, Step};
use super::made_id;
use crate::dialects::openai_chat::wire::{self, Later, PartWire};
use crate::dialects::openai_chat::{decode, error, media, stop, usage};
use crate::ir::stream::{BlockStart, Delta, Event, Guard, Sink, damaged};
use crate::ir::{Media, StopReason, ToolUseKind};
use crate::json::{Raw, Str};
use crate::sse::SseEvent;

/// Choices of one answer; OpenAI's own bound of `n` is 128.
const CHOICES_MAX: usize = 128;

/// Decoder of a provider's stream. No `[DONE]` is needed: a stream that ends after every choice has its finish reason
/// is whole.
#[derive(Debug, Default)]
pub struct StreamDecoder {
    guard: Guard,
    choices: BTreeMap<u32, State>,
    /// Number of the next block.
    next_block: u32,
    /// The answer's id: made call ids are derived from it.
    id: String,
    started: bool,
    malformed: u64,
}

/// One choice so far.
#[derive(Debug, Default)]
struct State {
    /// The open block of words, and what they are.
    words: Option<(Words, u32)>,
    calls: Calls,
    /// Annotations that came while no text was open.
    notes: Vec<Raw<'static>>,
    /// Sound so far.
    sound: Vec<u8>,
    refused: bool,
    finished: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Words {
    Text,
    Reasoning,
    Refusal,
}

impl StreamDecoder {
    /// Reads one event of the provider.
    pub fn event(&mut self, event: SseEvent<'_>, sink: &mut Sink<'_>) {
        let data = event.data.trim();
        if self.guard.ended() || data.is_empty() {
            return;
        }
        if data == "[DONE]" {
            return self.done(sink);
        }
        let failed = |chunk: &Chunk<'_>| {
            let choices = chunk.choices.as_deref().unwrap_or_default();
            let said = chunk.error.is_some() || choices.iter().any(|choice| choice.error.is_some());
            // Without choices it may still be an error in another server's words.
            said || (choices.is_empty() && (event.name == "error" || error::is_bare(data)))
        };
        match serde_json::from_str::<Chunk<'_>>(data) {
            Ok(chunk) if failed(&chunk) => {
                let inner = chunk.choices.iter().flatten().find_map(|choice| choice.error);
                let text = if chunk.error.is_some() { data } else { inner.map_or(data, |inner| inner.get()) };
                self.guard.push(Event::Error(error::decode_error(200, text.as_bytes())), sink);
            }
            Ok(chunk) => self.chunk(chunk, sink),
            Err(_) if event.name == "error" || error::is_bare(data) => {
                self.guard.push(Event::Error(error::decode_error(200, data.as_bytes())), sink);
            }
            Err(error) => match damaged(data, &error) {
                Some(error) => self.guard.push(Event::Error(error), sink),
                None => self.malformed += 1,
            },
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

    /// Chunks that could not be read.
    pub fn malformed(&self) -> u64 {
        self.malformed
    }

    /// The provider says that all is said. Choices that it gave no reason for end without one of their own; when it
    /// said nothing at all, that is no answer.
    fn done(&mut self, sink: &mut Sink<'_>) {
        if self.choices.is_empty() {
            return self.guard.finish(sink);
        }
        let StreamDecoder { guard, choices, next_block, id, .. } = self;
        for (choice, state) in choices.iter_mut().filter(|(_, state)| !state.finished) {
            let mut out = Out { guard, next_block, seed: id, choice: *choice, sink };
            out.finish(state, StopReason::Other, None);
        }
        self.guard.push(Event::End, sink);
    }

    fn chunk(&mut self, chunk: Chunk<'_>, sink: &mut Sink<'_>) {
        let choices = chunk.choices.unwrap_or_default();
        let id = chunk.id.filter(|id| !id.is_empty());
        // Azure begins with a chunk that has neither id nor choices.
        if !self.started && (id.is_some() || !choices.is_empty()) {
            self.started = true;
            id.as_deref().unwrap_or_default().clone_into(&mut self.id);
            self.guard.push(Event::Start { id, model: chunk.model }, sink);
        }
        let mut spent = chunk.usage.or_else(|| chunk.x_groq.and_then(|nested| nested.usage));
        for (at, said) in choices.into_iter().enumerate() {
            let choice = said.index.unwrap_or(u32::try_from(at).unwrap_or(u32::MAX));
            if self.choices.len() >= CHOICES_MAX && !self.choices.contains_key(&choice) {
                continue;
            }
            spent = spent.or(said.usage);
            let state = self.choices.entry(choice).or_default();
            let StreamDecoder { guard, next_block, id, .. } = self;
            Out { guard, next_block, seed: id, choice, sink }.say(state, said);
        }
        if let Some(usage) = spent.and_then(|value| usage::decode(wire::raw(value))) {
            self.guard.push(Event::Usage(usage), sink);
        }
    }
}

/// Where the events of one choice go.
struct Out<'s, 'k> {
    guard: &'s mut Guard,
    next_block: &'s mut u32,
    seed: &'s str,
    choice: u32,
    sink: &'s mut Sink<'k>,
}

impl Out<'_, '_> {
    fn push(&mut self, event: Event<'_>) {
        self.guard.push(event, self.sink);
    }

    /// Opens a block and gives its number.
    fn open(&mut self, block: BlockStart<'_>) -> u32 {
        let index = *self.next_block;
        *self.next_block += 1;
        self.push(Event::BlockStart { index, choice: self.choice, block });
        index
    }

    /// Reads one choice of a chunk.
    fn say(&mut self, state: &mut State, said: ChunkChoice<'_>) {
        if let Some(delta) = said.delta {
            self.delta(state, delta);
        }
        if let Some(logprobs) = said.logprobs {
            self.logprobs(state, logprobs);
        }
        let Some(word) = said.finish_reason.filter(|word| !word.is_empty()) else { return };
        let met = said.stop_reason.and_then(wire::string);
        // OpenRouter says it twice; the first counts.
        if !state.finished {
            self.finish(state, stop::from_word(&word), met);
        }
    }

    fn delta(&mut self, state: &mut State, delta: ChunkDelta<'_>) {
        let text = match (delta.reasoning_content, delta.reasoning) {
            (Some(Said::Text(text)), _) if !text.is_empty() => text,
            // Two names, one text, when a server writes both.
            (_, Some(Said::Text(text))) => text,
            _ => Str::default(),
        };
        match delta.reasoning_details {
            Some(details) => self.details(state, details, text),
            None => self.words(state, Words::Reasoning, text),
        }
        match delta.content {
            Some(Said::Text(text)) => self.words(state, Words::Text, text),
            Some(Said::Parts(parts)) => parts.into_iter().for_each(|part| self.part(state, part)),
            Some(Said::Nothing) | None => {}
        }
        if let Some(Said::Text(text)) = delta.refusal {
            self.words(state, Words::Refusal, text);
        }
        self.notes(state, delta.annotations.into_iter().flatten());
        if let Some(audio) = delta.audio {
            self.sound(state, audio);
        }
        for image in delta.images.into_iter().flatten().filter_map(|part| part.image_url) {
            self.close(state);
            let (mime, source) = media::from_url(image.url);
            let index = self.open(BlockStart::Image(Media { mime, source, name: None }));
            self.push(Event::BlockStop { index });
        }
        for call in delta.tool_calls.into_iter().flatten() {
            self.call(state, call);
        }
        if let Some(called) = delta.function_call {
            let id = Some(Str::from(made_id(self.seed, self.choice as usize, usize::MAX)));
            self.piece(state, None, id, called, ToolUseKind::Function);
        }
    }

    fn part(&mut self, state: &mut State, part: Later<'_>) {
        let Ok(part) = serde_json::from_str::<PartWire<'_>>(part.get()) else { return };
        if let Some(text) = part.text {
            self.words(state, Words::Text, text);
        }
        for text in part.thinking.and_then(decode::thoughts).into_iter().flatten() {
            self.words(state, Words::Reasoning, text);
        }
    }

    fn words(&mut self, state: &mut State, kind: Words, text: Str<'_>) {
        if text.is_empty() || state.finished {
            return;
        }
        let index = match state.words {
            Some((open, index)) if open == kind => index,
            _ => {
                self.close(state);
                let index = self.open(match kind {
                    Words::Text => BlockStart::Text,
                    Words::Reasoning => BlockStart::Reasoning { redacted: false, id: None },
                    Words::Refusal => BlockStart::Refusal,
                });
                state.words = Some((kind, index));
                state.refused |= kind == Words::Refusal;
                index
            }
        };
        self.push(Event::Delta { index, delta: Delta::Text(text) });
        if kind == Words::Text && !state.notes.is_empty() {
            self.kept_notes(state, index);
        }
    }

    /// Closes the block of words. Calls stay open until the choice ends: their deltas may interleave.
    fn close(&mut self, state: &mut State) {
        if let Some((_, index)) = state.words.take() {
            self.push(Event::BlockStop { index });
        }
    }

    fn call(&mut self, state: &mut State, call: CallDelta<'_>) {
        let (called, kind) = match (call.function, call.custom) {
            (Some(function), _) if function.says_something() => (function, ToolUseKind::Function),
            (_, Some(custom)) => (custom, ToolUseKind::Custom),
            (function, None) => (function.unwrap_or_default(), ToolUseKind::Function),
        };
        self.piece(state, call.index, call.id, called, kind);
    }

    fn piece(
        &mut self,
        state: &mut State,
        index: Option<u32>,
        id: Option<Str<'_>>,
        called: Called<'_>,
        kind: ToolUseKind,
    ) {
        if state.finished {
            return;
        }
        let input = match kind {
            ToolUseKind::Custom => called.input,
            ToolUseKind::Function => called.arguments.map(|value| decode::arguments(Some(value))),
        };
        let (seed, choice) = (self.seed, self.choice as usize);
        let piece = Piece { index, id, name: called.name, input, kind };
        match state.calls.push(piece, |n| made_id(seed, choice, n)) {
            Step::Wait => {}
            Step::More(index, input) => self.push(Event::Delta { index, delta: Delta::Input(input) }),
            Step::Begin(call) => {
                if let Some((_, index)) = state.words.take() {
                    self.push(Event::BlockStop { index });
                }
                self.begin(call);
            }
        }
    }

    fn begin(&mut self, call: &mut Call) {
        let (id, name) = (Str::from(call.id.as_str()), Str::from(call.name.as_str()));
        let index = self.open(BlockStart::ToolUse { id, name, kind: call.kind });
        call.block = Some(index);
        if !call.pending.is_empty() {
            let input = std::mem::take(&mut call.pending);
            self.push(Event::Delta { index, delta: Delta::Input(Str::from(input)) });
        }
    }

    fn finish(&mut self, state: &mut State, said: StopReason, met: Option<Str<'_>>) {
        self.leave(state);
        self.close(state);
        let (seed, choice) = (self.seed, self.choice as usize);
        for call in state.calls.late(|n| made_id(seed, choice, n)) {
            self.begin(call);
        }
        state.finished = true;
        let stop = match said {
            // wire 30: calls decide, whatever the word was.
            _ if state.calls.any_begun() => StopReason::ToolUse,
            _ if state.calls.any_nameless() => StopReason::Malformed,
            StopReason::EndTurn if state.refused => StopReason::Refusal,
            StopReason::EndTurn if met.is_some() => StopReason::StopSequence,
            StopReason::ToolUse => StopReason::EndTurn,
            other => other,
        };
        self.push(Event::Finish { choice: self.choice, stop, stop_sequence: met, note: None });
    }
}
