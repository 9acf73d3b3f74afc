//! The fields of an answer: how each dialect says them, and what they mean.

use interlingua_filters::dialects::{read_citations, read_logprobs};
use interlingua_filters::ir::{Block, BlockKind, Response, ToolUseKind, Usage};

use crate::samples::{
    Sample, anthropic, anthropic_with, chat, chat_with, gemini, gemini_with, item, responses, responses_with,
};

/// One field.
pub(crate) struct AnswerField {
    pub(crate) name: &'static str,
    /// In the words of each dialect of [`interlingua_filters::Dialect::ALL`].
    pub(crate) samples: [Option<Sample>; 4],
    /// What is meant, in words that compare; `None` when it is not there.
    pub(crate) meaning: fn(&Response<'_>) -> Option<String>,
}

fn blocks<'r, 'a>(response: &'r Response<'a>) -> impl Iterator<Item = &'r Block<'a>> {
    response.choices.iter().flat_map(|choice| &choice.blocks)
}

fn list(items: impl Iterator<Item = String>) -> Option<String> {
    let items: Vec<String> = items.collect();
    (!items.is_empty()).then(|| items.join(", "))
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
            Some(thought.text.iter().map(|text| text.as_str()).collect::<String>()).filter(|text| !text.is_empty())
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

fn calls(response: &Response<'_>) -> Option<String> {
    list(blocks(response).filter_map(|block| match &block.kind {
        BlockKind::ToolUse(call) if call.kind == ToolUseKind::Function => {
            let input: serde_json::Value = serde_json::from_str(&call.input).unwrap_or_default();
            Some(format!("{} {input}", call.name))
        }
        _ => None,
    }))
}

fn custom(response: &Response<'_>) -> Option<String> {
    list(blocks(response).filter_map(|block| match &block.kind {
        BlockKind::ToolUse(call) if call.kind == ToolUseKind::Custom => Some(call.input.to_string()),
        // Clients that know functions only are given one for it.
        BlockKind::ToolUse(call) => {
            let input: serde_json::Value = serde_json::from_str(&call.input).ok()?;
            input.get("input")?.as_str().map(str::to_owned)
        }
        _ => None,
    }))
}

fn sources(response: &Response<'_>) -> Option<String> {
    list(blocks(response).flat_map(|block| match &block.kind {
        BlockKind::Text { text, citations: Some(raw) } => {
            let read = read_citations(response.origin, raw, text);
            read.iter().map(|one| format!("{:?} {:?}", one.url.as_deref(), one.title.as_deref())).collect()
        }
        _ => Vec::new(),
    }))
}

fn documents(response: &Response<'_>) -> Option<String> {
    list(blocks(response).flat_map(|block| match &block.kind {
        BlockKind::Text { text, citations: Some(raw) } => {
            read_citations(response.origin, raw, text).iter().map(|one| format!("{:?}", one.cited)).collect()
        }
        _ => Vec::new(),
    }))
}

fn logprobs(response: &Response<'_>) -> Option<String> {
    let raw = response
        .choices
        .first()?
        .extra
        .get("logprobs")
        .or_else(|| response.choices.first()?.extra.get("logprobsResult"));
    let of_part = || blocks(response).find_map(|block| block.extra.get("logprobs"));
    let read = read_logprobs(response.origin, raw.or_else(of_part)?);
    list(read.iter().map(|one| format!("{} {}", one.token, one.logprob.as_f64())))
}

fn picture(response: &Response<'_>) -> Option<String> {
    list(blocks(response).filter_map(|block| match &block.kind {
        BlockKind::Image(media) => Some(format!("{:?}", media.source)),
        _ => None,
    }))
}

fn sound(response: &Response<'_>) -> Option<String> {
    list(blocks(response).filter_map(|block| match &block.kind {
        BlockKind::Audio(media) => Some(format!("{:?}", media.source)),
        _ => None,
    }))
    .or_else(|| response.choices.first()?.extra.get("audio").map(|_| "sound".to_owned()))
}

fn own_part(response: &Response<'_>) -> Option<String> {
    list(blocks(response).filter_map(|block| match &block.kind {
        BlockKind::Opaque { raw, .. } => Some(raw.get().to_owned()),
        _ => None,
    }))
}

fn stop(response: &Response<'_>) -> Option<String> {
    response.choices.first().map(|choice| format!("{:?}", choice.stop))
}

fn sequence(response: &Response<'_>) -> Option<String> {
    response.choices.first()?.stop_sequence.as_deref().map(str::to_owned)
}

fn usage(response: &Response<'_>, pick: fn(&Usage<'_>) -> u64) -> Option<String> {
    response.usage.as_ref().map(|usage| pick(usage).to_string()).filter(|count| count != "0")
}

fn whole_item(json: &str) -> Sample {
    let events = item(json);
    let events: Vec<(&str, &str)> = events.iter().map(|(name, members)| (*name, members.as_str())).collect();
    responses(json, &events)
}

/// A message of one text part, streamed in one delta, with the part's other members.
fn message(text: &str, annotations: &str, more: &[(&str, &str)]) -> Sample {
    let part = format!(r#"{{"type":"output_text","text":"{text}","annotations":[{annotations}],"logprobs":[]}}"#);
    let whole =
        format!(r#"{{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{part}]}}"#);
    let at = r#""item_id":"msg_1","output_index":0,"content_index":0"#;
    let mut events = vec![
        (
            "response.output_item.added",
            r#""output_index":0,"item":{"id":"msg_1","type":"message","status":"in_progress","role":"assistant","content":[]}"#
                .to_owned(),
        ),
        (
            "response.content_part.added",
            format!(r#"{at},"part":{{"type":"output_text","text":"","annotations":[],"logprobs":[]}}"#),
        ),
        ("response.output_text.delta", format!(r#"{at},"delta":"{text}","logprobs":[]"#)),
    ];
    events.extend(more.iter().map(|(name, members)| (*name, format!("{at},{members}"))));
    events.push(("response.output_text.done", format!(r#"{at},"text":"{text}","logprobs":[]"#)));
    events.push(("response.content_part.done", format!(r#"{at},"part":{part}"#)));
    events.push(("response.output_item.done", format!(r#""output_index":0,"item":{whole}"#)));
    let events: Vec<(&str, &str)> = events.iter().map(|(name, members)| (*name, members.as_str())).collect();
    responses(&whole, &events)
}

/// A Chat answer of one message: its members, and the deltas that say the same.
fn chat_message(message: &str, deltas: &[&str], finish: &str) -> Sample {
    let choice = format!(
        r#"{{"index":0,"message":{{"role":"assistant",{message}}},"logprobs":null,"finish_reason":"{finish}"}}"#
    );
    let mut chunks: Vec<String> = vec![
        r#"{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}"#.to_owned(),
    ];
    chunks.extend(
        deltas.iter().map(|delta| format!(r#"{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":null}}"#)),
    );
    chunks.push(format!(r#"{{"index":0,"delta":{{}},"logprobs":null,"finish_reason":"{finish}"}}"#));
    let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
    chat(&choice, &chunks)
}

/// A Gemini answer of these parts, in one chunk, with more members of the candidate (`,"a":1`).
fn candidate(parts: &str, finish: &str, more: &str) -> Sample {
    let one =
        format!(r#"{{"index":0,"content":{{"role":"model","parts":[{parts}]}},"finishReason":"{finish}"{more}}}"#);
    gemini(&one, &[&one])
}

const SAY: &str = r#"{"type":"text_delta","text":"Hello"}"#;

fn ended(
    name: &'static str,
    chat: Option<&str>,
    (status, end): (Option<&str>, &str),
    anthropic: Option<&str>,
    gemini: Option<&str>,
) -> AnswerField {
    let hello = r#"{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hello","annotations":[]}]}"#;
    let spent = r#"{"input_tokens":9,"output_tokens":4,"total_tokens":13}"#;
    AnswerField {
        name,
        samples: [
            chat.map(|finish| chat_message(r#""content":"Hello""#, &[r#"{"content":"Hello"}"#], finish)),
            status.map(|status| {
                let events = item(hello);
                let events: Vec<(&str, &str)> =
                    events.iter().map(|(name, members)| (*name, members.as_str())).collect();
                responses_with(hello, &events, spent, status, end)
            }),
            anthropic.map(|stop| {
                self::anthropic(r#"{"type":"text","text":"Hello"}"#, &[(r#"{"type":"text","text":""}"#, &[SAY])], stop)
            }),
            gemini.map(|finish| candidate(r#"{"text":"Hello"}"#, finish, "")),
        ],
        meaning: stop,
    }
}

const DONE: (Option<&str>, &str) = (None, "response.completed");

/// All fields.
pub(crate) fn fields() -> Vec<AnswerField> {
    [said(), thought(), called(), noted(), made(), stopped(), spent()].into_iter().flatten().collect()
}

fn said() -> Vec<AnswerField> {
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

fn thought() -> Vec<AnswerField> {
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

fn called() -> Vec<AnswerField> {
    let call = |id: &str, name: &str| {
        format!(
            r#"{{"id":"fc_{id}","type":"function_call","status":"completed","call_id":"call_{id}","name":"{name}","arguments":"{{\"a\":1}}"}}"#
        )
    };
    vec![
        AnswerField {
            name: "call",
            samples: [
                Some(chat_message(
                    r#""content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]"#,
                    &[
                        r#"{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]}"#,
                        r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":1}"}}]}"#,
                    ],
                    "tool_calls",
                )),
                Some(whole_item(&call("1", "f"))),
                Some(anthropic(
                    r#"{"type":"tool_use","id":"toolu_1","name":"f","input":{"a":1}}"#,
                    &[(
                        r#"{"type":"tool_use","id":"toolu_1","name":"f","input":{}}"#,
                        &[r#"{"type":"input_json_delta","partial_json":"{\"a\":1}"}"#],
                    )],
                    "tool_use",
                )),
                Some(candidate(r#"{"functionCall":{"name":"f","args":{"a":1}}}"#, "STOP", "")),
            ],
            meaning: calls,
        },
        AnswerField {
            name: "several calls",
            samples: [
                Some(chat_message(
                    r#""content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"call_2","type":"function","function":{"name":"g","arguments":"{\"a\":2}"}}]"#,
                    &[
                        r#"{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]}"#,
                        r#"{"tool_calls":[{"index":1,"id":"call_2","type":"function","function":{"name":"g","arguments":"{\"a\":2}"}}]}"#,
                    ],
                    "tool_calls",
                )),
                None,
                Some(anthropic(
                    r#"{"type":"tool_use","id":"toolu_1","name":"f","input":{"a":1}},{"type":"tool_use","id":"toolu_2","name":"g","input":{"a":2}}"#,
                    &[
                        (
                            r#"{"type":"tool_use","id":"toolu_1","name":"f","input":{}}"#,
                            &[r#"{"type":"input_json_delta","partial_json":"{\"a\":1}"}"#],
                        ),
                        (
                            r#"{"type":"tool_use","id":"toolu_2","name":"g","input":{}}"#,
                            &[r#"{"type":"input_json_delta","partial_json":"{\"a\":2}"}"#],
                        ),
                    ],
                    "tool_use",
                )),
                Some(candidate(
                    r#"{"functionCall":{"name":"f","args":{"a":1}}},{"functionCall":{"name":"g","args":{"a":2}}}"#,
                    "STOP",
                    "",
                )),
            ],
            meaning: calls,
        },
        AnswerField {
            name: "call of a freeform tool",
            samples: [
                Some(chat_message(
                    r#""content":null,"tool_calls":[{"id":"call_1","type":"custom","custom":{"name":"patch","input":"*** Begin"}}]"#,
                    &[
                        r#"{"tool_calls":[{"index":0,"id":"call_1","type":"custom","custom":{"name":"patch","input":""}}]}"#,
                        r#"{"tool_calls":[{"index":0,"custom":{"input":"*** Begin"}}]}"#,
                    ],
                    "tool_calls",
                )),
                Some(whole_item(
                    r#"{"id":"ctc_1","type":"custom_tool_call","status":"completed","call_id":"call_1","name":"patch","input":"*** Begin"}"#,
                )),
                None,
                None,
            ],
            meaning: custom,
        },
        AnswerField {
            name: "work of a provider's tool",
            samples: [
                None,
                Some(whole_item(
                    r#"{"id":"ws_1","type":"web_search_call","status":"completed","action":{"type":"search","query":"q"}}"#,
                )),
                Some(anthropic(
                    r#"{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{"query":"q"}}"#,
                    &[(
                        r#"{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}"#,
                        &[r#"{"type":"input_json_delta","partial_json":"{\"query\":\"q\"}"}"#],
                    )],
                    "end_turn",
                )),
                Some(candidate(r#"{"executableCode":{"language":"PYTHON","code":"1"}},{"text":"Hello"}"#, "STOP", "")),
            ],
            meaning: own_part,
        },
    ]
}

fn noted() -> Vec<AnswerField> {
    let note = r#"{"type":"url_citation","start_index":0,"end_index":5,"url":"https://example.com","title":"Example"}"#;
    let chat_note = r#"{"type":"url_citation","url_citation":{"start_index":0,"end_index":5,"url":"https://example.com","title":"Example"}}"#;
    let page = r#"{"type":"web_search_result_location","url":"https://example.com","title":"Example","encrypted_index":"x","cited_text":"Hello"}"#;
    let place = r#"{"type":"char_location","cited_text":"Hello","document_index":0,"document_title":"Book","start_char_index":0,"end_char_index":5}"#;
    let cited = |place: &str| {
        anthropic(
            &format!(r#"{{"type":"text","text":"Hello","citations":[{place}]}}"#),
            &[(
                r#"{"type":"text","text":"","citations":[]}"#,
                &[SAY, &format!(r#"{{"type":"citations_delta","citation":{place}}}"#)],
            )],
            "end_turn",
        )
    };
    let probable = r#"{"token":"Hello","logprob":-0.25,"bytes":[72,101,108,108,111],"top_logprobs":[{"token":"Hello","logprob":-0.25,"bytes":[72,101,108,108,111]}]}"#;
    let said = format!(r#"{{"content":[{probable}],"refusal":null}}"#);
    vec![
        AnswerField {
            name: "source on the web",
            samples: [
                Some(chat_message(
                    &format!(r#""content":"Hello","annotations":[{chat_note}]"#),
                    &[r#"{"content":"Hello"}"#, &format!(r#"{{"annotations":[{chat_note}]}}"#)],
                    "stop",
                )),
                Some(message(
                    "Hello",
                    note,
                    &[(
                        "response.output_text.annotation.added",
                        &format!(r#""annotation_index":0,"annotation":{note}"#),
                    )],
                )),
                Some(cited(page)),
                Some(candidate(
                    r#"{"text":"Hello"}"#,
                    "STOP",
                    r#","groundingMetadata":{"webSearchQueries":["q"],"groundingChunks":[{"web":{"uri":"https://example.com","title":"Example"}}],"groundingSupports":[{"segment":{"startIndex":0,"endIndex":5,"text":"Hello"},"groundingChunkIndices":[0]}]}"#,
                )),
            ],
            meaning: sources,
        },
        AnswerField {
            name: "place in a document",
            samples: [None, None, Some(cited(place)), None],
            meaning: documents,
        },
        AnswerField {
            name: "log probabilities",
            samples: [
                Some(chat(
                    &format!(
                        r#"{{"index":0,"message":{{"role":"assistant","content":"Hello"}},"logprobs":{said},"finish_reason":"stop"}}"#
                    ),
                    &[
                        &format!(
                            r#"{{"index":0,"delta":{{"role":"assistant","content":"Hello"}},"logprobs":{said},"finish_reason":null}}"#
                        ),
                        r#"{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}"#,
                    ],
                )),
                Some(probably(probable)),
                None,
                Some(candidate(
                    r#"{"text":"Hello"}"#,
                    "STOP",
                    r#","avgLogprobs":-0.25,"logprobsResult":{"topCandidates":[{"candidates":[{"token":"Hello","tokenId":1,"logProbability":-0.25}]}],"chosenCandidates":[{"token":"Hello","tokenId":1,"logProbability":-0.25}]}"#,
                )),
            ],
            meaning: logprobs,
        },
    ]
}

/// A message whose part has log probabilities.
fn probably(probable: &str) -> Sample {
    let part = format!(r#"{{"type":"output_text","text":"Hello","annotations":[],"logprobs":[{probable}]}}"#);
    let whole =
        format!(r#"{{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{part}]}}"#);
    let at = r#""item_id":"msg_1","output_index":0,"content_index":0"#;
    let events = [
        (
            "response.output_item.added",
            r#""output_index":0,"item":{"id":"msg_1","type":"message","status":"in_progress","role":"assistant","content":[]}"#
                .to_owned(),
        ),
        (
            "response.content_part.added",
            format!(r#"{at},"part":{{"type":"output_text","text":"","annotations":[],"logprobs":[]}}"#),
        ),
        ("response.output_text.delta", format!(r#"{at},"delta":"Hello","logprobs":[{probable}]"#)),
        ("response.output_text.done", format!(r#"{at},"text":"Hello","logprobs":[{probable}]"#)),
        ("response.content_part.done", format!(r#"{at},"part":{part}"#)),
        ("response.output_item.done", format!(r#""output_index":0,"item":{whole}"#)),
    ];
    let events: Vec<(&str, &str)> = events.iter().map(|(name, members)| (*name, members.as_str())).collect();
    responses(&whole, &events)
}

fn made() -> Vec<AnswerField> {
    vec![
        AnswerField {
            name: "picture",
            samples: [
                Some(chat_message(
                    r#""content":"Hello","images":[{"index":0,"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]"#,
                    &[
                        r#"{"content":"Hello"}"#,
                        r#"{"images":[{"index":0,"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]}"#,
                    ],
                    "stop",
                )),
                Some(whole_item(
                    r#"{"id":"ig_1","type":"image_generation_call","status":"completed","output_format":"png","result":"iVBORw0KGgo="}"#,
                )),
                None,
                Some(candidate(
                    r#"{"text":"Hello"},{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo="}}"#,
                    "STOP",
                    "",
                )),
            ],
            meaning: picture,
        },
        AnswerField {
            name: "sound",
            samples: [
                Some(chat_message(
                    r#""content":null,"audio":{"id":"audio_1","data":"UklGRg==","expires_at":1700000000,"transcript":"Hello"}"#,
                    &[r#"{"audio":{"id":"audio_1","data":"UklGRg==","transcript":"Hello"}}"#],
                    "stop",
                )),
                None,
                None,
                Some(candidate(r#"{"inlineData":{"mimeType":"audio/L16;rate=24000","data":"UklGRg=="}}"#, "STOP", "")),
            ],
            meaning: sound,
        },
    ]
}

fn stopped() -> Vec<AnswerField> {
    let incomplete = |reason: &str| format!(r#""status":"incomplete","incomplete_details":{{"reason":"{reason}"}}"#);
    let (length, filter) = (incomplete("max_output_tokens"), incomplete("content_filter"));
    vec![
        ended(
            "end: done",
            Some("stop"),
            (Some(r#""status":"completed""#), "response.completed"),
            Some("end_turn"),
            Some("STOP"),
        ),
        ended(
            "end: cap of tokens",
            Some("length"),
            (Some(&length), "response.incomplete"),
            Some("max_tokens"),
            Some("MAX_TOKENS"),
        ),
        ended(
            "end: held back",
            Some("content_filter"),
            (Some(&filter), "response.incomplete"),
            Some("refusal"),
            Some("SAFETY"),
        ),
        ended("end: pause", None, DONE, Some("pause_turn"), None),
        ended("end: recitation", None, DONE, None, Some("RECITATION")),
        AnswerField {
            name: "end: stop sequence",
            samples: [
                None,
                None,
                Some(anthropic_with(
                    r#"{"type":"text","text":"Hello"}"#,
                    &[(r#"{"type":"text","text":""}"#, &[SAY])],
                    r#""stop_reason":"stop_sequence","stop_sequence":"END""#,
                    r#"{"input_tokens":9,"output_tokens":4}"#,
                )),
                None,
            ],
            meaning: sequence,
        },
    ]
}

fn spent() -> Vec<AnswerField> {
    let hello = r#"{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hello","annotations":[]}]}"#;
    let events = item(hello);
    let events: Vec<(&str, &str)> = events.iter().map(|(name, members)| (*name, members.as_str())).collect();
    let chat_of = |usage: &str| {
        chat_with(
            r#"{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}"#,
            &[
                r#"{"index":0,"delta":{"role":"assistant","content":"Hello"},"finish_reason":null}"#,
                r#"{"index":0,"delta":{},"finish_reason":"stop"}"#,
            ],
            usage,
            "",
        )
    };
    let responses_of =
        |usage: &str| responses_with(hello, &events, usage, r#""status":"completed""#, "response.completed");
    let anthropic_of = |usage: &str| {
        anthropic_with(
            r#"{"type":"text","text":"Hello"}"#,
            &[(r#"{"type":"text","text":""}"#, &[SAY])],
            r#""stop_reason":"end_turn","stop_sequence":null"#,
            usage,
        )
    };
    let gemini_of = |usage: &str| {
        let one = r#"{"index":0,"content":{"role":"model","parts":[{"text":"Hello"}]},"finishReason":"STOP"}"#;
        gemini_with(one, &[one], usage)
    };
    vec![
        AnswerField {
            name: "tokens in and out",
            samples: [
                Some(chat_of(r#"{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}"#)),
                Some(responses_of(r#"{"input_tokens":9,"output_tokens":4,"total_tokens":13}"#)),
                Some(anthropic_of(r#"{"input_tokens":9,"output_tokens":4}"#)),
                Some(gemini_of(r#"{"promptTokenCount":9,"candidatesTokenCount":4,"totalTokenCount":13}"#)),
            ],
            meaning: |response| {
                response.usage.as_ref().map(|usage| format!("{} {}", usage.input_total(), usage.output_total()))
            },
        },
        AnswerField {
            name: "tokens read from a cache",
            samples: [
                Some(chat_of(
                    r#"{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13,"prompt_tokens_details":{"cached_tokens":5}}"#,
                )),
                Some(responses_of(
                    r#"{"input_tokens":9,"input_tokens_details":{"cached_tokens":5},"output_tokens":4,"total_tokens":13}"#,
                )),
                Some(anthropic_of(r#"{"input_tokens":4,"cache_read_input_tokens":5,"output_tokens":4}"#)),
                Some(gemini_of(
                    r#"{"promptTokenCount":9,"cachedContentTokenCount":5,"candidatesTokenCount":4,"totalTokenCount":13}"#,
                )),
            ],
            meaning: |response| usage(response, |usage| usage.cache_read),
        },
        AnswerField {
            name: "tokens written to a cache",
            samples: [
                None,
                None,
                Some(anthropic_of(
                    r#"{"input_tokens":4,"cache_creation_input_tokens":5,"cache_creation":{"ephemeral_5m_input_tokens":3,"ephemeral_1h_input_tokens":2},"output_tokens":4}"#,
                )),
                None,
            ],
            meaning: |response| usage(response, |usage| usage.cache_write_5m + usage.cache_write_1h),
        },
        AnswerField {
            name: "tokens of thinking",
            samples: [
                Some(chat_of(
                    r#"{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13,"completion_tokens_details":{"reasoning_tokens":3}}"#,
                )),
                Some(responses_of(
                    r#"{"input_tokens":9,"output_tokens":4,"output_tokens_details":{"reasoning_tokens":3},"total_tokens":13}"#,
                )),
                None,
                Some(gemini_of(
                    r#"{"promptTokenCount":9,"candidatesTokenCount":1,"thoughtsTokenCount":3,"totalTokenCount":13}"#,
                )),
            ],
            meaning: |response| usage(response, |usage| usage.reasoning),
        },
    ]
}
