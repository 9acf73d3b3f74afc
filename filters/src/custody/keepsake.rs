//! What is kept of one call.

use crate::Dialect;

/// What a provider sealed around one tool call of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keepsake {
    /// Whose seals they are; no other provider gets them.
    pub issuer: Dialect,
    /// Name of the tool, as the client knows it: ids that two providers made alike are told apart by it.
    pub(super) tool: String,
    /// What stood before the call, from the call before it or from the beginning of the answer.
    pub(super) before: Stretch,
    /// The seal on the call itself.
    pub(super) seal: Option<String>,
    /// What stood behind the last call of the answer.
    pub(super) after: Stretch,
}

/// A stretch of an answer without calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stretch {
    /// Bytes of plain text in it.
    pub(super) said: usize,
    pub(super) parts: Vec<Kept>,
}

/// A sealed part, and behind how many bytes of the stretch's text it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) at: usize,
    pub(super) part: Part,
    pub(super) seal: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A thought, which the client may have seen but cannot send back sealed.
    Thought { text: Vec<String>, redacted: bool, id: Option<String> },
    /// Text that the client has: only its length, and a hash to know it by.
    Text { len: usize, hash: u64 },
}

impl Keepsake {
    /// What it weighs in memory, in bytes.
    pub fn bytes(&self) -> usize {
        let parts = self.before.parts.iter().chain(&self.after.parts);
        let kept: usize = parts.map(Kept::bytes).sum();
        size_of::<Self>() + self.tool.len() + self.seal.as_ref().map_or(0, String::len) + kept
    }

    /// Whether there is anything to put back.
    pub(super) fn is_empty(&self) -> bool {
        self.seal.is_none() && self.before.parts.is_empty() && self.after.parts.is_empty()
    }
}

impl Kept {
    fn bytes(&self) -> usize {
        let words = match &self.part {
            Part::Thought { text, id, .. } => {
                let text: usize = text.iter().map(|text| text.len() + size_of::<String>()).sum();
                text + id.as_ref().map_or(0, String::len)
            }
            Part::Text { .. } => 0,
        };
        size_of::<Self>() + self.seal.len() + words
    }
}

/// The hash of a text that comes in pieces: FNV-1a, 64 bits. `hash` is that of what came before.
pub(super) fn hash(hash: u64, text: &str) -> u64 {
    text.bytes().fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// The hash of no text.
pub(super) const EMPTY_HASH: u64 = 0xcbf2_9ce4_8422_2325;
