//! Requests that came in this dialect.

use super::thinking;
use crate::dialects::anthropic::own;
use crate::dialects::anthropic::wire::{MetadataWire, OutputConfigWire, request_form, tool_form, turn_form};
use crate::dialects::{Encoded, Target};
use crate::ir::LossKind::{Approximated, Dropped};
use crate::ir::{
    Block, BlockKind, CacheMark, Effort, Losses, OutputFormat, ReasoningConfig, Request, Role, Tool, ToolChoice,
    ToolKind, Turn,
};
use crate::json::{Extra, Raw, Writer};

/// Writes the request as it came, without the thoughts that the provider cannot read.
pub(super) fn encode(request: &Request<'_>, target: &Target, out: &mut Vec<u8>) -> Encoded {
    let mut losses = Losses::default();
    let unsealed = target.quirks.reasoning_content;
    let said = || request.turns.iter().flat_map(|turn| &turn.blocks);
    let unreadable = said().any(|block| !own::is_sendable(block, unsealed));
    if unreadable {
        losses.add("messages[].content[].thinking", Dropped);
    }
    if said().any(own::has_foreign_citations) {
        losses.add("messages[].content[].citations", Dropped);
    }
    let calm = unreadable
        && target.repairs.tool_loops
        && wants_thoughts(request)
        && !thinking::is_open_loop_sealed(&request.turns);
    if calm {
        losses.add("thinking", Dropped);
    }
    Writer::new(out).object(|w| {
        w.key("model").str(&target.model);
        w.opt_num("max_tokens", request.max_output_tokens.as_ref());
        if target.stream || request.form & request_form::STREAM != 0 {
            w.key("stream").bool(target.stream);
        }
        let at = request.turns.iter().position(|turn| !in_system(turn)).unwrap_or(request.turns.len());
        let (system, messages) = request.turns.split_at(at);
        write_system(system, unsealed, w);
        w.key("messages").array(|w| messages.iter().for_each(|turn| message(turn, unsealed, w)));
        if !request.tools.is_empty() || request.form & request_form::NO_TOOLS != 0 {
            w.key("tools").array(|w| request.tools.iter().for_each(|tool| write_tool(tool, w)));
        }
        tool_choice(request, w);
        w.opt_num("temperature", request.sampling.temperature.as_ref());
        w.opt_num("top_p", request.sampling.top_p.as_ref());
        w.opt_num("top_k", request.sampling.top_k.as_ref());
        if !request.stop.is_empty() || request.form & request_form::NO_STOPS != 0 {
            w.key("stop_sequences").array(|w| request.stop.iter().for_each(|stop| w.str(stop)));
        }
        metadata(request, w);
        if calm {
            w.key("thinking").object(|w| w.key("type").str("disabled"));
        } else if let Some(config) = &request.reasoning {
            write_thinking(config, w);
        }
        output(request, w);
        w.opt_str("service_tier", request.service_tier.as_deref().and_then(super::tier));
        for (key, value) in request.extra.iter().filter(|(key, _)| !matches!(*key, "metadata" | "output_config")) {
            // Editing thoughts away is refused when there is no thinking.
            if calm && key == "context_management" && value.get().contains("clear_thinking") {
                losses.add("context_management", Dropped);
            } else {
                w.key(key).raw(value);
            }
        }
    });
    if request.candidates.is_some() {
        losses.add("n", Dropped);
    }
    if matches!(request.output_format, Some(OutputFormat::Text | OutputFormat::JsonObject)) {
        losses.add("output_config.format", Approximated);
    }
    Encoded { losses, ..Encoded::default() }
}

/// A budget of thoughts, for which the provider wants to see the thoughts of an open tool loop; adaptive thinking does
/// without.
fn wants_thoughts(request: &Request<'_>) -> bool {
    request.reasoning.as_ref().is_some_and(|config| config.enabled == Some(true) && !config.adaptive)
}

/// Whether the turn stood in `system`.
fn in_system(turn: &Turn<'_>) -> bool {
    turn.role.is_system() && turn.form & turn_form::MESSAGE == 0
}

