//! Sources, log probabilities and searches.

use serde_json::json;

use super::*;
use crate::Dialect;
use crate::dialects::gemini::grounding::{Grounding, logprobs};
use crate::ir::{Block, BlockKind, Choice, Citation, Event, Losses, Response, StopReason, Tool, ToolKind};
use crate::json::{Extra, Raw, Writer};
use crate::sse::Parser;

fn grounded(texts: &[&str], metadata: &Value) -> Value {
    let parts: Vec<Value> = texts.iter().map(|text| json!({"text": text})).collect();
    json!({"candidates": [{
        "content": {"parts": parts, "role": "model"}, "finishReason": "STOP", "index": 0, "groundingMetadata": metadata,
    }], "responseId": "r"})
}

/// The citations of each text of an answer, as (address, cited characters).
fn cited(body: &Value) -> Vec<Vec<(String, Option<String>)>> {
    let bytes = body.to_string();
    let response = decode_response(bytes.as_bytes()).unwrap();
    let texts = response.choices[0].blocks.iter().filter_map(|block| match &block.kind {
        BlockKind::Text { text, citations } => Some((text, citations)),
        _ => None,
    });
    texts
        .map(|(text, citations)| {
            let Some(raw) = citations else { return Vec::new() };
            let words = |(start, end): (usize, usize)| text.chars().skip(start).take(end - start).collect();
            read_citations(raw, text)
                .iter()
                .map(|citation| (citation.url.as_deref().unwrap_or("").to_owned(), citation.span.map(words)))
                .collect()
        })
        .collect()
}

#[test]
fn wire_093_grounding_counts_bytes_and_citations_characters() {
    let text = "Größe: 5 €. Über 300 Jahre alt.";
    let (start, end) = (text.find("Über").unwrap(), text.len());
    let metadata = json!({
        "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}, {"web": {"uri": "https://b.example"}}],
        "groundingSupports": [
            {"segment": {"endIndex": 13, "text": "Größe: 5"}, "groundingChunkIndices": [0]},
            {"segment": {"startIndex": start, "endIndex": end, "text": &text[start..]}, "groundingChunkIndices": [0, 1]},
            {"segment": {"startIndex": 3, "endIndex": 4}, "groundingChunkIndices": [9, -1]},
        ],
        "webSearchQueries": ["how old"],
    });
    let body = grounded(&[text], &metadata);
    let (a, b) = ("https://a.example".to_owned(), "https://b.example".to_owned());
    let whole = Some("Über 300 Jahre alt.".to_owned());
    // The first segment's bytes are off by its own words, which are found instead.
    assert_eq!(cited(&body), [[(a.clone(), Some("Größe: 5".into())), (a, whole.clone()), (b, whole)]]);
    assert_eq!(response_again(&body.to_string()), body);
    let bytes = body.to_string();
    let response = decode_response(bytes.as_bytes()).unwrap();
    let mut lost = Losses::default();
    lost.drop_extra("candidates[]", &response.choices[0].extra);
    let fields: Vec<_> = lost.iter().map(|loss| loss.field.to_string()).collect();
    assert_eq!(fields, ["candidates[].groundingMetadata.webSearchQueries"]);
}

#[test]
fn wire_093_segments_of_several_parts_stay_with_their_parts() {
    let metadata = json!({
        "groundingChunks": [{"web": {"uri": "a"}}, {"retrievedContext": {"title": "b", "text": "words"}}],
        "groundingSupports": [
            {"segment": {"endIndex": 3, "text": "one"}, "groundingChunkIndices": [0]},
            {"segment": {"partIndex": 1, "endIndex": 3, "text": "two"}, "groundingChunkIndices": [0]},
        ],
    });
    let body = grounded(&["one", "two"], &metadata);
    let one = ("a".to_owned(), Some("one".to_owned()));
    let two = ("a".to_owned(), Some("two".to_owned()));
    assert_eq!(cited(&body), [vec![one], vec![two, (String::new(), None)]]);
    assert_eq!(response_again(&body.to_string()), body);
}

#[test]
fn grounding_without_words_or_sources_stays_a_member() {
    for body in [
        grounded(&[], &json!({"groundingChunks": [{"web": {"uri": "a"}}]})),
        grounded(&["a"], &json!({"webSearchQueries": ["q"]})),
        grounded(&["a"], &json!("odd")),
    ] {
        let bytes = body.to_string();
        let response = decode_response(bytes.as_bytes()).unwrap();
        assert!(response.choices[0].extra.get("groundingMetadata").is_some(), "{body}");
        assert_eq!(response_again(&bytes), body);
    }
}

