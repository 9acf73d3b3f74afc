//! Traps of the protocol, each alone.

use serde_json::json;

use super::streams::sse;
use super::*;
use crate::Dialect;
use crate::ir::{Block, BlockKind, ReasoningBlock, Request, Role, Signature, ToolUseKind, Turn};
use crate::json::Str;

/// What the newest agents of this dialect send on the second turn of a conversation, with everything that they add of
/// their own.
const CODEX_TURN: &[u8] = include_bytes!("../fixtures/codex_turn.json");

const OTHERS: [(Dialect, &str); 3] =
    [(Dialect::OpenAiChat, "gpt-4.1"), (Dialect::Anthropic, "claude-sonnet-4-5"), (Dialect::Gemini, "gemini-2.5-pro")];

/// The body for a provider of another dialect, and what it loses.
fn abroad(body: &[u8], dialect: Dialect, model: &str) -> (Value, Vec<String>) {
    let request = decode_request(body, &Endpoint::default()).unwrap();
    let mut out = Vec::new();
    let target = Target::new(model, request.stream);
    let encoded = crate::dialects::encode_request(dialect, &request, &target, &mut out).unwrap();
    let losses = encoded.losses.iter().map(|loss| format!("{} {}", loss.kind.name(), loss.field)).collect();
    (parsed(&out), losses)
}

#[test]
fn wire_160_codex_loses_exactly_this_elsewhere() {
    assert_eq!(request_round_trip(CODEX_TURN), parsed(CODEX_TURN));
    let chat =
        ["dropped input[].content[].signature", "dropped input[].content[].reasoning", "dropped tools[].web_search"];
    for (dialect, model, lost) in [
        (Dialect::OpenAiChat, "gpt-5", chat.to_vec()),
        // A model that does not think at all.
        (Dialect::OpenAiChat, "gpt-4.1", [&chat[..], &["dropped reasoning"]].concat()),
        (
            Dialect::Anthropic,
            "claude-sonnet-4-5",
            vec!["dropped input[].reasoning", "approximated tools[].format", "dropped prompt_cache_key"],
        ),
        (
            Dialect::Gemini,
            "gemini-2.5-pro",
            vec![
                "dropped input[].reasoning.signature",
                "dropped input[].reasoning",
                // Beside functions these models do not search.
                "dropped tools[].web_search",
                "approximated tools[].format",
                "dropped prompt_cache_key",
            ],
        ),
    ] {
        let (body, losses) = abroad(CODEX_TURN, dialect, model);
        assert_eq!(losses, lost, "{dialect:?} {model}");
        let text = body.to_string();
        for word in ["gAAAA", "rs_1", "msg_5", "fco_1", "commentary", "multi_agent_v1", "turn_id", "encrypted_content"]
        {
            assert!(!text.contains(word), "{dialect:?}: {word} in {text}");
        }
        for word in ["You are a coding agent.", "Say little.", "Looking.", "src", "apply_patch", "spawn_agent"] {
            assert!(text.contains(word), "{dialect:?}: no {word} in {text}");
        }
        assert!(text.contains("lark"), "{dialect:?}: no grammar in {text}");
    }
}

#[test]
fn wire_046_the_finished_item_is_the_authority() {
    let item = |status: &str, seal: &str, summary: Value| json!({"type": "reasoning", "id": "rs_1", "status": status, "summary": summary, "encrypted_content": seal});
    let call = |arguments: &str| json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": arguments});
    let bytes = sse(&[
        json!({"type": "response.output_item.added", "output_index": 0, "item": item("in_progress", "early", json!([]))}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item("completed", "final", json!([{"type": "summary_text", "text": "t"}]))}),
        json!({"type": "response.output_item.added", "output_index": 1, "item": call("")}),
        json!({"type": "response.output_item.done", "output_index": 1, "item": call("{\"a\":1}")}),
        json!({"type": "response.completed", "response": {"status": "completed", "output": []}}),
    ]);
    let told = told(&[&bytes]);
    assert_eq!(told.texts, [format!("t<{}final>", DIALECT.name()), "{\"a\":1}".to_owned()]);
    let out = stream_round_trip(&bytes, ReplyContext::default());
    let output = &check_stream(&out).pop().unwrap()["response"]["output"];
    assert_eq!((&output[0]["encrypted_content"], &output[1]["arguments"]), (&json!("final"), &json!("{\"a\":1}")));
}

