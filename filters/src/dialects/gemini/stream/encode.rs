//! Events to chunks.

use std::collections::BTreeMap;

use crate::Dialect;
use crate::dialects::gemini::grounding::{self, Grounding, citations_path};
use crate::dialects::gemini::thoughts::{CARRIED_BYTES_MAX, Pending};
use crate::dialects::gemini::write::{Style, text_part};
use crate::dialects::gemini::{error, notes, part, response, stop, usage};
use crate::dialects::{read_citations, read_logprobs};
use crate::ir::stream::{BlockStart, Delta};
use crate::ir::{
    Block, BlockKind, Event, LossKind, Losses, ReasoningBlock, ReplyContext, Signature, StopReason, ToolUse, Usage,
};
use crate::json::{Extra, Raw, Str, Writer};
use crate::sse;

/// Writes a stream for clients of Gemini's: every chunk is a whole response object, nothing but `data:` lines.
pub struct StreamEncoder {
    head: Head,
    style: Style,
    open: BTreeMap<u32, Open>,
    /// Thoughts of other providers that the next call of a choice carries.
    pending: BTreeMap<u32, Pending>,
    /// Reasons, held back to the end: the last chunk has them together with the final usage.
    finishes: Vec<Finish>,
    /// What was said and cited so far, by choice.
    told: BTreeMap<u32, Told>,
    losses: Losses,
    ended: bool,
}

/// Text and sources of one choice.
#[derive(Default)]
struct Told {
    /// Bytes of text in blocks that are complete: clients count places in all text of the answer.
    bytes: usize,
    grounding: Grounding,
    /// The last sources in Gemini's own words, which expanded answers repeat.
    own: String,
}

/// What every chunk repeats.
struct Head {
    model: String,
    id: String,
    /// Id for an answer whose provider gave none.
    made_id: String,
    usage: Option<Usage<'static>>,
}

struct Open {
    choice: u32,
    kind: Kind,
}

/// Bytes of one text that are kept for places in it. Sources of a longer one are told without a place.
const CITED_TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Sources of one text that are kept to its end.
const CITATIONS_MAX: usize = 4_096;

/// A text that grows. Other dialects may tell a source before the words that it belongs to.
#[derive(Default)]
struct Text {
    kept: String,
    bytes: usize,
    citations: Vec<(Dialect, Raw<'static>)>,
}

enum Kind {
    Text(Box<Text>),
    /// Sent as it comes, and kept for the next call's slot.
    Thought(ReasoningBlock<'static>, Option<Signature<'static>>),
    /// A call is sent whole: its input and seal wait for the block's end.
    Call(ToolUse<'static>, Option<Signature<'static>>),
    /// Sent whole at its beginning.
    Sent,
}

struct Finish {
    choice: u32,
    stop: StopReason,
    note: Option<String>,
}

impl StreamEncoder {
    /// An encoder for one answer.
    pub fn new(context: ReplyContext) -> Self {
        let head = Head { made_id: context.id("", 0), model: context.model, id: String::new(), usage: None };
        StreamEncoder {
            head,
            style: response::client_style(false),
            open: BTreeMap::new(),
            pending: BTreeMap::new(),
            finishes: Vec::new(),
            told: BTreeMap::new(),
            losses: Losses::default(),
            ended: false,
        }
    }

    /// What the dialect could not say so far.
    pub fn losses(&self) -> &Losses {
        &self.losses
    }

    /// One guarded event; its chunks are added to `out`. `End` and `Error` write the last one.
    pub fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        match event {
            Event::Start { id, model } => {
                self.head.id = id.map_or_else(|| self.head.made_id.clone(), |id| id.to_string());
                if let Some(model) = model.filter(|_| self.head.model.is_empty()) {
                    self.head.model = model.to_string();
                }
            }
            Event::BlockStart { index, choice, block } => self.begin(index, choice, block, out),
            Event::Delta { index, delta } => self.delta(index, delta, out),
            Event::BlockStop { index } => self.stop(index, out),
            Event::Usage(counts) => {
                if counts.cache_write_5m + counts.cache_write_1h > 0 {
                    self.losses.add("usage.cache_creation_input_tokens", LossKind::Dropped);
                }
                self.head.usage = Some(counts.into_owned());
            }
            Event::Finish { choice, stop, stop_sequence, note } => {
                self.losses.stop(stop, stop_sequence.is_some());
                self.finishes.push(Finish { choice, stop, note: note.map(|note| note.to_string()) });
            }
            Event::End => {
                self.ended = true;
                self.finish(out);
            }
            Event::Error(error) => {
                self.ended = true;
                sse::event(out, "", |out| {
                    error::encode_error(&error, out);
                });
            }
            // These clients take no comments.
            Event::Ping => {}
        }
    }

