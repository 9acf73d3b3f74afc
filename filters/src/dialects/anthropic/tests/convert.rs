use serde_json::json;

use super::*;
use crate::ir::{
    BlockKind, CacheMark, Effort, Media, MediaSource, OutputFormat, ReasoningBlock, ReasoningConfig, Signature,
    StopReason, Tool, ToolChoice, ToolKind, ToolResult, ToolUse, ToolUseKind, Usage,
};
use crate::json::{Extra, Num, Raw};

pub(super) fn call<'a>(id: &'a str, input: &'a str) -> Block<'a> {
    Block::new(BlockKind::ToolUse(ToolUse {
        id: id.into(),
        name: "get".into(),
        input: input.into(),
        kind: ToolUseKind::Function,
    }))
}

pub(super) fn result<'a>(id: &'a str, text: &'a str) -> Block<'a> {
    let content = vec![Block::text(text)];
    Block::new(BlockKind::ToolResult(ToolResult {
        id: id.into(),
        name: None,
        content,
        is_error: None,
        kind: ToolUseKind::Function,
    }))
}

pub(super) fn thought(issuer: Dialect) -> Block<'static> {
    let mut block =
        Block::new(BlockKind::Reasoning(ReasoningBlock { text: vec!["hm".into()], redacted: false, id: None }));
    block.signature = Some(Signature { issuer, value: "seal".into() });
    block
}

pub(super) fn function<'a>(name: &'a str, schema: Option<&'a str>) -> Tool<'a> {
    let parameters = schema.map(|text| Raw::parse(text).unwrap());
    Tool {
        name: name.into(),
        description: None,
        strict: None,
        kind: ToolKind::Function { parameters },
        cache: None,
        extra: Extra::default(),
        form: 0,
    }
}

pub(super) fn question<'a>() -> Request<'a> {
    chat(vec![said(Role::User, "x")])
}

#[test]
fn wire_097_max_tokens_is_required() {
    let (value, _) = encoded(&question());
    assert_eq!(value["max_tokens"], 16_384);
    let mut request = question();
    request.max_output_tokens = Some(Num::from(77));
    assert_eq!(encoded(&request).0["max_tokens"], 77);
}

#[test]
fn wire_098_system_turns_lead_or_become_the_users_text() {
    let request = chat(vec![
        said(Role::System, "a"),
        said(Role::Developer, "b"),
        said(Role::User, "c"),
        said(Role::System, "d"),
        said(Role::Assistant, "e"),
        said(Role::Developer, "f"),
    ]);
    let (value, encoded) = encoded(&request);
    assert_eq!(value["system"], json!([{"type":"text","text":"a"},{"type":"text","text":"b"}]));
    let texts = json!([{"type":"text","text":"c"},{"type":"text","text":"d"}]);
    assert_eq!(
        value["messages"],
        json!([{"role":"user","content":texts},{"role":"assistant","content":"e"},{"role":"user","content":"f"}])
    );
    assert_eq!(lost(&encoded), ["approximated messages[].role"]);
}

#[test]
fn instructions_alone_become_the_question() {
    let (value, encoded) = encoded(&chat(vec![said(Role::System, "Write a poem.")]));
    assert_eq!(value["messages"], json!([{"role":"user","content":"Write a poem."}]));
    assert!(value.get("system").is_none());
    assert_eq!(lost(&encoded), ["approximated messages[].role"]);
}

#[test]
fn nothing_to_send_is_an_error() {
    let mut out = Vec::new();
    let error = encode_request(&chat(vec![said(Role::User, " \n")]), &Target::default(), &mut out).unwrap_err();
    assert_eq!(error.param.as_deref(), Some("messages[]"));
    assert!(out.is_empty());
}

