//! Requests of other dialects, also hostile ones.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::Dialect;
use crate::ir::{
    Block, BlockKind, CacheMark, Effort, Media, MediaSource, OutputFormat, ReasoningBlock, ReasoningConfig, Role,
    Signature, Tool, ToolChoice, ToolKind, ToolResult, ToolUse, ToolUseKind, Turn,
};
use crate::json::{Extra, Num, Raw};

fn request(turns: Vec<Turn<'static>>) -> Request<'static> {
    Request { turns, ..Request::new(Dialect::Anthropic, "claude".into()) }
}

fn encoded(request: &Request<'_>, quirks: Quirks) -> (Value, Vec<String>) {
    let (text, encoded) = encode(request, quirks);
    let losses = encoded.losses.iter().map(|loss| format!("{} {}", loss.kind.name(), loss.field)).collect();
    (serde_json::from_str(&text).unwrap(), losses)
}

fn user(text: &'static str) -> Turn<'static> {
    Turn::new(Role::User, vec![Block::text(text)])
}

fn call(id: &'static str, name: &'static str) -> Block<'static> {
    let call = ToolUse { id: id.into(), name: name.into(), input: "".into(), kind: ToolUseKind::Function };
    Block::new(BlockKind::ToolUse(call))
}

fn result(id: &'static str, content: Vec<Block<'static>>, is_error: Option<bool>) -> Block<'static> {
    let kind = ToolUseKind::Function;
    Block::new(BlockKind::ToolResult(ToolResult { id: id.into(), name: None, content, is_error, kind }))
}

