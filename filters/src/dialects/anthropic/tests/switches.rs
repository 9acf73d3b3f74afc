//! Profiles and the switches of the repair layer.

use serde_json::json;

use super::convert::{call, function, question, result, with_effort};
use super::*;
use crate::ir::{BlockKind, Effort, Media, MediaSource, OutputFormat, ReasoningConfig, ToolChoice};
use crate::json::{Num, Raw};
use crate::profiles::{Profile, ThinkingControl};
use crate::repair::Repairs;

fn sent(request: &Request<'_>, profile: Profile, repairs: Repairs) -> (Value, Vec<String>) {
    let target = Target { model: "m".to_owned(), profile, repairs, ..Target::default() };
    let mut out = Vec::new();
    let encoded = encode_request(request, &target, &mut out).unwrap();
    (serde_json::from_slice(&out).unwrap(), lost(&encoded))
}

fn known(profile: Profile) -> impl Fn(&Request<'_>) -> (Value, Vec<String>) {
    move |request| sent(request, profile, Repairs::default())
}

fn budget() -> Profile {
    Profile { thinking: Some(ThinkingControl::Budget), ..Profile::default() }
}

#[test]
fn thinking_goes_by_the_profile() {
    let (value, lost) =
        known(Profile { thinking: Some(ThinkingControl::None), ..Profile::default() })(&with_effort(Effort::High));
    assert!(value.get("thinking").is_none());
    assert_eq!(lost, ["dropped reasoning_effort"]);
    let bounded = Profile { thinking_budget_max: Some(5_000), thinking_budget_min: Some(2_000), ..budget() };
    assert_eq!(known(bounded)(&with_effort(Effort::High)).0["thinking"]["budget_tokens"], 5_000);
    let (value, lost) = known(bounded)(&with_effort(Effort::Minimal));
    assert_eq!(
        (&value["thinking"]["budget_tokens"], lost),
        (&json!(2_000), vec!["clamped reasoning_effort".to_owned()])
    );
    // What cannot be switched off does its least.
    let (value, lost) = known(Profile { thinking_off: Some(false), ..bounded })(&with_effort(Effort::None));
    assert_eq!(
        (&value["thinking"]["budget_tokens"], lost),
        (&json!(2_000), vec!["clamped reasoning_effort".to_owned()])
    );
    let adaptive = Profile {
        thinking: Some(ThinkingControl::Adaptive),
        thinking_off: Some(false),
        effort_min: Some(Effort::Low),
        effort_max: Some(Effort::High),
        ..Profile::default()
    };
    let (value, lost) = known(adaptive)(&with_effort(Effort::Max));
    assert_eq!(
        (&value["output_config"]["effort"], lost),
        (&json!("high"), vec!["clamped reasoning_effort".to_owned()])
    );
    let (value, _) = known(adaptive)(&with_effort(Effort::None));
    assert_eq!((&value["thinking"]["type"], &value["output_config"]["effort"]), (&json!("adaptive"), &json!("low")));
}

#[test]
fn the_cap_goes_by_the_profile() {
    let small = Profile { output_tokens_max: Some(4_096), ..budget() };
    assert_eq!(known(small)(&question()).0["max_tokens"], 4_096);
    let mut request = with_effort(Effort::High);
    assert_eq!(known(small)(&request).0["thinking"]["budget_tokens"], 2_048);
    request.max_output_tokens = Some(Num::from(9_000));
    let (value, lost) = known(small)(&request);
    assert_eq!((&value["max_tokens"], &value["thinking"]["budget_tokens"]), (&json!(4_096), &json!(2_048)));
    assert_eq!(lost, ["clamped max_completion_tokens", "clamped reasoning_effort"]);
    let (value, lost) = sent(&request, small, Repairs { bounds: false, ..Repairs::default() });
    assert_eq!((&value["max_tokens"], &value["thinking"]["budget_tokens"]), (&json!(9_000), &json!(16_384)));
    assert!(lost.is_empty());
}

