//! Sources, log probabilities and searches of the web, from Chat's words to others' and back.

use serde_json::{Value, json};

use super::streams::{decode, encode};
use super::*;
use crate::Dialect;
use crate::dialects::openai_chat::notes::{write_citation, write_logprobs, write_web_search};
use crate::ir::stream::{BlockStart, Delta, Event};
use crate::ir::{
    Block, BlockKind, Choice, Citation, Location, Logprob, Media, MediaSource, Response, StopReason, Tool, ToolKind,
    WebSearch,
};
use crate::json::{Extra, Num, Raw, Writer};

fn written(write: impl FnOnce(&mut Writer<'_>)) -> Value {
    let mut out = Vec::new();
    write(&mut Writer::new(&mut out));
    serde_json::from_slice(&out).unwrap()
}

fn hosted(name: &'static str, raw: &'static str) -> Tool<'static> {
    Tool {
        name: name.into(),
        description: None,
        strict: None,
        kind: ToolKind::Hosted { raw: Raw::parse(raw).unwrap() },
        cache: None,
        extra: Extra::default(),
        form: 0,
    }
}

#[test]
fn annotations_are_read_nested_and_flat() {
    let raw = Raw::parse(
        r#"[{"type":"url_citation","url_citation":{"url":"https://e.xyz","title":"E","start_index":1,"end_index":3,"content":"é"}},
            {"type":"url_citation","url":"https://f.xyz","title":"","start_index":2,"end_index":99},
            {"type":"file_citation","file_citation":{"file_id":"file-1"}},
            {"type":"file","file":{"hash":"x"}}, 7]"#,
    )
    .unwrap();
    let read = read_citations(&raw, "aé😀b");
    assert_eq!(read.len(), 3);
    assert_eq!(
        read[0],
        Citation {
            url: Some("https://e.xyz".into()),
            title: Some("E".into()),
            cited: Some("é".into()),
            span: Some((1, 3)),
            ..Citation::default()
        }
    );
    assert_eq!((&read[1].title, read[1].span), (&None, Some((2, 4))), "places lie in the text, in characters");
    assert_eq!(read[2].file_id.as_deref(), Some("file-1"));
    let one = Raw::parse(r#"{"type":"url_citation","url_citation":{"url":"u"}}"#).unwrap();
    assert_eq!(read_citations(&one, "").len(), 1, "one of a stream");
    assert!(read_citations(&Raw::NULL, "").is_empty());
}

#[test]
fn a_source_is_written_as_clients_check_it() {
    let citation = Citation { url: Some("https://e.xyz".into()), span: Some((1, 3)), ..Citation::default() };
    assert_eq!(
        written(|w| assert!(write_citation(w, &citation, (10, 5), Some(2)))),
        json!({"index":2,"type":"url_citation",
            "url_citation":{"url":"https://e.xyz","title":"https://e.xyz","start_index":11,"end_index":13}})
    );
    let all = Citation { span: None, title: Some("T".into()), ..citation };
    let all = written(|w| assert!(write_citation(w, &all, (10, 5), None)));
    assert_eq!((&all["url_citation"]["start_index"], &all["url_citation"]["end_index"]), (&json!(10), &json!(15)));
    let document = Citation { document: Some(0), ..Citation::default() };
    assert!(!write_citation(&mut Writer::new(&mut Vec::new()), &document, (0, 1), None));
}

