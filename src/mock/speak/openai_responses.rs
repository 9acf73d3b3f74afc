//! Responses: the response object and its typed events.

use crate::mock::frame::{Frame, Role};
use crate::mock::plan::{Event, Finish, Kind, Piece, Plan};
use crate::mock::refusal::Refusal;
use crate::mock::seal::Seal;
use serde_json::{Map, Value, json};

/// Request members that the response repeats, with their values where the request has none.
const ECHOED: [(&str, &str); 17] = [
    ("background", "false"),
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("previous_response_id", "null"),
    ("prompt_cache_key", "null"),
    ("reasoning", r#"{"effort":null,"summary":null}"#),
    ("safety_identifier", "null"),
    ("store", "true"),
    ("temperature", "1.0"),
    ("text", r#"{"format":{"type":"text"},"verbosity":"medium"}"#),
    ("tool_choice", r#""auto""#),
    ("tools", "[]"),
    ("top_logprobs", "0"),
    ("top_p", "1.0"),
];

pub(crate) struct Speaker {
    id: String,
    echoed: Map<String, Value>,
    sequence: u64,
}

impl Speaker {
    pub(super) fn new(seal: Seal, number: u64, body: &Value) -> Self {
        let mut echoed = Map::new();
        for (name, default) in ECHOED {
            let given = body.get(name).filter(|value| !value.is_null()).cloned();
            let value = given.or_else(|| serde_json::from_str(default).ok()).unwrap_or_default();
            echoed.insert(name.into(), value);
        }
        Self { id: format!("resp_{}", seal.hex("response", number, 0, 50)), echoed, sequence: 0 }
    }

    /// The id of the response, by which a later request may go on.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn unary(&self, plan: &Plan) -> Value {
        let output = plan.pieces.iter().map(|piece| item(plan, piece, true)).collect();
        self.response(plan, status(&plan.finish), output, &Value::Null)
    }

    /// The items of an answer, as a later request may refer to them.
    pub(crate) fn output(plan: &Plan) -> Vec<Value> {
        plan.pieces.iter().map(|piece| item(plan, piece, true)).collect()
    }

    pub(super) fn frames(&mut self, plan: &Plan, event: &Event<'_>) -> Vec<Frame> {
        match event {
            Event::Start => ["response.created", "response.in_progress"]
                .map(|kind| {
                    let response = self.response(plan, "in_progress", Vec::new(), &Value::Null);
                    self.frame(Role::Frame, json!({"type": kind, "response": response}))
                })
                .into(),
            Event::Open { at, piece } => self.open(plan, *at, piece),
            Event::Delta { at, piece, text } => {
                let id = &piece.id;
                let delta = match piece.kind {
                    Kind::Text => json!({"type": "response.output_text.delta", "content_index": 0, "delta": text,
                        "item_id": id, "logprobs": [], "output_index": at}),
                    Kind::Refusal => json!({"type": "response.refusal.delta", "content_index": 0, "delta": text,
                        "item_id": id, "output_index": at}),
                    Kind::Thought | Kind::Redacted => json!({"type": "response.reasoning_summary_text.delta",
                        "delta": text, "item_id": id, "output_index": at, "summary_index": 0}),
                    Kind::Call { .. } => json!({"type": "response.function_call_arguments.delta", "delta": text,
                        "item_id": id, "output_index": at}),
                };
                vec![self.frame(Role::Content, delta)]
            }
            Event::Close { at, piece } => self.close(plan, *at, piece),
            Event::Finish => {
                let kind = format!("response.{}", status(&plan.finish));
                let response = self.unary(plan);
                vec![self.frame(Role::Terminal, json!({"type": kind, "response": response}))]
            }
        }
    }

    /// `error` before anything was said, `response.failed` afterwards.
    pub(super) fn error(&mut self, plan: &Plan, refusal: &Refusal) -> Vec<Frame> {
        let code = match refusal.status {
            429 => "rate_limit_exceeded",
            503 | 529 => "server_is_overloaded",
            _ => "server_error",
        };
        if self.sequence == 0 {
            let error = json!({"type": "error", "code": code, "message": refusal.message, "param": null});
            return vec![self.frame(Role::Terminal, error)];
        }
        let error = json!({"code": code, "message": refusal.message});
        let response = self.response(plan, "failed", Vec::new(), &error);
        vec![self.frame(Role::Terminal, json!({"type": "response.failed", "response": response}))]
    }

    fn open(&mut self, plan: &Plan, at: usize, piece: &Piece) -> Vec<Frame> {
        let added = json!({"type": "response.output_item.added", "item": item(plan, piece, false), "output_index": at});
        let mut frames = vec![self.frame(Role::Frame, added)];
        let part = match piece.kind {
            Kind::Text | Kind::Refusal => json!({"type": "response.content_part.added", "content_index": 0,
                "item_id": piece.id, "output_index": at, "part": part(piece, "")}),
            Kind::Thought | Kind::Redacted => json!({"type": "response.reasoning_summary_part.added",
                "item_id": piece.id, "output_index": at, "summary_index": 0,
                "part": {"type": "summary_text", "text": ""}}),
            Kind::Call { .. } => return frames,
        };
        frames.push(self.frame(Role::Frame, part));
        frames
    }

    fn close(&mut self, plan: &Plan, at: usize, piece: &Piece) -> Vec<Frame> {
        let (id, whole) = (&piece.id, piece.chunks.whole());
        let events = match &piece.kind {
            Kind::Text => vec![
                json!({"type": "response.output_text.done", "content_index": 0, "item_id": id, "logprobs": [],
                    "output_index": at, "text": whole}),
                json!({"type": "response.content_part.done", "content_index": 0, "item_id": id, "output_index": at,
                    "part": part(piece, &whole)}),
            ],
            Kind::Refusal => vec![
                json!({"type": "response.refusal.done", "content_index": 0, "item_id": id, "output_index": at,
                    "refusal": whole}),
                json!({"type": "response.content_part.done", "content_index": 0, "item_id": id, "output_index": at,
                    "part": part(piece, &whole)}),
            ],
            Kind::Thought | Kind::Redacted => vec![
                json!({"type": "response.reasoning_summary_text.done", "item_id": id, "output_index": at,
                    "summary_index": 0, "text": whole}),
                json!({"type": "response.reasoning_summary_part.done", "item_id": id, "output_index": at,
                    "summary_index": 0, "part": {"type": "summary_text", "text": whole}}),
            ],
            Kind::Call { name, .. } => {
                vec![json!({"type": "response.function_call_arguments.done", "arguments": whole,
                "item_id": id, "name": name, "output_index": at})]
            }
        };
        let done = json!({"type": "response.output_item.done", "item": item(plan, piece, true), "output_index": at});
        events.into_iter().chain([done]).map(|event| self.frame(Role::Frame, event)).collect()
    }

    fn frame(&mut self, role: Role, mut event: Value) -> Frame {
        event["sequence_number"] = json!(self.sequence);
        self.sequence += 1;
        Frame::named(role, &event)
    }

    fn response(&self, plan: &Plan, status: &str, output: Vec<Value>, error: &Value) -> Value {
        let ended = status != "in_progress";
        let mut value = json!({
            "id": self.id, "object": "response", "created_at": plan.created, "status": status, "error": error,
            "incomplete_details": null, "model": plan.model, "output": output, "service_tier": "default",
            "truncation": "disabled", "usage": null, "user": null,
        });
        value["completed_at"] = if status == "completed" { json!(plan.created) } else { Value::Null };
        if status == "incomplete" {
            value["incomplete_details"] =
                json!({"reason": if plan.finish == Finish::Blocked { "content_filter" } else { "max_output_tokens" }});
        }
        if ended && error.is_null() {
            value["usage"] = usage(plan);
        }
        for (name, echoed) in &self.echoed {
            value[name] = echoed.clone();
        }
        value
    }
}

fn status(finish: &Finish) -> &'static str {
    if matches!(finish, Finish::MaxTokens | Finish::Blocked) { "incomplete" } else { "completed" }
}

fn part(piece: &Piece, text: &str) -> Value {
    match piece.kind {
        Kind::Refusal => json!({"type": "refusal", "refusal": text}),
        _ => json!({"type": "output_text", "annotations": [], "logprobs": [], "text": text}),
    }
}

fn item(plan: &Plan, piece: &Piece, done: bool) -> Value {
    let whole = if done { piece.chunks.whole() } else { String::new() };
    let cut = plan.finish == Finish::MaxTokens;
    let status = if !done {
        "in_progress"
    } else if cut {
        "incomplete"
    } else {
        "completed"
    };
    match &piece.kind {
        Kind::Thought | Kind::Redacted => {
            let summary = if done { json!([{"type": "summary_text", "text": whole}]) } else { json!([]) };
            let mut value = json!({"id": piece.id, "type": "reasoning", "summary": summary});
            if plan.encrypted {
                value["encrypted_content"] = json!(piece.signature);
            }
            value
        }
        Kind::Text | Kind::Refusal => {
            let content = if done { json!([part(piece, &whole)]) } else { json!([]) };
            json!({"id": piece.id, "type": "message", "status": status, "content": content, "role": "assistant"})
        }
        Kind::Call { call_id, name, .. } => json!({"id": piece.id, "type": "function_call", "status": status,
            "arguments": whole, "call_id": call_id, "name": name}),
    }
}

fn usage(plan: &Plan) -> Value {
    let usage = &plan.usage;
    json!({
        "input_tokens": usage.input(), "input_tokens_details": {"cached_tokens": usage.cached},
        "output_tokens": usage.output + usage.reasoning,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning}, "total_tokens": usage.total(),
    })
}
