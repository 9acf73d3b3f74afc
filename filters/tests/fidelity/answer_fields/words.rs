//! What is said and thought.

use interlingua_filters::ir::{BlockKind, Response};
use interlingua_filters::json::Str;

use super::{AnswerField, blocks, list};
use crate::samples::{SAY, Sample, anthropic, candidate, chat, chat_message, gemini, message, responses, whole_item};

pub(super) fn said() -> Vec<AnswerField> {
    vec![
        AnswerField {
            name: "text",
            samples: [
                Some(chat_message(r#""content":"Hello""#, &[r#"{"content":"Hel"}"#, r#"{"content":"lo"}"#], "stop")),
                Some(message("Hello", "", &[])),
                Some(anthropic(
                    r#"{"type":"text","text":"Hello"}"#,
                    &[(r#"{"type":"text","text":""}"#, &[SAY])],
                    "end_turn",
                )),
                Some(candidate(r#"{"text":"Hello"}"#, "STOP", "")),
            ],
            meaning: text,
        },
        AnswerField {
            name: "words of refusal",
            samples: [
                Some(chat_message(r#""content":null,"refusal":"I cannot""#, &[r#"{"refusal":"I cannot"}"#], "stop")),
                Some(whole_item(
                    r#"{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{"type":"refusal","refusal":"I cannot"}]}"#,
                )),
                None,
                None,
            ],
            meaning: refusal,
        },
        AnswerField {
            name: "several alternatives",
            samples: [
                Some(chat(
                    r#"{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"stop"},{"index":1,"message":{"role":"assistant","content":"b"},"finish_reason":"stop"}"#,
                    &[
                        r#"{"index":0,"delta":{"role":"assistant","content":"a"},"finish_reason":null}"#,
                        r#"{"index":1,"delta":{"role":"assistant","content":"b"},"finish_reason":null}"#,
                        r#"{"index":0,"delta":{},"finish_reason":"stop"}"#,
                        r#"{"index":1,"delta":{},"finish_reason":"stop"}"#,
                    ],
                )),
                None,
                None,
                Some(gemini(
                    r#"{"index":0,"content":{"role":"model","parts":[{"text":"a"}]},"finishReason":"STOP"},{"index":1,"content":{"role":"model","parts":[{"text":"b"}]},"finishReason":"STOP"}"#,
                    &[
                        r#"{"index":0,"content":{"role":"model","parts":[{"text":"a"}]},"finishReason":"STOP"}"#,
                        r#"{"index":1,"content":{"role":"model","parts":[{"text":"b"}]},"finishReason":"STOP"}"#,
                    ],
                )),
            ],
            meaning: choices,
        },
    ]
}

pub(super) fn thought() -> Vec<AnswerField> {
    vec![
        AnswerField {
            name: "thoughts",
            samples: [
                Some(chat_message(
                    r#""content":"Hello","reasoning_content":"so so""#,
                    &[r#"{"reasoning_content":"so so"}"#, r#"{"content":"Hello"}"#],
                    "stop",
                )),
                Some(reasoning("", "")),
                Some(anthropic(
                    r#"{"type":"thinking","thinking":"so so","signature":"c2VhbA=="},{"type":"text","text":"Hello"}"#,
                    &[
                        (
                            r#"{"type":"thinking","thinking":"","signature":""}"#,
                            &[
                                r#"{"type":"thinking_delta","thinking":"so so"}"#,
                                r#"{"type":"signature_delta","signature":"c2VhbA=="}"#,
                            ],
                        ),
                        (r#"{"type":"text","text":""}"#, &[SAY]),
                    ],
                    "end_turn",
                )),
                Some(candidate(r#"{"thought":true,"text":"so so"},{"text":"Hello"}"#, "STOP", "")),
            ],
            meaning: thoughts,
        },
        AnswerField {
            name: "seal of the thoughts",
            samples: [
                None,
                Some(reasoning(r#","encrypted_content":"c2VhbA==""#, r#","encrypted_content":"c2VhbA==""#)),
                Some(anthropic(
                    r#"{"type":"thinking","thinking":"so so","signature":"c2VhbA=="},{"type":"tool_use","id":"toolu_1","name":"f","input":{}}"#,
                    &[
                        (
                            r#"{"type":"thinking","thinking":"","signature":""}"#,
                            &[
                                r#"{"type":"thinking_delta","thinking":"so so"}"#,
                                r#"{"type":"signature_delta","signature":"c2VhbA=="}"#,
                            ],
                        ),
                        (
                            r#"{"type":"tool_use","id":"toolu_1","name":"f","input":{}}"#,
                            &[r#"{"type":"input_json_delta","partial_json":"{}"}"#],
                        ),
                    ],
                    "tool_use",
                )),
                Some(candidate(r#"{"functionCall":{"name":"f","args":{}},"thoughtSignature":"c2VhbA=="}"#, "STOP", "")),
            ],
            meaning: seal,
        },
        AnswerField {
            name: "hidden thoughts",
            samples: [
                None,
                None,
                Some(anthropic(
                    r#"{"type":"redacted_thinking","data":"c2VhbA=="},{"type":"text","text":"Hello"}"#,
                    &[
                        (r#"{"type":"redacted_thinking","data":"c2VhbA=="}"#, &[]),
                        (r#"{"type":"text","text":""}"#, &[SAY]),
                    ],
                    "end_turn",
                )),
                None,
            ],
            meaning: seal,
        },
    ]
}

/// A reasoning item and a message; more members of the item at its end, and of its whole.
fn reasoning(done: &str, whole: &str) -> Sample {
    let thought = |more: &str| {
        format!(r#"{{"id":"rs_1","type":"reasoning","summary":[{{"type":"summary_text","text":"so so"}}]{more}}}"#)
    };
    let hello = r#"{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hello","annotations":[]}]}"#;
    let at = r#""item_id":"rs_1","output_index":0,"summary_index":0"#;
    let events = [
        ("response.output_item.added", r#""output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[]}"#.to_owned()),
        ("response.reasoning_summary_part.added", format!(r#"{at},"part":{{"type":"summary_text","text":""}}"#)),
        ("response.reasoning_summary_text.delta", format!(r#"{at},"delta":"so so""#)),
        ("response.reasoning_summary_text.done", format!(r#"{at},"text":"so so""#)),
        ("response.reasoning_summary_part.done", format!(r#"{at},"part":{{"type":"summary_text","text":"so so"}}"#)),
        ("response.output_item.done", format!(r#""output_index":0,"item":{}"#, thought(done))),
        (
            "response.output_item.added",
            r#""output_index":1,"item":{"id":"msg_1","type":"message","status":"in_progress","role":"assistant","content":[]}"#
                .to_owned(),
        ),
        (
            "response.content_part.added",
            r#""item_id":"msg_1","output_index":1,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}"#
                .to_owned(),
        ),
        (
            "response.output_text.delta",
            r#""item_id":"msg_1","output_index":1,"content_index":0,"delta":"Hello""#.to_owned(),
        ),
        (
            "response.output_text.done",
            r#""item_id":"msg_1","output_index":1,"content_index":0,"text":"Hello""#.to_owned(),
        ),
        (
            "response.content_part.done",
            r#""item_id":"msg_1","output_index":1,"content_index":0,"part":{"type":"output_text","text":"Hello","annotations":[]}"#
                .to_owned(),
        ),
        ("response.output_item.done", format!(r#""output_index":1,"item":{hello}"#)),
    ];
    let events: Vec<(&str, &str)> = events.iter().map(|(name, members)| (*name, members.as_str())).collect();
    responses(&format!("{},{hello}", thought(whole)), &events)
}

fn text(response: &Response<'_>) -> Option<String> {
    list(blocks(response).filter_map(|block| match &block.kind {
        BlockKind::Text { text, .. } => Some(text.to_string()),
        _ => None,
    }))
    .map(|text| text.replace(", ", ""))
}

fn choices(response: &Response<'_>) -> Option<String> {
    let said = response.choices.iter().map(|choice| {
        let text = choice.blocks.iter().filter_map(|block| match &block.kind {
            BlockKind::Text { text, .. } => Some(text.as_str()),
            _ => None,
        });
        format!("{} {}", choice.index, text.collect::<String>())
    });
    (response.choices.len() > 1).then(|| said.collect::<Vec<_>>().join(", "))
}

fn refusal(response: &Response<'_>) -> Option<String> {
    list(blocks(response).filter_map(|block| match &block.kind {
        BlockKind::Refusal { text } => Some(text.to_string()),
        // Where a refusal is a reason, its words are text.
        BlockKind::Text { text, .. } if *text == *"I cannot" => Some(text.to_string()),
        _ => None,
    }))
}

fn thoughts(response: &Response<'_>) -> Option<String> {
    list(blocks(response).filter_map(|block| match &block.kind {
        BlockKind::Reasoning(thought) if !thought.redacted => {
            Some(thought.text.iter().map(Str::as_str).collect::<String>()).filter(|text| !text.is_empty())
        }
        _ => None,
    }))
}

/// How the copy of the thoughts begins that a Gemini client is given on a call.
const COPY: &str = "aW50ZXJsaW5ndWEu";

fn seal(response: &Response<'_>) -> Option<String> {
    list(blocks(response).filter_map(|block| {
        let seal = block.signature.as_ref().filter(|seal| !seal.value.starts_with(COPY))?;
        Some(format!("{} {}", seal.issuer.name(), seal.value.as_str()))
    }))
}
