//! Log probabilities between events and whole answers: a choice holds them as its dialect does, events in pieces.

use serde_json::Value;

use crate::Dialect;
use crate::ir::Choice;
use crate::json::{Extra, Raw};

/// The member of a choice in which an answer of `origin` holds them.
pub(super) fn member(origin: Dialect) -> &'static str {
    match origin {
        Dialect::Gemini => "logprobsResult",
        Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::Anthropic => "logprobs",
    }
}

/// Those of a choice.
pub(super) fn of<'c, 'a>(choice: &'c Choice<'a>, origin: Dialect) -> Option<&'c Raw<'a>> {
    choice.extra.get(member(origin)).filter(|raw| !raw.is_null())
}

/// The pieces of one choice put together, as the members of the choice.
pub(super) fn joined(pieces: &[Raw<'static>], origin: Dialect) -> Extra<'static> {
    let mut extra = Extra::default();
    let whole = pieces.iter().map(Raw::to_value).reduce(join);
    if let Some(whole) = whole.and_then(|whole| Raw::from_value(&whole)) {
        extra.push(member(origin), whole);
    }
    extra
}

/// Lists grow, objects grow member by member; anything else keeps its first value that says something.
fn join(left: Value, right: Value) -> Value {
    match (left, right) {
        (Value::Array(mut left), Value::Array(right)) => {
            left.extend(right);
            Value::Array(left)
        }
        (Value::Object(mut left), Value::Object(right)) => {
            for (key, value) in right {
                let before = left.remove(&key).unwrap_or(Value::Null);
                left.insert(key, join(before, value));
            }
            Value::Object(left)
        }
        (Value::Null, right) => right,
        (left, _) => left,
    }
}