#[test]
fn wire_099_results_come_first_and_complete() {
    let request = chat(vec![
        said(Role::User, "x"),
        Turn::new(Role::Assistant, vec![Block::text("calling"), call("a", "{}"), call("b", "")]),
        Turn::new(Role::Assistant, vec![call("c", "{\"x\":1.0}")]),
        said(Role::User, "wait"),
        Turn::new(Role::Tool, vec![result("c", "3")]),
        Turn::new(Role::Tool, vec![result("a", "1")]),
        Turn::new(Role::Tool, vec![result("zz", "9")]),
    ]);
    let (value, encoded) = encoded(&request);
    assert_eq!(value["messages"].as_array().unwrap().len(), 3);
    assert_eq!(
        value["messages"][2]["content"],
        json!([
            {"type":"tool_result","tool_use_id":"a","content":"1"},
            {"type":"tool_result","tool_use_id":"b","content":"The tool call was not answered.","is_error":true},
            {"type":"tool_result","tool_use_id":"c","content":"3"},
            {"type":"text","text":"wait"},
            {"type":"text","text":"Result of the tool call zz:"},
            {"type":"text","text":"9"},
        ])
    );
    assert_eq!(value["messages"][1]["content"][3]["input"], json!({"x":1.0}));
    // The history names a tool, so one must be declared; none may be called.
    assert_eq!(value["tools"][0]["name"], "get");
    assert_eq!(value["tool_choice"], json!({"type":"none"}));
    assert_eq!(lost(&encoded), ["approximated messages[].content[].tool_result"]);
}

#[test]
fn a_result_behind_other_words_is_found() {
    let request = chat(vec![
        said(Role::User, "x"),
        Turn::new(Role::Assistant, vec![call("a", "{}")]),
        said(Role::User, "y"),
        said(Role::Assistant, "z"),
        Turn::new(Role::Tool, vec![result("a", "1")]),
    ]);
    let (value, encoded) = encoded(&request);
    assert_eq!(value["messages"][2]["content"][0]["content"], "1");
    assert_eq!(value["messages"][3], json!({"role":"assistant","content":"z"}));
    assert_eq!(value["messages"].as_array().unwrap().len(), 4);
    assert!(lost(&encoded).is_empty());
}

#[test]
fn wire_134_a_result_before_its_call_answers_nothing() {
    let request = chat(vec![
        Turn::new(Role::Tool, vec![result("a", "early")]),
        Turn::new(Role::Assistant, vec![call("a", "{}")]),
        Turn::new(Role::Tool, vec![result("a", "late")]),
    ]);
    let (value, _) = encoded(&request);
    assert_eq!(value["messages"][0]["content"][1]["text"], "early");
    assert_eq!(value["messages"][2]["content"][0]["content"], "late");
}

#[test]
fn wire_109_ids_and_names_fit_the_alphabet_and_stay_pairs() {
    let mut request = chat(vec![
        said(Role::User, "x"),
        Turn::new(Role::Assistant, vec![call("call:1", "{}"), call("call:1", "{}")]),
        Turn::new(Role::Tool, vec![result("call:1", "1"), result("call:1", "2")]),
    ]);
    let long = "a.b".repeat(60);
    request.tools = vec![function(&long, None), function("fits", None)];
    request.tool_choice = Some(ToolChoice::Named(long.as_str().into()));
    let (value, encoded) = encoded(&request);
    let calls = value["messages"][1]["content"].as_array().unwrap();
    let results = value["messages"][2]["content"].as_array().unwrap();
    for (call, result) in calls.iter().zip(results) {
        assert_eq!(call["id"], result["tool_use_id"]);
        assert!(call["id"].as_str().unwrap().bytes().all(crate::repair::names::is_plain));
    }
    assert_ne!(calls[0]["id"], calls[1]["id"]);
    assert_eq!((&results[0]["content"], &results[1]["content"]), (&json!("1"), &json!("2")));
    let sent = value["tools"][0]["name"].as_str().unwrap();
    assert!(sent.len() <= 128);
    assert_eq!(encoded.notes.tool_names, [(sent.to_owned(), long.clone())]);
    assert_eq!(value["tool_choice"]["name"], sent);
}

#[test]
fn wire_023_arguments_are_always_an_object() {
    for (input, sent, losses) in [
        ("", json!({}), 0),
        ("  ", json!({}), 0),
        ("{\"a\":1}", json!({"a":1}), 0),
        ("[1]", json!({"input":[1]}), 1),
        ("{\"a\":", json!({"input":"{\"a\":"}), 1),
    ] {
        let request = chat(vec![said(Role::User, "x"), Turn::new(Role::Assistant, vec![call("a", input)])]);
        let (value, encoded) = encoded(&request);
        assert_eq!(value["messages"][1]["content"][0]["input"], sent);
        let lost = lost(&encoded);
        assert_eq!(lost.iter().filter(|loss| loss.contains("arguments")).count(), losses, "{input} {lost:?}");
    }
}

