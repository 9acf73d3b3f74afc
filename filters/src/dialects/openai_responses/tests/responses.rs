//! Whole answers.

use serde_json::json;

use super::*;
use crate::Dialect;
use crate::ir::{Block, BlockKind, Choice, ReasoningBlock, Response, Signature, ToolUse, ToolUseKind, Usage};
use crate::json::{Extra, Raw, Str};

const ANSWER: &[u8] = include_bytes!("../fixtures/answer.json");

/// A response of another dialect with `blocks`.
pub(super) fn foreign(blocks: Vec<Block<'_>>, stop: StopReason) -> Response<'_> {
    let choice =
        Choice { index: 0, blocks, stop, stop_raw: None, stop_sequence: None, extra: Extra::default(), form: 0 };
    Response {
        origin: Dialect::Anthropic,
        id: Some(Str::from("msg_foreign")),
        model: None,
        created: None,
        choices: vec![choice],
        usage: Some(Usage {
            uncached: 5,
            cache_read: 3,
            cache_write_5m: 2,
            output: 7,
            reasoning: 1,
            ..Usage::default()
        }),
        extra: Extra::default(),
    }
}

fn encoded(response: &Response<'_>, request: &Value) -> Value {
    let context = ReplyContext {
        model: "m".to_owned(),
        created: 9,
        seed: 4,
        request: request.to_string().into_bytes().into(),
        ..ReplyContext::default()
    };
    let mut out = Vec::new();
    encode_response(response, &context, &mut out);
    parsed(&out)
}

fn call<'a>(id: &'a str, input: &'a str, kind: ToolUseKind) -> Block<'a> {
    let call = ToolUse { id: Str::from(id), name: Str::from("f"), input: Str::from(input), kind };
    Block::new(BlockKind::ToolUse(call))
}

#[test]
fn an_answer_comes_back_as_it_was() {
    assert_eq!(response_round_trip(ANSWER), parsed(ANSWER));
}

#[test]
fn an_answer_is_read_into_blocks_and_ledger() {
    let response = decode_response(ANSWER).unwrap();
    let choice = &response.choices[0];
    assert_eq!(choice.stop, StopReason::ToolUse);
    assert_eq!(choice.stop_raw.as_deref(), Some("completed"));
    let kinds: Vec<&str> = choice
        .blocks
        .iter()
        .map(|block| match &block.kind {
            BlockKind::Reasoning(reasoning) => reasoning.text[0].as_str(),
            BlockKind::Text { text, .. } | BlockKind::Refusal { text } => text,
            BlockKind::ToolUse(call) => &call.id,
            _ => "opaque",
        })
        .collect();
    assert_eq!(kinds, ["Two tools.", "opaque", "It rains.", "I cannot say more.", "call_a", "call_b"]);
    assert_eq!(choice.blocks[0].signature.as_ref().unwrap().for_provider(DIALECT), Some("gAAAAABo1111"));
    let usage = response.usage.unwrap();
    assert_eq!((usage.uncached, usage.cache_read, usage.cache_write_5m), (40, 64, 16));
    assert_eq!((usage.output, usage.reasoning), (18, 32));
    assert_eq!((usage.input_total(), usage.output_total()), (120, 50));
}

#[test]
fn odd_answers_pass_through() {
    for body in [
        r#"{"output":[]}"#,
        r#"{"output":null,"usage":null}"#,
        r#"{"output":[{"type":"message","role":"assistant","content":"plain"}],"created_at":1.5}"#,
        r#"{"output":[{"type":"message","role":"assistant","content":[]}],"created_at":1763600000.0}"#,
        r#"{"output":[{"type":"function_call","id":"fc_1","name":"f","arguments":""}]}"#,
        r#"{"output":[{"type":"function_call","name":5}],"usage":{"input_tokens":"many"}}"#,
        r#"{"output":[{"type":"reasoning","id":"r","summary":[],"content":[{"type":"reasoning_text","text":"t"}]}]}"#,
        r#"{"output":[{"type":"reasoning","id":"r","content":[],"status":null}],"usage":{"input_tokens":18446744073709551615,"input_tokens_details":{"cached_tokens":18446744073709551615}}}"#,
        r#"{"output":[{"type":"message","role":"assistant","content":[{"type":"hologram","x":1},{"type":"output_text","text":"t","logprobs":[{"token":"t"}]}]}]}"#,
    ] {
        assert_eq!(response_round_trip(body.as_bytes()), parsed(body.as_bytes()), "{body}");
    }
}

#[test]
fn what_is_no_answer_is_an_error() {
    for body in ["", "[]", r#"{"error":{"message":"m"}}"#, r#"{"output":"text"}"#, "\u{feff}{}"] {
        assert!(decode_response(body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn stop_reasons_are_read() {
    let stop = |body: &str| decode_response(body.as_bytes()).unwrap().choices[0].stop;
    assert_eq!(stop(r#"{"status":"completed","output":[]}"#), StopReason::EndTurn);
    assert_eq!(
        stop(r#"{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[]}"#),
        StopReason::MaxTokens
    );
    assert_eq!(
        stop(r#"{"status":"incomplete","incomplete_details":{"reason":"content_filter"},"output":[]}"#),
        StopReason::Refusal
    );
    let refusal = r#"{"status":"completed","output":[{"type":"message","role":"assistant","content":[{"type":"refusal","refusal":"no"}]}]}"#;
    assert_eq!(stop(refusal), StopReason::Refusal);
}

#[test]
fn wire_042_a_foreign_answer_is_a_complete_object() {
    let request = json!({
        "model": "m", "input": "hi", "instructions": "Be brief.", "temperature": 0.5, "metadata": {"k": "v"},
        "tools": [{"type": "namespace", "name": "n", "tools": []}], "tool_choice": "required", "store": false,
        "text": {"verbosity": "low"}, "reasoning": {"summary": "auto"}, "previous_response_id": "resp_0",
        "parallel_tool_calls": null
    });
    let object = encoded(&foreign(vec![Block::text("Hello")], StopReason::EndTurn), &request);
    assert_eq!(object["object"], "response");
    assert_eq!((&object["status"], &object["created_at"]), (&json!("completed"), &json!(9)));
    for key in ["instructions", "temperature", "metadata", "tools", "tool_choice", "store", "previous_response_id"] {
        assert_eq!(object[key], request[key], "{key}");
    }
    assert_eq!(object["text"], json!({"format": {"type": "text"}, "verbosity": "low"}));
    assert_eq!(object["reasoning"], json!({"effort": null, "summary": "auto"}));
    assert_eq!((&object["top_p"], &object["truncation"]), (&json!(1.0), &json!("disabled")));
    assert_eq!((&object["parallel_tool_calls"], &object["max_output_tokens"]), (&json!(true), &Value::Null));
    let part = &object["output"][0]["content"][0];
    assert_eq!(part, &json!({"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}));
    let usage = json!({
        "input_tokens": 10, "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2},
        "output_tokens": 8, "output_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 18
    });
    assert_eq!(object["usage"], usage);
}

#[test]
fn wire_044_item_ids_are_not_call_ids() {
    let blocks = vec![call("toolu_1", "", ToolUseKind::Function), call("toolu_2", "patch", ToolUseKind::Custom)];
    let object = encoded(&foreign(blocks, StopReason::ToolUse), &json!({}));
    let (first, second) = (&object["output"][0], &object["output"][1]);
    assert_eq!((&first["type"], &first["call_id"]), (&json!("function_call"), &json!("toolu_1")));
    assert_eq!(first["arguments"], "{}", "wire 157");
    assert!(first["id"].as_str().unwrap().starts_with("fc_"));
    assert_eq!((&second["type"], &second["input"]), (&json!("custom_tool_call"), &json!("patch")));
    assert!(second["id"].as_str().unwrap().starts_with("ctc_"));
}

#[test]
fn every_stop_reason_has_its_status() {
    let status = |blocks: Vec<Block<'static>>, stop| {
        let object = encoded(&foreign(blocks, stop), &json!({}));
        (object["status"].as_str().unwrap().to_owned(), object["incomplete_details"]["reason"].clone())
    };
    let words = || Block::new(BlockKind::Refusal { text: Str::from("no") });
    assert_eq!(status(vec![], StopReason::EndTurn), ("completed".to_owned(), Value::Null));
    assert_eq!(status(vec![], StopReason::MaxTokens), ("incomplete".to_owned(), json!("max_output_tokens")));
    assert_eq!(status(vec![], StopReason::Refusal), ("incomplete".to_owned(), json!("content_filter")));
    assert_eq!(status(vec![words()], StopReason::Refusal), ("completed".to_owned(), Value::Null));
    assert_eq!(status(vec![], StopReason::Malformed).0, "failed");
}

#[test]
fn wire_119_foreign_seals_travel_and_return() {
    let seal = |issuer, value| Some(Signature { issuer, value: Str::from(value) });
    let thought = |text: Vec<Str<'static>>, redacted, signature| Block {
        signature,
        ..Block::new(BlockKind::Reasoning(ReasoningBlock { text, redacted, id: None }))
    };
    let sealed_call = Block { signature: seal(Dialect::Gemini, "g"), ..call("c1", "{}", ToolUseKind::Function) };
    let blocks = vec![
        thought(vec![Str::from("a"), Str::from("b")], false, seal(Dialect::Anthropic, "s1")),
        thought(vec![], true, seal(Dialect::Anthropic, "s2")),
        thought(vec![Str::from("unsealed")], false, None),
        sealed_call,
    ];
    let object = encoded(&foreign(blocks, StopReason::ToolUse), &json!({}));
    assert_eq!(object["output"].as_array().unwrap().len(), 5, "the call's seal has an item of its own");

    let body = json!({"model": "m", "input": object["output"]}).to_string();
    let request = decode_request(body.as_bytes(), &Endpoint::default()).unwrap();
    let back: Vec<&Block<'_>> = request.turns.iter().flat_map(|turn| &turn.blocks).collect();
    assert_eq!(back.len(), 4);
    assert_eq!(back[0].signature, seal(Dialect::Anthropic, "s1"));
    let redacted = |block: &Block<'_>| matches!(&block.kind, BlockKind::Reasoning(reasoning) if reasoning.redacted);
    assert!(!redacted(back[0]) && redacted(back[1]));
    assert_eq!(back[1].signature, seal(Dialect::Anthropic, "s2"));
    assert_eq!(back[3].signature, seal(Dialect::Gemini, "g"));

    // None of them reaches OpenAI, which could read none.
    let mut out = Vec::new();
    let target = Target::new("gpt-5", false);
    let encoded = encode_request(&request, &target, &mut out).unwrap();
    assert_eq!(encoded.losses.iter().count(), 1);
    let sent = parsed(&out);
    assert_eq!(sent["input"].as_array().unwrap().len(), 1);
    assert_eq!(sent["input"][0]["type"], "function_call");
}

#[test]
fn annotations_are_read_and_written_whole() {
    let raw = r#"[{"type":"url_citation","start_index":0,"end_index":3,"url":"https://a.b","title":"T"},{"type":"file_citation","file_id":"file-1","filename":"a.pdf","index":7},{"type":"odd"}]"#;
    let raw = Raw::parse(raw).unwrap();
    let found = read_citations(&raw, "It rains.");
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].span, found[0].title.as_deref()), (Some((0, 3)), Some("T")));
    assert_eq!((found[1].file_id.as_deref(), found[1].title.as_deref()), (Some("file-1"), Some("a.pdf")));
    let written = |citation, length| {
        let mut out = Vec::new();
        notes::write_citation(&mut crate::json::Writer::new(&mut out), citation, length).then(|| parsed(&out))
    };
    assert_eq!(written(&found[0], 9).unwrap(), raw.to_value()[0]);
    let unplaced = crate::ir::Citation { span: None, ..found[0].clone() };
    assert_eq!(written(&unplaced, 9).unwrap()["end_index"], 9);
    assert_eq!(written(&crate::ir::Citation::default(), 9), None);
}

#[test]
fn log_probabilities_stand_at_the_choice_and_come_back() {
    let tokens = r#"[{"token":"It","logprob":-0.5,"bytes":[73,116],"top_logprobs":[{"token":"It","logprob":-0.5,"bytes":[73,116]}]}]"#;
    let body = format!(
        r#"{{"output":[{{"type":"message","role":"assistant","content":[{{"type":"output_text","text":"It","logprobs":{tokens}}}]}}]}}"#
    );
    assert_eq!(response_round_trip(body.as_bytes()), parsed(body.as_bytes()));
    let response = decode_response(body.as_bytes()).unwrap();
    let raw = response.choices[0].extra.get("logprobs").unwrap();
    let read = read_logprobs(raw);
    assert_eq!((read[0].token.as_str(), read[0].logprob.get(), read[0].top.len()), ("It", "-0.5", 1));
    let mut out = Vec::new();
    notes::write_logprob(&mut crate::json::Writer::new(&mut out), &read[0]);
    assert_eq!(parsed(&out), parsed(tokens.as_bytes())[0]);
}

#[test]
fn wire_053_155_what_an_answer_here_cannot_say_is_told() {
    let search = Raw::parse(r#"{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}"#).unwrap();
    let response = foreign(
        vec![
            Block::new(BlockKind::Opaque { dialect: Dialect::Anthropic, raw: search }),
            Block::new(BlockKind::Text {
                text: Str::from("T"),
                citations: Raw::parse(r#"[{"type":"char_location"}]"#),
            }),
        ],
        StopReason::EndTurn,
    );
    let mut out = Vec::new();
    let losses = encode_response(&response, &ReplyContext::default(), &mut out);
    let fields: Vec<&str> = losses.iter().map(|loss| loss.field.as_ref()).collect();
    assert_eq!(fields, ["content[].server_tool_use", "content[].citations"]);
    assert_eq!(parsed(&out)["output"].as_array().unwrap().len(), 1, "nothing is invented of a search");
}

#[test]
fn wire_152_calls_get_their_namespace_back() {
    let tools = json!([{"type": "function", "name": "g"}, {"type": "namespace", "name": "a", "tools": [{"type": "function", "name": "f"}, {"type": "function", "name": "g"}]}]);
    let named = |name: &'static str| {
        Block::new(BlockKind::ToolUse(ToolUse {
            id: Str::from("c"),
            name: Str::from(name),
            input: Str::from("{}"),
            kind: ToolUseKind::Function,
        }))
    };
    let response = foreign(vec![named("f"), named("a__g"), named("g"), named("a__f")], StopReason::ToolUse);
    let body = encoded(&response, &json!({"model": "m", "tools": tools}));
    let told: Vec<(&Value, &Value)> =
        body["output"].as_array().unwrap().iter().map(|item| (&item["namespace"], &item["name"])).collect();
    let (a, f, g, none) = (json!("a"), json!("f"), json!("g"), Value::Null);
    assert_eq!(told, [(&a, &f), (&a, &g), (&none, &g), (&a, &f)]);
}
