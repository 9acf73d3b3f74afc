use serde_json::json;

use super::convert::{function, question, thought};
use super::streams::{begun, call, decode, delta, encode, finish, start, strict};
use super::*;
use crate::dialects::Quirks;
use crate::ir::stream::{BlockStart, Delta, Event};
use crate::ir::{BlockKind, CacheMark, Choice, Response, Signature, StopReason, ToolUseKind};
use crate::json::{Extra, Raw};
use crate::lane::{Lane, Needs};

fn kinds(list: &[Value]) -> Vec<String> {
    let starts = list.iter().filter(|event| event["type"] == "content_block_start");
    starts.map(|event| format!("{} {}", event["index"], event["content_block"]["type"].as_str().unwrap())).collect()
}

#[test]
fn wire_019_usage_of_message_start_is_complete() {
    let list = strict(&encode([begun()].into_iter().chain(finish(StopReason::EndTurn)).collect()));
    let usage = list[0]["message"]["usage"].as_object().unwrap();
    for member in ["input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"] {
        assert!(usage[member].is_u64(), "{member}");
    }
    let made = &usage["cache_creation"];
    assert!(made["ephemeral_5m_input_tokens"].is_u64() && made["ephemeral_1h_input_tokens"].is_u64());
}

#[test]
fn wire_020_one_message_start_whatever_comes() {
    let events = [Event::Ping, begun(), begun(), start(0, BlockStart::Text), begun()];
    let list = strict(&encode(events.into_iter().chain(finish(StopReason::EndTurn)).collect()));
    assert_eq!(list.iter().filter(|event| event["type"] == "message_start").count(), 1);
}

#[test]
fn wire_021_indexes_count_all_blocks() {
    let word = |index| delta(index, Delta::Text("w".into()));
    let stop = |index| Event::BlockStop { index };
    let events = vec![
        begun(),
        start(0, BlockStart::Reasoning { redacted: false, id: None }),
        word(0),
        stop(0),
        // A block without a word is none, and takes no number.
        start(1, BlockStart::Text),
        stop(1),
        start(2, BlockStart::Text),
        word(2),
        stop(2),
        call(3, "a", ToolUseKind::Function),
        stop(3),
        start(4, BlockStart::Text),
        word(4),
        stop(4),
        call(5, "b", ToolUseKind::Function),
        stop(5),
    ];
    let list = strict(&encode(events.into_iter().chain(finish(StopReason::ToolUse)).collect()));
    assert_eq!(kinds(&list), ["0 thinking", "1 text", "2 tool_use", "3 text", "4 tool_use"]);
}

#[test]
fn wire_022_an_open_block_is_closed_before_another_kind() {
    // Chat's deltas of thoughts and text alternate, both open at a time.
    let events = vec![
        begun(),
        start(0, BlockStart::Reasoning { redacted: false, id: None }),
        start(1, BlockStart::Text),
        delta(1, Delta::Text("a".into())),
        delta(0, Delta::Text("t".into())),
        call(2, "c", ToolUseKind::Function),
        delta(1, Delta::Text("b".into())),
        delta(2, Delta::Input("{}".into())),
        Event::BlockStop { index: 0 },
        Event::BlockStop { index: 1 },
        Event::BlockStop { index: 2 },
    ];
    let list = strict(&encode(events.into_iter().chain(finish(StopReason::ToolUse)).collect()));
    assert_eq!(kinds(&list), ["0 thinking", "1 text", "2 tool_use"]);
    let text: String = list.iter().filter_map(|event| event["delta"]["text"].as_str()).collect();
    assert_eq!(text, "ab");
}

#[test]
fn wire_031_pings_follow_the_start_and_pass() {
    let events = [begun(), start(0, BlockStart::Text), Event::Ping];
    let list = strict(&encode(events.into_iter().chain(finish(StopReason::EndTurn)).collect()));
    assert_eq!(list[1]["type"], "ping");
    assert_eq!(list.iter().filter(|event| event["type"] == "ping").count(), 2);
}

#[test]
fn wire_107_marks_of_an_hour_come_first_and_thoughts_have_none() {
    let mark = |text: &'static str| Some(CacheMark(Raw::parse(text).unwrap()));
    let (short, long) = (r#"{"type":"ephemeral"}"#, r#"{"type":"ephemeral","ttl":"1h"}"#);
    let mut sealed = thought(Dialect::Anthropic);
    sealed.cache = mark(long);
    let mut request = chat(vec![
        said(Role::System, "s"),
        said(Role::User, "a"),
        Turn::new(Role::Assistant, vec![sealed, Block::text("y")]),
        said(Role::User, "b"),
    ]);
    request.tools = vec![function("f", None)];
    request.tools[0].cache = mark(long);
    request.turns[0].blocks[0].cache = mark(short);
    request.turns[3].blocks[0].cache = mark(long);
    let (value, encoded) = encoded(&request);
    assert_eq!(value["tools"][0]["cache_control"]["ttl"], "1h");
    assert_eq!(value["system"][0]["cache_control"], json!({"type":"ephemeral"}));
    assert_eq!(value["messages"][2]["content"][0]["cache_control"], json!({"type":"ephemeral"}));
    assert!(value["messages"][1]["content"][0].get("cache_control").is_none());
    assert_eq!(lost(&encoded), ["clamped cache_control"]);
}

#[test]
fn wire_107_marks_of_chat_are_kept() {
    let body = json!({"model":"m","messages":[
        {"role":"system","content":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}]},
        {"role":"user","content":"x"}],
        "tools":[{"type":"function","function":{"name":"f"},"cache_control":{"type":"ephemeral"}}]})
    .to_string();
    let request = crate::dialects::decode_request(Dialect::OpenAiChat, body.as_bytes(), &Endpoint::default()).unwrap();
    let value = encoded(&request).0;
    assert!(value["system"][0]["cache_control"].is_object() && value["tools"][0]["cache_control"].is_object());
}

