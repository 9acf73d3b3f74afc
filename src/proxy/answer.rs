//! The answer to one attempt, while it comes: a model's, another operation's, or bytes that pass.

use http::{HeaderMap, HeaderValue, header};
use interlingua_filters::Dialect;
use interlingua_filters::continuation::Begun;
use interlingua_filters::custody::Keepsake;
use interlingua_filters::dialects::encode_error;
use interlingua_filters::ir::{ApiError, ErrorKind, Losses, ReplyContext, Usage};
use interlingua_filters::operations::{self, CompletionsStream, State};
use interlingua_filters::reply::{ANSWER_BYTES_MAX, Reply};
use interlingua_filters::sse::JsonArray;
use pingora::http::ResponseHeader;

use super::errand::Question;

/// Bytes of a passing answer that are looked at for the ids in it. Lists of objects are the longest.
const LOOKED_AT_BYTES_MAX: usize = 1024 * 1024;

/// See the module. The methods are those of [`Reply`].
pub enum Answer {
    /// A model's answer.
    Model(Model),
    /// Collected, then translated.
    Whole(Box<Whole>),
    /// Passed as it comes.
    Raw(Raw),
}

/// A model's answer, and what its bytes become.
pub struct Model {
    reply: Box<Reply>,
    shape: Shape,
    /// What the reply wrote and the shape has not read.
    scratch: Vec<u8>,
    /// What the shape could not read.
    failure: Option<ApiError>,
    /// What the provider was shown of an answer with which it goes on.
    begun: Option<Begun>,
}

/// What becomes of a reply's bytes.
pub enum Shape {
    /// They are the client's.
    Plain,
    /// Events become elements of one JSON array.
    Array(JsonArray),
    /// Events of a Chat answer become those of a legacy completion.
    Completions(CompletionsStream),
    /// A whole Chat answer becomes a legacy completion.
    Completion,
}

/// An answer that is collected, then translated.
pub struct Whole {
    question: Question,
    upstream: Dialect,
    state: State,
    context: ReplyContext,
    content_type: String,
    body: Vec<u8>,
    usage: Option<Usage<'static>>,
    losses: Losses,
    failure: Option<ApiError>,
    ended: bool,
}

/// An answer that passes.
#[derive(Default)]
pub struct Raw {
    status: u16,
    headers: HeaderMap,
    /// The first bytes, for the ids in them.
    seen: Vec<u8>,
    /// Whether the ids in it are looked for.
    looks: bool,
    ended: bool,
    failure: Option<ApiError>,
}

impl Answer {
    /// A model's answer.
    pub fn model(reply: Reply, shape: Shape) -> Self {
        Answer::Model(Model { reply: Box::new(reply), shape, scratch: Vec::new(), failure: None, begun: None })
    }

    /// The rest of a model's answer; the provider was shown what `begun` tells.
    pub fn rest(reply: Reply, shape: Shape, begun: Begun) -> Self {
        Answer::Model(Model { reply: Box::new(reply), shape, scratch: Vec::new(), failure: None, begun: Some(begun) })
    }

    /// Takes over the client's stream from an answer that broke off.
    pub fn resume(&mut self, broken: &mut Answer) {
        if let (Answer::Model(model), Answer::Model(broken)) = (self, broken)
            && let Some(begun) = model.begun
        {
            model.reply.resume(&mut broken.reply, begun);
            std::mem::swap(&mut model.shape, &mut broken.shape);
        }
    }

    /// Ends a stream that lacks but its last event; see [`Reply::complete`].
    pub fn complete(&mut self, out: &mut Vec<u8>) -> bool {
        if let Answer::Model(model) = self { model.complete(out) } else { false }
    }

    /// A model's reply that no shape has spoilt.
    pub fn reply(&self) -> Option<&Reply> {
        if let Answer::Model(model @ Model { failure: None, .. }) = self { Some(&*model.reply) } else { None }
    }

