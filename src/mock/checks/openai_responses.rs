//! What Responses refuses.

use super::openai::{
    check_format, check_function, check_known, check_length, check_range, missing, reasons, unsupported, wrong_type,
};
use super::{Context, Rule, Verdict, refuse_if};
use crate::mock::dialect::Dialect;
use crate::mock::refusal::Refusal;
use crate::mock::view::{Media, items, text};
use serde_json::Value;

pub(super) const RULES: &[Rule] = &[
    required,
    moved,
    known,
    numbers,
    model_family,
    tools,
    choice,
    format,
    items_known,
    ids,
    parts,
    outputs,
    calls,
    own_reasoning,
    follower,
    media,
];

const KNOWN: [&str; 38] = [
    "prompt_cache_options",
    "model",
    "input",
    "instructions",
    "stream",
    "stream_options",
    "store",
    "include",
    "temperature",
    "top_p",
    "top_logprobs",
    "max_output_tokens",
    "max_tool_calls",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning",
    "text",
    "truncation",
    "metadata",
    "user",
    "previous_response_id",
    "conversation",
    "background",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "client_metadata",
    "context_management",
    "presence_penalty",
    "frequency_penalty",
    "moderation",
    "verbosity",
    "generate",
    "access_programs",
    "reasoning_effort",
];

const ITEM_TYPES: [&str; 28] = [
    "message",
    "reasoning",
    "function_call",
    "function_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "item_reference",
    "web_search_call",
    "file_search_call",
    "computer_call",
    "computer_call_output",
    "code_interpreter_call",
    "image_generation_call",
    "local_shell_call",
    "local_shell_call_output",
    "shell_call",
    "shell_call_output",
    "apply_patch_call",
    "apply_patch_call_output",
    "mcp_list_tools",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_call",
    "compaction",
    "tool_search_call",
    "tool_search_output",
    "program",
    "additional_tools",
];

fn required(context: &Context<'_>) -> Verdict {
    let body = context.body;
    refuse_if(text(&body["model"]).is_empty(), || missing("model"))?;
    let input = &body["input"];
    let elsewhere = ["previous_response_id", "prompt", "conversation"].iter().any(|name| !body[*name].is_null());
    refuse_if(input.is_null() && !elsewhere, || {
        Refusal::invalid(
            "One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation_id' must be provided.",
        )
        .code("missing_required_parameter")
    })?;
    refuse_if(!input.is_null() && !input.is_string() && !input.is_array(), || {
        wrong_type("input", "one of a string or array of input items", input)
    })
}

fn moved(context: &Context<'_>) -> Verdict {
    let moved = [
        ("messages", "input"),
        ("response_format", "text.format"),
        ("max_tokens", "max_output_tokens"),
        ("max_completion_tokens", "max_output_tokens"),
        ("reasoning_effort", "reasoning.effort"),
    ];
    let given = moved.iter().find(|(old, _)| !context.body[*old].is_null());
    given.map_or(Ok(()), |(old, new)| {
        Err(Refusal::invalid(format!(
            "Unsupported parameter: '{old}'. In the Responses API, this parameter has moved to '{new}'. Try again with \
             the new parameter. See the API documentation for more information: \
             https://platform.openai.com/docs/api-reference/responses/create."
        ))
        .param(*old)
        .code("unsupported_parameter"))
    })
}

fn known(context: &Context<'_>) -> Verdict {
    check_known(context.body, &KNOWN, |name| {
        Refusal::invalid(format!("Unknown parameter: '{name}'.")).param(name).code("unknown_parameter")
    })
}

fn numbers(context: &Context<'_>) -> Verdict {
    let body = context.body;
    check_range(body, "temperature", 0.0, 2.0)?;
    check_range(body, "top_p", 0.0, 1.0)?;
    let most = &body["max_output_tokens"];
    refuse_if(!most.is_null() && !most.is_u64(), || wrong_type("max_output_tokens", "an integer", most))?;
    refuse_if(most.as_u64().is_some_and(|most| most < 16), || {
        Refusal::invalid(format!(
            "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got {most} instead."
        ))
        .param("max_output_tokens")
        .code("integer_below_min_value")
    })
}

fn model_family(context: &Context<'_>) -> Verdict {
    let (body, model) = (context.body, context.view.model.as_str());
    if reasons(model) && body["reasoning"]["effort"] != "none" {
        for name in ["temperature", "top_p"] {
            refuse_if(body[name].as_f64().is_some_and(|value| (value - 1.0).abs() > 1e-9), || unsupported(name))?;
        }
    } else if model.starts_with("gpt-4") || model.starts_with("gpt-3") {
        refuse_if(body["reasoning"]["effort"].is_string(), || unsupported("reasoning.effort"))?;
        refuse_if(context.view.encrypted, || {
            Refusal::invalid("Encrypted content is not supported with this model.").param("include")
        })?;
    }
    Ok(())
}

