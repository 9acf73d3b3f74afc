//! Answers of other dialects in this dialect's words, and what of them it cannot say.

use super::notes;
use super::own::{self, JoinParts as _};
use crate::Dialect;
use crate::dialects::read_citations;
use crate::ir::LossKind::{Approximated, Dropped};
use crate::ir::{Block, BlockKind, Choice, Citation, Losses, Media};
use crate::json::{Raw, Writer};

/// Most pieces that one text is cut into for its citations.
const PIECES_MAX: usize = 256;

/// An answer of another dialect while it is written.
#[derive(Debug)]
pub(super) struct Answer {
    origin: Dialect,
    /// Whether a call was written.
    pub(super) called: bool,
    /// What was lost, in the provider's words.
    pub(super) losses: Losses,
}

impl Answer {
    pub(super) fn new(origin: Dialect) -> Self {
        Answer { origin, called: false, losses: Losses::default() }
    }

    /// Counts what is lost with the other choices, and of the members of the one `shown`.
    pub(super) fn choices(&mut self, all: &[Choice<'_>], shown: Option<&Choice<'_>>) {
        let path = if self.origin == Dialect::Gemini { "candidates[]" } else { "choices[]" };
        if all.len() > 1 {
            self.losses.add(path, Dropped);
        }
        if let Some(choice) = shown {
            let path = if self.origin == Dialect::OpenAiResponses { "" } else { path };
            self.losses.drop_answer_extra(path, &choice.extra);
        }
    }

    /// Writes a block.
    pub(super) fn block(&mut self, block: &Block<'_>, w: &mut Writer<'_>) {
        self.losses.drop_answer_extra(path(self.origin), &block.extra);
        let seal = block.signature.as_ref().map(|seal| seal.carried(Dialect::Anthropic));
        match &block.kind {
            BlockKind::Text { text, citations } => self.text(text, citations.as_ref(), block.signature.is_some(), w),
            BlockKind::Refusal { text } => text_block(text, &[], self.origin, w),
            BlockKind::Image(medium)
            | BlockKind::Audio(medium)
            | BlockKind::Video(medium)
            | BlockKind::File(medium) => {
                self.losses.add(medium_kind(medium), Dropped);
                text_block(&medium_note(medium.mime.as_deref()), &[], self.origin, w);
            }
            BlockKind::ToolUse(call) => {
                w.object(|w| {
                    w.key("type").str("tool_use");
                    w.key("id").str(&call.id);
                    w.key("name").str(&call.name);
                    w.key("input");
                    own::input(call, false, w);
                });
                self.called = true;
            }
            BlockKind::Reasoning(reasoning) if reasoning.redacted => {
                return seal.iter().for_each(|seal| redacted(seal, w));
            }
            BlockKind::Reasoning(reasoning) => {
                let text = reasoning.text.join_parts();
                if !text.is_empty() || seal.is_some() {
                    w.object(|w| {
                        w.key("type").str("thinking");
                        w.key("thinking").str(&text);
                        w.key("signature").str(&seal.unwrap_or_else(own::unsealed));
                    });
                }
                return;
            }
            BlockKind::Opaque { dialect: Dialect::Anthropic, raw } => w.raw(raw),
            BlockKind::Opaque { dialect, raw } => self.losses.add(opaque_path(*dialect, raw), Dropped),
            BlockKind::ToolResult(_) => self.losses.add(path(self.origin), Dropped),
        }
        // A seal on what has no slot for it here travels in a hidden thought behind it.
        if let Some(seal) = block.signature.as_ref().filter(|seal| seal.issuer == Dialect::Gemini) {
            redacted(&seal.carried(Dialect::Anthropic), w);
        }
    }

    /// Text, in one block for each stretch that has citations of its own. Sealed text stays one block.
    fn text(&mut self, text: &str, citations: Option<&Raw<'_>>, is_sealed: bool, w: &mut Writer<'_>) {
        let Some(raw) = citations.filter(|raw| !matches!(raw.get(), "null" | "[]" | "{}")) else {
            return text_block(text, &[], self.origin, w);
        };
        self.cited_text(text, read_citations(self.origin, raw, text), is_sealed, w);
    }

    /// Text with these citations.
    pub(super) fn cited_text(&mut self, text: &str, cited: Vec<Citation<'_>>, is_sealed: bool, w: &mut Writer<'_>) {
        let cited = usable(cited, self.origin, &mut self.losses);
        let pieces = if is_sealed { Vec::new() } else { pieces(text, &cited) };
        if pieces.is_empty() {
            if cited.iter().any(|citation| is_partial(citation, text)) {
                self.losses.add(citations_path(self.origin), Approximated);
            }
            return text_block(text, &cited.iter().collect::<Vec<_>>(), self.origin, w);
        }
        let last = pieces.len() - 1;
        for (n, (from, to, piece)) in pieces.into_iter().enumerate() {
            let covers = |citation: &&Citation<'_>| match citation.span {
                Some((start, end)) => start < to && end > from,
                None => n == last,
            };
            text_block(piece, &cited.iter().filter(covers).collect::<Vec<_>>(), self.origin, w);
        }
    }
}

