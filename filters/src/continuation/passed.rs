//! What a client of the provider's own dialect saw of a stream beside its text: names and numbers that go on.

use super::Obstacle;
use crate::Dialect;
use crate::json::{Raw, Str};
use crate::sse::SseEvent;
use crate::wire_object;

wire_object! {
    struct Mark<'a> {
        kind: Str<'a> = "type",
        index: u32 = "index",
        block: Kind<'a> = "content_block",
        item: Raw<'a> = "item",
        part: Raw<'a> = "part",
        annotation: Raw<'a> = "annotation",
        sequence: u64 = "sequence_number",
    }
}

wire_object! {
    struct Kind<'a> {
        kind: Str<'a> = "type",
        id: Str<'a> = "id",
    }
}

/// See the module. Deltas cost nothing: they are counted.
#[derive(Debug)]
pub struct Passed {
    dialect: Dialect,
    bytes_max: usize,
    bytes: usize,
    /// Data of the first event.
    first: String,
    /// Number of the next event (Responses).
    sequence: u64,
    /// Number of the next block (Messages), and whether one before it is open.
    next: u32,
    open: Open,
    /// Finished items (Responses).
    items: Vec<Vec<u8>>,
    /// The open reasoning item (Responses).
    thought: Option<PassedThought>,
    /// The open message (Responses): its id, and its finished parts.
    message: Option<(String, Vec<Vec<u8>>)>,
    annotations: Vec<Vec<u8>>,
    overflow: bool,
}

/// What is open on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Nothing,
    Text,
    Thought,
    Other,
}

/// What a client knows of a reasoning item that is open.
#[derive(Clone, Debug, Default)]
pub(crate) struct PassedThought {
    /// The item's id.
    pub(crate) id: String,
    /// Parts that were begun.
    pub(crate) parts: usize,
    /// Whether the last of them is open.
    pub(crate) is_part_open: bool,
    /// Whether they are the item's content (models that show their thoughts), and not its summary.
    pub(crate) is_content: bool,
}

impl Passed {
    /// Of a stream of `dialect`; at most `bytes_max` bytes are kept.
    pub fn new(dialect: Dialect, bytes_max: usize) -> Self {
        Passed {
            dialect,
            bytes_max,
            bytes: 0,
            first: String::new(),
            sequence: 0,
            next: 0,
            open: Open::Nothing,
            items: Vec::new(),
            thought: None,
            message: None,
            annotations: Vec::new(),
            overflow: false,
        }
    }

    /// Takes note of one event that passes.
    pub fn see(&mut self, event: SseEvent<'_>) {
        if self.overflow {
            return;
        }
        self.sequence = self.sequence.saturating_add(1);
        if self.first.is_empty() {
            self.weigh(event.data.len());
            event.data.clone_into(&mut self.first);
        }
        // `content_block_delta`, `response.output_text.delta`.
        let is_delta = event.name.strip_suffix("delta").is_some_and(|rest| rest.ends_with(['_', '.']));
        match self.dialect {
            Dialect::Anthropic if !is_delta => self.message_event(event.data),
            Dialect::OpenAiResponses if !is_delta => self.response_event(event.data),
            // Some servers begin such a part without a word of it.
            Dialect::OpenAiResponses if event.name == "response.reasoning_text.delta" => self.content_thought(),
            _ => {}
        }
        if self.bytes > self.bytes_max {
            self.overflow = true;
            self.items = Vec::new();
        }
    }

