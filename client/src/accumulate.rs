//! The whole answer out of its pieces.

use std::collections::BTreeMap;

use crate::chat::{
    ChatChunk, ChatResponse, Choice, ChunkChoice, Content, Delta, FinishReason, Message, Role, ToolCallDelta,
};
use crate::{Extra, ToolCall};

/// Puts the pieces of a streamed answer together, calls of tools included.
///
/// ```
/// use interlingua_client::{Accumulator, ChatChunk};
///
/// let mut whole = Accumulator::default();
/// for text in ["Hel", "lo"] {
///     let chunk: ChatChunk = serde_json::from_value(serde_json::json!({
///         "id": "c-1", "model": "m", "choices": [{"index": 0, "delta": {"content": text}}],
///     })).unwrap();
///     whole.push(chunk);
/// }
/// assert_eq!(whole.finish().text(), "Hello");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Accumulator {
    head: ChatResponse,
    choices: BTreeMap<u32, Building>,
}

#[derive(Clone, Debug, Default)]
struct Building {
    delta: Delta,
    calls: BTreeMap<u32, ToolCall>,
    finish_reason: Option<FinishReason>,
    extra: Extra,
}

impl Accumulator {
    /// Adds a piece.
    pub fn push(&mut self, chunk: ChatChunk) {
        let head = &mut self.head;
        replace(&mut head.id, chunk.id);
        replace(&mut head.model, chunk.model);
        head.created = if chunk.created == 0 { head.created } else { chunk.created };
        head.usage = chunk.usage.or(head.usage.take());
        merge(&mut head.extra, chunk.extra);
        for choice in chunk.choices {
            self.choices.entry(choice.index).or_default().push(choice);
        }
    }

    /// The answer as it is so far: the whole one, after the stream's end.
    pub fn finish(self) -> ChatResponse {
        let mut head = self.head;
        if head.extra.contains_key("object") {
            head.extra.insert("object".to_owned(), "chat.completion".into());
        }
        head.choices = self.choices.into_iter().map(|(index, building)| building.finish(index)).collect();
        head
    }

    pub(crate) fn named(mut self, request_id: Option<String>) -> Self {
        self.head.request_id = request_id;
        self
    }
}

impl Building {
    fn push(&mut self, choice: ChunkChoice) {
        let delta = choice.delta;
        self.delta.role = self.delta.role.take().or(delta.role);
        append(&mut self.delta.content, delta.content);
        append(&mut self.delta.reasoning_content, delta.reasoning_content);
        append(&mut self.delta.refusal, delta.refusal);
        merge(&mut self.delta.extra, delta.extra);
        for call in delta.tool_calls {
            add(self.calls.entry(call.index).or_insert_with(ToolCall::empty), call);
        }
        self.finish_reason = choice.finish_reason.or(self.finish_reason.take());
        merge(&mut self.extra, choice.extra);
    }

    fn finish(self, index: u32) -> Choice {
        let delta = self.delta;
        let mut message = Message::new(delta.role.unwrap_or(Role::Assistant), "");
        message.content = delta.content.map(Content::Text);
        message.reasoning_content = delta.reasoning_content;
        message.refusal = delta.refusal;
        message.tool_calls = self.calls.into_values().collect();
        message.extra = delta.extra;
        Choice { index, message, finish_reason: self.finish_reason, extra: self.extra }
    }
}

fn add(call: &mut ToolCall, delta: ToolCallDelta) {
    replace(&mut call.id, delta.id.unwrap_or_default());
    replace(&mut call.kind, delta.kind.unwrap_or_default());
    if let Some(function) = delta.function {
        replace(&mut call.function.name, function.name.unwrap_or_default());
        call.function.arguments.push_str(&function.arguments.unwrap_or_default());
        merge(&mut call.function.extra, function.extra);
    }
    merge(&mut call.extra, delta.extra);
}

fn replace(text: &mut String, new: String) {
    if !new.is_empty() {
        *text = new;
    }
}

fn append(text: &mut Option<String>, more: Option<String>) {
    if let Some(more) = more {
        text.get_or_insert_default().push_str(&more);
    }
}

/// What has no field comes whole; the last one counts. `null` takes nothing away.
fn merge(extra: &mut Extra, more: Extra) {
    for (name, value) in more {
        if !value.is_null() || !extra.contains_key(&name) {
            extra.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn whole(chunks: &[Value]) -> ChatResponse {
        let mut whole = Accumulator::default();
        for chunk in chunks {
            whole.push(serde_json::from_value(chunk.clone()).unwrap());
        }
        whole.finish()
    }

    #[test]
    fn calls_come_in_pieces_beside_each_other_with_what_has_no_field() {
        let delta = |delta: Value| json!({"id": "c", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]});
        let call = |index: u32, id: &str, name: &str, arguments: &str| json!({"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
        let more = |index: u32, arguments: &str| json!({"index": index, "function": {"arguments": arguments}});
        let mut first = call(0, "a", "weather", "");
        first["extra_content"] = json!({"google": {"thought_signature": "seal"}});
        let answer = whole(&[
            delta(json!({"role": "assistant", "content": null, "reasoning_content": "Let "})),
            delta(json!({"reasoning_content": "me see", "tool_calls": [first]})),
            delta(json!({"tool_calls": [more(0, "{\"city\":"), call(1, "b", "time", "{}")]})),
            delta(json!({"tool_calls": [more(0, "\"Bern\"}")]})),
            json!({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}),
            json!({"id": "c", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}),
        ]);
        let message = answer.message().unwrap();
        assert_eq!((message.content.clone(), message.reasoning_content.as_deref()), (None, Some("Let me see")));
        let calls = answer.tool_calls();
        assert_eq!(calls.len(), 2);
        assert_eq!((calls[0].id.as_str(), calls[0].name()), ("a", "weather"));
        assert_eq!(calls[0].arguments::<Value>().unwrap(), json!({"city": "Bern"}));
        assert_eq!(calls[0].extra["extra_content"]["google"]["thought_signature"], "seal");
        assert_eq!((calls[1].id.as_str(), calls[1].function.arguments.as_str()), ("b", "{}"));
        assert_eq!(answer.finish_reason(), Some(&FinishReason::ToolCalls));
        assert_eq!(answer.usage.map(|usage| usage.total_tokens), Some(3));
        let written = serde_json::to_value(&answer.choices[0].message).unwrap();
        assert_eq!(written["tool_calls"][0]["extra_content"]["google"]["thought_signature"], "seal");
    }

    #[test]
    fn several_answers_are_kept_apart() {
        let choice =
            |index: u32, text: &str| json!({"id": "c", "choices": [{"index": index, "delta": {"content": text}}]});
        let answer = whole(&[choice(1, "b"), choice(0, "a"), choice(1, "B")]);
        let texts: Vec<String> = answer.choices.iter().map(|choice| choice.message.text()).collect();
        assert_eq!(texts, ["a", "bB"]);
    }
}
