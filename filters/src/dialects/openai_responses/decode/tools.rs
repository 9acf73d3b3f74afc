//! Tools and tool choice of a request.

use std::fmt::Arguments;

use serde_json::value::RawValue;

use crate::dialects::DecodeError;
use crate::dialects::openai_responses::namespaces::{self, Namespaces};
use crate::dialects::openai_responses::wire::{self, ChoiceWire, Content, ToolWire, ToolsWire, keep, missing};
use crate::dialects::openai_responses::{form, quiet};
use crate::ir::{CacheMark, Request, Tool, ToolChoice, ToolKind};
use crate::json::{Extra, Raw, Str};

/// Names of an `allowed_tools` choice that are looked up among the tools; a longer list is passed on unread.
pub(in crate::dialects::openai_responses) const CHOICE_NAMES_MAX: usize = 1_024;

/// Tools beyond which those that items add are not read.
const TOOLS_ADDED_MAX: usize = 1_024;

/// Reads `list` into the request's tools, and gives the namespaces. Of `input` only the items that add tools are read, if
/// it `may_add` any.
pub(super) fn read<'a>(
    list: Option<Vec<&'a RawValue>>,
    input: Option<&Content<'a>>,
    may_add: bool,
    request: &mut Request<'a>,
) -> Result<Namespaces, DecodeError> {
    if list.as_ref().is_some_and(Vec::is_empty) {
        request.form |= form::TOOLS_EMPTY;
    }
    let list = list.unwrap_or_default();
    let input = match input {
        Some(Content::List(items)) if may_add => items.as_slice(),
        _ => &[],
    };
    let namespaces = Namespaces::new(&list, input);
    let mut tools = Tools { found: Vec::new(), before: Vec::new(), namespaces: &namespaces };
    for (n, value) in list.into_iter().enumerate() {
        tools.add(value, n)?;
    }
    if let Some(rest) = list_of(&tools.before) {
        request.extra.push(quiet::TOOLS_AFTER, rest);
    }
    tools.before.clear();
    for item in input {
        tools.add_elsewhere(item);
    }
    request.tools = tools.found;
    Ok(namespaces)
}

struct Tools<'a, 'n> {
    found: Vec<Tool<'a>>,
    /// Tools that came since the last one found, and that are none for other dialects.
    before: Vec<&'a RawValue>,
    namespaces: &'n Namespaces,
}

impl<'a> Tools<'a, '_> {
    fn add(&mut self, value: &'a RawValue, n: usize) -> Result<(), DecodeError> {
        if let Some(members) = self.members(value) {
            self.before.push(value);
            for member in members {
                self.push(member);
            }
        } else if says_only_to_search(value) {
            self.before.push(value);
        } else {
            let tool = tool(value, format_args!("tools[{n}]"))?;
            self.push(tool);
        }
        Ok(())
    }

    /// Adds the tools that an item adds; one that is there already is not added again.
    fn add_elsewhere(&mut self, item: &'a RawValue) {
        for value in namespaces::adds_tools(item).unwrap_or_default() {
            let members = self.members(value).or_else(|| Some(vec![tool(value, format_args!("tools")).ok()?]));
            for mut member in members.unwrap_or_default() {
                let is_new = self.found.iter().take(TOOLS_ADDED_MAX).all(|known| known.name != member.name);
                if is_new && self.found.len() < TOOLS_ADDED_MAX && !matches!(member.kind, ToolKind::Hosted { .. }) {
                    member.form |= form::TOOL_ELSEWHERE;
                    self.push(member);
                }
            }
        }
    }

    fn push(&mut self, mut tool: Tool<'a>) {
        if let Some(before) = list_of(&self.before) {
            tool.extra.push(quiet::TOOLS_BEFORE, before);
            self.before.clear();
        }
        self.found.push(tool);
    }

    /// The tools of a namespace, if every one of them can be read.
    fn members(&self, value: &'a RawValue) -> Option<Vec<Tool<'a>>> {
        let (namespace, list) = namespaces::tools_of_namespace(value)?;
        let mut members = Vec::with_capacity(list.len());
        for value in list {
            let mut tool = tool(value, format_args!("tools")).ok()?;
            if matches!(tool.kind, ToolKind::Hosted { .. }) {
                return None;
            }
            tool.name = Str::from(self.namespaces.flat(&namespace, &tool.name));
            tool.form |= form::TOOL_ELSEWHERE;
            members.push(tool);
        }
        Some(members)
    }
}

