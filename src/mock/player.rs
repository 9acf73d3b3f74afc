//! Plays an answer onto a connection: frame by frame, with the faults that were asked for.

use super::chunks::Chunks;
use super::fault::Fault;
use super::frame::{Form, Frame, Ink, Role};
use super::plan::{Cursor, Event, Kind, Plan, Usage};
use super::refusal::Refusal;
use super::socket::ResetSwitch;
use super::speak::Speaker;
use super::state::Flight;
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;
use thiserror::Error;

/// Time that the last bytes get to leave before the connection is cut.
const FLUSH: Duration = Duration::from_millis(5);

/// The connection is cut on purpose.
#[derive(Clone, Copy, Debug, Error)]
#[error("cut by a fault")]
pub(crate) struct Cut;

/// Where the frames come from.
pub(crate) enum Source {
    /// Told step by step, so that long answers cost no memory.
    Told { plan: Box<Plan>, speaker: Box<Speaker>, cursor: Cursor },
    /// Ready (unary answers, errors).
    Ready,
}

/// The faults that concern a body.
#[derive(Clone, Debug, Default)]
struct Faults {
    delay_first: Duration,
    delay_chunk: Duration,
    hang_after: Option<u64>,
    cut_after: Option<(u64, bool)>,
    /// Cut in the place of an event; whether by a reset.
    cut_at: Option<(u64, bool)>,
    end_at: Option<u64>,
    cut_mid_event: Option<u64>,
    error_after: Option<(u64, u16)>,
    error_first: Option<u16>,
    malformed: Option<u64>,
    empty: bool,
    no_terminal: bool,
    no_finish: bool,
    split: bool,
}

/// A body being sent.
pub(crate) struct Player {
    source: Source,
    queue: VecDeque<Frame>,
    pieces: VecDeque<Bytes>,
    ink: Ink,
    faults: Faults,
    switch: ResetSwitch,
    flight: Flight,
    request_id: String,
    model: String,
    /// Cost of what comes next; a bill has what was told.
    unbilled: Usage,
    contents: u64,
    frames: u64,
    sent: u64,
    state: Progress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Playing,
    /// What is queued in `pieces` is the last, then the body ends.
    Ending,
    /// What is queued in `pieces` is the last, then the connection is cut.
    Cutting,
    Over,
}

impl Player {
    /// Plays a told answer.
    pub(crate) fn told(plan: Plan, speaker: Speaker, form: Form, faults: &[Fault], stage: Stage) -> Self {
        let mut player = Self::new(form, faults, stage, plan.model.clone());
        player.source = Source::Told { plan: Box::new(plan), speaker: Box::new(speaker), cursor: Cursor::default() };
        player
    }

    /// Plays one document.
    pub(crate) fn document(data: String, faults: &[Fault], stage: Stage) -> Self {
        let mut player = Self::new(Form::Unary, faults, stage, String::new());
        player.queue.push_back(Frame { event: None, data, role: Role::Content });
        player
    }

