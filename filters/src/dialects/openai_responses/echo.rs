//! The `response` object around an answer: the client's own settings are told back to it, with OpenAI's defaults where
//! it said nothing. SDKs with strict types, Codex among them, need all of it, in every event that holds the object.

use super::namespaces::Namespaces;
use crate::ir::{ApiError, ReplyContext, Usage};
use crate::json::{Raw, Writer};
use crate::wire_object;

wire_object! {
    /// What of a request is told back.
    struct Asked<'a> {
        instructions: Raw<'a> = "instructions",
        tools: Raw<'a> = "tools",
        text: TextAsked<'a> = "text",
        reasoning: ReasoningAsked<'a> = "reasoning",
    }
}

wire_object! {
    struct TextAsked<'a> {
        format: Raw<'a> = "format",
    }
}

wire_object! {
    struct ReasoningAsked<'a> {
        effort: Raw<'a> = "effort",
        summary: Raw<'a> = "summary",
    }
}

wire_object! {
    struct FirstEvent<'a> {
        response: FirstResponse<'a> = "response",
    }
}

wire_object! {
    struct FirstResponse<'a> {
        created_at: u64 = "created_at",
    }
}

/// Members told back as they are, and their defaults.
const PLAIN: [(&str, &str); 16] = [
    ("tool_choice", "\"auto\""),
    ("parallel_tool_calls", "true"),
    ("temperature", "1.0"),
    ("top_p", "1.0"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("store", "true"),
    ("truncation", "\"disabled\""),
    ("previous_response_id", "null"),
    ("service_tier", "\"default\""),
    ("background", "false"),
    ("top_logprobs", "0"),
    ("prompt_cache_key", "null"),
    ("safety_identifier", "null"),
    ("user", "null"),
];

/// Members for which `null` says nothing: the default is told instead.
const NEVER_NULL: [&str; 4] = ["tool_choice", "parallel_tool_calls", "metadata", "service_tier"];

/// Where an answer stands.
#[derive(Clone, Copy)]
pub(super) enum Status<'s> {
    /// It has begun.
    InProgress,
    /// It is whole.
    Completed,
    /// It was cut off, for this reason.
    Incomplete(&'static str),
    /// It failed.
    Failed(&'s ApiError),
}

/// What one answer's `response` objects have in common.
pub(super) struct Frame {
    /// `resp_…`.
    pub(super) id: String,
    model: String,
    created: u64,
    /// The namespaces of the client's tools.
    pub(super) names: Namespaces,
    /// Members told back, as written JSON.
    asked: Vec<(&'static str, Vec<u8>)>,
}

impl Frame {
    /// The frame of the answer to `context.request`. A body that cannot be read asked for nothing.
    pub(super) fn new(context: &ReplyContext) -> Self {
        let request: Asked<'_> = serde_json::from_slice(&context.request).unwrap_or_default();
        let names = Namespaces::of(request.tools.as_ref(), request.rest.get("input"));
        let mut asked = Vec::with_capacity(PLAIN.len() + 4);
        let raw = |raw: Option<&Raw<'_>>, default: &str| raw.map_or(default, Raw::get).as_bytes().to_vec();
        asked.push(("instructions", raw(request.instructions.as_ref().filter(|value| value.is_string()), "null")));
        asked.push(("tools", raw(request.tools.as_ref().filter(|tools| tools.is_array()), "[]")));
        for (key, default) in PLAIN {
            let given = request.rest.get(key).filter(|value| !(value.is_null() && NEVER_NULL.contains(&key)));
            asked.push((key, raw(given, default)));
        }
        asked.push(("text", written(|w| text(w, request.text.as_ref()))));
        asked.push(("reasoning", written(|w| reasoning(w, request.reasoning.as_ref()))));
        Frame { id: context.id("resp_", 0), model: context.model.clone(), created: context.created, names, asked }
    }

    /// Takes the provider's own names, where they fit and the gateway has no other.
    pub(super) fn adopt(&mut self, id: Option<&str>, model: Option<&str>) {
        if let Some(id) = id.filter(|id| id.starts_with("resp_")) {
            id.clone_into(&mut self.id);
        }
        if let Some(model) = model.filter(|_| self.model.is_empty()) {
            model.clone_into(&mut self.model);
        }
    }

    /// Takes the time that the client knows, from the first event of the provider's stream.
    pub(super) fn adopt_created(&mut self, first: &str) {
        let event: FirstEvent<'_> = serde_json::from_str(first).unwrap_or_default();
        if let Some(created) = event.response.and_then(|response| response.created_at) {
            self.created = created;
        }
    }

    /// Writes the object. `output` holds whole items as JSON.
    pub(super) fn write(
        &self,
        w: &mut Writer<'_>,
        status: Status<'_>,
        output: &[Vec<u8>],
        usage: impl FnOnce(&mut Writer<'_>),
    ) {
        w.object(|w| {
            w.key("id").str(&self.id);
            w.key("object").str("response");
            w.key("created_at").u64(self.created);
            w.key("status").str(status.word());
            w.key("error");
            match status {
                Status::Failed(error) => super::error::in_response(w, error),
                _ => w.null(),
            }
            w.key("incomplete_details");
            match status {
                Status::Incomplete(reason) => w.object(|w| w.key("reason").str(reason)),
                _ => w.null(),
            }
            w.key("model").str(&self.model);
            w.key("output").array(|w| output.iter().for_each(|item| w.written(item)));
            w.key("usage");
            usage(w);
            for (key, value) in &self.asked {
                w.key(key).written(value);
            }
        });
    }
}

impl Status<'_> {
    fn word(self) -> &'static str {
        match self {
            Status::InProgress => "in_progress",
            Status::Completed => "completed",
            Status::Incomplete(_) => "incomplete",
            Status::Failed(_) => "failed",
        }
    }
}

/// Writes what is known of the tokens; `null` when nothing is.
pub(super) fn usage(w: &mut Writer<'_>, usage: Option<&Usage<'_>>) {
    match usage {
        Some(usage) => super::usage::encode_event(w, usage),
        None => w.null(),
    }
}

/// JSON text on its own.
pub(super) fn written(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut Writer::new(&mut out));
    out
}

fn text(w: &mut Writer<'_>, asked: Option<&TextAsked<'_>>) {
    w.object(|w| {
        match asked.and_then(|asked| asked.format.as_ref()) {
            Some(format) => w.key("format").raw(format),
            None => w.key("format").object(|w| w.key("type").str("text")),
        }
        if let Some(asked) = asked {
            asked.rest.iter().filter(|(key, _)| *key != "format").for_each(|(key, value)| w.key(key).raw(value));
        }
    });
}

fn reasoning(w: &mut Writer<'_>, asked: Option<&ReasoningAsked<'_>>) {
    w.object(|w| {
        for (key, value) in [
            ("effort", asked.and_then(|asked| asked.effort.as_ref())),
            ("summary", asked.and_then(|asked| asked.summary.as_ref())),
        ] {
            match value {
                Some(value) => w.key(key).raw(value),
                None => w.key(key).null(),
            }
        }
    });
}
