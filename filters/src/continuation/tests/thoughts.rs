//! Answers that break off inside a thought: what the client has of it stays, unsealed, and the next one thinks anew.

use serde_json::{Value, json};

use super::*;
use crate::dialects::{Endpoint, Quirks};
use crate::ir::Signature;
use crate::request::prepare;

/// The whole thought of whoever is asked, in two parts.
const THOUGHT: [&str; 2] = ["I look at it from the left, ", "and from the right."];
/// The answer.
const TEXT: &str = "It is round.";
/// A seal of any provider.
const SEAL: &str = "Zm9yIHRoaXMgb25l";

/// What a provider sends that says `before`, thinks, seals what it thought and says `after`.
fn thinking(dialect: Dialect, before: &str, after: &str) -> Vec<u8> {
    let context = ReplyContext { model: "far".into(), include_usage: true, ..ReplyContext::default() };
    let mut encoder = StreamEncoder::new(dialect, ReplyContext { reasoning_content: true, ..context });
    let mut out = Vec::new();
    let mut give = |event: Event<'_>| encoder.event(event, &mut out);
    give(Event::Start { id: None, model: Some("far".into()) });
    let mut index = 0;
    let mut say = |text: &str, give: &mut dyn FnMut(Event<'_>)| {
        give(Event::BlockStart { index, choice: 0, block: BlockStart::Text });
        for piece in text.split_inclusive(' ') {
            give(Event::Delta { index, delta: Delta::Text(piece.into()) });
        }
        give(Event::BlockStop { index });
        index += 1;
        index
    };
    let at = if before.is_empty() { 0 } else { say(before, &mut give) };
    let id = (dialect == Dialect::OpenAiResponses).then(|| "rs_far".into());
    give(Event::BlockStart { index: at, choice: 0, block: BlockStart::Reasoning { redacted: false, id } });
    for piece in THOUGHT {
        give(Event::Delta { index: at, delta: Delta::Text(piece.into()) });
    }
    // Gemini seals what comes behind its thoughts, Chat nothing.
    if matches!(dialect, Dialect::Anthropic | Dialect::OpenAiResponses) {
        give(Event::Delta { index: at, delta: Delta::Signature(Signature { issuer: dialect, value: SEAL.into() }) });
    }
    give(Event::BlockStop { index: at });
    let index = at + 1;
    give(Event::BlockStart { index, choice: 0, block: BlockStart::Text });
    for piece in after.split_inclusive(' ') {
        give(Event::Delta { index, delta: Delta::Text(piece.into()) });
    }
    give(Event::BlockStop { index });
    give(Event::Finish { choice: 0, stop: StopReason::EndTurn, stop_sequence: None, note: None });
    give(Event::Usage(Usage { uncached: 10, output: 20, ..Usage::default() }));
    give(Event::End);
    out
}

/// The data of a client's events.
fn datas(out: &[u8]) -> Vec<Value> {
    let mut datas = Vec::new();
    Parser::default().push(out, &mut |event| datas.extend(serde_json::from_str::<Value>(event.data).ok())).unwrap();
    datas
}

/// The model's turn as the accumulators of the vendors' SDKs make it, in the words of a request.
fn turn(client: Dialect, out: &[u8]) -> Vec<Value> {
    let values = datas(out);
    match client {
        Dialect::Anthropic => {
            let mut blocks: Vec<Value> = Vec::new();
            for value in &values {
                match value["type"].as_str().unwrap_or_default() {
                    "content_block_start" => blocks.push(value["content_block"].clone()),
                    "content_block_delta" => {
                        let block = blocks.get_mut(value["index"].as_u64().unwrap() as usize).unwrap();
                        for key in ["text", "thinking"] {
                            if let Some(more) = value["delta"][key].as_str() {
                                block[key] = json!(format!("{}{more}", block[key].as_str().unwrap()));
                            }
                        }
                        if let Some(seal) = value["delta"]["signature"].as_str() {
                            assert_eq!(block["signature"], "", "a seal is told once");
                            block["signature"] = json!(seal);
                        }
                    }
                    _ => {}
                }
            }
            vec![json!({"role": "assistant", "content": blocks})]
        }
        Dialect::OpenAiResponses => {
            let last = values.last().unwrap();
            assert_eq!(last["type"], "response.completed");
            last["response"]["output"].as_array().unwrap().clone()
        }
        Dialect::OpenAiChat => {
            let all = |key: &str| -> String {
                values.iter().filter_map(|value| value["choices"][0]["delta"][key].as_str()).collect()
            };
            vec![json!({"role": "assistant", "reasoning_content": all("reasoning_content"), "content": all("content")})]
        }
        Dialect::Gemini => {
            let parts: Vec<Value> = values
                .iter()
                .flat_map(|value| value["candidates"][0]["content"]["parts"].as_array().cloned().unwrap_or_default())
                .collect();
            vec![json!({"role": "model", "parts": parts})]
        }
    }
}

