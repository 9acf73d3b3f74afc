//! From the events of an answer to its keepsakes.

use std::collections::BTreeMap;

use super::keepsake::{EMPTY_HASH, Keepsake, Kept, Part, Stretch, hash};
use crate::Dialect;
use crate::ir::Event;
use crate::ir::stream::{BlockStart, Delta};
use crate::repair::names;

/// Most bytes of thoughts and seals that are kept of one answer. Of a longer one nothing is kept: a part of its
/// thoughts would be refused.
pub const KEPT_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Most blocks of one answer. Of one with more nothing is kept.
pub const KEPT_BLOCKS_MAX: usize = 4096;

/// Keeps what a provider seals in one answer. Sees guarded events in the client's terms.
#[derive(Debug)]
pub struct Recorder {
    issuer: Dialect,
    /// Blocks in the order in which they began, by the number of the choice.
    choices: BTreeMap<u32, Vec<Seen>>,
    /// Where a block stands: its choice and its place there.
    places: BTreeMap<u32, (u32, usize)>,
    bytes: usize,
    /// There was too much of it.
    overfull: bool,
}

#[derive(Debug)]
struct Seen {
    what: What,
    seal: Option<String>,
}

#[derive(Debug)]
enum What {
    Call { id: String, tool: String },
    Text { len: usize, hash: u64 },
    Thought { text: Vec<String>, redacted: bool, id: Option<String> },
}

impl Recorder {
    /// Records an answer of a provider that speaks `issuer`; `None` for a dialect without seals.
    pub fn new(issuer: Dialect) -> Option<Self> {
        (issuer != Dialect::OpenAiChat).then(|| Recorder {
            issuer,
            choices: BTreeMap::new(),
            places: BTreeMap::new(),
            bytes: 0,
            overfull: false,
        })
    }

    /// Takes note of one event.
    pub fn see(&mut self, event: &Event<'_>) {
        if self.overfull {
            return;
        }
        match event {
            Event::BlockStart { index, choice, block } => self.begin(*index, *choice, block),
            Event::Delta { index, delta } => self.grow(*index, delta),
            _ => {}
        }
        if self.bytes > KEPT_BYTES_MAX || self.places.len() > KEPT_BLOCKS_MAX {
            self.overfull = true;
            self.choices.clear();
            self.places.clear();
        }
    }

    /// The keepsakes of the whole answer by the ids of their calls, as the client knows them. Calls around which nothing
    /// was sealed have none.
    pub fn into_keepsakes(self) -> Vec<(String, Keepsake)> {
        let mut kept = Vec::new();
        for blocks in self.choices.into_values() {
            keepsakes(self.issuer, blocks, &mut kept);
        }
        kept
    }

    fn begin(&mut self, index: u32, choice: u32, block: &BlockStart<'_>) {
        let what = match block {
            BlockStart::Text => What::Text { len: 0, hash: EMPTY_HASH },
            BlockStart::Reasoning { redacted, id } => {
                let id = id.as_ref().map(ToString::to_string);
                What::Thought { text: Vec::new(), redacted: *redacted, id }
            }
            BlockStart::ToolUse { id, name, .. } => {
                self.bytes = self.bytes.saturating_add(id.len() + name.len());
                What::Call { id: id.to_string(), tool: name.to_string() }
            }
            // What the client cannot bring back has no place in its next request.
            BlockStart::Refusal | BlockStart::Image(_) | BlockStart::Opaque { .. } => return,
        };
        let blocks = self.choices.entry(choice).or_default();
        self.places.insert(index, (choice, blocks.len()));
        blocks.push(Seen { what, seal: None });
    }

    fn grow(&mut self, index: u32, delta: &Delta<'_>) {
        let Some((choice, place)) = self.places.get(&index) else { return };
        let Some(block) = self.choices.get_mut(choice).and_then(|blocks| blocks.get_mut(*place)) else { return };
        match (delta, &mut block.what) {
            (Delta::Text(more), What::Text { len, hash: known }) => {
                *len += more.len();
                *known = hash(*known, more);
            }
            (Delta::Text(more), What::Thought { text, .. }) => {
                self.bytes = self.bytes.saturating_add(more.len());
                match text.last_mut() {
                    Some(last) => last.push_str(more),
                    None => text.push(more.to_string()),
                }
            }
            (Delta::NextPart, What::Thought { text, .. }) if !text.is_empty() => {
                self.bytes = self.bytes.saturating_add(size_of::<String>());
                text.push(String::new());
            }
            (Delta::Signature(seal), _) if seal.issuer == self.issuer && !seal.value.is_empty() => {
                self.bytes = self.bytes.saturating_add(seal.value.len());
                block.seal = Some(seal.value.to_string());
            }
            _ => {}
        }
    }
}

/// Adds the keepsakes of one choice.
fn keepsakes(issuer: Dialect, blocks: Vec<Seen>, kept: &mut Vec<(String, Keepsake)>) {
    let mut stretch = Stretch::default();
    let mut last: Option<(String, Keepsake)> = None;
    for Seen { what, seal } in blocks {
        match (what, seal) {
            (What::Call { id, tool }, seal) => {
                add(kept, last.take());
                let (before, after) = (std::mem::take(&mut stretch), Stretch::default());
                last = Some((id, Keepsake { issuer, tool, before, seal, after }));
            }
            (What::Text { len, hash }, seal) => {
                let at = stretch.said;
                stretch.said += len;
                stretch.parts.extend(seal.map(|seal| Kept { at, part: Part::Text { len, hash }, seal }));
            }
            (What::Thought { text, redacted, id }, Some(seal)) => {
                stretch.parts.push(Kept { at: stretch.said, part: Part::Thought { text, redacted, id }, seal });
            }
            // Without a seal nobody wants it back.
            (What::Thought { .. }, None) => {}
        }
    }
    if let Some((_, keepsake)) = &mut last {
        keepsake.after = stretch;
    }
    add(kept, last);
}

/// Encoders of some clients shorten an id that their dialect does not take: it is kept under both.
fn add(kept: &mut Vec<(String, Keepsake)>, last: Option<(String, Keepsake)>) {
    let Some((id, keepsake)) = last.filter(|(_, keepsake)| !keepsake.is_empty()) else { return };
    let written = names::call_id(&id).into_owned();
    if written != id {
        kept.push((written, keepsake.clone()));
    }
    kept.push((id, keepsake));
}
