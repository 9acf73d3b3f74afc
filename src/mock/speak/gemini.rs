//! Gemini: every frame is a whole `GenerateContentResponse`.

use crate::mock::frame::{Frame, Role};
use crate::mock::plan::{Event, Finish, Kind, Piece, Plan};
use crate::mock::seal::Seal;
use serde_json::{Value, json};

pub(crate) struct Speaker {
    id: String,
    seal: Seal,
    number: u64,
    /// Output and thinking told so far: the usage of a chunk is cumulative.
    told: [u64; 2],
}

/// A blocked prompt has no candidate.
fn blocked(answer: &Value) -> Value {
    let mut answer = answer.clone();
    if let Some(members) = answer.as_object_mut() {
        members.remove("candidates");
        members.insert("promptFeedback".to_owned(), json!({"blockReason": "PROHIBITED_CONTENT"}));
    }
    answer
}

impl Speaker {
    pub(super) fn new(seal: Seal, number: u64) -> Self {
        Self { id: seal.letters("gemini", number, 0, 23), seal, number, told: [0, 0] }
    }

    pub(super) fn unary(&self, plan: &Plan) -> Value {
        let mut parts: Vec<Value> =
            plan.pieces.iter().enumerate().filter_map(|(at, piece)| self.whole(plan, at, piece)).collect();
        if let (Some(signature), Some(last)) = (text_signature(plan), parts.last_mut()) {
            last["thoughtSignature"] = json!(signature);
        }
        if plan.finish == Finish::Blocked {
            return blocked(&self.response(plan, None, None, 0, 0));
        }
        if plan.finish == Finish::Refused {
            return self.response(plan, None, Some("SAFETY"), plan.usage.output, plan.usage.reasoning);
        }
        let reason = Some(reason(&plan.finish));
        self.response(plan, Some(parts), reason, plan.usage.output, plan.usage.reasoning)
    }

    pub(super) fn frames(&mut self, plan: &Plan, event: &Event<'_>) -> Vec<Frame> {
        match event {
            Event::Start => Vec::new(),
            // A call comes whole. It is told when its last character is, so that the bill follows the chunks.
            Event::Open { .. } => Vec::new(),
            Event::Delta { piece, text, .. } => {
                let tokens = crate::mock::chunks::piece_tokens(&plan.model, text);
                let (part, bucket) = match piece.kind {
                    Kind::Text => (Some(json!({ "text": text })), 0),
                    Kind::Refusal | Kind::Redacted => (None, 0),
                    Kind::Thought if plan.thoughts_hidden => (None, 1),
                    Kind::Thought => (Some(json!({"text": text, "thought": true})), 1),
                    Kind::Call { .. } => (None, 0),
                };
                if let Some(told) = self.told.get_mut(bucket) {
                    *told += tokens;
                }
                part.map(|part| self.content(plan, vec![part])).into_iter().collect()
            }
            Event::Close { at, piece } => match piece.kind {
                Kind::Call { .. } => {
                    let part = self.whole(plan, *at, piece);
                    part.map(|part| self.content(plan, vec![part])).into_iter().collect()
                }
                _ => Vec::new(),
            },
            Event::Finish if plan.finish == Finish::Blocked => {
                vec![Frame::escaped(Role::Terminal, &blocked(&self.response(plan, None, None, 0, 0)))]
            }
            Event::Finish => {
                let (parts, reason) = match (&plan.finish, text_signature(plan)) {
                    (Finish::Refused, _) => (None, "SAFETY"),
                    // Gemini 3 signs a text by an empty part at its end.
                    (_, Some(signature)) => {
                        (Some(vec![json!({"text": "", "thoughtSignature": signature})]), reason(&plan.finish))
                    }
                    (_, None) => (Some(vec![json!({"text": ""})]), reason(&plan.finish)),
                };
                let value = self.response(plan, parts, Some(reason), plan.usage.output, plan.usage.reasoning);
                vec![Frame::escaped(Role::Terminal, &value)]
            }
        }
    }

    fn content(&self, plan: &Plan, parts: Vec<Value>) -> Frame {
        let [output, reasoning] = self.told;
        Frame::escaped(Role::Content, &self.response(plan, Some(parts), None, output, reasoning))
    }

    fn whole(&self, plan: &Plan, at: usize, piece: &Piece) -> Option<Value> {
        Some(match &piece.kind {
            Kind::Text => json!({"text": piece.chunks.whole()}),
            Kind::Thought if plan.thoughts_hidden => return None,
            Kind::Thought => json!({"text": piece.chunks.whole(), "thought": true}),
            Kind::Refusal | Kind::Redacted => return None,
            Kind::Call { name, arguments, .. } => {
                let mut call = json!({"name": name, "args": arguments});
                // Gemini 3 gives its calls ids, the older ones do not.
                if plan.model.contains("gemini-3") {
                    call["id"] =
                        json!(self.seal.letters("gemini-call", self.number, at as u64, 8).to_ascii_lowercase());
                }
                let mut part = json!({ "functionCall": call });
                if let Some(signature) = &piece.signature {
                    part["thoughtSignature"] = json!(signature);
                }
                part
            }
        })
    }

    fn response(
        &self,
        plan: &Plan,
        parts: Option<Vec<Value>>,
        reason: Option<&str>,
        output: u64,
        reasoning: u64,
    ) -> Value {
        let mut candidate = json!({});
        if let Some(parts) = parts {
            candidate["content"] = json!({"parts": parts, "role": "model"});
        }
        if let Some(reason) = reason {
            candidate["finishReason"] = json!(reason);
        }
        candidate["index"] = json!(0);
        json!({
            "candidates": [candidate], "usageMetadata": usage(plan, output, reasoning),
            "modelVersion": plan.model, "responseId": self.id,
        })
    }
}

/// The signature of a thought that no call follows: it belongs to the text.
fn text_signature(plan: &Plan) -> Option<&str> {
    if plan.finish == Finish::Calls {
        return None;
    }
    plan.pieces.iter().find(|piece| matches!(piece.kind, Kind::Thought))?.signature.as_deref()
}

fn reason(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::StopSequence(_) | Finish::Calls => "STOP",
        Finish::MaxTokens => "MAX_TOKENS",
        Finish::Refused | Finish::Blocked => "SAFETY",
    }
}

fn usage(plan: &Plan, output: u64, reasoning: u64) -> Value {
    let input = plan.usage.input();
    let mut value = json!({"promptTokenCount": input});
    if output > 0 {
        value["candidatesTokenCount"] = json!(output);
    }
    value["totalTokenCount"] = json!(input + output + reasoning);
    if plan.usage.cached > 0 {
        value["cachedContentTokenCount"] = json!(plan.usage.cached);
    }
    value["promptTokensDetails"] = json!([{"modality": "TEXT", "tokenCount": input}]);
    if reasoning > 0 {
        value["thoughtsTokenCount"] = json!(reasoning);
    }
    value
}
