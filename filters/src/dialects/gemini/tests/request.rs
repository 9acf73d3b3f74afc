use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::Dialect;
use crate::ir::{BlockKind, MediaSource, OutputFormat, Role, Signature, ToolChoice, ToolKind};
use crate::json::Str;

fn same(body: &Value) {
    assert_eq!(again(&body.to_string(), "gemini-2.5-flash"), *body);
}

fn body(contents: Value) -> Value {
    json!({ "contents": contents })
}

const AGENT: &str = include_str!("../fixtures/request_agent.json");
const SNAKE: &str = include_str!("../fixtures/request_snake.json");

#[test]
fn fixtures_come_back() {
    for text in [AGENT, SNAKE] {
        assert_eq!(again(text, "gemini-2.5-flash"), value(text.as_bytes()));
    }
}

#[test]
fn numbers_keep_their_text() {
    let text = r#"{"contents":[{"parts":[{"functionCall":{"name":"f","args":{"a":1.0,"b":12345678901234567890123}}}]}],"generationConfig":{"temperature":1.0,"topK":64,"maxOutputTokens":4096.0}}"#;
    let request = decode_request(text.as_bytes(), &endpoint()).unwrap();
    let mut out = Vec::new();
    encode_request(&request, &target("gemini-2.5-pro"), &mut out).unwrap();
    let out = String::from_utf8(out).unwrap();
    for number in ["1.0", "12345678901234567890123", "\"topK\":64", "4096.0"] {
        assert!(out.contains(number), "{out}");
    }
}

#[test]
fn odd_but_legal_spellings_come_back() {
    same(&json!({"contents": {"parts": {"text": "hi"}}, "tools": {"function_declarations": {"name": "f"}}}));
    same(&json!({"contents": [], "tools": [], "generationConfig": {}, "toolConfig": {}}));
    same(&body(json!([{"role": "user"}, {"role": "model", "parts": []}])));
    same(&body(json!([{"role": "user", "parts": [{"text": ""}, {"text": "a", "thought": false}]}])));
    same(&body(json!([{"parts": [{"thoughtSignature": "YQ=="}, {"x.y": 1, "text": "a"}, {}, {"new": {"a": 1}}]}])));
    same(&json!({"contents": [], "a.b": 1, ".c": 2, "generationConfig.x": 3, "labels": {"a": "b"}, "n": null}));
    same(&json!({"contents": [], "generationConfig": {"stopSequences": [], "seed": null, "a.b": 1}}));
    same(
        &json!({"contents": [], "toolConfig": {"functionCallingConfig": {}, "retrievalConfig": {"languageCode": "de"}}}),
    );
    same(&json!({"contents": [], "tools": [
        {"googleSearch": {}}, {}, {"functionDeclarations": []},
        {"functionDeclarations": [{"name": "a"}], "codeExecution": {}}, {"functionDeclarations": [{"name": "b"}]},
    ]}));
    same(&json!({"contents": [], "systemInstruction": {"parts": [{"text": "a"}, {"text": "b"}], "role": "model"}}));
}

#[test]
fn wire_060_tool_results_stand_in_user_turns() {
    let text = body(json!([
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
        {"role": "function", "parts": [{"functionResponse": {"name": "f", "response": {"error": "no"}}}]},
    ]));
    let text = text.to_string();
    let request = decode_request(text.as_bytes(), &endpoint()).unwrap();
    assert_eq!(request.turns[1].role, Role::Tool);
    let BlockKind::ToolResult(result) = &request.turns[1].blocks[0].kind else { panic!() };
    assert_eq!(result.is_error, Some(true));
    assert_eq!(again(&text, "gemini-2.5-flash"), value(text.as_bytes()));
}

