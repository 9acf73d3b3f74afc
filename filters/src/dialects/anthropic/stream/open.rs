//! The block that is being written.

use crate::Dialect;
use crate::dialects::anthropic::{answer, notes, own};
use crate::dialects::read_citations;
use crate::ir::LossKind::{Approximated, Dropped};
use crate::ir::stream::{BlockStart, Delta};
use crate::ir::{Citation, Losses, Signature, ToolUseKind};
use crate::json::{Raw, Writer};
use crate::sse;
use crate::wire_object;

wire_object! {
    struct ServerCall<'a> {
        kind: crate::json::Str<'a> = "type",
        input: Raw<'a> = "input",
    }
}

/// Bytes kept of a block's text, in which citations are looked up.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// What kind of block is open on the client's side.
#[derive(Debug)]
enum Kind {
    Text,
    Thinking,
    /// Written whole at its stop, when its seal is known.
    Redacted,
    Call(ToolUseKind),
    /// Nothing of it is written any more (or at all).
    Silent,
}

/// One block of the client's stream.
#[derive(Debug)]
pub(super) struct Open {
    kind: Kind,
    /// Whether its `content_block_start` was written.
    begun: bool,
    /// Whether any input of a call was written.
    any_input: bool,
    /// Whether an empty line goes before the next words: another part of the thoughts begins.
    next_part: bool,
    /// Its seal, for the slot of this dialect.
    seal: Option<Signature<'static>>,
    /// Its text so far.
    said: String,
}

impl Open {
    /// Opens a block; `next` is the number of the next block and grows with each one begun.
    pub(super) fn begin(block: BlockStart<'_>, next: &mut u32, losses: &mut Losses, out: &mut Vec<u8>) -> Self {
        let mut open = Open {
            kind: Kind::Silent,
            begun: false,
            any_input: false,
            next_part: false,
            seal: None,
            said: String::new(),
        };
        match block {
            BlockStart::Text | BlockStart::Refusal => open.kind = Kind::Text,
            BlockStart::Reasoning { redacted: true, .. } => open.kind = Kind::Redacted,
            BlockStart::Reasoning { .. } => open.kind = Kind::Thinking,
            BlockStart::ToolUse { id, name, kind } => {
                open.kind = Kind::Call(kind);
                open.begun = true;
                start_at(*next, out, |w| {
                    w.object(|w| {
                        w.key("type").str("tool_use");
                        w.key("id").str(&id);
                        w.key("name").str(&name);
                        w.key("input").object(|_| {});
                    });
                });
            }
            BlockStart::Image(medium) => {
                losses.add(answer::medium_kind(&medium), Dropped);
                let note = answer::medium_note(medium.mime.as_deref());
                open.kind = Kind::Text;
                open.text(&note, next, out);
            }
            BlockStart::Opaque { dialect: Dialect::Anthropic, raw } => whole(&raw, next, out),
            BlockStart::Opaque { dialect, raw } => losses.add(answer::opaque_path(dialect, &raw), Dropped),
        }
        open
    }

    /// Adds to the block.
    pub(super) fn grow(&mut self, delta: Delta<'_>, next: &mut u32, losses: &mut Losses, out: &mut Vec<u8>) {
        match delta {
            Delta::Text(text) => self.text(&text, next, out),
            Delta::NextPart => self.next_part = self.begun,
            Delta::Input(piece) => self.input(&piece, *next, out),
            Delta::Signature(seal) => self.seal = Some(seal.into_owned()),
            Delta::Citation { dialect: Dialect::Anthropic, raw } if matches!(self.kind, Kind::Text) => {
                self.ensure_begun(next, out);
                super::encode::delta(*next, out, |w| {
                    w.key("type").str("citations_delta");
                    w.key("citation").raw(&raw);
                });
            }
            Delta::Citation { dialect, raw } => {
                let cited = read_citations(dialect, &raw, &self.said);
                self.cite(dialect, cited, next, losses, out);
            }
            Delta::Logprobs { dialect, .. } => losses.add(answer::logprobs_path(dialect), Dropped),
        }
    }