#[test]
fn wire_100_blank_text_is_left_out_and_a_prefill_is_trimmed() {
    let request = chat(vec![said(Role::User, "x"), said(Role::User, ""), said(Role::Assistant, "Sure: \n")]);
    let (value, _) = encoded(&request);
    let wanted = json!([{"role":"user","content":"x"},{"role":"assistant","content":"Sure:"}]);
    assert_eq!(value["messages"], wanted);
}

#[test]
fn a_conversation_begins_with_the_user() {
    let (value, encoded) = encoded(&chat(vec![said(Role::Assistant, "Hello"), said(Role::User, "x")]));
    assert_eq!(value["messages"][0]["role"], "user");
    assert_eq!(value["messages"].as_array().unwrap().len(), 3);
    assert_eq!(lost(&encoded), ["approximated messages[]"]);
}

#[test]
fn lessons_031_only_own_seals_are_sent() {
    let blocks = vec![thought(Dialect::Gemini), thought(Dialect::Anthropic), Block::text("y")];
    let request = chat(vec![said(Role::User, "x"), Turn::new(Role::Assistant, blocks), said(Role::User, "z")]);
    let (value, encoded) = encoded(&request);
    assert_eq!(
        value["messages"][1]["content"],
        json!([{"type":"thinking","thinking":"hm","signature":"seal"},{"type":"text","text":"y"}])
    );
    assert_eq!(lost(&encoded), ["dropped messages[].content[].reasoning"]);
}

pub(super) fn with_effort<'a>(effort: Effort) -> Request<'a> {
    let mut request = question();
    request.reasoning = Some(ReasoningConfig { effort: Some(effort), ..Default::default() });
    request
}

#[test]
fn wire_102_thinking_by_generation() {
    let request = with_effort(Effort::High);
    let (old, _) = encoded_for(&request, "claude-sonnet-4-5-20250929");
    assert_eq!(old["thinking"], json!({"type":"enabled","budget_tokens":16_384}));
    assert_eq!(old["max_tokens"], 32_768);
    let (new, _) = encoded_for(&request, "claude-opus-4-8");
    assert_eq!((&new["thinking"]["type"], &new["output_config"]["effort"]), (&json!("adaptive"), &json!("high")));
    assert_eq!(encoded(&with_effort(Effort::None)).0["thinking"], json!({"type":"disabled"}));
    let mut shown = question();
    shown.reasoning = Some(ReasoningConfig { visible: Some(true), ..Default::default() });
    assert!(encoded(&shown).0.get("thinking").is_none());
}

#[test]
fn wire_102_the_cap_holds_the_budget() {
    for (cap, budget) in [(40_000, Some(16_384)), (16_384, Some(8_192)), (1_500, Some(1_024)), (1_024, None)] {
        let mut request = with_effort(Effort::High);
        request.max_output_tokens = Some(Num::from(cap));
        let (value, encoded) = encoded(&request);
        assert_eq!(value["max_tokens"], cap);
        assert_eq!(value["thinking"]["budget_tokens"].as_u64(), budget);
        assert_eq!(lost(&encoded).is_empty(), cap == 40_000);
    }
}

#[test]
fn wire_101_sampling_bounds() {
    let mut request = question();
    request.sampling.temperature = Some(Num::from(1.5));
    request.sampling.top_p = Some(Num::from(0.5));
    request.sampling.seed = Some(Num::from(1));
    request.candidates = Some(Num::from(2));
    let (value, encoded) = encoded(&request);
    assert_eq!((&value["temperature"], value.get("top_p")), (&json!(1), None));
    assert_eq!(lost(&encoded), ["dropped seed", "dropped n", "clamped temperature", "dropped top_p"]);

    let mut request = with_effort(Effort::Low);
    request.sampling.temperature = Some(Num::from(0.2));
    request.sampling.top_k = Some(Num::from(4));
    let (value, losses) = super::encoded(&request);
    assert!(value.get("temperature").is_none() && value.get("top_k").is_none());
    assert_eq!(lost(&losses), ["dropped temperature", "dropped top_k"]);
    let (value, _) = encoded_for(&request, "claude-opus-4-7");
    assert!(value.get("temperature").is_none());
}

