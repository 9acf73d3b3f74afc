//! Requests of other dialects.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::Dialect;
use crate::ir::{
    Block, BlockKind, Effort, Media, MediaSource, OutputFormat, ReasoningBlock, ReasoningConfig, Role, Signature, Tool,
    ToolChoice, ToolKind, ToolResult, ToolUse, ToolUseKind, Turn,
};
use crate::json::{Extra, Num, Raw, Str};

pub(super) fn request(turns: Vec<Turn<'static>>) -> Request<'static> {
    Request { turns, ..Request::new(Dialect::Anthropic, "claude".into()) }
}

pub(super) fn user(text: &'static str) -> Turn<'static> {
    Turn::new(Role::User, vec![Block::text(text)])
}

pub(super) fn call(id: &str, name: &str) -> Block<'static> {
    let (id, name) = (Str::from(id.to_owned()), Str::from(name.to_owned()));
    Block::new(BlockKind::ToolUse(ToolUse { id, name, input: "{\"a\":1}".into(), kind: ToolUseKind::Function }))
}

pub(super) fn result(id: &str, content: Vec<Block<'static>>, is_error: Option<bool>) -> Block<'static> {
    let id = Str::from(id.to_owned());
    Block::new(BlockKind::ToolResult(ToolResult { id, name: None, content, is_error, kind: ToolUseKind::Function }))
}

pub(super) fn image(source: MediaSource<'static>, mime: Option<&'static str>) -> Block<'static> {
    Block::new(BlockKind::Image(Media { mime: mime.map(Str::from), source, name: None }))
}

pub(super) fn seal(issuer: Dialect, value: &'static str) -> Signature<'static> {
    Signature { issuer, value: value.into() }
}

pub(super) fn tool(name: &'static str, kind: ToolKind<'static>) -> Tool<'static> {
    Tool { name: name.into(), description: None, strict: None, kind, cache: None, extra: Extra::default(), form: 0 }
}

pub(super) fn sent(request: &Request<'_>, model: &str) -> Value {
    encoded(request, &target(model)).0
}

pub(super) fn lost(request: &Request<'_>, model: &str) -> Vec<String> {
    encoded(request, &target(model))
        .1
        .losses
        .iter()
        .map(|loss| format!("{} {}", loss.kind.name(), loss.field))
        .collect()
}

#[test]
fn wire_060_wire_065_wire_067_turns_are_brought_in_order() {
    let one = request(vec![
        Turn::new(Role::System, vec![Block::text("A")]),
        Turn::new(Role::Developer, vec![Block::text("B")]),
        Turn::new(Role::Assistant, vec![Block::text("first")]),
        user("x"),
        Turn::new(Role::Assistant, vec![Block::text("")]),
        Turn::new(Role::System, vec![Block::text("later")]),
        user("y"),
    ]);
    let out = sent(&one, "gemini-2.5-flash");
    assert_eq!(out["systemInstruction"], json!({"parts": [{"text": "A"}, {"text": "B"}]}));
    assert_eq!(
        out["contents"],
        json!([
            {"role": "user", "parts": [{"text": " "}]},
            {"role": "model", "parts": [{"text": "first"}]},
            {"role": "user", "parts": [{"text": "x"}, {"text": "later"}, {"text": "y"}]},
        ])
    );
    assert_eq!(out["generationConfig"], json!({"maxOutputTokens": 16384}));
}

#[test]
fn wire_062_results_follow_the_order_of_calls_and_are_complete() {
    let one = request(vec![
        user("go"),
        Turn::new(Role::Assistant, vec![call("1", "f"), call("2", "g"), call("3", "h")]),
        Turn::new(Role::Tool, vec![result("3", vec![Block::text("[1]")], None)]),
        Turn::new(
            Role::User,
            vec![
                Block::text("and"),
                result("1", vec![Block::text("plain")], Some(true)),
                result("9", vec![Block::text("stray")], None),
            ],
        ),
        Turn::new(Role::Assistant, vec![call("4", "f")]),
    ]);
    let out = sent(&one, "gemini-2.5-flash");
    assert_eq!(
        out["contents"][2],
        json!({"role": "user", "parts": [
            {"functionResponse": {"name": "f", "response": {"error": "plain"}}},
            {"functionResponse": {"name": "g", "response": {"error": "the tool gave no result"}}},
            {"functionResponse": {"name": "h", "response": {"result": [1]}}},
            {"text": "and"},
            {"text": "Result of the tool 9:"},
            {"text": "stray"},
        ]})
    );
    assert_eq!(out["contents"][4]["parts"][0]["functionResponse"]["name"], "f");
    let mut with_ids = target("gemini-2.5-flash");
    with_ids.quirks.call_ids = true;
    let out = encoded(&one, &with_ids).0;
    assert_eq!(out["contents"][1]["parts"][1]["functionCall"]["id"], "2");
    assert_eq!(out["contents"][2]["parts"][1]["functionResponse"]["id"], "2");
}

#[test]
fn wire_063_json_results_stay_json() {
    for (text, response) in [
        ("{\"a\":1}", json!({"a": 1})),
        ("42", json!({"result": "42"})),
        ("", json!({"result": ""})),
        ("null", json!({"result": "null"})),
    ] {
        let answer = result("1", vec![Block::text(text)], None);
        let one = request(vec![
            user("a"),
            Turn::new(Role::Assistant, vec![call("1", "f")]),
            Turn::new(Role::Tool, vec![answer]),
        ]);
        let out = sent(&one, "gemini-2.5-flash");
        assert_eq!(out["contents"][2]["parts"][0]["functionResponse"]["response"], response);
    }
}

#[test]
fn wire_064_images_of_results() {
    let answer = result("1", vec![Block::text("seen"), image(MediaSource::Base64("iVBORw0KGgoA".into()), None)], None);
    let one =
        request(vec![user("a"), Turn::new(Role::Assistant, vec![call("1", "f")]), Turn::new(Role::Tool, vec![answer])]);
    let media = json!({"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgoA"}});
    let old = sent(&one, "gemini-2.5-flash");
    assert_eq!(old["contents"][2]["parts"][1], media);
    let new = sent(&one, "gemini-3-pro-preview");
    assert_eq!(new["contents"][2]["parts"][0]["functionResponse"]["parts"][0], media);
    assert_eq!(new["contents"][2]["parts"].as_array().unwrap().len(), 1);
}