/// The citations that can be written; the others are lost.
pub(super) fn usable<'c>(read: Vec<Citation<'c>>, issuer: Dialect, losses: &mut Losses) -> Vec<Citation<'c>> {
    let all = read.len();
    let usable: Vec<Citation<'c>> = read.into_iter().filter(|citation| citation.url.is_some()).collect();
    if usable.is_empty() || usable.len() < all {
        losses.add(citations_path(issuer), Dropped);
    }
    usable
}

/// Whether the citation is of a part of the text only.
pub(super) fn is_partial(citation: &Citation<'_>, text: &str) -> bool {
    citation.span.is_some_and(|(start, end)| start > 0 || end < text.chars().count())
}

/// The text cut where a citation begins or ends, as characters from, to, and the piece; nothing when it need not be cut,
/// or cannot. A piece of white space alone joins its neighbour: providers take none.
fn pieces<'t>(text: &'t str, cited: &[Citation<'_>]) -> Vec<(usize, usize, &'t str)> {
    let end = text.chars().count();
    let mut cuts: Vec<usize> = cited.iter().filter_map(|citation| citation.span).flat_map(|(a, b)| [a, b]).collect();
    cuts.retain(|cut| (1..end).contains(cut));
    cuts.sort_unstable();
    cuts.dedup();
    if cuts.is_empty() || cuts.len() >= PIECES_MAX {
        return Vec::new();
    }
    cuts.push(end);
    let mut pieces: Vec<(usize, usize, &'t str)> = Vec::new();
    let (mut rest, mut from) = (text, 0);
    for to in cuts {
        let at = rest.char_indices().nth(to - from).map_or(rest.len(), |(at, _)| at);
        let (piece, tail) = rest.split_at(at);
        if !piece.trim().is_empty() && tail.trim().is_empty() {
            pieces.push((from, end, rest));
            break;
        }
        if !piece.trim().is_empty() {
            pieces.push((from, to, piece));
            (rest, from) = (tail, to);
        }
    }
    if pieces.len() > 1 { pieces } else { Vec::new() }
}

fn text_block(text: &str, cited: &[&Citation<'_>], issuer: Dialect, w: &mut Writer<'_>) {
    if text.is_empty() {
        return;
    }
    w.object(|w| {
        w.key("type").str("text");
        w.key("text").str(text);
        if !cited.is_empty() {
            w.key("citations").array(|w| {
                for citation in cited {
                    notes::write_citation(citation, issuer, w);
                }
            });
        }
    });
}

fn redacted(data: &str, w: &mut Writer<'_>) {
    w.object(|w| {
        w.key("type").str("redacted_thinking");
        w.key("data").str(data);
    });
}

/// What stands for a medium that the model made: answers of this dialect hold none.
pub(super) fn medium_note(mime: Option<&str>) -> String {
    format!("[The model made a part of type {} that this protocol cannot carry.]", mime.unwrap_or("unknown"))
}

/// What kind of medium is lost, by its type.
pub(super) fn medium_kind(medium: &Media<'_>) -> &'static str {
    match medium.mime.as_deref().and_then(|mime| mime.split('/').next()) {
        Some("image") | None => "image",
        Some("audio") => "audio",
        Some("video") => "video",
        Some(_) => "file",
    }
}

/// A part of an answer.
fn path(origin: Dialect) -> &'static str {
    match origin {
        Dialect::OpenAiChat => "choices[].message",
        Dialect::OpenAiResponses => "output[]",
        Dialect::Anthropic => "content[]",
        Dialect::Gemini => "candidates[].content.parts[]",
    }
}

/// The citations of an answer.
pub(super) fn citations_path(origin: Dialect) -> &'static str {
    match origin {
        Dialect::OpenAiChat => "choices[].message.annotations",
        Dialect::OpenAiResponses => "output[].content[].annotations",
        Dialect::Anthropic => "content[].citations",
        Dialect::Gemini => "candidates[].groundingMetadata",
    }
}

/// The log probabilities of an answer.
pub(super) fn logprobs_path(origin: Dialect) -> &'static str {
    match origin {
        Dialect::OpenAiChat => "choices[].logprobs",
        Dialect::OpenAiResponses => "output[].content[].logprobs",
        Dialect::Anthropic => "content[].logprobs",
        Dialect::Gemini => "candidates[].logprobsResult",
    }
}

/// A part that only `dialect` knows, by its type or its one member.
pub(super) fn opaque_path(dialect: Dialect, raw: &Raw<'_>) -> String {
    let value = raw.to_value();
    let kind = value.get("type").and_then(serde_json::Value::as_str);
    let member = || value.as_object().and_then(|object| object.keys().next()).map(String::as_str);
    match kind.or_else(member) {
        Some(name) => format!("{}.{name}", path(dialect)),
        None => path(dialect).to_owned(),
    }
}