    /// Citations of another dialect. What was written is one block by now, so they are of the whole of it.
    fn cite(
        &mut self,
        dialect: Dialect,
        cited: Vec<Citation<'_>>,
        next: &mut u32,
        losses: &mut Losses,
        out: &mut Vec<u8>,
    ) {
        if !matches!(self.kind, Kind::Text) {
            return losses.add(answer::citations_path(dialect), Dropped);
        }
        for citation in answer::usable(cited, dialect, losses) {
            if answer::is_partial(&citation, &self.said) {
                losses.add(answer::citations_path(dialect), Approximated);
            }
            self.ensure_begun(next, out);
            super::encode::delta(*next, out, |w| {
                w.key("type").str("citations_delta");
                w.key("citation");
                notes::write_citation(&citation, dialect, w);
            });
        }
    }

    /// The client has its beginning, or with `sealed` all but its stop.
    pub(super) fn has_begun(&mut self, sealed: bool) {
        self.begun = true;
        if sealed {
            self.kind = Kind::Silent;
        }
    }

    /// Completes the block, with its seal.
    pub(super) fn end(mut self, next: &mut u32, out: &mut Vec<u8>) {
        match self.kind {
            Kind::Thinking => {
                let seal = self.seal.take();
                if seal.is_some() || self.begun {
                    self.ensure_begun(next, out);
                    let slot = seal.as_ref().map_or_else(own::unsealed, |seal| seal.carried(Dialect::Anthropic));
                    super::encode::delta(*next, out, |w| {
                        w.key("type").str("signature_delta");
                        w.key("signature").str(&slot);
                    });
                }
            }
            Kind::Redacted => {
                if let Some(seal) = self.seal.take() {
                    redacted(&seal, next, out);
                }
                return;
            }
            Kind::Call(kind) => self.close_input(kind, *next, out),
            Kind::Text | Kind::Silent => {}
        }
        if self.begun {
            stop(*next, out);
            *next = next.saturating_add(1);
        }
        // A seal on what has no slot for it here travels in a hidden thought behind it.
        if let Some(seal) = self.seal.filter(|seal| seal.issuer == Dialect::Gemini) {
            redacted(&seal, next, out);
        }
    }

    fn text(&mut self, text: &str, next: &mut u32, out: &mut Vec<u8>) {
        let (kind, key) = match self.kind {
            Kind::Text => ("text_delta", "text"),
            Kind::Thinking => ("thinking_delta", "thinking"),
            Kind::Redacted | Kind::Call(_) | Kind::Silent => return,
        };
        if text.is_empty() {
            return;
        }
        self.ensure_begun(next, out);
        if matches!(self.kind, Kind::Text) && self.said.len() < TEXT_BYTES_MAX {
            self.said.push_str(text);
        }
        let gap = std::mem::take(&mut self.next_part);
        super::encode::delta(*next, out, |w| {
            w.key("type").str(kind);
            if gap {
                w.key(key).fmt(format_args!("\n\n{text}"));
            } else {
                w.key(key).str(text);
            }
        });
    }

    fn ensure_begun(&mut self, next: &mut u32, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let thinking = matches!(self.kind, Kind::Thinking);
        start_at(*next, out, |w| {
            w.object(|w| {
                if thinking {
                    w.key("type").str("thinking");
                    w.key("thinking").str("");
                    w.key("signature").str("");
                } else {
                    w.key("type").str("text");
                    w.key("text").str("");
                }
            });
        });
    }

    fn input(&mut self, piece: &str, index: u32, out: &mut Vec<u8>) {
        let Kind::Call(kind) = self.kind else { return };
        if piece.is_empty() {
            return;
        }
        let first = !std::mem::replace(&mut self.any_input, true);
        match kind {
            ToolUseKind::Function => input_delta(index, out, piece),
            ToolUseKind::Custom => {
                let mut quoted = Vec::new();
                Writer::new(&mut quoted).str(piece);
                let quoted = String::from_utf8_lossy(&quoted);
                let inner = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default();
                input_delta(index, out, &format!("{}{inner}", if first { "{\"input\":\"" } else { "" }));
            }
        }
    }

