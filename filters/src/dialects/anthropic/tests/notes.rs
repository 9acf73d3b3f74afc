use serde_json::json;

use super::*;
use crate::dialects::anthropic::answer::Answer;
use crate::ir::stream::{BlockStart, Delta, Event};
use crate::ir::{BlockKind, Choice, Citation, Media, MediaSource, Response, StopReason, Tool, ToolKind};
use crate::json::{Extra, Num, Raw, Writer};

fn raw(value: &Value) -> Raw<'static> {
    Raw::from_value(value).unwrap()
}

fn hosted(value: &Value) -> Tool<'static> {
    let name = Str::from(value["type"].as_str().unwrap().to_owned());
    let kind = ToolKind::Hosted { raw: raw(value) };
    Tool { name, description: None, strict: None, kind, cache: None, extra: Extra::default(), form: 0 }
}

#[test]
fn citations_are_read_in_all_their_forms() {
    let list = raw(&json!([
        {"type":"char_location","cited_text":"grass","document_index":1,"document_title":"Colours","start_char_index":0,"end_char_index":5,"file_id":null},
        {"type":"page_location","cited_text":"p","document_index":0,"document_title":null,"start_page_number":1,"end_page_number":2},
        {"type":"content_block_location","cited_text":"c","document_index":2,"document_title":"T","start_block_index":0,"end_block_index":1,"file_id":"file_1"},
        {"type":"web_search_result_location","cited_text":"w","url":"https://a.example/","title":"A","encrypted_index":"Eo8B"},
        {"type":"search_result_location","cited_text":"s","source":"https://b.example/","title":"B","search_result_index":0,"start_block_index":0,"end_block_index":1},
        {"type":"search_result_location","cited_text":"s","source":"handbook","title":null,"search_result_index":0},
    ]));
    let read = read_citations(&list, "Gräser");
    let seen: Vec<_> = read.iter().map(|c| (c.url.as_deref(), c.title.as_deref(), c.document)).collect();
    assert_eq!(
        seen,
        [
            (None, Some("Colours"), Some(1)),
            (None, None, Some(0)),
            (None, Some("T"), Some(2)),
            (Some("https://a.example/"), Some("A"), None),
            (Some("https://b.example/"), Some("B"), None),
            (None, Some("handbook"), None),
        ]
    );
    assert!(read.iter().all(|citation| citation.span == Some((0, 6)) && citation.cited.is_some()));
    assert_eq!(read[2].file_id.as_deref(), Some("file_1"));
    let one = raw(&list.to_value()[3]);
    assert_eq!(read_citations(&one, "").first().unwrap().span, None);
    assert!(read_citations(&Raw::NULL, "x").is_empty() && read_citations(&Raw::TRUE, "x").is_empty());
}

#[test]
fn citations_of_a_stream_come_behind_their_text() {
    let body = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\",\"citations\":[]}}\n\n\
        event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"citations_delta\",\"citation\":{\"type\":\"web_search_result_location\",\"cited_text\":\"w\",\"url\":\"https://a.example/\",\"title\":\"A\",\"encrypted_index\":\"Eo8B\"}}}\n\n\
        event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"It rains.\"}}\n\n\
        event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
        event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    let events = streams::decode(&[body.as_bytes()]);
    let deltas: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            Event::Delta { delta: Delta::Text(_), .. } => Some("text"),
            Event::Delta { delta: Delta::Citation { .. }, .. } => Some("citation"),
            _ => None,
        })
        .collect();
    assert_eq!(deltas, ["text", "citation"]);
    let again = String::from_utf8(streams::encode(events)).unwrap();
    assert!(again.contains("citations_delta") && again.contains("Eo8B"));
}

