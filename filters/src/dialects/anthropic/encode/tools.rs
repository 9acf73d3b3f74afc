//! Tools of other dialects.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::items::{Item, Mark, Message, mark, sent_name};
use super::words::Words;
use crate::Dialect;
use crate::dialects::anthropic::notes;
use crate::dialects::{Target, freeform, read_web_search};
use crate::ir::LossKind::{Approximated, Dropped};
use crate::ir::{Losses, ReplyNotes, Request, Tool, ToolChoice, ToolKind, WebSearch};
use crate::json::{Raw, Writer};
use crate::repair::Repairs;

/// Deepest schema that is walked, in levels; below it a schema stays as it is.
const SCHEMA_DEPTH_MAX: usize = 64;

/// Name of the tool whose arguments are the answer.
const ANSWER_TOOL: &str = "json_answer";
/// What it does.
const ANSWER_TOOL_SAYS: &str = "Gives the final answer to the user.";

/// One of the body's `tools`.
#[derive(Debug)]
pub(super) enum Sent<'r> {
    Function { name: String, description: Option<Cow<'r, str>>, schema: Raw<'r>, strict: bool, cache: Mark<'r> },
    WebSearch(WebSearch<'r>),
}

/// The body's `tools` and `tool_choice`.
#[derive(Debug, Default)]
pub(super) struct Toolbox<'r> {
    pub(super) tools: Vec<Sent<'r>>,
    choice: Option<(&'static str, Option<String>)>,
    serial: bool,
    repairs: Repairs,
}

impl<'r> Toolbox<'r> {
    pub(super) fn of(
        request: &'r Request<'r>,
        target: &Target,
        messages: &[Message<'_>],
        thinks: bool,
        losses: &mut Losses,
        undo: &mut ReplyNotes,
    ) -> Self {
        let words = Words(request.origin);
        let mut toolbox = Toolbox { repairs: target.repairs, ..Toolbox::default() };
        for tool in request.tools.iter().filter(|tool| is_allowed(tool, request.tool_choice.as_ref())) {
            toolbox.add(tool, words, losses, undo);
        }
        toolbox.choose(request, thinks, words, losses, undo);
        if toolbox.tools.is_empty() {
            toolbox.declare_used(messages);
        }
        toolbox
    }

    fn add(&mut self, tool: &'r Tool<'r>, words: Words, losses: &mut Losses, undo: &mut ReplyNotes) {
        losses.drop_extra("tools[]", &tool.extra);
        let (cache, repairs) = (mark(tool.cache.as_ref()), self.repairs);
        let description = tool.description.as_deref().filter(|text| !text.is_empty()).map(Cow::Borrowed);
        let sent = match &tool.kind {
            ToolKind::Function { parameters } => Sent::Function {
                name: sent_name(&tool.name, repairs, undo),
                description,
                schema: match parameters {
                    Some(schema) if !repairs.schemas => schema.reborrow(),
                    parameters => input_schema(parameters.as_ref(), words, losses),
                },
                strict: if repairs.schemas {
                    is_strict(tool, parameters.as_ref(), losses)
                } else {
                    tool.strict == Some(true)
                },
                cache,
            },
            ToolKind::Custom { format } => {
                let name = sent_name(&tool.name, repairs, undo);
                undo.wrapped_custom.push(name.clone());
                if format.is_some() {
                    losses.add("tools[].format", Approximated);
                }
                let description = freeform::description(description, format.as_ref());
                Sent::Function { name, description, schema: wrapped_schema(), strict: false, cache }
            }
            ToolKind::Hosted { .. } => match web_search(tool, words.0) {
                Some(search) => {
                    if search.context_size.is_some() {
                        losses.add("tools[].search_context_size", Dropped);
                    }
                    if !search.allowed_domains.is_empty() && !search.blocked_domains.is_empty() {
                        losses.add("tools[].blocked_domains", Dropped);
                    }
                    Sent::WebSearch(search)
                }
                None => return losses.add(format!("tools[].{}", tool.name), Dropped),
            },
        };
        // The provider refuses two tools of one name.
        if self.tools.iter().any(|known| known.name() == sent.name()) {
            return losses.add("tools[].name", Dropped);
        }
        self.tools.push(sent);
    }

    fn choose(
        &mut self,
        request: &Request<'_>,
        thinks: bool,
        words: Words,
        losses: &mut Losses,
        undo: &mut ReplyNotes,
    ) {
        let choice = match &request.tool_choice {
            None => None,
            Some(ToolChoice::Auto) => Some(("auto", None)),
            Some(ToolChoice::None) => Some(("none", None)),
            Some(ToolChoice::Required) => Some(("any", None)),
            Some(ToolChoice::Named(name)) => Some(("tool", Some(sent_name(name, self.repairs, undo)))),
            // The others are not sent at all, which says the same.
            Some(ToolChoice::Among { required, .. }) => {
                losses.add(words.tool_choice(), Approximated);
                Some((if *required { "any" } else { "auto" }, None))
            }
            Some(ToolChoice::Opaque(_)) => {
                losses.add(words.tool_choice(), Dropped);
                None
            }
        };
        let forced = matches!(choice, Some(("any" | "tool", _)));
        if self.tools.is_empty() {
            if forced {
                losses.add(words.tool_choice(), Dropped);
            }
            return;
        }
        self.choice = choice;
        if forced && thinks && self.repairs.bounds {
            losses.add(words.tool_choice(), Approximated);
            self.choice = Some(("auto", None));
        }
        self.serial = request.parallel_tool_calls == Some(false);
    }

    /// Declares a tool whose arguments are the answer itself, and makes the model call it, or another of the client's;
    /// gives its name. Not where the client forces a call of its own, nor for a schema of no object.
    pub(super) fn answer_tool(&mut self, schema: &'r Raw<'r>, description: Option<&str>) -> Option<String> {
        let is_object = schema.to_value().get("type").and_then(Value::as_str) == Some("object");
        if !is_object || matches!(self.choice, Some(("tool", _))) {
            return None;
        }
        let mut name = ANSWER_TOOL.to_owned();
        // Ends within as many rounds as there are tools.
        while self.tools.iter().any(|tool| tool.name() == name) {
            name.push('_');
        }
        let others = !self.tools.is_empty() && !matches!(self.choice, Some(("none", _)));
        self.choice = Some(if others { ("any", None) } else { ("tool", Some(name.clone())) });
        let said = description.map(|text| format!("{ANSWER_TOOL_SAYS} {text}"));
        self.tools.push(Sent::Function {
            name: name.clone(),
            description: Some(said.map_or(Cow::Borrowed(ANSWER_TOOL_SAYS), Cow::Owned)),
            schema: schema.reborrow(),
            strict: false,
            cache: None,
        });
        Some(name)
    }

    /// A history with calls needs tools even when no more calls are wanted: the names alone are declared, and barred.
    fn declare_used(&mut self, messages: &[Message<'_>]) {
        for item in messages.iter().flat_map(|message| &message.items) {
            let Item::Call { name, .. } = item else { continue };
            if !self.tools.iter().any(|tool| tool.name() == name) {
                self.tools.push(Sent::Function {
                    name: name.clone(),
                    description: None,
                    schema: empty_schema(),
                    strict: false,
                    cache: None,
                });
            }
        }
        self.choice = (!self.tools.is_empty()).then_some(("none", None));
    }

    /// Writes `tools` and `tool_choice`.
    pub(super) fn write(&self, w: &mut Writer<'_>) {
        if self.tools.is_empty() {
            return;
        }
        w.key("tools").array(|w| self.tools.iter().for_each(|tool| tool.write(w)));
        if self.choice.is_none() && !self.serial {
            return;
        }
        let (kind, name) = self.choice.as_ref().map_or(("auto", None), |(kind, name)| (*kind, name.as_deref()));
        w.key("tool_choice").object(|w| {
            w.key("type").str(kind);
            w.opt_str("name", name);
            if self.serial && kind != "none" {
                w.key("disable_parallel_tool_use").bool(true);
            }
        });
    }
}

impl<'r> Sent<'r> {
    fn name(&self) -> &str {
        match self {
            Sent::Function { name, .. } => name,
            Sent::WebSearch(_) => "web_search",
        }
    }

    /// The tool's mark of the prompt cache.
    pub(super) fn mark(&mut self) -> Option<&mut Mark<'r>> {
        match self {
            Sent::Function { cache, .. } => Some(cache),
            Sent::WebSearch(_) => None,
        }
    }

    fn write(&self, w: &mut Writer<'_>) {
        match self {
            Sent::WebSearch(search) => notes::write_web_search(search, w),
            Sent::Function { name, description, schema, strict, cache } => w.object(|w| {
                w.key("name").str(name);
                w.opt_str("description", description.as_deref());
                w.key("input_schema").raw(schema);
                if *strict {
                    w.key("strict").bool(true);
                }
                w.opt_raw("cache_control", *cache);
            }),
        }
    }
}

fn is_allowed(tool: &Tool<'_>, choice: Option<&ToolChoice<'_>>) -> bool {
    match choice {
        Some(ToolChoice::Among { names, .. }) => names.contains(&tool.name),
        _ => true,
    }
}

/// The tool as a web search, when it is one.
fn web_search<'r>(tool: &'r Tool<'r>, origin: Dialect) -> Option<WebSearch<'r>> {
    // Names that say it without being read: a search that nothing more is known of is one all the same.
    let named = tool.name.starts_with("web_search")
        || matches!(tool.name.as_str(), "googleSearch" | "google_search" | "googleSearchRetrieval");
    read_web_search(origin, tool).or_else(|| named.then(WebSearch::default))
}

/// Whether the tool's schema may be enforced: only in the subset that the provider enforces.
fn is_strict(tool: &Tool<'_>, schema: Option<&Raw<'_>>, losses: &mut Losses) -> bool {
    if tool.strict != Some(true) {
        return false;
    }
    let enforceable = match schema.map(Raw::to_value) {
        Some(Value::Object(mut object)) => !close(&mut object, 0),
        _ => false,
    };
    if !enforceable {
        losses.add("tools[].strict", Dropped);
    }
    enforceable
}

fn empty_schema() -> Raw<'static> {
    Raw::parse(r#"{"type":"object","properties":{}}"#).unwrap_or(Raw::NULL)
}

fn wrapped_schema() -> Raw<'static> {
    Raw::parse(r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}"#)
        .unwrap_or(Raw::NULL)
}

/// A function's parameters as the provider takes them: an object at the top, without alternatives there.
fn input_schema<'r>(schema: Option<&'r Raw<'r>>, words: Words, losses: &mut Losses) -> Raw<'r> {
    let Some(schema) = schema.filter(|raw| !raw.is_null()) else { return empty_schema() };
    let Value::Object(mut object) = schema.to_value() else {
        // Too deep to read, which the provider may judge, or no schema of an object at all.
        if schema.is_object() {
            return schema.reborrow();
        }
        losses.add("tools[].parameters", Dropped);
        return empty_schema();
    };
    let mut changed = words.0 == Dialect::Gemini && lower_types(&mut object, 0);
    for key in ["allOf", "anyOf", "oneOf"] {
        if let Some(Value::Array(list)) = object.remove(key) {
            losses.add("tools[].parameters", Approximated);
            merge(&mut object, &list, key == "allOf");
            changed = true;
        }
    }
    if object.get("type").and_then(Value::as_str) != Some("object") {
        object.insert("type".to_owned(), json!("object"));
        changed = true;
    }
    if !changed {
        return schema.reborrow();
    }
    Raw::from_value(&object).unwrap_or_else(empty_schema)
}

/// Lays alternatives into one object: all their properties, and of the required ones those that every alternative
/// requires (all of them where all must hold).
fn merge(object: &mut Map<String, Value>, list: &[Value], all: bool) {
    let names = |value: &Value| -> Vec<String> {
        let list = value.get("required").and_then(Value::as_array);
        list.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
    };
    let mut properties = match object.remove("properties") {
        Some(Value::Object(properties)) => properties,
        _ => Map::new(),
    };
    for (key, value) in list.iter().filter_map(|part| part.get("properties")?.as_object()).flatten() {
        properties.entry(key.clone()).or_insert_with(|| value.clone());
    }
    let parts: Vec<Vec<String>> = list.iter().map(names).collect();
    let mut required = names(&Value::Object(object.clone()));
    for name in parts.iter().flatten() {
        if !required.contains(name) && (all || parts.iter().all(|part| part.contains(name))) {
            required.push(name.clone());
        }
    }
    object.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        object.insert("required".to_owned(), json!(required));
    }
}

