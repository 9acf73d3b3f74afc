//! Events put together to a whole answer.

use std::collections::BTreeMap;

use super::{ANSWER_BYTES_MAX, logprobs};
use crate::Dialect;
use crate::ir::stream::{BlockStart, Delta};
use crate::ir::{
    Block, BlockKind, Choice, Event, Media, MediaSource, ReasoningBlock, Response, Signature, StopReason, ToolUse,
    Usage,
};
use crate::json::{Extra, Raw, Str};

/// What a block weighs beside its content, in bytes.
const BLOCK_BYTES: usize = 256;

/// Collects a guarded event stream into one answer.
#[derive(Debug)]
pub struct Collector {
    origin: Dialect,
    id: Option<Str<'static>>,
    model: Option<Str<'static>>,
    usage: Option<Usage<'static>>,
    /// Blocks by index: the order in which they began.
    blocks: BTreeMap<u32, Growing>,
    finished: BTreeMap<u32, Finished>,
    /// By choice.
    logprobs: BTreeMap<u32, Vec<Raw<'static>>>,
    bytes: usize,
}

/// The answer is larger than [`ANSWER_BYTES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is larger than {ANSWER_BYTES_MAX} bytes; ask for it as a stream")]
pub struct TooLarge;

/// A block that grows.
#[derive(Debug)]
struct Growing {
    choice: u32,
    start: BlockStart<'static>,
    /// Text or input; reasoning has one string a part.
    parts: Vec<String>,
    citations: Vec<Raw<'static>>,
    signature: Option<Signature<'static>>,
}

#[derive(Debug)]
struct Finished {
    stop: StopReason,
    stop_sequence: Option<Str<'static>>,
    note: Option<Str<'static>>,
}

impl Collector {
    /// Collects the answer of a provider that speaks `origin`.
    pub fn new(origin: Dialect) -> Self {
        Collector {
            origin,
            id: None,
            model: None,
            usage: None,
            blocks: BTreeMap::new(),
            finished: BTreeMap::new(),
            logprobs: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// Adds one event.
    ///
    /// # Errors
    /// When the answer grows beyond [`ANSWER_BYTES_MAX`].
    pub fn push(&mut self, event: Event<'_>) -> Result<(), TooLarge> {
        match event {
            Event::Start { id, model } => {
                self.id = id.map(Str::into_owned);
                self.model = model.map(Str::into_owned);
            }
            Event::BlockStart { index, choice, block } => {
                self.grow(size_of_start(&block))?;
                let start = block.into_owned();
                let growing = Growing { choice, start, parts: Vec::new(), citations: Vec::new(), signature: None };
                self.blocks.insert(index, growing);
            }
            Event::Delta { index, delta } => {
                self.grow(size_of_delta(&delta))?;
                let Some(block) = self.blocks.get_mut(&index) else { return Ok(()) };
                match delta {
                    Delta::Logprobs { dialect, raw } if dialect == self.origin => {
                        self.logprobs.entry(block.choice).or_default().push(raw.into_owned());
                    }
                    delta => block.add(delta, self.origin),
                }
            }
            Event::Usage(usage) => self.usage = Some(usage.into_owned()),
            Event::Finish { choice, stop, stop_sequence, note } => {
                let stop_sequence = stop_sequence.map(Str::into_owned);
                self.finished.insert(choice, Finished { stop, stop_sequence, note: note.map(Str::into_owned) });
            }
            Event::BlockStop { .. } | Event::End | Event::Error(_) | Event::Ping => {}
        }
        Ok(())
    }

    /// The answer so far.
    pub fn into_response(self) -> Response<'static> {
        let mut blocks: BTreeMap<u32, Vec<Block<'static>>> = BTreeMap::new();
        for growing in self.blocks.into_values() {
            blocks.entry(growing.choice).or_default().push(growing.into_block());
        }
        let mut finished = self.finished;
        for choice in blocks.keys() {
            finished.entry(*choice).or_insert(Finished { stop: StopReason::Other, stop_sequence: None, note: None });
        }
        let choices = finished
            .into_iter()
            .map(|(index, finished)| Choice {
                extra: logprobs::joined(self.logprobs.get(&index).map_or(&[], Vec::as_slice), self.origin),
                ..finished.into_choice(index, blocks.remove(&index).unwrap_or_default())
            })
            .collect();
        Response {
            origin: self.origin,
            id: self.id,
            model: self.model,
            created: None,
            choices,
            usage: self.usage,
            extra: Extra::default(),
        }
    }

    fn grow(&mut self, bytes: usize) -> Result<(), TooLarge> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > ANSWER_BYTES_MAX { Err(TooLarge) } else { Ok(()) }
    }
}

