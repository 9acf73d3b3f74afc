use super::*;
use crate::ir::{BlockKind, Effort, OutputFormat, StopReason, ToolChoice, ToolKind};

const AGENT: &[u8] = include_bytes!("../fixtures/request_agent.json");
const PLAIN: &[u8] = include_bytes!("../fixtures/request_plain.json");
const OLD: &[u8] = include_bytes!("../fixtures/request_old.json");
const TOOLS: &[u8] = include_bytes!("../fixtures/response_tools.json");
const REFUSAL: &[u8] = include_bytes!("../fixtures/response_refusal.json");

#[test]
fn requests_come_back_as_they_were() {
    for body in [AGENT, PLAIN, OLD] {
        assert_eq!(round_trip(body), exact(body));
    }
}

#[test]
fn wire_112_a_body_without_max_tokens_is_one_of_count_tokens() {
    let body = br#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#;
    assert_eq!(round_trip(body), exact(body));
}

#[test]
fn answers_come_back_as_they_were() {
    for body in [TOOLS, REFUSAL, br#"{"model":"m","content":[],"stop_reason":null}"#] {
        let response = decode_response(body).unwrap();
        let mut out = Vec::new();
        encode_response(&response, &ReplyContext { seed: 1, ..Default::default() }, &mut out);
        let (mut got, want) = (exact(&out), exact(body));
        if want.get("id").is_none() {
            got.as_object_mut().unwrap().remove("id");
        }
        assert_eq!(got, want);
    }
}

