//! Properties over generated input.

use proptest::prelude::*;
use serde_json::{Map, json};

use super::streams::STREAM;
use super::*;
use crate::Dialect;
use crate::ir::{
    Block, BlockKind, CacheMark, Media, MediaSource, ReasoningBlock, Request, Role, Signature, ToolResult, ToolUse,
    ToolUseKind, Turn,
};
use crate::json::{Raw, Str};

/// Any JSON value of three levels.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z\"\\\\\n\u{e9}\u{2028}]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z]{1,5}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// `object` with some of the `more` members.
fn with(object: Value, more: Vec<(&'static str, Value)>, keep: u32) -> Value {
    let mut object = object.as_object().cloned().unwrap_or_default();
    for (n, (key, value)) in more.into_iter().enumerate() {
        if keep & (1 << n) != 0 {
            object.insert(key.to_owned(), value);
        }
    }
    Value::Object(object)
}

fn part() -> impl Strategy<Value = Value> {
    (0..8_u32, ".{0,8}", any::<u32>(), json_value()).prop_map(|(kind, text, keep, any)| match kind {
        0 => with(json!({"type": "input_text", "text": text}), vec![("x_y", any), ("annotations", json!([]))], keep),
        1 => with(
            json!({"type": "output_text", "text": text}),
            vec![("annotations", json!([{"type": "t"}])), ("logprobs", json!([])), ("x_y", any)],
            keep,
        ),
        2 => json!({"type": "refusal", "refusal": text}),
        3 => with(
            json!({"type": "input_image", "image_url": format!("data:image/png;base64,{text}")}),
            vec![("detail", any)],
            keep,
        ),
        4 => with(
            json!({"type": "input_image", "file_id": text}),
            vec![("image_url", json!("https://a")), ("cache_control", json!({"type": "ephemeral"}))],
            keep,
        ),
        5 => with(
            json!({"type": "input_file"}),
            vec![("file_data", json!(text)), ("filename", json!("f")), ("file_id", json!("id"))],
            keep,
        ),
        6 => json!({"type": "text", "text": text}),
        _ => json!({"type": "x_part", "value": any}),
    })
}

fn item() -> impl Strategy<Value = Value> {
    let parts = proptest::collection::vec(part(), 0..4);
    (0..9_u32, 0..4_usize, "[a-z]{1,6}", parts, any::<u32>(), json_value()).prop_map(
        |(kind, role, word, parts, keep, any)| {
            let role = ["user", "assistant", "system", "developer"][role];
            match kind {
                0 => with(json!({"role": role, "content": word}), vec![("type", json!("message")), ("x_y", any)], keep),
                1 => with(
                    json!({"role": role, "content": parts}),
                    vec![("type", json!("message")), ("id", json!("msg_1"))],
                    keep,
                ),
                2 => with(
                    json!({"type": "function_call", "call_id": word, "name": "f", "arguments": "{ \"a\":1.0}"}),
                    vec![("id", any), ("status", json!("completed"))],
                    keep,
                ),
                3 => json!({"type": "function_call_output", "call_id": word, "output": parts}),
                4 => with(
                    json!({"type": "custom_tool_call", "call_id": word, "name": "g", "input": "x"}),
                    vec![("arguments", json!("y")), ("namespace", any)],
                    keep,
                ),
                5 => with(
                    json!({"type": "reasoning"}),
                    vec![
                        ("id", json!(word)),
                        ("summary", json!([{"type": "summary_text", "text": "t"}])),
                        ("encrypted_content", json!("e")),
                        ("content", json!([{"type": "reasoning_text", "text": "c"}])),
                    ],
                    keep,
                ),
                6 => with(
                    json!({"type": "reasoning", "summary": []}),
                    vec![("content", Value::Null), ("encrypted_content", Value::Null), ("status", any)],
                    keep,
                ),
                7 => with(
                    json!({"type": "x_item", "value": any}),
                    vec![("role", json!("developer")), ("id", json!(3))],
                    keep,
                ),
                _ => json!({"type": "custom_tool_call_output", "call_id": word, "output": word}),
            }
        },
    )
}

fn request() -> impl Strategy<Value = Value> {
    let members = (any::<u32>(), json_value(), proptest::collection::btree_map("x_[a-z]{1,4}", json_value(), 0..3));
    (proptest::collection::vec(item(), 0..6), members).prop_map(|(items, (keep, any, unknown))| {
        let body = json!({"model": "m", "input": items});
        let mut body = with(
            body,
            vec![
                ("stream", json!(keep & (1 << 20) != 0)),
                ("instructions", json!("I")),
                ("tools", json!([{"type": "function", "name": "f", "parameters": any, "x_y": 1}, {"type": "custom", "name": "g"}, {"type": "x_tool"}])),
                ("tool_choice", json!({"type": "custom", "name": "g"})),
                ("temperature", json!(0.25)),
                ("max_output_tokens", json!(7)),
                ("reasoning", json!({"effort": "low", "summary": "concise", "x_y": any})),
                ("text", json!({"format": {"type": "json_schema", "name": "n", "schema": {"a": any}, "x_y": 2}, "verbosity": "high"})),
                ("user", json!("u")),
                ("safety_identifier", json!("s")),
                ("parallel_tool_calls", Value::Null),
                ("metadata", any),
            ],
            keep,
        );
        body.as_object_mut().unwrap().extend(unknown.into_iter().collect::<Map<_, _>>());
        body
    })
}

/// A block of any kind with hostile words, in no dialect's order.
fn block() -> impl Strategy<Value = Block<'static>> {
    let word = prop_oneof![Just(String::new()), Just("same".to_owned()), ".{0,80}"];
    (0..10_u32, word, any::<bool>(), 0..4_usize).prop_map(|(kind, word, flag, issuer)| {
        let issuer = Dialect::ALL[issuer];
        let text = Str::from(word.clone());
        let media = Media { mime: None, source: MediaSource::Base64(text.clone()), name: None };
        let use_kind = if flag { ToolUseKind::Function } else { ToolUseKind::Custom };
        let kind = match kind {
            0 => BlockKind::Text { text, citations: flag.then_some(Raw::TRUE) },
            1 => BlockKind::Image(media),
            2 => BlockKind::File(media),
            3 => BlockKind::Audio(media),
            4 => BlockKind::ToolUse(ToolUse { id: text.clone(), name: text.clone(), input: text, kind: use_kind }),
            5 => BlockKind::ToolResult(ToolResult {
                id: text.clone(),
                name: None,
                content: vec![Block::text(word), Block::new(BlockKind::Image(media))],
                is_error: Some(flag),
                kind: use_kind,
            }),
            6 => BlockKind::Reasoning(ReasoningBlock { text: vec![text], redacted: flag, id: None }),
            7 => BlockKind::Refusal { text },
            8 => BlockKind::Opaque { dialect: issuer, raw: Raw::parse(r#"{"type":"x_item"}"#).unwrap() },
            _ => BlockKind::Video(media),
        };
        let signature = flag.then(|| Signature { issuer, value: Str::from("seal") });
        Block { signature, cache: flag.then_some(CacheMark(Raw::TRUE)), ..Block::new(kind) }
    })
}

fn conversation() -> impl Strategy<Value = Vec<Turn<'static>>> {
    let role = (0..5_usize).prop_map(|n| [Role::System, Role::Developer, Role::User, Role::Assistant, Role::Tool][n]);
    let turn = (role, proptest::collection::vec(block(), 0..4)).prop_map(|(role, blocks)| Turn::new(role, blocks));
    proptest::collection::vec(turn, 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn any_request_comes_back_as_it_was(body in request()) {
        let bytes = body.to_string();
        prop_assert_eq!(request_round_trip(bytes.as_bytes()), body);
    }

    #[test]
    fn any_answer_comes_back_as_it_was(items in proptest::collection::vec(item(), 0..6), usage in json_value(), unknown in json_value()) {
        let body = json!({"id": "resp_1", "model": "m", "status": "completed", "output": items, "usage": usage, "x_y": unknown});
        let bytes = body.to_string();
        prop_assert_eq!(response_round_trip(bytes.as_bytes()), body);
    }

    #[test]
    fn any_conversation_is_valid_json(turns in conversation(), origin in 0..4_usize) {
        let request = Request { turns, ..Request::new(Dialect::ALL[origin], Str::from("m")) };
        let mut out = Vec::new();
        if encode_request(&request, &Target::default(), &mut out).is_ok() {
            let body = parsed(&out);
            prop_assume!(request.origin != DIALECT);
            // Every call has one result behind it, every result a call before it.
            let mut open: Vec<&str> = Vec::new();
            for item in body["input"].as_array().unwrap() {
                let Some(id) = item["call_id"].as_str() else { continue };
                prop_assert!(id.len() <= 64);
                if item.get("output").is_some() {
                    let at = open.iter().position(|open| *open == id);
                    prop_assert!(at.is_some(), "{}", body);
                    open.remove(at.unwrap());
                } else {
                    open.push(id);
                }
            }
            prop_assert!(open.is_empty(), "{}", body);
        }
    }

    #[test]
    fn any_answer_of_another_dialect_is_valid(blocks in proptest::collection::vec(block(), 0..6)) {
        let response = responses::foreign(blocks, StopReason::EndTurn);
        let mut out = Vec::new();
        encode_response(&response, &ReplyContext::default(), &mut out);
        prop_assert!(parsed(&out)["output"].is_array());
    }

    #[test]
    fn any_split_gives_the_same_events(cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(STREAM.len() + 1)).collect();
        at.extend([0, STREAM.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &STREAM[pair[0]..pair[1]]).collect();
        prop_assert_eq!(told(&pieces), told(&[STREAM]));
    }

    #[test]
    fn damaged_streams_have_one_end(cut in any::<prop::sample::Index>(), noise in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20)) {
        let mut bytes = STREAM[..cut.index(STREAM.len() + 1)].to_vec();
        for (at, byte) in noise {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        prop_assert_eq!(told(&[&bytes]).terminals, 1);
        stream_round_trip(&bytes, ReplyContext::default());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64), text in "[{}\\[\\]\",:a-z0-9 ]{0,64}") {
        for body in [&bytes[..], text.as_bytes()] {
            let _ = decode_request(body, &Endpoint::default());
            let _ = decode_response(body);
            let _ = decode_error(200, body);
        }
    }

    #[test]
    fn any_order_of_events_has_one_end(order in proptest::collection::vec((0..30_usize, 0..3_u32), 0..30)) {
        let text = std::str::from_utf8(STREAM).unwrap();
        let events: Vec<&str> = text.split("\n\n").filter(|event| !event.is_empty()).collect();
        let mut body = String::new();
        for (at, index) in order {
            let event = events[at % events.len()];
            body.push_str(&event.replace("\"output_index\":1", &format!("\"output_index\":{index}")));
            body.push_str("\n\n");
        }
        prop_assert_eq!(told(&[body.as_bytes()]).terminals, 1);
        stream_round_trip(body.as_bytes(), ReplyContext::default());
    }
}
