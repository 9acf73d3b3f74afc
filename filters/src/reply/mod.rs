//! The response side of one attempt: the provider's bytes in, the client's bytes out.
//!
//! Any mode meets any mode. What the provider sends is told by its first bytes, not by what was asked or what the content
//! type says: errors come as event streams, streams as JSON.
//!
//! | provider sends | client streams | client does not |
//! |---|---|---|
//! | events | translated, or spliced | collected ([`Collector`]) |
//! | one JSON body | expanded ([`expand`]) | translated, or spliced |
//!
//! The proxy keeps `out` back until [`Reply::committed`]. Before that point the attempt leaves no trace: drop the
//! `Reply` and the bytes, and try elsewhere. A failure of the provider is never written by itself. It stands in
//! [`Reply::failure`], and the proxy decides: another attempt, a continuation, or [`Reply::error_event`].

mod collect;
mod expand;
mod logprobs;
mod notes;
mod observe;
mod own;
mod pass;
mod resume;
mod translate;
mod whole;

pub use collect::{Collector, TooLarge};
pub use expand::expand;
pub use notes::Undo;

use crate::Dialect;
use crate::custody::{Keepsake, Recorder};
use crate::dialects::{StreamDecoder, StreamEncoder, encode_error, encode_response};
use crate::ir::{ApiError, ErrorKind, Event, Losses, ReplyContext, ReplyNotes, StopReason, Usage};
use crate::json::{Raw, Str};
use crate::lane::Lane;
use crate::sse::{Parser, SseError, SseEvent};
use observe::Observed;
use pass::{Pass, Verdict, judge};
use resume::{Continued, through};
use translate::Writer;
use whole::Whole;

/// Bytes of an answer that is kept until it is whole. Inline pictures are the largest known.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes kept of what a provider sends from its error event on.
const LATE_BYTES_MAX: usize = 64 * 1024;

/// Events with which a Responses stream opens: `response.created` and `response.in_progress`.
const OPENING_EVENTS: u64 = 2;

/// Bytes looked at for the first that is no white space.
const BLANK_BYTES_MAX: usize = 4 * 1024;

/// What an answer must become.
#[derive(Clone, Debug)]
pub struct ReplyPlan {
    /// The lane that the request took.
    pub lane: Lane,
    /// The client's dialect.
    pub client: Dialect,
    /// The provider's dialect.
    pub upstream: Dialect,
    /// Whether the client wants events.
    pub client_streams: bool,
    /// Whether the provider was asked for events. What it sends is told by its bytes; this decides only for none at all.
    pub upstream_streams: bool,
    /// What encoders need to know of the request.
    pub context: ReplyContext,
    /// What the encoding of the request changed.
    pub notes: ReplyNotes,
    /// Whether the client must not see the usage chunk of a spliced OpenAI Chat stream.
    pub strip_usage: bool,
}