fn write_system(turns: &[Turn<'_>], unsealed: bool, w: &mut Writer<'_>) {
    match turns {
        [] => {}
        [turn] => {
            w.key("system");
            content(turn, unsealed, w);
        }
        // Decoding gives one at most; a caller may have put its own before it.
        turns => w.key("system").array(|w| turns.iter().for_each(|turn| blocks(turn, unsealed, w))),
    }
}

fn message(turn: &Turn<'_>, unsealed: bool, w: &mut Writer<'_>) {
    // A turn of which nothing can be sent is no message; the protocol takes two of one role in a row.
    if !turn.blocks.is_empty() && !turn.blocks.iter().any(|block| own::is_sendable(block, unsealed)) {
        return;
    }
    w.object(|w| {
        w.key("role").str(match turn.role {
            Role::Assistant => "assistant",
            Role::User | Role::Tool => "user",
            Role::System | Role::Developer => "system",
        });
        w.key("content");
        content(turn, unsealed, w);
        w.extra(&turn.extra);
    });
}

fn content(turn: &Turn<'_>, unsealed: bool, w: &mut Writer<'_>) {
    match turn.blocks.as_slice() {
        [Block { kind: BlockKind::Text { text, .. }, .. }] if turn.form & turn_form::STRING != 0 => w.str(text),
        _ => w.array(|w| blocks(turn, unsealed, w)),
    }
}

fn blocks(turn: &Turn<'_>, unsealed: bool, w: &mut Writer<'_>) {
    let sent = |block: &&Block<'_>| own::is_sendable(block, unsealed) && own::is_written(block);
    turn.blocks.iter().filter(sent).for_each(|block| own::block(block, w));
}

fn write_tool(tool: &Tool<'_>, w: &mut Writer<'_>) {
    if let ToolKind::Hosted { raw } = &tool.kind {
        return w.raw(raw);
    }
    w.object(|w| {
        if tool.form & tool_form::CUSTOM != 0 {
            w.key("type").str("custom");
        }
        w.key("name").str(&tool.name);
        w.opt_str("description", tool.description.as_deref());
        if let ToolKind::Function { parameters } = &tool.kind {
            w.opt_raw("input_schema", parameters.as_ref());
        }
        w.opt_bool("strict", tool.strict);
        w.opt_raw("cache_control", tool.cache.as_ref().map(|CacheMark(mark)| mark));
        w.extra(&tool.extra);
    });
}

fn tool_choice(request: &Request<'_>, w: &mut Writer<'_>) {
    let (kind, name) = match (&request.tool_choice, request.parallel_tool_calls) {
        (None, None | Some(true)) => return,
        (Some(ToolChoice::Opaque(raw)), _) => return w.key("tool_choice").raw(raw),
        (None | Some(ToolChoice::Auto), _) => ("auto", None),
        (Some(ToolChoice::None), _) => ("none", None),
        (Some(ToolChoice::Named(name)), _) => ("tool", Some(name.as_str())),
        (Some(ToolChoice::Required | ToolChoice::Among { .. }), _) => ("any", None),
    };
    w.key("tool_choice").object(|w| {
        w.key("type").str(kind);
        w.opt_str("name", name);
        w.opt_bool("disable_parallel_tool_use", request.parallel_tool_calls.map(|parallel| !parallel));
    });
}

fn metadata(request: &Request<'_>, w: &mut Writer<'_>) {
    let rest = request.extra.get("metadata");
    let members = rest.and_then(Raw::read::<MetadataWire<'_>>);
    match (rest, members) {
        (Some(raw), None) => w.key("metadata").raw(raw),
        (Some(raw), Some(_)) if raw.is_null() && request.user.is_none() => w.key("metadata").null(),
        (None, _) if request.user.is_none() => {}
        (_, members) => w.key("metadata").object(|w| {
            w.opt_str("user_id", request.user.as_deref());
            w.extra(&members.unwrap_or_default().rest);
        }),
    }
}

fn write_thinking(config: &ReasoningConfig<'_>, w: &mut Writer<'_>) {
    let Some(enabled) = config.enabled else { return };
    w.key("thinking").object(|w| {
        w.key("type").str(match (enabled, config.adaptive) {
            (false, _) => "disabled",
            (true, false) => "enabled",
            (true, true) => "adaptive",
        });
        w.opt_num("budget_tokens", config.budget.as_ref());
        w.opt_str("display", config.visible.map(|shown| if shown { "summarized" } else { "omitted" }));
        w.extra(&config.extra);
    });
}

fn output(request: &Request<'_>, w: &mut Writer<'_>) {
    let top = request.form & request_form::TOP_FORMAT != 0;
    let effort = request.reasoning.as_ref().and_then(|config| config.effort);
    let effort = effort.and_then(|effort| effort_word(effort, request.form & request_form::XHIGH != 0));
    let format = request.output_format.as_ref().filter(|format| is_native(format));
    if let Some(format) = format.filter(|_| top) {
        w.key("output_format");
        write_format(format, w);
    }
    let rest = request.extra.get("output_config");
    let inner = format.filter(|_| !top);
    if let Some(raw) = rest.filter(|raw| !raw.is_object()) {
        return w.key("output_config").raw(raw);
    }
    if effort.is_none() && inner.is_none() && rest.is_none() {
        return;
    }
    let members: Extra<'_> = rest.and_then(Raw::read::<OutputConfigWire<'_>>).map(all_members).unwrap_or_default();
    w.key("output_config").object(|w| {
        w.opt_str("effort", effort);
        if let Some(format) = inner {
            w.key("format");
            write_format(format, w);
        }
        w.extra(&members);
    });
}

/// The members left over, with a level of effort that has no name in the common scale.
fn all_members(wire: OutputConfigWire<'_>) -> Extra<'_> {
    let mut members = wire.rest;
    if let Some(value) = wire.effort.and_then(|word| Raw::from_value(&word.as_str())) {
        members.push("effort", value);
    }
    members
}

fn is_native(format: &OutputFormat<'_>) -> bool {
    matches!(format, OutputFormat::JsonSchema { .. } | OutputFormat::Opaque(_))
}

fn effort_word(effort: Effort, xhigh: bool) -> Option<&'static str> {
    match effort {
        Effort::Max if xhigh => Some("xhigh"),
        effort => thinking::effort_word(effort),
    }
}

fn write_format(format: &OutputFormat<'_>, w: &mut Writer<'_>) {
    match format {
        OutputFormat::JsonSchema { name, description, schema, strict } => w.object(|w| {
            w.key("type").str("json_schema");
            w.opt_str("name", name.as_deref());
            w.opt_str("description", description.as_deref());
            w.key("schema").raw(schema);
            w.opt_bool("strict", *strict);
        }),
        OutputFormat::Opaque(raw) => w.raw(raw),
        OutputFormat::Text | OutputFormat::JsonObject => w.null(),
    }
}
