use super::super::plan::{Composer, Cursor, Usage, output_tokens};
use super::super::scenario::Scenario;
use super::super::view::{Tool, View};
use super::*;
use crate::mock::frame::Role;
use serde_json::json;

const DIALECTS: [Dialect; 4] = [Dialect::Chat, Dialect::Responses, Dialect::Anthropic, Dialect::Gemini];
const SCENARIOS: [Scenario; 17] = [
    Scenario::Echo,
    Scenario::Text,
    Scenario::Tool,
    Scenario::TextTool,
    Scenario::Parallel,
    Scenario::Think,
    Scenario::ThinkTool,
    Scenario::Redacted,
    Scenario::Image,
    Scenario::Refusal,
    Scenario::MaxTokens,
    Scenario::StopSequence,
    Scenario::Json,
    Scenario::Long(7),
    Scenario::Usage,
    Scenario::Empty,
    Scenario::Blocked,
];

fn plan(dialect: Dialect, scenario: Scenario) -> Plan {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}});
    let view = View {
        user_text: "Wetter in Zürich? 👩\u{200d}💻".into(),
        tools: vec![Tool { name: "f".into(), schema: schema.clone() }, Tool { name: "g".into(), schema }],
        ..View::default()
    };
    let composer = Composer { seal: Seal::new(1), dialect, view: &view, number: 1, calls: &[], repeats: 0 };
    let (pieces, finish) = composer.compose(scenario);
    let (output, reasoning) = output_tokens("m", &pieces);
    let usage = Usage { uncached: 10, cached: 5, written: [0, 0], output, reasoning };
    Plan {
        model: "gemini-3-x".into(),
        pieces,
        finish,
        usage,
        created: 1,
        include_usage: true,
        thoughts_hidden: false,
        encrypted: true,
    }
}

fn stream(dialect: Dialect, plan: &Plan) -> Vec<Frame> {
    let mut speaker = Speaker::new(dialect, Seal::new(1), 1, &json!({}));
    let mut cursor = Cursor::default();
    let mut frames = Vec::new();
    while let Some((told, _)) = cursor.step(plan, |event| speaker.frames(plan, event)) {
        frames.extend(told);
    }
    frames
}

fn values(frames: &[Frame]) -> Vec<Value> {
    frames
        .iter()
        .filter(|frame| frame.data != "[DONE]")
        .map(|frame| serde_json::from_str(&frame.data).unwrap())
        .collect()
}

#[test]
fn every_stream_ends_with_exactly_one_terminal_frame() {
    for dialect in DIALECTS {
        for scenario in SCENARIOS {
            let frames = stream(dialect, &plan(dialect, scenario));
            let terminals = frames.iter().filter(|frame| frame.role == Role::Terminal).count();
            assert_eq!(terminals, 1, "{dialect:?} {scenario:?}");
            assert_eq!(frames.last().unwrap().role, Role::Terminal);
        }
    }
}

#[test]
fn billed_tokens_are_the_sum_over_the_chunks() {
    for scenario in SCENARIOS {
        let plan = plan(Dialect::Chat, scenario);
        let (mut cursor, mut sum) = (Cursor::default(), 0);
        while let Some(((), tokens)) = cursor.step(&plan, |_| ()) {
            sum += tokens;
        }
        assert_eq!(sum, plan.usage.output + plan.usage.reasoning, "{scenario:?}");
    }
}

#[test]
fn anthropic_blocks_are_contiguous_and_one_is_open_at_a_time() {
    for scenario in SCENARIOS {
        let plan = plan(Dialect::Anthropic, scenario);
        let events = values(&stream(Dialect::Anthropic, &plan));
        let unary = Speaker::new(Dialect::Anthropic, Seal::new(1), 1, &json!({})).unary(&plan);
        assert_eq!(events[0]["type"], "message_start");
        assert_eq!(events[0]["message"]["usage"]["cache_read_input_tokens"], 5);
        let mut blocks: Vec<Value> = Vec::new();
        let mut open = None;
        for event in &events[1..] {
            match event["type"].as_str().unwrap() {
                "content_block_start" => {
                    assert_eq!((open, event["index"].as_u64()), (None, Some(blocks.len() as u64)));
                    open = event["index"].as_u64();
                    blocks.push(event["content_block"].clone());
                }
                "content_block_delta" => {
                    assert_eq!(open, event["index"].as_u64());
                    let (block, delta) = (blocks.last_mut().unwrap(), &event["delta"]);
                    let (member, text) = match delta["type"].as_str().unwrap() {
                        "text_delta" => ("text", &delta["text"]),
                        "thinking_delta" => ("thinking", &delta["thinking"]),
                        "signature_delta" => ("signature", &delta["signature"]),
                        _ => ("json", &delta["partial_json"]),
                    };
                    block[member] =
                        json!(block[member].as_str().unwrap_or_default().to_owned() + text.as_str().unwrap());
                }
                "content_block_stop" => open = None,
                _ => {}
            }
        }
        for block in &mut blocks {
            if let Some(json) = block.as_object_mut().unwrap().remove("json") {
                block["input"] = serde_json::from_str(json.as_str().unwrap()).unwrap();
            }
        }
        assert_eq!(json!(blocks), unary["content"], "{scenario:?}");
        assert_eq!(events[events.len() - 2]["delta"]["stop_reason"], unary["stop_reason"]);
    }
}

