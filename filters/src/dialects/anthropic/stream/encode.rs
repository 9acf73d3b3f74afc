//! Events of the intermediate representation to server-sent events.

use super::open::Open;
use crate::continuation::Passed;
use crate::dialects::anthropic::{error, stop, usage};
use crate::ir::stream::{BlockStart, Event, OneOpen};
use crate::ir::{ApiError, LossKind, Losses, ReplyContext, StopReason, Usage};
use crate::json::Writer;
use crate::sse;

/// Writes a stream for a client of this dialect.
#[derive(Debug)]
pub struct StreamEncoder {
    order: OneOpen,
    state: State,
}

#[derive(Debug)]
struct State {
    context: ReplyContext,
    /// The provider's id and model, until `message_start` is written.
    start: Option<(Option<String>, Option<String>)>,
    begun: bool,
    ended: bool,
    /// The block that is open.
    open: Option<Open>,
    /// Number of the next block on the client's side.
    next: u32,
    /// Whether a tool call was written.
    called: bool,
    usage: Option<Usage<'static>>,
    finish: Option<Finish>,
    losses: Losses,
}

#[derive(Debug)]
struct Finish {
    stop: StopReason,
    sequence: Option<String>,
    note: Option<String>,
}

impl StreamEncoder {
    /// An encoder for one answer.
    pub fn new(context: ReplyContext) -> Self {
        let state = State {
            context,
            start: None,
            begun: false,
            ended: false,
            open: None,
            next: 0,
            called: false,
            usage: None,
            finish: None,
            losses: Losses::default(),
        };
        StreamEncoder { order: OneOpen::default(), state }
    }

    /// Writes what one guarded event says. After `End` or `Error` the terminal is written, and nothing after it.
    pub fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        let state = &mut self.state;
        if matches!(event, Event::BlockStart { choice: 1.., .. }) {
            // The protocol has one answer.
            state.losses.add("choices[]", LossKind::Dropped);
        }
        self.order.push(event, &mut |event| state.event(event, out));
    }

    /// Takes over the numbers of the blocks that the client has; `sealed` tells whether the thought that is open has its
    /// seal.
    pub(crate) fn adopt(&mut self, passed: &Passed, sealed: bool) {
        let state = &mut self.state;
        state.begun = true;
        state.next = passed.next();
        if let Some(open) = state.open.as_mut().filter(|_| passed.is_text_open() || passed.is_thought_open()) {
            // A block that was begun keeps its number until it ends.
            state.next = passed.next().saturating_sub(1);
            open.has_begun(sealed && passed.is_thought_open());
        }
    }

    /// What the dialect could not say so far.
    pub fn losses(&self) -> &Losses {
        &self.state.losses
    }
}

impl State {
    fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        match event {
            Event::Start { id, model } => {
                self.start = Some((id.map(|id| id.0.into_owned()), model.map(|model| model.0.into_owned())));
            }
            Event::Usage(usage) => self.usage = Some(usage.into_owned()),
            Event::Ping => {
                // The SDKs take nothing before `message_start`, which brings a ping of its own.
                if self.begun {
                    ping(out);
                } else {
                    self.begin(out);
                }
            }
            Event::BlockStart { block, .. } => {
                self.begin(out);
                self.close(out);
                self.called |= matches!(block, BlockStart::ToolUse { .. });
                self.open = Some(Open::begin(block, &mut self.next, &mut self.losses, out));
            }
            Event::Delta { delta, .. } => {
                if let Some(open) = &mut self.open {
                    open.grow(delta, &mut self.next, &mut self.losses, out);
                }
            }
            Event::BlockStop { .. } => self.close(out),
            Event::Finish { stop, stop_sequence, note, .. } => {
                let (sequence, note) = (stop_sequence.map(|text| text.0.into_owned()), note.map(|n| n.0.into_owned()));
                self.finish = Some(Finish { stop, sequence, note });
            }
            Event::End => self.end(out),
            Event::Error(error) => self.error(&error, out),
        }
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if let Some(open) = self.open.take() {
            open.end(&mut self.next, out);
        }
    }

    /// Writes `message_start`, once, and the `ping` that customarily follows it.
    fn begin(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let (id, model) = self.start.take().unwrap_or_default();
        let id = id.filter(|id| id.starts_with("msg_")).unwrap_or_else(|| self.context.id("msg_", 0));
        let model = model.filter(|_| self.context.model.is_empty()).unwrap_or_else(|| self.context.model.clone());
        sse::event(out, "message_start", |out| {
            Writer::new(out).object(|w| {
                w.key("type").str("message_start");
                w.key("message").object(|w| {
                    w.key("id").str(&id);
                    w.key("type").str("message");
                    w.key("role").str("assistant");
                    w.key("model").str(&model);
                    w.key("content").array(|_| {});
                    w.key("stop_reason").null();
                    w.key("stop_sequence").null();
                    w.key("usage");
                    write_usage(self.usage.as_ref(), w);
                });
            });
        });
        ping(out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.begin(out);
        self.close(out);
        self.ended = true;
        let finish = self.finish.take().unwrap_or(Finish { stop: StopReason::Other, sequence: None, note: None });
        sse::event(out, "message_delta", |out| {
            Writer::new(out).object(|w| {
                w.key("type").str("message_delta");
                w.key("delta").object(|w| {
                    w.key("stop_reason").str(stop::encode(finish.stop, self.called));
                    match &finish.sequence {
                        Some(sequence) => w.key("stop_sequence").str(sequence),
                        None => w.key("stop_sequence").null(),
                    }
                    if let Some(note) = finish.note.as_ref().filter(|_| finish.stop == StopReason::Refusal) {
                        w.key("stop_details").object(|w| {
                            w.key("type").str("refusal");
                            w.key("category").null();
                            w.key("explanation").str(note);
                        });
                    }
                });
                w.key("usage");
                write_usage(self.usage.as_ref(), w);
            });
        });
        sse::event(out, "message_stop", |out| Writer::new(out).object(|w| w.key("type").str("message_stop")));
    }

    fn error(&mut self, problem: &ApiError, out: &mut Vec<u8>) {
        self.close(out);
        self.ended = true;
        sse::event(out, "error", |out| error::body(problem, &mut Writer::new(out)));
    }
}

fn write_usage(counts: Option<&Usage<'_>>, w: &mut Writer<'_>) {
    let own = counts.and_then(|counts| counts.raw.as_ref()).is_some_and(usage::is_own);
    usage::encode(counts, own, w);
}

fn ping(out: &mut Vec<u8>) {
    sse::event(out, "ping", |out| Writer::new(out).object(|w| w.key("type").str("ping")));
}

/// Writes a `content_block_delta` whose delta has these members.
pub(super) fn delta(index: u32, out: &mut Vec<u8>, members: impl FnOnce(&mut Writer<'_>)) {
    sse::event(out, "content_block_delta", |out| {
        Writer::new(out).object(|w| {
            w.key("type").str("content_block_delta");
            w.key("index").u64(index.into());
            w.key("delta").object(members);
        });
    });
}