#[test]
fn wire_103_a_tool_loop_made_elsewhere_turns_thinking_off() {
    let mut request = with_effort(Effort::Low);
    request.turns.push(Turn::new(Role::Assistant, vec![call("a", "{}")]));
    request.turns.push(Turn::new(Role::Tool, vec![result("a", "1")]));
    let (value, encoded) = encoded(&request);
    assert_eq!(value["thinking"], json!({"type":"disabled"}));
    assert!(lost(&encoded).contains(&"dropped reasoning_effort".to_owned()));
    // A sealed thought in the loop, or a new question after it, keeps it on.
    request.turns[1].blocks.insert(0, thought(Dialect::Anthropic));
    assert_eq!(super::encoded(&request).0["thinking"]["type"], "enabled");
    request.turns[1].blocks.remove(0);
    request.turns.extend([said(Role::Assistant, "one"), said(Role::User, "and?")]);
    assert_eq!(super::encoded(&request).0["thinking"]["type"], "enabled");
}

#[test]
fn wire_104_a_forced_tool_yields_to_thinking() {
    let mut request = with_effort(Effort::Low);
    request.tools = vec![function("f", None)];
    request.tool_choice = Some(ToolChoice::Required);
    request.parallel_tool_calls = Some(false);
    let (value, encoded) = encoded(&request);
    assert_eq!(value["tool_choice"], json!({"type":"auto","disable_parallel_tool_use":true}));
    assert_eq!(lost(&encoded), ["approximated tool_choice"]);
    request.reasoning = None;
    assert_eq!(super::encoded(&request).0["tool_choice"]["type"], "any");
}

#[test]
fn wire_105_serial_calls_need_a_choice() {
    let mut request = question();
    request.parallel_tool_calls = Some(false);
    assert!(encoded(&request).0.get("tool_choice").is_none());
    request.tools = vec![function("f", None)];
    assert_eq!(encoded(&request).0["tool_choice"], json!({"type":"auto","disable_parallel_tool_use":true}));
    request.tool_choice = Some(ToolChoice::None);
    assert_eq!(encoded(&request).0["tool_choice"], json!({"type":"none"}));
}

