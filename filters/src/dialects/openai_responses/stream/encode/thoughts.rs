//! Reasoning items, and the items that carry the seal of another.

use super::{Open, State};
use crate::continuation::PassedThought;
use crate::dialects::openai_responses::echo::written;
use crate::dialects::openai_responses::response::{carrier_item, reasoning_item};
use crate::dialects::openai_responses::seal;
use crate::ir::ReasoningBlock;
use crate::json::{Str, Writer};

/// A reasoning item that may grow.
pub(super) struct Thoughts {
    /// Empty until the item was told.
    pub(super) id: String,
    pub(super) block: ReasoningBlock<'static>,
    /// Whether the last part of the summary was told and may grow.
    pub(super) part: bool,
    /// Whether the client has its words as the item's content, and not as its summary. Only one that passed has.
    pub(super) is_content: bool,
}

impl Thoughts {
    /// One that the client has the beginning of; `parts` are its words. Nobody sealed it, so the item is not the
    /// provider's own.
    pub(super) fn adopted(known: &PassedThought, parts: &[String]) -> Self {
        let mut text: Vec<Str<'static>> = parts.iter().map(|part| Str::from(part.clone())).collect();
        text.resize_with(known.parts, || Str::from(String::new()));
        let block = ReasoningBlock { text, redacted: false, id: None };
        Thoughts { id: known.id.clone(), block, part: known.is_part_open, is_content: known.is_content }
    }
}

impl State {
    pub(super) fn next_part(&mut self, out: &mut Vec<u8>) {
        let Open::Reasoning(mut thoughts) = std::mem::replace(&mut self.open, Open::Nothing) else { return };
        // A part may be empty, but the first one must have been there to be left.
        self.open_thought(&mut thoughts, out);
        self.close_thought(&mut thoughts, out);
        self.open_thought(&mut thoughts, out);
        self.open = Open::Reasoning(thoughts);
    }

    pub(super) fn think(&mut self, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let Open::Reasoning(mut thoughts) = std::mem::replace(&mut self.open, Open::Nothing) else { return };
        self.open_thought(&mut thoughts, out);
        let at = thoughts.block.text.len().saturating_sub(1) as u64;
        self.emit_item(out, "response.reasoning_summary_text.delta", &thoughts.id, |w| {
            w.key("summary_index").u64(at);
            w.key("delta").str(text);
        });
        if let Some(last) = thoughts.block.text.last_mut() {
            last.0.to_mut().push_str(text);
        }
        self.bytes = self.bytes.saturating_add(text.len());
        self.open = Open::Reasoning(thoughts);
    }

    /// Tells that the reasoning item begins, if that was not told.
    fn open_reasoning(&mut self, thoughts: &mut Thoughts, out: &mut Vec<u8>) {
        if !thoughts.id.is_empty() {
            return;
        }
        thoughts.id = match thoughts.block.id.as_deref() {
            Some(id) if id.starts_with("rs_") => id.to_owned(),
            _ => self.next_id("rs_"),
        };
        let empty = ReasoningBlock { text: Vec::new(), redacted: false, id: None };
        let item = written(|w| reasoning_item(w, &thoughts.id, &empty, None));
        self.add(out, &item);
    }

    /// Tells that a part of the summary begins, if none is open.
    fn open_thought(&mut self, thoughts: &mut Thoughts, out: &mut Vec<u8>) {
        self.open_reasoning(thoughts, out);
        if std::mem::replace(&mut thoughts.part, true) {
            return;
        }
        let at = thoughts.block.text.len() as u64;
        thoughts.block.text.push(Str::from(String::new()));
        self.emit_item(out, "response.reasoning_summary_part.added", &thoughts.id, |w| {
            w.key("summary_index").u64(at);
            w.key("part").object(|w| summary_part(w, ""));
        });
    }

    fn close_thought(&mut self, thoughts: &mut Thoughts, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut thoughts.part, false) {
            return;
        }
        let at = thoughts.block.text.len().saturating_sub(1) as u64;
        let text = thoughts.block.text.last().map_or("", Str::as_str);
        if thoughts.is_content {
            self.emit_item(out, "response.reasoning_text.done", &thoughts.id, |w| {
                w.key("content_index").u64(at);
                w.key("text").str(text);
            });
            self.emit_item(out, "response.content_part.done", &thoughts.id, |w| {
                w.key("content_index").u64(at);
                w.key("part").object(|w| content_part(w, text));
            });
            return;
        }
        self.emit_item(out, "response.reasoning_summary_text.done", &thoughts.id, |w| {
            w.key("summary_index").u64(at);
            w.key("text").str(text);
        });
        self.emit_item(out, "response.reasoning_summary_part.done", &thoughts.id, |w| {
            w.key("summary_index").u64(at);
            w.key("part").object(|w| summary_part(w, text));
        });
    }

    pub(super) fn stop_reasoning(&mut self, mut thoughts: Thoughts, out: &mut Vec<u8>) {
        let signature = self.seal.take();
        let native = thoughts.block.id.is_some();
        if thoughts.id.is_empty() && signature.is_none() && !native {
            return;
        }
        self.open_reasoning(&mut thoughts, out);
        self.close_thought(&mut thoughts, out);
        let slot = seal::to_slot(signature.as_ref(), thoughts.block.redacted, native);
        let item = if thoughts.is_content {
            written(|w| content_item(w, &thoughts, slot.as_deref()))
        } else {
            written(|w| reasoning_item(w, &thoughts.id, &thoughts.block, slot.as_deref()))
        };
        self.done(out, item);
    }

    /// Sends the seal of the item before in an item of its own.
    pub(super) fn carry(&mut self, out: &mut Vec<u8>) {
        let Some(signature) = self.seal.take() else { return };
        let id = self.next_id("rs_");
        let slot = seal::to_slot(Some(&signature), false, false);
        let item = written(|w| carrier_item(w, &id, slot.as_deref()));
        self.add(out, &item);
        self.done(out, item);
    }
}

fn content_item(w: &mut Writer<'_>, thoughts: &Thoughts, slot: Option<&str>) {
    w.object(|w| {
        w.key("id").str(&thoughts.id);
        w.key("type").str("reasoning");
        w.key("summary").array(|_| {});
        w.key("content").array(|w| thoughts.block.text.iter().for_each(|text| w.object(|w| content_part(w, text))));
        w.opt_str("encrypted_content", slot);
    });
}

fn content_part(w: &mut Writer<'_>, text: &str) {
    w.key("type").str("reasoning_text");
    w.key("text").str(text);
}

fn summary_part(w: &mut Writer<'_>, text: &str) {
    w.key("type").str("summary_text");
    w.key("text").str(text);
}
