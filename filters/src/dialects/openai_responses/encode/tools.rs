//! Tools and tool choice.

use std::borrow::Cow;

use super::{form, quiet};
use crate::Dialect;
use crate::dialects::openai_responses::decode::tools::{CHOICE_NAMES_MAX, choice_kind};
use crate::dialects::openai_responses::notes;
use crate::dialects::{Encoded, read_web_search};
use crate::ir::{LossKind, Request, Tool, ToolChoice, ToolKind};
use crate::json::{Raw, Str, Writer};
use crate::repair::{Repairs, names};
use crate::wire_object;

/// Longest tool name, in bytes.
const NAME_MAX: usize = 64;

/// The name under which a tool of another dialect is sent.
pub(super) fn sent_name<'n>(name: &'n str, repairs: &Repairs) -> Cow<'n, str> {
    if repairs.names { names::tool_name(name, NAME_MAX, names::is_plain) } else { Cow::Borrowed(name) }
}

/// Tools of a request of this dialect, as they came.
pub(super) fn own(w: &mut Writer<'_>, request: &Request<'_>) {
    let after = request.extra.get(quiet::TOOLS_AFTER);
    let elsewhere =
        |tool: &Tool<'_>| tool.form & form::TOOL_ELSEWHERE != 0 && tool.extra.get(quiet::TOOLS_BEFORE).is_none();
    let listed = request.tools.iter().any(|tool| !elsewhere(tool)) || after.is_some();
    if listed || request.form & form::TOOLS_EMPTY != 0 {
        w.key("tools").array(|w| {
            for tool in &request.tools {
                own_hidden(w, tool.extra.get(quiet::TOOLS_BEFORE));
                if tool.form & form::TOOL_ELSEWHERE == 0 {
                    own_tool(w, tool);
                }
            }
            own_hidden(w, after);
        });
    }
    if let Some(choice) = &request.tool_choice {
        w.key("tool_choice");
        write_choice(w, choice, &request.tools, &|name| Cow::Borrowed(name));
    }
    w.opt_bool("parallel_tool_calls", request.parallel_tool_calls);
}

/// Tools that are none for other dialects, as they came.
fn own_hidden(w: &mut Writer<'_>, list: Option<&Raw<'_>>) {
    let list: Vec<Raw<'_>> = list.and_then(Raw::read).unwrap_or_default();
    for tool in &list {
        w.raw(tool);
    }
}

fn own_tool(w: &mut Writer<'_>, tool: &Tool<'_>) {
    let (kind, key, value) = match &tool.kind {
        ToolKind::Hosted { raw } => return w.raw(raw),
        ToolKind::Function { parameters } => ("function", "parameters", parameters),
        ToolKind::Custom { format } => ("custom", "format", format),
    };
    w.object(|w| {
        w.key("type").str(kind);
        w.key("name").str(&tool.name);
        w.opt_str("description", tool.description.as_deref());
        w.opt_raw(key, value.as_ref());
        w.opt_bool("strict", tool.strict);
        w.opt_raw("cache_control", tool.cache.as_ref().map(|mark| &mark.0));
        quiet::members(w, &tool.extra);
    });
}

fn write_choice<'n>(
    w: &mut Writer<'_>,
    choice: &'n ToolChoice<'_>,
    tools: &[Tool<'_>],
    sent: &dyn Fn(&'n str) -> Cow<'n, str>,
) {
    let named = |w: &mut Writer<'_>, name: &'n str| {
        w.object(|w| {
            w.key("type").str(choice_kind(name, tools));
            w.key("name").str(&sent(name));
        });
    };
    match choice {
        ToolChoice::Auto => w.str("auto"),
        ToolChoice::None => w.str("none"),
        ToolChoice::Required => w.str("required"),
        ToolChoice::Named(name) => named(w, name),
        ToolChoice::Among { names, required } => w.object(|w| {
            w.key("type").str("allowed_tools");
            w.key("mode").str(if *required { "required" } else { "auto" });
            w.key("tools").array(|w| names.iter().for_each(|name| named(w, name)));
        }),
        ToolChoice::Opaque(raw) => w.raw(raw),
    }
}

/// Tools of a request of another dialect.
pub(super) fn foreign(w: &mut Writer<'_>, request: &Request<'_>, repairs: &Repairs, encoded: &mut Encoded) {
    let sendable = |tool: &&Tool<'_>| {
        !matches!(tool.kind, ToolKind::Hosted { .. }) || read_web_search(request.origin, tool).is_some()
    };
    let sent: Vec<&Tool<'_>> = request.tools.iter().filter(sendable).collect();
    for tool in request.tools.iter().filter(|tool| !sendable(tool)) {
        encoded.losses.add(format!("tools[].{}", tool.name), LossKind::Dropped);
    }
    if sent.is_empty() {
        if !matches!(request.tool_choice, None | Some(ToolChoice::Auto | ToolChoice::None)) {
            encoded.losses.add("tool_choice", LossKind::Dropped);
        }
        return;
    }
    w.key("tools").array(|w| sent.iter().for_each(|tool| foreign_tool(w, tool, request.origin, repairs, encoded)));
    foreign_choice(w, request, &sent, repairs, encoded);
    w.opt_bool("parallel_tool_calls", request.parallel_tool_calls);
}