#[test]
fn wire_106_schemas_are_objects_at_the_top() {
    let mut request = question();
    request.tools = vec![
        function("a", None),
        function("b", Some(r#"{"type":"object","properties":{"x":{"type":"number","minimum":1.0}}}"#)),
        function("c", Some(r#"{"anyOf":[{"properties":{"x":{}},"required":["x"]},{"properties":{"y":{}}}]}"#)),
        function("a", None),
    ];
    let (value, encoded) = encoded(&request);
    assert_eq!(value["tools"][0]["input_schema"], json!({"type":"object","properties":{}}));
    assert_eq!(value["tools"][1]["input_schema"]["properties"]["x"]["minimum"], 1.0);
    assert_eq!(value["tools"][2]["input_schema"], json!({"properties":{"x":{},"y":{}},"type":"object"}));
    assert_eq!(value["tools"].as_array().unwrap().len(), 3);
    assert_eq!(lost(&encoded), ["approximated tools[].parameters", "dropped tools[].name"]);
}

#[test]
fn strict_tools_only_where_the_schema_can_be_enforced() {
    let mut request = question();
    let strict = |name, schema| Tool { strict: Some(true), ..function(name, Some(schema)) };
    request.tools = vec![
        strict("a", r#"{"type":"object","properties":{},"additionalProperties":false}"#),
        strict(
            "b",
            r#"{"type":"object","properties":{"x":{"type":"integer","minimum":1}},"additionalProperties":false}"#,
        ),
    ];
    let (value, encoded) = encoded(&request);
    assert_eq!((value["tools"][0]["strict"].as_bool(), value["tools"][1].get("strict")), (Some(true), None));
    assert_eq!(value["tools"][1]["input_schema"]["properties"]["x"]["minimum"], 1);
    assert_eq!(lost(&encoded), ["dropped tools[].strict"]);
}

#[test]
fn wire_053_hosted_and_custom_tools() {
    let mut request = question();
    request.origin = Dialect::OpenAiResponses;
    let hosted =
        |name: &'static str| Tool { kind: ToolKind::Hosted { raw: Raw::parse("{}").unwrap() }, ..function(name, None) };
    let custom = Tool { kind: ToolKind::Custom { format: None }, ..function("apply_patch", None) };
    request.tools = vec![hosted("web_search"), hosted("file_search"), custom];
    let mut patch = call("p", "*** Begin");
    if let BlockKind::ToolUse(call) = &mut patch.kind {
        call.name = "apply_patch".into();
        call.kind = ToolUseKind::Custom;
    }
    request.turns.push(Turn::new(Role::Assistant, vec![patch]));
    let (value, encoded) = encoded(&request);
    assert_eq!(value["tools"][0], json!({"type":"web_search_20250305","name":"web_search"}));
    assert_eq!(value["tools"][1]["input_schema"]["required"], json!(["input"]));
    assert_eq!(value["messages"][1]["content"][0]["input"], json!({"input":"*** Begin"}));
    assert_eq!(encoded.notes.wrapped_custom, ["apply_patch"]);
    assert!(lost(&encoded).contains(&"dropped tools[].file_search".to_owned()));
}

#[test]
fn allowed_tools_are_the_only_ones_sent() {
    let mut request = question();
    request.tools = vec![function("a", None), function("b", None)];
    request.tool_choice = Some(ToolChoice::Among { names: vec!["b".into()], required: true });
    let (value, _) = encoded(&request);
    assert_eq!(value["tools"].as_array().unwrap().len(), 1);
    assert_eq!(value["tool_choice"], json!({"type":"any"}));
}

#[test]
fn wire_107_four_cache_marks_at_most() {
    let mark = || Some(CacheMark(Raw::parse(r#"{"type":"ephemeral"}"#).unwrap()));
    let mut turns = vec![said(Role::System, "s")];
    turns.extend((0..6).map(|_| said(Role::User, "u")));
    for turn in &mut turns {
        turn.blocks[0].cache = mark();
    }
    let (value, encoded) = encoded(&chat(turns));
    assert!(value["system"][0].get("cache_control").is_some());
    let marked: Vec<bool> = value["messages"][0]["content"]
        .as_array()
        .unwrap()
        .iter()
        .map(|block| block.get("cache_control").is_some())
        .collect();
    assert_eq!(marked, [false, false, false, true, true, true]);
    assert_eq!(lost(&encoded), ["dropped cache_control"]);
}

#[test]
fn wire_110_the_bytes_tell_a_pictures_type() {
    let image = |mime: Option<&'static str>, source| {
        Block::new(BlockKind::Image(Media { mime: mime.map(Str::from), source, name: None }))
    };
    let png = MediaSource::Base64("iVBORw0KGgoAAAANSUhEUg==".into());
    let request = chat(vec![Turn::new(Role::User, vec![image(Some("image/jpeg"), png)])]);
    assert_eq!(encoded(&request).0["messages"][0]["content"][0]["source"]["media_type"], "image/png");
    for source in [MediaSource::FileId("f".into()), MediaSource::Url("gs://b/x".into())] {
        let request = chat(vec![Turn::new(Role::User, vec![image(Some("image/png"), source)])]);
        assert!(encode_request(&request, &Target::default(), &mut Vec::new()).is_err());
    }
    let sound = Media { mime: None, source: MediaSource::Base64("AAAA".into()), name: None };
    let request = chat(vec![Turn::new(Role::User, vec![Block::new(BlockKind::Audio(sound))])]);
    assert!(encode_request(&request, &Target::default(), &mut Vec::new()).is_err());
}

#[test]
fn wire_113_formats_of_the_answer() {
    let mut request = question();
    let schema = Raw::parse(r#"{"type":"object","properties":{"a":{"type":"integer"}}}"#).unwrap();
    request.output_format =
        Some(OutputFormat::JsonSchema { name: Some("n".into()), description: None, schema, strict: Some(true) });
    let (value, _) = encoded(&request);
    assert_eq!(value["output_config"]["format"]["type"], "json_schema");
    assert_eq!(value["output_config"]["format"]["schema"]["additionalProperties"], false);
    let schema =
        Raw::parse(r#"{"type":"array","minItems":1,"items":{"type":"integer","minimum":3,"description":"x"}}"#);
    request.output_format =
        Some(OutputFormat::JsonSchema { name: None, description: None, schema: schema.unwrap(), strict: None });
    let (value, losses) = encoded(&request);
    let item = json!({"type":"integer","description":"x {\"minimum\":3}"});
    assert_eq!(value["output_config"]["format"]["schema"], json!({"type":"array","minItems":1,"items":item}));
    assert_eq!(lost(&losses), ["approximated response_format"]);
    request.output_format = Some(OutputFormat::JsonObject);
    let (value, encoded) = encoded(&request);
    assert!(value["system"].as_str().unwrap().contains("JSON object"));
    assert_eq!(lost(&encoded), ["approximated response_format"]);
}

#[test]
fn wire_114_blank_stop_sequences_are_left_out() {
    let mut request = question();
    request.stop = vec!["\n".into(), "END".into()];
    let (value, encoded) = encoded(&request);
    assert_eq!(value["stop_sequences"], json!(["END"]));
    assert_eq!(lost(&encoded), ["dropped stop"]);
}

#[test]
fn wire_126_foreign_members_are_losses() {
    let mut request = question();
    request.extra.push("store", Raw::TRUE);
    request.turns[0].extra.push("weight", Raw::TRUE);
    assert_eq!(lost(&encoded(&request).1), ["dropped store", "dropped messages[].weight"]);
}

#[test]
fn foreign_answers_are_messages() {
    let mut sealed = call("c1", "{\"a\":1}");
    sealed.signature = Some(Signature { issuer: Dialect::Gemini, value: "gem".into() });
    let response = crate::ir::Response {
        origin: Dialect::Gemini,
        id: Some("abc".into()),
        model: Some("gemini".into()),
        created: None,
        choices: vec![crate::ir::Choice {
            index: 0,
            blocks: vec![thought(Dialect::Gemini), Block::text(""), Block::text("t"), sealed],
            stop: StopReason::EndTurn,
            stop_raw: Some("STOP".into()),
            stop_sequence: None,
            extra: Extra::default(),
            form: 0,
        }],
        usage: Some(Usage { uncached: 3, cache_read: 2, output: 4, reasoning: 1, ..Usage::default() }),
        extra: Extra::default(),
    };
    let mut out = Vec::new();
    encode_response(&response, &context(), &mut out);
    let value: Value = serde_json::from_slice(&out).unwrap();
    assert!(value["id"].as_str().unwrap().starts_with("msg_"));
    assert_eq!((&value["model"], &value["stop_reason"]), (&json!("claude-alias"), &json!("tool_use")));
    assert_eq!((&value["stop_sequence"], &value["usage"]["output_tokens"]), (&Value::Null, &json!(5)));
    let kinds: Vec<&str> = value["content"].as_array().unwrap().iter().map(|b| b["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["thinking", "text", "tool_use", "redacted_thinking"]);

    // The client sends them back: every seal is on its own block again.
    let body = json!({"model":"m","max_tokens":1,"messages":[{"role":"assistant","content":value["content"]}]});
    let body = body.to_string();
    let request = decode_request(body.as_bytes(), &Endpoint::default()).unwrap();
    let blocks = &request.turns[0].blocks;
    assert_eq!(blocks.len(), 3);
    assert_eq!(blocks[0].signature.as_ref().unwrap().for_provider(Dialect::Gemini), Some("seal"));
    assert_eq!(blocks[2].signature.as_ref().unwrap().for_provider(Dialect::Gemini), Some("gem"));
    // Towards this dialect's own provider the foreign thought is gone and the call is there.
    let (value, losses) = encoded(&request);
    assert_eq!(value["messages"][0]["content"].as_array().unwrap().len(), 2);
    assert_eq!(lost(&losses), ["dropped messages[].content[].thinking"]);
}