#[test]
fn logprobs_go_both_ways() {
    let body = r#"{"content":[{"token":"é","logprob":-0.10,"bytes":[195,169],"top_logprobs":[{"token":"e","logprob":-2,"bytes":[101]}]}],"refusal":null}"#;
    let raw = Raw::parse(body).unwrap();
    let read = read_logprobs(&raw);
    assert_eq!(
        read,
        [Logprob {
            token: "é".into(),
            logprob: Raw::parse("-0.10").unwrap().read::<Num<'_>>().unwrap(),
            top: vec![("e".into(), Raw::parse("-2").unwrap().read::<Num<'_>>().unwrap())],
        }]
    );
    let mut out = Vec::new();
    write_logprobs(&mut Writer::new(&mut out), &read);
    assert_eq!(canonical(std::str::from_utf8(&out).unwrap()), canonical(body));
    let half = Logprob { token: "\u{fffd}".into(), logprob: Num::from(0), top: Vec::new() };
    assert_eq!(written(|w| write_logprobs(w, &[half]))["content"][0]["bytes"], Value::Null);
    assert!(read_logprobs(&Raw::parse("[1]").unwrap()).is_empty());
}

#[test]
fn searches_of_the_web_go_both_ways() {
    let options = r#"{"search_context_size":"low","user_location":{"type":"approximate","approximate":{"city":"Paris","country":"FR"}}}"#;
    let body = format!(r#"{{"model":"m","messages":[],"web_search_options":{options}}}"#);
    let request = decode_request(body.as_bytes(), &Endpoint::default()).unwrap();
    let search = read_web_search(&request.tools[0]).unwrap();
    let location = Location { city: Some("Paris".into()), country: Some("FR".into()), ..Location::default() };
    let wanted = WebSearch { context_size: Some("low".into()), location: Some(location), ..WebSearch::default() };
    assert_eq!(search, wanted);
    assert_eq!(
        written(|w| w.object(|w| write_web_search(w, &search))).to_string(),
        format!("{{\"web_search_options\":{options}}}")
    );
    assert_eq!(canonical(&again(&body)), canonical(&body), "no tool is made of it");

    let router = hosted(
        "openrouter:web_search",
        r#"{"type":"openrouter:web_search","parameters":{"max_uses":2,"allowed_domains":["a.xyz"],"user_location":{"type":"approximate","city":"Rome"}}}"#,
    );
    let search = read_web_search(&router).unwrap();
    assert_eq!(search.uses_max.unwrap().get(), "2");
    assert_eq!(
        (&search.allowed_domains[..], search.location.unwrap().city.as_deref()),
        (&["a.xyz".into()][..], Some("Rome"))
    );
    assert!(read_web_search(&hosted("code_interpreter", "{}")).is_none());
}

#[test]
fn a_foreign_search_is_said_where_the_model_searches() {
    let mut request = Request::new(Dialect::OpenAiChat, "m".into());
    request.turns.push(crate::ir::Turn::new(crate::ir::Role::User, vec![Block::text("go")]));
    // Chat's own words stand for another dialect's, whose reader is tested in its folder.
    let options = hosted("web_search_options", r#"{"search_context_size":"high"}"#);
    request.tools.push(Tool { form: form::TOOL_SEARCH_OPTIONS, ..options });
    let sent = |request: &Request<'_>, model: &str| {
        let mut out = Vec::new();
        let encoded = encode_request(request, &Target::new(model, false), &mut out).unwrap();
        let losses: Vec<String> = encoded.losses.iter().map(|loss| loss.field.to_string()).collect();
        (serde_json::from_slice::<Value>(&out).unwrap(), losses)
    };
    let foreign = Request { origin: Dialect::Gemini, ..request.clone() };
    let (out, losses) = sent(&foreign, "gpt-4o");
    assert_eq!((out.get("web_search_options"), &losses[..]), (None, &["tools[].web_search_options".to_owned()][..]));
    let (out, losses) = sent(&request, "gpt-4o");
    assert_eq!((out.get("tools"), losses.len()), (None, 0), "a client of this dialect is told by the provider");
    assert_eq!(out["web_search_options"], json!({"search_context_size":"high"}));
    assert_eq!(Target::new("gpt-4o-search-preview", false).profile.chat_web_search, Some(true));
}

/// An answer of Responses' shape, whose words Chat's reader is asked for in the whole-answer tests.
fn answer(origin: Dialect, blocks: Vec<Block<'static>>, extra: Extra<'static>) -> Response<'static> {
    let choice =
        Choice { index: 0, blocks, stop: StopReason::EndTurn, stop_raw: None, stop_sequence: None, extra, form: 0 };
    Response {
        origin,
        id: None,
        model: None,
        created: None,
        choices: vec![choice],
        usage: None,
        extra: Extra::default(),
    }
}

fn shown(response: &Response<'_>) -> (Value, Vec<String>) {
    let mut out = Vec::new();
    let losses = encode_response(response, &context(), &mut out);
    (serde_json::from_slice(&out).unwrap(), losses.iter().map(|loss| loss.field.to_string()).collect())
}

#[test]
fn what_an_answer_here_cannot_hold_is_told() {
    let media = |kind: fn(Media<'static>) -> BlockKind<'static>, source| {
        Block::new(kind(Media { mime: None, source, name: None }))
    };
    let cited = BlockKind::Text { text: "x".into(), citations: Raw::parse("[{\"document_index\":\"odd\"}]") };
    let opaque = |raw| BlockKind::Opaque { dialect: Dialect::Anthropic, raw: Raw::parse(raw).unwrap() };
    let blocks = vec![
        Block::new(cited),
        Block::new(opaque(r#"{"type":"server_tool_use","id":"s"}"#)),
        Block::new(opaque(r#"{"executableCode":{}}"#)),
        media(BlockKind::Video, MediaSource::Url("u".into())),
        media(BlockKind::File, MediaSource::Url("u".into())),
        media(BlockKind::Audio, MediaSource::Url("u".into())),
        media(BlockKind::Image, MediaSource::FileId("f".into())),
    ];
    let (out, losses) = shown(&answer(Dialect::Anthropic, blocks, Extra::default()));
    assert_eq!(out["choices"][0]["message"]["content"], "x");
    assert!(out["choices"][0]["message"].get("tool_calls").is_none(), "wire 155: {out}");
    for field in [
        "content[].citations",
        "content[].server_tool_use",
        "content[].executableCode",
        "content[].video",
        "content[].file",
        "content[].audio",
        "content[].image",
    ] {
        assert!(losses.contains(&field.to_owned()), "{field} in {losses:?}");
    }
    let (_, losses) = shown(&answer(Dialect::Gemini, vec![Block::text("x")], Extra::default()));
    assert!(losses.is_empty(), "{losses:?}");
}

#[test]
fn a_stream_tells_what_it_cannot_say() {
    let start = |index, block| Event::BlockStart { index, choice: 0, block };
    let dialect = Dialect::Anthropic;
    let mut encoder = StreamEncoder::new(ReplyContext { reasoning_content: false, ..context() });
    let mut out = Vec::new();
    for event in [
        start(0, BlockStart::Reasoning { redacted: false, id: None }),
        Event::Delta { index: 0, delta: Delta::Text("hm".into()) },
        Event::BlockStop { index: 0 },
        start(1, BlockStart::Opaque { dialect, raw: Raw::parse(r#"{"type":"web_search_tool_result"}"#).unwrap() }),
        start(2, BlockStart::Text),
        Event::Delta { index: 2, delta: Delta::Text("a".into()) },
        Event::Delta { index: 2, delta: Delta::Citation { dialect, raw: Raw::parse("{\"odd\":1}").unwrap() } },
        Event::Delta { index: 2, delta: Delta::Logprobs { dialect, raw: Raw::parse("{\"odd\":1}").unwrap() } },
        start(
            3,
            BlockStart::Image(Media {
                mime: Some("video/mp4".into()),
                source: MediaSource::Base64("AAAA".into()),
                name: None,
            }),
        ),
    ] {
        encoder.event(event, &mut out);
    }
    let losses: Vec<&str> = encoder.losses().iter().map(|loss| &*loss.field).collect();
    assert_eq!(
        losses,
        ["reasoning_content", "content[].web_search_tool_result", "content[].citations", "content[].logprobs", "video"]
    );
    let text = String::from_utf8(out).unwrap();
    assert!(!text.contains("hm") && !text.contains("odd"), "{text}");
}

#[test]
fn a_stream_keeps_sources_and_logprobs() {
    let note = r#"{"type":"url_citation","url_citation":{"url":"u","title":"t","start_index":0,"end_index":1}}"#;
    let probs = r#"{"content":[{"token":"a","logprob":-1,"bytes":[97],"top_logprobs":[]}],"refusal":null}"#;
    let stream = format!(
        "data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{{\"annotations\":[{note}]}}}}]}}\n\n\
         data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"a\"}},\"logprobs\":{probs}}}]}}\n\n\
         data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"annotations\":[{note}]}},\"logprobs\":{{\"content\":[]}}}}]}}\n\n\
         data: {{\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}\n\n"
    );
    let events = decode(&[stream.as_bytes()]);
    let count = |events: &[Event<'_>]| {
        let notes = events.iter().filter(|event| matches!(event, Event::Delta { delta: Delta::Citation { .. }, .. }));
        let probs = events.iter().filter(|event| matches!(event, Event::Delta { delta: Delta::Logprobs { .. }, .. }));
        (notes.count(), probs.count())
    };
    assert_eq!(count(&events), (2, 1), "a source that comes before its text waits for it");
    let text = encode(&events, context());
    assert!(text.contains(&format!("\"logprobs\":{probs}")), "{text}");
    assert_eq!(count(&decode(&[text.as_bytes()])), (2, 1));
    // A source without any text is not lost either.
    let alone = stream.replace("\"content\":\"a\"", "\"content\":\"\"");
    assert_eq!(count(&decode(&[alone.as_bytes()])).0, 2);
}

#[test]
fn sound_is_read_and_written() {
    let body = r#"{"id":"a","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":null,"audio":{"id":"audio_1","data":"UklGRg==","expires_at":9,"transcript":"Hi."}},"finish_reason":"stop"}]}"#;
    assert_eq!(canonical(&responses::again(body)), canonical(body));
    let response = decode_response(body.as_bytes()).unwrap();
    let blocks = &response.choices[0].blocks;
    assert!(matches!(&blocks[0].kind, BlockKind::Text { text, .. } if text == "Hi."));
    assert!(matches!(&blocks[1].kind, BlockKind::Audio(Media { mime: Some(mime), .. }) if mime == "audio/wav"));
    let foreign = Response { origin: Dialect::Gemini, ..response };
    let (out, losses) = shown(&foreign);
    let message = &out["choices"][0]["message"];
    assert_eq!((&message["content"], &message["audio"]["data"]), (&json!("Hi."), &json!("UklGRg==")));
    assert!(losses.is_empty(), "{losses:?}");

    let stream = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"audio\":{\"id\":\"a\",\"transcript\":\"H\"}}}]}\n\n\
        data: {\"choices\":[{\"index\":0,\"delta\":{\"audio\":{\"data\":\"AQI=\"}}}]}\n\n\
        data: {\"choices\":[{\"index\":0,\"delta\":{\"audio\":{\"data\":\"Aw==\"}}}]}\n\n\
        data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let events = decode(&[stream.as_bytes()]);
    let sound = events.iter().find_map(|event| match event {
        Event::BlockStart { block: BlockStart::Image(medium), .. } => Some(medium.clone()),
        _ => None,
    });
    let sound = sound.unwrap();
    assert!(matches!(&sound.source, MediaSource::Base64(data) if data == "AQID"), "{sound:?}");
    assert!(encode(&events, context()).contains("\"data\":\"AQID\""));
}
