//! Writing an answer in a dialect: as one document, and event by event.

mod anthropic;
mod gemini;
mod openai_chat;
mod openai_responses;

use super::dialect::Dialect;
use super::frame::Frame;
use super::plan::{Event, Plan};
use super::refusal::Refusal;
use super::seal::Seal;
use serde_json::Value;

/// A dialect's writer, with the state that a stream of it needs.
pub(crate) enum Speaker {
    Chat(openai_chat::Speaker),
    Responses(openai_responses::Speaker),
    Anthropic(anthropic::Speaker),
    Gemini(gemini::Speaker),
}

impl Speaker {
    /// A writer for one answer to the request `body`.
    pub(crate) fn new(dialect: Dialect, seal: Seal, number: u64, body: &Value) -> Self {
        match dialect {
            Dialect::Chat => Self::Chat(openai_chat::Speaker::new(seal, number)),
            Dialect::Responses => Self::Responses(openai_responses::Speaker::new(seal, number, body)),
            Dialect::Anthropic => Self::Anthropic(anthropic::Speaker::new(seal, number)),
            Dialect::Gemini => Self::Gemini(gemini::Speaker::new(seal, number)),
        }
    }

    /// The items of a Responses answer, as later requests may refer to them.
    pub(crate) fn output(plan: &Plan) -> Vec<Value> {
        openai_responses::Speaker::output(plan)
    }

    /// The whole answer.
    pub(crate) fn unary(&self, plan: &Plan) -> Value {
        match self {
            Self::Chat(speaker) => speaker.unary(plan),
            Self::Responses(speaker) => speaker.unary(plan),
            Self::Anthropic(speaker) => speaker.unary(plan),
            Self::Gemini(speaker) => speaker.unary(plan),
        }
    }

    /// The frames of one step.
    pub(crate) fn frames(&mut self, plan: &Plan, event: &Event<'_>) -> Vec<Frame> {
        match self {
            Self::Chat(speaker) => speaker.frames(plan, event),
            Self::Responses(speaker) => speaker.frames(plan, event),
            Self::Anthropic(speaker) => speaker.frames(plan, event),
            Self::Gemini(speaker) => speaker.frames(plan, event),
        }
    }

    /// An error in the middle of a stream.
    pub(crate) fn error(&mut self, plan: &Plan, refusal: &Refusal, request_id: &str) -> Vec<Frame> {
        use super::frame::Role::Terminal;
        match self {
            Self::Chat(_) => vec![Frame::data(Terminal, &refusal.body(Dialect::Chat, request_id))],
            Self::Responses(speaker) => speaker.error(plan, refusal),
            Self::Anthropic(_) => vec![Frame::named(Terminal, &refusal.body(Dialect::Anthropic, request_id))],
            Self::Gemini(_) => vec![Frame::escaped(Terminal, &refusal.body(Dialect::Gemini, request_id))],
        }
    }
}

#[cfg(test)]
mod tests;