/// An answer with nothing in it but what is empty, and one call.
fn hollow() -> [Event<'static>; 12] {
    let start = |index, block| Event::BlockStart { index, choice: 0, block };
    let text = |index| Event::Delta { index, delta: Delta::Text(Str::from("")) };
    let call = BlockStart::ToolUse { id: Str::from("c"), name: Str::from("f"), kind: ToolUseKind::Function };
    [
        start(0, BlockStart::Text),
        text(0),
        Event::BlockStop { index: 0 },
        start(1, BlockStart::Reasoning { redacted: false, id: None }),
        text(1),
        Event::BlockStop { index: 1 },
        start(2, call),
        Event::BlockStop { index: 2 },
        start(3, BlockStart::Refusal),
        Event::BlockStop { index: 3 },
        Event::Finish { choice: 0, stop: StopReason::ToolUse, stop_sequence: None, note: None },
        Event::End,
    ]
}

#[test]
fn wire_048_nothing_empty_is_said() {
    let mut out = Vec::new();
    let mut encoder = StreamEncoder::new(ReplyContext::default());
    for event in hollow() {
        encoder.event(event, &mut out);
    }
    let events = check_stream(&out);
    let output = events.last().unwrap()["response"]["output"].as_array().unwrap();
    assert_eq!(output.len(), 1, "{output:?}");
    assert_eq!(output[0]["type"], "function_call");
    assert!(!events.iter().any(|event| event["type"].as_str().unwrap().contains("part")));
    // The same in a whole answer, and in a conversation that another dialect tells.
    let answer = br#"{"type":"message","role":"assistant","model":"m","id":"msg_1","content":[{"type":"text","text":""},{"type":"tool_use","id":"toolu_1","name":"f","input":{}}],"stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":1}}"#;
    let response = crate::dialects::decode_response(Dialect::Anthropic, answer).unwrap();
    let mut out = Vec::new();
    encode_response(&response, &ReplyContext::default(), &mut out);
    assert_eq!(parsed(&out)["output"].as_array().unwrap().len(), 1);
    let mut request = Request::new(Dialect::Anthropic, Str::from("m"));
    request.turns = vec![
        Turn::new(Role::User, vec![Block::text("go"), Block::text("")]),
        Turn::new(Role::Assistant, vec![Block::text("")]),
        Turn::new(Role::User, vec![Block::text("on")]),
    ];
    let mut out = Vec::new();
    encode_request(&request, &Target::new("gpt-5", false), &mut out).unwrap();
    let said =
        |text: &str| json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]});
    assert_eq!(parsed(&out)["input"], json!([said("go"), said("on")]));
}

#[test]
fn wire_049_thoughts_are_never_the_users_words() {
    for (dialect, model) in OTHERS {
        let (body, _) = abroad(CODEX_TURN, dialect, model);
        assert!(!body.to_string().contains("I run ls."), "{dialect:?}: {body}");
    }
    let thought = |seal: Option<Signature<'static>>| Block {
        signature: seal,
        ..Block::new(BlockKind::Reasoning(ReasoningBlock {
            text: vec![Str::from("secret plan")],
            redacted: false,
            id: None,
        }))
    };
    for seal in [None, Some(Signature { issuer: Dialect::Anthropic, value: Str::from("S") })] {
        let mut request = Request::new(Dialect::Anthropic, Str::from("m"));
        request.turns = vec![
            Turn::new(Role::User, vec![Block::text("go")]),
            Turn::new(Role::Assistant, vec![thought(seal), Block::text("done")]),
            Turn::new(Role::User, vec![Block::text("on")]),
        ];
        let mut out = Vec::new();
        encode_request(&request, &Target::new("gpt-5", false), &mut out).unwrap();
        let roles: Vec<Value> =
            parsed(&out)["input"].as_array().unwrap().iter().map(|item| item["role"].clone()).collect();
        assert_eq!(roles, ["user", "assistant", "user"]);
        assert!(!String::from_utf8_lossy(&out).contains("secret plan"));
    }
}

