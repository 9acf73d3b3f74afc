//! What Chat Completions refuses.

use super::openai::{
    check_format, check_function, check_known, check_length, check_range, missing, reasons, unsupported, wrong_type,
};
use super::{Context, Rule, Verdict, refuse_if};
use crate::mock::refusal::Refusal;
use crate::mock::view::{Media, items, text};
use serde_json::Value;

pub(super) const RULES: &[Rule] = &[
    required,
    known,
    numbers,
    model_family,
    tools,
    choice,
    format,
    roles,
    contents,
    calls,
    pairing,
    media,
    deepseek_thinking,
];

const KNOWN: [&str; 42] = [
    "prompt_cache_options",
    "model",
    "messages",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "n",
    "stop",
    "max_tokens",
    "max_completion_tokens",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "user",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "functions",
    "function_call",
    "response_format",
    "seed",
    "service_tier",
    "store",
    "metadata",
    "modalities",
    "audio",
    "prediction",
    "reasoning_effort",
    "verbosity",
    "web_search_options",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "moderation",
    // Members of compatible servers, which the official clients can send as extra body.
    "thinking",
    "reasoning",
    "top_k",
    "enable_thinking",
    "chat_template_kwargs",
];

fn required(context: &Context<'_>) -> Verdict {
    let body = context.body;
    refuse_if(text(&body["model"]).is_empty(), || Refusal::invalid("you must provide a model parameter"))?;
    let messages = &body["messages"];
    if messages.is_null() {
        return Err(missing("messages"));
    }
    let Some(list) = messages.as_array() else { return Err(wrong_type("messages", "an array of objects", messages)) };
    refuse_if(list.is_empty(), || {
        Refusal::invalid(
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        )
        .param("messages")
        .code("empty_array")
    })
}

fn known(context: &Context<'_>) -> Verdict {
    check_known(context.body, &KNOWN, |name| {
        Refusal::invalid(format!("Unrecognized request argument supplied: {name}"))
    })?;
    refuse_if(context.body["stream_options"].is_object() && !context.view.stream, || {
        Refusal::invalid("The 'stream_options' parameter is only allowed when 'stream' is enabled.")
            .param("stream_options")
    })
}

fn numbers(context: &Context<'_>) -> Verdict {
    let body = context.body;
    check_range(body, "temperature", 0.0, 2.0)?;
    check_range(body, "top_p", 0.0, 1.0)?;
    check_range(body, "presence_penalty", -2.0, 2.0)?;
    check_range(body, "frequency_penalty", -2.0, 2.0)?;
    for name in ["max_tokens", "max_completion_tokens"] {
        let value = &body[name];
        let number = value.as_i64();
        refuse_if(!value.is_null() && number.is_none(), || wrong_type(name, "an unsupported value", value))?;
        refuse_if(number.is_some_and(|number| number < 1), || {
            Refusal::invalid(format!(
                "Invalid '{name}': integer below minimum value. Expected a value >= 1, but got {value} instead."
            ))
            .param(name)
            .code("integer_below_min_value")
        })?;
    }
    let stops = items(&body["stop"]).len();
    refuse_if(stops > 4, || {
        Refusal::invalid(format!(
            "Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with length \
             {stops} instead."
        ))
        .param("stop")
        .code("array_above_max_length")
    })
}

fn model_family(context: &Context<'_>) -> Verdict {
    let body = context.body;
    if !reasons(&context.view.model) {
        return Ok(());
    }
    refuse_if(!body["max_tokens"].is_null(), || {
        Refusal::invalid(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        )
        .param("max_tokens")
        .code("unsupported_parameter")
    })?;
    // Without reasoning the sampling parameters work again.
    let sampling: &[&str] = if body["reasoning_effort"] == "none" { &[] } else { &["temperature", "top_p"] };
    for name in sampling {
        let value = &body[*name];
        refuse_if(value.as_f64().is_some_and(|value| (value - 1.0).abs() > 1e-9), || {
            Refusal::invalid(format!(
                "Unsupported value: '{name}' does not support {value} with this model. Only the default (1) value is \
                 supported."
            ))
            .param(*name)
            .code("unsupported_value")
        })?;
    }
    // The first small models still take stop sequences.
    let stops = ["o1", "o3-mini"].iter().any(|model| context.view.model.starts_with(model));
    refuse_if(!stops && !body["stop"].is_null(), || unsupported("stop"))?;
    let refused = ["logprobs", "top_logprobs", "logit_bias", "presence_penalty", "frequency_penalty"];
    let given = refused.iter().find(|name| {
        let value = &body[**name];
        !value.is_null() && *value != false && value.as_f64() != Some(0.0)
    });
    given.map_or(Ok(()), |name| Err(unsupported(name)))
}