#[test]
fn wire_081_the_pieces_of_a_streamed_thought_are_one_block_under_a_carried_seal() {
    let seal = |issuer, value: &'static str| Signature { issuer, value: Str::from(value) };
    let carried = |value| seal(Dialect::Anthropic, value).carried(Dialect::Gemini).as_str().to_owned();
    let text = body(json!([{"role": "model", "parts": [
        {"text": "a ", "thought": true}, {"text": "b", "thought": true},
        {"text": "", "thought": true, "thoughtSignature": carried("one")},
        {"text": "c", "thought": true, "thoughtSignature": carried("two")},
        {"text": "d", "thought": true}, {"text": "e", "thought": true, "thoughtSignature": "own"},
    ]}]))
    .to_string();
    let request = decode_request(text.as_bytes(), &endpoint()).unwrap();
    let thoughts: Vec<(String, Option<Signature<'_>>)> = request.turns[0]
        .blocks
        .iter()
        .map(|block| {
            let BlockKind::Reasoning(thought) = &block.kind else { panic!() };
            (thought.text.iter().map(Str::as_str).collect(), block.signature.clone())
        })
        .collect();
    let expected = [
        ("a b", Some(seal(Dialect::Anthropic, "one"))),
        ("c", Some(seal(Dialect::Anthropic, "two"))),
        ("d", None),
        ("e", Some(seal(Dialect::Gemini, "own"))),
    ];
    assert_eq!(thoughts, expected.map(|(text, seal)| (text.to_owned(), seal)));
}

#[test]
fn escapes_beyond_ascii_are_not_for_models() {
    let text =
        r#"{"contents":[{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"a":"\u6674\n"}}}]}]}"#;
    let request = decode_request(text.as_bytes(), &endpoint()).unwrap();
    let BlockKind::ToolResult(result) = &request.turns[0].blocks[0].kind else { panic!() };
    let BlockKind::Text { text, .. } = &result.content[0].kind else { panic!() };
    assert_eq!(text.as_str(), r#"{"a":"晴\n"}"#);
}

fn ids(body: &Value) -> Vec<String> {
    let text = body.to_string();
    let request = decode_request(text.as_bytes(), &endpoint()).unwrap();
    request
        .turns
        .iter()
        .flat_map(|turn| &turn.blocks)
        .filter_map(|block| match &block.kind {
            BlockKind::ToolUse(call) => Some(call.id.to_string()),
            BlockKind::ToolResult(result) => Some(result.id.to_string()),
            _ => None,
        })
        .collect()
}

#[test]
fn wire_061_gemini_has_no_tool_ids() {
    let call = |name: &str| json!({"functionCall": {"name": name, "args": {}}});
    let answer = |name: &str| json!({"functionResponse": {"name": name, "response": {}}});
    let one = body(json!([
        {"role": "model", "parts": [call("f"), call("g"), call("f")]},
        {"role": "user", "parts": [answer("g"), answer("f"), answer("f")]},
        {"role": "model", "parts": [call("f")]},
        {"role": "user", "parts": [answer("f"), answer("h")]},
    ]));
    assert_eq!(
        ids(&one),
        ["call_0_f", "call_1_g", "call_2_f", "call_1_g", "call_0_f", "call_2_f", "call_3_f", "call_3_f", "result_4_h"]
    );
    same(&one);
}

#[test]
fn wire_147_ids_of_either_side_pair_both() {
    let one = body(json!([
        {"role": "model", "parts": [{"functionCall": {"name": "f"}}, {"functionCall": {"id": "x", "name": "f"}}]},
        {"role": "user", "parts": [
            {"functionResponse": {"id": "x", "name": "f", "response": {}}},
            {"functionResponse": {"id": "y", "name": "f", "response": {}}},
        ]},
    ]));
    assert_eq!(ids(&one), ["y", "x", "x", "y"]);
    same(&one);
}

#[test]
fn wire_142_url_safe_base64_is_standard_in_the_ir() {
    for (sent, standard) in [("-_8=", "+/8="), ("-_8", "+/8="), ("YQ", "YQ=="), ("+/8=", "+/8="), ("YWJj", "YWJj")] {
        let one = body(json!([{"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": sent}}]}]));
        let text = one.to_string();
        let request = decode_request(text.as_bytes(), &endpoint()).unwrap();
        let BlockKind::Image(media) = &request.turns[0].blocks[0].kind else { panic!() };
        let MediaSource::Base64(data) = &media.source else { panic!() };
        assert_eq!(data, &standard);
        assert_eq!(matches!(data.0, std::borrow::Cow::Borrowed(_)), sent == standard);
        same(&one);
    }
}