fn page(url: &'static str, span: Option<(usize, usize)>) -> Citation<'static> {
    Citation { url: Some(url.into()), title: Some("T".into()), span, ..Citation::default() }
}

fn written(text: &str, cited: Vec<Citation<'_>>, is_sealed: bool) -> (Value, Vec<String>) {
    let (mut answer, mut out) = (Answer::new(Dialect::OpenAiResponses), Vec::new());
    Writer::new(&mut out).array(|w| answer.cited_text(text, cited, is_sealed, w));
    let lost = answer.losses.iter().map(|loss| format!("{} {}", loss.kind.name(), loss.field)).collect();
    (serde_json::from_slice(&out).unwrap(), lost)
}

#[test]
fn text_is_cut_where_foreign_citations_begin_and_end() {
    let cited = vec![page("https://a/", Some((0, 6))), page("https://b/", Some((7, 12))), page("https://c/", None)];
    let (value, lost) = written("Größe. Und so. Ende", cited, false);
    let texts: Vec<&str> = value.as_array().unwrap().iter().map(|block| block["text"].as_str().unwrap()).collect();
    assert_eq!(texts.concat(), "Größe. Und so. Ende");
    assert_eq!(texts, ["Größe.", " Und s", "o. Ende"]);
    let urls =
        |n: usize| value[n]["citations"].as_array().unwrap().iter().map(|c| c["url"].clone()).collect::<Vec<_>>();
    assert_eq!(
        (urls(0), urls(1), urls(2)),
        (vec![json!("https://a/")], vec![json!("https://b/")], vec![json!("https://c/")])
    );
    assert!(lost.is_empty());
    // A seal is of the whole text.
    let (value, lost) = written("abc", vec![page("https://a/", Some((0, 1)))], true);
    assert_eq!(value.as_array().unwrap().len(), 1);
    assert_eq!(lost, ["approximated output[].content[].annotations"]);
    // Spans of nowhere, white space alone, and what has no address.
    let odd =
        vec![page("https://a/", Some((9, 2))), page("https://b/", Some((0, 99))), page("https://c/", Some((1, 2)))];
    assert_eq!(written("a ", odd, false).0.as_array().unwrap().len(), 1);
    let (value, lost) = written("a", vec![Citation { file_id: Some("f".into()), ..Citation::default() }], false);
    assert_eq!(
        (value, lost),
        (json!([{"type":"text","text":"a"}]), vec!["dropped output[].content[].annotations".to_owned()])
    );
}

#[test]
fn foreign_citations_are_known_when_they_come_back() {
    let (content, _) = written("It rains.", vec![page("https://a/", None)], false);
    let cited = &content[0]["citations"][0];
    assert_eq!((&cited["type"], &cited["cited_text"]), (&json!("web_search_result_location"), &json!("")));
    let own = json!({"type":"char_location","cited_text":"x","document_index":0,"document_title":null,"start_char_index":0,"end_char_index":1});
    let body = json!({"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[
        content[0], {"type":"text","text":"b","citations":[own, cited]}]}]});
    let body = body.to_string();
    // Such a body is not passed on unread.
    let skim = crate::json::skim::skim(Dialect::Anthropic, body.as_bytes()).unwrap();
    assert!(skim.has_carried_seal);
    let (value, encoded) = encoded(&decode_request(body.as_bytes(), &Endpoint::default()).unwrap());
    assert_eq!(
        value["messages"][1]["content"],
        json!([{"type":"text","text":"It rains."},{"type":"text","text":"b","citations":[own]}])
    );
    assert_eq!(lost(&encoded), ["dropped messages[].content[].citations"]);
}

