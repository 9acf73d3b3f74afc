//! Answers that are cut anywhere and gone on with, over all pairs of dialects.

mod thoughts;

use proptest::prelude::*;
use serde_json::Value;

use super::{Begun, Way, tokens_of};
use crate::Dialect;
use crate::dialects::{StreamDecoder, StreamEncoder, Target, decode_request};
use crate::ir::stream::{BlockStart, Delta};
use crate::ir::{ApiError, ErrorKind, Event, ReplyContext, ReplyNotes, StopReason, ToolUseKind, Usage};
use crate::json::Str;
use crate::json::skim::skim;
use crate::lane::Lane;
use crate::reply::{Reply, ReplyPlan};
use crate::request::prepare_rest;
use crate::sse::Parser;

/// What a provider sends for an answer of `text`, in words of up to `size` characters.
fn stream(dialect: Dialect, text: &str, size: usize, thought: bool) -> Vec<u8> {
    let context = ReplyContext { model: "far".into(), created: 7, seed: text.len() as u64, ..ReplyContext::default() };
    let context = ReplyContext { include_usage: true, reasoning_content: true, ..context };
    let mut encoder = StreamEncoder::new(dialect, context);
    let mut out = Vec::new();
    let mut give = |event: Event<'_>| encoder.event(event, &mut out);
    give(Event::Start { id: None, model: Some("far".into()) });
    give(Event::Usage(Usage { uncached: 10, output: 1, ..Usage::default() }));
    let mut index = 0;
    if thought {
        give(Event::BlockStart { index, choice: 0, block: BlockStart::Reasoning { redacted: false, id: None } });
        give(Event::Delta { index, delta: Delta::Text("I think".into()) });
        give(Event::BlockStop { index });
        index += 1;
    }
    give(Event::BlockStart { index, choice: 0, block: BlockStart::Text });
    for piece in text.chars().collect::<Vec<_>>().chunks(size.max(1)) {
        let piece: String = piece.iter().collect();
        give(Event::Delta { index, delta: Delta::Text(Str::from(piece)) });
    }
    give(Event::BlockStop { index });
    give(Event::Finish { choice: 0, stop: StopReason::EndTurn, stop_sequence: None, note: None });
    give(Event::Usage(Usage { uncached: 10, output: tokens_of(text), ..Usage::default() }));
    give(Event::End);
    out
}

fn plan(client: Dialect, upstream: Dialect, lane: Lane) -> ReplyPlan {
    ReplyPlan {
        lane,
        client,
        upstream,
        client_streams: true,
        upstream_streams: true,
        context: ReplyContext {
            model: "near".into(),
            created: 7,
            seed: 99,
            include_usage: true,
            request: b"{\"model\":\"near\",\"input\":\"x\"}".as_slice().into(),
            ..ReplyContext::default()
        },
        notes: ReplyNotes::default(),
        strip_usage: false,
    }
}

fn first(client: Dialect, upstream: Dialect) -> Reply {
    let lane = if client == upstream { Lane::Splice } else { Lane::Convert };
    let mut reply = Reply::new(plan(client, upstream, lane));
    reply.keep(1 << 20);
    reply
}

/// Gives `bytes` in pieces of `size`.
fn feed(reply: &mut Reply, bytes: &[u8], size: usize, out: &mut Vec<u8>) {
    for piece in bytes.chunks(size.max(1)) {
        reply.push(piece, out).unwrap();
    }
}

