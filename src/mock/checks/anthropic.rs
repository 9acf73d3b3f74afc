//! What Anthropic Messages refuses.

use super::{Context, Rule, Verdict, is_name, refuse_if};
use crate::mock::dialect::Dialect;
use crate::mock::refusal::Refusal;
use crate::mock::view::{Choice, decode_standard, items, text};
use serde_json::Value;
use std::collections::HashSet;

pub(super) const RULES: &[Rule] = &[
    required,
    known,
    numbers,
    system,
    tools,
    choice,
    thinking,
    roles,
    contents,
    blocks,
    pairing,
    ending,
    signatures,
    own_thinking,
    cache_marks,
];

const KNOWN: [&str; 25] = [
    "model",
    "messages",
    "max_tokens",
    "metadata",
    "stop_sequences",
    "stream",
    "system",
    "temperature",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
    "thinking",
    "service_tier",
    "container",
    "context_management",
    "mcp_servers",
    "output_config",
    "output_format",
    "betas",
    "cache_control",
    "inference_geo",
    "speed",
    "fallback_credit_token",
    "diagnostics",
];

/// The beta with which `messages` may hold system turns.
const SYSTEM_TURNS_BETA: &str = "mid-conversation-system";

const THINKING_PAGE: &str = "https://docs.claude.com/en/docs/build-with-claude/extended-thinking";

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::invalid(message)
}

/// Fails with `message` when `wrong`.
fn forbid(wrong: bool, message: impl FnOnce() -> String) -> Verdict {
    refuse_if(wrong, || invalid(message()))
}

fn messages<'a>(context: &Context<'a>) -> impl Iterator<Item = (usize, &'a str, &'a Value)> + use<'a> {
    let list = items(&context.body["messages"]).iter().enumerate();
    list.map(|(at, message)| (at, text(&message["role"]), &message["content"]))
}

fn required(context: &Context<'_>) -> Verdict {
    let body = context.body;
    forbid(body["model"].is_null(), || "model: Field required".into())?;
    forbid(body["max_tokens"].is_null() && !context.counting, || "max_tokens: Field required".into())?;
    forbid(body["messages"].is_null(), || "messages: Field required".into())?;
    let Some(list) = body["messages"].as_array() else { return Err(invalid("messages: Input should be a valid list")) };
    forbid(list.is_empty(), || "messages: at least one message is required".into())
}

fn known(context: &Context<'_>) -> Verdict {
    let unknown = context.body.as_object().into_iter().flatten().find(|(name, _)| !KNOWN.contains(&name.as_str()));
    unknown.map_or(Ok(()), |(name, _)| Err(invalid(format!("{name}: Extra inputs are not permitted"))))
}

fn numbers(context: &Context<'_>) -> Verdict {
    let body = context.body;
    for name in ["temperature", "top_p"] {
        let value = &body[name];
        forbid(!value.is_null() && !value.is_number(), || format!("{name}: Input should be a valid number"))?;
        forbid(value.as_f64().is_some_and(|value| !(0.0..=1.0).contains(&value)), || format!("{name}: range: 0..1"))?;
    }
    let most = &body["max_tokens"];
    forbid(!most.is_null() && !most.is_i64() && !most.is_u64(), || {
        "max_tokens: Input should be a valid integer".into()
    })?;
    forbid(most.as_i64().is_some_and(|most| most < 1), || {
        "max_tokens: Input should be greater than or equal to 1".into()
    })?;
    let both = body["temperature"].is_number() && body["top_p"].is_number();
    let newer = ["opus-4-1", "opus-4-5", "opus-4-6", "sonnet-4-5", "sonnet-4-6", "haiku-4-5"];
    let newer = newer.iter().any(|family| context.view.model.contains(family));
    forbid(both && newer, || {
        "`temperature` and `top_p` cannot both be specified for this model. Please use only one.".into()
    })?;
    let blank = items(&body["stop_sequences"]).iter().any(|stop| text(stop).trim().is_empty());
    forbid(blank, || "stop_sequences: each stop sequence must contain non-whitespace".into())
}

fn system(context: &Context<'_>) -> Verdict {
    let system = &context.body["system"];
    forbid(!matches!(system, Value::Null | Value::String(_) | Value::Array(_)), || {
        "system: Input should be a valid list".into()
    })?;
    for (at, block) in items(system).iter().enumerate() {
        forbid(block["type"] != "text", || format!("system.{at}.type: Input should be 'text'"))?;
        forbid(text(&block["text"]).is_empty(), || "system: text content blocks must be non-empty".into())?;
    }
    Ok(())
}