#[test]
fn wire_043_responses_events_are_numbered_and_end_with_the_unary_object() {
    for scenario in SCENARIOS {
        let plan = plan(Dialect::Responses, scenario);
        let frames = stream(Dialect::Responses, &plan);
        let events = values(&frames);
        let unary = Speaker::new(Dialect::Responses, Seal::new(1), 1, &json!({})).unary(&plan);
        for (at, (event, frame)) in events.iter().zip(&frames).enumerate() {
            assert_eq!(event["sequence_number"], at);
            assert_eq!(event["type"].as_str(), frame.event.as_deref());
        }
        assert_eq!(events.last().unwrap()["response"], unary, "{scenario:?}");
        let done: Vec<&Value> = events.iter().filter(|event| event["type"] == "response.output_item.done").collect();
        assert_eq!(json!(done.iter().map(|event| &event["item"]).collect::<Vec<_>>()), unary["output"]);
    }
}

#[test]
fn chat_chunks_add_up_to_the_unary_message() {
    for scenario in SCENARIOS {
        let plan = plan(Dialect::Chat, scenario);
        let chunks = values(&stream(Dialect::Chat, &plan));
        let unary = Speaker::new(Dialect::Chat, Seal::new(1), 1, &json!({})).unary(&plan);
        let message = &unary["choices"][0]["message"];
        let deltas = || chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]);
        let joined = |member: &str| deltas().filter_map(|delta| delta[member].as_str()).collect::<String>();
        assert_eq!(joined("content"), message["content"].as_str().unwrap_or_default(), "{scenario:?}");
        assert_eq!(joined("refusal"), message["refusal"].as_str().unwrap_or_default());
        for (at, call) in message["tool_calls"].as_array().into_iter().flatten().enumerate() {
            let own = || deltas().map(|delta| &delta["tool_calls"][0]).filter(|call| call["index"] == at);
            let arguments: String = own().filter_map(|call| call["function"]["arguments"].as_str()).collect();
            assert_eq!(arguments, call["function"]["arguments"].as_str().unwrap());
            assert_eq!(own().filter(|call| call["id"] == call["id"] && call["id"].is_string()).count(), 1);
        }
        let usage = chunks.last().unwrap();
        assert_eq!((&usage["choices"], &usage["usage"]), (&json!([]), &unary["usage"]));
    }
}

#[test]
fn gemini_usage_is_cumulative_and_signatures_sit_on_calls_or_an_empty_part() {
    for scenario in SCENARIOS {
        let plan = plan(Dialect::Gemini, scenario);
        let chunks = values(&stream(Dialect::Gemini, &plan));
        let totals: Vec<u64> =
            chunks.iter().map(|chunk| chunk["usageMetadata"]["totalTokenCount"].as_u64().unwrap()).collect();
        assert!(totals.is_sorted(), "{scenario:?} {totals:?}");
        assert_eq!(totals.last(), Some(&plan.usage.total()));
    }
    let last = |scenario| values(&stream(Dialect::Gemini, &plan(Dialect::Gemini, scenario))).pop().unwrap();
    let part = &last(Scenario::Think)["candidates"][0]["content"]["parts"][0];
    assert!(part["text"] == "" && part["thoughtSignature"].is_string());
    let calls = values(&stream(Dialect::Gemini, &plan(Dialect::Gemini, Scenario::Parallel)));
    let signed: Vec<bool> = calls[..2]
        .iter()
        .map(|chunk| chunk["candidates"][0]["content"]["parts"][0]["thoughtSignature"].is_string())
        .collect();
    assert_eq!(signed, [true, false]);
    assert_eq!(last(Scenario::Refusal)["candidates"][0], json!({"finishReason": "SAFETY", "index": 0}));
}

#[test]
fn wire_144_gemini_escapes_line_separators() {
    let frames = stream(Dialect::Gemini, &plan(Dialect::Gemini, Scenario::Text));
    let whole: String = frames.iter().map(|frame| frame.data.as_str()).collect();
    assert!(whole.contains("\\u2028") && !whole.contains('\u{2028}'));
}