fn tools(context: &Context<'_>) -> Verdict {
    for (at, tool) in items(&context.body["tools"]).iter().enumerate() {
        match text(&tool["type"]) {
            "function" => {
                refuse_if(!tool["function"].is_object(), || missing(format!("tools[{at}].function")))?;
                check_function(&format!("tools[{at}].function"), &tool["function"])?;
            }
            "custom" => {}
            "" => return Err(missing(format!("tools[{at}].type"))),
            other => {
                return Err(Refusal::invalid(format!(
                    "Invalid value: '{other}'. Supported values are: 'function' and 'custom'."
                ))
                .param(format!("tools[{at}].type"))
                .code("invalid_value"));
            }
        }
    }
    refuse_if(context.body["tools"].as_array().is_some_and(Vec::is_empty), || {
        Refusal::invalid(
            "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        )
        .param("tools")
        .code("empty_array")
    })
}

fn choice(context: &Context<'_>) -> Verdict {
    let body = context.body;
    if items(&body["tools"]).is_empty() {
        for name in ["tool_choice", "parallel_tool_calls"] {
            refuse_if(!body[name].is_null(), || {
                Refusal::invalid(format!(
                    "Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified."
                ))
                .param(name)
            })?;
        }
    }
    if let Some(word) = body["tool_choice"].as_str() {
        refuse_if(!["none", "auto", "required"].contains(&word), || {
            Refusal::invalid(format!("Invalid value: '{word}'. Supported values are: 'none', 'auto', and 'required'."))
                .param("tool_choice")
                .code("invalid_value")
        })?;
    }
    let named = body["tool_choice"]["function"]["name"].as_str();
    let declared = |name: &str| context.view.tools.iter().any(|tool| tool.name == name);
    named.filter(|name| !declared(name)).map_or(Ok(()), |name| {
        Err(Refusal::invalid(format!("Invalid value for 'tool_choice': function '{name}' not found in 'tools'."))
            .param("tool_choice"))
    })
}

fn format(context: &Context<'_>) -> Verdict {
    let format = &context.body["response_format"];
    check_format("response_format", format)?;
    let says_json = context.body["messages"].to_string().to_ascii_lowercase().contains("json");
    refuse_if(format["type"] == "json_object" && !says_json, || {
        Refusal::invalid(
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
        )
        .param("messages")
    })
}

fn roles(context: &Context<'_>) -> Verdict {
    const ROLES: [&str; 6] = ["system", "assistant", "user", "function", "tool", "developer"];
    for (at, message) in items(&context.body["messages"]).iter().enumerate() {
        let param = format!("messages[{at}].role");
        let Some(role) = message["role"].as_str() else { return Err(missing(param)) };
        refuse_if(!ROLES.contains(&role), || {
            Refusal::invalid(format!(
                "Invalid value: '{role}'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and \
                 'developer'."
            ))
            .param(param)
            .code("invalid_value")
        })?;
    }
    Ok(())
}

fn contents(context: &Context<'_>) -> Verdict {
    for (at, message) in items(&context.body["messages"]).iter().enumerate() {
        let (role, content) = (text(&message["role"]), &message["content"]);
        let calls = message["tool_calls"].is_array() || message["function_call"].is_object();
        let optional = role == "assistant" && (calls || message["refusal"].is_string() || message["audio"].is_object());
        match content {
            Value::Null if optional => {}
            Value::Null => {
                return Err(Refusal::invalid("Invalid value for 'content': expected a string, got null.")
                    .param(format!("messages.[{at}].content")));
            }
            Value::String(_) => {}
            Value::Array(parts) => parts.iter().enumerate().try_for_each(|(n, part)| check_part(at, n, role, part))?,
            other => {
                return Err(wrong_type(
                    format!("messages[{at}].content"),
                    "one of a string or array of objects",
                    other,
                ));
            }
        }
    }
    Ok(())
}

fn check_part(at: usize, n: usize, role: &str, part: &Value) -> Verdict {
    let kind = text(&part["type"]);
    let allowed: &[&str] = match role {
        "user" => &["text", "image_url", "input_audio", "file"],
        "assistant" => &["text", "refusal"],
        _ => &["text"],
    };
    let image_elsewhere = kind == "image_url" && role != "user";
    refuse_if(image_elsewhere, || {
        Refusal::invalid(format!(
            "Invalid 'messages[{at}]'. Image URLs are only allowed for messages with role 'user', but this message with \
             role '{role}' contains an image URL."
        ))
        .param(format!("messages[{at}]"))
        .code("invalid_value")
    })?;
    refuse_if(!allowed.contains(&kind), || {
        let list = allowed.iter().map(|kind| format!("'{kind}'")).collect::<Vec<_>>().join(", ");
        Refusal::invalid(format!("Invalid value: '{kind}'. Supported values are: {list}."))
            .param(format!("messages[{at}].content[{n}].type"))
            .code("invalid_value")
    })?;
    refuse_if(kind == "text" && !part["text"].is_string(), || missing(format!("messages[{at}].content[{n}].text")))
}

fn calls(context: &Context<'_>) -> Verdict {
    for (at, message) in items(&context.body["messages"]).iter().enumerate() {
        refuse_if(message["tool_calls"].as_array().is_some_and(Vec::is_empty), || {
            let param = format!("messages[{at}].tool_calls");
            Refusal::invalid(format!(
                "Invalid '{param}': empty array. Expected an array with minimum length 1, but got an empty array instead."
            ))
            .param(param)
            .code("empty_array")
        })?;
        for (n, call) in items(&message["tool_calls"]).iter().enumerate() {
            let param = format!("messages[{at}].tool_calls[{n}]");
            let Some(id) = call["id"].as_str() else { return Err(missing(format!("{param}.id"))) };
            check_length(&format!("{param}.id"), id, 40)?;
            if call["type"] == "custom" {
                continue;
            }
            refuse_if(call["type"] != "function", || missing(format!("{param}.type")))?;
            let arguments = &call["function"]["arguments"];
            let at = format!("{param}.function.arguments");
            refuse_if(arguments.is_null(), || missing(at.clone()))?;
            refuse_if(!arguments.is_string(), || wrong_type(at, "a string", arguments))?;
            refuse_if(!call["function"]["name"].is_string(), || missing(format!("{param}.function.name")))?;
            check_length(&format!("{param}.function.name"), text(&call["function"]["name"]), 64)?;
        }
    }
    Ok(())
}

fn pairing(context: &Context<'_>) -> Verdict {
    let mut open: Vec<&str> = Vec::new();
    let mut seen_calls = false;
    for (at, message) in items(&context.body["messages"]).iter().enumerate() {
        if message["role"] == "tool" {
            let id = text(&message["tool_call_id"]);
            refuse_if(id.is_empty(), || missing(format!("messages[{at}].tool_call_id")))?;
            let place = open.iter().position(|own| *own == id);
            refuse_if(place.is_none(), || orphan(at, seen_calls))?;
            if let Some(place) = place {
                open.remove(place);
            }
            continue;
        }
        refuse_if(!open.is_empty(), || unanswered(&open, at))?;
        open = items(&message["tool_calls"]).iter().map(|call| text(&call["id"])).collect();
        seen_calls = !open.is_empty();
    }
    let end = items(&context.body["messages"]).len();
    refuse_if(!open.is_empty(), || unanswered(&open, end))
}

fn orphan(at: usize, seen_calls: bool) -> Refusal {
    let why = if seen_calls {
        "Invalid parameter: 'tool_call_id' of a message with role 'tool' was not found in 'tool_calls' of the previous message."
    } else {
        "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
    };
    Refusal::invalid(why).param(format!("messages.[{at}].role"))
}

fn unanswered(open: &[&str], at: usize) -> Refusal {
    Refusal::invalid(format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The \
         following tool_call_ids did not have response messages: {}",
        open.join(", ")
    ))
    .param(format!("messages.[{at}].role"))
}

