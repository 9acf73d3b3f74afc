//! Turns of a conversation.

use serde::{Deserialize, Serialize};

use super::ToolCall;
use crate::Extra;

/// Who says a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// Instructions.
    System,
    /// Instructions, for newer models.
    Developer,
    /// The person, or the program that asks.
    User,
    /// The model.
    Assistant,
    /// What a tool gave.
    Tool,
    /// One that this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// One turn.
///
/// ```
/// use interlingua_client::Message;
///
/// let json = serde_json::to_string(&Message::user("Hello")).unwrap();
/// assert_eq!(json, r#"{"role":"user","content":"Hello"}"#);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said. A model that calls tools may say nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// What a model that shows its reasoning thought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// Why a model would not say anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// The tools that the model calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "super::response::null_is_default")]
    pub tool_calls: Vec<ToolCall>,
    /// [`Role::Tool`]: which call this is the result of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// All else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// Text.
    Text(String),
    /// Text, pictures and more.
    Parts(Vec<Part>),
}

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Part {
    /// `text`, `image_url`, `input_audio`, `file`, ….
    #[serde(rename = "type")]
    pub kind: String,
    /// Of `text`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Of `image_url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_url: Option<ImageUrl>,
    /// All else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ImageUrl {
    /// Its address, or `data:image/png;base64,…`.
    pub url: String,
    /// All else, such as `detail`.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Message {
    /// Of `role`.
    pub fn new(role: Role, content: impl Into<Content>) -> Self {
        Message {
            role,
            content: Some(content.into()),
            reasoning_content: None,
            refusal: None,
            tool_calls: Vec::new(),
            tool_call_id: None,
            extra: Extra::new(),
        }
    }

    /// Instructions.
    pub fn system(content: impl Into<Content>) -> Self {
        Message::new(Role::System, content)
    }

    /// What is asked.
    pub fn user(content: impl Into<Content>) -> Self {
        Message::new(Role::User, content)
    }

    /// What the model said.
    pub fn assistant(content: impl Into<Content>) -> Self {
        Message::new(Role::Assistant, content)
    }

    /// What a tool gave for the call of this id.
    pub fn tool(call_id: impl Into<String>, content: impl Into<Content>) -> Self {
        Message { tool_call_id: Some(call_id.into()), ..Message::new(Role::Tool, content) }
    }

    /// The text of it, without what is no text.
    pub fn text(&self) -> String {
        match &self.content {
            Some(Content::Text(text)) => text.clone(),
            Some(Content::Parts(parts)) => parts.iter().filter_map(|part| part.text.as_deref()).collect(),
            None => String::new(),
        }
    }
}

impl Part {
    /// Text.
    pub fn text(text: impl Into<String>) -> Self {
        Part { kind: "text".to_owned(), text: Some(text.into()), image_url: None, extra: Extra::new() }
    }

    /// A picture.
    pub fn image(url: impl Into<String>) -> Self {
        let image_url = Some(ImageUrl { url: url.into(), extra: Extra::new() });
        Part { kind: "image_url".to_owned(), text: None, image_url, extra: Extra::new() }
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Content::Text(text.to_owned())
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Content::Text(text)
    }
}

impl From<Vec<Part>> for Content {
    fn from(parts: Vec<Part>) -> Self {
        Content::Parts(parts)
    }
}