/// What a client of `dialect` reads: its text, and how often the stream ended well and badly. Numbers must fit.
fn read(dialect: Dialect, out: &[u8]) -> (String, usize, usize, Option<Usage<'static>>) {
    let (mut text, mut ends, mut errors, mut usage) = (String::new(), 0, 0, None);
    let mut decoder = StreamDecoder::new(dialect);
    let mut thoughts = Vec::new();
    let mut parser = Parser::default();
    let mut datas = Vec::new();
    parser.push(out, &mut |event| datas.push((event.name.to_owned(), event.data.to_owned()))).unwrap();
    for (name, data) in &datas {
        decoder.event(crate::sse::SseEvent { name, data }, &mut |event| match event {
            Event::BlockStart { index, block: BlockStart::Reasoning { .. }, .. } => thoughts.push(index),
            Event::Delta { delta: Delta::Text(piece), index } if !thoughts.contains(&index) => text.push_str(&piece),
            Event::Usage(told) => usage = Some(told.counts()),
            _ => {}
        });
    }
    check_numbers(dialect, &datas);
    for (_, data) in &datas {
        let value: Value = serde_json::from_str(data).unwrap_or_default();
        let kind = value["type"].as_str().unwrap_or_default();
        ends += usize::from(match dialect {
            Dialect::OpenAiChat => data == "[DONE]",
            Dialect::OpenAiResponses => kind == "response.completed",
            Dialect::Anthropic => kind == "message_stop",
            Dialect::Gemini => value["candidates"][0]["finishReason"].is_string(),
        });
        errors += usize::from(value["error"].is_object() || matches!(kind, "error" | "response.failed"));
    }
    (text, ends, errors, usage)
}

fn check_numbers(dialect: Dialect, datas: &[(String, String)]) {
    let values: Vec<Value> = datas.iter().filter_map(|(_, data)| serde_json::from_str(data).ok()).collect();
    match dialect {
        Dialect::OpenAiResponses => {
            for (at, value) in values.iter().enumerate() {
                assert_eq!(value["sequence_number"], at, "{values:#?}");
            }
            let items: Vec<&Value> =
                values.iter().filter(|value| value["type"] == "response.output_item.done").collect();
            let Some(last) = values.last().filter(|last| last["type"] == "response.completed") else { return };
            let told: Vec<&Value> = items.iter().map(|value| &value["item"]).collect();
            assert_eq!(last["response"]["output"].as_array().unwrap().iter().collect::<Vec<_>>(), told);
            let added: Vec<&Value> =
                values.iter().filter(|value| value["type"] == "response.output_item.added").collect();
            for (at, (added, done)) in added.iter().zip(&items).enumerate() {
                assert_eq!((&added["output_index"], &added["item"]["id"]), (&at.into(), &done["item"]["id"]));
            }
            let text: String = values
                .iter()
                .filter(|value| value["type"] == "response.output_text.delta")
                .filter_map(|value| value["delta"].as_str())
                .collect();
            let whole: String = told
                .iter()
                .flat_map(|item| item["content"].as_array().cloned().unwrap_or_default())
                .filter_map(|part| part["text"].as_str().map(str::to_owned))
                .collect();
            if told.iter().all(|item| item["type"] == "message") {
                assert_eq!(text, whole);
            }
        }
        Dialect::Anthropic => {
            let (mut next, mut open) = (0, None);
            let mut starts = 0;
            for value in &values {
                match value["type"].as_str().unwrap_or_default() {
                    "message_start" => starts += 1,
                    "content_block_start" => {
                        assert_eq!((&value["index"], open), (&next.into(), None));
                        open = Some(next);
                        next += 1;
                    }
                    "content_block_delta" => assert_eq!(value["index"].as_u64(), open),
                    "content_block_stop" => {
                        assert_eq!(value["index"].as_u64(), open);
                        open = None;
                    }
                    "message_stop" => assert_eq!(open, None),
                    _ => {}
                }
            }
            assert!(starts <= 1);
        }
        Dialect::OpenAiChat => {
            let heads: std::collections::BTreeSet<String> = values
                .iter()
                .filter(|value| value["error"].is_null())
                .map(|value| format!("{} {} {}", value["id"], value["created"], value["model"]))
                .collect();
            assert!(heads.len() <= 1, "{heads:?}");
            let roles = values.iter().filter(|value| value["choices"][0]["delta"]["role"].is_string()).count();
            assert!(roles <= 1);
        }
        Dialect::Gemini => {}
    }
}

