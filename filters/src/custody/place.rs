//! Where in the client's words a sealed part stood.

use super::keepsake::{EMPTY_HASH, Kept, Part, Stretch, hash};
use super::restore::Standing;
use crate::Dialect;
use crate::ir::{Block, BlockKind, ReasoningBlock, Signature};
use crate::json::{Raw, Str, Writer};

/// Puts the sealed parts of `kept` into `blocks`, the same stretch as the client sends it back. Parts get the turn of
/// their neighbour, or `turn` where there is none.
///
/// Clients put texts together, so places are counted in bytes of text. If the client has changed its text, a part that
/// stood at the beginning stands there again, and any other at the end.
pub(super) fn place<'a>(blocks: &mut Vec<Standing<'a>>, kept: &'a Stretch, issuer: Dialect, turn: usize) {
    // The words of thoughts that a client shows and sends back without their seals: the sealed ones take their place,
    // or the provider does not want them back.
    blocks.retain(|(_, block)| !is_unsealed_thought(block));
    let said: usize = blocks.iter().map(|(_, block)| text_of(block).map_or(0, str::len)).sum();
    let (same, end) = (said == kept.said, blocks.len());
    // From the end, so that parts at one place keep their order.
    for part in kept.parts.iter().rev() {
        match &part.part {
            Part::Text { len: 1.., .. } if !same => {}
            Part::Text { len: len @ 1.., hash } => seal_text(blocks, part, *len, *hash, issuer),
            _ => {
                let at = match part.at {
                    0 => 0,
                    at if same => cut(blocks, at),
                    _ => end,
                };
                let neighbour = blocks.get(at).or_else(|| blocks.get(at.wrapping_sub(1)));
                let turn = neighbour.map_or(turn, |(turn, _)| *turn);
                blocks.insert(at, (turn, block_of(part, issuer)));
            }
        }
    }
}

/// Seals a text that the client has, if it is still the same.
fn seal_text<'a>(blocks: &mut Vec<Standing<'a>>, part: &'a Kept, len: usize, known: u64, issuer: Dialect) {
    cut(blocks, part.at.saturating_add(len));
    let first = cut(blocks, part.at);
    let text = blocks.iter_mut().skip(first).find(|(_, block)| text_of(block).is_some_and(|text| !text.is_empty()));
    let Some((_, block)) = text else { return };
    let is_same = text_of(block).is_some_and(|text| text.len() == len && hash(EMPTY_HASH, text) == known);
    if is_same && block.signature.is_none() {
        block.signature = Some(seal_of(part, issuer));
    }
}

/// The position behind the first `at` bytes of text. A text that reaches beyond is divided, unless something hangs on it.
fn cut(blocks: &mut Vec<Standing<'_>>, at: usize) -> usize {
    let mut left = at;
    for position in 0..blocks.len() {
        if left == 0 {
            return position;
        }
        let Some((turn, block)) = blocks.get_mut(position) else { break };
        let len = text_of(block).map_or(0, str::len);
        if len <= left {
            left -= len;
            continue;
        }
        if let Some(rest) = divide(block, left) {
            let turn = *turn;
            blocks.insert(position + 1, (turn, rest));
        }
        return position + 1;
    }
    blocks.len()
}

/// Takes what stands behind the first `at` bytes out of a text block.
fn divide<'a>(block: &mut Block<'a>, at: usize) -> Option<Block<'a>> {
    let plain = block.signature.is_none() && block.cache.is_none() && block.extra.is_empty();
    let BlockKind::Text { text, citations: None } = &mut block.kind else { return None };
    if !plain || !text.is_char_boundary(at) {
        return None;
    }
    let (first, rest) = match &text.0 {
        std::borrow::Cow::Borrowed(text) => {
            let (first, rest) = text.split_at_checked(at)?;
            (Str::from(first), Str::from(rest))
        }
        std::borrow::Cow::Owned(text) => {
            let (first, rest) = text.split_at_checked(at)?;
            (Str::from(first.to_owned()), Str::from(rest.to_owned()))
        }
    };
    *text = first;
    Some(Block { form: block.form, ..Block::text(rest) })
}

/// The part as the provider told it.
fn block_of(kept: &Kept, issuer: Dialect) -> Block<'_> {
    match &kept.part {
        Part::Text { .. } => Block { signature: Some(seal_of(kept, issuer)), ..Block::text("") },
        // A sealed thought is a part of its own there, while a sealed reasoning block stands for the seal of what follows.
        Part::Thought { text, .. } if issuer == Dialect::Gemini => {
            let raw = gemini_thought(&text.concat(), &kept.seal).unwrap_or(Raw::NULL);
            Block::new(BlockKind::Opaque { dialect: issuer, raw })
        }
        Part::Thought { text, redacted, id } => {
            let text = text.iter().map(|text| Str::from(text.as_str())).collect();
            let thought = ReasoningBlock { text, redacted: *redacted, id: id.as_deref().map(Str::from) };
            Block { signature: Some(seal_of(kept, issuer)), ..Block::new(BlockKind::Reasoning(thought)) }
        }
    }
}

fn gemini_thought(text: &str, seal: &str) -> Option<Raw<'static>> {
    let mut part = Vec::with_capacity(text.len() + seal.len() + 64);
    Writer::new(&mut part).object(|w| {
        w.key("text").str(text);
        w.key("thought").bool(true);
        w.key("thoughtSignature").str(seal);
    });
    Raw::from_string(String::from_utf8(part).ok()?)
}

fn seal_of(kept: &Kept, issuer: Dialect) -> Signature<'_> {
    Signature { issuer, value: Str::from(kept.seal.as_str()) }
}

fn text_of<'b>(block: &'b Block<'_>) -> Option<&'b str> {
    match &block.kind {
        BlockKind::Text { text, .. } => Some(text),
        _ => None,
    }
}

fn is_unsealed_thought(block: &Block<'_>) -> bool {
    matches!(block.kind, BlockKind::Reasoning(_)) && block.signature.is_none()
}
