//! Requests of this dialect come back as they were.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::Dialect;
use crate::ir::{BlockKind, LossKind, MediaSource, OutputFormat, Role, ToolChoice, ToolKind};

const FULL: &str = include_str!("../fixtures/request_full.json");
const LEGACY: &str = include_str!("../fixtures/request_legacy.json");

fn decode(body: &str) -> Request<'_> {
    decode_request(body.as_bytes(), &Endpoint::default()).unwrap()
}

fn param(body: &Value) -> Option<String> {
    decode_request(body.to_string().as_bytes(), &Endpoint::default()).unwrap_err().param
}

#[test]
fn every_member_comes_back_with_its_text() {
    for body in [FULL, LEGACY] {
        assert_eq!(canonical(&again(body)), canonical(body));
    }
}

#[test]
fn the_conversation_is_read() {
    let request = decode(FULL);
    assert_eq!(request.origin, Dialect::OpenAiChat);
    let roles: Vec<Role> = request.turns.iter().map(|turn| turn.role).collect();
    assert_eq!(roles[..5], [Role::Developer, Role::System, Role::User, Role::Assistant, Role::Tool]);
    let media: Vec<String> = request.turns[2]
        .blocks
        .iter()
        .filter_map(|block| match &block.kind {
            BlockKind::Image(media) | BlockKind::Audio(media) | BlockKind::File(media) => {
                let source = match &media.source {
                    MediaSource::Base64(data) => format!("base64 {data}"),
                    MediaSource::Url(url) => format!("url {url}"),
                    MediaSource::FileId(id) => format!("id {id}"),
                    MediaSource::Text(text) => format!("text {text}"),
                };
                Some(format!("{:?} {source}", media.mime))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        media,
        [
            "Some(\"image/png\") base64 iVBORw0KGgo=",
            "None url https://example.org/a.jpg",
            "Some(\"audio/wav\") base64 UklGRg==",
            "Some(\"audio/mpeg\") base64 SUQz",
            "Some(\"application/pdf\") base64 JVBERi0=",
            "None id file-abc",
            "None base64 JVBERi0=",
            "None url https://example.org/a.pdf",
        ]
    );
    assert!(matches!(&request.tools[4].kind, ToolKind::Hosted { .. }));
    assert!(matches!(&request.tool_choice, Some(ToolChoice::Among { required: false, .. })));
    assert!(matches!(&request.output_format, Some(OutputFormat::JsonSchema { strict: Some(true), .. })));
    let BlockKind::ToolResult(result) = &request.turns[5].blocks[0].kind else { panic!() };
    assert_eq!(result.name.as_deref(), Some("apply_patch"), "the result knows its call");
}

#[test]
fn wire_133_legacy_calls_and_results_find_each_other() {
    let request = decode(LEGACY);
    let id = |turn: usize| match &request.turns[turn].blocks[0].kind {
        BlockKind::ToolUse(call) => call.id.to_string(),
        BlockKind::ToolResult(result) => result.id.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!((id(1), id(3)), (id(2), id(4)));
    assert_ne!(id(1), id(3));
    assert_eq!(request.tool_choice, Some(ToolChoice::Named("get_weather".into())));
}

#[test]
fn wire_056_the_cap_goes_by_the_name_that_the_provider_knows() {
    let body = |name: &str| json!({"model":"m","messages":[],name:5}).to_string();
    let encoded = |name: &str, max_tokens_name: bool| {
        let body = body(name);
        encode(&decode(&body), Quirks { max_tokens_name, ..Quirks::default() }).0
    };
    assert!(encoded("max_completion_tokens", true).contains(r#""max_tokens":5"#));
    assert!(encoded("max_tokens", true).contains(r#""max_tokens":5"#));
    assert!(encoded("max_tokens", false).contains(r#""max_tokens":5"#));
    let both = r#"{"model":"m","messages":[],"max_tokens":1,"max_completion_tokens":2}"#;
    assert_eq!(canonical(&again(both)), canonical(both));
    let (one, _) = encode(&decode(both), Quirks { max_tokens_name: true, ..Quirks::default() });
    assert_eq!(one, r#"{"model":"m","messages":[],"max_tokens":2}"#);
}

#[test]
fn wire_034_usage_is_always_asked_for_upstream() {
    let body = r#"{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":false,"x":1}}"#;
    let request = decode(body);
    assert!(!asks_for_usage(&request));
    let (out, _) = encode(&request, Quirks::default());
    assert!(out.contains(r#""stream_options":{"include_usage":true,"x":1}"#), "{out}");
    let (out, encoded) = encode(&request, Quirks { stream_usage: false, ..Quirks::default() });
    assert!(!out.contains("stream_options") && !encoded.losses.is_empty(), "{out}");
    assert!(asks_for_usage(&decode(LEGACY)));
}

#[test]
fn wire_122_stream_options_without_a_stream_are_taken_out() {
    let request = decode(LEGACY);
    let target = Target::new("m", false);
    let mut out = Vec::new();
    let encoded = encode_request(&request, &target, &mut out).unwrap();
    assert!(!String::from_utf8(out).unwrap().contains("stream"));
    assert!(encoded.losses.is_empty(), "the gateway chose so: the client loses nothing");
}

#[test]
fn reasoning_goes_back_only_to_providers_that_take_it() {
    let body = r#"{"model":"m","messages":[{"role":"assistant","content":"a","reasoning":"why"}]}"#;
    assert_eq!(canonical(&again(body)), canonical(body));
    let (out, encoded) = encode(&decode(body), Quirks::default());
    assert!(!out.contains("why"));
    assert_eq!(encoded.losses.iter().next().unwrap().kind, LossKind::Dropped);
}

#[test]
fn quirks_turn_developer_and_custom_into_what_servers_know() {
    let quirks = Quirks { developer_role: false, custom_tools: false, reasoning_content: true, ..Quirks::default() };
    let (out, encoded) = encode(&decode(FULL), quirks);
    let out: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(out["messages"][0]["role"], "system");
    let call = &out["messages"][3]["tool_calls"][1];
    assert_eq!(call["function"], json!({"name":"apply_patch","arguments":"{\"input\":\"*** Begin\"}"}));
    assert_eq!(out["tools"][3]["type"], "function");
    let said = out["tools"][3]["function"]["description"].as_str().unwrap();
    assert!(said.contains("`input` is plain text") && said.contains("grammar"), "{said}");
    assert!(encoded.losses.iter().any(|loss| loss.field == "tools[].format" && loss.kind == LossKind::Approximated));
    assert_eq!(encoded.notes.wrapped_custom, ["apply_patch"]);
}

#[test]
fn wire_126_unknown_kinds_are_kept() {
    let body = json!({"model":"m","messages":[
        {"role":"user","content":[{"type":"hologram","x":[1]}]},
        {"role":"assistant","content":null,"tool_calls":[{"type":"oracle","id":"1","q":2}]}],
        "tools":[{"type":"web_search_preview"}],"tool_choice":{"type":"oracle"},
        "response_format":{"type":"grammar","grammar":"x"},"reasoning_effort":"default"})
    .to_string();
    assert_eq!(canonical(&again(&body)), canonical(&body));
}

#[test]
fn errors_say_which_member_is_wrong() {
    let message = |message: Value| json!({"model":"m","messages":[{"role":"user","content":"a"}, message]});
    assert_eq!(param(&json!({"messages":[]})).as_deref(), Some("model"));
    assert_eq!(param(&json!({"model":"m"})).as_deref(), Some("messages"));
    assert_eq!(param(&json!({"model":"m","messages":{}})).as_deref(), Some("messages"));
    assert_eq!(param(&message(json!({"content":"a"}))).as_deref(), Some("messages[1].role"));
    assert_eq!(param(&message(json!({"role":"king","content":"a"}))).as_deref(), Some("messages[1].role"));
    assert_eq!(param(&message(json!({"role":"user"}))).as_deref(), Some("messages[1].content"));
    assert_eq!(param(&message(json!({"role":"tool","content":"a"}))).as_deref(), Some("messages[1].tool_call_id"));
    let part = |part: Value| message(json!({"role":"user","content":[part]}));
    assert_eq!(param(&part(json!({"type":"text","text":5}))).as_deref(), Some("messages[1].content[0].text"));
    assert_eq!(param(&part(json!({"type":"image_url"}))).as_deref(), Some("messages[1].content[0].image_url"));
    assert_eq!(
        param(&part(json!({"type":"image_url","image_url":{}}))).as_deref(),
        Some("messages[1].content[0].image_url.url")
    );
    let call = message(json!({"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":1}}]}));
    assert_eq!(param(&call).as_deref(), Some("messages[1].tool_calls[0].function.name"));
    assert_eq!(
        param(&json!({"model":"m","messages":[],"tools":[{"type":"function","function":{}}]})).as_deref(),
        Some("tools[0].function.name")
    );
    assert_eq!(param(&json!({"model":"m","messages":[],"stop":7})).as_deref(), Some("stop"));
    assert_eq!(param(&json!({"model":"m","messages":[],"temperature":"1"})).as_deref(), Some("temperature"));
}

/// A word that may need escapes.
fn word() -> impl Strategy<Value = String> {
    "[a-z\"\\\\\n\u{e9}\u{2028}\u{1F600}]{1,6}"
}

fn maybe(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Option<Value>> {
    proptest::option::of(value)
}

fn part() -> impl Strategy<Value = Value> {
    prop_oneof![
        word().prop_map(|text| json!({"type":"text","text":text})),
        word().prop_map(|text| json!({"type":"text","text":text,"cache_control":{"type":"ephemeral"}})),
        "[A-Za-z0-9+/]{4}"
            .prop_map(|data| json!({"type":"image_url","image_url":{"url":format!("data:image/png;base64,{data}")}})),
        word().prop_map(|url| json!({"type":"image_url","image_url":url})),
        word().prop_map(|id| json!({"type":"file","file":{"file_id":id},"x":null})),
        word().prop_map(|text| json!({"type":"odd","odd":text})),
    ]
}

fn content() -> impl Strategy<Value = Value> {
    prop_oneof![
        word().prop_map(Value::from),
        Just(json!("")),
        Just(Value::Null),
        proptest::collection::vec(part(), 0..3).prop_map(Value::from),
    ]
}

fn call() -> impl Strategy<Value = Value> {
    (word(), word(), any::<bool>(), proptest::option::of(0_u32..9)).prop_map(|(name, input, custom, index)| {
        let mut call = if custom {
            json!({"id":"c1","type":"custom","custom":{"name":name,"input":input}})
        } else {
            json!({"id":"c1","type":"function","function":{"name":name,"arguments":input}})
        };
        if let Some(index) = index {
            call["index"] = index.into();
        }
        call
    })
}

fn message() -> impl Strategy<Value = Value> {
    let plain =
        (prop_oneof![Just("user"), Just("system"), Just("developer")], content(), maybe(word().prop_map(Value::from)));
    let plain = plain.prop_map(|(role, content, name)| match name {
        Some(name) => json!({"role":role,"content":content,"name":name}),
        None => json!({"role":role,"content":content}),
    });
    let assistant = (
        content(),
        proptest::option::of(proptest::collection::vec(call(), 0..3)),
        maybe(word().prop_map(Value::from)),
        any::<bool>(),
    );
    let assistant = assistant.prop_map(|(content, calls, thought, short)| {
        let mut message = json!({"role":"assistant","content":content,"refusal":null});
        if let Some(calls) = calls {
            message["tool_calls"] = calls.into();
        }
        if let Some(thought) = thought {
            message[if short { "reasoning" } else { "reasoning_content" }] = thought;
        }
        message
    });
    let result = content().prop_map(|content| json!({"role":"tool","tool_call_id":"c1","content":content}));
    prop_oneof![plain, assistant, result]
}

fn request() -> impl Strategy<Value = Value> {
    let members = prop_oneof![
        Just(("tool_choice", json!("auto"))),
        Just(("tool_choice", json!("any"))),
        Just(("tool_choice", json!({"type":"function","function":{"name":"f"}}))),
        Just(("tools", json!([]))),
        Just(("tools", json!([{"type":"function","function":{"name":"f","parameters":{"b":1,"a":2.5}}}]))),
        Just(("parallel_tool_calls", json!(true))),
        Just(("stop", json!("x"))),
        Just(("stop", json!([]))),
        Just(("stop", Value::Null)),
        Just(("stream", json!(false))),
        Just(("stream", Value::Null)),
        Just(("max_tokens", json!(7))),
        Just(("max_completion_tokens", json!(8))),
        Just(("reasoning_effort", json!("max"))),
        Just(("reasoning_effort", json!("odd"))),
        Just(("response_format", json!({"type":"text","x":1}))),
        Just(("response_format", json!({"type":"json_schema","json_schema":{"name":"a b","schema":{}}}))),
        Just(("temperature", json!(0.5))),
        word().prop_map(|text| ("x_odd", json!({ "y": text }))),
    ];
    (proptest::collection::vec(message(), 0..5), proptest::collection::vec(members, 0..6)).prop_map(
        |(messages, members)| {
            let mut body = json!({"model":"m","messages":messages});
            for (key, value) in members {
                body[key] = value;
            }
            body
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_request_comes_back(body in request()) {
        let body = body.to_string();
        prop_assert_eq!(canonical(&again(&body)), canonical(&body));
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64), cut in any::<prop::sample::Index>()) {
        let _ = decode_request(&bytes, &Endpoint::default());
        let _ = decode_response(&bytes);
        let _ = decode_error(500, &bytes);
        let _ = decode_request(&FULL.as_bytes()[..cut.index(FULL.len())], &Endpoint::default());
    }
}