#[test]
fn web_search_is_read_and_written() {
    let tool = hosted(
        &json!({"type":"web_search_20250305","name":"web_search","max_uses":3,"allowed_domains":["a.example"],
        "blocked_domains":null,"user_location":{"type":"approximate","city":"Bonn","region":"NRW","country":"DE","timezone":"Europe/Berlin"}}),
    );
    let search = read_web_search(&tool).unwrap();
    assert_eq!(search.uses_max.as_ref().and_then(Num::as_u64), Some(3));
    assert_eq!(search.location.as_ref().unwrap().city.as_deref(), Some("Bonn"));
    let ToolKind::Hosted { raw } = &tool.kind else { panic!() };
    let mut out = Vec::new();
    crate::dialects::anthropic::notes::write_web_search(&search, &mut Writer::new(&mut out));
    let mut wanted = raw.to_value();
    wanted.as_object_mut().unwrap().remove("blocked_domains");
    assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), wanted);
    assert!(read_web_search(&hosted(&json!({"type":"code_execution_20260120","name":"code_execution"}))).is_none());
    assert!(read_web_search(&hosted(&json!({"type":"web_fetch_20250910","name":"web_fetch"}))).is_none());
    // One of the two lists only.
    let both = hosted(&json!({"type":"web_search_20260209","allowed_domains":["a"],"blocked_domains":["b"]}));
    let mut out = Vec::new();
    crate::dialects::anthropic::notes::write_web_search(&read_web_search(&both).unwrap(), &mut Writer::new(&mut out));
    assert!(!String::from_utf8(out).unwrap().contains("blocked_domains"));
}

/// What of an answer of another dialect is lost is told, in a whole answer as in a stream.
#[test]
fn losses_of_answers_are_told() {
    let image = || Media { mime: Some("image/png".into()), source: MediaSource::Base64("AA==".into()), name: None };
    let opaque = || raw(&json!({"type":"file_search_call","id":"fs_1"}));
    let choice = |index| Choice {
        index,
        blocks: vec![
            Block::text("x"),
            Block::new(BlockKind::Image(image())),
            Block::new(BlockKind::Opaque { dialect: Dialect::OpenAiResponses, raw: opaque() }),
        ],
        stop: StopReason::EndTurn,
        stop_raw: None,
        stop_sequence: None,
        extra: Extra::default(),
        form: 0,
    };
    let mut response = Response {
        origin: Dialect::OpenAiChat,
        id: None,
        model: None,
        created: None,
        choices: vec![choice(0), choice(1)],
        usage: None,
        extra: Extra::default(),
    };
    response.choices[0].extra.push("logprobs", Raw::TRUE);
    let mut out = Vec::new();
    let losses = encode_response(&response, &context(), &mut out);
    let said: Vec<&str> = losses.iter().map(|loss| loss.field.as_ref()).collect();
    assert_eq!(said, ["choices[]", "choices[].logprobs", "image", "output[].file_search_call"]);
    let value: Value = serde_json::from_slice(&out).unwrap();
    assert!(value["content"][1]["text"].as_str().unwrap().contains("image/png"));
    assert_eq!(value["content"].as_array().unwrap().len(), 2);

    let mut encoder = StreamEncoder::new(context());
    let mut out = Vec::new();
    let start = |index, choice, block| Event::BlockStart { index, choice, block };
    for event in [
        streams::begun(),
        start(0, 0, BlockStart::Text),
        Event::Delta { index: 0, delta: Delta::Logprobs { dialect: Dialect::OpenAiChat, raw: Raw::TRUE } },
        Event::Delta { index: 0, delta: Delta::Citation { dialect: Dialect::Gemini, raw: raw(&json!({"x":1})) } },
        Event::BlockStop { index: 0 },
        start(1, 0, BlockStart::Image(image())),
        Event::BlockStop { index: 1 },
        start(2, 0, BlockStart::Opaque { dialect: Dialect::OpenAiResponses, raw: opaque() }),
        Event::BlockStop { index: 2 },
        start(3, 1, BlockStart::Text),
        Event::BlockStop { index: 3 },
    ] {
        encoder.event(event, &mut out);
    }
    let said: Vec<&str> = encoder.losses().iter().map(|loss| loss.field.as_ref()).collect();
    let wanted =
        ["choices[].logprobs", "candidates[].groundingMetadata", "image", "output[].file_search_call", "choices[]"];
    assert_eq!(said, wanted);
}
