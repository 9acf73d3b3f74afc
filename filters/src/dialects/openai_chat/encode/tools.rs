//! Tools, the choice among them, and calls.

use std::borrow::Cow;

use serde::Deserialize;

use super::{Context, form, media, search};
use crate::dialects::freeform;
use crate::dialects::openai_chat::decode::SEARCH_OPTIONS;
use crate::ir::{LossKind, Request, Tool, ToolChoice, ToolKind, ToolUse, ToolUseKind};
use crate::json::{Extra, Raw, Writer};

/// Schema of a freeform tool that is wrapped as a function.
const WRAPPED_PARAMETERS: &str =
    r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}"#;

/// Writes tools, tool choice and the parallel flag.
pub(super) fn write(w: &mut Writer<'_>, request: &Request<'_>, cx: &mut Context<'_>) {
    let said = |bit: u32| cx.own && request.form & bit != 0;
    let (tools_empty, functions_empty) = (said(form::REQUEST_TOOLS_EMPTY), said(form::REQUEST_FUNCTIONS_EMPTY));
    let (legacy_choice, any) = (said(form::REQUEST_LEGACY_CHOICE), said(form::REQUEST_CHOICE_ANY));
    let own = cx.own;
    let is_legacy = |tool: &Tool<'_>| own && tool.form & form::TOOL_LEGACY != 0;

    let is_options = |tool: &&Tool<'_>| own && tool.form & form::TOOL_SEARCH_OPTIONS != 0;
    let sayable = |tool: &&Tool<'_>| !is_options(tool) && (own || !search::is_hosted(tool));
    for tool in request.tools.iter().filter(is_options) {
        if let ToolKind::Hosted { raw } = &tool.kind {
            w.key(SEARCH_OPTIONS).raw(raw);
        }
    }
    if !own {
        search::write(w, request, cx);
    }
    let mut tools = request.tools.iter().filter(sayable).filter(|tool| !is_legacy(tool)).peekable();
    let any_tool = request.tools.iter().any(|tool| sayable(&tool));
    if tools.peek().is_some() || tools_empty {
        w.key("tools").array(|w| tools.for_each(|tool| write_tool(w, tool, cx)));
    }
    if functions_empty || request.tools.iter().any(is_legacy) {
        w.key("functions").array(|w| {
            for tool in request.tools.iter().filter(|tool| is_legacy(tool)) {
                w.object(|w| {
                    write_function(w, tool, cx);
                    w.extra(&tool.extra);
                });
            }
        });
    }
    if !cx.own && !any_tool {
        // OpenAI refuses both without tools.
        if request.tool_choice.as_ref().is_some_and(|choice| !matches!(choice, ToolChoice::Auto | ToolChoice::None)) {
            cx.encoded.losses.add("tool_choice", LossKind::Dropped);
        }
        return;
    }
    match &request.tool_choice {
        Some(choice) if legacy_choice => write_legacy_choice(w, choice),
        Some(ToolChoice::Required) if any => w.key("tool_choice").str("any"),
        Some(choice) => write_choice(w, request, choice, cx),
        None => {}
    }
    w.opt_bool("parallel_tool_calls", request.parallel_tool_calls);
}

fn write_tool(w: &mut Writer<'_>, tool: &Tool<'_>, cx: &mut Context<'_>) {
    if let ToolKind::Hosted { raw } = &tool.kind {
        return w.raw(raw);
    }
    if !cx.own {
        cx.encoded.losses.drop_extra("tools[]", &tool.extra);
        if tool.cache.is_some() {
            cx.encoded.losses.add("tools[].cache_control", LossKind::Dropped);
        }
    }
    let kind = match &tool.kind {
        ToolKind::Custom { .. } if !cx.wraps_custom() => "custom",
        _ => "function",
    };
    w.object(|w| {
        if !(cx.own && tool.form & form::TOOL_NO_TYPE != 0) {
            w.key("type").str(kind);
        }
        w.key(kind).object(|w| {
            write_function(w, tool, cx);
            if cx.own {
                media::nested(w, &format!("{kind}."), &tool.extra);
            }
        });
        if cx.own {
            w.opt_raw("cache_control", tool.cache.as_ref().map(|mark| &mark.0));
            let inner = |key: &str| key.starts_with("function.") || key.starts_with("custom.");
            for (key, value) in tool.extra.iter().filter(|(key, _)| !inner(key)) {
                w.key(key).raw(value);
            }
        }
    });
}

/// Writes what a tool is called, does and takes.
fn write_function(w: &mut Writer<'_>, tool: &Tool<'_>, cx: &mut Context<'_>) {
    let name = cx.tool_name(&tool.name);
    if name != tool.name.as_str() {
        cx.encoded.notes.tool_names.push((name.clone().into_owned(), tool.name.to_string()));
    }
    w.key("name").str(&name);
    let described = tool.description.as_deref().map(Cow::Borrowed);
    let described = match &tool.kind {
        ToolKind::Custom { format } if cx.wraps_custom() => freeform::description(described, format.as_ref()),
        _ => described,
    };
    w.opt_str("description", described.as_deref());
    match &tool.kind {
        ToolKind::Function { parameters } => {
            w.opt_raw("parameters", parameters.as_ref());
            w.opt_bool("strict", tool.strict);
        }
        ToolKind::Custom { format } if cx.wraps_custom() => {
            w.opt_raw("parameters", Raw::parse(WRAPPED_PARAMETERS).as_ref());
            cx.encoded.notes.wrapped_custom.push(name.into_owned());
            if format.is_some() {
                cx.encoded.losses.add("tools[].format", LossKind::Approximated);
            }
        }
        ToolKind::Custom { format } => {
            if let Some(format) = format {
                write_format(w.key("format"), format);
            }
        }
        ToolKind::Hosted { .. } => {}
    }
}