#[test]
fn citation_metadata_is_read_in_both_spellings() {
    for member in ["citationSources", "citations"] {
        let body = json!({"candidates": [{
            "content": {"parts": [{"text": "é quoted"}], "role": "model"}, "finishReason": "STOP", "index": 0,
            "citationMetadata": {member: [{"startIndex": 3, "endIndex": 9, "uri": "u", "license": "mit"}]},
        }]});
        assert_eq!(cited(&body), [[("u".to_owned(), Some("quoted".to_owned()))]]);
        assert_eq!(response_again(&body.to_string()), body);
    }
}

#[test]
fn wire_093_sources_in_a_stream_come_with_the_text() {
    let chunk = |parts: Value, more: Value| {
        let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": 0});
        candidate.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        format!("data: {}\n\n", json!({"candidates": [candidate], "responseId": "r"}))
    };
    let metadata = json!({"groundingChunks": [{"web": {"uri": "a"}}],
        "groundingSupports": [{"segment": {"startIndex": 3, "endIndex": 5, "text": "bc"}, "groundingChunkIndices": [0]}]});
    let text = chunk(json!([{"text": "é "}]), json!({}))
        + &chunk(json!([{"text": "bc"}]), json!({"groundingMetadata": metadata, "finishReason": "STOP"}));
    let (mut said, mut spans, mut out) = (String::new(), Vec::new(), Vec::new());
    let mut encoder = StreamEncoder::new(ReplyContext::default());
    let mut decoder = StreamDecoder::default();
    let mut sink = |event: Event<'_>| {
        match &event {
            Event::Delta { delta: crate::ir::stream::Delta::Text(text), .. } => said.push_str(text),
            Event::Delta { delta: crate::ir::stream::Delta::Citation { raw, .. }, .. } => {
                spans.extend(read_citations(raw, &said).into_iter().map(|citation| citation.span));
            }
            _ => {}
        }
        encoder.event(event, &mut out);
    };
    Parser::default().push(text.as_bytes(), &mut |event| decoder.event(event, &mut sink)).unwrap();
    decoder.finish(&mut sink);
    assert_eq!(spans, [Some((2, 4))]);
    let out = String::from_utf8(out).unwrap();
    assert_eq!(out.matches("groundingSupports").count(), 1, "{out}");
    assert!(encoder.losses().is_empty());
}

fn written(add: impl FnOnce(&mut Grounding, &mut Losses)) -> (Value, Vec<String>) {
    let (mut grounding, mut losses, mut out) = (Grounding::default(), Losses::default(), Vec::new());
    add(&mut grounding, &mut losses);
    grounding.write(&mut Writer::new(&mut out));
    (value(&out), losses.iter().map(|loss| format!("{} {}", loss.kind.name(), loss.field)).collect())
}

#[test]
fn wire_093_sources_of_other_dialects_become_grounding_in_bytes() {
    let page = Citation { url: Some("https://a.example".into()), title: Some("A".into()), ..Citation::default() };
    let first = Citation { span: Some((3, 5)), ..page.clone() };
    let document =
        Citation { title: Some("Doc".into()), cited: Some("words".into()), document: Some(2), ..Citation::default() };
    let (out, lost) = written(|grounding, losses| {
        grounding.add(&first, "éé bc", (0, 0), "content[].citations", losses);
        grounding.add(&page, "whole", (2, 7), "content[].citations", losses);
        grounding.add(&document, "whole", (2, 7), "content[].citations", losses);
        grounding.add(&Citation::default(), "x", (0, 0), "content[].citations", losses);
    });
    assert_eq!(
        out,
        json!({
            "groundingChunks": [
                {"web": {"uri": "https://a.example", "title": "A"}},
                {"retrievedContext": {"title": "Doc", "text": "words"}},
            ],
            "groundingSupports": [
                {"segment": {"startIndex": 5, "endIndex": 7, "text": "bc"}, "groundingChunkIndices": [0]},
                {"segment": {"partIndex": 2, "startIndex": 7, "endIndex": 12, "text": "whole"}, "groundingChunkIndices": [0, 1]},
            ],
        })
    );
    assert_eq!(lost, ["approximated content[].citations", "dropped content[].citations"]);
}

#[test]
fn what_is_written_as_grounding_is_read_again() {
    let page = Citation { url: Some("u".into()), span: Some((1, 2)), ..Citation::default() };
    let (grounding, _) = written(|grounding, losses| grounding.add(&page, "ééé", (0, 0), "c", losses));
    let raw = Raw::from_value(&json!([{"groundingMetadata": grounding}])).unwrap();
    assert_eq!(read_citations(&raw, "ééé"), [page]);
}