/// Words that do not repeat by themselves.
fn texts() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        4 => "[a-z]{1,8}",
        1 => Just("世界".to_owned()),
        1 => Just("👩\u{200d}💻".to_owned()),
        1 => Just("\"q\\\u{301}\"".to_owned()),
    ];
    let gap = prop_oneof![5 => Just(" "), 1 => Just("\n\n"), 1 => Just("  "), 1 => Just("\u{2028}")];
    proptest::collection::vec((word, gap), 1..40).prop_map(|words| {
        let numbered = words.iter().enumerate().map(|(at, (word, gap))| [word, at.to_string().as_str(), gap].concat());
        numbered.collect()
    })
}

fn dialects() -> impl Strategy<Value = Dialect> {
    proptest::sample::select(Dialect::ALL.to_vec())
}

/// What one who goes on says after `said`.
fn rest_of<'t>(text: &'t str, said: &str, way: Way, repeat: usize) -> &'t str {
    let shown = said.trim_end().len();
    let from = match way {
        Way::Loose if repeat > 0 => {
            let back = text[..shown].char_indices().rev().nth(repeat.max(24) - 1).map_or(0, |(at, _)| at);
            // A short text that begins again cannot be told from one that goes on.
            if back == 0 && text[..shown].chars().count() < 8 { shown } else { back }
        }
        _ => shown,
    };
    &text[from..]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_cut_answer_is_whole_in_the_end(
        text in texts(),
        client in dialects(),
        upstreams in proptest::collection::vec((dialects(), 1usize..9, any::<bool>(), 0usize..40), 3),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 2),
        size in 1usize..200,
        fails in any::<bool>(),
        thought in any::<bool>(),
    ) {
        let mut out = Vec::new();
        let (upstream, words, ..) = upstreams[0];
        let mut reply = first(client, upstream);
        let bytes = stream(upstream, &text, words, thought);
        feed(&mut reply, &bytes[..cuts[0].index(bytes.len())], size, &mut out);
        let mut times = 0;
        let lost = ApiError::new(ErrorKind::BadGateway, "gone");
        // Twice at most, each at another provider; the last is cut too when it `fails`.
        for (at, (upstream, words, loose, repeat)) in upstreams.iter().copied().enumerate().skip(1) {
            if reply.complete(&mut out) || reply.ended() || !reply.committed() || reply.obstacle().is_some() {
                break;
            }
            let said = reply.transcript().unwrap().said().to_owned();
            let way = match () {
                () if said.trim_end().is_empty() => Way::Anew,
                () if loose => Way::Loose,
                () => Way::True,
            };
            let mut next = Reply::new(plan(client, upstream, Lane::Convert));
            next.resume(&mut reply, Begun { way, tokens: tokens_of(said.trim_end()) });
            times += 1;
            let bytes = stream(upstream, rest_of(&text, &said, way, repeat), words, thought);
            let is_cut = at == 1 || fails;
            let end = if is_cut { cuts[1].index(bytes.len()) } else { bytes.len() };
            feed(&mut next, &bytes[..end], size, &mut out);
            if !is_cut {
                next.finish(&mut out);
            }
            reply = next;
        }
        if !reply.committed() {
            return Ok(());
        }
        if !reply.complete(&mut out) && !reply.ended() {
            reply.error_event(&lost, &mut out);
        }
        let (said, ends, errors, usage) = read(client, &out);
        prop_assert!(ends <= 1 && (errors == 1 || ends == 1), "{ends} {errors}\n{}", String::from_utf8_lossy(&out));
        prop_assert!(errors == 0 || fails, "{}", String::from_utf8_lossy(&out));
        if errors == 0 {
            prop_assert_eq!(&said, &text);
            // The chunk with the usage may be what was cut.
            if times > 0 && let Some(usage) = usage && reply.own_usage().is_some() {
                prop_assert!((10..=10 * (times + 1)).contains(&usage.input_total()), "{usage:?}");
            }
        } else {
            prop_assert!(text.starts_with(&said), "{said:?}");
        }
    }
}