fn tools(context: &Context<'_>) -> Verdict {
    for (at, tool) in items(&context.body["tools"]).iter().enumerate() {
        match text(&tool["type"]) {
            "" => return Err(missing(format!("tools[{at}].type"))),
            "function" => check_function(&format!("tools[{at}]"), tool)?,
            _ => {}
        }
    }
    Ok(())
}

fn choice(context: &Context<'_>) -> Verdict {
    let choice = &context.body["tool_choice"];
    refuse_if(choice["function"].is_object(), || {
        Refusal::invalid("Unknown parameter: 'tool_choice.function'.")
            .param("tool_choice.function")
            .code("unknown_parameter")
    })?;
    let named = choice["name"].as_str().filter(|_| choice["type"] == "function");
    let declared = |name: &str| context.view.tools.iter().any(|tool| tool.name == name);
    named.filter(|name| !declared(name)).map_or(Ok(()), |name| {
        Err(Refusal::invalid(format!("Tool choice '{name}' not found in 'tools' parameter.")).param("tool_choice"))
    })
}

fn format(context: &Context<'_>) -> Verdict {
    check_format("text.format", &context.body["text"]["format"])
}

fn items_known(context: &Context<'_>) -> Verdict {
    for (at, item) in items(&context.body["input"]).iter().enumerate() {
        let kind = item["type"].as_str().unwrap_or("message");
        refuse_if(!ITEM_TYPES.contains(&kind), || {
            let list = ITEM_TYPES.iter().map(|kind| format!("'{kind}'")).collect::<Vec<_>>().join(", ");
            Refusal::invalid(format!("Invalid value: '{kind}'. Supported values are: {list}."))
                .param(format!("input[{at}]"))
                .code("invalid_value")
        })?;
        let role = text(&item["role"]);
        refuse_if(kind == "message" && !["user", "assistant", "system", "developer"].contains(&role), || {
            Refusal::invalid(format!(
                "Invalid value: '{role}'. Supported values are: 'assistant', 'system', 'developer', and 'user'."
            ))
            .param(format!("input[{at}].role"))
            .code("invalid_value")
        })?;
        refuse_if(kind == "reasoning" && !item["summary"].is_array(), || missing(format!("input[{at}].summary")))?;
    }
    Ok(())
}

fn ids(context: &Context<'_>) -> Verdict {
    for (at, item) in items(&context.body["input"]).iter().enumerate() {
        for name in ["id", "call_id", "name"] {
            check_length(&format!("input[{at}].{name}"), text(&item[name]), 64)?;
        }
        let prefix = match text(&item["type"]) {
            "reasoning" => "rs",
            "function_call" => "fc",
            "message" if item["role"] == "assistant" => "msg",
            _ => continue,
        };
        let id = text(&item["id"]);
        refuse_if(!id.is_empty() && !id.starts_with(prefix), || {
            Refusal::invalid(format!("Invalid 'input[{at}].id': '{id}'. Expected an ID that begins with '{prefix}'."))
                .param(format!("input[{at}].id"))
                .code("invalid_value")
        })?;
    }
    Ok(())
}

fn parts(context: &Context<'_>) -> Verdict {
    for (at, item) in items(&context.body["input"]).iter().enumerate() {
        let allowed: &[&str] = match (text(&item["type"]), text(&item["role"])) {
            ("message" | "", "assistant") => &["output_text", "refusal"],
            ("message" | "", _) => &["input_text", "input_image", "input_file", "input_audio"],
            _ => continue,
        };
        refuse_if(item["content"].is_null(), || missing(format!("input[{at}].content")))?;
        for (n, part) in items(&item["content"]).iter().enumerate() {
            let kind = text(&part["type"]);
            refuse_if(!allowed.contains(&kind), || {
                let list = allowed.iter().map(|kind| format!("'{kind}'")).collect::<Vec<_>>().join(" and ");
                Refusal::invalid(format!("Invalid value: '{kind}'. Supported values are: {list}."))
                    .param(format!("input[{at}].content[{n}]"))
                    .code("invalid_value")
            })?;
        }
    }
    Ok(())
}

fn is_call(item: &Value) -> bool {
    matches!(text(&item["type"]), "function_call" | "custom_tool_call")
}

fn is_output(item: &Value) -> bool {
    matches!(text(&item["type"]), "function_call_output" | "custom_tool_call_output")
}