#[test]
fn wire_068_media() {
    let one = request(vec![Turn::new(
        Role::User,
        vec![
            image(MediaSource::Url("https://example.org/a.webp?x=1".into()), None),
            image(MediaSource::Url("data:image/gif;charset=x;base64,R0lG".into()), None),
            Block::new(BlockKind::File(Media {
                mime: None,
                source: MediaSource::Text("words".into()),
                name: Some("n".into()),
            })),
        ],
    )]);
    assert_eq!(
        sent(&one, "gemini-2.5-flash")["contents"][0]["parts"],
        json!([
            {"fileData": {"mimeType": "image/webp", "fileUri": "https://example.org/a.webp?x=1"}},
            {"inlineData": {"mimeType": "image/gif", "data": "R0lG"}},
            {"text": "words"},
        ])
    );
    assert!(lost(&one, "gemini-2.5-flash").contains(&"dropped messages[].content[].filename".to_owned()));
    let foreign = request(vec![Turn::new(Role::User, vec![image(MediaSource::FileId("file-1".into()), None)])]);
    assert!(encode_request(&foreign, &target("gemini-2.5-flash"), &mut Vec::new()).is_err());
}

#[test]
fn wire_081_082_119_seals() {
    let thinking = |text: &'static str, signature| Block {
        signature,
        ..Block::new(BlockKind::Reasoning(ReasoningBlock { text: vec![text.into()], redacted: false, id: None }))
    };
    let one = request(vec![
        user("a"),
        Turn::new(
            Role::Assistant,
            vec![thinking("secret", Some(seal(Dialect::Anthropic, "foreign"))), call("1", "f"), call("2", "f")],
        ),
        Turn::new(Role::User, vec![result("1", vec![], None), result("2", vec![], None)]),
        Turn::new(Role::Assistant, vec![thinking("mine", Some(seal(Dialect::Gemini, "own"))), call("3", "f")]),
        Turn::new(Role::User, vec![result("3", vec![], None)]),
        Turn::new(Role::Assistant, vec![Block::text("done"), thinking("", Some(seal(Dialect::Gemini, "end")))]),
    ]);
    let args = json!({"name": "f", "args": {"a": 1}});
    let out = sent(&one, "gemini-3-pro-preview");
    assert_eq!(
        out["contents"][1]["parts"],
        json!([
            {"functionCall": args, "thoughtSignature": "skip_thought_signature_validator"}, {"functionCall": args},
        ])
    );
    assert_eq!(
        out["contents"][3]["parts"],
        json!([
            {"text": "mine", "thought": true}, {"functionCall": args, "thoughtSignature": "own"},
        ])
    );
    assert_eq!(out["contents"][5]["parts"], json!([{"text": "done"}, {"text": "", "thoughtSignature": "end"}]));
    let old = sent(&one, "gemini-2.5-pro").to_string();
    assert!(!old.contains("skip_thought") && !old.contains("secret") && !old.contains("foreign"), "{old}");
    assert!(lost(&one, "gemini-2.5-pro").contains(&"dropped messages[].reasoning".to_owned()));
}