    fn weigh(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    fn message_event(&mut self, data: &str) {
        let mark: Mark<'_> = serde_json::from_str(data).unwrap_or_default();
        match mark.kind.as_deref() {
            Some("content_block_start") => {
                self.next = mark.index.unwrap_or(self.next).saturating_add(1);
                let kind = mark.block.and_then(|block| block.kind);
                self.open = match kind.as_deref() {
                    Some("text") => Open::Text,
                    Some("thinking" | "redacted_thinking") => Open::Thought,
                    _ => Open::Other,
                };
            }
            Some("content_block_stop") => self.open = Open::Nothing,
            _ => {}
        }
    }

    fn response_event(&mut self, data: &str) {
        let mark: Mark<'_> = serde_json::from_str(data).unwrap_or_default();
        if let Some(number) = mark.sequence {
            self.sequence = number.saturating_add(1);
        }
        let kept = [&mark.item, &mark.part, &mark.annotation].into_iter().flatten().map(|raw| raw.get().len()).sum();
        self.weigh(kept);
        let bytes = |raw: Option<Raw<'_>>| raw.map(|raw| raw.get().as_bytes().to_vec());
        match mark.kind.as_deref() {
            Some("response.output_item.added") => {
                let item: Kind<'_> = mark.item.as_ref().and_then(Raw::read).unwrap_or_default();
                let id = item.id.map(|id| id.to_string()).unwrap_or_default();
                (self.message, self.thought) = (None, None);
                self.open = match item.kind.as_deref() {
                    // Two open items have no one end.
                    _ if self.open != Open::Nothing => Open::Other,
                    Some("message") => {
                        self.message = Some((id, Vec::new()));
                        Open::Nothing
                    }
                    Some("reasoning") => {
                        self.thought = Some(PassedThought { id, ..PassedThought::default() });
                        Open::Thought
                    }
                    _ => Open::Other,
                };
                self.annotations.clear();
            }
            Some("response.output_item.done") => {
                self.items.extend(bytes(mark.item));
                (self.message, self.thought) = (None, None);
                self.open = Open::Nothing;
            }
            Some("response.reasoning_summary_part.added") => self.part_of_thought(false),
            Some("response.content_part.added") if self.thought.is_some() => self.part_of_thought(true),
            Some("response.reasoning_text.delta") => self.content_thought(),
            Some("response.reasoning_summary_part.done" | "response.content_part.done") if self.thought.is_some() => {
                self.thought.iter_mut().for_each(|thought| thought.is_part_open = false);
            }
            Some("response.content_part.added") => {
                let part: Kind<'_> = mark.part.as_ref().and_then(Raw::read).unwrap_or_default();
                self.open = if part.kind.is_some_and(|kind| kind == "output_text") { Open::Text } else { Open::Other };
                self.annotations.clear();
            }
            Some("response.content_part.done") => {
                if let Some((_, parts)) = &mut self.message {
                    parts.extend(bytes(mark.part));
                }
                self.open = Open::Nothing;
            }
            Some("response.output_text.annotation.added") => self.annotations.extend(bytes(mark.annotation)),
            _ => {}
        }
    }

    /// A part of the open reasoning item begins.
    fn part_of_thought(&mut self, is_content: bool) {
        if let Some(thought) = &mut self.thought {
            thought.parts = thought.parts.saturating_add(1);
            (thought.is_part_open, thought.is_content) = (true, is_content);
        }
    }

    fn content_thought(&mut self) {
        if self.thought.as_ref().is_some_and(|thought| !thought.is_part_open) {
            self.part_of_thought(true);
        }
    }

    /// Why the stream cannot be gone on with.
    pub fn obstacle(&self) -> Option<Obstacle> {
        if self.overflow {
            return Some(Obstacle::TooLong);
        }
        (self.open == Open::Other).then_some(Obstacle::Part)
    }

    /// Data of the first event.
    pub(crate) fn first(&self) -> &str {
        &self.first
    }

    /// Number of the next event (Responses).
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Number of the next block (Messages).
    pub(crate) fn next(&self) -> u32 {
        self.next
    }

    /// Whether a block or part of text is open on the wire.
    pub(crate) fn is_text_open(&self) -> bool {
        self.open == Open::Text
    }

    /// Whether a thought is open on the wire.
    pub(crate) fn is_thought_open(&self) -> bool {
        self.open == Open::Thought
    }

    /// Whether the end of a thought repeats its words.
    pub(crate) fn repeats_thoughts(&self) -> bool {
        self.dialect == Dialect::OpenAiResponses
    }

    /// The open reasoning item (Responses).
    pub(crate) fn thought(&self) -> Option<&PassedThought> {
        self.thought.as_ref()
    }

    /// Finished items (Responses).
    pub(crate) fn items(&self) -> &[Vec<u8>] {
        &self.items
    }

    /// The open message (Responses): its id, and its finished parts.
    pub(crate) fn message(&self) -> Option<(&str, &[Vec<u8>])> {
        self.message.as_ref().map(|(id, parts)| (id.as_str(), parts.as_slice()))
    }

    /// Annotations of the open part (Responses).
    pub(crate) fn annotations(&self) -> &[Vec<u8>] {
        &self.annotations
    }
}