fn tools(context: &Context<'_>) -> Verdict {
    let mut names = HashSet::new();
    for (at, tool) in items(&context.body["tools"]).iter().enumerate() {
        let kind = text(&tool["type"]);
        if !kind.is_empty() && kind != "custom" {
            continue; // Server tools have shapes of their own.
        }
        let here = format!("tools.{at}.custom");
        let Some(name) = tool["name"].as_str() else { return Err(invalid(format!("{here}.name: Field required"))) };
        forbid(!is_name(name, "_-") || name.len() > 128, || {
            format!("{here}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        })?;
        forbid(!names.insert(name), || "tools: Tool names must be unique.".into())?;
        let schema = &tool["input_schema"];
        forbid(schema.is_null(), || format!("{here}.input_schema: Field required"))?;
        forbid(schema["type"].is_null(), || format!("{here}.input_schema.type: Field required"))?;
        forbid(schema["type"] != "object", || format!("{here}.input_schema.type: Input should be 'object'"))?;
        let combined = ["oneOf", "allOf", "anyOf"].iter().any(|word| !schema[*word].is_null());
        forbid(combined, || {
            format!("{here}.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level")
        })?;
    }
    Ok(())
}

fn choice(context: &Context<'_>) -> Verdict {
    let choice = &context.body["tool_choice"];
    if choice.is_null() {
        return Ok(());
    }
    let kind = text(&choice["type"]);
    forbid(!["auto", "any", "tool", "none"].contains(&kind), || {
        format!(
            "tool_choice: Input tag '{kind}' found using 'type' does not match any of the expected tags: 'auto', 'any', 'tool', 'none'"
        )
    })?;
    forbid(items(&context.body["tools"]).is_empty() && kind != "none", || {
        "tool_choice may only be specified while providing tools".into()
    })?;
    if let Choice::Named(name) = &context.view.choice {
        let declared = items(&context.body["tools"]).iter().any(|tool| tool["name"] == name.as_str());
        forbid(!declared, || format!("Tool '{name}' not found in provided tools"))?;
    }
    Ok(())
}

/// Whether the request asks for thinking, and the kind.
fn thinking_kind<'a>(context: &Context<'a>) -> Option<&'a str> {
    context.body["thinking"]["type"].as_str().filter(|kind| *kind != "disabled")
}

fn thinking(context: &Context<'_>) -> Verdict {
    let body = context.body;
    let Some(kind) = thinking_kind(context) else { return Ok(()) };
    forbid(kind != "enabled" && kind != "adaptive", || {
        format!(
            "thinking: Input tag '{kind}' found using 'type' does not match any of the expected tags: 'adaptive', 'disabled', 'enabled'"
        )
    })?;
    if kind == "enabled" {
        let budget = &body["thinking"]["budget_tokens"];
        forbid(budget.is_null(), || "thinking.enabled.budget_tokens: Field required".into())?;
        forbid(budget.as_i64().is_none_or(|budget| budget < 1024), || {
            "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024".into()
        })?;
        let fits = body["max_tokens"].as_i64() > budget.as_i64();
        forbid(!fits && !context.counting, || {
            format!(
                "`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our documentation at \
                 {THINKING_PAGE}#max-tokens-and-context-window-size"
            )
        })?;
    }
    forbid(kind == "enabled" && matches!(text(&body["tool_choice"]["type"]), "any" | "tool"), || {
        "Thinking may not be enabled when tool_choice forces tool use.".into()
    })?;
    forbid(body["temperature"].as_f64().is_some_and(|value| (value - 1.0).abs() > 1e-9), || {
        format!(
            "`temperature` may only be set to 1 when thinking is enabled. Please consult our documentation at {THINKING_PAGE}"
        )
    })?;
    forbid(body["top_k"].is_number(), || {
        format!("`top_k` must be unset when thinking is enabled. Please consult our documentation at {THINKING_PAGE}")
    })?;
    forbid(body["top_p"].as_f64().is_some_and(|value| value < 0.95), || {
        format!(
            "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled. Please consult our documentation at {THINKING_PAGE}"
        )
    })
}

fn roles(context: &Context<'_>) -> Verdict {
    let beta = context
        .headers
        .get_all("anthropic-beta")
        .iter()
        .any(|value| value.to_str().is_ok_and(|value| value.contains(SYSTEM_TURNS_BETA)));
    let beta = beta || context.view.model.contains("opus-4-8");
    let mut before = "";
    for (at, role, _) in messages(context) {
        forbid(role == "system" && !beta, || {
            "messages: Unexpected role \"system\". The Messages API accepts a top-level `system` parameter, not \"system\" \
             as an input message role."
                .into()
        })?;
        forbid(!["user", "assistant", "system"].contains(&role), || {
            format!("messages.{at}.role: Input should be 'user' or 'assistant'")
        })?;
        forbid(at == 0 && role == "assistant", || "messages: first message must use the \"user\" role".into())?;
        forbid(context.legacy && role == before, || {
            format!(
                "messages: roles must alternate between \"user\" and \"assistant\", but found multiple \"{role}\" roles in a row"
            )
        })?;
        before = role;
    }
    Ok(())
}

fn contents(context: &Context<'_>) -> Verdict {
    let last = items(&context.body["messages"]).len().saturating_sub(1);
    for (at, role, content) in messages(context) {
        let empty = match content {
            Value::String(text) => text.is_empty(),
            Value::Array(blocks) => blocks.is_empty(),
            Value::Null => return Err(invalid(format!("messages.{at}.content: Field required"))),
            _ => return Err(invalid(format!("messages.{at}.content: Input should be a valid list"))),
        };
        forbid(empty && !(at == last && role == "assistant"), || {
            format!(
                "messages.{at}: all messages must have non-empty content except for the optional final assistant message"
            )
        })?;
        let texts = items(content).iter().filter(|block| block["type"] == "text");
        for said in texts.map(|block| text(&block["text"])).chain(content.as_str()) {
            forbid(said.is_empty() && content.is_array(), || "messages: text content blocks must be non-empty".into())?;
            forbid(!said.is_empty() && said.trim().is_empty(), || {
                "messages: text content blocks must contain non-whitespace text".into()
            })?;
        }
    }
    Ok(())
}

fn blocks(context: &Context<'_>) -> Verdict {
    const KINDS: [&str; 16] = [
        "text",
        "image",
        "document",
        "tool_use",
        "tool_result",
        "thinking",
        "redacted_thinking",
        "search_result",
        "server_tool_use",
        "web_search_tool_result",
        "web_fetch_tool_result",
        "container_upload",
        "mcp_tool_use",
        "mcp_tool_result",
        "compaction",
        "tool_reference",
    ];
    for (at, role, content) in messages(context) {
        for (n, block) in items(content).iter().enumerate() {
            let (kind, here) = (text(&block["type"]), format!("messages.{at}.content.{n}"));
            forbid(!KINDS.contains(&kind) && !kind.ends_with("_tool_result"), || {
                format!("{here}: Input tag '{kind}' found using 'type' does not match any of the expected tags")
            })?;
            match kind {
                "tool_use" => {
                    forbid(role != "assistant", || {
                        format!("messages.{at}: `tool_use` blocks can only be in `assistant` messages")
                    })?;
                    check_id(&format!("{here}.tool_use.id"), &block["id"])?;
                    forbid(!block["input"].is_object(), || {
                        format!("{here}.tool_use.input: Input should be a valid dictionary")
                    })?;
                    let name = text(&block["name"]);
                    forbid(!is_name(name, "_-") || name.len() > 200, || {
                        format!("{here}.tool_use.name: String should match pattern '^[a-zA-Z0-9_-]{{1,200}}$'")
                    })?;
                }
                "tool_result" => {
                    forbid(role != "user", || {
                        format!("messages.{at}: `tool_result` blocks can only be in `user` messages")
                    })?;
                    check_id(&format!("{here}.tool_result.tool_use_id"), &block["tool_use_id"])?;
                }
                "thinking" | "redacted_thinking" => forbid(role != "assistant", || {
                    format!("messages.{at}: `{kind}` blocks can only be in `assistant` messages")
                })?,
                "image" => check_image(&format!("{here}.image"), &block["source"])?,
                _ => {}
            }
        }
    }
    Ok(())
}

fn check_id(here: &str, id: &Value) -> Verdict {
    let Some(id) = id.as_str() else { return Err(invalid(format!("{here}: Field required"))) };
    forbid(!is_name(id, "_-"), || format!("{here}: String should match pattern '^[a-zA-Z0-9_-]+$'"))
}

fn check_image(here: &str, source: &Value) -> Verdict {
    let kind = text(&source["type"]);
    forbid(!["base64", "url", "file"].contains(&kind), || format!("{here}.source: Field required"))?;
    if kind != "base64" {
        return Ok(());
    }
    let stated = text(&source["media_type"]);
    forbid(!["image/jpeg", "image/png", "image/gif", "image/webp"].contains(&stated), || {
        format!(
            "{here}.source.base64.media_type: Input should be 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'"
        )
    })?;
    let Some(bytes) = decode_standard(text(&source["data"])) else {
        return Err(invalid(format!("{here}.source.base64: invalid base64 data")));
    };
    let magic: [(&[u8], &str); 4] =
        [(b"\x89PNG", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"), (b"RIFF", "image/webp")];
    let found = magic.iter().find(|(head, _)| bytes.starts_with(head)).map(|(_, kind)| *kind);
    forbid(found.is_some_and(|found| found != stated), || {
        let found = found.unwrap_or_default();
        format!(
            "{here}.source.base64.data: The image was specified using the {stated} media type, but the image appears to be a {found} image"
        )
    })
}

/// Ids of the client-side calls in a message.
fn call_ids(content: &Value) -> Vec<&str> {
    items(content).iter().filter(|block| block["type"] == "tool_use").map(|block| text(&block["id"])).collect()
}

/// Turns as the provider sees them: messages of one role in a row are joined; system turns stand apart.
fn pairing(context: &Context<'_>) -> Verdict {
    let mut open: Vec<&str> = Vec::new();
    let mut before = "";
    for (at, role, content) in messages(context) {
        if role == "system" {
            continue;
        }
        let results: Vec<(usize, &str)> = items(content)
            .iter()
            .enumerate()
            .filter(|(_, block)| block["type"] == "tool_result")
            .map(|(n, block)| (n, text(&block["tool_use_id"])))
            .collect();
        if role == "user" && before == "assistant" {
            let answered: Vec<&str> = leading_results(content);
            let missing: Vec<&str> = open.iter().filter(|id| !answered.contains(id)).copied().collect();
            // Results may be spread over several user messages that are joined; only the last decides.
            let joined = items(&context.body["messages"]).get(at + 1).is_some_and(|next| next["role"] == "user");
            forbid(!missing.is_empty() && !joined, || {
                format!(
                    "messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each \
                     `tool_use` block must have a corresponding `tool_result` block in the next message.",
                    missing.join(", ")
                )
            })?;
        }
        for (n, id) in results {
            forbid(!open.contains(&id), || {
                format!(
                    "messages.{at}.content.{n}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each \
                     `tool_result` block must have a corresponding `tool_use` block in the previous message."
                )
            })?;
        }
        if role == "assistant" {
            let mut own = call_ids(content);
            if before == "assistant" {
                own.extend(open);
            }
            open = own;
        }
        before = role;
    }
    let end = items(&context.body["messages"]).len().saturating_sub(1);
    forbid(before == "assistant" && !open.is_empty(), || {
        format!(
            "messages.{end}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each `tool_use` \
             block must have a corresponding `tool_result` block in the next message.",
            open.join(", ")
        )
    })
}

/// The results at the head of a message; after the first other block they no longer count.
fn leading_results(content: &Value) -> Vec<&str> {
    let leading = items(content).iter().take_while(|block| block["type"] == "tool_result");
    leading.map(|block| text(&block["tool_use_id"])).collect()
}

/// A last assistant message is a prefill.
fn ending(context: &Context<'_>) -> Verdict {
    let Some((_, "assistant", content)) = messages(context).filter(|(_, role, _)| *role != "system").last() else {
        return Ok(());
    };
    let newest = ["opus-4-6", "sonnet-4-6"].iter().any(|family| context.view.model.contains(family));
    forbid(newest, || {
        "This model does not support assistant message prefill. The conversation must end with a user message.".into()
    })?;
    let last = content.as_str().or_else(|| items(content).last().and_then(|block| block["text"].as_str()));
    forbid(last.is_some_and(|last| last.ends_with(char::is_whitespace)), || {
        "messages: final assistant content cannot end with trailing whitespace".into()
    })
}

fn signatures(context: &Context<'_>) -> Verdict {
    for (at, _, content) in messages(context) {
        for (n, block) in items(content).iter().enumerate() {
            let here = format!("messages.{at}.content.{n}");
            let verify =
                |signature: &str, said: &str| context.seal.verify(Dialect::Anthropic, signature, said).is_some();
            match text(&block["type"]) {
                "thinking" => {
                    forbid(!block["thinking"].is_string(), || format!("{here}.thinking.thinking: Field required"))?;
                    let Some(signature) = block["signature"].as_str() else {
                        return Err(invalid(format!("{here}.thinking.signature: Field required")));
                    };
                    forbid(!verify(signature, text(&block["thinking"])), || {
                        format!("{here}: Invalid `signature` in `thinking` block")
                    })?;
                }
                "redacted_thinking" => forbid(!verify(text(&block["data"]), "redacted"), || {
                    format!("{here}: Invalid `data` in `redacted_thinking` block")
                })?,
                _ => {}
            }
        }
    }
    Ok(())
}

/// While a tool is being used, the turn that called it has to begin with its own thinking.
fn own_thinking(context: &Context<'_>) -> Verdict {
    let is_result = |content: &Value| items(content).iter().any(|block| block["type"] == "tool_result");
    let all: Vec<_> = messages(context).filter(|(_, role, _)| *role != "system").collect();
    // The current turn: everything after the last message that the user wrote.
    let start = all.iter().rposition(|(_, role, content)| *role == "user" && !is_result(content)).unwrap_or(0);
    for (at, _, content) in
        all.iter().skip(start).filter(|(_, role, content)| *role == "assistant" && !call_ids(content).is_empty())
    {
        let first = text(&content[0]["type"]);
        let owed = call_ids(content).iter().find_map(|id| context.seal.thought_tag(Dialect::Anthropic, id));
        let starts = first == "thinking" || first == "redacted_thinking";
        let wanted = thinking_kind(context) == Some("enabled") || (context.thinks && owed.is_some());
        forbid(wanted && !starts, || {
            format!(
                "messages.{at}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{first}`. When \
                 `thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding the \
                 lastmost set of `tool_use` and `tool_result` blocks). We recommend you include thinking blocks from \
                 previous turns. To avoid this requirement, disable `thinking`. Please consult our documentation at \
                 {THINKING_PAGE}"
            )
        })?;
        let own = context.seal.tag_of(Dialect::Anthropic, text(&content[0]["signature"]));
        forbid(context.thinks && owed.is_some() && own.as_deref() != owed, || {
            format!(
                "messages.{at}.content.0: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot \
                 be modified. These blocks must remain as they were in the original response."
            )
        })?;
    }
    Ok(())
}

fn cache_marks(context: &Context<'_>) -> Verdict {
    let mut marks: Vec<(String, bool)> = Vec::new();
    for (at, tool) in items(&context.body["tools"]).iter().enumerate() {
        push_mark(&mut marks, &format!("tools.{at}"), tool);
    }
    for (at, block) in items(&context.body["system"]).iter().enumerate() {
        push_mark(&mut marks, &format!("system.{at}"), block);
    }
    for (at, _, content) in messages(context) {
        for (n, block) in items(content).iter().enumerate() {
            let (here, kind) = (format!("messages.{at}.content.{n}"), text(&block["type"]));
            let marked = push_mark(&mut marks, &here, block);
            forbid(marked && kind.ends_with("thinking"), || {
                format!("{here}.{kind}.cache_control: Extra inputs are not permitted")
            })?;
            for (m, inner) in items(&block["content"]).iter().enumerate() {
                push_mark(&mut marks, &format!("{here}.content.{m}"), inner);
            }
        }
    }
    forbid(marks.len() > 4, || {
        format!("A maximum of 4 blocks with cache_control may be provided. Found {}.", marks.len())
    })?;
    let short = marks.iter().position(|(_, hour)| !hour).unwrap_or(marks.len());
    marks.iter().skip(short).find(|(_, hour)| *hour).map_or(Ok(()), |(here, _)| {
        Err(invalid(format!(
            "{here}.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. \
             Note that blocks are processed in the following order: `tools`, `system`, `messages`."
        )))
    })
}

fn push_mark(marks: &mut Vec<(String, bool)>, here: &str, block: &Value) -> bool {
    let mark = &block["cache_control"];
    if mark.is_object() {
        marks.push((here.to_owned(), mark["ttl"] == "1h"));
    }
    mark.is_object()
}
