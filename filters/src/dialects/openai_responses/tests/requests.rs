//! Requests.

use serde_json::json;

use super::*;
use crate::Dialect;
use crate::ir::{
    Block, BlockKind, Effort, LossKind, Media, MediaSource, OutputFormat, ReasoningBlock, ReasoningConfig, Request,
    Role, Signature, Tool, ToolChoice, ToolKind, ToolResult, ToolUse, ToolUseKind, Turn,
};
use crate::json::{Extra, Num, Raw, Str};

const CODEX: &[u8] = include_bytes!("../fixtures/codex.json");

fn decoded(body: &str) -> Request<'_> {
    decode_request(body.as_bytes(), &Endpoint::default()).unwrap()
}

/// Encodes for `model`; gives the body and the fields lost.
fn sent(request: &Request<'_>, model: &str) -> (Value, Vec<String>) {
    let target = Target::new(model, false);
    let mut out = Vec::new();
    let encoded = encode_request(request, &target, &mut out).unwrap();
    (parsed(&out), encoded.losses.iter().map(|loss| loss.field.to_string()).collect())
}

fn foreign(turns: Vec<Turn<'_>>) -> Request<'_> {
    Request { turns, ..Request::new(Dialect::Anthropic, Str::from("claude")) }
}

fn user(text: &str) -> Turn<'_> {
    Turn::new(Role::User, vec![Block::text(text)])
}

fn call(id: &str) -> Block<'_> {
    let call = ToolUse { id: Str::from(id), name: Str::from("f"), input: Str::from("{}"), kind: ToolUseKind::Function };
    Block::new(BlockKind::ToolUse(call))
}

fn result<'a>(id: &'a str, content: Vec<Block<'a>>, is_error: Option<bool>) -> Block<'a> {
    let result = ToolResult { id: Str::from(id), name: None, content, is_error, kind: ToolUseKind::Function };
    Block::new(BlockKind::ToolResult(result))
}

fn function<'a>(name: &'a str, parameters: Option<&'a str>) -> Tool<'a> {
    let parameters = parameters.and_then(Raw::parse);
    Tool {
        name: Str::from(name),
        description: None,
        strict: None,
        kind: ToolKind::Function { parameters },
        cache: None,
        extra: Extra::default(),
        form: 0,
    }
}

#[test]
fn wire_160_codex_comes_back_as_it_was() {
    assert_eq!(request_round_trip(CODEX), parsed(CODEX));
}

#[test]
fn every_item_is_a_turn() {
    let request = decode_request(CODEX, &Endpoint::default()).unwrap();
    let roles: Vec<Role> = request.turns.iter().map(|turn| turn.role).collect();
    use Role::{Assistant, Developer, Tool as Results, User};
    assert_eq!(roles, [Developer, User, Assistant, Assistant, Assistant, Results, Assistant, Results, User]);
    let BlockKind::Reasoning(reasoning) = &request.turns[2].blocks[0].kind else { panic!() };
    assert_eq!(reasoning.text, ["**Listing**", "I run ls."]);
    assert_eq!(request.turns[2].blocks[0].signature.as_ref().unwrap().value, "gAAAAABo0000");
    let BlockKind::ToolResult(result) = &request.turns[5].blocks[0].kind else { panic!() };
    assert_eq!(result.name.as_deref(), Some("exec_command"));
    assert!(matches!(request.tools[3].kind, ToolKind::Hosted { .. }), "wire 152: never an error");
    assert_eq!(request.reasoning.unwrap().visible, Some(true));
}