fn outputs(context: &Context<'_>) -> Verdict {
    let input = items(&context.body["input"]);
    for (at, item) in input.iter().enumerate().filter(|(_, item)| is_output(item)) {
        let id = text(&item["call_id"]);
        refuse_if(id.is_empty(), || missing(format!("input[{at}].call_id")))?;
        let called = input.iter().take(at).any(|other| is_call(other) && other["call_id"] == id);
        refuse_if(!called, || {
            Refusal::invalid(format!("No tool call found for function call output with call_id {id}.")).param("input")
        })?;
        refuse_if(item["output"].is_null(), || missing(format!("input[{at}].output")))?;
    }
    Ok(())
}

fn calls(context: &Context<'_>) -> Verdict {
    let input = items(&context.body["input"]);
    for (at, item) in input.iter().enumerate().filter(|(_, item)| is_call(item)) {
        let id = text(&item["call_id"]);
        refuse_if(id.is_empty(), || missing(format!("input[{at}].call_id")))?;
        if item["type"] == "function_call" {
            let arguments = &item["arguments"];
            refuse_if(arguments.is_null(), || missing(format!("input[{at}].arguments")))?;
            refuse_if(!arguments.is_string(), || wrong_type(format!("input[{at}].arguments"), "a string", arguments))?;
        }
        let answered = input.iter().skip(at + 1).any(|other| is_output(other) && other["call_id"] == id);
        refuse_if(!answered, || {
            Refusal::invalid(format!("No tool output found for function call {id}.")).param("input")
        })?;
    }
    Ok(())
}

/// Encrypted reasoning has to be ours and unchanged, and what was called after reasoning needs that reasoning before it.
fn own_reasoning(context: &Context<'_>) -> Verdict {
    let input = items(&context.body["input"]);
    let mut tags = Vec::new();
    for item in input {
        if item["type"] == "reasoning" {
            tags.extend(check_reasoning(context, item)?);
        }
        if !is_call(item) {
            continue;
        }
        // The provider knows an item by its id; only the strict scenario also looks at calls without one.
        if text(&item["id"]).is_empty() && !context.thinks {
            continue;
        }
        let Some(tag) = context.seal.thought_tag(Dialect::Responses, text(&item["call_id"])) else { continue };
        let stored = context.memory.has_item(text(&item["id"])) && context.body["store"] != false;
        refuse_if(!stored && !tags.iter().any(|own| own == tag), || {
            let id = text(&item["id"]);
            Refusal::invalid(format!(
                "Item '{id}' of type 'function_call' was provided without its required 'reasoning' item."
            ))
            .param("input")
        })?;
    }
    Ok(())
}

/// The tag of a reasoning item, if it carries one.
fn check_reasoning(context: &Context<'_>, item: &Value) -> Result<Option<String>, Refusal> {
    let id = text(&item["id"]);
    let Some(encrypted) = item["encrypted_content"].as_str() else {
        // Without cipher text the item is only a reference.
        refuse_if(!id.is_empty() && !context.memory.has_item(id), || {
            let why = if context.body["store"] == false {
                " Items are not persisted when `store` is set to false. Try again with `store` set to true, or remove this \
                 item from your input."
            } else {
                ""
            };
            Refusal::new(404, format!("Item with id '{id}' not found.{why}")).param("input")
        })?;
        return Ok(None);
    };
    // The id may be left out; then the cipher text stands alone.
    let verified = if id.is_empty() {
        context.seal.tag_of(Dialect::Responses, encrypted)
    } else {
        context.seal.verify(Dialect::Responses, encrypted, id)
    };
    if verified.is_some() {
        return Ok(verified);
    }
    let shown: String = encrypted.chars().take(8).collect();
    Err(Refusal::invalid(format!(
        "The encrypted content {shown}... could not be verified. Reason: Encrypted content could not be decrypted or parsed."
    ))
    .code("invalid_encrypted_content"))
}

fn follower(context: &Context<'_>) -> Verdict {
    let input = items(&context.body["input"]);
    for (at, item) in input.iter().enumerate().filter(|(_, item)| item["type"] == "reasoning") {
        let next = input.iter().skip(at + 1).find(|other| other["type"] != "reasoning");
        let follows = next.is_some_and(|next| match next["type"].as_str().unwrap_or("message") {
            "message" => next["role"] == "assistant",
            kind => kind.ends_with("_call") || kind == "program" || kind == "compaction",
        });
        refuse_if(!follows, || {
            let id = text(&item["id"]);
            Refusal::invalid(format!(
                "Item '{id}' of type 'reasoning' was provided without its required following item."
            ))
            .param("input")
        })?;
    }
    Ok(())
}

fn media(context: &Context<'_>) -> Verdict {
    refuse_if(matches!(context.view.media, Some(Media::Broken { .. })), || {
        Refusal::invalid("Invalid base64 image_url.").code("invalid_base64").param("input")
    })
}
