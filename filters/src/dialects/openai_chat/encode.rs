//! The IR to request and answer bodies.

mod foreign;
mod foreign_answer;
mod own;
mod response;
mod search;
mod settings;
mod tools;

use super::decode::details::PRIVATE;
use super::{begun, form, media};
use crate::Dialect;
use crate::dialects::{EncodeError, Encoded, Target};
use crate::ir::{LossKind, OutputFormat, Request};
use crate::json::{Raw, Writer};
use crate::repair::names;
use settings::cap_name;

pub(super) use foreign_answer::{citations_of, logprobs_of, lose_opaque, sound, write_audio};
pub use response::encode_response;

/// Longest name of a tool or schema, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// What the parts of one encoding share.
struct Context<'t> {
    target: &'t Target,
    /// Whether the request was written in this dialect: then `extra` and `form` are its own words.
    own: bool,
    /// How the client's dialect calls its list of messages, for the paths of losses.
    list: &'static str,
    /// The client's dialect.
    origin: Dialect,
    encoded: Encoded,
}

impl Context<'_> {
    /// A loss of the client's message list, e.g. `messages[].content[].cache_control`.
    fn lose(&mut self, below: &str, kind: LossKind) {
        self.encoded.losses.add(format!("{}{below}", self.list), kind);
    }

    /// The name that the provider gets for the client's `name`.
    fn tool_name<'n>(&self, name: &'n str) -> std::borrow::Cow<'n, str> {
        if self.own || !self.target.repairs.names {
            return name.into();
        }
        names::tool_name(name, NAME_BYTES_MAX, names::is_plain)
    }

    /// The call id that the provider gets for the client's `id`.
    fn call_id<'n>(&self, id: &'n str) -> std::borrow::Cow<'n, str> {
        if self.target.repairs.names { names::call_id(id) } else { id.into() }
    }

    /// Whether what the client of another dialect wants is brought into the model's bounds. A client of this dialect is
    /// told by the provider itself.
    fn bounds(&self) -> bool {
        !self.own && self.target.repairs.bounds
    }

    /// Whether the provider only resembles OpenAI: such servers answer members that are OpenAI's alone with an error.
    fn resembles(&self) -> bool {
        self.target.quirks.max_tokens_name
    }

    /// Whether a custom tool's calls go as a function's.
    fn wraps_custom(&self) -> bool {
        !self.target.quirks.custom_tools
    }
}

/// Writes `request` as a body for `target`.
///
/// # Errors
/// When a medium cannot be said in this dialect at all (video, sound by address, a file of another provider's store),
/// or nothing of the conversation is left to say.
pub fn encode_request(request: &Request<'_>, target: &Target, out: &mut Vec<u8>) -> Result<Encoded, EncodeError> {
    let own = request.origin == Dialect::OpenAiChat;
    let list = match request.origin {
        Dialect::OpenAiChat | Dialect::Anthropic => "messages[]",
        Dialect::OpenAiResponses => "input[]",
        Dialect::Gemini => "contents[]",
    };
    let mut cx = Context { target, own, list, origin: request.origin, encoded: Encoded::default() };
    // Judged before the first byte, so that an error leaves `out` as it was.
    let rebuilt = if own { Vec::new() } else { foreign::messages(request, &mut cx)? };

    let mut w = Writer::new(out);
    w.object(|w| {
        w.key("model").str(&target.model);
        w.key("messages").array(|w| {
            if own {
                own::messages(w, &request.turns, &mut cx);
            } else {
                let marked = rebuilt.len().checked_sub(1).filter(|_| begun::marks_last(request, target));
                for (at, message) in rebuilt.iter().enumerate() {
                    foreign::write(w, message, marked == Some(at), &cx);
                }
            }
        });
        tools::write(w, request, &mut cx);
        settings::write(w, request, &mut cx);
        if let Some(format) = &request.output_format {
            output_format(w, request, format, &mut cx);
        }
        stream(w, request, &mut cx);
        rest(w, request, &mut cx);
    });
    Ok(cx.encoded)
}

fn output_format(w: &mut Writer<'_>, request: &Request<'_>, format: &OutputFormat<'_>, cx: &mut Context<'_>) {
    // Members that no field took, kept with their path.
    let left = |w: &mut Writer<'_>, prefix: &str| {
        for (key, value) in request.extra.iter().filter(|_| cx.own) {
            if let Some(key) = key.strip_prefix(prefix).filter(|key| !key.starts_with("json_schema.")) {
                w.key(key).raw(value);
            }
        }
    };
    let kind = match format {
        OutputFormat::Opaque(raw) => {
            if cx.own {
                w.key("response_format").raw(raw);
            } else {
                cx.encoded.losses.add("response_format", LossKind::Dropped);
            }
            return;
        }
        OutputFormat::Text => "text",
        OutputFormat::JsonObject => "json_object",
        OutputFormat::JsonSchema { .. } => "json_schema",
    };
    w.key("response_format").object(|w| {
        w.key("type").str(kind);
        if let OutputFormat::JsonSchema { name, description, schema, strict } = format {
            w.key("json_schema").object(|w| {
                match name {
                    Some(name) => w.key("name").str(&cx.tool_name(name)),
                    None if cx.own => {}
                    None => w.key("name").str("response"),
                }
                w.opt_str("description", description.as_deref());
                w.key("schema").raw(schema);
                w.opt_bool("strict", *strict);
                left(w, "response_format.json_schema.");
            });
        }
        left(w, "response_format.");
    });
}

fn stream(w: &mut Writer<'_>, request: &Request<'_>, cx: &mut Context<'_>) {
    let options = request.extra.get("stream_options").filter(|options| cx.own && !options.is_null());
    if !cx.target.stream {
        if cx.own && request.form & form::REQUEST_STREAM_FALSE != 0 {
            w.key("stream").bool(false);
        }
        // OpenAI refuses options of a stream that is none. When the gateway chose so, the client loses nothing.
        if options.is_some() && !request.stream {
            cx.encoded.losses.add("stream_options", LossKind::Dropped);
        }
        return;
    }
    w.key("stream").bool(true);
    let usage = cx.target.quirks.stream_usage;
    if !usage && options.is_some() {
        cx.encoded.losses.add("stream_options", LossKind::Dropped);
    }
    if usage {
        // wire 34: always asked for; the client's encoder leaves it out again when the client did not ask.
        w.key("stream_options").object(|w| {
            w.key("include_usage").bool(true);
            let options: Option<std::collections::BTreeMap<String, Raw<'_>>> = options.and_then(Raw::read);
            for (key, value) in options.iter().flatten().filter(|(key, _)| *key != "include_usage") {
                w.key(key).raw(value);
            }
        });
    }
}

/// Members without a field, but those that were written under another rule.
fn rest(w: &mut Writer<'_>, request: &Request<'_>, cx: &mut Context<'_>) {
    if !cx.own {
        begun::members(w, request, cx.target);
        return cx.encoded.losses.drop_extra("", &request.extra);
    }
    let stream_said = cx.target.stream || request.form & form::REQUEST_STREAM_FALSE != 0;
    let capped = request.max_output_tokens.is_some().then(|| cap_name(request, cx));
    for (key, value) in request.extra.iter() {
        let written = match key {
            "model" | "messages" => true,
            "stream" => stream_said,
            "stream_options" => cx.target.stream || !value.is_null(),
            key => key.starts_with("response_format.") || capped == Some(key),
        };
        if !written {
            w.key(key.strip_prefix(PRIVATE).unwrap_or(key)).raw(value);
        }
    }
}
