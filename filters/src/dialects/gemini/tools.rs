//! Tool definitions, both ways.

use std::borrow::Cow;

use super::wire::{FunctionWire, ToolWire};
use super::write::Style;
use super::{form, nested};
use crate::Dialect;
use crate::dialects::{DecodeError, Encoded, Target, freeform, read_web_search};
use crate::ir::{LossKind, Request, Tool, ToolKind, WebSearch};
use crate::json::{Extra, Raw, Str, Writer};
use crate::repair::schema;

/// The parameters as written, when the IR's are a translation of them.
const ORIGINAL: &str = "\0parameters";

/// Reads a raw value as a `T` that owns nothing of it.
pub(super) fn reread<'s, T: serde::Deserialize<'s>>(raw: &'s Raw<'_>) -> Option<T> {
    raw.read()
}

/// Turns a schema of Gemini's own (`STRING`, `nullable`) into JSON Schema and keeps its text under `key` for the way
/// back. A schema that is JSON Schema already stays as it is.
pub(super) fn keep_standard<'a>(extra: &mut Extra<'a>, key: &'static str, schema: Raw<'a>) -> Raw<'a> {
    match schema::standard(&schema) {
        None => schema,
        Some(standard) => {
            extra.push(key, schema);
            standard
        }
    }
}

/// The text under `key`, if `schema` still is what it was translated to.
pub(super) fn original<'e, 'a>(extra: &'e Extra<'a>, key: &str, schema: &Raw<'_>) -> Option<&'e Raw<'a>> {
    let original = extra.get(key)?;
    (schema::standard(original)? == *schema).then_some(original)
}