fn foreign_choice(
    w: &mut Writer<'_>,
    request: &Request<'_>,
    sent: &[&Tool<'_>],
    repairs: &Repairs,
    encoded: &mut Encoded,
) {
    let Some(choice) = &request.tool_choice else { return };
    let hosted =
        |name: &str| sent.iter().any(|tool| tool.name == *name && matches!(tool.kind, ToolKind::Hosted { .. }));
    let known = |name: &Str<'_>| sent.iter().any(|tool| tool.name == *name) && !hosted(name);
    match choice {
        ToolChoice::Named(name) if hosted(name) => {
            w.key("tool_choice").object(|w| w.key("type").str("web_search"));
        }
        ToolChoice::Named(name) if !known(name) => encoded.losses.add("tool_choice", LossKind::Dropped),
        ToolChoice::Among { names, .. }
            if names.is_empty() || names.len() > CHOICE_NAMES_MAX || !names.iter().all(known) =>
        {
            encoded.losses.add("tool_choice", LossKind::Dropped);
        }
        ToolChoice::Opaque(_) => encoded.losses.add("tool_choice", LossKind::Dropped),
        choice => {
            w.key("tool_choice");
            write_choice(w, choice, &request.tools, &|name| sent_name(name, repairs));
        }
    }
}

fn foreign_tool(w: &mut Writer<'_>, tool: &Tool<'_>, origin: Dialect, repairs: &Repairs, encoded: &mut Encoded) {
    if tool.cache.is_some() {
        encoded.losses.add("tools[].cache_control", LossKind::Dropped);
    }
    encoded.losses.drop_extra("tools[]", &tool.extra);
    if let Some(search) = read_web_search(origin, tool) {
        for member in notes::unsaid(&search) {
            encoded.losses.add(format!("tools[].{}.{member}", tool.name), LossKind::Dropped);
        }
        return notes::write_web_search(w, &search);
    }
    let name = sent_name(&tool.name, repairs);
    if name != tool.name.as_str() {
        let pair = (name.clone().into_owned(), tool.name.as_str().to_owned());
        encoded.notes.tool_names.push(pair);
    }
    w.object(|w| match &tool.kind {
        ToolKind::Custom { format } => {
            w.key("type").str("custom");
            w.key("name").str(&name);
            w.opt_str("description", tool.description.as_deref());
            if let Some(format) = format {
                w.key("format");
                custom_format(w, format, origin);
            }
        }
        ToolKind::Function { parameters } => {
            w.key("type").str("function");
            w.key("name").str(&name);
            w.opt_str("description", tool.description.as_deref());
            w.key("parameters");
            match parameters {
                Some(schema) if !repairs.schemas => w.raw(schema),
                schema => object_schema(w, schema.as_ref()),
            }
            // Said always: this API takes silence for `true`, the others for `false`.
            w.key("strict").bool(tool.strict.unwrap_or(false));
        }
        ToolKind::Hosted { .. } => {}
    });
}

wire_object! {
    struct ChatFormat<'a> {
        kind: Raw<'a> = "type",
        grammar: ChatGrammar<'a> = "grammar",
    }
}

wire_object! {
    struct ChatGrammar<'a> {
        definition: Raw<'a> = "definition",
        syntax: Raw<'a> = "syntax",
    }
}

/// Chat nests the grammar, this API does not.
fn custom_format(w: &mut Writer<'_>, format: &Raw<'_>, origin: Dialect) {
    let nested = format.read::<ChatFormat<'_>>().filter(|_| origin == Dialect::OpenAiChat);
    match nested.and_then(|wire| Some((wire.kind?, wire.grammar?))) {
        Some((kind, grammar)) => w.object(|w| {
            w.key("type").raw(&kind);
            w.opt_raw("definition", grammar.definition.as_ref());
            w.opt_raw("syntax", grammar.syntax.as_ref());
        }),
        None => w.raw(format),
    }
}

wire_object! {
    struct SchemaWire<'a> {
        kind: Raw<'a> = "type",
        properties: Raw<'a> = "properties",
    }
}

/// A schema as OpenAI takes it: an object that names its properties, be there none.
fn object_schema(w: &mut Writer<'_>, schema: Option<&Raw<'_>>) {
    let wire = schema.and_then(Raw::read::<SchemaWire<'_>>);
    match (schema, wire) {
        (Some(schema), Some(wire)) if wire.kind.is_some() && wire.properties.is_some() => w.raw(schema),
        (_, wire) => {
            let wire = wire.unwrap_or_default();
            w.object(|w| {
                match &wire.kind {
                    Some(kind) => w.key("type").raw(kind),
                    None => w.key("type").str("object"),
                }
                match &wire.properties {
                    Some(properties) => w.key("properties").raw(properties),
                    None => w.key("properties").object(|_| {}),
                }
                wire.rest
                    .iter()
                    .filter(|(key, _)| !matches!(*key, "type" | "properties"))
                    .for_each(|(key, value)| w.key(key).raw(value));
            });
        }
    }
}