#[test]
fn wire_050_every_spelling_of_input_is_one_conversation() {
    let said = |dialect, model, input: Value| {
        let body = json!({"model": "m", "input": input}).to_string();
        abroad(body.as_bytes(), dialect, model)
    };
    let part = |text: &str| json!([{"type": "input_text", "text": text}]);
    for (dialect, model) in OTHERS {
        let wanted = said(dialect, model, json!([{"type": "message", "role": "user", "content": part("hi")}]));
        assert!(wanted.0.to_string().contains("hi") && wanted.1.is_empty(), "{wanted:?}");
        for input in
            [json!("hi"), json!([{"role": "user", "content": "hi"}]), json!([{"role": "user", "content": part("hi")}])]
        {
            assert_eq!(said(dialect, model, input.clone()), wanted, "{dialect:?}: {input}");
        }
        if dialect != Dialect::OpenAiChat {
            let led = |role: &str| {
                said(dialect, model, json!([{"role": role, "content": "rules"}, {"role": "user", "content": "hi"}]))
            };
            assert_eq!(led("developer"), led("system"), "{dialect:?}");
            let key = if dialect == Dialect::Gemini { "systemInstruction" } else { "system" };
            assert!(led("developer").0[key].to_string().contains("rules"), "{dialect:?}");
        }
    }
}

#[test]
fn wire_155_what_the_provider_runs_itself_is_no_call_of_the_client() {
    let items = json!([
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
        {"type": "code_interpreter_call", "id": "ci_1", "status": "completed", "code": "1", "container_id": "c", "outputs": []},
        {"type": "mcp_call", "id": "mcp_1", "name": "f", "arguments": "{}", "server_label": "s", "output": "x"},
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "found", "annotations": []}]}
    ]);
    let answer =
        json!({"id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": items}).to_string();
    let mut events: Vec<Value> = Vec::new();
    for (n, item) in items.as_array().unwrap().iter().enumerate() {
        events.push(json!({"type": "response.output_item.added", "output_index": n, "item": item}));
        events.push(json!({"type": "response.output_item.done", "output_index": n, "item": item}));
    }
    events.push(json!({"type": "response.completed", "response": {"status": "completed", "output": items}}));
    let stream = sse(&events);
    for (dialect, _) in OTHERS {
        let response = decode_response(answer.as_bytes()).unwrap();
        assert_eq!(response.choices[0].stop, StopReason::EndTurn);
        let mut whole = Vec::new();
        let losses = crate::dialects::encode_response(dialect, &response, &ReplyContext::default(), &mut whole);
        assert!(losses.iter().any(|loss| loss.field.contains("web_search_call")), "{dialect:?}: {losses:?}");
        let mut streamed = Vec::new();
        let mut encoder = crate::dialects::StreamEncoder::new(dialect, ReplyContext::default());
        super::events(&[&stream], &mut |event| encoder.event(event, &mut streamed));
        for out in [whole, streamed] {
            let text = String::from_utf8(out).unwrap();
            assert!(text.contains("found"), "{dialect:?}: {text}");
            for word in ["tool_calls", "tool_use", "functionCall"] {
                assert!(!text.contains(word), "{dialect:?}: {text}");
            }
        }
    }
}

