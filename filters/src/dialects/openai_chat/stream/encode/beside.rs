//! What stands beside the words of a stream: sources, log probabilities, pictures and sound.

use std::collections::BTreeMap;

use super::StreamEncoder;
use crate::Dialect;
use crate::dialects::openai_chat::encode::{citations_of, logprobs_of, sound, write_audio};
use crate::dialects::openai_chat::media::{self, Carrier};
use crate::dialects::openai_chat::notes::{write_citation, write_logprobs};
use crate::dialects::{read_citations, read_logprobs};
use crate::ir::{Citation, LossKind, Media};
use crate::json::{Extra, Num, Raw, Writer};

/// Text kept of a block, in bytes, for readers of citations that count otherwise than in characters. Citations of a
/// longer text are lost, and said to be.
const CITED_TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;

impl StreamEncoder {
    /// Notes text of the block `index` that is written as content.
    pub(super) fn count(&mut self, index: u32, text: &str) {
        let Some(block) = self.blocks.get_mut(&index) else { return };
        if block.text.len() <= CITED_TEXT_BYTES_MAX {
            block.text.push_str(text);
        }
        self.choices.entry(block.choice).or_default().characters += text.chars().count();
    }

    /// Writes a citation of the block `index` as an annotation of the message.
    pub(super) fn citation(&mut self, index: u32, dialect: Dialect, raw: &Raw<'_>, out: &mut Vec<u8>) {
        let Some(block) = self.blocks.get(&index) else { return };
        let (choice, offset) = (block.choice, block.offset);
        if dialect == Dialect::OpenAiChat {
            return self.own_annotation(choice, raw, out);
        }
        let mut written: Vec<Vec<u8>> = Vec::new();
        let known = block.text.len() <= CITED_TEXT_BYTES_MAX;
        let read = if known { read_citations(dialect, raw, &block.text) } else { Vec::new() };
        let place = (offset, block.text.chars().count());
        let mut next = self.choices.get(&choice).map_or(0, |state| state.annotations);
        let mut lost = read.is_empty();
        for citation in &read {
            let mut entry = Vec::new();
            if write_citation(&mut Writer::new(&mut entry), citation, place, Some(next)) {
                next += 1;
                written.push(entry);
            } else {
                lost = true;
            }
        }
        if lost {
            self.losses.add(citations_of(dialect), LossKind::Dropped);
        }
        if read.iter().any(Citation::quotes) {
            self.losses.add(citations_of(dialect), LossKind::Approximated);
        }
        if !written.is_empty() {
            self.state(choice, out).annotations = next;
            self.delta_chunk(choice, out, |w| {
                w.key("annotations").array(|w| written.iter().for_each(|entry| w.written(entry)));
            });
        }
    }

    /// Writes an annotation that is in this dialect's words already.
    fn own_annotation(&mut self, choice: u32, raw: &Raw<'_>, out: &mut Vec<u8>) {
        let Some(mut members) = raw.read::<BTreeMap<String, Raw<'_>>>() else { return };
        let state = self.state(choice, out);
        members.entry("index".to_owned()).or_insert_with(|| Num::from(state.annotations).as_raw().clone());
        state.annotations += 1;
        self.delta_chunk(choice, out, |w| {
            w.key("annotations").array(|w| {
                w.object(|w| members.iter().for_each(|(key, value)| w.key(key).raw(value)));
            });
        });
    }

    /// Writes log probabilities of what was said just now.
    pub(super) fn logprobs(&mut self, choice: u32, dialect: Dialect, raw: &Raw<'_>, out: &mut Vec<u8>) {
        self.state(choice, out);
        let with = |w: &mut Writer<'_>, members: &dyn Fn(&mut Writer<'_>)| {
            w.key("delta").object(|_| {});
            members(w.key("logprobs"));
        };
        if dialect == Dialect::OpenAiChat {
            return self.chunk(choice, out, |w| with(w, &|w| w.raw(raw)), None);
        }
        let tokens = read_logprobs(dialect, raw);
        if tokens.is_empty() {
            return self.losses.add(logprobs_of(dialect), LossKind::Dropped);
        }
        self.chunk(choice, out, |w| with(w, &|w| write_logprobs(w, &tokens)), None);
    }

    /// Writes a medium that the model made: a picture into the de-facto list `images`, sound as `audio`.
    pub(super) fn medium(&mut self, choice: u32, medium: &Media<'_>, out: &mut Vec<u8>) {
        let kind = medium.mime.as_deref().map_or("image", |mime| mime.split('/').next().unwrap_or_default());
        match (kind, sound(medium)) {
            ("image", _) if media::can_carry(Carrier::Image, medium, Dialect::OpenAiChat) => {
                let state = self.state(choice, out);
                let mut extra = Extra::default();
                // The SDK's accumulator wants an index in every list entry (wire 146).
                extra.push("index", Num::from(state.images).as_raw().clone());
                state.images += 1;
                self.delta_chunk(choice, out, |w| {
                    w.key("images").array(|w| media::write(w, Carrier::Image, medium, &extra, 0));
                });
            }
            ("audio", Some(data)) => {
                let mut written = Vec::new();
                write_audio(&mut Writer::new(&mut written), data, &self.context);
                self.delta_chunk(choice, out, |w| w.key("audio").written(&written));
            }
            ("image" | "audio" | "video", _) => self.losses.add(kind.to_owned(), LossKind::Dropped),
            _ => self.losses.add("file", LossKind::Dropped),
        }
    }
}