/// A grammar stands flat in Responses and one level deeper in Chat.
fn write_format(w: &mut Writer<'_>, format: &Raw<'_>) {
    #[derive(Deserialize)]
    struct Flat<'a> {
        #[serde(rename = "type")]
        kind: String,
        #[serde(borrow)]
        syntax: Raw<'a>,
        #[serde(borrow)]
        definition: Raw<'a>,
    }
    match format.read::<Flat<'_>>() {
        Some(flat) if flat.kind == "grammar" => w.object(|w| {
            w.key("type").str("grammar");
            w.key("grammar").object(|w| {
                w.key("syntax").raw(&flat.syntax);
                w.key("definition").raw(&flat.definition);
            });
        }),
        _ => w.raw(format),
    }
}

fn write_legacy_choice(w: &mut Writer<'_>, choice: &ToolChoice<'_>) {
    let w = w.key("function_call");
    match choice {
        ToolChoice::None => w.str("none"),
        ToolChoice::Named(name) => w.object(|w| w.key("name").str(name)),
        ToolChoice::Opaque(raw) => w.raw(raw),
        ToolChoice::Required => w.str("required"),
        ToolChoice::Auto | ToolChoice::Among { .. } => w.str("auto"),
    }
}

fn write_choice(w: &mut Writer<'_>, request: &Request<'_>, choice: &ToolChoice<'_>, cx: &mut Context<'_>) {
    let named = |w: &mut Writer<'_>, name: &str, cx: &Context<'_>| {
        let custom = |tool: &Tool<'_>| tool.name == *name && matches!(tool.kind, ToolKind::Custom { .. });
        let kind = if request.tools.iter().any(custom) && !cx.wraps_custom() { "custom" } else { "function" };
        w.object(|w| {
            w.key("type").str(kind);
            w.key(kind).object(|w| w.key("name").str(&cx.tool_name(name)));
        });
    };
    match choice {
        ToolChoice::Auto => w.key("tool_choice").str("auto"),
        ToolChoice::None => w.key("tool_choice").str("none"),
        ToolChoice::Required => w.key("tool_choice").str("required"),
        ToolChoice::Named(name)
            if !cx.own && request.tools.iter().any(|tool| search::is_hosted(tool) && tool.name == *name) =>
        {
            cx.encoded.losses.add("tool_choice", LossKind::Dropped);
        }
        ToolChoice::Named(name) => named(w.key("tool_choice"), name, cx),
        ToolChoice::Among { names, required } => w.key("tool_choice").object(|w| {
            w.key("type").str("allowed_tools");
            w.key("allowed_tools").object(|w| {
                w.key("mode").str(if *required { "required" } else { "auto" });
                w.key("tools").array(|w| names.iter().for_each(|name| named(w, name, cx)));
            });
        }),
        ToolChoice::Opaque(raw) if cx.own => w.key("tool_choice").raw(raw),
        ToolChoice::Opaque(_) => cx.encoded.losses.add("tool_choice", LossKind::Dropped),
    }
}

/// Writes the input of a call: arguments are always a JSON string, and never an empty one unless a client of this
/// dialect wrote it so (wire 157).
pub(super) fn write_arguments(w: &mut Writer<'_>, call: &ToolUse<'_>, verbatim: bool) {
    w.key("arguments").str(if call.input.is_empty() && !verbatim { "{}" } else { &call.input });
}

/// Writes one entry of `tool_calls`.
pub(super) fn write_call(w: &mut Writer<'_>, id: &str, call: &ToolUse<'_>, cx: &Context<'_>) {
    w.object(|w| {
        w.key("id").str(id);
        write_called(w, call, &cx.tool_name(&call.name), cx.wraps_custom(), None);
    });
}

/// Writes what is called and its input. `own` holds the leftover members of a call of this dialect.
pub(super) fn write_called(
    w: &mut Writer<'_>,
    call: &ToolUse<'_>,
    name: &str,
    wrap: bool,
    own: Option<(&Extra<'_>, u8)>,
) {
    let bits = own.map_or(0, |(_, bits)| bits);
    let left = |w: &mut Writer<'_>, prefix: &str| {
        if let Some((extra, _)) = own {
            media::nested(w, prefix, extra);
        }
    };
    match call.kind {
        ToolUseKind::Custom if !wrap => {
            w.key("type").str("custom");
            w.key("custom").object(|w| {
                w.key("name").str(name);
                w.key("input").str(&call.input);
                left(w, "custom.");
            });
        }
        kind => {
            if bits & form::BLOCK_NO_TYPE == 0 {
                w.key("type").str("function");
            }
            w.key("function").object(|w| {
                w.key("name").str(name);
                if kind == ToolUseKind::Custom {
                    w.key("arguments").str(&wrapped_input(&call.input));
                } else if own.is_none_or(|(extra, _)| extra.get("function.arguments").is_none()) {
                    write_arguments(w, call, own.is_some());
                }
                left(w, "function.");
            });
        }
    }
    if let Some((extra, _)) = own {
        let inner = |key: &str| key.starts_with("function.") || key.starts_with("custom.");
        for (key, value) in extra.iter().filter(|(key, _)| !inner(key)) {
            w.key(key).raw(value);
        }
    }
}

/// Plain text as the arguments of the function that wraps a freeform tool.
fn wrapped_input(input: &str) -> String {
    serde_json::json!({ "input": input }).to_string()
}