    fn new(form: Form, list: &[Fault], stage: Stage, model: String) -> Self {
        let mut ink = Ink { form, line_end: "\n", comments: false };
        let mut faults = Faults::default();
        for fault in list {
            match fault {
                Fault::DelayFirst(wait) => faults.delay_first = *wait,
                Fault::DelayChunk(wait) => faults.delay_chunk = *wait,
                Fault::HangAfter(n) => faults.hang_after = Some(*n),
                Fault::CloseAfter(n) => faults.cut_after = Some((*n, false)),
                Fault::ResetAfter(n) => faults.cut_after = Some((*n, true)),
                Fault::CloseAt(n) => faults.cut_at = Some((*n, false)),
                Fault::ResetAt(n) => faults.cut_at = Some((*n, true)),
                Fault::EndAt(n) => faults.end_at = Some(*n),
                Fault::CloseMidEvent(n) => faults.cut_mid_event = Some(*n),
                Fault::ErrorAfter(n, status) => faults.error_after = Some((*n, *status)),
                Fault::ErrorFirst(status) => faults.error_first = Some(*status),
                Fault::Malformed(n) => faults.malformed = Some(*n),
                Fault::Empty => faults.empty = true,
                Fault::NoTerminal => faults.no_terminal = true,
                Fault::NoFinish => faults.no_finish = true,
                Fault::Split => faults.split = true,
                Fault::Crlf => ink.line_end = "\r\n",
                Fault::Cr => ink.line_end = "\r",
                Fault::Comments => ink.comments = true,
                _ => {}
            }
        }
        Self {
            source: Source::Ready,
            queue: VecDeque::new(),
            pieces: VecDeque::new(),
            ink,
            faults,
            switch: stage.switch,
            flight: stage.flight,
            request_id: stage.request_id,
            model,
            unbilled: Usage::default(),
            contents: 0,
            frames: 0,
            sent: 0,
            state: Progress::Playing,
        }
    }