    fn begin(&mut self, index: u32, choice: u32, block: BlockStart<'_>, out: &mut Vec<u8>) {
        let kind = match block {
            BlockStart::Text => Kind::Text(Box::default()),
            BlockStart::Refusal => {
                self.losses.add("refusal", LossKind::Approximated);
                Kind::Text(Box::default())
            }
            BlockStart::Reasoning { redacted, id } => {
                let id = id.map(Str::into_owned);
                Kind::Thought(ReasoningBlock { text: Vec::new(), redacted, id }, None)
            }
            BlockStart::ToolUse { id, name, kind } => {
                let call = ToolUse { id: id.into_owned(), name: name.into_owned(), input: Str::default(), kind };
                Kind::Call(call, None)
            }
            BlockStart::Image(media) => {
                let block = Block::new(match media.mime {
                    Some(_) => part::by_mime(media),
                    None => BlockKind::Image(media),
                });
                let style = self.style;
                self.head.part(out, choice, |w| style.part(w, &block, None));
                Kind::Sent
            }
            BlockStart::Opaque { dialect: Dialect::Gemini, raw } => {
                self.head.part(out, choice, |w| w.raw(&raw));
                Kind::Sent
            }
            BlockStart::Opaque { dialect, raw } => {
                self.losses.add(response::lost_kind(dialect, &raw), LossKind::Dropped);
                Kind::Sent
            }
        };
        self.open.insert(index, Open { choice, kind });
    }

    fn delta(&mut self, index: u32, delta: Delta<'_>, out: &mut Vec<u8>) {
        let Some(Open { choice, kind }) = self.open.get_mut(&index) else { return };
        let choice = *choice;
        let thought = matches!(kind, Kind::Thought(..));
        if let Kind::Thought(kept, seal) = kind {
            keep(kept, seal, &delta);
        }
        match (delta, kind) {
            (Delta::Input(more), Kind::Call(call, _)) => call.input.0.to_mut().push_str(&more),
            (Delta::Signature(seal), Kind::Call(_, slot)) => *slot = Some(seal.into_owned()),
            (_, Kind::Call(..)) => {}
            (Delta::Text(text), kind @ (Kind::Text(_) | Kind::Thought(..))) if !text.is_empty() => {
                if let Kind::Text(known) = kind {
                    known.add(&text);
                }
                self.head.part(out, choice, |w| text_part(w, &text, thought, None));
            }
            (Delta::NextPart, Kind::Thought(..)) => self.head.part(out, choice, |w| text_part(w, "\n\n", true, None)),
            (Delta::Signature(seal), Kind::Text(_) | Kind::Thought(..)) => {
                let slot = seal.carried(Dialect::Gemini);
                self.head.part(out, choice, |w| text_part(w, "", thought, Some(&slot)));
            }
            (Delta::Citation { dialect: Dialect::Gemini, raw }, Kind::Text(_)) => self.own_sources(choice, &raw, out),
            (Delta::Citation { dialect, raw }, Kind::Text(text)) if text.citations.len() < CITATIONS_MAX => {
                text.citations.push((dialect, raw.into_owned()));
            }
            (Delta::Citation { dialect, .. }, _) => self.losses.add(citations_path(dialect), LossKind::Dropped),
            (Delta::Logprobs { dialect, raw }, _) => self.logprobs(choice, dialect, &raw, out),
            _ => {}
        }
    }

    fn own_sources(&mut self, choice: u32, raw: &Raw<'_>, out: &mut Vec<u8>) {
        let told = self.told.entry(choice).or_default();
        let Some(mut members) = raw.read::<Members<'_>>() else { return };
        members.rest.take(notes::PART);
        let mut text = Vec::new();
        Writer::new(&mut text).object(|w| w.extra(&members.rest));
        if told.own.as_bytes() == text {
            return;
        }
        told.own = String::from_utf8(text).unwrap_or_default();
        self.head.beside(out, choice, |w| w.extra(&members.rest));
    }

    fn logprobs(&mut self, choice: u32, dialect: Dialect, raw: &Raw<'_>, out: &mut Vec<u8>) {
        if dialect == Dialect::Gemini {
            return self.head.beside(out, choice, |w| w.key("logprobsResult").raw(raw));
        }
        let tokens = read_logprobs(dialect, raw);
        if tokens.is_empty() {
            return self.losses.add("choices[].logprobs", LossKind::Dropped);
        }
        self.head.beside(out, choice, |w| {
            w.key("logprobsResult");
            grounding::logprobs(w, &tokens);
        });
    }

