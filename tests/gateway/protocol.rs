//! The four protocols, as far as a client must know them. Written from the providers' documentation, not with the
//! gateway's own code.

use serde_json::{Value, json};

use super::call::Call;
use super::wire::Answer;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Chat,
    Responses,
    Anthropic,
    Gemini,
}

use Protocol::{Anthropic, Chat, Gemini, Responses};

pub(crate) const ALL: [Protocol; 4] = [Chat, Responses, Anthropic, Gemini];

/// An event of a stream: its name, if it has one, and its data.
pub(crate) type Event = (Option<String>, String);

impl Protocol {
    /// How the tests' configurations name its provider.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Chat => "chat",
            Responses => "responses",
            Anthropic => "anthropic",
            Gemini => "gemini",
        }
    }

    /// A request of one user turn.
    pub(crate) fn call(self, model: &str, text: &str, stream: bool) -> Call {
        let turn = json!([{"role": "user", "content": text}]);
        let (path, mut body) = match self {
            Chat => ("/v1/chat/completions".to_owned(), json!({"model": model, "messages": turn})),
            Responses => ("/v1/responses".to_owned(), json!({"model": model, "input": text})),
            Anthropic => ("/v1/messages".to_owned(), json!({"model": model, "max_tokens": 4096, "messages": turn})),
            Gemini => {
                let verb = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
                let body = json!({"contents": [{"role": "user", "parts": [{"text": text}]}]});
                (format!("/v1beta/models/{model}:{verb}"), body)
            }
        };
        if stream && self != Gemini {
            body["stream"] = json!(true);
        }
        Call::post(&path, body.to_string())
    }

    /// The text of a whole answer. The error says what is wrong with it.
    pub(crate) fn said(self, answer: &Answer, stream: bool) -> Result<String, String> {
        let shown = || String::from_utf8_lossy(&answer.body).chars().take(600).collect::<String>();
        if answer.status != 200 {
            return Err(format!("status {}: {}", answer.status, shown()));
        }
        let said = if stream { self.streamed(&answer.text()) } else { self.unary(&answer.json()) };
        said.map_err(|problem| format!("{problem}: {}", shown()))
    }

    fn unary(self, value: &Value) -> Result<String, String> {
        let text = match self {
            Chat => value["choices"][0]["message"]["content"].as_str().map(str::to_owned),
            Responses => Some(join(value["output"][0]["content"].as_array(), "text")),
            Anthropic => Some(join(value["content"].as_array(), "text")),
            Gemini => Some(join(value["candidates"][0]["content"]["parts"].as_array(), "text")),
        };
        text.filter(|text| !text.is_empty()).ok_or_else(|| "no text".to_owned())
    }

    /// The text of a stream that must be whole.
    pub(crate) fn streamed(self, body: &str) -> Result<String, String> {
        let events = events(body)?;
        match self.ends(&events) {
            (1, 0) => Ok(self.text(&events)),
            (ends, errors) => Err(format!("{ends} terminal events and {errors} errors")),
        }
    }

    /// The text in the events.
    pub(crate) fn text(self, events: &[Event]) -> String {
        let values = events.iter().filter_map(|(_, data)| serde_json::from_str::<Value>(data).ok());
        let piece = |value: Value| match self {
            Chat => value["choices"][0]["delta"]["content"].as_str().map(str::to_owned),
            Responses if value["type"] == "response.output_text.delta" => value["delta"].as_str().map(str::to_owned),
            Anthropic => value["delta"]["text"].as_str().map(str::to_owned),
            Gemini => Some(join(value["candidates"][0]["content"]["parts"].as_array(), "text")),
            Responses => None,
        };
        values.filter_map(piece).collect()
    }

    /// How many times the stream ends well, and how many times with an error.
    pub(crate) fn ends(self, events: &[Event]) -> (usize, usize) {
        let (mut ends, mut errors) = (0, 0);
        for (name, data) in events {
            let value: Value = serde_json::from_str(data).unwrap_or_default();
            let kind = value["type"].as_str().or(name.as_deref()).unwrap_or_default();
            let (end, error) = match self {
                Chat => (data == "[DONE]", value["error"].is_object()),
                Responses => (
                    matches!(kind, "response.completed" | "response.incomplete"),
                    matches!(kind, "response.failed" | "error"),
                ),
                Anthropic => (kind == "message_stop", kind == "error"),
                Gemini => (value["candidates"][0]["finishReason"].is_string(), value["error"].is_object()),
            };
            ends += usize::from(end);
            errors += usize::from(error);
        }
        (ends, errors)
    }

    /// Kind and message of an error, whose shape must be the protocol's.
    pub(crate) fn error(self, answer: &Answer) -> (String, String) {
        let value = answer.json();
        assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("application/json")), "{answer:?}");
        let (kind, shape) = match self {
            Chat | Responses => ("type", value["error"].get("param").is_some() && value["error"].get("code").is_some()),
            Anthropic => ("type", value["type"] == "error"),
            Gemini => ("status", value["error"]["code"] == answer.status),
        };
        assert!(shape, "{self:?}: {value}");
        let text = |name: &str| value["error"][name].as_str().unwrap_or_else(|| panic!("{self:?}: {value}")).to_owned();
        (text(kind), text("message"))
    }
}

/// The events of a stream. The error is what the framing lacks.
pub(crate) fn events(body: &str) -> Result<Vec<Event>, String> {
    let body = body.replace("\r\n", "\n");
    if !body.is_empty() && !body.ends_with("\n\n") {
        return Err("the last event is not complete".to_owned());
    }
    let blocks = body.split("\n\n").filter(|block| !block.trim().is_empty());
    let event = |block: &str| {
        let (mut name, mut data) = (None, Vec::new());
        for line in block.lines() {
            if let Some(rest) = line.strip_prefix("event:") {
                name = Some(rest.trim().to_owned());
            } else if let Some(rest) = line.strip_prefix("data:") {
                data.push(rest.trim_start().to_owned());
            }
        }
        (name, data.join("\n"))
    };
    Ok(blocks.map(event).filter(|(name, data)| name.is_some() || !data.is_empty()).collect())
}

fn join(parts: Option<&Vec<Value>>, member: &str) -> String {
    parts.into_iter().flatten().filter_map(|part| part[member].as_str()).collect()
}