/// Gemini writes types in capitals; gives whether anything was changed.
fn lower_types(object: &mut Map<String, Value>, depth: usize) -> bool {
    let mut changed = false;
    if let Some(Value::String(kind)) = object.get_mut("type")
        && kind.bytes().any(|byte| byte.is_ascii_uppercase())
    {
        kind.make_ascii_lowercase();
        changed = true;
    }
    each_schema(object, depth, &mut |inner, depth| changed |= lower_types(inner, depth));
    changed
}

/// Calls `visit` with every schema directly below `object`.
fn each_schema(object: &mut Map<String, Value>, depth: usize, visit: &mut dyn FnMut(&mut Map<String, Value>, usize)) {
    if depth >= SCHEMA_DEPTH_MAX {
        return;
    }
    for (key, value) in object.iter_mut() {
        let below: Vec<&mut Value> = match (key.as_str(), value) {
            ("properties" | "$defs" | "definitions", Value::Object(named)) => named.values_mut().collect(),
            ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(list)) => list.iter_mut().collect(),
            ("items", value) => vec![value],
            _ => continue,
        };
        for inner in below.into_iter().filter_map(Value::as_object_mut) {
            visit(inner, depth + 1);
        }
    }
}

/// The schema of an answer in the subset that the provider enforces: every object says that it has no other members;
/// bounds of numbers, strings and lists are said in the description.
pub(super) fn answer_schema<'r>(schema: &'r Raw<'r>, words: Words, losses: &mut Losses) -> Raw<'r> {
    let Value::Object(mut object) = schema.to_value() else { return schema.reborrow() };
    let lowered = words.0 == Dialect::Gemini && lower_types(&mut object, 0);
    let closed = close(&mut object, 0);
    if closed {
        losses.add(words.format(), Approximated);
    }
    if !lowered && !closed {
        return schema.reborrow();
    }
    Raw::from_value(&object).unwrap_or_else(empty_schema)
}