#[test]
fn wire_053_054_070_074_tools() {
    let schema = r##"{"$schema":"x","type":"object","properties":{"a":{"$ref":"#/$defs/A"}},"$defs":{"A":{"const":"v"}},"additionalProperties":false}"##;
    let mut one = request(vec![user("a")]);
    one.tools = vec![
        tool("1 odd name", ToolKind::Function { parameters: Raw::parse(schema) }),
        tool("empty", ToolKind::Function { parameters: Raw::parse(r#"{"type":"object","properties":{}}"#) }),
        tool("apply_patch", ToolKind::Custom { format: None }),
        tool("web_search_20250305", ToolKind::Hosted { raw: Raw::NULL }),
    ];
    one.tool_choice = Some(ToolChoice::Named("1 odd name".into()));
    let mut to = target("gemini-2.5-flash");
    let (out, encoded_new) = encoded(&one, &to);
    let name = out["tools"][0]["functionDeclarations"][0]["name"].as_str().unwrap().to_owned();
    assert!(name.starts_with('_') && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte)));
    assert_eq!(encoded_new.notes.tool_names, [(name.clone(), "1 odd name".to_owned())]);
    assert_eq!(encoded_new.notes.wrapped_custom, ["apply_patch"]);
    assert_eq!(out["toolConfig"]["functionCallingConfig"], json!({"mode": "ANY", "allowedFunctionNames": [name]}));
    let declarations = &out["tools"][0]["functionDeclarations"];
    assert_eq!(declarations[0]["parametersJsonSchema"], value(schema.as_bytes()));
    assert!(out["tools"].as_array().unwrap().len() == 1);
    to.quirks.json_schema = false;
    let (out, encoded_old) = encoded(&one, &to);
    let declarations = &out["tools"][0]["functionDeclarations"];
    assert_eq!(
        declarations[0]["parameters"],
        json!({"type": "OBJECT", "properties": {"a": {"type": "STRING", "enum": ["v"]}}})
    );
    assert!(declarations[1].get("parameters").is_none());
    assert!(encoded_old.losses.iter().any(|loss| loss.field == "tools[].parameters"));
    one.tools.drain(..3);
    assert_eq!(sent(&one, "gemini-2.5-flash")["tools"], json!([{"googleSearch": {}}]));
}

#[test]
fn wire_076_tool_choice() {
    let mut one = request(vec![user("a")]);
    one.tools = vec![tool("f", ToolKind::Function { parameters: None })];
    for (choice, config) in [
        (ToolChoice::None, json!({"mode": "NONE"})),
        (ToolChoice::Auto, json!({"mode": "AUTO"})),
        (ToolChoice::Required, json!({"mode": "ANY"})),
        (
            ToolChoice::Among { names: vec!["f".into()], required: false },
            json!({"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
        ),
    ] {
        one.tool_choice = Some(choice);
        let out = sent(&one, "gemini-2.5-flash");
        assert_eq!(out["toolConfig"]["functionCallingConfig"], config);
        assert_eq!(out["tools"][0]["functionDeclarations"][0]["name"], "f");
    }
    one.tools.clear();
    one.tool_choice = Some(ToolChoice::Required);
    assert!(sent(&one, "gemini-2.5-flash").get("toolConfig").is_none());
    assert_eq!(lost(&one, "gemini-2.5-flash"), ["dropped tool_choice"]);
}

#[test]
fn wire_080_thinking_by_family() {
    let thinking = |config: ReasoningConfig<'static>, cap: Option<u64>, model: &str| {
        let mut one = request(vec![user("a")]);
        one.reasoning = Some(config);
        one.max_output_tokens = cap.map(Num::from);
        sent(&one, model)["generationConfig"]["thinkingConfig"].clone()
    };
    let effort = |effort| ReasoningConfig { effort: Some(effort), ..ReasoningConfig::default() };
    let budget = |tokens: u64| ReasoningConfig {
        budget: Some(tokens.into()),
        enabled: Some(true),
        ..ReasoningConfig::default()
    };
    let adaptive = ReasoningConfig { adaptive: true, visible: Some(true), ..ReasoningConfig::default() };
    assert_eq!(thinking(effort(Effort::Low), None, "gemini-3-pro-preview"), json!({"thinkingLevel": "low"}));
    assert_eq!(thinking(effort(Effort::Max), None, "gemini-3-flash"), json!({"thinkingLevel": "high"}));
    assert_eq!(thinking(effort(Effort::None), None, "gemini-3-pro-preview"), json!({"thinkingLevel": "low"}));
    assert_eq!(thinking(budget(10_000), None, "gemini-3-flash"), json!({"thinkingLevel": "high"}));
    assert_eq!(thinking(adaptive.clone(), None, "gemini-3-flash"), json!({"includeThoughts": true}));
    assert_eq!(thinking(adaptive, None, "gemini-2.5-flash"), json!({"thinkingBudget": -1, "includeThoughts": true}));
    assert_eq!(thinking(effort(Effort::Medium), None, "gemini-2.5-flash"), json!({"thinkingBudget": 8192}));
    assert_eq!(thinking(effort(Effort::None), None, "gemini-2.5-flash"), json!({"thinkingBudget": 0}));
    assert_eq!(thinking(effort(Effort::None), None, "gemini-2.5-pro"), json!({"thinkingBudget": 128}));
    assert_eq!(thinking(budget(99_999), Some(60_000), "gemini-2.5-pro"), json!({"thinkingBudget": 32768}));
    assert_eq!(thinking(budget(8_192), Some(4_096), "gemini-2.5-flash"), json!({"thinkingBudget": 3072}));
    assert_eq!(thinking(effort(Effort::High), None, "gemini-2.0-flash"), Value::Null);
}

#[test]
fn wire_079_output_format() {
    let mut one = request(vec![user("a")]);
    let schema = Raw::parse(r#"{"type":"object","properties":{"a":{"type":["string","null"]}}}"#).unwrap();
    one.output_format =
        Some(OutputFormat::JsonSchema { name: Some("n".into()), description: None, schema, strict: Some(true) });
    let mut to = target("gemini-2.5-flash");
    let config = encoded(&one, &to).0["generationConfig"].clone();
    assert_eq!(config["responseMimeType"], "application/json");
    assert_eq!(config["responseJsonSchema"]["properties"]["a"]["type"], json!(["string", "null"]));
    to.quirks.json_schema = false;
    let config = encoded(&one, &to).0["generationConfig"].clone();
    assert_eq!(config["responseSchema"]["properties"]["a"], json!({"type": "STRING", "nullable": true}));
    one.tools = vec![tool("f", ToolKind::Function { parameters: None })];
    assert_eq!(lost(&one, "gemini-2.5-flash"), ["dropped response_format"]);
    assert_eq!(sent(&one, "gemini-3-pro")["generationConfig"]["responseMimeType"], "application/json");
}

#[test]
fn what_cannot_be_said_is_a_loss_or_an_error() {
    let mut one = request(vec![user("a")]);
    one.user = Some("u".into());
    one.parallel_tool_calls = Some(false);
    one.sampling.seed = Some(Num::from(1_u64 << 40));
    one.stop = ["1", "2", "3", "4", "5", "6"].map(Str::from).to_vec();
    one.extra = Extra(vec![("logit_bias".into(), Raw::TRUE), ("null".into(), Raw::NULL)]);
    assert_eq!(
        lost(&one, "gemini-2.5-flash"),
        ["clamped seed", "clamped stop", "dropped logit_bias", "dropped user", "dropped parallel_tool_calls",]
    );
    assert!(encode_request(&request(vec![]), &target("m"), &mut Vec::new()).is_err());
    let system = request(vec![Turn::new(Role::System, vec![Block::text("only")])]);
    assert_eq!(sent(&system, "m")["contents"], json!([{"role": "user", "parts": [{"text": "only"}]}]));
}

fn any_block() -> impl Strategy<Value = Block<'static>> {
    let id = || prop::sample::select(vec!["1", "2", "", "é"]);
    let text = || prop::sample::select(vec!["", "a", "{}", "[", "\u{2028}"]).prop_map(Block::text);
    let kind = prop_oneof![
        text(),
        (id(), id()).prop_map(|(id, name)| call(id, name)),
        (id(), prop::collection::vec(text(), 0..3), prop::option::of(any::<bool>()))
            .prop_map(|(id, content, is_error)| result(id, content, is_error)),
        id().prop_map(|text| image(MediaSource::Base64(text.into()), None)),
        id().prop_map(|text| image(MediaSource::Text(text.into()), Some("x"))),
        id().prop_map(|text| {
            Block::new(BlockKind::Reasoning(ReasoningBlock { text: vec![text.into()], redacted: true, id: None }))
        }),
        Just(Block::new(BlockKind::Opaque { dialect: Dialect::OpenAiChat, raw: Raw::NULL })),
        prop::sample::select(vec!["true", "{}", r#"{"executableCode":{}}"#]).prop_map(|text| {
            Block::new(BlockKind::Opaque { dialect: Dialect::Gemini, raw: Raw::parse(text).unwrap() })
        }),
        id().prop_map(|text| Block::new(BlockKind::Refusal { text: text.into() })),
    ];
    (kind, prop::option::of(prop::sample::select(Dialect::ALL.to_vec())), any::<u8>())
        .prop_map(|(block, issuer, form)| Block { signature: issuer.map(|issuer| seal(issuer, "s")), form, ..block })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn hostile_conversations_give_valid_bodies(
        turns in prop::collection::vec((prop::sample::select(vec![
            Role::System, Role::Developer, Role::User, Role::Assistant, Role::Tool,
        ]), prop::collection::vec(any_block(), 0..4), any::<u8>()), 0..8),
        origin in prop::sample::select(Dialect::ALL.to_vec()),
        model in prop::sample::select(vec!["gemini-3-pro", "gemini-2.5-flash", "x"]),
        form in any::<u32>(),
    ) {
        let turns = turns.into_iter().map(|(role, blocks, form)| Turn { form, ..Turn::new(role, blocks) }).collect();
        let one = Request { turns, form, ..Request::new(origin, "m".into()) };
        let mut out = Vec::new();
        let Ok(_) = encode_request(&one, &target(model), &mut out) else { return Ok(()) };
        let out = value(&out);
        if origin == Dialect::Gemini {
            return Ok(());
        }
        let contents = out["contents"].as_array().unwrap();
        prop_assert_eq!(&contents[0]["role"], "user");
        let count = |at: usize, member: &str| {
            contents.get(at).map_or(0, |turn| {
                turn["parts"].as_array().unwrap().iter().filter(|part| part.get(member).is_some()).count()
            })
        };
        for (at, turn) in contents.iter().enumerate() {
            prop_assert_eq!(&turn["role"], if at % 2 == 0 { "user" } else { "model" });
            prop_assert!(!turn["parts"].as_array().unwrap().is_empty());
            prop_assert_eq!(count(at, "functionCall"), count(at + 1, "functionResponse"));
        }
        prop_assert!(decode_request(out.to_string().as_bytes(), &endpoint()).is_ok());
    }
}