const LOGPROBS: &str = r#"{"chosenCandidates":[{"token":"a","logProbability":-0.5},{"token":"b","logProbability":-2.0e-07}],
    "topCandidates":[{"candidates":[{"token":"a","logProbability":-0.5},{"token":"c","logProbability":-4}]},{"candidates":[]}]}"#;

#[test]
fn log_probabilities_are_read_and_written_with_their_digits() {
    let raw = Raw::parse(LOGPROBS).unwrap();
    let tokens = read_logprobs(&raw);
    assert_eq!(tokens.iter().map(|token| token.logprob.get()).collect::<Vec<_>>(), ["-0.5", "-2.0e-07"]);
    assert_eq!((tokens[0].top.len(), tokens[0].top[1].0.as_str()), (2, "c"));
    let mut out = Vec::new();
    logprobs(&mut Writer::new(&mut out), &tokens);
    assert_eq!(value(&out), value(LOGPROBS.as_bytes()));
    assert!(read_logprobs(&Raw::parse("[1]").unwrap()).is_empty());
}

#[test]
fn log_probabilities_of_a_stream_pass() {
    let text = format!(
        "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"ab\"}}]}},\"finishReason\":\"STOP\",\"logprobsResult\":{}}}]}}\n\n",
        LOGPROBS.replace('\n', "")
    );
    let (mut tokens, mut out) = (0, Vec::new());
    let mut encoder = StreamEncoder::new(ReplyContext::default());
    let mut decoder = StreamDecoder::default();
    let mut sink = |event: Event<'_>| {
        if let Event::Delta { delta: crate::ir::stream::Delta::Logprobs { raw, .. }, .. } = &event {
            tokens = read_logprobs(raw).len();
        }
        encoder.event(event, &mut out);
    };
    Parser::default().push(text.as_bytes(), &mut |event| decoder.event(event, &mut sink)).unwrap();
    decoder.finish(&mut sink);
    assert_eq!(tokens, 2);
    assert!(String::from_utf8(out).unwrap().contains("logprobsResult"));
}

#[test]
fn a_search_is_read_in_all_spellings() {
    let tool = |raw: &'static str| Tool {
        name: "googleSearch".into(),
        description: None,
        strict: None,
        kind: ToolKind::Hosted { raw: Raw::parse(raw).unwrap() },
        cache: None,
        extra: Extra::default(),
        form: 0,
    };
    for raw in [
        r#"{"googleSearch":{}}"#,
        r#"{"google_search":{}}"#,
        r#"{"googleSearchRetrieval":{"dynamicRetrievalConfig":{}}}"#,
    ] {
        assert!(read_web_search(&tool(raw)).is_some(), "{raw}");
    }
    let excluding = tool(r#"{"googleSearch":{"excludeDomains":["x.example"]}}"#);
    assert_eq!(read_web_search(&excluding).unwrap().blocked_domains, ["x.example"]);
    for raw in [r#"{"codeExecution":{}}"#, r#"{"urlContext":{}}"#, r#"{"fileSearch":{}}"#, "{}", "[]"] {
        assert!(read_web_search(&tool(raw)).is_none(), "{raw}");
    }
}

#[test]
fn what_an_answer_loses_for_a_client_is_told() {
    let mut choice = Choice {
        index: 0,
        blocks: vec![Block::new(BlockKind::Opaque {
            dialect: Dialect::Anthropic,
            raw: Raw::parse(r#"{"type":"server_tool_use"}"#).unwrap(),
        })],
        stop: StopReason::StopSequence,
        stop_raw: None,
        stop_sequence: Some("END".into()),
        extra: Extra::default(),
        form: 0,
    };
    choice.extra.push("odd", Raw::TRUE);
    let response = Response {
        origin: Dialect::Anthropic,
        id: None,
        model: None,
        created: None,
        choices: vec![choice],
        usage: None,
        extra: Extra::default(),
    };
    let losses = encode_response(&response, &ReplyContext::default(), &mut Vec::new());
    let fields: Vec<_> = losses.iter().map(|loss| loss.field.to_string()).collect();
    assert_eq!(fields, ["content[].server_tool_use", "stop_sequence", "choices[].odd"]);
    let mut encoder = StreamEncoder::new(ReplyContext::default());
    let mut out = Vec::new();
    crate::reply::expand(&response, &mut |event| encoder.event(event, &mut out));
    let fields: Vec<_> = encoder.losses().iter().map(|loss| loss.field.to_string()).collect();
    assert_eq!(fields, ["content[].server_tool_use", "stop_sequence"]);
}
