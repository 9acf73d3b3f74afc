//! What the proxy must know of an answer while it passes.

use crate::continuation::{Heard, Transcript};
use crate::custody::Recorder;
use crate::ir::stream::{BlockStart, Delta};
use crate::ir::{ApiError, Event, Losses, Response, StopReason, Usage};

/// Facts gathered from events. Nothing of them is kept but what is sealed.
#[derive(Debug, Default)]
pub(super) struct Observed {
    /// The commit point is behind.
    pub(super) committed: bool,
    /// The client has its terminal event, or its whole answer.
    pub(super) ended: bool,
    /// Some part of the answer itself came.
    pub(super) has_content: bool,
    pub(super) failure: Option<ApiError>,
    pub(super) usage: Option<Usage<'static>>,
    pub(super) stop: Option<StopReason>,
    /// Events of the provider.
    pub(super) events: u64,
    /// Events before the first content.
    pub(super) heartbeats: u32,
    pub(super) upstream_bytes: u64,
    pub(super) text_bytes: u64,
    /// What the provider was heard to say, where nothing stands between.
    pub(super) heard: Heard,
    pub(super) calls: u32,
    /// The provider's id of the answer.
    pub(super) answer_id: Option<String>,
    /// Something of the answer was said, or thought, or called.
    pub(super) spoke: bool,
    /// Whether words of refusal are the decoder's: the provider's dialect has none.
    pub(super) explains: bool,
    /// The block of such words.
    pub(super) explanation: Option<u32>,
    /// What the client's dialect could not say.
    pub(super) losses: Losses,
    /// What the provider sealed, where the client may lose it.
    pub(super) recorder: Option<Recorder>,
    /// What the client has, where the answer may be gone on with.
    pub(super) transcript: Option<Transcript>,
}

impl Observed {
    /// Takes note of one guarded event.
    pub(super) fn see(&mut self, event: &Event<'_>) {
        self.has_content |= event.is_content();
        self.listen(event);
        self.heard.hear(event);
        if let Some(recorder) = &mut self.recorder {
            recorder.see(event);
        }
        if let Some(transcript) = &mut self.transcript {
            transcript.see(event);
        }
        match event {
            Event::Start { id: Some(id), .. } if self.answer_id.is_none() => self.answer_id = Some(id.to_string()),
            Event::Usage(usage) => self.usage = Some(usage.counts()),
            Event::Finish { choice, stop, .. } if *choice == 0 || self.stop.is_none() => self.stop = Some(*stop),
            Event::Delta { delta: Delta::Text(text) | Delta::Input(text), .. } => {
                self.text_bytes = self.text_bytes.saturating_add(text.len() as u64);
            }
            Event::BlockStart { block: BlockStart::ToolUse { .. }, .. } => self.calls = self.calls.saturating_add(1),
            _ => {}
        }
    }

    /// Tells an answer from the mere news that there is none.
    fn listen(&mut self, event: &Event<'_>) {
        match event {
            Event::BlockStart { index, block: BlockStart::Refusal, .. } if self.explains => {
                self.explanation = Some(*index);
            }
            Event::Delta { delta: Delta::Text(text) | Delta::Input(text), index } => {
                self.spoke |= !text.is_empty() && self.explanation != Some(*index);
            }
            Event::BlockStart { .. } => self.spoke |= event.is_content(),
            _ => {}
        }
    }

    /// Takes note of a whole answer.
    pub(super) fn see_response(&mut self, response: &Response<'_>) {
        super::expand::expand(response, &mut |event| self.see(&event));
    }

    /// A server-sent event was read.
    pub(super) fn count_event(&mut self) {
        self.events = self.events.saturating_add(1);
        if !self.has_content {
            self.heartbeats = self.heartbeats.saturating_add(1);
        }
    }

    /// The answer cannot be completed. The first reason stays.
    pub(super) fn fail(&mut self, error: ApiError) {
        self.failure.get_or_insert(error);
    }
}