fn media(context: &Context<'_>) -> Verdict {
    match &context.view.media {
        Some(Media::Broken { .. }) => {
            Err(Refusal::invalid("Invalid base64 image_url.").code("invalid_base64").param("messages"))
        }
        Some(Media::Url(url)) if !url.starts_with("http") && !url.is_empty() => {
            Err(Refusal::invalid("Invalid image URL. Expected a valid URL or a base64-encoded data URL.")
                .code("invalid_image_url"))
        }
        _ => Ok(()),
    }
}

/// DeepSeek's thinking models want their `reasoning_content` back while a tool is being used; OpenAI has no such member.
fn deepseek_thinking(context: &Context<'_>) -> Verdict {
    if !context.thinks || !context.view.model.contains("deepseek") || context.view.results.is_empty() {
        return Ok(());
    }
    let messages = items(&context.body["messages"]);
    let last_user = messages.iter().rposition(|message| message["role"] == "user").unwrap_or(0);
    let missing = messages.iter().enumerate().skip(last_user).find(|(_, message)| {
        message["role"] == "assistant"
            && message["tool_calls"].is_array()
            && text(&message["reasoning_content"]).is_empty()
    });
    missing.map_or(Ok(()), |(at, _)| {
        Err(Refusal::invalid(format!(
            "Missing `reasoning_content` field in the assistant message at message index {at}. For more information, \
             please refer to https://api-docs.deepseek.com/guides/thinking_mode#tool-calls"
        )))
    })
}