#[test]
fn schemas_in_googles_words_are_json_schema_in_the_ir() {
    let one = json!({"contents": [], "tools": [{"functionDeclarations": [
        {"name": "f", "parameters": {"type": "OBJECT", "properties": {"a": {"type": "STRING", "nullable": true}}}}]}],
        "generationConfig": {"responseMimeType": "application/json", "responseSchema": {"type": "ARRAY", "items": {"type": "INTEGER"}}}});
    let text = one.to_string();
    let request = decode_request(text.as_bytes(), &endpoint()).unwrap();
    let ToolKind::Function { parameters: Some(schema) } = &request.tools[0].kind else { panic!() };
    assert_eq!(schema.to_value(), json!({"type": "object", "properties": {"a": {"type": ["string", "null"]}}}));
    let Some(OutputFormat::JsonSchema { schema, .. }) = &request.output_format else { panic!() };
    assert_eq!(schema.to_value(), json!({"type": "array", "items": {"type": "integer"}}));
    let mut losses = crate::ir::Losses::default();
    losses.drop_extra("", &request.extra);
    losses.drop_extra("tools[]", &request.tools[0].extra);
    assert!(losses.is_empty(), "{losses:?}");
    same(&one);
}

#[test]
fn an_edited_schema_outranks_its_original() {
    let text = r#"{"contents":[],"tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT"}}]}]}"#;
    let mut request = decode_request(text.as_bytes(), &endpoint()).unwrap();
    request.tools[0].kind = ToolKind::Function { parameters: crate::json::Raw::parse(r#"{"type":"string"}"#) };
    let out = encoded(&request, &target("gemini-2.5-flash")).0;
    assert_eq!(out["tools"][0]["functionDeclarations"][0]["parameters"], json!({"type": "string"}));
}

#[test]
fn tool_choice_modes() {
    let choice = |config: Value| {
        let one = json!({"contents": [], "toolConfig": {"functionCallingConfig": config}});
        same(&one);
        let text = one.to_string();
        let choice = decode_request(text.as_bytes(), &endpoint()).unwrap().tool_choice.unwrap();
        match choice {
            ToolChoice::Opaque(raw) => ToolChoice::Opaque(raw.into_owned()),
            ToolChoice::Named(name) => ToolChoice::Named(name.into_owned()),
            ToolChoice::Among { names, required } => {
                ToolChoice::Among { names: names.into_iter().map(Str::into_owned).collect(), required }
            }
            ToolChoice::Auto => ToolChoice::Auto,
            ToolChoice::None => ToolChoice::None,
            ToolChoice::Required => ToolChoice::Required,
        }
    };
    assert_eq!(choice(json!({"mode": "AUTO"})), ToolChoice::Auto);
    assert_eq!(choice(json!({"mode": "VALIDATED"})), ToolChoice::Auto);
    assert_eq!(choice(json!({"mode": "NONE", "streamFunctionCallArguments": true})), ToolChoice::None);
    assert_eq!(choice(json!({"mode": "ANY"})), ToolChoice::Required);
    assert_eq!(choice(json!({"mode": "ANY", "allowedFunctionNames": ["f"]})), ToolChoice::Named("f".into()));
    let among = ToolChoice::Among { names: vec!["f".into(), "g".into()], required: true };
    assert_eq!(choice(json!({"mode": "ANY", "allowed_function_names": ["f", "g"]})), among);
    assert!(matches!(choice(json!({"mode": "NEW"})), ToolChoice::Opaque(_)));
}

#[test]
fn thinking_by_budget_and_by_level() {
    let thinking = |config: Value, model: &str| {
        let one = json!({"contents": [], "generationConfig": {"thinkingConfig": config}});
        let text = one.to_string();
        let out = again(&text, model);
        let request = decode_request(text.as_bytes(), &endpoint()).unwrap();
        (
            (request.reasoning.as_ref().unwrap().adaptive, request.reasoning.unwrap().enabled),
            out["generationConfig"]["thinkingConfig"].clone(),
        )
    };
    for config in [json!({"thinkingBudget": -1}), json!({"thinkingBudget": 0, "includeThoughts": true}), json!({})] {
        assert_eq!(thinking(config.clone(), "gemini-2.5-pro").1, config);
    }
    for config in [json!({"thinkingLevel": "LOW"}), json!({"thinking_level": "high"}), json!({"thinkingLevel": "Odd"})]
    {
        assert_eq!(thinking(config.clone(), "gemini-3-pro-preview").1, config);
    }
    assert!(thinking(json!({"thinkingBudget": -1}), "x").0.0);
    assert_eq!(thinking(json!({"thinkingBudget": 0}), "x").0.1, Some(false));
    assert_eq!(thinking(json!({"thinkingLevel": "LOW"}), "gemini-2.5-flash").1, json!({"thinkingBudget": 4096}));
}

#[test]
fn wire_082_only_gemini_3_gets_the_sentinel() {
    let one = body(json!([
        {"role": "user", "parts": [{"text": "a"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}, {"functionCall": {"name": "g", "args": {}}}]},
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "own"}]},
    ]));
    same(&one);
    let out = again(&one.to_string(), "models/gemini-3-flash");
    let seals = out.to_string().matches("skip_thought_signature_validator").count();
    assert_eq!(seals, 1);
    assert_eq!(out["contents"][1]["parts"][0]["thoughtSignature"], "skip_thought_signature_validator");
    assert_eq!(out["contents"][2]["parts"][0]["thoughtSignature"], "own");
}

