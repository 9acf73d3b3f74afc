use proptest::prelude::*;

use super::*;
use crate::Dialect;
use crate::ir::stream::{BlockStart, Delta};
use crate::ir::{ApiError, ErrorKind, Event, Media, MediaSource, Signature, StopReason, ToolUseKind, Usage};
use crate::sse::{Parser, SseEvent};

const STREAM: &str = include_str!("../fixtures/stream.sse");
const PARTIAL: &str = include_str!("../fixtures/stream_partial_args.sse");

/// What a stream says, put together.
#[derive(Debug, Default, PartialEq)]
struct Said {
    id: Option<String>,
    texts: Vec<String>,
    calls: Vec<(String, String, Value)>,
    seals: Vec<String>,
    whole: Vec<String>,
    stops: Vec<(u32, StopReason, Option<String>)>,
    usage: Option<Usage<'static>>,
    ends: Vec<Result<(), ErrorKind>>,
}

/// Text of a stream; thoughts begin with `~`, refusals with `!`, texts of other choices with their number.
fn collect(bytes: &[u8], cuts: &[usize]) -> (Said, Vec<String>) {
    let mut said = Said::default();
    let mut events = Vec::new();
    let mut places = std::collections::HashMap::new();
    let mut decoder = StreamDecoder::default();
    let mut sink = |event: Event<'_>| {
        events.push(format!("{event:?}"));
        match event {
            Event::Start { id, .. } => said.id = id.map(|id| id.to_string()),
            Event::BlockStart { index, choice, block } => {
                let prefix = if choice == 0 { String::new() } else { choice.to_string() };
                match block {
                    BlockStart::Text => said.texts.push(prefix),
                    BlockStart::Reasoning { .. } => said.texts.push(prefix + "~"),
                    BlockStart::Refusal => said.texts.push(prefix + "!"),
                    BlockStart::ToolUse { id, name, .. } => {
                        said.calls.push((id.to_string(), name.to_string(), String::new().into()));
                        places.insert(index, (true, said.calls.len() - 1));
                        return;
                    }
                    BlockStart::Image(media) => return said.whole.push(format!("{media:?}")),
                    BlockStart::Opaque { raw, .. } => return said.whole.push(raw.get().to_owned()),
                }
                places.insert(index, (false, said.texts.len() - 1));
            }
            Event::Delta { index, delta: Delta::Text(text) } => said.texts[places[&index].1].push_str(&text),
            Event::Delta { index, delta: Delta::Input(text) } => {
                let input = &mut said.calls[places[&index].1].2;
                *input = (input.as_str().unwrap().to_owned() + &text).into();
            }
            Event::Delta { delta: Delta::Signature(seal), .. } => said.seals.push(seal.value.to_string()),
            Event::Delta { delta: Delta::Citation { raw, .. }, .. } => said.whole.push(raw.get().to_owned()),
            Event::Usage(usage) => said.usage = Some(usage.counts()),
            Event::Finish { choice, stop, note, .. } => {
                said.stops.push((choice, stop, note.map(|note| note.to_string())));
            }
            Event::End => said.ends.push(Ok(())),
            Event::Error(error) => said.ends.push(Err(error.kind)),
            Event::Delta { .. } | Event::BlockStop { .. } | Event::Ping => {}
        }
    };
    let mut parser = Parser::default();
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).chain([0, bytes.len()]).collect();
    at.sort_unstable();
    for pair in at.windows(2) {
        parser.push(&bytes[pair[0]..pair[1]], &mut |event| decoder.event(event, &mut sink)).unwrap();
    }
    parser.finish(&mut |event| decoder.event(event, &mut sink));
    decoder.finish(&mut sink);
    assert!(decoder.ended());
    // A stream that broke off may have left a call without its arguments.
    for call in said.calls.iter_mut().filter(|_| said.ends == [Ok(())]) {
        call.2 = value(call.2.as_str().unwrap().as_bytes());
    }
    (said, events)
}

fn said(text: &str) -> Said {
    collect(text.as_bytes(), &[]).0
}

/// Decodes and encodes a stream.
fn encoded_again(text: &str) -> String {
    let mut out = Vec::new();
    let mut encoder = StreamEncoder::new(ReplyContext { model: "m".to_owned(), ..ReplyContext::default() });
    let mut decoder = StreamDecoder::default();
    let mut parser = Parser::default();
    let mut sink = |event: Event<'_>| encoder.event(event, &mut out);
    parser.push(text.as_bytes(), &mut |event| decoder.event(event, &mut sink)).unwrap();
    decoder.finish(&mut sink);
    String::from_utf8(out).unwrap()
}

