//! Traps between the protocols that have no other home.

use serde_json::json;

use super::foreign::{call, image, lost, request, result, seal, sent, tool, user};
use super::*;
use crate::Dialect;
use crate::ir::stream::BlockStart;
use crate::ir::{
    Block, BlockKind, Event, LogprobsConfig, Media, MediaSource, OutputFormat, ReasoningBlock, ReasoningConfig, Role,
    StopReason, ToolChoice, ToolKind, Turn,
};
use crate::json::{Num, Raw, Str};
use crate::sse::Parser;

fn media(mime: Option<&'static str>, source: MediaSource<'static>) -> Media<'static> {
    Media { mime: mime.map(Str::from), source, name: None }
}

fn schema(text: &'static str) -> ToolKind<'static> {
    ToolKind::Function { parameters: Raw::parse(text) }
}

#[test]
fn wire_066_empty_parts_go_unless_the_client_wants_them() {
    let one = request(vec![user(""), user("a"), Turn::new(Role::Assistant, vec![Block::text("")]), user("b")]);
    assert_eq!(
        sent(&one, "gemini-2.5-flash")["contents"],
        json!([{"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}])
    );
    let mut to = target("gemini-2.5-flash");
    to.repairs.empty_parts = false;
    assert_eq!(encoded(&one, &to).0["contents"][1]["parts"], json!([{"text": ""}]));
}

#[test]
fn wire_068_and_wire_069_every_medium_has_its_part() {
    let base64 = |text: &'static str| MediaSource::Base64(text.into());
    let one = request(vec![Turn::new(
        Role::User,
        vec![
            Block::new(BlockKind::File(media(Some("application/pdf"), base64("JVBERi0x")))),
            Block::new(BlockKind::Audio(media(Some("audio/wav"), base64("UklGRg==")))),
            Block::new(BlockKind::Video(media(None, MediaSource::Url("https://example.org/a.mp4".into())))),
            Block::new(BlockKind::File(media(None, MediaSource::Text("plain words".into())))),
            image(MediaSource::Url(" data:image/png;x=y; base64,iVBO\n Rw0KGg ".into()), None),
            image(MediaSource::Url("DATA:image/png;base64,-_-_".into()), None),
            image(MediaSource::Url("data:text/plain,a%20b".into()), None),
        ],
    )]);
    assert_eq!(
        sent(&one, "gemini-2.5-flash")["contents"][0]["parts"],
        json!([
            {"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0x"}},
            {"inlineData": {"mimeType": "audio/wav", "data": "UklGRg=="}},
            {"fileData": {"mimeType": "video/mp4", "fileUri": "https://example.org/a.mp4"}},
            {"text": "plain words"},
            {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGg=="}},
            {"inlineData": {"mimeType": "image/png", "data": "+/+/"}},
            {"inlineData": {"mimeType": "text/plain", "data": "YSBi"}},
        ])
    );
}

#[test]
fn wire_071_each_upstream_gets_the_schema_member_that_it_knows() {
    let mut one = request(vec![user("a")]);
    one.tools = vec![tool("f", schema(r#"{"type":"object","properties":{"a":{"type":"string"}}}"#))];
    let mut to = target("gemini-2.5-flash");
    let function = |to: &Target| encoded(&one, to).0["tools"][0]["functionDeclarations"][0].clone();
    assert!(function(&to).get("parametersJsonSchema").is_some() && function(&to).get("parameters").is_none());
    to.quirks.json_schema = false;
    assert!(function(&to).get("parametersJsonSchema").is_none());
    assert_eq!(function(&to)["parameters"]["type"], "OBJECT");
    to.repairs.schemas = false;
    assert_eq!(function(&to)["parameters"]["type"], "object");
}

#[test]
fn wire_073_a_function_without_parameters_has_none() {
    let mut one = request(vec![user("a")]);
    one.tools = vec![tool("f", schema(r#"{"type":"object","properties":{},"additionalProperties":false}"#))];
    let mut to = target("gemini-2.5-flash");
    to.quirks.json_schema = false;
    assert_eq!(encoded(&one, &to).0["tools"][0]["functionDeclarations"], json!([{"name": "f"}]));
}

#[test]
fn wire_150_schemas_of_real_agents_fit_the_subset() {
    let mut one = request(vec![user("a")]);
    one.tools = vec![tool(
        "edit",
        schema(
            r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","additionalProperties":false,
            "properties":{"mode":{"const":"fast"},"env":{"type":"object","propertyNames":{"type":"string"},
            "additionalProperties":{"type":"string"}},"path":{"anyOf":[{"type":"string","pattern":"^/"},{"type":"null"}]}},
            "required":["mode"]}"#,
        ),
    )];
    let mut to = target("gemini-2.5-flash");
    to.quirks.json_schema = false;
    let text = encoded(&one, &to).0["tools"].to_string();
    for word in ["$schema", "propertyNames", "\"const\"", "anyOf", "\"pattern\"", "additionalProperties"] {
        assert!(!text.contains(word), "{word} in {text}");
    }
    assert!(text.contains(r#""path":{"#) && text.contains(r#""enum":["fast"]"#), "{text}");
}

#[test]
fn wire_075_a_search_never_costs_the_functions() {
    let mut one = request(vec![user("a")]);
    one.tools = vec![
        tool("f", ToolKind::Function { parameters: None }),
        tool("web_search_20250305", ToolKind::Hosted { raw: Raw::NULL }),
        tool("code_execution_20250522", ToolKind::Hosted { raw: Raw::NULL }),
    ];
    for model in ["gemini-2.5-flash", "brand-new"] {
        let out = sent(&one, model);
        assert_eq!(out["tools"], json!([{"functionDeclarations": [{"name": "f"}]}]));
        assert!(out.get("toolConfig").is_none());
        assert!(lost(&one, model).contains(&"dropped tools[].web_search_20250305".to_owned()));
    }
    let out = sent(&one, "gemini-3-pro-preview");
    assert_eq!(out["tools"], json!([{"googleSearch": {}}, {"functionDeclarations": [{"name": "f"}]}]));
    assert_eq!(out["toolConfig"], json!({"includeServerSideToolInvocations": true}));
    assert!(lost(&one, "gemini-3-pro-preview").contains(&"dropped tools[].code_execution_20250522".to_owned()));
}

#[test]
fn wire_077_078_settings_without_a_counterpart_are_losses() {
    let mut one = request(vec![user("a")]);
    one.parallel_tool_calls = Some(false);
    (one.candidates, one.sampling.top_k) = (Some(Num::from(9_u64)), Some(Num::from(40_u64)));
    one.sampling.temperature = Some(Num::from(3_u64));
    one.sampling.presence_penalty = Some(Num::from(1_u64));
    one.logprobs = Some(LogprobsConfig { top: Some(Num::from(3_u64)) });
    let mut to = target("gemini-2.5-flash");
    (to.profile.candidates_max, to.profile.penalties) = (Some(8), Some(false));
    let (out, encoded_all) = encoded(&one, &to);
    let config = &out["generationConfig"];
    assert_eq!((&config["candidateCount"], &config["topK"]), (&json!(8), &json!(40)));
    assert_eq!((&config["responseLogprobs"], &config["logprobs"]), (&json!(true), &json!(3)));
    assert_eq!(config["temperature"].as_f64(), Some(2.0));
    assert!(config.get("presencePenalty").is_none());
    let mut lost: Vec<_> =
        encoded_all.losses.iter().map(|loss| format!("{} {}", loss.kind.name(), loss.field)).collect();
    lost.sort();
    let told = ["clamped n", "clamped temperature", "dropped parallel_tool_calls", "dropped presence_penalty"];
    assert_eq!(lost, told);
    to.repairs.bounds = false;
    assert_eq!(encoded(&one, &to).0["generationConfig"]["temperature"], json!(3));
}

#[test]
fn wire_080_the_cap_exceeds_the_budget() {
    let asked = |budget: u64, cap: Option<u64>, model: &str| {
        let mut one = request(vec![user("a")]);
        one.reasoning = Some(ReasoningConfig { budget: Some(budget.into()), ..ReasoningConfig::default() });
        one.max_output_tokens = cap.map(Num::from);
        let config = sent(&one, model)["generationConfig"].clone();
        (config["thinkingConfig"]["thinkingBudget"].as_u64(), config["maxOutputTokens"].as_u64().unwrap())
    };
    assert_eq!(asked(20_000, None, "gemini-2.5-flash"), (Some(20_000), 36_384));
    assert_eq!(asked(20_000, Some(10_000), "gemini-2.5-flash"), (Some(8_976), 10_000));
    assert_eq!(asked(2_000, Some(600), "gemini-2.5-flash-lite"), (Some(0), 600));
    assert_eq!(asked(2_000, Some(100), "gemini-2.5-pro"), (None, 100));
    assert_eq!(asked(9, Some(999_999), "gemini-2.5-pro"), (Some(128), 65_535));
}

#[test]
fn wire_083_safety_settings_come_only_from_the_client() {
    let body = r#"{"contents":[{"role":"user","parts":[{"text":"a"}]}],"safetySettings":[{"category":"C"}]}"#;
    assert_eq!(again(body, "gemini-3-pro"), value(body.as_bytes()));
    assert!(sent(&request(vec![user("a")]), "gemini-3-pro").get("safetySettings").is_none());
}

#[test]
fn wire_085_cached_content_stays_with_gemini() {
    let body = r#"{"contents":[{"role":"user","parts":[{"text":"a"}]}],"cachedContent":"cachedContents/x"}"#;
    assert_eq!(again(body, "gemini-2.5-flash"), value(body.as_bytes()));
    let read = decode_request(body.as_bytes(), &endpoint()).unwrap();
    for other in [Dialect::OpenAiChat, Dialect::OpenAiResponses, Dialect::Anthropic] {
        let mut out = Vec::new();
        let encoded = crate::dialects::encode_request(other, &read, &target("m"), &mut out).unwrap();
        assert!(!String::from_utf8(out).unwrap().contains("cachedContents/x"));
        assert!(encoded.losses.iter().any(|loss| loss.field.contains("cachedContent")), "{other:?}");
    }
}

#[test]
fn wire_089_thoughts_are_no_content() {
    let body =
        br#"{"candidates":[{"content":{"parts":[{"text":"hm","thought":true},{"text":"hi"}]},"finishReason":"STOP"}]}"#;
    let response = decode_response(body).unwrap();
    let kinds: Vec<_> = response.choices[0].blocks.iter().map(|block| &block.kind).collect();
    assert!(matches!(kinds[0], BlockKind::Reasoning(_)) && matches!(kinds[1], BlockKind::Text { .. }));
}

#[test]
fn thoughts_can_be_taken_out_of_a_conversation() {
    let thought = |text: &'static str| {
        Block::new(BlockKind::Reasoning(ReasoningBlock { text: vec![text.into()], redacted: false, id: None }))
    };
    let mut sealed = call("1", "f");
    sealed.signature = Some(seal(Dialect::Gemini, "s"));
    let mut one = request(vec![
        user("a"),
        Turn::new(Role::Assistant, vec![thought("only")]),
        Turn::new(Role::Assistant, vec![thought("first"), sealed]),
        Turn::new(Role::User, vec![]),
    ]);
    strip_thoughts(&mut one);
    assert_eq!(one.turns.iter().map(|turn| turn.blocks.len()).collect::<Vec<_>>(), [1, 1, 0]);
    assert!(one.turns[1].blocks[0].signature.is_some());
}

fn events(text: &str) -> Vec<Event<'static>> {
    let mut events = Vec::new();
    let mut decoder = StreamDecoder::default();
    let mut sink = |event: Event<'_>| match event {
        Event::BlockStart { index, choice, block } => {
            events.push(Event::BlockStart { index, choice, block: block.into_owned() });
        }
        Event::Finish { choice, stop, .. } => {
            events.push(Event::Finish { choice, stop, stop_sequence: None, note: None });
        }
        Event::Error(error) => events.push(Event::Error(error)),
        _ => {}
    };
    Parser::default().push(text.as_bytes(), &mut |event| decoder.event(event, &mut sink)).unwrap();
    decoder.finish(&mut sink);
    events
}

#[test]
fn wire_092_media_of_an_answer_are_media_whole_and_in_streams() {
    for (mime, kind) in
        [("image/png", "Image"), ("audio/L16;rate=24000", "Audio"), ("video/mp4", "Video"), ("application/pdf", "File")]
    {
        let body = json!({"candidates": [{"content": {"parts": [{"inlineData": {"mimeType": mime, "data": "AAAA"}}],
            "role": "model"}, "finishReason": "STOP", "index": 0}]});
        let text = body.to_string();
        let response = decode_response(text.as_bytes()).unwrap();
        assert!(format!("{:?}", response.choices[0].blocks[0].kind).starts_with(kind), "{mime}");
        assert_eq!(response_again(&text), body);
        let stream = events(&format!("data: {text}\n\n"));
        let Event::BlockStart { block: BlockStart::Image(media), .. } = &stream[0] else { panic!("{stream:?}") };
        assert_eq!(media.mime.as_deref(), Some(mime));
        let mut out = Vec::new();
        let mut encoder = StreamEncoder::new(ReplyContext::default());
        crate::reply::expand(&response, &mut |event| encoder.event(event, &mut out));
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains(&format!(r#""inlineData":{{"mimeType":"{mime}","data":"AAAA"}}"#)), "{out}");
    }
}

#[test]
fn wire_094_a_malformed_call_is_never_an_empty_success() {
    for parts in [json!([]), json!([{"text": ""}]), json!([{"text": "hm", "thought": true}])] {
        let body = json!({"candidates": [{"content": {"parts": parts, "role": "model"}, "index": 0,
            "finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "Malformed function call: f("}]});
        let error = decode_response(body.to_string().as_bytes()).unwrap_err();
        assert!(error.message.contains("Malformed function call: f("), "{error}");
        let stream = events(&format!("data: {body}\n\n"));
        assert!(matches!(stream.last(), Some(Event::Error(_))), "{stream:?}");
    }
    let said = r#"{"candidates":[{"content":{"parts":[{"text":"I will"}]},"finishReason":"MALFORMED_FUNCTION_CALL"}]}"#;
    assert_eq!(decode_response(said.as_bytes()).unwrap().choices[0].stop, StopReason::Malformed);
    let stream = events(&format!("data: {said}\n\n"));
    assert!(matches!(stream.last(), Some(Event::Finish { stop: StopReason::Malformed, .. })), "{stream:?}");
}

#[test]
fn wire_148_seals_stand_on_empty_parts_and_sentinels_come_in_base64() {
    let body = json!({"contents": [
        {"role": "user", "parts": [{"text": "a"}]},
        {"role": "model", "parts": [
            {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="},
            {"text": "done"}, {"text": "", "thoughtSignature": "end"},
        ]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]},
    ]});
    assert_eq!(again(&body.to_string(), "gemini-3-pro"), body);
}

#[test]
fn labels_and_tiers_go_by_the_endpoint() {
    let body = r#"{"contents":[],"labels":{"team":"a"},"serviceTier":"standard",
        "generationConfig":{"responseLogprobs":true,"logprobs":2}}"#;
    assert_eq!(again(body, "gemini-2.5-flash"), value(body.as_bytes()));
    let read = decode_request(body.as_bytes(), &endpoint()).unwrap();
    assert_eq!(read.service_tier.as_deref(), Some("default"));
    assert!(read.metadata.is_some() && read.logprobs.is_some() && read.extra.is_empty());
    let odd = r#"{"contents":[],"labels":7,"service_tier":"NEW","generationConfig":{"response_logprobs":false,"logprobs":2}}"#;
    assert_eq!(again(odd, "gemini-2.5-flash"), value(odd.as_bytes()));

    let mut one = request(vec![user("a")]);
    one.metadata = Raw::parse(r#"{"team":"a","Bad Key":"b"}"#);
    one.service_tier = Some("flex".into());
    (one.store, one.verbosity, one.prompt_cache_key) = (Some(true), Some("low".into()), Some("k".into()));
    let mut to = target("gemini-2.5-flash");
    let (out, encoded_api) = encoded(&one, &to);
    assert_eq!((&out["serviceTier"], out.get("labels")), (&json!("flex"), None));
    let fields: Vec<_> = encoded_api.losses.iter().map(|loss| loss.field.to_string()).collect();
    assert_eq!(fields, ["metadata", "prompt_cache_key", "verbosity", "store"]);
    to.quirks.vertex = true;
    let (out, _) = encoded(&one, &to);
    assert_eq!((&out["labels"], out.get("serviceTier")), (&json!({"team": "a"}), None));
    one.service_tier = Some("auto".into());
    assert!(!lost(&one, "gemini-2.5-flash").iter().any(|loss| loss.contains("service_tier")));
}

#[test]
fn repairs_that_are_off_change_nothing() {
    let mut one = request(vec![
        user("a"),
        user("b"),
        Turn::new(Role::Assistant, vec![call("1", "odd name"), call("2", "g")]),
        Turn::new(Role::Tool, vec![result("2", vec![Block::text("x")], None)]),
        Turn::new(Role::Tool, vec![result("9", vec![Block::text("y")], None)]),
        user("c"),
    ]);
    one.tools = vec![tool("odd name", ToolKind::Function { parameters: None })];
    one.tool_choice = Some(ToolChoice::Named("odd name".into()));
    one.output_format = Some(OutputFormat::Text);
    let mut to = target("gemini-2.5-flash");
    (to.repairs.turns, to.repairs.orphans, to.repairs.names) = (false, false, false);
    let (out, encoded_raw) = encoded(&one, &to);
    assert_eq!(out["contents"].as_array().unwrap().len(), 6);
    assert_eq!(out["contents"][2]["parts"][0]["functionCall"]["name"], "odd name");
    assert_eq!(out["contents"][3]["parts"], json!([{"functionResponse": {"name": "g", "response": {"result": "x"}}}]));
    assert_eq!(out["contents"][4]["parts"][0]["functionResponse"]["name"], "9");
    assert_eq!(out["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"], json!(["odd name"]));
    assert!(encoded_raw.notes.tool_names.is_empty());
    (to.repairs.turns, to.repairs.orphans) = (false, true);
    let answered = encoded(&one, &to).0["contents"].to_string();
    assert!(answered.contains("the tool gave no result") && answered.contains("Result of the tool 9:"), "{answered}");
}

#[test]
fn too_many_pictures_lose_the_oldest() {
    let picture = |text: &'static str| image(MediaSource::Base64(text.into()), Some("image/png"));
    let one = request(vec![Turn::new(Role::User, vec![picture("AAAA"), picture("BBBB"), picture("CCCC")])]);
    let mut to = target("gemini-2.5-flash");
    to.profile.images_max = Some(2);
    let parts = encoded(&one, &to).0["contents"][0]["parts"].clone();
    assert_eq!(parts.as_array().unwrap().len(), 2);
    assert_eq!(parts[0]["inlineData"]["data"], "BBBB");
    to.repairs.bounds = false;
    assert_eq!(encoded(&one, &to).0["contents"][0]["parts"].as_array().unwrap().len(), 3);
}