    /// Tokens that this attempt alone told.
    pub fn own_usage(&self) -> Option<&Usage<'static>> {
        if let Answer::Model(model) = self { model.reply.own_usage() } else { self.usage() }
    }

    /// An answer that is translated when it is whole.
    pub fn whole(question: Question, upstream: Dialect, state: State, context: ReplyContext) -> Self {
        Answer::Whole(Box::new(Whole {
            question,
            upstream,
            state,
            context,
            content_type: String::new(),
            body: Vec::new(),
            usage: None,
            losses: Losses::default(),
            failure: None,
            ended: false,
        }))
    }

    /// An answer that passes; with `looks`, ids are looked for in it.
    pub fn raw(looks: bool) -> Self {
        Answer::Raw(Raw { looks, ..Raw::default() })
    }

    /// The provider's header has come, and its status is good. `pass` says which headers pass.
    pub fn begin(&mut self, response: &ResponseHeader, pass: fn(&str) -> bool) {
        match self {
            Answer::Model(_) => {}
            Answer::Whole(whole) => {
                let kind = response.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
                kind.unwrap_or_default().clone_into(&mut whole.content_type);
            }
            Answer::Raw(raw) => {
                raw.status = response.status.as_u16();
                let kept = response.headers.iter().filter(|(name, _)| pass(name.as_str()));
                raw.headers = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
            }
        }
    }

    /// Reads the provider's next bytes and appends what the client gets for them to `out`.
    ///
    /// # Errors
    /// When the bytes cannot be read on.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ApiError> {
        match self {
            Answer::Model(model) => model.push(bytes, out),
            Answer::Whole(whole) => {
                if whole.body.len() + bytes.len() > ANSWER_BYTES_MAX {
                    return Err(ApiError::new(ErrorKind::BadGateway, "the provider's answer is too large"));
                }
                whole.body.extend_from_slice(bytes);
                Ok(())
            }
            Answer::Raw(raw) => {
                let room = if raw.looks { LOOKED_AT_BYTES_MAX.saturating_sub(raw.seen.len()) } else { 0 };
                raw.seen.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
                out.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// The provider's bytes have ended.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        match self {
            Answer::Model(model) => model.finish(out),
            Answer::Whole(whole) => whole.finish(out),
            Answer::Raw(raw) => raw.ended = true,
        }
    }

    /// Ends the client's answer with `error`. A passing answer has no words for it: it is cut.
    pub fn error_event(&mut self, error: &ApiError, out: &mut Vec<u8>) {
        match self {
            Answer::Model(model) => model.error_event(error, out),
            Answer::Whole(whole) => {
                encode_error(whole.question.client, error, out);
            }
            Answer::Raw(_) => {}
        }
    }

    /// Whether an answer that breaks can only be cut.
    pub fn is_cut(&self) -> bool {
        matches!(self, Answer::Raw(_))
    }

    /// Whether the client's answer may begin.
    pub fn committed(&self) -> bool {
        match self {
            Answer::Model(model) => model.committed(),
            Answer::Whole(whole) => whole.ended,
            Answer::Raw(raw) => raw.status != 0,
        }
    }

    /// Whether the client has its whole answer.
    pub fn ended(&self) -> bool {
        match self {
            Answer::Model(model) => model.reply.ended(),
            Answer::Whole(whole) => whole.ended,
            Answer::Raw(raw) => raw.ended,
        }
    }

    /// Why the provider's answer cannot be completed.
    pub fn failure(&self) -> Option<&ApiError> {
        match self {
            Answer::Model(model) => model.failure.as_ref().or(model.reply.failure()),
            Answer::Whole(whole) => whole.failure.as_ref(),
            Answer::Raw(raw) => raw.failure.as_ref(),
        }
    }

    /// Whether the provider held a model's whole answer back.
    pub fn is_blocked(&self) -> bool {
        matches!(self, Answer::Model(model) if model.reply.is_blocked())
    }

    /// Events without content.
    pub fn heartbeats(&self) -> u32 {
        if let Answer::Model(model) = self { model.reply.heartbeats() } else { 0 }
    }

    /// Tokens spent.
    pub fn usage(&self) -> Option<&Usage<'static>> {
        match self {
            Answer::Model(model) => model.reply.usage(),
            Answer::Whole(whole) => whole.usage.as_ref(),
            Answer::Raw(_) => None,
        }
    }

    /// The provider's own id of a model's answer.
    pub fn answer_id(&self) -> Option<&str> {
        if let Answer::Model(model) = self { model.reply.answer_id() } else { None }
    }

    /// What was sealed around the calls of a whole model's answer, by their ids; once.
    pub fn take_keepsakes(&mut self) -> Vec<(String, Keepsake)> {
        if let Answer::Model(model) = self { model.reply.take_keepsakes() } else { Vec::new() }
    }

    /// What the client is not told of the answer.
    pub fn losses(&self) -> Option<&Losses> {
        match self {
            Answer::Model(model) => Some(model.reply.losses()),
            Answer::Whole(whole) => Some(&whole.losses),
            Answer::Raw(_) => None,
        }
    }

    /// What a passing answer began with, for the ids in it.
    pub fn seen(&self) -> Option<&[u8]> {
        if let Answer::Raw(raw) = self { Some(&raw.seen) } else { None }
    }

    /// Status and headers of the client's answer, where they are not those of a model's answer.
    pub fn head(&self) -> Option<(u16, HeaderMap)> {
        match self {
            Answer::Model(_) => None,
            Answer::Whole(whole) => {
                let kind = HeaderValue::from_str(&whole.content_type);
                let kind = kind.unwrap_or(HeaderValue::from_static("application/octet-stream"));
                Some((200, HeaderMap::from_iter([(header::CONTENT_TYPE, kind)])))
            }
            Answer::Raw(raw) => Some((raw.status, raw.headers.clone())),
        }
    }

    /// Whether a model's stream goes to the client as one JSON array.
    pub fn is_array(&self) -> bool {
        matches!(self, Answer::Model(Model { shape: Shape::Array(_), .. }))
    }
}