    fn stop(&mut self, index: u32, out: &mut Vec<u8>) {
        let Some(Open { choice, kind }) = self.open.remove(&index) else { return };
        let pending = self.pending.entry(choice).or_default();
        let (call, seal) = match kind {
            Kind::Call(call, seal) => (call, seal),
            Kind::Thought(thought, seal) => return pending.keep(&thought, seal.as_ref()),
            Kind::Text(text) => {
                let told = self.told.entry(choice).or_default();
                text.cite(told, &mut self.losses);
                return;
            }
            Kind::Sent => return,
        };
        let slot = match &seal {
            Some(seal) => Some(seal.carried(Dialect::Gemini)),
            None => pending.slot().map(Str::from),
        };
        let style = self.style;
        self.head.part(out, choice, |w| {
            w.object(|w| {
                style.call(w, &call, 0, &Extra::default());
                w.opt_str("thoughtSignature", slot.as_deref());
            });
        });
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        let finishes = std::mem::take(&mut self.finishes);
        let told = std::mem::take(&mut self.told);
        self.head.chunk(out, |w| {
            for finish in &finishes {
                w.object(|w| {
                    content(w, |w| text_part(w, "", false, None));
                    w.key("finishReason").str(stop::encode(finish.stop));
                    w.opt_str("finishMessage", finish.note.as_deref());
                    w.key("index").u64(finish.choice.into());
                    let told = told.get(&finish.choice).map(|told| &told.grounding);
                    if let Some(grounding) = told.filter(|grounding| !grounding.is_empty()) {
                        w.key("groundingMetadata");
                        grounding.write(w);
                    }
                });
            }
        });
    }
}

impl Text {
    fn add(&mut self, more: &str) {
        self.bytes += more.len();
        if self.bytes <= CITED_TEXT_BYTES_MAX {
            self.kept.push_str(more);
        }
    }

    /// The text is complete: its sources have their places now.
    fn cite(self, told: &mut Told, losses: &mut Losses) {
        let kept = if self.bytes <= CITED_TEXT_BYTES_MAX { self.kept.as_str() } else { "" };
        for (dialect, raw) in &self.citations {
            let path = citations_path(*dialect);
            let citations = read_citations(*dialect, raw, kept);
            if citations.is_empty() {
                losses.add(path, LossKind::Dropped);
            }
            for citation in &citations {
                told.grounding.add(citation, kept, (0, told.bytes), path, losses);
            }
        }
        told.bytes += self.bytes;
    }
}

/// Keeps what was told of a thought, as far as a slot could carry it.
fn keep(thought: &mut ReasoningBlock<'static>, slot: &mut Option<Signature<'static>>, delta: &Delta<'_>) {
    let kept: usize = thought.text.iter().map(|text| text.len() + 1).sum();
    match delta {
        Delta::Text(more) if kept <= CARRIED_BYTES_MAX => match thought.text.last_mut() {
            Some(text) => text.0.to_mut().push_str(more),
            None => thought.text.push(Str::from(more.to_string())),
        },
        Delta::NextPart if kept <= CARRIED_BYTES_MAX => thought.text.push(Str::default()),
        // An empty seal says that there is none: such a thought is not carried.
        Delta::Signature(seal) if !seal.value.is_empty() => *slot = Some(seal.clone().into_owned()),
        _ => {}
    }
}

crate::wire_object! {
    /// An object of which nothing is known.
    struct Members<'a> {}
}

impl Head {
    /// A chunk with one part of one candidate.
    fn part(&self, out: &mut Vec<u8>, choice: u32, part: impl FnOnce(&mut Writer<'_>)) {
        self.chunk(out, |w| {
            w.object(|w| {
                content(w, part);
                w.key("index").u64(choice.into());
            });
        });
    }

    /// A chunk without words that tells what stands beside a candidate's text.
    fn beside(&self, out: &mut Vec<u8>, choice: u32, members: impl FnOnce(&mut Writer<'_>)) {
        self.chunk(out, |w| {
            w.object(|w| {
                content(w, |w| text_part(w, "", false, None));
                w.key("index").u64(choice.into());
                members(w);
            });
        });
    }

    /// A chunk with candidates.
    fn chunk(&self, out: &mut Vec<u8>, candidates: impl FnOnce(&mut Writer<'_>)) {
        sse::event(out, "", |out| {
            Writer::new(out).object(|w| {
                w.key("candidates").array(candidates);
                if let Some(counts) = &self.usage {
                    w.key("usageMetadata");
                    usage::encode(w, counts, false);
                }
                if !self.model.is_empty() {
                    w.key("modelVersion").str(&self.model);
                }
                w.key("responseId").str(if self.id.is_empty() { &self.made_id } else { &self.id });
            });
        });
    }
}

fn content(w: &mut Writer<'_>, part: impl FnOnce(&mut Writer<'_>)) {
    w.key("content").object(|w| {
        w.key("parts").array(part);
        w.key("role").str("model");
    });
}
