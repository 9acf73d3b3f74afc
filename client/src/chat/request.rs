//! What is asked.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Message, Tool, ToolChoice};
use crate::Extra;

/// What is asked of a model.
///
/// ```
/// use interlingua_client::ChatRequest;
///
/// let request = ChatRequest::new("claude-text")
///     .system("Answer in one word.")
///     .user("Which colour has the sky?")
///     .max_completion_tokens(50)
///     .set("reasoning_effort", "low");
/// assert_eq!(request.messages.len(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChatRequest {
    /// The model, as the gateway's rules know it.
    pub model: String,
    /// The conversation.
    pub messages: Vec<Message>,
    /// What the model may call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    /// Which tool is to be called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice>,
    /// Most tokens of the answer, its reasoning among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_completion_tokens: Option<u64>,
    /// How freely is chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// From which part of the likely tokens is chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Texts that end the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// What the answer has to look like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_format: Option<Value>,
    /// All else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl ChatRequest {
    /// Of a model, with nothing said yet.
    pub fn new(model: impl Into<String>) -> Self {
        ChatRequest {
            model: model.into(),
            messages: Vec::new(),
            tools: Vec::new(),
            tool_choice: None,
            max_completion_tokens: None,
            temperature: None,
            top_p: None,
            stop: Vec::new(),
            response_format: None,
            extra: Extra::new(),
        }
    }

    /// Adds a message.
    #[must_use]
    pub fn message(mut self, message: Message) -> Self {
        self.messages.push(message);
        self
    }

    /// Adds instructions.
    #[must_use]
    pub fn system(self, text: impl Into<String>) -> Self {
        self.message(Message::system(text.into()))
    }

    /// Adds what is asked.
    #[must_use]
    pub fn user(self, text: impl Into<String>) -> Self {
        self.message(Message::user(text.into()))
    }

    /// Adds a tool.
    #[must_use]
    pub fn tool(mut self, tool: Tool) -> Self {
        self.tools.push(tool);
        self
    }

    /// Which tool is to be called.
    #[must_use]
    pub fn tool_choice(mut self, choice: ToolChoice) -> Self {
        self.tool_choice = Some(choice);
        self
    }

    /// Most tokens of the answer.
    #[must_use]
    pub fn max_completion_tokens(mut self, tokens: u64) -> Self {
        self.max_completion_tokens = Some(tokens);
        self
    }

    /// How freely is chosen.
    #[must_use]
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.temperature = Some(temperature);
        self
    }

    /// A schema that the answer has to fit.
    #[must_use]
    pub fn json_schema(mut self, name: &str, schema: &Value) -> Self {
        let schema = serde_json::json!({"name": name, "schema": schema, "strict": true});
        self.response_format = Some(serde_json::json!({"type": "json_schema", "json_schema": schema}));
        self
    }

    /// Any other member, such as `reasoning_effort`.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extra.insert(name.into(), value.into());
        self
    }

    /// The body of a request, with or without a stream. Usage is asked for, unless `stream_options` were set.
    pub(crate) fn body(&self, stream: bool) -> Result<Vec<u8>, serde_json::Error> {
        if !stream {
            return serde_json::to_vec(self);
        }
        let mut request = self.clone();
        request.extra.insert("stream".to_owned(), true.into());
        let usage = serde_json::json!({"include_usage": true});
        request.extra.entry("stream_options").or_insert(usage);
        serde_json::to_vec(&request)
    }
}
