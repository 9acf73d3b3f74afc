//! What is answered.

use serde::{Deserialize, Deserializer, Serialize};

use super::{Message, ToolCall};
use crate::Extra;

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChatResponse {
    /// Its id.
    #[serde(default)]
    pub id: String,
    /// The model that answered.
    #[serde(default)]
    pub model: String,
    /// Seconds of the Unix epoch.
    #[serde(default)]
    pub created: u64,
    /// The answers; one, unless `n` was set.
    #[serde(default)]
    pub choices: Vec<Choice>,
    /// What it cost in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The request's id in the gateway's log. Not of the body.
    #[serde(skip)]
    pub request_id: Option<String>,
    /// All else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// One of the answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Choice {
    /// Which one.
    #[serde(default)]
    pub index: u32,
    /// What was said.
    pub message: Message,
    /// Why it ended.
    #[serde(default)]
    pub finish_reason: Option<FinishReason>,
    /// All else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FinishReason {
    /// All is said.
    Stop,
    /// The most tokens were reached.
    Length,
    /// Tools are called.
    ToolCalls,
    /// The provider's filter ended it.
    ContentFilter,
    /// One that this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// Tokens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Usage {
    /// Of the conversation.
    #[serde(default)]
    pub prompt_tokens: u64,
    /// Of the answer.
    #[serde(default)]
    pub completion_tokens: u64,
    /// Both.
    #[serde(default)]
    pub total_tokens: u64,
    /// All else, such as details.
    #[serde(flatten)]
    pub extra: Extra,
}

impl ChatResponse {
    /// The first answer's message.
    pub fn message(&self) -> Option<&Message> {
        self.choices.first().map(|choice| &choice.message)
    }

    /// The first answer's text; empty if there is none.
    pub fn text(&self) -> String {
        self.message().map(Message::text).unwrap_or_default()
    }

    /// The tools that the first answer calls.
    pub fn tool_calls(&self) -> &[ToolCall] {
        self.message().map_or(&[], |message| &message.tool_calls)
    }

    /// Why the first answer ended.
    pub fn finish_reason(&self) -> Option<&FinishReason> {
        self.choices.first()?.finish_reason.as_ref()
    }
}

/// A piece of a streamed answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChatChunk {
    /// The answer's id.
    #[serde(default)]
    pub id: String,
    /// The model that answers.
    #[serde(default)]
    pub model: String,
    /// Seconds of the Unix epoch.
    #[serde(default)]
    pub created: u64,
    /// What is new. The one with `usage` may have nothing.
    #[serde(default)]
    pub choices: Vec<ChunkChoice>,
    /// What the answer cost; in one of the last chunks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// All else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What is new of one of the answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChunkChoice {
    /// Which one.
    #[serde(default)]
    pub index: u32,
    /// What is new.
    #[serde(default)]
    pub delta: Delta,
    /// Why it ends here.
    #[serde(default)]
    pub finish_reason: Option<FinishReason>,
    /// All else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What comes to a message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Delta {
    /// Who says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<super::Role>,
    /// More text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// More reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// More of a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// More of calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub tool_calls: Vec<ToolCallDelta>,
    /// All else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What comes to a call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ToolCallDelta {
    /// Which call.
    #[serde(default)]
    pub index: u32,
    /// Its id, at its beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `function`, at its beginning.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Name and more of the arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<FunctionDelta>,
    /// All else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Name and more of the arguments.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FunctionDelta {
    /// The name, at the call's beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// More of the JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<String>,
    /// All else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl ChatChunk {
    /// The new text of the first answer; empty if there is none.
    pub fn text(&self) -> &str {
        self.choices
            .iter()
            .find(|choice| choice.index == 0)
            .and_then(|choice| choice.delta.content.as_deref())
            .unwrap_or_default()
    }
}

/// Some servers write `null` for an empty list.
pub(super) fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