fn cut_behind(upstream: Dialect, bytes: &[u8], words: &str) -> usize {
    let at = memchr::memmem::find(bytes, words.as_bytes()).unwrap_or_else(|| panic!("{words} in {upstream:?}"));
    at + memchr::memmem::find(&bytes[at..], b"\n\n").unwrap() + 2
}

#[test]
fn a_call_that_follows_a_text_gets_the_next_number() {
    for client in Dialect::ALL {
        for upstream in Dialect::ALL {
            let mut out = Vec::new();
            let mut reply = first(client, upstream);
            let bytes = stream(upstream, "I call it", 1, false);
            feed(&mut reply, &bytes[..cut_behind(upstream, &bytes, "\"t\"")], 64, &mut out);
            assert_eq!(reply.transcript().unwrap().said(), "I call it");
            let mut encoder = StreamEncoder::new(Dialect::Anthropic, ReplyContext::default());
            let mut rest = Vec::new();
            let call = BlockStart::ToolUse { id: "toolu_1".into(), name: "ls".into(), kind: ToolUseKind::Function };
            for event in [
                Event::Start { id: None, model: None },
                Event::BlockStart { index: 0, choice: 0, block: call },
                Event::Delta { index: 0, delta: Delta::Input("{\"a\":1}".into()) },
                Event::BlockStop { index: 0 },
                Event::Finish { choice: 0, stop: StopReason::ToolUse, stop_sequence: None, note: None },
                Event::End,
            ] {
                encoder.event(event, &mut rest);
            }
            let mut next = Reply::new(plan(client, Dialect::Anthropic, Lane::Convert));
            next.resume(&mut reply, Begun { way: Way::True, tokens: 3 });
            feed(&mut next, &rest, 50, &mut out);
            next.finish(&mut out);
            assert!(next.ended() && next.failure().is_none(), "{client:?} {upstream:?}");
            let shown = String::from_utf8(out.clone()).unwrap();
            assert_eq!((shown.matches("\"ls\"").count() > 0, read(client, &out).2), (true, 0), "{shown}");
        }
    }
}

#[test]
fn what_cannot_be_gone_on_with_says_why() {
    for upstream in Dialect::ALL {
        let mut out = Vec::new();
        let mut encoder =
            StreamEncoder::new(upstream, ReplyContext { reasoning_content: true, ..ReplyContext::default() });
        let mut bytes = Vec::new();
        let call = BlockStart::ToolUse { id: "toolu_1".into(), name: "ls".into(), kind: ToolUseKind::Function };
        for event in [
            Event::Start { id: Some("x".into()), model: None },
            Event::BlockStart { index: 0, choice: 0, block: call },
            Event::Delta { index: 0, delta: Delta::Input("{}".into()) },
            Event::BlockStop { index: 0 },
        ] {
            encoder.event(event, &mut bytes);
        }
        for client in Dialect::ALL {
            let mut reply = first(client, upstream);
            feed(&mut reply, &bytes, 30, &mut out);
            assert!(reply.obstacle().is_some(), "{client:?} {upstream:?}");
        }
    }
    let mut reply = Reply::new(plan(Dialect::Gemini, Dialect::Gemini, Lane::Splice));
    assert!(reply.obstacle().is_some(), "nothing was kept");
    reply.keep(3);
    feed(&mut reply, &stream(Dialect::Gemini, "too long for that", 4, false), 64, &mut Vec::new());
    assert_eq!(reply.obstacle().map(super::Obstacle::name), Some("too_long"));
}

fn rest_request(client: Dialect, body: &str, upstream: Dialect, target: &Target, said: &str) -> Option<(Value, Begun)> {
    let found = skim(client, body.as_bytes()).unwrap();
    let endpoint = crate::dialects::Endpoint { model: Some("m".into()), stream: Some(true) };
    let seals = crate::custody::Seals::default();
    let made = prepare_rest(client, &endpoint, body.as_bytes(), &found, (upstream, target), seals, said).ok()?;
    decode_request(upstream, &made.0.body, &endpoint).unwrap();
    Some((serde_json::from_slice(&made.0.body).unwrap(), made.1))
}