/// The thoughts in a turn, each with its seal.
fn thoughts(client: Dialect, turn: &[Value]) -> Vec<(String, Option<Signature<'static>>)> {
    let seal = |slot: &Value| {
        let slot = slot.as_str().filter(|slot| !slot.is_empty())?;
        Some(Signature::from_slot(client, Str::from(slot.to_owned())))
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match client {
        Dialect::Anthropic => {
            let blocks = turn[0]["content"].as_array().unwrap().iter().filter(|block| block["type"] == "thinking");
            blocks.map(|block| (text(&block["thinking"]), seal(&block["signature"]))).collect()
        }
        Dialect::OpenAiResponses => {
            let items = turn.iter().filter(|item| item["type"] == "reasoning");
            let words = |item: &Value, list: &str| -> String {
                item[list].as_array().into_iter().flatten().filter_map(|part| part["text"].as_str()).collect()
            };
            items
                .map(|item| (words(item, "summary") + &words(item, "content"), seal(&item["encrypted_content"])))
                .collect()
        }
        Dialect::OpenAiChat => vec![(text(&turn[0]["reasoning_content"]), None)],
        Dialect::Gemini => {
            let parts = turn[0]["parts"].as_array().unwrap().iter().filter(|part| part["thought"] == true);
            let parts: Vec<&Value> = parts.collect();
            let all = parts.iter().map(|part| text(&part["text"])).collect();
            vec![(all, parts.iter().find_map(|part| seal(&part["thoughtSignature"])))]
        }
    }
}

/// The next request of a client that had `turn`.
fn replay(client: Dialect, turn: &[Value]) -> Vec<u8> {
    let ask = |text: &str| match client {
        Dialect::Gemini => json!({"role": "user", "parts": [{"text": text}]}),
        _ => json!({"role": "user", "content": text}),
    };
    let mut turns = vec![ask("What is it?")];
    turns.extend_from_slice(turn);
    turns.push(ask("And now?"));
    let body = match client {
        Dialect::Gemini => json!({"contents": turns}),
        Dialect::OpenAiResponses => json!({"model": "m", "input": turns}),
        Dialect::OpenAiChat => json!({"model": "m", "messages": turns}),
        Dialect::Anthropic => json!({"model": "m", "max_tokens": 9000, "messages": turns,
            "thinking": {"type": "enabled", "budget_tokens": 2000}}),
    };
    body.to_string().into_bytes()
}

/// Cuts `first` behind its `cut`th event, has `second` go on, and gives what the client has; `None` where nothing was to go
/// on with.
fn gone_on(client: Dialect, upstreams: [Dialect; 2], first: &[u8], cut: usize) -> Option<Vec<u8>> {
    let end = memchr::memmem::find_iter(first, b"\n\n").nth(cut)? + 2;
    let mut out = Vec::new();
    let mut plan_of = plan(client, upstreams[0], if client == upstreams[0] { Lane::Splice } else { Lane::Convert });
    plan_of.context.reasoning_content = true;
    let mut reply = Reply::new(plan_of);
    reply.keep(1 << 20);
    feed(&mut reply, &first[..end], 64, &mut out);
    if reply.ended() || reply.complete(&mut out) || !reply.committed() {
        return None;
    }
    assert_eq!(reply.obstacle(), None, "{client:?} {upstreams:?} {cut}");
    let said = reply.transcript().unwrap().said().to_owned();
    let way = if said.is_empty() { Way::Anew } else { Way::True };
    let mut next = Reply::new(plan(client, upstreams[1], Lane::Convert));
    next.resume(&mut reply, Begun { way, tokens: tokens_of(&said) });
    let rest = thinking(upstreams[1], "", TEXT.strip_prefix(said.as_str()).unwrap_or_default());
    feed(&mut next, &rest, 64, &mut out);
    next.finish(&mut out);
    assert!(next.ended() && next.failure().is_none(), "{client:?} {upstreams:?} {cut}");
    Some(out)
}

#[test]
fn a_thought_that_broke_off_is_left_and_the_next_one_is_the_answers() {
    let whole = THOUGHT.concat();
    for client in Dialect::ALL {
        for upstreams in Dialect::ALL.into_iter().flat_map(|one| Dialect::ALL.map(|two| [one, two])) {
            let first = thinking(upstreams[0], "", TEXT);
            let mut broken = 0;
            for cut in 0..memchr::memmem::find_iter(&first, b"\n\n").count() {
                let Some(out) = gone_on(client, upstreams, &first, cut) else { continue };
                let case = format!("{client:?} {upstreams:?} {cut}: {}", String::from_utf8_lossy(&out));
                let (said, ends, errors, _) = read(client, &out);
                assert_eq!((said.as_str(), ends, errors), (TEXT, 1, 0), "{case}");
                let turn = turn(client, &out);
                let found = thoughts(client, &turn);
                let all: String = found.iter().map(|(text, _)| text.as_str()).collect();
                let before = all.strip_suffix(whole.as_str()).unwrap_or_else(|| panic!("{case}"));
                assert!(whole.starts_with(before.trim_end_matches("\n\n")), "{case}");
                let seals: Vec<_> = found.iter().filter_map(|(_, seal)| seal.as_ref()).collect();
                for seal in &seals {
                    let issued = seal.value == SEAL && upstreams.contains(&seal.issuer);
                    assert!(issued || seal.value.is_empty(), "no seal is made up: {case}");
                }
                if before.is_empty() {
                    continue;
                }
                broken += 1;
                if matches!(client, Dialect::Anthropic | Dialect::OpenAiResponses) {
                    let last = found.last().unwrap().1.as_ref();
                    let sealed = last.is_some_and(|seal| seal.value == SEAL && seal.issuer == upstreams[1]);
                    assert!(sealed || matches!(upstreams[1], Dialect::OpenAiChat | Dialect::Gemini), "{case}");
                    assert_eq!(found[0].0, before, "{case}");
                    let is_cut = before != whole;
                    assert!(!is_cut || found[0].1.as_ref().is_some_and(|seal| seal.value.is_empty()), "{case}");
                }
                is_taken_back(client, &turn, before, &case);
            }
            assert!(broken > 0, "{client:?} {upstreams:?}");
        }
    }
}

/// The client sends back what it has: no provider that wants seals sees the thought that has none.
fn is_taken_back(client: Dialect, turn: &[Value], before: &str, case: &str) {
    let body = replay(client, turn);
    let found = skim(client, &body).unwrap();
    for upstream in Dialect::ALL {
        let endpoint = Endpoint { model: Some("m".into()), stream: Some(true) };
        let target = Target { quirks: Quirks::default(), ..Target::new("m", true) };
        let seals = crate::custody::Seals::default();
        let made = prepare(client, &endpoint, &body, &found, upstream, &target, seals).unwrap();
        let sent: Value = serde_json::from_slice(&made.body).unwrap();
        assert!(!Signature::is_carried_in(&made.body), "{upstream:?} {case}");
        let unsealed = |texts: Vec<(String, Option<Signature<'static>>)>| {
            texts.into_iter().filter(|(_, seal)| seal.as_ref().is_none_or(|seal| seal.issuer != upstream)).count()
        };
        match upstream {
            Dialect::Anthropic | Dialect::OpenAiResponses => {
                let list = if upstream == Dialect::Anthropic { &sent["messages"] } else { &sent["input"] };
                let list = list.as_array().unwrap();
                let ours: Vec<Value> = match upstream {
                    Dialect::Anthropic => list.iter().filter(|turn| turn["role"] == "assistant").cloned().collect(),
                    _ => list.clone(),
                };
                let is_list = upstream == Dialect::OpenAiResponses || ours[0]["content"].is_array();
                if is_list {
                    let found = thoughts(upstream, &ours);
                    // A seal is of the whole thought: words of another before it would break it.
                    assert!(found.iter().all(|(text, _)| *text == THOUGHT.concat()), "{upstream:?} {sent} {case}");
                    assert_eq!(unsealed(found), 0, "{upstream:?} {sent} {case}");
                }
            }
            // Gemini's own thoughts have no seal of theirs; what others thought is not said as its own.
            Dialect::Gemini if client != upstream => assert!(!sent.to_string().contains(before), "{sent} {case}"),
            _ => {}
        }
    }
}

#[test]
fn a_thought_between_texts_that_broke_off_is_left_and_the_text_goes_on() {
    for client in Dialect::ALL {
        for upstreams in Dialect::ALL.into_iter().flat_map(|one| Dialect::ALL.map(|two| [one, two])) {
            let first = thinking(upstreams[0], "It is ", "round.");
            for cut in 0..memchr::memmem::find_iter(&first, b"\n\n").count() {
                let Some(out) = gone_on(client, upstreams, &first, cut) else { continue };
                let (said, ends, errors, _) = read(client, &out);
                let case = format!("{client:?} {upstreams:?} {cut}: {}", String::from_utf8_lossy(&out));
                assert_eq!((said.as_str(), ends, errors), (TEXT, 1, 0), "{case}");
                let all: String = thoughts(client, &turn(client, &out)).into_iter().map(|(text, _)| text).collect();
                assert!(THOUGHT.concat().starts_with(&all), "thoughts of the one who goes on have no place: {case}");
            }
        }
    }
}

#[test]
fn the_second_ones_thought_may_break_off_too_and_is_billed() {
    for client in Dialect::ALL {
        for upstream in Dialect::ALL {
            let bytes = thinking(upstream, "", TEXT);
            let cut = cut_behind(upstream, &bytes, "left");
            let mut out = Vec::new();
            let mut plan_of = plan(client, upstream, if client == upstream { Lane::Splice } else { Lane::Convert });
            plan_of.context.reasoning_content = true;
            let mut reply = Reply::new(plan_of);
            reply.keep(1 << 20);
            feed(&mut reply, &bytes[..cut], 64, &mut out);
            for end in [cut, bytes.len()] {
                let mut next = Reply::new(plan(client, upstream, Lane::Convert));
                next.resume(&mut reply, Begun { way: Way::Anew, tokens: 0 });
                feed(&mut next, &bytes[..end], 64, &mut out);
                reply = next;
            }
            reply.finish(&mut out);
            let (said, ends, errors, usage) = read(client, &out);
            let case = format!("{client:?} {upstream:?}: {}", String::from_utf8_lossy(&out));
            assert_eq!((said.as_str(), ends, errors), (TEXT, 1, 0), "{case}");
            let all: String = thoughts(client, &turn(client, &out)).into_iter().map(|(text, _)| text).collect();
            let expected = [THOUGHT[0], THOUGHT[0], THOUGHT[0], THOUGHT[1]].concat();
            assert_eq!(all.replace("\n\n", ""), expected, "{case}");
            let broken = 2 * crate::tokens::plain(THOUGHT[0]);
            assert!(reply.is_estimated());
            assert_eq!(usage.map(|usage| usage.output_total()), Some(20 + broken), "{case}");
        }
    }
}

#[test]
fn where_nobody_goes_on_from_a_text_only_what_was_thought_is_left() {
    for upstream in Dialect::ALL {
        let bytes = thinking(upstream, "", TEXT);
        let mut reply = Reply::new(plan(upstream, upstream, Lane::Splice));
        reply.keep_until_text(1 << 20);
        let cut = cut_behind(upstream, &bytes, "left");
        feed(&mut reply, &bytes[..cut], 64, &mut Vec::new());
        assert_eq!(reply.obstacle(), None);
        feed(&mut reply, &bytes[cut..cut_behind(upstream, &bytes, "It ")], 64, &mut Vec::new());
        assert_eq!(reply.obstacle().map(crate::continuation::Obstacle::name), Some("text"));
    }
}

#[test]
fn a_thought_that_passed_as_content_is_closed_as_content() {
    let events = [
        json!({"type": "response.created", "response": {"id": "resp_1", "model": "gpt-oss", "created_at": 1}}),
        json!({"type": "response.output_item.added", "output_index": 0,
            "item": {"type": "reasoning", "id": "rs_1", "summary": [], "content": []}}),
        json!({"type": "response.content_part.added", "output_index": 0, "item_id": "rs_1", "content_index": 0,
            "part": {"type": "reasoning_text", "text": ""}}),
        json!({"type": "response.reasoning_text.delta", "output_index": 0, "item_id": "rs_1", "content_index": 0,
            "delta": "I look"}),
    ];
    for skipped in [usize::MAX, 2] {
        let mut bytes = Vec::new();
        let kept = events.iter().enumerate().filter(|(at, _)| *at != skipped).map(|(_, event)| event.clone());
        for (number, mut event) in kept.enumerate() {
            event["sequence_number"] = json!(number);
            let name = event["type"].as_str().unwrap();
            bytes.extend_from_slice(format!("event: {name}\ndata: {event}\n\n").as_bytes());
        }
        let dialect = Dialect::OpenAiResponses;
        let mut out = Vec::new();
        let mut reply = first(dialect, dialect);
        feed(&mut reply, &bytes, 64, &mut out);
        let mut next = Reply::new(plan(dialect, Dialect::Anthropic, Lane::Convert));
        next.resume(&mut reply, Begun { way: Way::Anew, tokens: 0 });
        feed(&mut next, &thinking(Dialect::Anthropic, "", TEXT), 64, &mut out);
        next.finish(&mut out);
        let values = datas(&out);
        let of = |kind: &str| values.iter().filter(|value| value["type"] == kind).cloned().collect::<Vec<_>>();
        assert_eq!(of("response.reasoning_text.done")[0]["text"], "I look");
        assert_eq!(of("response.content_part.done")[0]["part"]["type"], "reasoning_text");
        let item = &of("response.output_item.done")[0]["item"];
        assert_eq!((&item["id"], &item["content"][0]["text"]), (&json!("rs_1"), &json!("I look")));
        assert_eq!(read(dialect, &out).0, TEXT);
    }
}