/// Reads `tools`.
///
/// # Errors
/// When a function has no name.
pub(super) fn decode(wires: Vec<ToolWire<'_>>) -> Result<Vec<Tool<'_>>, DecodeError> {
    let mut tools = Vec::new();
    for (index, wire) in wires.into_iter().enumerate() {
        let begun = tools.len();
        if let Some(functions) = wire.functions {
            let bits = wire.snake as u8 | if functions.single { form::DECLARATIONS_SINGLE } else { 0 };
            if functions.items.is_empty() {
                let key = form::spell(
                    wire.snake,
                    form::DECLARATIONS_SNAKE.into(),
                    "functionDeclarations",
                    "function_declarations",
                );
                tools.push(hosted(Str::from(key), &Raw::parse("[]").unwrap_or(Raw::NULL)));
            }
            for (at, wire) in functions.items.into_iter().enumerate() {
                let mut tool = function(wire).ok_or_else(|| {
                    let param = format!("tools[{index}].functionDeclarations[{at}].name");
                    DecodeError::at(param.clone(), format!("{param} is missing: name the function"))
                })?;
                tool.form |= bits;
                tools.push(tool);
            }
        }
        for (key, value) in wire.rest.0 {
            tools.push(hosted(key, &value));
        }
        if tools.len() == begun {
            let kind = ToolKind::Hosted { raw: Raw::parse("{}").unwrap_or(Raw::NULL) };
            tools.push(tool(Str::default(), kind));
        }
        if let Some(first) = tools.get_mut(begun) {
            first.form |= form::NEW_OBJECT;
        }
    }
    Ok(tools)
}

fn tool<'a>(name: Str<'a>, kind: ToolKind<'a>) -> Tool<'a> {
    Tool { name, description: None, strict: None, kind, cache: None, extra: Extra::default(), form: 0 }
}

fn hosted<'a>(name: Str<'a>, value: &Raw<'a>) -> Tool<'a> {
    let mut text = Vec::new();
    Writer::new(&mut text).object(|w| w.key(&name).raw(value));
    let raw = String::from_utf8(text).ok().and_then(Raw::from_string).unwrap_or(Raw::NULL);
    tool(name, ToolKind::Hosted { raw })
}

fn function(mut wire: FunctionWire<'_>) -> Option<Tool<'_>> {
    let mut extra = Extra::default();
    nested::keep_own(&mut extra, std::mem::take(&mut wire.rest));
    let mut bits = 0;
    let parameters = match (wire.json_schema, wire.parameters) {
        (Some(schema), other) => {
            bits = form::JSON_SCHEMA | wire.snake as u8;
            // Google refuses both at a time; the newer one says more.
            if let Some(other) = other {
                extra.push("parameters", other);
            }
            Some(schema)
        }
        (None, Some(schema)) => Some(keep_standard(&mut extra, ORIGINAL, schema)),
        (None, None) => None,
    };
    let mut tool = tool(wire.name?, ToolKind::Function { parameters });
    (tool.description, tool.extra, tool.form) = (wire.description, extra, bits);
    Some(tool)
}

/// Writes the member `tools`, when there is one to write.
pub(super) fn encode(w: &mut Writer<'_>, request: &Request<'_>, target: &Target, encoded: &mut Encoded) {
    if request.origin == Dialect::Gemini {
        return encode_own(w, request, target, encoded);
    }
    let search = hosted_search(request, target, encoded);
    let functions: Vec<&Tool<'_>> = request.tools.iter().filter(|tool| !is_hosted(tool)).collect();
    if functions.is_empty() && search.is_none() {
        return;
    }
    w.key("tools").array(|w| {
        if let Some(search) = &search {
            w.object(|w| w.key("googleSearch").object(|w| write_search(w, search, target)));
        }
        if functions.is_empty() {
            return;
        }
        w.object(|w| {
            w.key("functionDeclarations").array(|w| {
                for tool in functions {
                    foreign_losses(tool, style(request, target), encoded);
                    declaration(w, tool, request, target, encoded);
                }
            });
        });
    });
}

/// The web search to write, with the losses of all tools that the client wants the provider to run.
fn hosted_search<'r>(request: &'r Request<'_>, target: &Target, encoded: &mut Encoded) -> Option<WebSearch<'r>> {
    let mut kept = None;
    let losses = &mut encoded.losses;
    for tool in request.tools.iter().filter(|tool| is_hosted(tool)) {
        let search = web_search(request.origin, tool).filter(|_| may_search(request, target));
        let Some(search) = search else {
            losses.add(format!("tools[].{}", tool.name), LossKind::Dropped);
            continue;
        };
        let said = [
            ("max_uses", search.uses_max.is_some()),
            ("allowed_domains", !search.allowed_domains.is_empty()),
            ("blocked_domains", !search.blocked_domains.is_empty() && !target.quirks.vertex),
            ("user_location", search.location.is_some()),
            ("search_context_size", search.context_size.is_some()),
        ];
        for (member, _) in said.into_iter().filter(|(_, said)| *said) {
            losses.add(format!("tools[].{}.{member}", tool.name), LossKind::Dropped);
        }
        kept.get_or_insert(search);
    }
    kept
}

/// Whether searching is possible beside the functions: before Gemini 3 they exclude each other, and the functions win.
fn may_search(request: &Request<'_>, target: &Target) -> bool {
    target.profile.mixed_tools == Some(true) || request.tools.iter().all(is_hosted)
}

/// Whether the body has both functions and a search, which needs a switch in `toolConfig`.
pub(super) fn mixes(request: &Request<'_>, target: &Target) -> bool {
    let searches = request.tools.iter().any(|tool| is_search(request.origin, tool));
    searches && may_search(request, target) && !request.tools.iter().all(is_hosted)
}

/// Whether a tool is a web search.
pub(super) fn is_search(origin: Dialect, tool: &Tool<'_>) -> bool {
    is_hosted(tool) && web_search(origin, tool).is_some()
}

/// A tool as a web search. One whose members cannot be read is known by its name.
fn web_search<'r>(origin: Dialect, tool: &'r Tool<'_>) -> Option<WebSearch<'r>> {
    read_web_search(origin, tool).or_else(|| tool.name.starts_with("web_search").then(WebSearch::default))
}

/// Writes the members of `googleSearch`.
fn write_search(w: &mut Writer<'_>, search: &WebSearch<'_>, target: &Target) {
    if target.quirks.vertex && !search.blocked_domains.is_empty() {
        w.key("excludeDomains").array(|w| search.blocked_domains.iter().for_each(|domain| w.str(domain)));
    }
}

fn encode_own(w: &mut Writer<'_>, request: &Request<'_>, target: &Target, encoded: &mut Encoded) {
    if request.tools.is_empty() && request.form & form::HAS_TOOLS == 0 {
        return;
    }
    let mut groups = request.tools.chunk_by(|_, next| next.form & form::NEW_OBJECT == 0);
    w.key("tools");
    if request.form & form::TOOLS_SINGLE != 0
        && let (Some(only), None) = (groups.next(), groups.next())
    {
        return own_object(w, only, request, target, encoded);
    }
    w.array(|w| {
        for group in request.tools.chunk_by(|_, next| next.form & form::NEW_OBJECT == 0) {
            own_object(w, group, request, target, encoded);
        }
    });
}

/// One object of `tools` as it came.
fn own_object(w: &mut Writer<'_>, tools: &[Tool<'_>], request: &Request<'_>, target: &Target, encoded: &mut Encoded) {
    w.object(|w| {
        let mut functions = tools.iter().filter(|tool| !is_hosted(tool)).peekable();
        if let Some(first) = functions.peek() {
            let bits = first.form;
            let snake = form::DECLARATIONS_SNAKE.into();
            w.key(form::spell(bits.into(), snake, "functionDeclarations", "function_declarations"));
            if bits & form::DECLARATIONS_SINGLE == 0 {
                w.array(|w| functions.for_each(|tool| declaration(w, tool, request, target, encoded)));
            } else if let Some(tool) = functions.next() {
                declaration(w, tool, request, target, encoded);
            }
        }
        for tool in tools {
            if let ToolKind::Hosted { raw } = &tool.kind
                && let Some(members) = reread::<Members<'_>>(raw)
            {
                w.extra(&members.rest);
            }
        }
    });
}

crate::wire_object! {
    /// An object of which nothing is known.
    struct Members<'a> {}
}

fn is_hosted(tool: &Tool<'_>) -> bool {
    matches!(tool.kind, ToolKind::Hosted { .. })
}

fn foreign_losses(tool: &Tool<'_>, style: Style, encoded: &mut Encoded) {
    let losses = &mut encoded.losses;
    losses.drop_extra("tools[]", &tool.extra);
    if tool.cache.is_some() {
        losses.add("tools[].cache_control", LossKind::Dropped);
    }
    if tool.strict == Some(true) {
        losses.add("tools[].strict", LossKind::Dropped);
    }
    let name = style.name(&tool.name);
    if name != tool.name.as_str() {
        encoded.notes.tool_names.push((name.to_string(), tool.name.to_string()));
    }
    if let ToolKind::Custom { format } = &tool.kind {
        encoded.notes.wrapped_custom.push(name.into_owned());
        if format.is_some() {
            losses.add("tools[].format", LossKind::Approximated);
        }
    }
}

fn declaration(w: &mut Writer<'_>, tool: &Tool<'_>, request: &Request<'_>, target: &Target, encoded: &mut Encoded) {
    let style = style(request, target);
    w.object(|w| {
        w.key("name").str(&style.name(&tool.name));
        let described = tool.description.as_deref().map(Cow::Borrowed);
        let described = match &tool.kind {
            ToolKind::Custom { format } => freeform::description(described, format.as_ref()),
            _ => described,
        };
        w.opt_str("description", described.as_deref());
        match &tool.kind {
            ToolKind::Function { parameters: Some(schema) } => parameters(w, tool, schema, target, encoded, style.own),
            ToolKind::Custom { .. } => w.key("parameters").raw(&wrapped_input()),
            _ => {}
        }
        if style.own {
            nested::write_own(w, &tool.extra);
        }
    });
}

fn parameters(
    w: &mut Writer<'_>,
    tool: &Tool<'_>,
    schema: &Raw<'_>,
    target: &Target,
    encoded: &mut Encoded,
    own: bool,
) {
    if own && tool.form & form::JSON_SCHEMA == 0 {
        let schema = original(&tool.extra, ORIGINAL, schema).unwrap_or(schema);
        return w.key("parameters").raw(schema);
    }
    if target.quirks.json_schema {
        let bits = if own { tool.form } else { 0 };
        let snake = form::PARAMETERS_SNAKE.into();
        return w.key(form::spell(bits.into(), snake, "parametersJsonSchema", "parameters_json_schema")).raw(schema);
    }
    if !target.repairs.schemas {
        return w.key("parameters").raw(schema);
    }
    let subset = schema::gemini_subset(schema);
    if subset.lossy {
        encoded.losses.add("tools[].parameters", LossKind::Approximated);
    }
    // An OBJECT without properties is refused by older versions.
    if subset.schema.get("properties").is_some() {
        w.key("parameters").value(&subset.schema);
    }
}

/// The schema of a freeform tool that is wrapped as a function: one string.
fn wrapped_input() -> Raw<'static> {
    Raw::parse(r#"{"type":"OBJECT","properties":{"input":{"type":"STRING"}},"required":["input"]}"#)
        .unwrap_or(Raw::NULL)
}

/// How parts of a request are written for `target`.
pub(super) fn style(request: &Request<'_>, target: &Target) -> Style {
    let own = request.origin == Dialect::Gemini;
    let result_parts = own || target.profile.result_media == Some(true);
    Style { own, ids: target.quirks.call_ids, result_parts, names: target.repairs.names }
}