impl Model {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ApiError> {
        let unreadable = |error: String| ApiError::new(ErrorKind::BadGateway, error);
        if matches!(self.shape, Shape::Plain) {
            return self.reply.push(bytes, out).map_err(|error| unreadable(error.to_string()));
        }
        let read = self.reply.push(bytes, &mut self.scratch).map_err(|error| unreadable(error.to_string()));
        self.reshape(out);
        read
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if matches!(self.shape, Shape::Plain) {
            return self.reply.finish(out);
        }
        self.reply.finish(&mut self.scratch);
        self.reshape(out);
        if self.reply.failure().is_none() && self.reply.ended() {
            self.end_shape(out);
        }
    }

    fn complete(&mut self, out: &mut Vec<u8>) -> bool {
        if matches!(self.shape, Shape::Plain) {
            return self.reply.complete(out);
        }
        let is_whole = self.reply.complete(&mut self.scratch);
        if is_whole {
            self.reshape(out);
            self.end_shape(out);
        }
        is_whole
    }

    fn error_event(&mut self, error: &ApiError, out: &mut Vec<u8>) {
        if matches!(self.shape, Shape::Plain) {
            return self.reply.error_event(error, out);
        }
        self.reply.error_event(error, &mut self.scratch);
        if let Shape::Completion = self.shape {
            out.append(&mut self.scratch);
            return;
        }
        self.reshape(out);
        self.end_shape(out);
    }

    fn committed(&self) -> bool {
        self.reply.committed() && (self.reply.ended() || !matches!(self.shape, Shape::Completion))
    }

    /// Sends what the reply wrote through the shape.
    fn reshape(&mut self, out: &mut Vec<u8>) {
        let read = match &mut self.shape {
            Shape::Array(array) => array.push(&self.scratch, out),
            Shape::Completions(stream) => stream.push(&self.scratch, out),
            Shape::Plain | Shape::Completion => return,
        };
        self.scratch.clear();
        if let Err(error) = read {
            self.failure = Some(ApiError::new(ErrorKind::BadGateway, error.to_string()));
        }
    }

    fn end_shape(&mut self, out: &mut Vec<u8>) {
        match &mut self.shape {
            Shape::Array(array) => array.finish(out),
            Shape::Completions(stream) => stream.finish(out),
            Shape::Completion => match operations::chat_to_completion(&self.scratch) {
                Ok(completion) => out.extend_from_slice(&completion),
                Err(error) => self.failure = Some(ApiError::new(ErrorKind::BadGateway, error.to_string())),
            },
            Shape::Plain => {}
        }
    }
}

impl Whole {
    fn finish(&mut self, out: &mut Vec<u8>) {
        if self.ended || self.failure.is_some() {
            return;
        }
        let body = std::mem::take(&mut self.body);
        let asked = self.question.asked();
        match operations::answer(&asked, self.upstream, &self.state, &self.content_type, &body, &self.context) {
            Ok(answered) => {
                self.content_type = answered.content_type;
                self.usage = answered.usage;
                self.losses = answered.losses;
                out.extend_from_slice(&answered.body);
                self.ended = true;
            }
            Err(error) => self.failure = Some(error),
        }
    }
}