#[test]
fn wire_081_091_a_stream_is_read_in_order() {
    let said = said(STREAM);
    assert_eq!(said.texts, ["~Hm.", "Hello \u{2028}you", "", "1Second"]);
    assert_eq!(said.seals, ["c2ln", "dGV4dA=="]);
    let call = |id: &str, name: &str, args: Value| (id.to_owned(), name.to_owned(), args);
    assert_eq!(
        said.calls,
        [call("call_R1_0", "f", serde_json::json!({"a": 1})), call("x", "g", serde_json::json!({})),]
    );
    // The reason comes in a later chunk than the calls.
    assert_eq!(said.stops, [(1, StopReason::MaxTokens, None), (0, StopReason::ToolUse, None)]);
    let usage = said.usage.unwrap();
    assert_eq!((usage.uncached, usage.cache_read, usage.output, usage.reasoning), (8, 2, 9, 4));
    assert_eq!((said.id.as_deref(), said.ends), (Some("R1"), vec![Ok(())]));
}

#[test]
fn arguments_in_pieces_are_put_together() {
    let said = said(PARTIAL);
    assert_eq!(said.calls[0].2, serde_json::json!({}));
    assert_eq!(
        said.calls[1].2,
        serde_json::json!({"list": [{"id": "AB", "n": 5, "ok": true}, {"id": "C", "x y": 0.5}]})
    );
    assert_eq!(said.stops[0].1, StopReason::ToolUse);
}

#[test]
fn wire_016_096_errors_inside_status_200() {
    for text in [
        "data: {\"error\":{\"code\":503,\"message\":\"overloaded\",\"status\":\"UNAVAILABLE\"}}\n\n",
        "data: [{\"error\":{\"code\":503,\"message\":\"overloaded\",\"status\":\"UNAVAILABLE\"}}]\n\n",
    ] {
        assert_eq!(said(text).ends, [Err(ErrorKind::Overloaded)]);
    }
    let late = STREAM.to_owned() + "data: {\"error\":{\"code\":500,\"message\":\"x\"}}\n\n";
    assert_eq!(said(&late).ends, [Err(ErrorKind::Internal)]);
}

#[test]
fn wire_088_a_blocked_prompt_ends_with_its_reason() {
    let said =
        said("data: {\"promptFeedback\":{\"blockReason\":\"OTHER\"},\"usageMetadata\":{\"promptTokenCount\":3}}\n\n");
    assert_eq!(said.texts.len(), 1);
    assert!(said.texts[0].starts_with('!') && said.texts[0].contains("OTHER"));
    assert!(matches!(&said.stops[..], [(0, StopReason::Refusal, Some(_))]));
    assert_eq!(said.ends, [Ok(())]);
}

#[test]
fn wire_008_an_array_of_chunks_is_a_stream() {
    let text = "data: [{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]},{\"candidates\":[{\"finishReason\":\"STOP\"}]}]\n\n";
    let said = said(text);
    assert_eq!((said.texts, said.ends), (vec!["a".to_owned()], vec![Ok(())]));
}

#[test]
fn wire_017_no_reason_is_a_failure() {
    assert_eq!(said("").ends, [Err(ErrorKind::BadGateway)]);
    assert_eq!(
        said("data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}\n\n").ends,
        [Err(ErrorKind::BadGateway)]
    );
}

#[test]
fn wire_143_144_chunks_for_clients() {
    let out = encoded_again(STREAM);
    let lines: Vec<&str> = out.split("\n\n").filter(|line| !line.is_empty()).collect();
    for (at, line) in lines.iter().enumerate() {
        let chunk = value(line.strip_prefix("data: ").unwrap().as_bytes());
        assert_eq!((&chunk["modelVersion"], &chunk["responseId"]), (&"m".into(), &"R1".into()));
        for candidate in chunk["candidates"].as_array().unwrap() {
            assert!(candidate["content"]["role"] == "model" && candidate["index"].is_u64());
            assert_eq!(candidate["content"]["parts"].as_array().unwrap().len(), 1);
            assert_eq!(candidate.get("finishReason").is_some(), at == lines.len() - 1);
        }
    }
    assert!(!out.contains('\u{2028}') && !out.contains("event:") && !out.contains("[DONE]"));
    let last = value(lines.last().unwrap().strip_prefix("data: ").unwrap().as_bytes());
    assert_eq!(last["usageMetadata"]["totalTokenCount"], 23);
    assert_eq!(last["candidates"].as_array().unwrap().len(), 2);
}