impl Finished {
    fn into_choice(self, index: u32, mut blocks: Vec<Block<'static>>) -> Choice<'static> {
        let refuses_in_words = blocks.iter().any(|block| matches!(block.kind, BlockKind::Refusal { .. }));
        if let (StopReason::Refusal, Some(text), false) = (self.stop, self.note, refuses_in_words) {
            blocks.push(Block::new(BlockKind::Refusal { text }));
        }
        Choice {
            index,
            blocks,
            stop: self.stop,
            stop_raw: None,
            stop_sequence: self.stop_sequence,
            extra: Extra::default(),
            form: 0,
        }
    }
}

impl Growing {
    fn add(&mut self, delta: Delta<'_>, origin: Dialect) {
        match delta {
            Delta::Text(text) | Delta::Input(text) => match self.parts.last_mut() {
                Some(part) => part.push_str(&text),
                None => self.parts.push(text.0.into_owned()),
            },
            // Before any text it says nothing: the first part begins by itself.
            Delta::NextPart if self.parts.is_empty() => {}
            Delta::NextPart => self.parts.push(String::new()),
            Delta::Signature(signature) => self.signature = Some(signature.into_owned()),
            // Citations of another dialect cannot stand beside those of this one.
            Delta::Citation { dialect, raw } if dialect == origin => self.citations.push(raw.into_owned()),
            // The choice has them, see `push`.
            Delta::Citation { .. } | Delta::Logprobs { .. } => {}
        }
    }

    fn into_block(self) -> Block<'static> {
        let Growing { start, parts, citations, signature, .. } = self;
        let kind = match start {
            BlockStart::Text => BlockKind::Text { text: Str::from(parts.concat()), citations: array(&citations) },
            BlockStart::Refusal => BlockKind::Refusal { text: Str::from(parts.concat()) },
            BlockStart::Reasoning { redacted, id } => {
                let text = parts.into_iter().map(Str::from).collect();
                BlockKind::Reasoning(ReasoningBlock { text, redacted, id })
            }
            BlockStart::ToolUse { id, name, kind } => {
                BlockKind::ToolUse(ToolUse { id, name, input: Str::from(parts.concat()), kind })
            }
            BlockStart::Image(media) => medium(media),
            BlockStart::Opaque { dialect, raw } => BlockKind::Opaque { dialect, raw },
        };
        Block { signature, ..Block::new(kind) }
    }
}

/// What a medium is, by its MIME type; a model that says none has made a picture.
fn medium(media: Media<'static>) -> BlockKind<'static> {
    let class = media.mime.as_ref().map_or("image", |mime| mime.split('/').next().unwrap_or_default());
    match class {
        "image" => BlockKind::Image(media),
        "audio" => BlockKind::Audio(media),
        "video" => BlockKind::Video(media),
        _ => BlockKind::File(media),
    }
}

fn array(items: &[Raw<'static>]) -> Option<Raw<'static>> {
    if items.is_empty() {
        return None;
    }
    let items: Vec<&str> = items.iter().map(Raw::get).collect();
    Raw::from_string(format!("[{}]", items.join(",")))
}

fn size_of_start(block: &BlockStart<'_>) -> usize {
    match block {
        BlockStart::ToolUse { id, name, .. } => id.len() + name.len(),
        BlockStart::Image(media) => match &media.source {
            MediaSource::Base64(text)
            | MediaSource::Url(text)
            | MediaSource::Text(text)
            | MediaSource::FileId(text) => text.len(),
        },
        BlockStart::Opaque { raw, .. } => raw.get().len(),
        BlockStart::Text | BlockStart::Refusal | BlockStart::Reasoning { .. } => 0,
    }
    // Without this a stream of empty blocks would be free.
    .saturating_add(BLOCK_BYTES)
}

fn size_of_delta(delta: &Delta<'_>) -> usize {
    match delta {
        Delta::Text(text) | Delta::Input(text) => text.len(),
        Delta::NextPart => size_of::<String>(),
        Delta::Signature(signature) => signature.value.len(),
        Delta::Citation { raw, .. } | Delta::Logprobs { raw, .. } => {
            raw.get().len().saturating_add(size_of::<Raw<'_>>())
        }
    }
}

#[cfg(test)]
mod tests;
