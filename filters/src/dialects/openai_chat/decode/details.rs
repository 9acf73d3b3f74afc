//! `reasoning_details` (OpenRouter): thoughts with the seals of whoever made them.
//!
//! Each entry names its format, which tells whose seal it is. A seal of nobody known stays in the member's own words, and
//! goes back in them to a provider of this dialect only.

use crate::Dialect;
use crate::dialects::openai_chat::wire::Later;
use crate::ir::{Block, BlockKind, ReasoningBlock, Signature};
use crate::json::Str;
use crate::wire_object;

/// Before the names of members whose meaning is in blocks, and whose words are kept to be written again.
pub(in crate::dialects::openai_chat) const PRIVATE: &str = "\0";

wire_object! {
    /// One entry.
    pub(in crate::dialects::openai_chat) struct DetailWire<'a> {
        kind: Str<'a> = "type",
        text: Str<'a> = "text",
        summary: Str<'a> = "summary",
        signature: Str<'a> = "signature",
        data: Str<'a> = "data",
        format: Str<'a> = "format",
        id: Str<'a> = "id",
    }
}

impl<'a> DetailWire<'a> {
    /// Its words.
    pub(in crate::dialects::openai_chat) fn words(&mut self) -> Option<Str<'a>> {
        self.text.take().or_else(|| self.summary.take()).filter(|text| !text.is_empty())
    }

    /// Its seal, when it can be told whose it is.
    pub(in crate::dialects::openai_chat) fn seal(&mut self) -> Option<Signature<'a>> {
        let slot = self.signature.take().or_else(|| self.data.take()).filter(|slot| !slot.is_empty())?;
        let format = self.format.as_deref()?;
        let issuer = if format.starts_with("anthropic") {
            Dialect::Anthropic
        } else if format.contains("openai-responses") {
            Dialect::OpenAiResponses
        } else if format.starts_with("google-gemini") {
            Dialect::Gemini
        } else {
            return None;
        };
        Some(Signature::from_slot(issuer, slot))
    }
}

/// What a list of entries says.
pub(super) struct Thoughts<'a> {
    /// The thoughts in order.
    pub blocks: Vec<Block<'a>>,
    /// Gemini's seals, with the ids that may be those of calls.
    pub late: Vec<(Str<'a>, Signature<'a>)>,
}

/// Reads the entries; `None` when it is no list, or none of them says anything.
pub(super) fn read(value: Later<'_>) -> Option<Thoughts<'_>> {
    let list: Vec<DetailWire<'_>> = serde_json::from_str(value.get()).ok()?;
    let mut thoughts = Thoughts { blocks: Vec::new(), late: Vec::new() };
    for mut entry in list {
        let (words, seal, id) = (entry.words(), entry.seal(), entry.id.take().filter(|id| !id.is_empty()));
        let issuer = seal.as_ref().map(|seal| seal.issuer);
        match (words, seal) {
            (Some(words), signature) => {
                let id = id.filter(|_| issuer == Some(Dialect::OpenAiResponses) || is_responses(&entry));
                thoughts.blocks.push(thought(Some(words), signature, id));
            }
            (None, Some(seal)) => match (thoughts.blocks.last_mut().filter(|last| last.signature.is_none()), id) {
                (_, Some(id)) if seal.issuer == Dialect::Gemini => thoughts.late.push((id, seal)),
                // A seal without words belongs to the words before it.
                (Some(last), _) => last.signature = Some(seal),
                (None, id) => {
                    let id = id.filter(|_| issuer == Some(Dialect::OpenAiResponses));
                    thoughts.blocks.push(thought(None, Some(seal), id));
                }
            },
            (None, None) => {}
        }
    }
    (!thoughts.blocks.is_empty() || !thoughts.late.is_empty()).then_some(thoughts)
}

fn is_responses(entry: &DetailWire<'_>) -> bool {
    entry.format.as_ref().is_some_and(|format| format.contains("openai-responses"))
}

fn thought<'a>(words: Option<Str<'a>>, signature: Option<Signature<'a>>, id: Option<Str<'a>>) -> Block<'a> {
    let redacted = words.is_none() && signature.as_ref().is_some_and(|seal| seal.issuer == Dialect::Anthropic);
    let text = words.into_iter().collect();
    Block { signature, ..Block::new(BlockKind::Reasoning(ReasoningBlock { text, redacted, id })) }
}

/// Gives seals to the calls that they were made with; what is left over seals an empty thought.
pub(super) fn attach<'a>(seals: Vec<(Str<'a>, Signature<'a>)>, blocks: &mut Vec<Block<'a>>) {
    for (id, seal) in seals {
        let of_call = |block: &&mut Block<'a>| matches!(&block.kind, BlockKind::ToolUse(call) if call.id == id);
        match blocks.iter_mut().find(of_call) {
            Some(block) => block.signature = Some(seal),
            None => blocks.push(thought(None, Some(seal), None)),
        }
    }
}
