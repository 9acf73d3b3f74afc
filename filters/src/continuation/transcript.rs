//! What the client has of an answer.

use super::Passed;
use crate::ir::Event;
use crate::ir::stream::{BlockStart, Delta};

/// Why an answer cannot be gone on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// A thought is not complete.
    Thought,
    /// A tool was called, or a call has begun.
    Call,
    /// The model declines.
    Refusal,
    /// A medium, or a part that only one dialect knows.
    Part,
    /// There are several alternatives.
    Alternatives,
    /// It is longer than what is kept.
    TooLong,
    /// Its bytes passed unread.
    Unread,
}

impl Obstacle {
    /// The name in logs.
    pub fn name(self) -> &'static str {
        match self {
            Obstacle::Thought => "thought",
            Obstacle::Call => "call",
            Obstacle::Refusal => "refusal",
            Obstacle::Part => "part",
            Obstacle::Alternatives => "alternatives",
            Obstacle::TooLong => "too_long",
            Obstacle::Unread => "unread",
        }
    }
}

/// Gathers what the client has from the events that were written for it: the text alone, one copy of it.
#[derive(Debug)]
pub struct Transcript {
    bytes_max: usize,
    said: String,
    /// The text block that is open, and where its text begins in `said`.
    open: Option<(u32, usize)>,
    thought: Option<u32>,
    next: u32,
    id: Option<String>,
    model: Option<String>,
    obstacle: Option<Obstacle>,
    finished: bool,
    /// What a client of the provider's own dialect saw beside the text.
    pub(crate) passed: Option<Passed>,
}

impl Transcript {
    /// Keeps at most `bytes_max` bytes of text.
    pub fn new(bytes_max: usize) -> Self {
        Transcript {
            bytes_max,
            said: String::new(),
            open: None,
            thought: None,
            next: 0,
            id: None,
            model: None,
            obstacle: None,
            finished: false,
            passed: None,
        }
    }

    /// Takes note of one event that the client gets.
    pub fn see(&mut self, event: &Event<'_>) {
        if self.obstacle.is_some() {
            return;
        }
        match event {
            Event::Start { id, model } => {
                self.id = id.as_ref().map(|id| id.as_str().to_owned());
                self.model = model.as_ref().map(|model| model.as_str().to_owned());
            }
            Event::BlockStart { choice: 1.., .. } | Event::Finish { choice: 1.., .. } => {
                self.meet(Obstacle::Alternatives);
            }
            Event::BlockStart { index, block, .. } => self.block(*index, block),
            Event::Delta { index, delta: Delta::Text(text) } if self.open.is_some_and(|(open, _)| open == *index) => {
                if self.said.len() + text.len() > self.bytes_max {
                    return self.meet(Obstacle::TooLong);
                }
                self.said.push_str(text);
            }
            Event::BlockStop { index } => {
                self.open = self.open.filter(|(open, _)| open != index);
                self.thought = self.thought.filter(|open| open != index);
            }
            Event::Finish { .. } => self.finished = true,
            Event::Delta { .. } | Event::Usage(_) | Event::End | Event::Error(_) | Event::Ping => {}
        }
    }

    fn block(&mut self, index: u32, block: &BlockStart<'_>) {
        self.next = index.saturating_add(1);
        match block {
            // Two open texts have no one end to go on from.
            BlockStart::Text if self.open.is_some() => self.meet(Obstacle::Part),
            BlockStart::Text => self.open = Some((index, self.said.len())),
            BlockStart::Reasoning { .. } => self.thought = Some(index),
            BlockStart::ToolUse { .. } => self.meet(Obstacle::Call),
            BlockStart::Refusal => self.meet(Obstacle::Refusal),
            BlockStart::Image(_) | BlockStart::Opaque { .. } => self.meet(Obstacle::Part),
        }
    }

    /// Nothing is kept any more.
    pub(crate) fn meet(&mut self, obstacle: Obstacle) {
        self.obstacle = Some(obstacle);
        self.said = String::new();
        self.passed = None;
    }

    /// Why the answer cannot be gone on with; `None` when it can.
    pub fn obstacle(&self) -> Option<Obstacle> {
        let passed = self.passed.as_ref().and_then(Passed::obstacle);
        self.obstacle.or(passed).or(self.thought.map(|_| Obstacle::Thought))
    }

    /// Whether the answer has its reason to end: only its last event may be missing.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// All text so far.
    pub fn said(&self) -> &str {
        &self.said
    }

    /// The text block that is open.
    pub fn open(&self) -> Option<u32> {
        self.open.map(|(index, _)| index)
    }

    /// Text of the open block so far.
    pub fn said_in_open(&self) -> &str {
        self.open.and_then(|(_, from)| self.said.get(from..)).unwrap_or_default()
    }

    /// Number of the next block.
    pub fn next(&self) -> u32 {
        self.next
    }

    /// The provider's id of the answer.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The model as the provider named it.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }
}