    /// The next bytes; `None` at the end, an error to cut the connection.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, Cut>> {
        loop {
            if let Some(piece) = self.pieces.pop_front() {
                if self.faults.split {
                    // Lets the connection flush, so that each byte travels alone.
                    tokio::task::yield_now().await;
                }
                if self.pieces.is_empty() && self.state == Progress::Ending {
                    // With a known length nobody asks for the end.
                    self.flight.complete();
                }
                return Some(Ok(piece));
            }
            match self.state {
                Progress::Over => return None,
                Progress::Ending => {
                    self.flight.complete();
                    self.state = Progress::Over;
                    return None;
                }
                Progress::Cutting => {
                    tokio::time::sleep(FLUSH).await;
                    self.state = Progress::Over;
                    return Some(Err(Cut));
                }
                Progress::Playing => self.play().await,
            }
        }
    }

    async fn play(&mut self) {
        if self.faults.empty {
            self.state = Progress::Ending;
            return;
        }
        if self.frames == 0
            && let Some(status) = self.faults.error_first
        {
            self.fail(status);
            return;
        }
        let Some(frame) = self.frame() else {
            let tail = self.ink.tail(self.frames == 0);
            self.state = Progress::Ending;
            self.push(tail.as_bytes().to_vec());
            return;
        };
        if frame.role == Role::Terminal && (self.faults.no_terminal || self.faults.no_finish) {
            self.state = Progress::Ending;
            return;
        }
        if frame.role == Role::Finish && self.faults.no_finish {
            return;
        }
        if frame.role == Role::Content {
            let n = self.contents;
            self.contents += 1;
            if n == 0 {
                tokio::time::sleep(self.faults.delay_first).await;
            }
            if self.faults.hang_after == Some(n) {
                std::future::pending::<()>().await;
            }
            if let Some((_, reset)) = self.faults.cut_at.filter(|(at, _)| *at == n) {
                self.state = Progress::Cutting;
                if reset {
                    self.switch.arm();
                }
                return;
            }
            if self.faults.end_at == Some(n) {
                self.state = Progress::Ending;
                return;
            }
            if let Some((_, status)) = self.faults.error_after.filter(|(at, _)| *at == n) {
                self.fail(status);
                return;
            }
            if self.faults.cut_mid_event == Some(n) {
                let mut half = self.ink.write(&frame, self.frames == 0).into_bytes();
                half.truncate(half.len().div_ceil(2));
                self.state = Progress::Cutting;
                self.push(half);
                return;
            }
            if self.faults.malformed == Some(n) {
                let mut broken = frame;
                broken.data = format!("{{\"broken\": {}", broken.data.get(..1).unwrap_or_default());
                self.write(&broken).await;
                return;
            }
        }
        self.write(&frame).await;
    }

    async fn write(&mut self, frame: &Frame) {
        if self.frames > 0 && !self.faults.delay_chunk.is_zero() {
            tokio::time::sleep(self.faults.delay_chunk).await;
        }
        let bytes = self.ink.write(frame, self.frames == 0).into_bytes();
        self.frames += 1;
        self.flight.bill(std::mem::take(&mut self.unbilled));
        if matches!(self.source, Source::Ready) && self.queue.is_empty() {
            self.state = Progress::Ending;
        }
        self.push(bytes);
    }

    /// Queues bytes, up to where the connection is to be cut.
    fn push(&mut self, mut bytes: Vec<u8>) {
        if let Some((most, reset)) = self.faults.cut_after {
            let left = most.saturating_sub(self.sent);
            if bytes.len() as u64 >= left {
                bytes.truncate(left as usize);
                self.state = Progress::Cutting;
                if reset {
                    self.switch.arm();
                }
            }
        }
        self.sent += bytes.len() as u64;
        let bytes = Bytes::from(bytes);
        if self.faults.split {
            self.pieces.extend((0..bytes.len()).map(|at| bytes.slice(at..=at)));
        } else if !bytes.is_empty() {
            self.pieces.push_back(bytes);
        }
    }

    /// An error inside 200; it is the last thing that is sent.
    fn fail(&mut self, status: u16) {
        let refusal = self.refusal(status);
        let frames = match &mut self.source {
            Source::Told { plan, speaker, .. } => speaker.error(plan, &refusal, &self.request_id),
            Source::Ready => {
                let body = refusal.body(self.flight.dialect, &self.request_id);
                vec![Frame::data(Role::Terminal, &body)]
            }
        };
        self.state = Progress::Ending;
        for frame in frames {
            let bytes = self.ink.write(&frame, self.frames == 0).into_bytes();
            self.frames += 1;
            self.push(bytes);
        }
        if self.state == Progress::Ending {
            self.push(self.ink.tail(false).as_bytes().to_vec());
        }
    }

    fn refusal(&self, status: u16) -> Refusal {
        match status {
            429 => {
                let limit = super::outage::Limit::Requests(60);
                super::outage::limited(self.flight.dialect, &self.model, limit, Duration::from_secs(1))
            }
            _ => super::outage::status(self.flight.dialect, &self.model, "", status),
        }
    }

    /// The next frame; bills what is told.
    fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.queue.pop_front() {
                return Some(frame);
            }
            let Source::Told { plan, speaker, cursor } = &mut self.source else { return None };
            let (frames, spent) = cursor.step(plan, |event| (speaker.frames(plan, event), is_thought(event))).map(
                |((frames, thought), tokens)| {
                    let (output, reasoning) = if thought { (0, tokens) } else { (tokens, 0) };
                    (frames, Usage { output, reasoning, ..Usage::default() })
                },
            )?;
            self.unbilled.add(spent);
            self.queue.extend(frames);
        }
    }

    /// Length of the whole body, where it is known and true.
    pub(crate) fn length(&self) -> Option<usize> {
        match (&self.source, self.queue.front()) {
            (Source::Ready, Some(frame)) if !self.faults.empty && self.faults.error_first.is_none() => {
                let altered = self.faults.error_after.is_some() || self.faults.malformed.is_some();
                (!altered).then_some(frame.data.len())
            }
            _ => None,
        }
    }
}

/// What a player needs besides the answer.
pub(crate) struct Stage {
    pub(crate) flight: Flight,
    pub(crate) switch: ResetSwitch,
    pub(crate) request_id: String,
}

fn is_thought(event: &Event<'_>) -> bool {
    matches!(event, Event::Delta { piece, .. } if matches!(piece.kind, Kind::Thought | Kind::Redacted))
}

/// Whether an answer is too long to be written in one piece.
pub(crate) fn is_unbounded(plan: &Plan) -> bool {
    const UNARY_CHUNKS_MAX: u64 = 1_000_000;
    plan.pieces.iter().any(|piece| matches!(piece.chunks, Chunks::Counted(n) if n > UNARY_CHUNKS_MAX))
}