#[test]
fn wire_100_the_begun_answer_goes_to_each_target_in_its_way() {
    use crate::dialects::{Prefill, Quirks};
    let bodies = [
        (Dialect::OpenAiChat, r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}"#),
        (Dialect::OpenAiResponses, r#"{"model":"m","stream":true,"input":"hi"}"#),
        (
            Dialect::Anthropic,
            r#"{"model":"m","stream":true,"max_tokens":2000,"thinking":{"type":"enabled","budget_tokens":1024},"messages":[{"role":"user","content":"hi"}]}"#,
        ),
        (Dialect::Gemini, r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#),
    ];
    let chat = |prefill| {
        let quirks = Quirks { prefill, ..Quirks::default() };
        Target { quirks, ..Target::new("m", true) }
    };
    for (client, body) in bodies {
        let (sent, begun) =
            rest_request(client, body, Dialect::Anthropic, &Target::new("claude-sonnet-4-5", true), "One two \n")
                .unwrap();
        let last = &sent["messages"][1];
        assert_eq!(last["role"], "assistant", "{sent}");
        assert!(last["content"] == "One two" || last["content"][0]["text"] == "One two", "{sent}");
        assert!(begun.way == Way::True && sent["thinking"].is_null());
        let (sent, begun) =
            rest_request(client, body, Dialect::Gemini, &Target::new("gemini-2.5-flash", true), "One two ").unwrap();
        assert_eq!(sent["contents"][1]["parts"][0]["text"], "One two");
        assert_eq!((sent["contents"][1]["role"].as_str(), begun.way), (Some("model"), Way::Loose));
        let (sent, begun) =
            rest_request(client, body, Dialect::OpenAiChat, &chat(Prefill::Prefix), "One two ").unwrap();
        assert_eq!(
            (&sent["messages"][1]["prefix"], &sent["messages"][1]["content"]),
            (&true.into(), &"One two".into())
        );
        assert_eq!(begun.way, Way::True);
        let target = chat(Prefill::ContinueFinalMessage);
        let (sent, _) = rest_request(client, body, Dialect::OpenAiChat, &target, "One two ").unwrap();
        assert_eq!((&sent["continue_final_message"], &sent["add_generation_prompt"]), (&true.into(), &false.into()));
        let (sent, begun) = rest_request(client, body, Dialect::OpenAiChat, &chat(Prefill::Plain), "One two ").unwrap();
        assert_eq!((&sent["messages"][1]["content"], begun.way), (&"One two".into(), Way::Loose));
        // Who cannot go on is not asked, but for an answer that has no word yet.
        for (upstream, target) in [
            (Dialect::OpenAiChat, chat(Prefill::None)),
            (Dialect::OpenAiResponses, Target::new("gpt-5", true)),
            (Dialect::Anthropic, Target::new("claude-opus-4-6", true)),
        ] {
            assert!(rest_request(client, body, upstream, &target, "One two ").is_none());
            assert_eq!(rest_request(client, body, upstream, &target, " \n").unwrap().1.way, Way::Anew);
        }
    }
}

#[test]
fn a_form_that_is_enforced_is_not_gone_on_with() {
    let target = Target::new("gemini-2.5-flash", true);
    for more in [
        r#""response_format":{"type":"json_object"}"#,
        r#""tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required""#,
        r#""n":2"#,
    ] {
        let body = format!(r#"{{"model":"m","stream":true,{more},"messages":[{{"role":"user","content":"hi"}}]}}"#);
        assert!(rest_request(Dialect::OpenAiChat, &body, Dialect::Gemini, &target, "One two").is_none(), "{more}");
    }
    let capped = r#"{"model":"m","max_completion_tokens":50,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"Well, "}]}"#;
    let (sent, begun) = rest_request(Dialect::OpenAiChat, capped, Dialect::Gemini, &target, "one two three").unwrap();
    assert_eq!(sent["contents"][1]["parts"][0]["text"], "Well, one two three");
    assert_eq!(sent["generationConfig"]["maxOutputTokens"].as_u64(), Some(50 - begun.tokens));
}
