//! Tools and the choice among them.

use crate::Dialect;
use crate::dialects::DecodeError;
use crate::dialects::openai_chat::form;
use crate::dialects::openai_chat::wire::{
    self, AllowedToolsWire, ChoiceNameWire, CustomWire, FunctionWire, Later, RequestWire, ToolWire,
};
use crate::ir::{Request, Tool, ToolChoice, ToolKind};
use crate::json::{Extra, Raw, Str};

/// The member that asks for a search of the web. It is kept as a tool of this name, which other dialects have.
pub(in crate::dialects::openai_chat) const SEARCH_OPTIONS: &str = "web_search_options";

/// Moves the tools and the choice of `wire` to `request`.
pub(super) fn read<'a>(wire: &mut RequestWire<'a>, request: &mut Request<'a>) -> Result<(), DecodeError> {
    debug_assert_eq!(request.origin, Dialect::OpenAiChat);
    if let Some(tools) = wire.tools.take() {
        if tools.is_empty() {
            request.form |= form::REQUEST_TOOLS_EMPTY;
        }
        for (at, value) in tools.into_iter().enumerate() {
            request.tools.push(tool(value, at)?);
        }
    }
    if let Some(functions) = wire.functions.take() {
        if functions.is_empty() {
            request.form |= form::REQUEST_FUNCTIONS_EMPTY;
        }
        for (at, value) in functions.into_iter().enumerate() {
            let path = format!("functions[{at}]");
            let (tool, rest) = function(value, &path)?;
            request.tools.push(Tool { extra: rest, form: form::TOOL_LEGACY, ..tool });
        }
    }
    if let Some(options) = wire.web_search_options.take() {
        request.tools.push(Tool {
            name: Str::from(SEARCH_OPTIONS),
            description: None,
            strict: None,
            kind: ToolKind::Hosted { raw: wire::raw(options) },
            cache: None,
            extra: Extra::default(),
            form: form::TOOL_SEARCH_OPTIONS,
        });
    }
    match (wire.tool_choice.take(), wire.function_call.take()) {
        (Some(value), legacy) => {
            request.tool_choice = Some(choice(value, "tool_choice", &mut request.form)?);
            if let Some(legacy) = legacy {
                request.extra.push("function_call", wire::raw(legacy));
            }
        }
        (None, Some(value)) => {
            request.tool_choice = Some(choice(value, "function_call", &mut request.form)?);
            request.form |= form::REQUEST_LEGACY_CHOICE;
        }
        (None, None) => {}
    }
    Ok(())
}

fn tool(value: Later<'_>, at: usize) -> Result<Tool<'_>, DecodeError> {
    let path = format!("tools[{at}]");
    let wire: ToolWire<'_> = wire::read(value, || path.clone())?;
    let no_type = if wire.kind.is_none() { form::TOOL_NO_TYPE } else { 0 };
    match (wire.kind.as_deref(), wire.function, wire.custom) {
        (None | Some("function"), Some(inner), None) => {
            let (tool, rest) = function(inner, &format!("{path}.function"))?;
            let mut extra = wire.rest;
            wire::nest("function.", rest, &mut extra);
            Ok(Tool { cache: wire.cache_control.map(crate::ir::CacheMark), extra, form: no_type, ..tool })
        }
        (Some("custom"), None, Some(inner)) => {
            let path = format!("{path}.custom");
            let inner: CustomWire<'_> = wire::read(inner, || path.clone())?;
            let mut extra = wire.rest;
            wire::nest("custom.", inner.rest, &mut extra);
            Ok(Tool {
                name: inner.name.ok_or_else(|| nameless(&path))?,
                description: inner.description,
                strict: None,
                kind: ToolKind::Custom { format: inner.format },
                cache: wire.cache_control.map(crate::ir::CacheMark),
                extra,
                form: 0,
            })
        }
        (Some(kind @ ("function" | "custom")), None, None) => {
            let member = format!("{path}.{kind}");
            Err(DecodeError::at(member.as_str(), format!("`{member}` is missing: describe the tool there")))
        }
        (None, ..) => {
            let member = format!("{path}.type");
            Err(DecodeError::at(member.as_str(), format!("`{member}` is missing: say what kind of tool it is")))
        }
        (Some(kind), ..) => Ok(Tool {
            name: Str::from(kind.to_owned()),
            description: None,
            strict: None,
            kind: ToolKind::Hosted { raw: wire::raw(value) },
            cache: None,
            extra: Extra::default(),
            form: 0,
        }),
    }
}

/// A function's description, and the members of it that no field takes.
fn function<'a>(value: Later<'a>, path: &str) -> Result<(Tool<'a>, Extra<'a>), DecodeError> {
    let wire: FunctionWire<'a> = wire::read(value, || path.to_owned())?;
    let tool = Tool {
        name: wire.name.ok_or_else(|| nameless(path))?,
        description: wire.description,
        strict: wire.strict,
        kind: ToolKind::Function { parameters: wire.parameters },
        cache: None,
        extra: Extra::default(),
        form: 0,
    };
    Ok((tool, wire.rest))
}

