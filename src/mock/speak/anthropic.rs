//! Anthropic Messages: `message` and its stream of content blocks.

use crate::mock::frame::{Frame, Role};
use crate::mock::plan::{Event, Finish, Kind, Piece, Plan};
use crate::mock::seal::Seal;
use serde_json::{Value, json};

pub(crate) struct Speaker {
    id: String,
}

impl Speaker {
    pub(super) fn new(seal: Seal, number: u64) -> Self {
        Self { id: format!("msg_01{}", seal.letters("message", number, 0, 22)) }
    }

    pub(super) fn unary(&self, plan: &Plan) -> Value {
        let content: Vec<Value> = plan.pieces.iter().map(block).collect();
        let (reason, sequence) = stop(&plan.finish);
        json!({
            "model": plan.model, "id": self.id, "type": "message", "role": "assistant", "content": content,
            "stop_reason": reason, "stop_sequence": sequence, "usage": usage(plan, plan.usage.output + plan.usage.reasoning),
        })
    }

    pub(super) fn frames(&self, plan: &Plan, event: &Event<'_>) -> Vec<Frame> {
        match event {
            Event::Start => {
                let message = json!({
                    "model": plan.model, "id": self.id, "type": "message", "role": "assistant", "content": [],
                    "stop_reason": null, "stop_sequence": null, "usage": usage(plan, 1.min(plan.usage.output + plan.usage.reasoning)),
                });
                vec![Frame::named(Role::Frame, &json!({"type": "message_start", "message": message}))]
            }
            Event::Open { at, piece } => {
                let start = json!({"type": "content_block_start", "index": at, "content_block": opening(piece)});
                let mut frames = vec![Frame::named(Role::Frame, &start)];
                match piece.kind {
                    // Redacted thinking is complete in its start.
                    Kind::Redacted => frames.iter_mut().for_each(|frame| frame.role = Role::Content),
                    Kind::Call { .. } => {
                        let delta = json!({"type": "input_json_delta", "partial_json": ""});
                        frames.push(delta_frame(*at, &delta));
                    }
                    _ => {}
                }
                if *at == 0 {
                    frames.push(Frame::named(Role::Frame, &json!({"type": "ping"})));
                }
                frames
            }
            Event::Delta { at, piece, text } => match piece.kind {
                Kind::Thought => vec![delta_frame(*at, &json!({"type": "thinking_delta", "thinking": text}))],
                Kind::Redacted => Vec::new(),
                Kind::Text | Kind::Refusal => vec![delta_frame(*at, &json!({"type": "text_delta", "text": text}))],
                // Arguments that are empty stream nothing beyond the first empty part.
                Kind::Call { .. } if piece.chunks.whole() == "{}" => Vec::new(),
                Kind::Call { .. } => {
                    vec![delta_frame(*at, &json!({"type": "input_json_delta", "partial_json": text}))]
                }
            },
            Event::Close { at, piece } => {
                let stop = Frame::named(Role::Frame, &json!({"type": "content_block_stop", "index": at}));
                match (&piece.kind, &piece.signature) {
                    (Kind::Thought, Some(signature)) => {
                        vec![delta_frame(*at, &json!({"type": "signature_delta", "signature": signature})), stop]
                    }
                    _ => vec![stop],
                }
            }
            Event::Finish => {
                let (reason, sequence) = stop(&plan.finish);
                let spent = &plan.usage;
                let delta = json!({
                    "type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": sequence},
                    "usage": {
                        "input_tokens": spent.uncached, "cache_creation_input_tokens": spent.written.iter().sum::<u64>(),
                        "cache_read_input_tokens": spent.cached, "output_tokens": spent.output + spent.reasoning,
                    },
                });
                vec![Frame::named(Role::Finish, &delta), Frame::named(Role::Terminal, &json!({"type": "message_stop"}))]
            }
        }
    }
}

fn delta_frame(at: usize, delta: &Value) -> Frame {
    Frame::named(Role::Content, &json!({"type": "content_block_delta", "index": at, "delta": delta}))
}

fn opening(piece: &Piece) -> Value {
    match &piece.kind {
        Kind::Thought => json!({"type": "thinking", "thinking": "", "signature": ""}),
        Kind::Redacted => block(piece),
        Kind::Text | Kind::Refusal => json!({"type": "text", "text": ""}),
        Kind::Call { call_id, name, .. } => json!({"type": "tool_use", "id": call_id, "name": name, "input": {}}),
    }
}

fn block(piece: &Piece) -> Value {
    match &piece.kind {
        Kind::Thought => json!({"type": "thinking", "thinking": piece.chunks.whole(), "signature": piece.signature}),
        Kind::Redacted => json!({"type": "redacted_thinking", "data": piece.signature}),
        Kind::Text | Kind::Refusal => json!({"type": "text", "text": piece.chunks.whole()}),
        Kind::Call { call_id, name, arguments } => {
            json!({"type": "tool_use", "id": call_id, "name": name, "input": arguments})
        }
    }
}

fn stop(finish: &Finish) -> (&'static str, Option<&str>) {
    match finish {
        Finish::Stop => ("end_turn", None),
        Finish::MaxTokens => ("max_tokens", None),
        Finish::StopSequence(sequence) => ("stop_sequence", Some(sequence)),
        Finish::Calls => ("tool_use", None),
        Finish::Refused | Finish::Blocked => ("refusal", None),
    }
}

fn usage(plan: &Plan, output: u64) -> Value {
    let spent = &plan.usage;
    let [five_minutes, one_hour] = spent.written;
    json!({
        "input_tokens": spent.uncached, "cache_creation_input_tokens": five_minutes + one_hour,
        "cache_read_input_tokens": spent.cached,
        "cache_creation": {"ephemeral_5m_input_tokens": five_minutes, "ephemeral_1h_input_tokens": one_hour},
        "output_tokens": output, "service_tier": "standard",
    })
}