/// Keywords that the provider refuses in schemas it enforces.
const UNENFORCED: [&str; 9] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
];

/// Brings a schema into the subset; gives whether anything was changed.
fn close(object: &mut Map<String, Value>, depth: usize) -> bool {
    let mut told = Map::new();
    for key in UNENFORCED {
        told.extend(object.remove(key).map(|bound| (key.to_owned(), bound)));
    }
    // Of the list's least length only 0 and 1 are enforced.
    if object.get("minItems").is_some_and(|least| least.as_u64().is_none_or(|least| least > 1)) {
        told.extend(object.remove("minItems").map(|bound| ("minItems".to_owned(), bound)));
    }
    let mut changed = !told.is_empty();
    if changed {
        let said =
            object.get("description").and_then(Value::as_str).map_or_else(String::new, |text| format!("{text} "));
        object.insert("description".to_owned(), json!(format!("{said}{}", Value::Object(told))));
    }
    let is_object = object.get("type").and_then(Value::as_str) == Some("object") || object.contains_key("properties");
    if is_object && object.get("additionalProperties") != Some(&Value::Bool(false)) {
        object.insert("additionalProperties".to_owned(), Value::Bool(false));
        changed = true;
    }
    each_schema(object, depth, &mut |inner, depth| changed |= close(inner, depth));
    changed
}
