//! What the providers refuse, in their own words. One file a dialect; every rule has a test.

mod anthropic;
mod gemini;
mod gemini_schema;
mod openai;
mod openai_chat;
mod openai_responses;

use super::dialect::Dialect;
use super::memory::Memory;
use super::refusal::Refusal;
use super::seal::Seal;
use super::view::View;
use http::HeaderMap;
use serde_json::Value;

pub(crate) use gemini::call_digest as gemini_call_digest;

/// What a check sees.
pub(crate) struct Context<'a> {
    pub(crate) body: &'a Value,
    pub(crate) view: &'a View,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) seal: Seal,
    pub(crate) memory: &'a Memory,
    /// The scenario is `think-tool`: thinking must come back.
    pub(crate) thinks: bool,
    /// Also refuse what only older models and Vertex refuse.
    pub(crate) legacy: bool,
    /// Tokens are only counted.
    pub(crate) counting: bool,
}

/// The result of a check.
pub(crate) type Verdict = Result<(), Refusal>;

/// One rule.
type Rule = fn(&Context<'_>) -> Verdict;

/// Runs the rules of a dialect; the first refusal is the answer.
pub(crate) fn check(dialect: Dialect, context: &Context<'_>) -> Verdict {
    let rules: &[Rule] = match dialect {
        Dialect::Chat => openai_chat::RULES,
        Dialect::Responses => openai_responses::RULES,
        Dialect::Anthropic => anthropic::RULES,
        Dialect::Gemini => gemini::RULES,
    };
    rules.iter().try_for_each(|rule| rule(context))
}

/// The body is no JSON.
pub(crate) fn not_json(dialect: Dialect, error: &serde_json::Error) -> Refusal {
    match dialect {
        Dialect::Chat | Dialect::Responses => Refusal::invalid(
            "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP \
             library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)",
        ),
        Dialect::Anthropic => Refusal::invalid(format!("The request body is not valid JSON: {error}")),
        Dialect::Gemini => Refusal::invalid(format!("Invalid JSON payload received. {error}")),
    }
}

/// The body is JSON, but no object.
pub(crate) fn not_an_object(dialect: Dialect) -> Refusal {
    match dialect {
        Dialect::Chat | Dialect::Responses => Refusal::invalid("Invalid type for request body: expected an object."),
        Dialect::Anthropic => Refusal::invalid("Input should be a valid dictionary"),
        Dialect::Gemini => Refusal::invalid("Invalid JSON payload received. Expected an object."),
    }
}

/// Fails with `refusal` when `wrong`.
fn refuse_if(wrong: bool, refusal: impl FnOnce() -> Refusal) -> Verdict {
    if wrong { Err(refusal()) } else { Ok(()) }
}

/// Whether every character is a letter, a digit or one of `more`, and there is at least one.
fn is_name(text: &str, more: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || more.contains(letter))
}

#[cfg(test)]
mod tests;
