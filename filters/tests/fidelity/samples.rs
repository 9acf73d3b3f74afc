//! Answers in the providers' own words: one text for the whole answer, one for the stream.

/// What a provider sends for one field.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) whole: String,
    pub(crate) stream: String,
}

fn event(name: &str, data: &str) -> String {
    assert!(serde_json::from_str::<serde_json::Value>(data).is_ok(), "{data}");
    if name.is_empty() { format!("data: {data}\n\n") } else { format!("event: {name}\ndata: {data}\n\n") }
}

const CHAT_USAGE: &str = r#"{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}"#;

/// Chat: `choices` are whole choices; `chunks` the choices of each chunk.
pub(crate) fn chat(choices: &str, chunks: &[&str]) -> Sample {
    chat_with(choices, chunks, CHAT_USAGE, "")
}

/// With a usage of its own and more top-level members (`"a":1,`).
pub(crate) fn chat_with(choices: &str, chunks: &[&str], usage: &str, more: &str) -> Sample {
    let head =
        |object: &str| format!(r#"{more}"id":"chatcmpl-1","object":"{object}","created":1700000000,"model":"m","#);
    let whole = format!(r#"{{{}"choices":[{choices}],"usage":{usage}}}"#, head("chat.completion"));
    let chunk = |choices: &str, usage: &str| {
        event("", &format!(r#"{{{}"choices":[{choices}],"usage":{usage}}}"#, head("chat.completion.chunk")))
    };
    let mut stream: String = chunks.iter().map(|choices| chunk(choices, "null")).collect();
    stream += &chunk("", usage);
    stream += "data: [DONE]\n\n";
    Sample { whole, stream }
}

const RESPONSES_USAGE: &str = r#"{"input_tokens":9,"input_tokens_details":{"cached_tokens":0},"output_tokens":4,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":13}"#;

/// Responses: `items` are the output; `events` those between `response.in_progress` and `response.completed`, as
/// (name, members).
pub(crate) fn responses(items: &str, events: &[(&str, &str)]) -> Sample {
    responses_with(items, events, RESPONSES_USAGE, r#""status":"completed""#, "response.completed")
}

/// With a usage and an end of its own.
pub(crate) fn responses_with(items: &str, events: &[(&str, &str)], usage: &str, status: &str, end: &str) -> Sample {
    let head = r#""id":"resp_1","object":"response","created_at":1700000000,"model":"m""#;
    let whole = format!(r#"{{{head},{status},"output":[{items}],"usage":{usage}}}"#);
    let begun = format!(r#"{{{head},"status":"in_progress","output":[],"usage":null}}"#);
    let mut stream = String::new();
    let mut number = 0;
    let mut tell = |name: &str, members: &str| {
        stream += &event(name, &format!(r#"{{"type":"{name}","sequence_number":{number},{members}}}"#));
        number += 1;
    };
    tell("response.created", &format!(r#""response":{begun}"#));
    tell("response.in_progress", &format!(r#""response":{begun}"#));
    for (name, members) in events {
        tell(name, members);
    }
    tell(end, &format!(r#""response":{whole}"#));
    Sample { whole, stream }
}

/// An item of a Responses stream that comes whole.
pub(crate) fn item(item: &str) -> [(&'static str, String); 2] {
    [
        ("response.output_item.added", format!(r#""output_index":0,"item":{item}"#)),
        ("response.output_item.done", format!(r#""output_index":0,"item":{item}"#)),
    ]
}

const ANTHROPIC_USAGE: &str = r#"{"input_tokens":9,"output_tokens":4}"#;

/// Anthropic: `blocks` are the content; `parts` are (start of a block, its deltas).
pub(crate) fn anthropic(blocks: &str, parts: &[(&str, &[&str])], stop: &str) -> Sample {
    anthropic_with(blocks, parts, &format!(r#""stop_reason":"{stop}","stop_sequence":null"#), ANTHROPIC_USAGE)
}

/// With a stop and a usage of its own.
pub(crate) fn anthropic_with(blocks: &str, parts: &[(&str, &[&str])], stop: &str, usage: &str) -> Sample {
    let head = r#""id":"msg_1","type":"message","role":"assistant","model":"m""#;
    let whole = format!(r#"{{{head},"content":[{blocks}],{stop},"usage":{usage}}}"#);
    let begun = format!(r#"{{{head},"content":[],"stop_reason":null,"stop_sequence":null,"usage":{usage}}}"#);
    let mut stream = event("message_start", &format!(r#"{{"type":"message_start","message":{begun}}}"#));
    for (index, (start, deltas)) in parts.iter().enumerate() {
        stream += &event(
            "content_block_start",
            &format!(r#"{{"type":"content_block_start","index":{index},"content_block":{start}}}"#),
        );
        for delta in *deltas {
            stream += &event(
                "content_block_delta",
                &format!(r#"{{"type":"content_block_delta","index":{index},"delta":{delta}}}"#),
            );
        }
        stream += &event("content_block_stop", &format!(r#"{{"type":"content_block_stop","index":{index}}}"#));
    }
    stream += &event("message_delta", &format!(r#"{{"type":"message_delta","delta":{{{stop}}},"usage":{usage}}}"#));
    stream += &event("message_stop", r#"{"type":"message_stop"}"#);
    Sample { whole, stream }
}

const GEMINI_USAGE: &str = r#"{"promptTokenCount":9,"candidatesTokenCount":4,"totalTokenCount":13}"#;

/// Gemini: whole candidates, and those of each chunk.
pub(crate) fn gemini(candidates: &str, chunks: &[&str]) -> Sample {
    gemini_with(candidates, chunks, GEMINI_USAGE)
}

/// With a usage of its own.
pub(crate) fn gemini_with(candidates: &str, chunks: &[&str], usage: &str) -> Sample {
    let one = |candidates: &str| {
        format!(r#"{{"candidates":[{candidates}],"usageMetadata":{usage},"modelVersion":"m","responseId":"r1"}}"#)
    };
    let stream = chunks.iter().map(|candidates| event("", &one(candidates))).collect();
    Sample { whole: one(candidates), stream }
}

pub(crate) fn whole_item(json: &str) -> Sample {
    let events = item(json);
    let events: Vec<(&str, &str)> = events.iter().map(|(name, members)| (*name, members.as_str())).collect();
    responses(json, &events)
}

/// A message of one text part, streamed in one delta, with the part's other members.
pub(crate) fn message(text: &str, annotations: &str, more: &[(&str, &str)]) -> Sample {
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
pub(crate) fn chat_message(message: &str, deltas: &[&str], finish: &str) -> Sample {
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
pub(crate) fn candidate(parts: &str, finish: &str, more: &str) -> Sample {
    let one =
        format!(r#"{{"index":0,"content":{{"role":"model","parts":[{parts}]}},"finishReason":"{finish}"{more}}}"#);
    gemini(&one, &[&one])
}

pub(crate) const SAY: &str = r#"{"type":"text_delta","text":"Hello"}"#;
