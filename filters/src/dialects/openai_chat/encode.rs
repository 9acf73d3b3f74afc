//! The IR to request and answer bodies.

mod foreign;
mod own;
mod response;
mod tools;

use super::{form, media};
use crate::Dialect;
use crate::dialects::{EncodeError, Encoded, Target};
use crate::ir::{Effort, LossKind, OutputFormat, ReasoningConfig, Request};
use crate::json::{Raw, Writer};
use crate::repair::{names, openai};

pub use response::encode_response;

/// Longest name of a tool or schema, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// Longest `user`, in bytes.
const USER_BYTES_MAX: usize = 64;
/// Most stop sequences.
const STOPS_MAX: usize = 4;

/// What the parts of one encoding share.
struct Context<'t> {
    target: &'t Target,
    /// Whether the request was written in this dialect: then `extra` and `form` are its own words.
    own: bool,
    /// How the client's dialect calls its list of messages, for the paths of losses.
    list: &'static str,
    encoded: Encoded,
}

impl Context<'_> {
    /// A loss of the client's message list, e.g. `messages[].content[].cache_control`.
    fn lose(&mut self, below: &str, kind: LossKind) {
        self.encoded.losses.add(format!("{}{below}", self.list), kind);
    }

    /// The name that the provider gets for the client's `name`.
    fn tool_name<'n>(&self, name: &'n str) -> std::borrow::Cow<'n, str> {
        if self.own { name.into() } else { names::tool_name(name, NAME_BYTES_MAX, names::is_plain) }
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
    let mut cx = Context { target, own, list, encoded: Encoded::default() };
    // Judged before the first byte, so that an error leaves `out` as it was.
    let rebuilt = if own { Vec::new() } else { foreign::messages(request, &mut cx)? };

    let mut w = Writer::new(out);
    w.object(|w| {
        w.key("model").str(&target.model);
        w.key("messages").array(|w| {
            if own {
                own::messages(w, &request.turns, &mut cx);
            } else {
                for message in &rebuilt {
                    foreign::write(w, message, &cx);
                }
            }
        });
        tools::write(w, request, &mut cx);
        sampling(w, request, &mut cx);
        limits(w, request, &mut cx);
        if let Some(config) = &request.reasoning {
            reasoning(w, request, config, &mut cx);
        }
        if let Some(format) = &request.output_format {
            output_format(w, request, format, &mut cx);
        }
        user(w, request, &mut cx);
        stream(w, request, &mut cx);
        rest(w, request, &mut cx);
    });
    Ok(cx.encoded)
}

fn sampling(w: &mut Writer<'_>, request: &Request<'_>, cx: &mut Context<'_>) {
    let sampling = &request.sampling;
    // Models that reason take only the defaults, unless they are told not to reason.
    let reasons = request.reasoning.as_ref().and_then(|config| config.effort) != Some(Effort::None);
    let refused = !cx.own && reasons && openai::refuses_sampling(&cx.target.model);
    for (field, given, default) in [
        ("temperature", &sampling.temperature, 1.0),
        ("top_p", &sampling.top_p, 1.0),
        ("presence_penalty", &sampling.presence_penalty, 0.0),
        ("frequency_penalty", &sampling.frequency_penalty, 0.0),
    ] {
        if !refused {
            w.opt_num(field, given.as_ref());
        } else if given.as_ref().is_some_and(|number| (number.as_f64() - default).abs() > f64::EPSILON) {
            cx.encoded.losses.add(field, LossKind::Dropped);
        }
    }
    w.opt_num("seed", sampling.seed.as_ref());
    w.opt_num("n", request.candidates.as_ref());
    // Compatible servers take it; OpenAI does not. So only a client of this dialect gets it through.
    if cx.own {
        w.opt_num("top_k", sampling.top_k.as_ref());
    } else if sampling.top_k.is_some() {
        cx.encoded.losses.add("top_k", LossKind::Dropped);
    }
}

/// Which name the token cap goes by.
fn cap_name(request: &Request<'_>, cx: &Context<'_>) -> &'static str {
    let written = cx.own && request.form & form::REQUEST_MAX_TOKENS != 0;
    if cx.target.quirks.max_tokens_name || written { "max_tokens" } else { "max_completion_tokens" }
}

fn limits(w: &mut Writer<'_>, request: &Request<'_>, cx: &mut Context<'_>) {
    w.opt_num(cap_name(request, cx), request.max_output_tokens.as_ref());
    let said = |bit: u32| cx.own && request.form & bit != 0;
    match request.stop.as_slice() {
        [] if said(form::REQUEST_STOP_EMPTY) => w.key("stop").array(|_| {}),
        [] => {}
        _ if !cx.own && !openai::takes_stops(&cx.target.model) => {
            cx.encoded.losses.add("stop_sequences", LossKind::Dropped);
        }
        [one] if said(form::REQUEST_STOP_STRING) => w.key("stop").str(one),
        all => {
            let take = if cx.own { all.len() } else { STOPS_MAX };
            w.key("stop").array(|w| all.iter().take(take).for_each(|text| w.str(text)));
            if all.len() > take {
                cx.encoded.losses.add("stop_sequences", LossKind::Clamped);
            }
        }
    }
}

fn reasoning(w: &mut Writer<'_>, request: &Request<'_>, config: &ReasoningConfig<'_>, cx: &mut Context<'_>) {
    if !cx.own && openai::never_reasons(&cx.target.model) {
        if config.enabled != Some(false) && config.effort != Some(Effort::None) {
            cx.encoded.losses.add("reasoning", LossKind::Dropped);
        }
    } else if let Some(effort) = config.effort {
        let word = match effort {
            Effort::None if cx.own && request.form & form::REQUEST_EFFORT_ALT != 0 => "off",
            Effort::Max if cx.own && request.form & form::REQUEST_EFFORT_ALT != 0 => "max",
            other => other.as_openai(),
        };
        w.key("reasoning_effort").str(word);
    } else if let Some(budget) = config.budget.as_ref().and_then(crate::json::Num::as_u64) {
        w.key("reasoning_effort").str(Effort::from_budget(budget).as_openai());
        cx.encoded.losses.add("reasoning.budget", LossKind::Approximated);
    } else if config.enabled == Some(false) {
        // `none` is refused by most models; leaving it out lets the model decide, which is not what was asked.
        cx.encoded.losses.add("reasoning.enabled", LossKind::Dropped);
    }
    if !cx.own {
        cx.encoded.losses.drop_extra("reasoning", &config.extra);
    }
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

fn user(w: &mut Writer<'_>, request: &Request<'_>, cx: &mut Context<'_>) {
    let Some(user) = &request.user else { return };
    if cx.own || user.len() <= USER_BYTES_MAX {
        return w.key("user").str(user);
    }
    // Stable, so that the provider still tells users apart.
    w.key("user").str(&names::tool_name(user, USER_BYTES_MAX, names::is_plain));
    cx.encoded.losses.add("user", LossKind::Approximated);
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
            w.key(key).raw(value);
        }
    }
}