#[test]
fn errors_name_the_member() {
    let param = |text: &str| decode_request(text.as_bytes(), &endpoint()).unwrap_err().param.unwrap_or_default();
    assert_eq!(param("{}"), "contents");
    assert_eq!(param(r#"{"contents":"hi"}"#), "contents");
    assert_eq!(param(r#"{"contents":[{"parts":[{"text":"a"},{"text":1}]}]}"#), "contents[0].parts[1].text");
    assert_eq!(param(r#"{"contents":[{"role":"bot"}]}"#), "contents[0].role");
    let call = r#"{"contents":[{"parts":[{"functionCall":{"name":"f","args":[]}}]}]}"#;
    assert_eq!(param(call), "contents[0].parts[0].functionCall.args");
    let nameless = r#"{"contents":[{"parts":[{"function_call":{"args":{}}}]}]}"#;
    assert_eq!(param(nameless), "contents[0].parts[0].functionCall.name");
    assert_eq!(param(r#"{"contents":[],"generationConfig":{"topP":"x"}}"#), "generationConfig.topP");
    assert_eq!(
        param(r#"{"contents":[],"tools":[{"functionDeclarations":[{}]}]}"#),
        "tools[0].functionDeclarations[0].name"
    );
    assert_eq!(param(r#"{"contents":[{"parts":[{"text":"a","inlineData":{"data":""}}]}]}"#), "contents[0].parts[0]");
    assert!(decode_request(b"\xff{", &endpoint()).is_err());
}

#[test]
fn opaque_parts_and_files() {
    let one = body(json!([{"role": "user", "parts": [
        {"executableCode": {"code": "1", "language": "PYTHON"}, "thoughtSignature": "a"},
        {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/a", "mimeType": "video/mp4"}, "videoMetadata": {"fps": 1}},
        {"fileData": {"fileUri": "https://example.org/a.pdf", "displayName": "a"}},
        {"file_data": {"file_uri": "gs://b/c", "mime_type": "audio/wav"}},
    ]}]));
    let text = one.to_string();
    let request = decode_request(text.as_bytes(), &endpoint()).unwrap();
    let kinds: Vec<_> = request.turns[0].blocks.iter().map(|block| &block.kind).collect();
    assert!(matches!(kinds[0], BlockKind::Opaque { .. }));
    assert!(matches!(kinds[1], BlockKind::Video(media) if matches!(media.source, MediaSource::FileId(_))));
    assert!(matches!(kinds[2], BlockKind::File(media) if matches!(media.source, MediaSource::Url(_))));
    assert!(matches!(kinds[3], BlockKind::Audio(media) if matches!(media.source, MediaSource::FileId(_))));
    same(&one);
}

#[test]
fn a_sixth_stop_sequence_is_left_out() {
    let text = r#"{"contents":[],"generationConfig":{"stopSequences":["1","2","3","4","5","6"]}}"#;
    let request = decode_request(text.as_bytes(), &endpoint()).unwrap();
    let (out, encoded) = encoded(&request, &target("gemini-2.5-flash"));
    assert_eq!(out["generationConfig"]["stopSequences"], json!(["1", "2", "3", "4", "5"]));
    assert_eq!(encoded.losses.iter().count(), 1);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(".{0,4}", inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(".{0,4}", any_json(), 0..3)
        .prop_map(|members| Value::Object(members.into_iter().collect()))
}

fn key(camel: &'static str, snake: &'static str) -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![camel, snake])
}

pub(super) fn any_part() -> impl Strategy<Value = Value> {
    let name = || prop::sample::select(vec!["f", "g", "a.b"]);
    let data = prop_oneof![
        ".{0,5}".prop_map(|text| json!({ "text": text })),
        ".{0,5}".prop_map(|text| json!({"text": text, "thought": true})),
        (key("functionCall", "function_call"), name(), prop::option::of(object()), prop::option::of("[a-c]")).prop_map(
            |(key, name, args, id)| json!({ key: without_nulls(json!({"name": name, "args": args, "id": id})) })
        ),
        (key("functionResponse", "function_response"), name(), prop::option::of(object()), prop::option::of("[a-c]"))
            .prop_map(|(key, name, response, id)| {
                json!({ key: without_nulls(json!({"name": name, "response": response, "id": id})) })
            }),
        (
            key("inlineData", "inline_data"),
            key("mimeType", "mime_type"),
            "([A-Za-z0-9]{4}){0,3}([-_]{4}|[+/]{4}|[A-Z]{2}(==)?)?"
        )
            .prop_map(|(key, mime, data)| json!({ key: { mime: "image/png", "data": data } })),
        (key("fileData", "file_data"), key("fileUri", "file_uri"), key("mimeType", "mime_type"))
            .prop_map(|(key, uri, mime)| json!({ key: { uri: "https://example.org/a", mime: "a/b" } })),
        object().prop_map(|value| json!({ "executableCode": value })),
    ];
    (
        data,
        prop::option::of((key("thoughtSignature", "thought_signature"), "[A-Za-z]{4}")),
        prop::option::of(any_json()),
    )
        .prop_map(|(mut part, seal, extra)| {
            let members = part.as_object_mut().unwrap();
            if let Some((key, seal)) = seal {
                members.insert(key.to_owned(), seal.into());
            }
            if let Some(extra) = extra {
                members.insert("partMetadata".to_owned(), extra);
            }
            part
        })
}

fn without_nulls(mut value: Value) -> Value {
    value.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    value
}

prop_compose! {
    fn any_body()(
        contents in prop::collection::vec(
            (prop::sample::select(vec!["user", "model", "function"]), prop::collection::vec(any_part(), 0..4)), 0..5),
        system in prop::option::of((prop::sample::select(vec!["user", "system", "x"]), key("systemInstruction", "system_instruction"))),
        top_k in prop::option::of((any::<u8>(), key("topK", "top_k"))),
        cap in prop::option::of((any::<u32>(), key("maxOutputTokens", "max_output_tokens"))),
        budget in prop::option::of((-1_i32..99, key("thinkingBudget", "thinking_budget"), key("thinkingConfig", "thinking_config"))),
        schema in prop::option::of((object(), key("responseSchema", "response_schema"))),
        parameters in prop::collection::vec((object(), key("parameters", "parametersJsonSchema"), any::<bool>()), 0..4),
        generation in key("generationConfig", "generation_config"),
        labels in object(),
    ) -> Value {
        let contents: Vec<Value> = contents.into_iter().map(|(role, parts)| json!({"role": role, "parts": parts})).collect();
        let mut body = json!({"contents": contents, "labels": labels});
        if let Some((role, key)) = system {
            body[key] = json!({"role": role, "parts": [{"text": "be kind"}]});
        }
        let mut config = json!({"responseModalities": ["TEXT"]});
        if let Some((value, key)) = top_k { config[key] = value.into(); }
        if let Some((value, key)) = cap { config[key] = value.into(); }
        if let Some((value, key, outer)) = budget { config[outer] = json!({ key: value }); }
        if let Some((value, key)) = schema { config["responseMimeType"] = "application/json".into(); config[key] = value; }
        body[generation] = config;
        let mut tools: Vec<Value> = Vec::new();
        for (schema, key, hosted) in parameters {
            let mut tool = json!({"functionDeclarations": [{"name": "f", "description": "d", key: schema}]});
            if hosted { tool["googleSearch"] = json!({}); }
            tools.push(tool);
        }
        body["tools"] = tools.into();
        body
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn law_requests_come_back(body in any_body()) {
        prop_assert_eq!(again(&body.to_string(), "gemini-2.5-flash"), body);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), cut in any::<prop::sample::Index>()) {
        let _ = decode_request(&bytes, &endpoint());
        let _ = decode_response(&bytes);
        // Without its last line end: what is cut is never whole.
        let agent = AGENT.trim_end();
        let end = cut.index(agent.len());
        if agent.is_char_boundary(end) {
            prop_assert!(decode_request(&agent.as_bytes()[..end], &endpoint()).is_err());
        }
    }
}