#[test]
fn every_spelling_comes_back_as_it_was() {
    for body in [
        r#"{"model":"m","input":"hi"}"#,
        r#"{"model":"m","input":[],"stream":false,"instructions":"","tools":[]}"#,
        r#"{"model":"m","input":"hi","stream":true,"instructions":null,"stream_options":{"include_obfuscation":false}}"#,
        r#"{"model":"m","previous_response_id":"resp_1","input":null}"#,
        r#"{"model":"m","prompt":{"id":"pmpt_1"},"background":true,"conversation":"conv_1"}"#,
        r#"{"model":"m","input":[{"role":"user","content":"a"},{"type":"message","role":"system","content":"b"},{"role":"assistant","content":[]}]}"#,
        r#"{"model":"m","input":[{"role":"assistant","content":null},{"id":"msg_1"},{"type":null,"role":"developer","content":"x"}]}"#,
        r#"{"model":"m","input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,iVBO","detail":"low"},{"type":"input_image","file_id":"f","image_url":null}]}]}"#,
        r#"{"model":"m","input":[{"role":"user","content":[{"type":"input_image","image_url":"https://a/b.png"},{"type":"input_image","image_url":"data:image/png;x=y;base64,iVBO"}]}]}"#,
        r#"{"model":"m","input":[{"role":"user","content":[{"type":"input_file","file_data":"data:application/pdf;base64,JVBE","filename":"a.pdf"},{"type":"input_file","file_data":"JVBE"},{"type":"input_file","file_url":"https://a"},{"type":"input_file","file_id":"f"}]}]}"#,
        r#"{"model":"m","input":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"UklG","format":"wav"}},{"type":"output_text","text":"odd"},{"type":"text","text":"odd"},{"type":"future","x":{}}]}]}"#,
        r#"{"model":"m","input":[{"type":"function_call_output","call_id":"c","output":""},{"type":"function_call_output","call_id":"c","output":null},{"type":"function_call_output","call_id":"c","output":[]}]}"#,
        r#"{"model":"m","input":[{"type":"reasoning","id":"rs","summary":[]},{"type":"reasoning","encrypted_content":null},{"type":"reasoning","summary":[{"type":"summary_text","text":"a","x":1}],"content":[{"type":"reasoning_text","text":"b"}]}]}"#,
        r#"{"model":"m","input":"x","reasoning":{"effort":"max"},"text":{}}"#,
        r#"{"model":"m","input":"x","reasoning":{"effort":"extreme","summary":"long","context":"all_turns"},"text":{"format":{"type":"text"},"verbosity":"low"}}"#,
        r#"{"model":"m","input":"x","reasoning":{"effort":null,"summary":"detailed"},"text":{"format":null}}"#,
        r#"{"model":"m","input":"x","text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object"},"strict":null,"description":"d"}}}"#,
        r#"{"model":"m","input":"x","text":{"format":{"type":"grammar","definition":"x"}},"temperature":1,"top_p":1.0,"max_output_tokens":99999999999999999999}"#,
        r#"{"model":"m","input":"x","user":"u","safety_identifier":"s","metadata":{"a":"b"},"service_tier":"flex"}"#,
        r#"{"model":"m","input":"x","safety_identifier":"s","store":false,"top_logprobs":2,"truncation":"auto"}"#,
        r#"{"model":"m","input":"x","tools":[{"type":"function","name":"f","parameters":null,"strict":null},{"type":"custom","name":"c"}],"tool_choice":{"type":"custom","name":"c"}}"#,
        r#"{"model":"m","input":"x","tools":[{"type":"function","name":"f"}],"tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"f"}]},"parallel_tool_calls":false}"#,
        r#"{"model":"m","input":"x","tools":[{"type":"mcp","server_label":"x"}],"tool_choice":{"type":"mcp","server_label":"x"}}"#,
        r#"{"model":"m","input":"x","tool_choice":"banana"}"#,
    ] {
        assert_eq!(request_round_trip(body.as_bytes()), parsed(body.as_bytes()), "{body}");
    }
}