#[test]
fn wire_156_items_keep_their_ids_and_events_their_types() {
    let chat = concat!(
        "data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"reasoning_content\":\"hm\"}}]}\n\n",
        "data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n",
        "data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"}}]}\n\n",
        "data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}}]}\n\n",
        "data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n",
        "data: [DONE]\n\n"
    );
    let mut out = Vec::new();
    let mut encoder = StreamEncoder::new(ReplyContext { seed: 3, ..ReplyContext::default() });
    let mut decoder = crate::dialects::StreamDecoder::new(Dialect::OpenAiChat);
    let mut parser = Parser::default();
    parser
        .push(chat.as_bytes(), &mut |event| decoder.event(event, &mut |event| encoder.event(event, &mut out)))
        .unwrap();
    decoder.finish(&mut |event| encoder.event(event, &mut out));
    let names = String::from_utf8(out.clone()).unwrap();
    assert_eq!(names.matches("event: ").count(), names.matches("data: ").count());
    let events = check_stream(&out);
    let output = events.last().unwrap()["response"]["output"].as_array().unwrap().clone();
    let mut ids: Vec<&str> = output.iter().map(|item| item["id"].as_str().unwrap()).collect();
    for (id, prefix) in ids.iter().zip(["rs_", "msg_", "fc_"]) {
        assert!(id.starts_with(prefix), "{id}");
    }
    for event in &events {
        if let Some(at) = event.get("output_index") {
            let id = event.get("item_id").unwrap_or(&event["item"]["id"]);
            assert_eq!(id.as_str(), Some(ids[at.as_u64().unwrap() as usize]), "{event}");
        }
        for key in ["content_index", "summary_index", "sequence_number"] {
            assert!(event.get(key).is_none_or(Value::is_u64), "{event}");
        }
        assert!(event.get("delta").is_none_or(Value::is_string), "{event}");
        if let Some(response) = event.get("response") {
            assert!(response["created_at"].is_u64() && response["output"].is_array(), "{response}");
            assert!(response["parallel_tool_calls"].is_boolean() && response["metadata"].is_object(), "{response}");
        }
    }
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

/// A reasoning item with a summary and content, and a picture, as events.
fn rich() -> Value {
    json!([
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "short"}], "content": [{"type": "reasoning_text", "text": "long"}, {"type": "reasoning_text", "text": "longer"}], "encrypted_content": "S"},
        {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "UklGAAAA", "output_format": "webp"}
    ])
}

#[test]
fn reasoning_keeps_its_summary_and_its_content() {
    let answer = json!({"id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": rich()});
    assert_eq!(response_round_trip(answer.to_string().as_bytes()), answer);
    let body = json!({"model": "m", "input": [rich()[0], {"role": "user", "content": "on"}]});
    assert_eq!(request_round_trip(body.to_string().as_bytes()), body);
    let words = |texts: &[String]| texts[0].clone();
    let done = json!({"type": "response.output_item.done", "output_index": 0, "item": rich()[0]});
    let end = json!({"type": "response.completed", "response": {"status": "completed"}});
    let delta = |kind: &str, index: &str, n: u64, text: &str| json!({"type": format!("response.{kind}.delta"), "output_index": 0, index: n, "delta": text});
    let summary = || delta("reasoning_summary_text", "summary_index", 0, "short");
    let content = |n, text| delta("reasoning_text", "content_index", n, text);
    let wanted = format!("short\u{1}long\u{1}longer<{}S>", DIALECT.name());
    for events in [
        vec![done.clone(), end.clone()],
        vec![summary(), done.clone(), end.clone()],
        vec![summary(), content(0, "lo"), content(0, "ng"), content(1, "longer"), done.clone(), end.clone()],
    ] {
        assert_eq!(words(&told(&[&sse(&events)]).texts), wanted, "{events:?}");
    }
    // Where the content comes first nothing is said twice.
    let late = [content(0, "long"), content(1, "longer"), done, end];
    assert_eq!(words(&told(&[&sse(&late)]).texts), format!("long\u{1}longer<{}S>", DIALECT.name()));
}

#[test]
fn a_picture_keeps_its_format_when_the_mode_changes() {
    let body = sse(&[
        json!({"type": "response.output_item.done", "output_index": 0, "item": rich()[1]}),
        json!({"type": "response.completed", "response": {"status": "completed"}}),
    ]);
    let out = stream_round_trip(&body, ReplyContext::default());
    let item = &check_stream(&out).pop().unwrap()["response"]["output"][0];
    assert_eq!((&item["output_format"], &item["result"]), (&json!("webp"), &json!("UklGAAAA")));
}