#[test]
fn wire_108_the_user_is_metadata_user_id() {
    let mut request = question();
    request.user = Some("user_1".into());
    assert_eq!(encoded(&request).0["metadata"], json!({"user_id":"user_1"}));
    request.user = Some("u".repeat(300).into());
    let (value, encoded) = encoded(&request);
    assert!(value.get("metadata").is_none());
    assert_eq!(lost(&encoded), ["dropped user"]);
    let body = br#"{"model":"m","messages":[],"metadata":{"user_id":"user_2"}}"#;
    assert_eq!(decode_request(body, &Endpoint::default()).unwrap().user.as_deref(), Some("user_2"));
}

const SERVED: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"m","stop_reason":"pause_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1},"content":[
    {"type":"text","text":"I search. "},
    {"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{"query":"x"}},
    {"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[{"type":"web_search_result","url":"https://a.example/","title":"A","encrypted_content":"Eo8B"}]},
    {"type":"server_tool_use","id":"srvtoolu_2","name":"bash_code_execution","input":{"command":"ls"}},
    {"type":"bash_code_execution_tool_result","tool_use_id":"srvtoolu_2","content":{"type":"bash_code_execution_result","stdout":"","stderr":"","return_code":0,"content":[]}},
    {"type":"mcp_tool_use","id":"mcptoolu_1","name":"ask","server_name":"n","input":{}},
    {"type":"mcp_tool_result","tool_use_id":"mcptoolu_1","is_error":false,"content":[]},
    {"type":"text","text":"It rains.","citations":[{"type":"web_search_result_location","cited_text":"rain","url":"https://a.example/","title":"A","encrypted_index":"Eo8B"}]}]}"#;

/// The answer as a client of `client` reads it, whole and streamed.
fn shown(client: Dialect) -> [Response<'static>; 2] {
    use crate::dialects::{StreamDecoder, StreamEncoder, decode_response, encode_response};
    let response = super::decode_response(SERVED.as_bytes()).unwrap();
    let mut out = Vec::new();
    encode_response(client, &response, &context(), &mut out);
    let out: &'static [u8] = out.leak();
    let whole = decode_response(client, out).unwrap();
    let (mut encoder, mut out) = (StreamEncoder::new(client, context()), Vec::new());
    crate::reply::expand(&response, &mut |event| encoder.event(event, &mut out));
    let (mut parser, mut decoder) = (crate::sse::Parser::default(), StreamDecoder::new(client));
    let mut collector = crate::reply::Collector::new(client);
    let mut sink = |event: Event<'_>| collector.push(event).unwrap();
    parser.push(&out, &mut |event| decoder.event(event, &mut sink)).unwrap();
    decoder.finish(&mut sink);
    [whole, collector.into_response()]
}