/// Why the provider's bytes cannot be read on. [`Reply::failure`] says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// An event is too long.
    #[error(transparent)]
    Event(#[from] SseError),
    /// The answer is too large to be kept until it is whole.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

/// The answer to one attempt, while it comes.
pub struct Reply {
    plan: ReplyPlan,
    framing: Framing,
    reader: Reader,
    /// `None` until the framing is known.
    writer: Option<Writer>,
    pass: Pass,
    seen: Observed,
    /// Set where this attempt goes on with another's answer.
    continued: Option<Box<Continued>>,
    /// Tokens that the model counts for one that is estimated.
    ratio: f64,
    /// Whether the provider's bytes have ended.
    finished: bool,
}

/// What the provider sends.
enum Framing {
    /// Only white space so far.
    Unknown(Vec<u8>),
    /// Server-sent events.
    Events,
    /// One body.
    Whole(Vec<u8>),
}

/// From events' bytes to events of the answer in the client's terms.
struct Reader {
    parser: Parser,
    decoder: StreamDecoder,
    undo: Undo,
}

impl Reply {
    /// Before the first byte.
    pub fn new(plan: ReplyPlan) -> Self {
        let undo = Undo::new(plan.notes.clone());
        let reader = Reader { parser: Parser::default(), decoder: StreamDecoder::new(plan.upstream), undo };
        // Where the bytes pass, the client has the seals in the words of its own dialect.
        let recorder = if plan.lane == Lane::Convert { Recorder::new(plan.upstream) } else { None };
        let seen = Observed { recorder, explains: plan.upstream == Dialect::Gemini, ..Observed::default() };
        Reply {
            plan,
            framing: Framing::Unknown(Vec::new()),
            reader,
            writer: None,
            pass: Pass::default(),
            seen,
            continued: None,
            ratio: 1.0,
            finished: false,
        }
    }

    /// Reads the provider's next bytes and appends what the client gets for them to `out`.
    ///
    /// # Errors
    /// When the bytes cannot be read on; stop reading from the provider. A provider's own error is no error here.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ReplyError> {
        self.seen.upstream_bytes = self.seen.upstream_bytes.saturating_add(bytes.len() as u64);
        self.smooth(out);
        if let Framing::Unknown(blank) = &mut self.framing {
            blank.extend_from_slice(bytes);
            let Some(framing) = framing(blank) else { return Ok(()) };
            let first = std::mem::take(blank);
            self.framing = framing;
            return self.read(&first, out);
        }
        self.read(bytes, out)
    }

    /// The provider's bytes have ended. Afterwards either [`Self::ended`] is true or [`Self::failure`] says why not.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        self.smooth(out);
        match std::mem::replace(&mut self.framing, Framing::Events) {
            Framing::Unknown(_) if !self.plan.upstream_streams => self.finish_whole(b"", out),
            Framing::Unknown(_) | Framing::Events => self.finish_events(out),
            Framing::Whole(body) => self.finish_whole(&body, out),
        }
        self.tell_losses();
    }

    /// Ends the client's answer with `error` in its dialect, unless it has its end already. A unary client gets the error
    /// body alone; its status is the caller's affair.
    ///
    /// In the splice lane the provider's own error event passes untouched when `error` is what [`Self::failure`] gave.
    pub fn error_event(&mut self, error: &ApiError, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.seen.ended, true) {
            return;
        }
        self.smooth(out);
        // Half an answer has nothing to be taken up again.
        self.seen.recorder = None;
        if !self.plan.client_streams {
            encode_error(self.plan.client, error, out);
            return;
        }
        let late = self.pass.take_late();
        if self.seen.failure.as_ref() == Some(error) && is_readable(&late) {
            return out.extend_from_slice(&late);
        }
        if self.pass.is_ragged() {
            out.extend_from_slice(b"\n\n");
        }
        if let Some(Writer::Stream(encoder)) = &mut self.writer {
            return encoder.event(Event::Error(error.clone()), out);
        }
        // What the client has of a spliced stream is not repeated: neither its events' numbers nor its opening.
        let passed = self.seen.events.saturating_sub(u64::from(!late.is_empty()));
        let sequence = passed.saturating_sub(OPENING_EVENTS);
        let mut encoder = StreamEncoder::new(self.plan.client, ReplyContext { sequence, ..self.plan.context.clone() });
        if let Some(id) = self.seen.answer_id.take() {
            // The client has the beginning of this answer from the provider, and knows it by the provider's id.
            encoder.event(Event::Start { id: Some(Str::from(id)), model: None }, &mut Vec::new());
        }
        encoder.event(Event::Error(error.clone()), out);
    }

    /// Whether the commit point is behind: content was written for a client that streams, or the whole answer for one
    /// that does not. From here on `out` must reach the client.
    pub fn committed(&self) -> bool {
        self.seen.committed
    }

    /// Whether the client has its terminal event or its whole answer.
    pub fn ended(&self) -> bool {
        self.seen.ended
    }

    /// Why the provider's answer cannot be completed: its own error inside a success, an empty, broken-off, unreadable or
    /// oversized answer. Nothing of it was written.
    pub fn failure(&self) -> Option<&ApiError> {
        self.seen.failure.as_ref()
    }

    /// Whether the provider has begun with the answer itself, also where that does not commit yet.
    pub fn has_content(&self) -> bool {
        self.seen.has_content
    }

    /// Tokens so far, without the provider's own words.
    pub fn usage(&self) -> Option<&Usage<'static>> {
        self.seen.usage.as_ref()
    }

    /// The provider's own id of the answer.
    pub fn answer_id(&self) -> Option<&str> {
        self.seen.answer_id.as_deref()
    }

    /// What the client's dialect could not say of the answer; complete when [`Self::ended`].
    pub fn losses(&self) -> &Losses {
        &self.seen.losses
    }

    /// What the provider sealed around the calls of the whole answer, by the calls' ids in the client's words. Nothing
    /// before [`Self::ended`], for an answer that failed, and the second time.
    pub fn take_keepsakes(&mut self) -> Vec<(String, Keepsake)> {
        if !self.seen.ended || self.seen.failure.is_some() {
            return Vec::new();
        }
        self.seen.recorder.take().map(Recorder::into_keepsakes).unwrap_or_default()
    }

    /// Why the first choice ended.
    pub fn stop(&self) -> Option<StopReason> {
        self.seen.stop
    }

    /// Whether the provider held the whole answer back, or blocked the prompt: a refusal without a word of the model's.
    pub fn is_blocked(&self) -> bool {
        self.seen.stop == Some(StopReason::Refusal) && !self.seen.spoke
    }

    /// Server-sent events that came before any content.
    pub fn heartbeats(&self) -> u32 {
        self.seen.heartbeats
    }

    /// Bytes read from the provider.
    pub fn upstream_bytes(&self) -> u64 {
        self.seen.upstream_bytes
    }

    /// Bytes of text, thoughts and tool input that the provider wrote.
    pub fn text_bytes(&self) -> u64 {
        self.seen.text_bytes
    }

    /// Tool calls that began.
    pub fn calls(&self) -> u32 {
        self.seen.calls
    }

    fn read(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ReplyError> {
        match &mut self.framing {
            Framing::Whole(body) => {
                if self.seen.failure.is_some() {
                    return Ok(());
                }
                body.extend_from_slice(bytes);
                if body.len() > ANSWER_BYTES_MAX {
                    body.clear();
                    return Err(self.give_up(TooLarge.into()));
                }
                Ok(())
            }
            Framing::Events | Framing::Unknown(_) => self.read_events(bytes, out),
        }
    }

    fn read_events(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ReplyError> {
        if self.splices_events() {
            self.pass_events(bytes, out);
            return Ok(());
        }
        if self.seen.failure.is_some() || self.seen.ended {
            return Ok(());
        }
        let Reply { plan, reader, writer, seen, continued, .. } = self;
        let Reader { parser, decoder, undo } = reader;
        let writer = writer.get_or_insert_with(|| Writer::translating(plan));
        let result = parser.push(bytes, &mut |event| {
            let mut write = |event: Event<'_>| writer.event(event, plan, seen, out);
            decoder.event(event, &mut |event| undo.push(event, &mut |event| through(continued, event, &mut write)));
            seen.count_event();
        });
        result.map_err(|error| self.give_up(error.into()))
    }

    /// Passes the bytes of events on; the observer's view of them changes nothing but what [`Verdict`] can say.
    fn pass_events(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let Reply { plan, reader, pass, seen, .. } = self;
        pass.push(bytes, out, &mut |raw| observe(raw, plan, reader, seen));
        if pass.is_blind() {
            // Nobody can tell any more; what passes counts as an answer.
            seen.has_content = true;
            seen.committed = true;
        }
    }

    fn finish_events(&mut self, out: &mut Vec<u8>) {
        let is_spliced = self.splices_events();
        let Reply { plan, reader, writer, pass, seen, continued, .. } = self;
        let mut observer = Writer::Observe;
        let writer = if is_spliced {
            pass.finish(out, &mut |rest| observe_rest(rest, plan, reader, seen));
            seen.ended |= pass.is_blind();
            &mut observer
        } else {
            writer.get_or_insert_with(|| Writer::translating(plan))
        };
        let Reader { parser, decoder, undo } = reader;
        if !is_spliced {
            parser.finish(&mut |event| {
                let mut write = |event: Event<'_>| writer.event(event, plan, seen, out);
                decoder.event(event, &mut |event| undo.push(event, &mut |event| through(continued, event, &mut write)));
                seen.count_event();
            });
        }
        if !seen.ended {
            let mut write = |event: Event<'_>| writer.event(event, plan, seen, out);
            decoder.finish(&mut |event| undo.push(event, &mut |event| through(continued, event, &mut write)));
            if is_spliced && seen.ended {
                if pass.is_ragged() {
                    out.extend_from_slice(b"\n\n");
                }
                out.extend_from_slice(last_words(plan.client));
            }
        }
    }

    fn finish_whole(&mut self, body: &[u8], out: &mut Vec<u8>) {
        if self.seen.failure.is_some() {
            return;
        }
        let is_spliced = self.plan.lane == Lane::Splice && !self.plan.client_streams;
        match whole::read(self.plan.upstream, body) {
            Whole::Error(error) | Whole::Broken(error) => self.seen.fail(error),
            Whole::Strange(_) if is_spliced => self.pass_whole(body, out),
            Whole::Strange(error) => self.seen.fail(error),
            Whole::Events(items) => self.replay(&items, out),
            Whole::Answer(response) if is_spliced => {
                self.seen.see_response(&response);
                self.pass_whole(body, out);
            }
            Whole::Answer(mut response) => {
                self.reader.undo.response(&mut response);
                let Reply { plan, seen, writer, continued, .. } = self;
                if plan.client_streams {
                    let writer = writer.get_or_insert_with(|| Writer::translating(plan));
                    let mut write = |event: Event<'_>| writer.event(event, plan, seen, out);
                    expand(&response, &mut |event| through(continued, event, &mut write));
                } else {
                    seen.see_response(&response);
                    let losses = encode_response(plan.client, &response, &plan.context, out);
                    seen.losses.extend(&losses);
                    seen.committed = true;
                    seen.ended = true;
                }
            }
        }
    }

    fn pass_whole(&mut self, body: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(body);
        self.seen.committed = true;
        self.seen.ended = true;
    }

    /// Reads the elements of a JSON array as the events of a stream.
    fn replay(&mut self, items: &[Raw<'_>], out: &mut Vec<u8>) {
        let Reply { plan, reader, seen, writer, continued, .. } = self;
        let Reader { decoder, undo, .. } = reader;
        let writer = writer.get_or_insert_with(|| Writer::translating(plan));
        let mut write = |event: Event<'_>| writer.event(event, plan, seen, out);
        let mut sink = |event: Event<'_>| undo.push(event, &mut |event| through(continued, event, &mut write));
        for item in items {
            decoder.event(SseEvent { name: "", data: item.get() }, &mut sink);
        }
        decoder.finish(&mut sink);
    }

    fn splices_events(&self) -> bool {
        self.plan.lane == Lane::Splice && self.plan.client_streams
    }

    fn give_up(&mut self, error: ReplyError) -> ReplyError {
        self.seen.fail(ApiError::new(ErrorKind::BadGateway, error.to_string()));
        error
    }
}

/// Whether the first event of `bytes` is one that a client can read: a provider's own error, not an event that broke.
fn is_readable(bytes: &[u8]) -> bool {
    let mut readable = None;
    let read = Parser::default().push(bytes, &mut |event| {
        readable.get_or_insert_with(|| serde_json::from_str::<serde::de::IgnoredAny>(event.data).is_ok());
    });
    read.is_ok() && readable == Some(true)
}

/// Tells the framing by the first byte that is no white space; `None` while there is none.
fn framing(first: &[u8]) -> Option<Framing> {
    const MARK: &[u8] = b"\xEF\xBB\xBF";
    let unmarked = first.strip_prefix(MARK).unwrap_or(first);
    match unmarked.trim_ascii_start().first() {
        Some(b'{' | b'[' | b'"' | b'<') => Some(Framing::Whole(Vec::new())),
        Some(_) if MARK.starts_with(unmarked) => None,
        Some(_) => Some(Framing::Events),
        None if first.len() > BLANK_BYTES_MAX => Some(Framing::Events),
        None => None,
    }
}

/// Lets the decoder see one spliced event.
fn observe(raw: &[u8], plan: &ReplyPlan, reader: &mut Reader, seen: &mut Observed) -> Verdict {
    let Reader { parser, decoder, .. } = reader;
    let mut verdict = Verdict::Keep;
    // The parser cannot refuse: events longer than its bound do not come here.
    let _ = parser.push(raw, &mut |event| verdict = observe_event(event, raw, plan, decoder, seen));
    verdict
}

/// Lets the decoder see what stands behind the last blank line. It passes when it says something whole, or when the
/// answer is complete without it.
fn observe_rest(rest: &[u8], plan: &ReplyPlan, reader: &mut Reader, seen: &mut Observed) -> Verdict {
    let Reader { parser, decoder, .. } = reader;
    let mut verdict = None;
    let mut on_event = |event: SseEvent<'_>| verdict = Some(observe_event(event, rest, plan, decoder, seen));
    let _ = parser.push(rest, &mut on_event);
    parser.finish(&mut on_event);
    verdict.unwrap_or(if seen.ended { Verdict::Keep } else { Verdict::Drop })
}

fn observe_event(
    event: SseEvent<'_>,
    raw: &[u8],
    plan: &ReplyPlan,
    decoder: &mut StreamDecoder,
    seen: &mut Observed,
) -> Verdict {
    decoder.event(event, &mut |event| Writer::Observe.event(event, plan, seen, &mut Vec::new()));
    seen.count_event();
    if seen.failure.is_some() {
        return Verdict::Hold;
    }
    if let Some(passed) = seen.transcript.as_mut().and_then(|transcript| transcript.passed.as_mut()) {
        passed.see(event);
    }
    if plan.strip_usage { judge(raw, event.data) } else { Verdict::Keep }
}

/// The event that ends a stream after the model's last words, for a provider that has left it out: some clients wait for
/// it. The other dialects have no such event of its own.
fn last_words(client: Dialect) -> &'static [u8] {
    match client {
        Dialect::Anthropic => b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        Dialect::OpenAiChat => b"data: [DONE]\n\n",
        Dialect::OpenAiResponses | Dialect::Gemini => b"",
    }
}

#[cfg(test)]
mod tests;
