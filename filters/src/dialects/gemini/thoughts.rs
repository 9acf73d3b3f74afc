//! Thoughts of another provider, carried in the slot of the call that followed them.
//!
//! Clients of Gemini's send a call back with its `thoughtSignature`, but not the thoughts before it (Gemini CLI), or only
//! in the pieces in which they were streamed (chats of the SDKs). Other providers want a sealed thought back whole, or
//! refuse the results of the call. So the first call after sealed thoughts carries them, words and all.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::{Deserialize, Serialize};

use crate::Dialect;
use crate::ir::{Block, BlockKind, ReasoningBlock, Request, Signature};
use crate::json::Str;

/// What the slot begins with, under the base64. Its head is that of every carried seal, so that no body with it is
/// spliced through unread.
const MARK: &str = "interlingua.v1.thoughts.";

/// Most bytes of thoughts that a call carries. More are left behind: the slot comes back with every later request.
pub(super) const CARRIED_BYTES_MAX: usize = 256 * 1024;

/// A sealed thought, as carried.
#[derive(Debug, Serialize, Deserialize)]
struct Thought {
    issuer: String,
    seal: String,
    text: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    redacted: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

/// Thoughts on their way to the next call.
#[derive(Debug, Default)]
pub(super) struct Pending {
    thoughts: Vec<Thought>,
    /// Of all thoughts since the last call, also of those that were too much to keep.
    bytes: usize,
}

impl Pending {
    /// Keeps a thought, if another provider sealed it.
    pub(super) fn keep(&mut self, thought: &ReasoningBlock<'_>, seal: Option<&Signature<'_>>) {
        let Some(seal) = seal.filter(|seal| seal.issuer != Dialect::Gemini) else { return };
        self.bytes += seal.value.len() + thought.text.iter().map(|text| text.len()).sum::<usize>();
        if self.bytes > CARRIED_BYTES_MAX {
            return self.thoughts.clear();
        }
        self.thoughts.push(Thought {
            issuer: seal.issuer.name().to_owned(),
            seal: seal.value.to_string(),
            text: thought.text.iter().map(ToString::to_string).collect(),
            redacted: thought.redacted,
            id: thought.id.as_ref().map(ToString::to_string),
        });
    }

    /// The slot of the call that comes next; nothing without thoughts, or with too many.
    pub(super) fn slot(&mut self) -> Option<String> {
        let thoughts = std::mem::take(self).thoughts;
        let text = serde_json::to_string(&thoughts).ok().filter(|_| !thoughts.is_empty())?;
        Some(STANDARD.encode(format!("{MARK}{text}")))
    }
}

/// The thoughts that a slot carries; `None` for any other slot.
pub(super) fn carried(slot: &str) -> Option<Vec<Block<'static>>> {
    // MARK is 24 bytes, which are 32 characters exactly.
    let head = slot.get(..32).and_then(|head| STANDARD.decode(head).ok())?;
    if head != MARK.as_bytes() {
        return None;
    }
    // SDKs may decode the slot and encode it with the other alphabet.
    let bytes = STANDARD.decode(slot).or_else(|_| URL_SAFE.decode(slot)).ok()?;
    let thoughts: Vec<Thought> = serde_json::from_slice(bytes.get(MARK.len()..)?).ok()?;
    thoughts.into_iter().map(Thought::block).collect()
}

/// Puts carried thoughts before the call that is about to follow `blocks`, in the place of what the client kept of them.
pub(super) fn restore<'a>(blocks: &mut Vec<Block<'a>>, thoughts: Vec<Block<'a>>) {
    let is_call = |block: &Block<'_>| matches!(block.kind, BlockKind::ToolUse(_));
    let is_thought = |block: &Block<'_>| matches!(block.kind, BlockKind::Reasoning(_));
    let start = blocks.iter().rposition(is_call).map_or(0, |at| at + 1);
    let tail = blocks.split_off(start);
    let at = tail.iter().position(is_thought).unwrap_or(0);
    blocks.extend(tail.into_iter().filter(|block| !is_thought(block)));
    blocks.splice(start + at..start + at, thoughts);
}

/// Takes the model's thoughts out of a conversation, for what counts or keeps it without them; seals of calls and texts
/// stay. A turn that was nothing but thoughts goes, as empty turns are refused.
pub fn strip_thoughts(request: &mut Request<'_>) {
    request.turns.retain_mut(|turn| {
        let before = turn.blocks.len();
        turn.blocks.retain(|block| !matches!(block.kind, BlockKind::Reasoning(_)));
        turn.blocks.len() == before || !turn.blocks.is_empty()
    });
}

impl Thought {
    fn block(self) -> Option<Block<'static>> {
        let issuer = Dialect::parse(&self.issuer)?;
        let text = self.text.into_iter().map(Str::from).collect();
        let thought = ReasoningBlock { text, redacted: self.redacted, id: self.id.map(Str::from) };
        let mut block = Block::new(BlockKind::Reasoning(thought));
        block.signature = Some(Signature { issuer, value: Str::from(self.seal) });
        Some(block)
    }
}