fn nameless(path: &str) -> DecodeError {
    let member = format!("{path}.name");
    DecodeError::at(member.as_str(), format!("`{member}` is missing: give the tool a name"))
}

fn choice<'a>(value: Later<'a>, path: &str, bits: &mut u32) -> Result<ToolChoice<'a>, DecodeError> {
    if let Some(word) = wire::string(value) {
        return Ok(match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Required,
            "any" => {
                *bits |= form::REQUEST_CHOICE_ANY;
                ToolChoice::Required
            }
            _ => ToolChoice::Opaque(wire::raw(value)),
        });
    }
    let wire: ChoiceNameWire<'a> = wire::read(value, || path.to_owned())?;
    let opaque = ToolChoice::Opaque(wire::raw(value));
    if !wire.rest.is_empty() {
        return Ok(opaque);
    }
    let only_name = |value: Later<'a>| {
        let inner: Option<ChoiceNameWire<'a>> = serde_json::from_str(value.get()).ok();
        inner.filter(|inner| inner.rest.is_empty() && inner.kind.is_none()).and_then(|inner| inner.name)
    };
    let named = match (wire.kind.as_deref(), wire.function, wire.custom, wire.allowed_tools, wire.name) {
        (Some("function"), Some(inner), None, None, None) | (Some("custom"), None, Some(inner), None, None) => {
            only_name(inner).map(ToolChoice::Named)
        }
        // The legacy member `function_call` names the function at its top.
        (None, None, None, None, Some(name)) if path == "function_call" => Some(ToolChoice::Named(name)),
        (Some("allowed_tools"), None, None, Some(inner), None) => among(inner),
        _ => None,
    };
    Ok(named.unwrap_or(opaque))
}

/// A list of functions allowed, when it holds nothing that [`ToolChoice::Among`] cannot say.
fn among<'a>(value: Later<'a>) -> Option<ToolChoice<'a>> {
    let wire: AllowedToolsWire<'a> = serde_json::from_str(value.get()).ok()?;
    let required = match wire.mode.as_deref()? {
        "required" => true,
        "auto" => false,
        _ => return None,
    };
    let name = |value: Later<'a>| {
        let entry: ChoiceNameWire<'a> = serde_json::from_str(value.get()).ok()?;
        let (kind, inner) = (entry.kind?, entry.function?);
        let inner: ChoiceNameWire<'a> = serde_json::from_str(inner.get()).ok()?;
        (kind == "function" && entry.rest.is_empty() && inner.rest.is_empty()).then_some(inner.name)?
    };
    let names: Option<Vec<Str<'a>>> = wire.tools?.into_iter().map(name).collect();
    wire.rest.is_empty().then_some(ToolChoice::Among { names: names?, required })
}

/// Text of a call's arguments: the string's text, or the JSON text where a server gives an object.
pub(in crate::dialects::openai_chat) fn arguments(value: Option<Later<'_>>) -> Str<'_> {
    match value {
        Some(value) => wire::string(value).unwrap_or_else(|| match value.get() {
            "null" => Str::default(),
            text => Str::from(text),
        }),
        None => Str::default(),
    }
}

/// `value` as a JSON string.
pub(super) fn quoted(value: &str) -> Raw<'static> {
    Raw::from_value(&value).unwrap_or(Raw::NULL)
}