#[test]
fn a_request_says_what_it_means() {
    let request = decode_request(AGENT, &Endpoint::default()).unwrap();
    let (system, rest) = request.split_system();
    assert_eq!((system.len(), rest.len()), (1, 6));
    assert_eq!(request.user.as_deref(), Some("user_1_session_2"));
    assert_eq!(request.tool_choice, Some(ToolChoice::Auto));
    assert_eq!(request.parallel_tool_calls, Some(false));
    assert!(matches!(request.tools[2].kind, ToolKind::Hosted { .. }));
    assert_eq!(request.reasoning.as_ref().unwrap().budget.as_ref().unwrap().get(), "8192");
    let BlockKind::ToolResult(result) = &rest[2].blocks[0].kind else { panic!() };
    assert_eq!(result.name.as_deref(), Some("Bash"));
    let BlockKind::ToolUse(call) = &rest[1].blocks[3].kind else { panic!() };
    assert_eq!(call.input, r#"{"command":"ls","n":1.0}"#);
    assert_eq!(rest[5].role, Role::System);
    let BlockKind::File(medium) = &rest[0].blocks[5].kind else { panic!() };
    assert!(matches!(&medium.source, crate::ir::MediaSource::Text(text) if *text == "a\n\nb"));

    let request = decode_request(PLAIN, &Endpoint::default()).unwrap();
    let reasoning = request.reasoning.unwrap();
    assert_eq!((reasoning.effort, reasoning.adaptive, reasoning.visible), (Some(Effort::Max), true, Some(true)));
    assert!(matches!(request.output_format, Some(OutputFormat::JsonSchema { .. })));
}

#[test]
fn wire_115_the_ledger_counts_nothing_twice() {
    let usage = decode_response(TOOLS).unwrap().usage.unwrap();
    assert_eq!((usage.uncached, usage.cache_read, usage.cache_write_5m, usage.cache_write_1h), (10, 5, 10, 20));
    assert_eq!((usage.output, usage.reasoning, usage.output_total()), (38, 12, 50));
}

#[test]
fn wire_120_server_tools_are_no_calls() {
    let response = decode_response(TOOLS).unwrap();
    let calls = response.choices[0].blocks.iter().filter(|block| matches!(block.kind, BlockKind::ToolUse(_)));
    assert_eq!(calls.count(), 1);
}

#[test]
fn a_refusal_brings_its_explanation() {
    let response = decode_response(REFUSAL).unwrap();
    assert_eq!(response.choices[0].stop, StopReason::Refusal);
    let BlockKind::Refusal { text } = &response.choices[0].blocks[0].kind else { panic!() };
    assert_eq!(text, "Blocked by policy.");
}

#[test]
fn an_error_is_no_answer() {
    let error = decode_response(br#"{"type":"error","error":{"type":"api_error","message":"boom"}}"#).unwrap_err();
    assert_eq!(error.message, "boom");
}

#[test]
fn wrong_types_name_the_member() {
    for (body, param) in [
        (r#"{"messages":[]}"#, "model"),
        (r#"{"model":1,"messages":[]}"#, "model"),
        (r#"{"model":"m"}"#, "messages"),
        (r#"{"model":"m","messages":[{"role":"user"}]}"#, "messages.0.content"),
        (r#"{"model":"m","messages":[{"role":"user","content":5}]}"#, "messages.0.content"),
        (r#"{"model":"m","messages":[{"role":"robot","content":"x"}]}"#, "messages.0.role"),
        (r#"{"model":"m","messages":[{"role":"user","content":[{}]}]}"#, "messages.0.content.0.type"),
        (r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text"}]}]}"#, "messages.0.content.0.text"),
        (
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[{"type":"text"}]}]}]}"#,
            "messages.0.content.0.content.0.text",
        ),
        (r#"{"model":"m","messages":[],"temperature":"hot"}"#, "temperature"),
        (r#"{"model":"m","messages":[],"tools":[{}]}"#, "tools.0.name"),
        (r#"{"model":"m","messages":[],"tool_choice":{"type":"tool"}}"#, "tool_choice.name"),
        (r#"{"model":"m","messages":[],"max_tokens":"9"}"#, "max_tokens"),
        (r#"{"model":"m","messages":[],"stop_sequences":"x"}"#, "stop_sequences"),
        (r#"{"model":"m","messages":[],"thinking":{}}"#, "thinking.type"),
    ] {
        let error = decode_request(body.as_bytes(), &Endpoint::default()).unwrap_err();
        assert_eq!(error.param.as_deref(), Some(param), "{body}");
        assert!(error.message.contains(param), "{}", error.message);
    }
}

#[test]
fn results_within_results_do_not_nest() {
    let mut body = String::from(r#"{"model":"m","messages":[{"role":"user","content":"#);
    body.push_str(&r#"[{"type":"tool_result","tool_use_id":"a","content":"#.repeat(50_000));
    body.push_str("\"x\"");
    body.push_str(&"}]".repeat(50_000));
    body.push_str("}]}");
    let request = decode_request(body.as_bytes(), &Endpoint::default()).unwrap();
    let BlockKind::ToolResult(result) = &request.turns[0].blocks[0].kind else { panic!() };
    assert!(matches!(result.content[0].kind, BlockKind::Opaque { .. }));
}

#[test]
fn wire_103_unsealed_thoughts_go_and_thinking_with_them() {
    let body = br#"{"model":"m","max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":2000},
        "context_management":{"edits":[{"type":"clear_thinking_20251015"}]},
        "messages":[{"role":"user","content":"x"},
        {"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":""},{"type":"tool_use","id":"a","name":"f","input":{}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"r"}]}]}"#;
    let request = decode_request(body, &Endpoint::default()).unwrap();
    let (value, encoded) = encoded(&request);
    assert_eq!(value["messages"][1]["content"].as_array().unwrap().len(), 1);
    assert_eq!(value["thinking"]["type"], "disabled");
    assert!(value.get("context_management").is_none());
    assert_eq!(
        lost(&encoded),
        ["dropped messages[].content[].thinking", "dropped thinking", "dropped context_management"]
    );
}

#[test]
fn wire_158_a_system_message_at_the_end_stays_where_it_is() {
    let request = decode_request(AGENT, &Endpoint::default()).unwrap();
    let (value, _) = encoded(&request);
    assert_eq!(value["messages"][5], serde_json::json!({"role":"system","content":"Be brief."}));
}
