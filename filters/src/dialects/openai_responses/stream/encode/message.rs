//! Messages: texts and refusals, part by part.

use super::{Open, State};
use crate::Dialect;
use crate::dialects::openai_responses::echo::written;
use crate::dialects::openai_responses::response::{annotations, message_item, refusal_part, text_part};
use crate::dialects::openai_responses::{DIALECT, notes};
use crate::dialects::read_logprobs;
use crate::ir::LossKind;
use crate::json::Raw;

/// A message that may grow.
pub(super) struct Message {
    /// Empty until the item was told.
    pub(super) id: String,
    /// Finished parts as JSON.
    pub(super) parts: Vec<Vec<u8>>,
    /// Whether the block that grows is a refusal.
    pub(super) refusal: bool,
    /// Whether its part was told.
    pub(super) part: bool,
    pub(super) text: String,
    pub(super) annotations: Vec<Vec<u8>>,
    /// Log probabilities of the part, each as JSON.
    pub(super) logprobs: Vec<Vec<u8>>,
}

impl Message {
    /// One that the client has the beginning of; `text` is that of the part that is open.
    pub(super) fn adopted(id: &str, parts: &[Vec<u8>], text: Option<&str>, annotations: &[Vec<u8>]) -> Self {
        Message {
            id: id.to_owned(),
            parts: parts.to_vec(),
            refusal: false,
            part: text.is_some(),
            text: text.unwrap_or_default().to_owned(),
            annotations: annotations.to_vec(),
            logprobs: Vec::new(),
        }
    }
}

impl State {
    /// A text or refusal block begins: it is the next part of the message.
    pub(super) fn message(&mut self, refusal: bool, out: &mut Vec<u8>) {
        match &mut self.open {
            Open::Message(message) => message.refusal = refusal,
            _ => {
                self.close_message(out);
                self.open = Open::Message(Message {
                    id: String::new(),
                    parts: Vec::new(),
                    refusal,
                    part: false,
                    text: String::new(),
                    annotations: Vec::new(),
                    logprobs: Vec::new(),
                });
            }
        }
    }

    pub(super) fn text(&mut self, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        // The item is taken out for the time of writing: both it and the rest of the state are written to.
        let Open::Message(mut message) = std::mem::replace(&mut self.open, Open::Nothing) else { return };
        self.open_part(&mut message, out);
        let at = message.parts.len() as u64;
        let name = if message.refusal { "response.refusal.delta" } else { "response.output_text.delta" };
        self.emit_item(out, name, &message.id, |w| {
            w.key("content_index").u64(at);
            w.key("delta").str(text);
            if !message.refusal {
                w.key("logprobs").array(|_| {});
            }
        });
        message.text.push_str(text);
        self.bytes = self.bytes.saturating_add(text.len());
        self.open = Open::Message(message);
    }

    /// Tells that the message and its part begin, if that was not told.
    fn open_part(&mut self, message: &mut Message, out: &mut Vec<u8>) {
        if message.id.is_empty() {
            message.id = self.next_id("msg_");
            let item = written(|w| message_item(w, &message.id, "in_progress", &[]));
            self.add(out, &item);
        }
        if std::mem::replace(&mut message.part, true) {
            return;
        }
        self.refused |= message.refusal;
        let part = written(|w| if message.refusal { refusal_part(w, "") } else { text_part(w, "", &[], &[]) });
        let at = message.parts.len() as u64;
        self.emit_item(out, "response.content_part.added", &message.id, |w| {
            w.key("content_index").u64(at);
            w.key("part").written(&part);
        });
    }

    pub(super) fn cite(&mut self, dialect: Dialect, citation: &Raw<'_>, out: &mut Vec<u8>) {
        let Open::Message(mut message) = std::mem::replace(&mut self.open, Open::Nothing) else { return };
        let length = message.text.chars().count();
        for annotation in annotations(dialect, citation, &message.text, length, &mut self.losses) {
            self.open_part(&mut message, out);
            let (at, n) = (message.parts.len() as u64, message.annotations.len() as u64);
            self.emit_item(out, "response.output_text.annotation.added", &message.id, |w| {
                w.key("content_index").u64(at);
                w.key("annotation_index").u64(n);
                w.key("annotation").written(&annotation);
            });
            self.bytes = self.bytes.saturating_add(annotation.len());
            message.annotations.push(annotation);
        }
        self.open = Open::Message(message);
    }

    /// Log probabilities of the text that came just now. It was told already, as nothing is held back: so they come in a
    /// delta without text of its own.
    pub(super) fn weigh(&mut self, dialect: Dialect, raw: &Raw<'_>, out: &mut Vec<u8>) {
        let tokens: Vec<Vec<u8>> = if dialect == DIALECT {
            let list: Vec<Raw<'_>> = raw.read().unwrap_or_default();
            list.iter().map(|token| token.get().as_bytes().to_vec()).collect()
        } else {
            read_logprobs(dialect, raw).iter().map(|token| written(|w| notes::write_logprob(w, token))).collect()
        };
        if tokens.is_empty() {
            return self.losses.add("logprobs", LossKind::Dropped);
        }
        let Open::Message(mut message) = std::mem::replace(&mut self.open, Open::Nothing) else { return };
        self.open_part(&mut message, out);
        let at = message.parts.len() as u64;
        self.emit_item(out, "response.output_text.delta", &message.id, |w| {
            w.key("content_index").u64(at);
            w.key("delta").str("");
            w.key("logprobs").array(|w| tokens.iter().for_each(|token| w.written(token)));
        });
        self.bytes = self.bytes.saturating_add(tokens.iter().map(Vec::len).sum());
        message.logprobs.extend(tokens);
        self.open = Open::Message(message);
    }

    /// Tells that the part of the message is whole.
    pub(super) fn close_part(&mut self, out: &mut Vec<u8>) {
        let Open::Message(mut message) = std::mem::replace(&mut self.open, Open::Nothing) else { return };
        if std::mem::replace(&mut message.part, false) {
            let text = std::mem::take(&mut message.text);
            let annotations = std::mem::take(&mut message.annotations);
            let logprobs = std::mem::take(&mut message.logprobs);
            let at = message.parts.len() as u64;
            let (name, key) = if message.refusal {
                ("response.refusal.done", "refusal")
            } else {
                ("response.output_text.done", "text")
            };
            self.emit_item(out, name, &message.id, |w| {
                w.key("content_index").u64(at);
                w.key(key).str(&text);
                if !message.refusal {
                    w.key("logprobs").array(|w| logprobs.iter().for_each(|token| w.written(token)));
                }
            });
            let part = written(|w| {
                if message.refusal { refusal_part(w, &text) } else { text_part(w, &text, &annotations, &logprobs) }
            });
            self.emit_item(out, "response.content_part.done", &message.id, |w| {
                w.key("content_index").u64(at);
                w.key("part").written(&part);
            });
            message.parts.push(part);
        }
        self.open = Open::Message(message);
    }

    /// Tells that the message is whole, if one is open.
    pub(super) fn close_message(&mut self, out: &mut Vec<u8>) {
        self.close_part(out);
        if let Open::Message(message) = std::mem::replace(&mut self.open, Open::Nothing)
            && !message.id.is_empty()
        {
            self.done(out, written(|w| message_item(w, &message.id, "completed", &message.parts)));
        }
    }
}