    fn close_input(&self, kind: ToolUseKind, index: u32, out: &mut Vec<u8>) {
        match (kind, self.any_input) {
            (ToolUseKind::Function, true) => {}
            (ToolUseKind::Function, false) => input_delta(index, out, "{}"),
            (ToolUseKind::Custom, true) => input_delta(index, out, "\"}"),
            (ToolUseKind::Custom, false) => input_delta(index, out, "{\"input\":\"\"}"),
        }
    }
}

fn start_at(index: u32, out: &mut Vec<u8>, block: impl FnOnce(&mut Writer<'_>)) {
    sse::event(out, "content_block_start", |out| {
        Writer::new(out).object(|w| {
            w.key("type").str("content_block_start");
            w.key("index").u64(index.into());
            w.key("content_block");
            block(w);
        });
    });
}

fn stop(index: u32, out: &mut Vec<u8>) {
    sse::event(out, "content_block_stop", |out| {
        Writer::new(out).object(|w| {
            w.key("type").str("content_block_stop");
            w.key("index").u64(index.into());
        });
    });
}

fn input_delta(index: u32, out: &mut Vec<u8>, piece: &str) {
    super::encode::delta(index, out, |w| {
        w.key("type").str("input_json_delta");
        w.key("partial_json").str(piece);
    });
}

fn redacted(seal: &Signature<'_>, next: &mut u32, out: &mut Vec<u8>) {
    start_at(*next, out, |w| {
        w.object(|w| {
            w.key("type").str("redacted_thinking");
            w.key("data").str(&seal.carried(Dialect::Anthropic));
        });
    });
    stop(*next, out);
    *next = next.saturating_add(1);
}

/// A part of this dialect alone: calls of server tools tell their input in a delta, results come whole.
fn whole(raw: &Raw<'_>, next: &mut u32, out: &mut Vec<u8>) {
    let wire = raw.read::<ServerCall<'_>>().unwrap_or_default();
    let call = wire.kind.filter(|kind| kind.ends_with("_tool_use"));
    match call.zip(wire.input.filter(Raw::is_object)) {
        None => start_at(*next, out, |w| w.raw(raw)),
        Some((kind, input)) => {
            start_at(*next, out, |w| {
                w.object(|w| {
                    w.key("type").str(&kind);
                    w.extra(&wire.rest);
                    w.key("input").object(|_| {});
                });
            });
            input_delta(*next, out, input.get());
        }
    }
    stop(*next, out);
    *next = next.saturating_add(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_citations_are_written_behind_the_text() {
        let (mut next, mut losses, mut out) = (0, Losses::default(), Vec::new());
        let mut open = Open::begin(BlockStart::Text, &mut next, &mut losses, &mut out);
        open.grow(Delta::Text("It rains.".into()), &mut next, &mut losses, &mut out);
        let page = Citation { url: Some("https://a.example/".into()), span: Some((3, 8)), ..Citation::default() };
        let file = Citation { file_id: Some("file_1".into()), ..Citation::default() };
        open.cite(Dialect::OpenAiChat, vec![page, file], &mut next, &mut losses, &mut out);
        open.end(&mut next, &mut out);
        let text = String::from_utf8(out).unwrap();
        let at = |part: &str| text.find(part).unwrap();
        assert!(at("text_delta") < at("citations_delta") && at("citations_delta") < at("content_block_stop"));
        assert!(text.contains(r#""url":"https://a.example/""#) && !text.contains("file_1"));
        let lost: Vec<_> = losses.iter().map(|loss| (loss.kind, loss.field.as_ref())).collect();
        let path = "choices[].message.annotations";
        assert_eq!(lost, [(Dropped, path), (Approximated, path)]);
    }
}