#[test]
fn wire_100_models_without_prefill_are_asked_to_go_on() {
    let request = chat(vec![said(Role::User, "x"), said(Role::Assistant, "Sure:")]);
    let refuses = Profile { prefill: Some(false), ..Profile::default() };
    let (value, lost) = known(refuses)(&request);
    assert_eq!(value["messages"][2], json!({"role":"user","content":"Continue."}));
    assert_eq!(lost, ["approximated messages[]"]);
    assert_eq!(known(Profile::default())(&request).0["messages"].as_array().unwrap().len(), 2);
    let off = Repairs { turns: false, ..Repairs::default() };
    assert_eq!(sent(&request, refuses, off).0["messages"].as_array().unwrap().len(), 2);
}

#[test]
fn wire_101_sampling_goes_by_the_profile() {
    let mut request = question();
    request.sampling.temperature = Some(Num::from(0.5));
    request.sampling.top_p = Some(Num::from(0.9));
    let (value, lost) = known(Profile::default())(&request);
    assert_eq!((&value["temperature"], &value["top_p"]), (&json!(0.5), &json!(0.9)));
    assert!(lost.is_empty());
    let (value, lost) = known(Profile { temperature_with_top_p: Some(false), ..Profile::default() })(&request);
    assert!(value.get("top_p").is_none());
    assert_eq!(lost, ["dropped top_p"]);
    let (value, lost) = known(Profile { sampling: Some(false), ..Profile::default() })(&request);
    assert!(value.get("temperature").is_none());
    assert_eq!(lost, ["dropped temperature", "dropped top_p"]);
    request.sampling.temperature = Some(Num::from(1.5));
    assert_eq!(known(Profile { temperature_max: Some(2.0), ..Profile::default() })(&request).0["temperature"], 1.5);
    let off = Repairs { bounds: false, ..Repairs::default() };
    assert_eq!(sent(&request, Profile::default(), off).0["temperature"], 1.5);
}

#[test]
fn the_earliest_pictures_yield() {
    let picture = |data: &'static str| {
        Block::new(BlockKind::Image(Media {
            mime: Some("image/png".into()),
            source: MediaSource::Base64(data.into()),
            name: None,
        }))
    };
    let request = chat(vec![Turn::new(Role::User, vec![picture("AAAA"), picture("BBBB"), Block::text("?")])]);
    let (value, lost) = known(Profile { images_max: Some(1), ..Profile::default() })(&request);
    let kinds: Vec<_> = value["messages"][0]["content"].as_array().unwrap().iter().map(|b| b["type"].clone()).collect();
    assert_eq!(kinds, ["text", "image", "text"]);
    assert_eq!(value["messages"][0]["content"][1]["source"]["data"], "BBBB");
    assert_eq!(lost, ["clamped messages[].content[].image"]);
}

