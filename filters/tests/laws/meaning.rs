//! What must survive every translation: texts, calls, results, stop, tokens.

use interlingua_filters::ir::{Block, BlockKind, Request, Response, StopReason, ToolUseKind};

/// What an answer says.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) text: String,
    /// Names and arguments.
    pub(crate) calls: Vec<(String, serde_json::Value)>,
    pub(crate) stop: StopReason,
    /// Input in all, read from a cache, output in all.
    pub(crate) tokens: Option<(u64, u64, u64)>,
}

pub(crate) fn of_response(response: &Response<'_>) -> Answer {
    let choice = response.choices.first().expect("an answer has a choice");
    Answer {
        text: texts(&choice.blocks).concat(),
        calls: calls_of(&choice.blocks),
        stop: choice.stop,
        tokens: response.usage.as_ref().map(|usage| (usage.input_total(), usage.cache_read, usage.output_total())),
    }
}

/// What a conversation says.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Conversation {
    pub(crate) system: String,
    pub(crate) user: String,
    pub(crate) model: String,
    pub(crate) calls: Vec<(String, serde_json::Value)>,
    /// Results in order, each with the place of its call among all calls.
    pub(crate) results: Vec<(Option<usize>, String)>,
    pub(crate) tools: Vec<String>,
    pub(crate) cap: Option<u64>,
}

pub(crate) fn of_request(request: &Request<'_>) -> Conversation {
    let mut found = Conversation {
        tools: request.tools.iter().map(|tool| tool.name.to_string()).collect(),
        cap: request.max_output_tokens.as_ref().and_then(interlingua_filters::json::Num::as_u64),
        ..Conversation::default()
    };
    let mut ids: Vec<String> = Vec::new();
    for turn in &request.turns {
        use interlingua_filters::ir::Role;
        let text = words_of(&turn.blocks);
        match turn.role {
            Role::System | Role::Developer => found.system.push_str(&text),
            Role::User | Role::Tool => found.user.push_str(&text),
            Role::Assistant => found.model.push_str(&text),
        }
        found.calls.extend(calls_of(&turn.blocks));
        for block in &turn.blocks {
            match &block.kind {
                BlockKind::ToolUse(call) => ids.push(call.id.to_string()),
                BlockKind::ToolResult(result) => {
                    let call = ids.iter().position(|id| *result.id == **id);
                    found.results.push((call, result_of(&result.content)));
                }
                _ => {}
            }
        }
    }
    found
}

/// The words without white space: requests gain line ends where a target wants several texts as one.
fn words_of(blocks: &[Block<'_>]) -> String {
    texts(blocks).concat().split_whitespace().collect()
}

fn texts<'b>(blocks: &'b [Block<'_>]) -> Vec<&'b str> {
    let texts = blocks.iter().filter_map(|block| match &block.kind {
        BlockKind::Text { text, .. } => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

/// A result's words; where a dialect has objects only they stand in its one member.
fn result_of(blocks: &[Block<'_>]) -> String {
    let text = texts(blocks).concat();
    let object: Option<std::collections::BTreeMap<String, String>> = serde_json::from_str(&text).ok();
    let wrapped = object.filter(|object| object.len() == 1).and_then(|object| object.into_values().next());
    wrapped.unwrap_or(text)
}

fn calls_of(blocks: &[Block<'_>]) -> Vec<(String, serde_json::Value)> {
    let calls = blocks.iter().filter_map(|block| match &block.kind {
        // A freeform input is an object with one member wherever tools take objects only.
        BlockKind::ToolUse(call) if call.kind == ToolUseKind::Custom => {
            Some((call.name.to_string(), serde_json::json!({"input": call.input.as_str()})))
        }
        BlockKind::ToolUse(call) => {
            let input = if call.input.is_empty() { "{}" } else { &call.input };
            Some((call.name.to_string(), serde_json::from_str(input).unwrap_or_default()))
        }
        _ => None,
    });
    calls.collect()
}