#[test]
fn encoded_streams_say_the_same() {
    for text in [STREAM, PARTIAL] {
        let (before, mut after) = (said(text), said(&encoded_again(text)));
        after.stops.sort_by_key(|(choice, ..)| *choice);
        let mut expected = before;
        expected.stops.sort_by_key(|(choice, ..)| *choice);
        // A seal after its text is a part of its own.
        after.texts.retain(|text| !text.trim_start_matches(['~', '1']).is_empty());
        expected.texts.retain(|text| !text.is_empty());
        assert_eq!(after, expected);
    }
}

#[test]
fn a_call_is_sent_whole_and_errors_are_terminal() {
    let mut encoder = StreamEncoder::new(ReplyContext::default());
    let mut sent = Vec::new();
    let mut push = |event: Event<'_>| {
        let mut out = Vec::new();
        encoder.event(event, &mut out);
        sent.push(String::from_utf8(out).unwrap());
    };
    push(Event::Start { id: None, model: Some("claude".into()) });
    let block = BlockStart::ToolUse { id: "t".into(), name: "f".into(), kind: ToolUseKind::Function };
    push(Event::BlockStart { index: 0, choice: 0, block });
    push(Event::Delta { index: 0, delta: Delta::Input("{\"a\":".into()) });
    push(Event::Delta { index: 0, delta: Delta::Input("1}".into()) });
    let seal = Signature { issuer: Dialect::Anthropic, value: "s".into() };
    push(Event::Delta { index: 0, delta: Delta::Signature(seal) });
    push(Event::BlockStop { index: 0 });
    let media = Media { mime: Some("image/png".into()), source: MediaSource::Base64("AA==".into()), name: None };
    push(Event::BlockStart { index: 1, choice: 0, block: BlockStart::Image(media) });
    push(Event::Ping);
    push(Event::Error(ApiError::new(ErrorKind::Overloaded, "busy")));
    push(Event::End);
    assert!([0, 1, 2, 3, 4, 7, 9].into_iter().all(|at| sent[at].is_empty()), "{sent:?}");
    assert!(
        sent[5].contains(r#"{"functionCall":{"id":"t","name":"f","args":{"a":1}},"thoughtSignature":"#),
        "{}",
        sent[5]
    );
    assert!(sent[6].contains(r#"{"inlineData":{"mimeType":"image/png","data":"AA=="}}"#), "{}", sent[6]);
    assert!(
        sent[8].starts_with(r#"data: {"error":{"code":503,"message":"busy","status":"UNAVAILABLE""#),
        "{}",
        sent[8]
    );
}

#[test]
fn a_text_delta_is_borrowed() {
    let mut decoder = StreamDecoder::default();
    let mut borrowed = false;
    let data = r#"{"candidates":[{"content":{"parts":[{"text":"plain"}]}}]}"#;
    decoder.event(SseEvent { name: "", data }, &mut |event| {
        if let Event::Delta { delta: Delta::Text(text), .. } = event {
            borrowed = matches!(text.0, std::borrow::Cow::Borrowed(_));
        }
    });
    assert!(borrowed);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn any_split_gives_the_same_events(cuts in prop::collection::vec(any::<usize>(), 0..8)) {
        for text in [STREAM, PARTIAL] {
            prop_assert_eq!(collect(text.as_bytes(), &cuts).1, collect(text.as_bytes(), &[]).1);
        }
    }

    #[test]
    fn exactly_one_terminal(end in any::<prop::sample::Index>(), flip in any::<prop::sample::Index>(), byte in any::<u8>()) {
        for text in [STREAM, PARTIAL] {
            let mut bytes = text.as_bytes()[..end.index(text.len() + 1)].to_vec();
            if !bytes.is_empty() {
                let at = flip.index(bytes.len());
                bytes[at] = byte;
            }
            let (said, _) = collect(&bytes, &[]);
            prop_assert_eq!(said.ends.len(), 1);
        }
    }
}
