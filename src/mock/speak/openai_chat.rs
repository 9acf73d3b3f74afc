//! Chat Completions: `chat.completion` and `chat.completion.chunk`.

use crate::mock::frame::{Frame, Role};
use crate::mock::plan::{Event, Finish, Kind, Piece, Plan};
use crate::mock::seal::Seal;
use serde_json::{Map, Value, json};

pub(crate) struct Speaker {
    id: String,
    fingerprint: String,
    /// Index of the next tool call; tools are counted apart from everything else.
    calls: u64,
    tool_index: u64,
}

impl Speaker {
    pub(super) fn new(seal: Seal, number: u64) -> Self {
        Self {
            id: format!("chatcmpl-{}", seal.letters("chat", number, 0, 29)),
            fingerprint: format!("fp_{}", seal.hex("fingerprint", 0, 0, 10)),
            calls: 0,
            tool_index: 0,
        }
    }

    pub(super) fn unary(&self, plan: &Plan) -> Value {
        let of = |wanted: fn(&Kind) -> bool| -> Option<String> {
            let mut parts = plan.pieces.iter().filter(|piece| wanted(&piece.kind)).map(|piece| piece.chunks.whole());
            parts.next().map(|first| first + &parts.collect::<String>())
        };
        let calls: Vec<Value> = plan.pieces.iter().filter_map(call).collect();
        let text = of(|kind| matches!(kind, Kind::Text));
        let refusal = of(|kind| matches!(kind, Kind::Refusal));
        let content = if calls.is_empty() && refusal.is_none() { json!(text.unwrap_or_default()) } else { json!(text) };
        let mut message = Map::new();
        message.insert("role".into(), json!("assistant"));
        message.insert("content".into(), content);
        if let Some(thought) = of(|kind| matches!(kind, Kind::Thought)) {
            message.insert("reasoning_content".into(), json!(thought));
        }
        if !calls.is_empty() {
            message.insert("tool_calls".into(), Value::Array(calls));
        }
        message.insert("refusal".into(), json!(refusal));
        message.insert("annotations".into(), json!([]));
        json!({
            "id": self.id, "object": "chat.completion", "created": plan.created, "model": plan.model,
            "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": reason(&plan.finish)}],
            "usage": usage(plan), "service_tier": "default", "system_fingerprint": self.fingerprint,
        })
    }

    pub(super) fn frames(&mut self, plan: &Plan, event: &Event<'_>) -> Vec<Frame> {
        match event {
            Event::Start => {
                let content = if plan.finish == Finish::Calls { Value::Null } else { json!("") };
                let delta = json!({"role": "assistant", "content": content, "refusal": null});
                vec![self.chunk(plan, Role::Frame, &delta, None)]
            }
            Event::Open { piece, .. } => self.open(plan, piece),
            Event::Delta { piece, text, .. } => {
                let delta = match piece.kind {
                    Kind::Text => json!({ "content": text }),
                    Kind::Refusal => json!({ "refusal": text }),
                    Kind::Thought => json!({ "reasoning_content": text }),
                    Kind::Redacted => return Vec::new(),
                    Kind::Call { .. } => {
                        json!({"tool_calls": [{"index": self.tool_index, "function": {"arguments": text}}]})
                    }
                };
                vec![self.chunk(plan, Role::Content, &delta, None)]
            }
            Event::Close { .. } => Vec::new(),
            Event::Finish => {
                let mut frames = vec![self.chunk(plan, Role::Finish, &json!({}), Some(reason(&plan.finish)))];
                if plan.include_usage {
                    let mut value = self.envelope(plan);
                    value["choices"] = json!([]);
                    value["usage"] = usage(plan);
                    frames.push(Frame::data(Role::Finish, &value));
                }
                frames.push(Frame::done());
                frames
            }
        }
    }

    fn open(&mut self, plan: &Plan, piece: &Piece) -> Vec<Frame> {
        let Kind::Call { call_id, name, .. } = &piece.kind else { return Vec::new() };
        self.tool_index = self.calls;
        self.calls += 1;
        let function = json!({"name": name, "arguments": ""});
        let call = json!({"index": self.tool_index, "id": call_id, "type": "function", "function": function});
        vec![self.chunk(plan, Role::Content, &json!({ "tool_calls": [call] }), None)]
    }

    fn chunk(&self, plan: &Plan, role: Role, delta: &Value, reason: Option<&str>) -> Frame {
        let mut value = self.envelope(plan);
        value["choices"] = json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": reason}]);
        if plan.include_usage {
            value["usage"] = Value::Null;
        }
        Frame::data(role, &value)
    }

    fn envelope(&self, plan: &Plan) -> Value {
        json!({
            "id": self.id, "object": "chat.completion.chunk", "created": plan.created, "model": plan.model,
            "service_tier": "default", "system_fingerprint": self.fingerprint,
        })
    }
}

fn call(piece: &Piece) -> Option<Value> {
    let Kind::Call { call_id, name, .. } = &piece.kind else { return None };
    Some(json!({"id": call_id, "type": "function", "function": {"name": name, "arguments": piece.chunks.whole()}}))
}

fn reason(finish: &Finish) -> &'static str {
    match finish {
        // A refusal in words is an ordinary end; only the filter has a reason of its own.
        Finish::Stop | Finish::StopSequence(_) | Finish::Refused => "stop",
        Finish::Blocked => "content_filter",
        Finish::MaxTokens => "length",
        Finish::Calls => "tool_calls",
    }
}

fn usage(plan: &Plan) -> Value {
    let usage = &plan.usage;
    json!({
        "prompt_tokens": usage.input(), "completion_tokens": usage.output + usage.reasoning, "total_tokens": usage.total(),
        "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
        },
    })
}