fn with_schema<'a>() -> Request<'a> {
    let mut request = question();
    let schema = Raw::parse(r#"{"type":"object","properties":{"a":{"type":"integer"}}}"#).unwrap();
    request.output_format = Some(OutputFormat::JsonSchema { name: None, description: None, schema, strict: None });
    request
}

#[test]
fn wire_113_models_without_schemas_call_a_tool_for_it() {
    let old = Profile { json_schema: Some(false), ..budget() };
    let encode = |request: &Request<'_>| {
        let target = Target { model: "m".to_owned(), profile: old, ..Target::default() };
        let mut out = Vec::new();
        let encoded = encode_request(request, &target, &mut out).unwrap();
        (serde_json::from_slice::<Value>(&out).unwrap(), encoded)
    };
    let (value, encoded) = encode(&with_schema());
    assert!(value.get("output_config").is_none());
    assert_eq!(value["tool_choice"], json!({"type":"tool","name":"json_answer"}));
    assert_eq!(value["tools"][0]["input_schema"]["properties"]["a"]["type"], "integer");
    assert_eq!(encoded.notes.json_tool.as_deref(), Some("json_answer"));
    // The call is the answer's text.
    let body = br#"{"content":[{"type":"tool_use","id":"toolu_1","name":"json_answer","input":{"a":1}}],"stop_reason":"tool_use"}"#;
    let mut response = decode_response(body).unwrap();
    crate::reply::Undo::new(encoded.notes).response(&mut response);
    assert!(matches!(&response.choices[0].blocks[0].kind, BlockKind::Text { text, .. } if *text == r#"{"a":1}"#));
    assert_eq!(response.choices[0].stop, crate::ir::StopReason::EndTurn);
    // With tools of the client either may be called.
    let mut request = with_schema();
    request.tools = vec![function("json_answer", None)];
    let (value, encoded) = encode(&request);
    assert_eq!(
        (&value["tool_choice"], encoded.notes.json_tool.as_deref()),
        (&json!({"type":"any"}), Some("json_answer_"))
    );
    // Where no tool can be forced it is said in words.
    request.tool_choice = Some(ToolChoice::Named("json_answer".into()));
    let mut thinking = with_schema();
    thinking.reasoning = Some(ReasoningConfig { effort: Some(Effort::Low), ..Default::default() });
    for request in [&request, &thinking] {
        let (value, encoded) = encode(request);
        assert!(value["system"].as_str().unwrap().contains("integer"));
        assert!(encoded.notes.json_tool.is_none());
        assert_eq!(lost(&encoded), ["approximated response_format"]);
    }
}

#[test]
fn switched_off_repairs_leave_what_the_client_said() {
    let off = |change: fn(&mut Repairs)| {
        let mut repairs = Repairs::default();
        change(&mut repairs);
        repairs
    };
    let none = Profile::default();
    let mut request = chat(vec![
        said(Role::User, "x"),
        said(Role::User, ""),
        Turn::new(Role::Assistant, vec![call("a:1", "{}"), call("b", "{}")]),
        Turn::new(Role::Tool, vec![result("a:1", "1"), result("zz", "9")]),
    ]);
    request.tools = vec![function("a.b", Some(r#"{"anyOf":[{"type":"object"}]}"#))];
    let (value, _) = sent(&request, none, off(|r| r.names = false));
    assert_eq!((&value["tools"][0]["name"], &value["messages"][1]["content"][0]["id"]), (&json!("a.b"), &json!("a:1")));
    let (value, _) = sent(&request, none, off(|r| r.schemas = false));
    assert!(value["tools"][0]["input_schema"].get("anyOf").is_some());
    let (value, lost) = sent(&request, none, off(|r| r.orphans = false));
    let ids: Vec<_> = value["messages"][2]["content"].as_array().unwrap().iter().map(|b| &b["tool_use_id"]).collect();
    assert_eq!((ids.len(), ids[1]), (2, &json!("zz")));
    assert!(!lost.iter().any(|loss| loss.contains("tool_result")));
    let (value, _) = sent(&request, none, off(|r| r.empty_parts = false));
    assert_eq!(value["messages"][0]["content"][1]["text"], "");
    let (value, _) = sent(
        &request,
        none,
        off(|r| {
            r.turns = false;
            r.empty_parts = false;
        }),
    );
    let roles: Vec<_> = value["messages"].as_array().unwrap().iter().map(|m| m["role"].clone()).collect();
    assert_eq!(roles, ["user", "user", "assistant", "user", "user"]);
    let mut looped = with_effort(Effort::Low);
    looped.turns.push(Turn::new(Role::Assistant, vec![call("a", "{}")]));
    looped.turns.push(Turn::new(Role::Tool, vec![result("a", "1")]));
    assert_eq!(sent(&looped, budget(), Repairs::default()).0["thinking"]["type"], "disabled");
    assert_eq!(sent(&looped, budget(), off(|r| r.tool_loops = false)).0["thinking"]["type"], "enabled");
}