fn list_of(values: &[&RawValue]) -> Option<Raw<'static>> {
    let list: Vec<&str> = values.iter().map(|value| value.get()).collect();
    Raw::from_string(format!("[{}]", list.join(","))).filter(|_| !values.is_empty())
}

/// Whether the provider looks for tools among those of the request: elsewhere the model is given all of them at once.
fn says_only_to_search(value: &RawValue) -> bool {
    let Ok(wire) = serde_json::from_str::<ToolsWire<'_>>(value.get()) else { return false };
    let is = |raw: &Option<Raw<'_>>, word: &str| raw.as_ref().is_some_and(|raw| raw.get() == word);
    is(&wire.kind, "\"tool_search\"") && !is(&wire.execution, "\"client\"")
}

fn tool<'a>(value: &'a RawValue, at: Arguments<'_>) -> Result<Tool<'a>, DecodeError> {
    #[derive(serde::Deserialize)]
    struct ToolType<'a> {
        #[serde(borrow, default, rename = "type")]
        kind: Option<Str<'a>>,
    }
    let kind: ToolType<'_> = wire::read(value.get(), at)?;
    let Some(kind) = kind.kind else { return Err(missing(at, "type")) };
    if !matches!(kind.as_str(), "function" | "custom") {
        let kind_of = ToolKind::Hosted { raw: keep(value) };
        return Ok(Tool {
            name: kind,
            description: None,
            strict: None,
            kind: kind_of,
            cache: None,
            extra: Extra::default(),
            form: 0,
        });
    }
    let mut wire: ToolWire<'_> = wire::read(value.get(), at)?;
    quiet::hush(&mut wire.rest, "defer_loading", |_| true);
    let Some(name) = wire.name else { return Err(missing(at, "name")) };
    let (tool_kind, other, key) = if kind.as_str() == "function" {
        (ToolKind::Function { parameters: wire.parameters }, wire.format, "format")
    } else {
        (ToolKind::Custom { format: wire.format }, wire.parameters, "parameters")
    };
    if let Some(other) = other {
        wire.rest.push(key, other);
    }
    Ok(Tool {
        name,
        description: wire.description,
        strict: wire.strict,
        kind: tool_kind,
        cache: wire.cache_control.map(CacheMark),
        extra: wire.rest,
        form: 0,
    })
}

/// The `type` under which a tool is named in `tool_choice`.
pub(in crate::dialects::openai_responses) fn choice_kind(name: &str, tools: &[Tool<'_>]) -> &'static str {
    let custom = tools.iter().any(|tool| tool.name == *name && matches!(tool.kind, ToolKind::Custom { .. }));
    if custom { "custom" } else { "function" }
}

/// Reads `tool_choice`.
pub(super) fn choice<'a>(value: &'a RawValue, tools: &[Tool<'a>]) -> Result<ToolChoice<'a>, DecodeError> {
    let opaque = || ToolChoice::Opaque(keep(value));
    match value.get().as_bytes().first() {
        Some(b'"') => {
            let word: Str<'a> = wire::read(value.get(), format_args!("tool_choice"))?;
            return Ok(match word.as_str() {
                "auto" => ToolChoice::Auto,
                "none" => ToolChoice::None,
                "required" => ToolChoice::Required,
                _ => opaque(),
            });
        }
        Some(b'{') => {}
        _ => {
            return Err(DecodeError::at(
                "tool_choice",
                "`tool_choice` must be `auto`, `none`, `required` or an object that names a tool",
            ));
        }
    }
    let Ok(wire) = serde_json::from_str::<ChoiceWire<'a>>(value.get()) else { return Ok(opaque()) };
    let fits = |wire: &ChoiceWire<'a>| {
        wire.rest.is_empty()
            && wire.mode.is_none()
            && wire.tools.is_none()
            && wire.name.as_ref().is_some_and(|name| wire.kind.as_deref() == Some(choice_kind(name, tools)))
    };
    if fits(&wire) {
        return Ok(wire.name.map_or_else(opaque, ToolChoice::Named));
    }
    let required = match wire.mode.as_deref() {
        Some("required") => true,
        Some("auto") => false,
        _ => return Ok(opaque()),
    };
    match wire.tools {
        Some(list)
            if wire.kind.as_deref() == Some("allowed_tools")
                && wire.name.is_none()
                && wire.rest.is_empty()
                && list.len() <= CHOICE_NAMES_MAX
                && list.iter().all(fits) =>
        {
            let names = list.into_iter().filter_map(|entry| entry.name).collect();
            Ok(ToolChoice::Among { names, required })
        }
        _ => Ok(opaque()),
    }
}