#[test]
fn the_target_decides_model_and_mode() {
    let request = decoded(r#"{"model":"m","input":"x","stream":true,"stream_options":{"include_obfuscation":false}}"#);
    let (body, _) = sent(&request, "other");
    assert_eq!(body, json!({"model": "other", "input": "x", "stream": false}), "wire 122: no stream_options alone");
}

#[test]
fn errors_name_the_member_at_fault() {
    for (body, param) in [
        ("{", None),
        ("[]", None),
        (r#"{"input":"x"}"#, Some("model")),
        (r#"{"model":5,"input":"x"}"#, Some("model")),
        (r#"{"model":"m"}"#, Some("input")),
        (r#"{"model":"m","input":7}"#, Some("input")),
        (r#"{"model":"m","input":"x","temperature":"hot"}"#, Some("temperature")),
        (r#"{"model":"m","input":"x","reasoning":{"effort":3}}"#, Some("reasoning.effort")),
        (
            r#"{"model":"m","input":[{"role":"user","content":"a"},{"type":"function_call","name":"f","arguments":"{}"}]}"#,
            Some("input[1].call_id"),
        ),
        (r#"{"model":"m","input":[{"role":"wizard","content":"a"}]}"#, Some("input[0].role")),
        (r#"{"model":"m","input":[{"content":"a"}]}"#, Some("input[0].type")),
        (
            r#"{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_text"}]}]}"#,
            Some("input[0].content[1].text"),
        ),
        (
            r#"{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":{}}]}]}"#,
            Some("input[0].content[0].text"),
        ),
        (r#"{"model":"m","input":"x","tools":[{"type":"function"}]}"#, Some("tools[0].name")),
        (r#"{"model":"m","input":"x","tool_choice":4}"#, Some("tool_choice")),
        (r#"{"model":"m","input":"x","text":{"format":{"type":"json_schema"}}}"#, Some("text.format.schema")),
    ] {
        let error = decode_request(body.as_bytes(), &Endpoint::default()).unwrap_err();
        assert_eq!(error.param.as_deref(), param, "{body}: {error}");
    }
    assert!(decode_request(b"\xff", &Endpoint::default()).is_err());
}

#[test]
fn wire_047_native_reasoning_precedes_its_call() {
    let thought = |issuer| Block {
        signature: Some(Signature { issuer, value: Str::from("seal") }),
        ..Block::new(BlockKind::Reasoning(ReasoningBlock { text: vec![Str::from("t")], redacted: false, id: None }))
    };
    let request = foreign(vec![
        user("go"),
        Turn::new(Role::Assistant, vec![thought(Dialect::OpenAiResponses), call("c1")]),
        Turn::new(Role::User, vec![result("c1", vec![Block::text("ok")], None)]),
        Turn::new(
            Role::Assistant,
            vec![thought(Dialect::Anthropic), Block::text("done"), thought(Dialect::OpenAiResponses)],
        ),
    ]);
    let (body, losses) = sent(&request, "gpt-5");
    let kinds: Vec<&str> =
        body["input"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["message", "reasoning", "function_call", "function_call_output", "message"]);
    assert_eq!(
        body["input"][1],
        json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": "t"}], "encrypted_content": "seal"})
    );
    assert_eq!(losses, ["messages[].content[].reasoning"], "wire 49: never the user's words");
    assert_eq!((&body["store"], &body["include"]), (&json!(false), &json!(["reasoning.encrypted_content"])));
}

#[test]
fn results_and_calls_are_paired() {
    let request = foreign(vec![
        user("go"),
        Turn::new(Role::Assistant, vec![call("same"), call("same"), call("open")]),
        Turn::new(
            Role::User,
            vec![
                result("same", vec![Block::text("one")], None),
                result("same", vec![Block::text("two")], Some(true)),
                result("stray", vec![Block::text("three")], None),
                Block::text("and now?"),
            ],
        ),
    ]);
    let (body, losses) = sent(&request, "gpt-5");
    let items = body["input"].as_array().unwrap();
    let ids: Vec<&str> = items.iter().filter_map(|item| item["call_id"].as_str()).collect();
    assert_eq!(ids, ["same", "same_1", "open", "open", "same", "same_1"]);
    assert_eq!((&items[5]["output"], &items[6]["output"]), (&json!("one"), &json!("Error: two")));
    assert_eq!(items[7]["role"], "user", "wire 134");
    assert_eq!(items[7]["content"][1]["text"], "three");
    assert_eq!(items[8]["content"][0], json!({"type": "input_text", "text": "and now?"}));
    assert!(losses.contains(&"messages[].tool_calls".to_owned()));
}

#[test]
fn wire_057_names_and_ids_fit() {
    let long = "x".repeat(200);
    let mut request = foreign(vec![
        user("go"),
        Turn::new(Role::Assistant, vec![call(&long)]),
        Turn::new(Role::User, vec![result(&long, vec![], None)]),
    ]);
    request.tools = vec![function("a.b/c", None)];
    request.tool_choice = Some(ToolChoice::Named(Str::from("a.b/c")));
    let target = Target::new("gpt-5", false);
    let mut out = Vec::new();
    let encoded = encode_request(&request, &target, &mut out).unwrap();
    let body = parsed(&out);
    let id = body["input"][1]["call_id"].as_str().unwrap();
    assert!(id.len() <= 64);
    assert_eq!(body["input"][2]["call_id"], id);
    let name = body["tools"][0]["name"].as_str().unwrap();
    assert!(!name.contains(['.', '/']));
    assert_eq!(body["tool_choice"], json!({"type": "function", "name": name}));
    assert_eq!(encoded.notes.tool_names, [(name.to_owned(), "a.b/c".to_owned())]);
}

#[test]
fn wire_055_tools_are_flat_and_strictness_is_said() {
    let mut request = foreign(vec![user("go")]);
    request.tools = vec![function("f", Some(r#"{"type":"object"}"#)), function("g", None)];
    let (body, _) = sent(&request, "gpt-5");
    let expected = |name: &str| json!({"type": "function", "name": name, "strict": false, "parameters": {"type": "object", "properties": {}}});
    assert_eq!(body["tools"], json!([expected("f"), expected("g")]));
}

#[test]
fn wire_053_web_search_is_mapped_and_other_hosted_tools_are_lost() {
    let hosted = |name: &'static str, raw: &'static str| Tool {
        kind: ToolKind::Hosted { raw: Raw::parse(raw).unwrap() },
        ..function(name, None)
    };
    let mut request = foreign(vec![user("go")]);
    request.tools = vec![hosted("computer_20250124", "{}")];
    request.tool_choice = Some(ToolChoice::Named(Str::from("computer_20250124")));
    let (body, losses) = sent(&request, "gpt-5");
    assert_eq!((body.get("tools"), body.get("tool_choice")), (None, None));
    assert_eq!(losses, ["tools[].computer_20250124", "tool_choice"]);
    let raw = r#"{"type":"web_search_preview","filters":{"allowed_domains":["a.b"]},"user_location":{"type":"approximate","country":"DE"},"search_context_size":"low"}"#;
    let own = hosted("web_search_preview", raw);
    let mut search = read_web_search(&own).unwrap();
    search.uses_max = Some(Num::from(3_u64));
    let mut out = Vec::new();
    notes::write_web_search(&mut crate::json::Writer::new(&mut out), &search);
    let mut expected = parsed(raw.as_bytes());
    expected["type"] = json!("web_search");
    assert_eq!(parsed(&out), expected);
    assert_eq!(notes::unsaid(&search).collect::<Vec<_>>(), ["max_uses"]);
    assert!(read_web_search(&hosted("file_search", "{}")).is_none());
}

#[test]
fn wire_054_custom_tools_of_chat_lose_their_nesting() {
    let mut request = foreign(vec![user("go")]);
    request.origin = Dialect::OpenAiChat;
    let format = Raw::parse(r#"{"type":"grammar","grammar":{"syntax":"lark","definition":"start"}}"#);
    request.tools = vec![Tool { kind: ToolKind::Custom { format }, ..function("patch", None) }];
    let (body, losses) = sent(&request, "gpt-5");
    assert_eq!(body["tools"][0]["format"], json!({"type": "grammar", "syntax": "lark", "definition": "start"}));
    assert!(losses.is_empty());
}

#[test]
fn system_turns_lead_or_keep_their_place() {
    let request = foreign(vec![
        Turn::new(Role::System, vec![Block::text("A"), Block::text("B")]),
        user("go"),
        Turn::new(Role::System, vec![Block::text("C")]),
        Turn::new(Role::User, vec![Block::text("")]),
    ]);
    let (body, _) = sent(&request, "gpt-5");
    assert_eq!(body["instructions"], "A\n\nB");
    assert_eq!(
        body["input"][1],
        json!({"type": "message", "role": "system", "content": [{"type": "input_text", "text": "C"}]})
    );
    assert_eq!(body["input"].as_array().unwrap().len(), 2, "wire 48: nothing empty");
    let (alone, _) = sent(&foreign(vec![Turn::new(Role::System, vec![Block::text("A")])]), "gpt-5");
    assert_eq!(alone["input"][0]["role"], "system");
}

#[test]
fn nothing_to_say_is_an_error() {
    let mut out = b"before".to_vec();
    let request = foreign(vec![Turn::new(Role::User, vec![])]);
    let error = encode_request(&request, &Target::default(), &mut out).unwrap_err();
    assert_eq!(error.param.as_deref(), Some("input"));
    assert_eq!(out, b"before");
}

#[test]
fn media_are_said_or_lost() {
    let media = |source, mime: Option<&'static str>| Media { mime: mime.map(Str::from), source, name: None };
    let base64 = || MediaSource::Base64(Str::from("iVBORw0="));
    let request = foreign(vec![Turn::new(
        Role::User,
        vec![
            Block::new(BlockKind::Image(media(base64(), None))),
            Block::new(BlockKind::File(media(base64(), Some("application/pdf")))),
            Block::new(BlockKind::File(media(MediaSource::Text(Str::from("plain")), None))),
        ],
    )]);
    let (body, losses) = sent(&request, "gpt-5");
    let expected = json!([
        {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0=", "detail": "auto"},
        {"type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,iVBORw0="},
        {"type": "input_text", "text": "plain"}
    ]);
    assert_eq!(body["input"][0]["content"], expected);
    assert_eq!(losses, [""; 0]);
    let film = BlockKind::Video(media(base64(), None));
    let request = foreign(vec![Turn::new(Role::User, vec![Block::new(film)])]);
    let error = encode_request(&request, &Target::default(), &mut Vec::new()).unwrap_err();
    assert!(error.message.contains("no video"), "{error}");
    let stored = media(MediaSource::FileId(Str::from("file_1")), None);
    let mut request = foreign(vec![Turn::new(Role::User, vec![Block::new(BlockKind::File(stored))])]);
    let refused = crate::dialects::encode_request(DIALECT, &request, &Target::default(), &mut Vec::new()).unwrap_err();
    assert!(refused.message.contains("file_1"), "{refused}");
    request.origin = Dialect::OpenAiChat;
    assert_eq!(sent(&request, "gpt-5").0["input"][0]["content"][0]["file_id"], "file_1");
}

#[test]
fn wire_123_settings_fit_the_model() {
    let mut request = foreign(vec![user("go")]);
    request.sampling.temperature = Some(Num::from(0.5));
    request.max_output_tokens = Some(Num::from(1_u64));
    request.stop = vec![Str::from("END")];
    request.user = Some(Str::from("u".repeat(100)));
    request.reasoning =
        Some(ReasoningConfig { effort: Some(Effort::Max), enabled: Some(true), ..ReasoningConfig::default() });
    let (body, losses) = sent(&request, "gpt-5-mini");
    assert_eq!(body.get("temperature"), None);
    assert_eq!(body["max_output_tokens"], 16);
    assert_eq!(body["reasoning"], json!({"effort": "high", "summary": "auto"}));
    assert!(body["user"].as_str().unwrap().len() <= 64);
    assert_eq!(losses, ["temperature", "max_output_tokens", "reasoning.effort", "user", "stop"]);
    let (body, losses) = sent(&request, "gpt-4.1");
    assert_eq!(body["temperature"].as_f64(), Some(0.5));
    assert_eq!((body.get("reasoning"), body.get("include")), (None, None));
    assert!(losses.contains(&"reasoning".to_owned()));
}

#[test]
fn wire_056_formats_and_shared_members_of_chat() {
    let mut request = foreign(vec![user("go")]);
    request.origin = Dialect::OpenAiChat;
    request.output_format = Some(OutputFormat::JsonObject);
    request.metadata = Raw::parse("{}");
    request.verbosity = Some(Str::from("low"));
    request.store = Some(true);
    request.service_tier = Some(Str::from("flex"));
    request.prompt_cache_key = Some(Str::from("k"));
    request.logprobs = Some(crate::ir::LogprobsConfig { top: Some(Num::from(30_u64)) });
    request.extra.push("logit_bias", Raw::parse("{}").unwrap());
    let (body, losses) = sent(&request, "gpt-4.1");
    assert_eq!((&body["service_tier"], &body["prompt_cache_key"]), (&json!("flex"), &json!("k")));
    assert_eq!((&body["top_logprobs"], &body["include"]), (&json!(20), &json!(["message.output_text.logprobs"])));
    assert_eq!(body["text"], json!({"format": {"type": "json_object"}, "verbosity": "low"}));
    assert_eq!((&body["metadata"], &body["store"]), (&json!({}), &json!(true)));
    assert!(body["input"][0].to_string().contains("JSON"), "OpenAI wants the word");
    assert_eq!(losses, ["response_format", "top_logprobs", "logit_bias"]);
    assert!(sent(&request, "gpt-5").1.contains(&"logprobs".to_owned()), "these models give none");
    assert_eq!(LossKind::Dropped.name(), "dropped");
}

#[test]
fn shared_settings_are_read_into_fields() {
    let request = decoded(
        r#"{"model":"m","input":"x","service_tier":"flex","metadata":{"a":"b"},"prompt_cache_key":"k","store":false,"text":{"verbosity":"low"},"top_logprobs":2,"include":["message.output_text.logprobs"],"truncation":"disabled","background":false}"#,
    );
    assert_eq!((request.service_tier.as_deref(), request.prompt_cache_key.as_deref()), (Some("flex"), Some("k")));
    assert_eq!((request.verbosity.as_deref(), request.store), (Some("low"), Some(false)));
    assert_eq!(request.metadata.unwrap().get(), r#"{"a":"b"}"#);
    assert_eq!(request.logprobs.unwrap().top.unwrap().get(), "2");
    assert!(request.extra.iter().all(|(key, _)| Extra::is_private(key)), "{:?}", request.extra);
}

#[test]
fn wire_051_and_wire_058_what_is_stored_elsewhere_is_refused_with_a_reason() {
    for (member, value) in [
        ("previous_response_id", "\"resp_1\""),
        ("conversation", "\"conv_1\""),
        ("prompt", "{\"id\":\"p\"}"),
        ("background", "true"),
    ] {
        let body = format!("{{\"model\":\"m\",\"input\":\"x\",\"{member}\":{value}}}");
        assert_eq!(request_round_trip(body.as_bytes()), parsed(body.as_bytes()));
        let request = decoded(&body);
        for dialect in [Dialect::OpenAiChat, Dialect::Anthropic, Dialect::Gemini] {
            let target = Target::new("m", false);
            let error = crate::dialects::encode_request(dialect, &request, &target, &mut Vec::new()).unwrap_err();
            assert_eq!(error.param.as_deref(), Some(member), "{dialect:?}");
        }
    }
}

#[test]
fn wire_114_stop_sequences_have_no_place() {
    let mut request = foreign(vec![user("go")]);
    request.stop = vec![Str::from("END")];
    let (body, losses) = sent(&request, "gpt-4.1");
    assert_eq!(body.get("stop"), None);
    assert_eq!(losses, ["stop"]);
}

#[test]
fn wire_152_namespaces_are_flattened_with_a_prefix_only_where_needed() {
    let body = json!({"model": "m", "input": [
        {"type": "function_call", "call_id": "c1", "namespace": "a", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "c2", "namespace": "b", "name": "only", "arguments": "{}"},
        {"role": "developer", "type": "additional_tools", "tools": [{"type": "function", "name": "late"}]}
    ], "tools": [
        {"type": "function", "name": "f"},
        {"type": "namespace", "name": "a", "tools": [{"type": "function", "name": "f"}]},
        {"type": "namespace", "name": "b", "tools": [{"type": "function", "name": "only"}]},
        {"type": "tool_search"}
    ]});
    let text = body.to_string();
    assert_eq!(request_round_trip(text.as_bytes()), body);
    let request = decoded(&text);
    let names: Vec<&str> = request.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["f", "a__f", "only", "late"]);
    let called = |n: usize| match &request.turns[n].blocks[0].kind {
        BlockKind::ToolUse(call) => call.name.as_str().to_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!((called(0), called(1)), ("a__f".to_owned(), "only".to_owned()));
    assert!(request.turns[2].blocks.is_empty(), "its tools are among the request's");
}

#[test]
fn wire_150_160_only_true_losses_of_codex() {
    for (dialect, model) in [
        (Dialect::OpenAiChat, "gpt-4.1"),
        (Dialect::Anthropic, "claude-sonnet-4-5"),
        (Dialect::Gemini, "gemini-2.5-pro"),
    ] {
        let request = decode_request(CODEX, &Endpoint::default()).unwrap();
        let mut out = Vec::new();
        let target = Target::new(model, true);
        let encoded = crate::dialects::encode_request(dialect, &request, &target, &mut out).unwrap();
        let noise = ["status", "phase", "].id", "namespace", "client_metadata", "include", "annotations", "logprobs"];
        for loss in encoded.losses.iter() {
            assert!(!noise.iter().any(|word| loss.field.contains(word)), "{dialect:?}: {}", loss.field);
        }
        assert!(parsed(&out).to_string().contains("\"spawn\""), "{dialect:?}");
        assert_eq!(encoded.notes.shell_commands, ["exec_command"]);
    }
}

#[test]
fn pictures_that_the_model_made_are_pictures_elsewhere() {
    let body = r#"{"model":"m","input":[{"type":"image_generation_call","id":"ig_1","status":"completed","result":"UklG","output_format":"webp","size":"1x1"},{"type":"image_generation_call","id":"ig_2","result":null}]}"#;
    assert_eq!(request_round_trip(body.as_bytes()), parsed(body.as_bytes()));
    let request = decoded(body);
    let BlockKind::Image(media) = &request.turns[0].blocks[0].kind else { panic!() };
    assert_eq!(media.mime.as_deref(), Some("image/webp"));
    assert!(matches!(request.turns[1].blocks[0].kind, BlockKind::Opaque { .. }));
}