fn image(source: MediaSource<'static>) -> Block<'static> {
    Block::new(BlockKind::Image(Media { mime: Some("image/png".into()), source, name: None }))
}

fn thought(text: &'static str, issuer: Option<Dialect>) -> Block<'static> {
    let block = ReasoningBlock { text: vec![text.into()], redacted: false, id: None };
    let signature = issuer.map(|issuer| Signature { issuer, value: "seal".into() });
    Block { signature, ..Block::new(BlockKind::Reasoning(block)) }
}

#[test]
fn models_that_reason_are_not_asked_for_what_they_refuse() {
    let mut one = request(vec![user("go")]);
    one.sampling.temperature = Some(Num::from(1));
    one.sampling.top_p = Some(Num::from(0));
    one.sampling.frequency_penalty = Some(Num::from(1));
    one.stop = vec!["END".into()];
    one.reasoning = Some(ReasoningConfig { effort: Some(Effort::High), ..ReasoningConfig::default() });
    let sent = |one: &Request<'_>, model: &str| {
        let mut out = Vec::new();
        let encoded = encode_request(one, &Target::new(model, false), &mut out).unwrap();
        let lost: Vec<String> = encoded.losses.iter().map(|loss| loss.field.to_string()).collect();
        (serde_json::from_slice::<Value>(&out).unwrap(), lost)
    };
    for model in ["gpt-5", "openai/gpt-5-mini", "o3"] {
        let (out, lost) = sent(&one, model);
        for name in ["temperature", "top_p", "frequency_penalty", "stop"] {
            assert!(out.get(name).is_none(), "{model}: {out}");
        }
        assert_eq!(lost, ["top_p", "frequency_penalty", "stop_sequences"], "1 is the default: nothing is lost");
        assert_eq!(out["reasoning_effort"], "high");
    }
    let (out, lost) = sent(&one, "gpt-4.1");
    assert_eq!((&out["top_p"], &out["stop"], out.get("reasoning_effort")), (&json!(0), &json!(["END"]), None));
    assert_eq!(lost, ["reasoning"]);
    // A server's own model takes it all; and a client of this dialect is told by the provider itself.
    assert_eq!(sent(&one, "qwen3").1, Vec::<String>::new());
    let own = Request { origin: Dialect::OpenAiChat, ..one };
    assert_eq!(sent(&own, "gpt-5").0["top_p"], 0);
}

#[test]
fn wire_099_results_follow_their_calls_in_order() {
    let turns = vec![
        user("go"),
        Turn::new(Role::Assistant, vec![Block::text("Let me see."), call("a", "f"), call("b", "g"), call("c", "h")]),
        Turn::new(Role::System, vec![Block::text("Mind the time.")]),
        Turn::new(
            Role::User,
            vec![
                Block::text("here:"),
                result("b", vec![Block::text("B")], Some(true)),
                result("a", vec![Block::text("A"), image(MediaSource::Base64("iVBO".into()))], None),
                result("z", vec![Block::text("Z")], None),
            ],
        ),
    ];
    let (out, losses) = encoded(&request(turns), Quirks::default());
    let fun = |id: &str, name: &str| json!({"id":id,"type":"function","function":{"name":name,"arguments":"{}"}});
    assert_eq!(
        out["messages"],
        json!([
            {"role":"user","content":"go"},
            {"role":"assistant","content":"Let me see.","tool_calls":[fun("a","f"),fun("b","g"),fun("c","h")]},
            {"role":"tool","tool_call_id":"a","content":"A"},
            {"role":"tool","tool_call_id":"b","content":"Error: B"},
            {"role":"tool","tool_call_id":"c","content":"No result was given for this call."},
            {"role":"user","content":[{"type":"text","text":"Attached to the result of a tool:"},
                {"type":"image_url","image_url":{"url":"data:image/png;base64,iVBO"}}]},
            {"role":"system","content":"Mind the time."},
            {"role":"user","content":[{"type":"text","text":"here:"},
                {"type":"text","text":"Result of the tool call z:"},{"type":"text","text":"Z"}]},
        ])
    );
    assert!(losses.contains(&"approximated messages[].content[].tool_result.is_error".to_owned()), "{losses:?}");
}

#[test]
fn one_run_of_the_model_is_one_message() {
    let turns = vec![
        user("go"),
        Turn::new(Role::Assistant, vec![thought("hm", None)]),
        Turn::new(Role::Assistant, vec![Block::text("I call.")]),
        Turn::new(Role::Assistant, vec![call("a", "f")]),
        Turn::new(Role::Assistant, vec![call("a", "f")]),
        Turn::new(Role::Tool, vec![result("a", vec![Block::text("1")], None)]),
        Turn::new(Role::Tool, vec![result("a", vec![Block::text("2")], None)]),
    ];
    let (out, _) = encoded(&request(turns), everything());
    let messages = out["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 4);
    assert_eq!(messages[1]["reasoning_content"], "hm");
    let calls = messages[1]["tool_calls"].as_array().unwrap();
    assert_ne!(calls[0]["id"], calls[1]["id"], "an id used twice is made two");
    assert_eq!((&messages[2]["tool_call_id"], &messages[2]["content"]), (&calls[0]["id"], &json!("1")));
    assert_eq!((&messages[3]["tool_call_id"], &messages[3]["content"]), (&calls[1]["id"], &json!("2")));
}

#[test]
fn foreign_thoughts_are_dropped_and_said_so() {
    for (issuer, quirks) in [(Some(Dialect::Anthropic), everything()), (None, Quirks::default())] {
        let turns = vec![user("go"), Turn::new(Role::Assistant, vec![thought("secret", issuer), Block::text("x")])];
        let (out, losses) = encoded(&request(turns), quirks);
        assert!(!out.to_string().contains("secret"), "{out}");
        assert!(losses.contains(&"dropped messages[].content[].reasoning".to_owned()), "{losses:?}");
    }
}

#[test]
fn media_that_cannot_be_said_are_refused() {
    let file = |source| Block::new(BlockKind::File(Media { mime: Some("application/pdf".into()), source, name: None }));
    for block in [
        image(MediaSource::FileId("file_1".into())),
        file(MediaSource::Url("https://e.xyz/a.pdf".into())),
        Block::new(BlockKind::Video(Media {
            mime: None,
            source: MediaSource::Url("https://e.xyz".into()),
            name: None,
        })),
        Block::new(BlockKind::Audio(Media {
            mime: None,
            source: MediaSource::Url("https://e.xyz".into()),
            name: None,
        })),
    ] {
        let request = request(vec![Turn::new(Role::User, vec![block])]);
        let mut out = b"kept".to_vec();
        let error = encode_request(&request, &Target::default(), &mut out).unwrap_err();
        assert_eq!((error.param.as_deref(), &out[..]), (Some("messages[]"), &b"kept"[..]));
    }
    let text = Media { mime: Some("text/plain".into()), source: MediaSource::Base64("aGk=".into()), name: None };
    let (out, _) =
        encoded(&request(vec![Turn::new(Role::User, vec![Block::new(BlockKind::File(text))])]), Quirks::default());
    assert_eq!(out["messages"][0]["content"], "hi", "a text document is text");
}

#[test]
fn settings_are_said_in_chats_words() {
    let tool = |name: String, kind| Tool {
        name: name.into(),
        description: None,
        strict: None,
        kind,
        cache: Some(CacheMark(Raw::NULL)),
        extra: Extra(vec![("eager".into(), Raw::TRUE)]),
        form: 0xff,
    };
    let long = "tool.".repeat(20);
    let grammar = Raw::parse(r#"{"type":"grammar","syntax":"lark","definition":"x"}"#);
    let mut request = request(vec![user("go")]);
    request.tools = vec![
        tool(long.clone(), ToolKind::Function { parameters: Raw::parse("{\"type\":\"object\"}") }),
        tool("patch".to_owned(), ToolKind::Custom { format: grammar }),
        tool("web_search_20250305".to_owned(), ToolKind::Hosted { raw: Raw::NULL }),
    ];
    request.tool_choice = Some(ToolChoice::Named(long.clone().into()));
    request.sampling.top_k = Some(Num::from(5));
    request.max_output_tokens = Some(Num::from(9));
    request.stop = ["a", "b", "c", "d", "e"].map(Into::into).to_vec();
    request.user = Some("u".repeat(100).into());
    request.form = u32::MAX;
    request.reasoning = Some(ReasoningConfig { budget: Some(Num::from(16_000)), ..ReasoningConfig::default() });
    request.output_format = Some(OutputFormat::JsonSchema {
        name: None,
        description: None,
        schema: Raw::parse("{}").unwrap(),
        strict: None,
    });
    let (text, encoded) = encode(&request, Quirks::default());
    let out: Value = serde_json::from_str(&text).unwrap();
    let sent = out["tools"][0]["function"]["name"].as_str().unwrap();
    assert!(sent.len() <= 64 && !sent.contains('.'));
    assert_eq!(encoded.notes.tool_names, [(sent.to_owned(), long)]);
    assert_eq!(out["tool_choice"]["function"]["name"], sent);
    assert_eq!(
        out["tools"][1]["custom"]["format"],
        json!({"type":"grammar","grammar":{"syntax":"lark","definition":"x"}})
    );
    assert_eq!(out["tools"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&out["max_completion_tokens"], &out["reasoning_effort"]),
        (&json!(9), &json!(Effort::High.as_openai()))
    );
    assert_eq!(out["stop"], json!(["a", "b", "c", "d"]));
    assert!(out["user"].as_str().unwrap().len() <= 64);
    assert_eq!(out["response_format"], json!({"type":"json_schema","json_schema":{"name":"response","schema":{}}}));
    assert_eq!(out["web_search_options"], json!({}));
    let lost: Vec<&str> = encoded.losses.iter().map(|loss| &*loss.field).collect();
    for field in ["top_k", "tools[].cache_control", "tools[].eager", "user", "reasoning.budget"] {
        assert!(lost.contains(&field), "{field} in {lost:?}");
    }
}

#[test]
fn wire_122_no_choice_and_no_parallel_flag_without_tools() {
    let mut request = request(vec![user("go")]);
    request.tool_choice = Some(ToolChoice::Required);
    request.parallel_tool_calls = Some(false);
    let (out, losses) = encoded(&request, Quirks::default());
    assert_eq!(out.as_object().unwrap().len(), 2);
    assert_eq!(losses, ["dropped tool_choice"]);
}

fn block() -> impl Strategy<Value = Block<'static>> {
    let id = || prop_oneof![Just("a"), Just("b"), Just(""), Just("é~")];
    let leaf = prop_oneof![
        "[a-z]{0,3}".prop_map(Block::text),
        Just(thought("t", Some(Dialect::Gemini))),
        Just(thought("t", None)),
        Just(image(MediaSource::Url("u".into()))),
        Just(image(MediaSource::Text("u".into()))),
        Just(Block::new(BlockKind::Refusal { text: "no".into() })),
        Just(Block::new(BlockKind::Opaque { dialect: Dialect::Gemini, raw: Raw::NULL })),
        Just(Block::new(BlockKind::Opaque { dialect: Dialect::OpenAiChat, raw: Raw::TRUE })),
        id().prop_map(|id| call(id, "f")),
    ];
    let content = proptest::collection::vec(leaf.clone(), 0..3);
    let answer = (id(), content, proptest::option::of(any::<bool>()))
        .prop_map(|(id, content, failed)| result(id, content, failed));
    (prop_oneof![3 => leaf, 1 => answer], any::<u8>()).prop_map(|(block, form)| Block { form, ..block })
}

fn hostile() -> impl Strategy<Value = Request<'static>> {
    let role = prop_oneof![
        Just(Role::System),
        Just(Role::Developer),
        Just(Role::User),
        Just(Role::Assistant),
        Just(Role::Tool)
    ];
    let turn = (role, proptest::collection::vec(block(), 0..4), any::<u8>())
        .prop_map(|(role, blocks, form)| Turn { form, ..Turn::new(role, blocks) });
    let origin = prop_oneof![
        Just(Dialect::OpenAiChat),
        Just(Dialect::Anthropic),
        Just(Dialect::OpenAiResponses),
        Just(Dialect::Gemini)
    ];
    (origin, proptest::collection::vec(turn, 0..7), any::<u32>(), any::<bool>())
        .prop_map(|(origin, turns, form, stream)| Request { stream, turns, form, ..Request::new(origin, "m".into()) })
}

proptest! {
    #[test]
    fn hostile_requests_give_valid_bodies(request in hostile(), reasoning_content in any::<bool>(), custom_tools in any::<bool>()) {
        let quirks = Quirks { reasoning_content, custom_tools, ..Quirks::default() };
        let target = Target { quirks, ..Target::new("m", request.stream) };
        let mut out = Vec::new();
        if encode_request(&request, &target, &mut out).is_err() {
            prop_assert!(out.is_empty());
            return Ok(());
        }
        let body: Value = serde_json::from_slice(&out).unwrap();
        if request.origin == Dialect::OpenAiChat {
            return Ok(());
        }
        // Chat's own rule: calls, then exactly their results, in order, and no result elsewhere.
        let mut open: Vec<Value> = Vec::new();
        for message in body["messages"].as_array().unwrap() {
            if message["role"] == "tool" {
                prop_assert!(!open.is_empty());
                prop_assert_eq!(&open.remove(0), &message["tool_call_id"]);
            } else {
                prop_assert!(open.is_empty());
                prop_assert!(message["content"] != json!([]) && message["content"] != json!(""));
            }
            for call in message["tool_calls"].as_array().into_iter().flatten() {
                prop_assert!(!open.contains(&call["id"]));
                open.push(call["id"].clone());
            }
        }
        prop_assert!(open.is_empty());
    }
}
