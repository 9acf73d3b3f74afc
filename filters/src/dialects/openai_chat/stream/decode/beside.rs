//! What stands beside the words of a chunk: sources, log probabilities, seals and sound.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Out, State, Words};
use crate::Dialect;
use crate::dialects::openai_chat::decode::details::DetailWire;
use crate::dialects::openai_chat::media;
use crate::dialects::openai_chat::wire::{self, Later, SaidAudioWire};
use crate::ir::stream::{BlockStart, Delta, Event};
use crate::ir::{ApiError, ErrorKind, Media, MediaSource, Signature};
use crate::json::{Raw, Str};

/// Sound kept of one choice, in bytes: about six minutes as OpenAI streams it.
const SOUND_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Annotations kept until there is text that they belong to.
const NOTES_MAX: usize = 1024;
/// What OpenAI streams, the only form it does: 16 bits, one channel.
const STREAMED_SOUND: &str = "audio/pcm;rate=24000";

impl Out<'_, '_> {
    /// Log probabilities of the words that came just now. Empty ones are written by some servers in every chunk.
    pub(super) fn logprobs(&mut self, state: &State, logprobs: Later<'_>) {
        let says = memchr::memmem::find(logprobs.get().as_bytes(), b"\"token\"").is_some();
        if let Some((Words::Text | Words::Refusal, index)) = state.words.filter(|_| says) {
            let delta = Delta::Logprobs { dialect: Dialect::OpenAiChat, raw: wire::raw(logprobs) };
            self.push(Event::Delta { index, delta });
        }
    }

    /// Annotations of the open text; without one they wait for the next.
    pub(super) fn notes<'a>(&mut self, state: &mut State, notes: impl Iterator<Item = Later<'a>>) {
        for note in notes {
            match state.words {
                Some((Words::Text, index)) => self.note(index, wire::raw(note)),
                _ if state.finished || state.notes.len() >= NOTES_MAX => {}
                _ => state.notes.push(wire::raw(note).into_owned()),
            }
        }
    }

    /// Annotations that waited for the text `index`.
    pub(super) fn kept_notes(&mut self, state: &mut State, index: u32) {
        for note in state.notes.drain(..) {
            self.note(index, note);
        }
    }

    fn note(&mut self, index: u32, raw: Raw<'_>) {
        self.push(Event::Delta { index, delta: Delta::Citation { dialect: Dialect::OpenAiChat, raw } });
    }

    /// Entries of `reasoning_details`; `text` is the same text by its other name, where a server writes both.
    pub(super) fn details(&mut self, state: &mut State, details: Later<'_>, text: Str<'_>) {
        let mut list: Vec<DetailWire<'_>> = serde_json::from_str(details.get()).unwrap_or_default();
        if !text.is_empty() {
            self.words(state, Words::Reasoning, text);
            for entry in &mut list {
                drop(entry.words());
            }
        }
        for mut entry in list {
            if let Some(words) = entry.words() {
                self.words(state, Words::Reasoning, words);
            }
            if let Some(seal) = entry.seal() {
                self.seal(state, entry.id, seal);
            }
        }
    }

    /// A seal: of a call when its id is that of one, else of the thought before it, else of a thought without words.
    fn seal(&mut self, state: &mut State, id: Option<Str<'_>>, seal: Signature<'_>) {
        if state.finished {
            return;
        }
        let call = id.as_deref().filter(|_| seal.issuer == Dialect::Gemini).and_then(|id| state.calls.block_of(id));
        if let Some(index) = call {
            return self.push(Event::Delta { index, delta: Delta::Signature(seal) });
        }
        let index = match state.words {
            Some((Words::Reasoning, index)) => index,
            _ => {
                self.close(state);
                let redacted = seal.issuer == Dialect::Anthropic;
                let id = id.filter(|_| seal.issuer == Dialect::OpenAiResponses);
                self.open(BlockStart::Reasoning { redacted, id })
            }
        };
        self.push(Event::Delta { index, delta: Delta::Signature(seal) });
        // What is thought next has a seal of its own.
        self.push(Event::BlockStop { index });
        state.words = None;
    }

    /// A piece of sound, and of what it says.
    pub(super) fn sound(&mut self, state: &mut State, audio: Later<'_>) {
        let Ok(wire) = serde_json::from_str::<SaidAudioWire<'_>>(audio.get()) else { return };
        if let Some(text) = wire.transcript {
            self.words(state, Words::Text, text);
        }
        let Some(piece) = wire.data.and_then(|data| STANDARD.decode(data.as_bytes()).ok()) else { return };
        if state.sound.len() + piece.len() > SOUND_BYTES_MAX {
            let message =
                format!("the sound of the answer is larger than {SOUND_BYTES_MAX} bytes: ask for it unstreamed");
            return self.push(Event::Error(ApiError::new(ErrorKind::BadGateway, message)));
        }
        state.sound.extend_from_slice(&piece);
    }

    /// What waited to the end of the choice.
    pub(super) fn leave(&mut self, state: &mut State) {
        if !state.notes.is_empty() {
            self.close(state);
            let index = self.open(BlockStart::Text);
            self.kept_notes(state, index);
            self.push(Event::BlockStop { index });
        }
        if !state.sound.is_empty() {
            self.close(state);
            let data = STANDARD.encode(std::mem::take(&mut state.sound));
            let mime = media::sound_mime(&data).unwrap_or(STREAMED_SOUND);
            let medium =
                Media { mime: Some(Str::from(mime)), source: MediaSource::Base64(Str::from(data)), name: None };
            let index = self.open(BlockStart::Image(medium));
            self.push(Event::BlockStop { index });
        }
    }
}