fn text_of(response: &Response<'_>) -> String {
    let blocks = &response.choices[0].blocks;
    let texts = blocks.iter().filter_map(|block| match &block.kind {
        BlockKind::Text { text, .. } => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

#[test]
fn wire_120_and_155_server_tools_are_never_calls_of_the_client() {
    for client in Dialect::ALL {
        for response in shown(client) {
            let calls = response.choices[0].blocks.iter().filter(|block| matches!(block.kind, BlockKind::ToolUse(_)));
            assert_eq!(calls.count(), 0, "{client:?}");
            assert!(text_of(&response).contains("It rains."), "{client:?}");
            assert_ne!(response.choices[0].stop, StopReason::ToolUse, "{client:?}");
        }
    }
    // In the history they are left out towards others, and counted.
    let content: Value = serde_json::from_str::<Value>(SERVED).unwrap()["content"].take();
    let body = json!({"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":content},{"role":"user","content":"y"}]});
    for upstream in others() {
        let (out, encoded) = told(&body, upstream);
        assert!(!out.contains("toolu_") && out.contains("It rains."), "{upstream:?}: {out}");
        assert!(!encoded.losses.is_empty(), "{upstream:?}");
    }
    let text = body.to_string();
    assert_eq!(round_trip(text.as_bytes()), exact(text.as_bytes()));
}

#[test]
fn wire_121_a_pause_ends_the_answer_elsewhere() {
    for client in Dialect::ALL {
        for response in shown(client) {
            let stop = response.choices[0].stop;
            assert_eq!(stop == StopReason::Pause, client == Dialect::Anthropic, "{client:?} {stop:?}");
            assert!(text_of(&response).starts_with("I search. "), "{client:?}");
        }
    }
}

#[test]
fn wire_148_a_seal_on_an_empty_text_travels_and_returns() {
    let mut sealed = Block::text("");
    sealed.signature = Some(Signature { issuer: Dialect::Gemini, value: "c2VhbA==".into() });
    let choice = Choice {
        index: 0,
        blocks: vec![thought(Dialect::Gemini), sealed],
        stop: StopReason::EndTurn,
        stop_raw: None,
        stop_sequence: None,
        extra: Extra::default(),
        form: 0,
    };
    let response = Response {
        origin: Dialect::Gemini,
        id: None,
        model: None,
        created: None,
        choices: vec![choice],
        usage: None,
        extra: Extra::default(),
    };
    let mut out = Vec::new();
    encode_response(&response, &context(), &mut out);
    let value: Value = serde_json::from_slice(&out).unwrap();
    let body = json!({"model":"m","messages":[{"role":"assistant","content":value["content"]}]}).to_string();
    let request = decode_request(body.as_bytes(), &Endpoint::default()).unwrap();
    let blocks = &request.turns[0].blocks;
    assert!(matches!(&blocks[1].kind, BlockKind::Text { text, .. } if text.is_empty()));
    assert_eq!(blocks[1].signature.as_ref().unwrap().for_provider(Dialect::Gemini), Some("c2VhbA=="));
}

#[test]
fn wire_151_names_of_128_stay_and_others_come_back() {
    let (fits, dotted) = ("n".repeat(128), "mcp.server/tool".to_owned());
    let mut request = question();
    request.tools = vec![function(&fits, None), function(&dotted, None)];
    let (value, encoded) = encoded(&request);
    assert_eq!(value["tools"][0]["name"], fits);
    let sent = value["tools"][1]["name"].as_str().unwrap().to_owned();
    assert!(sent.bytes().all(crate::repair::names::is_plain));
    let body = json!({"content":[{"type":"tool_use","id":"toolu_1","name":sent,"input":{}}],"stop_reason":"tool_use"});
    let body = body.to_string();
    let mut response = decode_response(body.as_bytes()).unwrap();
    crate::reply::Undo::new(encoded.notes).response(&mut response);
    let BlockKind::ToolUse(call) = &response.choices[0].blocks[0].kind else { panic!() };
    assert_eq!(*call.name, *dotted);
}

#[test]
fn wire_158_a_system_message_at_the_end_reaches_everyone() {
    let body = json!({"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"},{"role":"system","content":"Be brief."}]});
    for upstream in others() {
        assert!(told(&body, upstream).0.contains("Be brief."), "{upstream:?}");
    }
}

#[test]
fn thoughts_that_nobody_sealed_do_not_pass_unread() {
    let lane = |body: &str, quirks| {
        let skim = crate::json::skim::skim(Dialect::Anthropic, body.as_bytes()).unwrap();
        Lane::choose(Dialect::Anthropic, Dialect::Anthropic, &skim, Needs { quirks, ..Needs::default() })
    };
    let lenient = Quirks { reasoning_content: true, ..Quirks::default() };
    let events = vec![
        begun(),
        start(0, BlockStart::Reasoning { redacted: false, id: None }),
        delta(0, Delta::Text("t".into())),
        Event::BlockStop { index: 0 },
    ];
    let list = strict(&encode(events.into_iter().chain(finish(StopReason::EndTurn)).collect()));
    let mark = list.iter().find_map(|event| event["delta"]["signature"].as_str()).unwrap();
    for (seal, gap) in [(mark, ""), ("", ""), ("", " ")] {
        let thought = format!(r#"{{"type":"thinking","thinking":"t","signature":{gap}"{seal}"}}"#);
        let body = format!(
            r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"x"}},{{"role":"assistant","content":[{thought},{{"type":"text","text":"y"}}]}},{{"role":"user","content":"z"}}]}}"#
        );
        assert_eq!(lane(&body, Quirks::default()), Lane::Convert);
        let request = decode_request(body.as_bytes(), &Endpoint::default()).unwrap();
        // As it was before it was marked: a thought without a seal.
        assert!(request.turns[1].blocks[0].signature.is_none());
        let (value, encoded) = encoded(&request);
        assert_eq!(value["messages"][1]["content"].as_array().unwrap().len(), 1);
        assert_eq!(lost(&encoded), ["dropped messages[].content[].thinking"]);
        let mut out = Vec::new();
        let target = Target { quirks: lenient, ..Target::new("m", false) };
        let encoded = encode_request(&request, &target, &mut out).unwrap();
        assert!(encoded.losses.is_empty() && String::from_utf8(out).unwrap().contains("thinking\":\"t\""));
    }
    assert_eq!(lane(r#"{"messages":[],"signature":""}"#, lenient), Lane::Splice);
    assert_eq!(lane(r#"{"system":"\"signature\":\"\""}"#, Quirks::default()), Lane::Splice);
    assert!(!decode(&[&encode([begun()].into_iter().chain(finish(StopReason::EndTurn)).collect())]).is_empty());
}
