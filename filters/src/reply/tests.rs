use super::*;
use crate::ir::ReplyContext;

/// An OpenAI Chat stream as a provider sends it that was asked for usage.
const CHAT: &str = concat!(
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}],\"usage\":null}\n\n",
    ": keep-alive\n\n",
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"h\u{e9}\"},\"finish_reason\":null}],\"usage\":null}\n\n",
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"llo\"},\"finish_reason\":null}],\"usage\":null}\n\n",
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n",
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3,\"total_tokens\":10}}\n\n",
    "data: [DONE]\n\n",
);
const CHAT_WHOLE: &str = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"héllo"},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10},"vendor":1.0}"#;
const CHAT_ERROR: &str = r#"{"error":{"message":"The server is overloaded","type":"server_error","param":null,"code":"server_is_overloaded"}}"#;

fn plan(lane: Lane, client_streams: bool, upstream_streams: bool) -> ReplyPlan {
    ReplyPlan {
        lane,
        client: Dialect::OpenAiChat,
        upstream: Dialect::OpenAiChat,
        client_streams,
        upstream_streams,
        context: ReplyContext { model: "m".to_owned(), include_usage: true, ..ReplyContext::default() },
        notes: ReplyNotes::default(),
        strip_usage: false,
    }
}

fn run(plan: &ReplyPlan, pieces: &[&[u8]]) -> (Reply, String) {
    let (mut reply, mut out) = (Reply::new(plan.clone()), Vec::new());
    for piece in pieces {
        reply.push(piece, &mut out).unwrap();
    }
    reply.finish(&mut out);
    (reply, String::from_utf8_lossy(&out).into_owned())
}

/// Runs every split into two pieces, and one byte at a time.
fn splits(plan: &ReplyPlan, text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    let mut all: Vec<String> =
        (0..=bytes.len()).map(|at| run(plan, &[&bytes[..at], &bytes[at..]]).1).chain([run(plan, &single).1]).collect();
    all.dedup();
    all
}

fn terminals(out: &str) -> usize {
    out.matches("data: [DONE]").count() + out.matches("\"error\":").count()
}

#[test]
fn wire_088_an_answer_held_back_is_known_before_it_commits_at_every_split() {
    let filtered = CHAT.replace("\"stop\"", "\"content_filter\"");
    let words = filtered.clone();
    let nothing = filtered.replace("h\u{e9}", "").replace("llo", "");
    let prompt = "data: {\"promptFeedback\":{\"blockReason\":\"PROHIBITED_CONTENT\"},\"modelVersion\":\"m\"}\n\n";
    let safety = "data: {\"candidates\":[{\"finishReason\":\"SAFETY\",\"index\":0}],\"modelVersion\":\"m\"}\n\n";
    let refused = CHAT.replace("\"content\":\"h", "\"refusal\":\"h");
    for (upstream, text, blocked) in [
        (Dialect::OpenAiChat, words.as_str(), false),
        (Dialect::OpenAiChat, &nothing, true),
        (Dialect::OpenAiChat, &refused, false),
        (Dialect::OpenAiChat, CHAT, false),
        (Dialect::Gemini, prompt, true),
        (Dialect::Gemini, safety, true),
    ] {
        for (lane, streams) in [(Lane::Splice, true), (Lane::Convert, true), (Lane::Convert, false)] {
            let plan = ReplyPlan { client: upstream, upstream, ..plan(lane, streams, true) };
            for at in 0..=text.len() {
                let (mut reply, mut out) = (Reply::new(plan.clone()), Vec::new());
                for piece in [&text.as_bytes()[..at], &text.as_bytes()[at..]] {
                    reply.push(piece, &mut out).unwrap();
                    assert!(!blocked || !reply.committed() || reply.is_blocked(), "{upstream:?} {lane:?} at {at}");
                }
                reply.finish(&mut out);
                assert_eq!(reply.is_blocked(), blocked, "{upstream:?} {lane:?} {streams} at {at}: {text}");
            }
        }
    }
}

#[test]
fn wire_125_a_spliced_stream_passes_untouched_at_every_split() {
    let plan = plan(Lane::Splice, true, true);
    for text in [CHAT.to_owned(), CHAT.replace('\n', "\r\n"), CHAT.replace('\n', "\r"), CHAT.trim_end().to_owned()] {
        assert_eq!(splits(&plan, &text), std::slice::from_ref(&text));
    }
    let (reply, _) = run(&plan, &[CHAT.as_bytes()]);
    assert!(reply.ended() && reply.committed() && reply.failure().is_none());
    assert_eq!(reply.usage().unwrap().input_total(), 7);
    assert_eq!((reply.stop(), reply.text_bytes()), (Some(StopReason::EndTurn), 6));
}

#[test]
fn lesson_21_a_spliced_stream_without_its_last_event_gets_it() {
    let text = CHAT.strip_suffix("data: [DONE]\n\n").unwrap();
    assert_eq!(splits(&plan(Lane::Splice, true, true), text), [CHAT]);
    assert_eq!(splits(&plan(Lane::Splice, true, true), text.trim_end()), [CHAT]);
}

#[test]
fn wire_034_usage_that_was_not_asked_for_is_stripped_at_every_split() {
    let plan = ReplyPlan { strip_usage: true, ..plan(Lane::Splice, true, true) };
    let wanted: String = CHAT
        .split_inclusive("\n\n")
        .filter(|event| !event.contains("prompt_tokens"))
        .map(|event| event.replace(",\"usage\":null", ""))
        .collect();
    assert_eq!(splits(&plan, CHAT), std::slice::from_ref(&wanted));
    assert_eq!(splits(&plan, &CHAT.replace('\n', "\r\n")), [wanted.replace('\n', "\r\n")]);
    assert_eq!(run(&plan, &[CHAT.as_bytes()]).0.usage().unwrap().output_total(), 3);
}

#[test]
fn the_first_content_commits_and_what_comes_before_is_counted() {
    for lane in [Lane::Splice, Lane::Convert] {
        let (mut reply, mut out) = (Reply::new(plan(lane, true, true)), Vec::new());
        let mut events = CHAT.split_inclusive("\n\n");
        for _ in 0..2 {
            reply.push(events.next().unwrap().as_bytes(), &mut out).unwrap();
            assert!(!reply.committed() && !reply.has_content());
        }
        assert_eq!(reply.heartbeats(), 1);
        reply.push(events.next().unwrap().as_bytes(), &mut out).unwrap();
        assert!(reply.committed() && !reply.ended());
        assert_eq!(reply.heartbeats(), 1);
    }
}

#[test]
fn wire_017_a_stream_cut_anywhere_has_one_terminal() {
    for (lane, client_streams) in [(Lane::Splice, true), (Lane::Convert, true), (Lane::Convert, false)] {
        let plan = plan(lane, client_streams, true);
        for at in 0..=CHAT.len() {
            let (mut reply, _) = run(&plan, &[]);
            let mut out = Vec::new();
            if at > 0 {
                reply = Reply::new(plan.clone());
                reply.push(&CHAT.as_bytes()[..at], &mut out).unwrap();
                reply.finish(&mut out);
            }
            assert!(reply.ended() != reply.failure().is_some(), "{at}");
            if let Some(error) = reply.failure().cloned() {
                assert!(client_streams || out.is_empty());
                reply.error_event(&error, &mut out);
                reply.error_event(&error, &mut out);
            }
            assert!(reply.ended());
            let text = String::from_utf8(out).unwrap();
            let expected = usize::from(client_streams || reply.failure().is_some());
            assert!(terminals(&text) == expected || (lane == Lane::Splice && reply.failure().is_none()), "{at} {text}");
            for event in text.split("\n\n").filter(|event| event.starts_with("data: {")) {
                assert!(serde_json::from_str::<serde_json::Value>(&event[6..]).is_ok(), "{at} {event}");
            }
        }
    }
}

#[test]
fn wire_016_an_error_as_first_event_fails_the_attempt_without_a_trace() {
    let event = format!("data: {CHAT_ERROR}\n\n");
    for lane in [Lane::Splice, Lane::Convert] {
        for text in [event.as_str(), CHAT_ERROR] {
            for client_streams in [true, false] {
                let (reply, out) = run(&plan(lane, client_streams, true), &[text.as_bytes()]);
                assert_eq!(out, "");
                assert!(!reply.committed() && !reply.ended());
                assert!(reply.failure().unwrap().message.contains("overloaded"), "{lane:?} {text}");
            }
        }
    }
}

#[test]
fn wire_016_google_sends_errors_as_an_array() {
    let body = r#"[{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}]"#;
    let plan = ReplyPlan { upstream: Dialect::Gemini, ..plan(Lane::Convert, true, true) };
    let (reply, out) = run(&plan, &[body.as_bytes()]);
    assert_eq!(out, "");
    assert_eq!(reply.failure().unwrap().kind.status(), 503);
}

#[test]
fn an_error_after_content_is_the_proxys_to_tell() {
    let text = CHAT.split_inclusive("\n\n").take(3).collect::<String>();
    let error = format!("event: error\ndata: {CHAT_ERROR}\n\n");
    for lane in [Lane::Splice, Lane::Convert] {
        let (mut reply, out) = run(&plan(lane, true, true), &[text.as_bytes(), error.as_bytes(), b"data: [DONE]\n\n"]);
        assert!(reply.committed() && !reply.ended());
        assert_eq!(terminals(&out), 0);
        let failure = reply.failure().unwrap().clone();
        let mut end = Vec::new();
        reply.error_event(&failure, &mut end);
        let end = String::from_utf8(end).unwrap();
        assert!(end.contains("overloaded"));
        if lane == Lane::Splice {
            assert_eq!(format!("{out}{end}"), format!("{text}{error}data: [DONE]\n\n"));
        }
        let (mut reply, _) = run(&plan(lane, true, true), &[text.as_bytes(), error.as_bytes()]);
        let mut end = Vec::new();
        reply.error_event(&ApiError::new(ErrorKind::Unavailable, "try later"), &mut end);
        assert!(String::from_utf8(end).unwrap().contains("try later"));
    }
}

#[test]
fn an_event_that_broke_is_an_error_and_no_lost_text() {
    let mut events: Vec<&str> = CHAT.split_inclusive("\n\n").collect();
    events.insert(3, "data: {\"id\":\"c\",\"choices\":[{\"delta\":{\"conte\n\n");
    let text = events.concat();
    for lane in [Lane::Splice, Lane::Convert] {
        let (mut reply, out) = run(&plan(lane, true, true), &[text.as_bytes()]);
        assert!(reply.committed() && !reply.ended() && !out.contains("llo"), "{out}");
        let failure = reply.failure().unwrap().clone();
        let mut end = out.into_bytes();
        reply.error_event(&failure, &mut end);
        let mut data = Vec::new();
        Parser::default().push(&end, &mut |event| data.push(event.data.to_owned())).unwrap();
        for text in &data {
            assert!(serde_json::from_str::<serde_json::Value>(text).is_ok(), "{text}");
        }
        assert!(data.last().unwrap().contains("cannot be read"), "{data:?}");
    }
}

#[test]
fn wire_156_a_spliced_answer_fails_under_the_id_and_number_that_the_client_expects() {
    let text = concat!(
        "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"in_progress\",\"model\":\"m\",\"output\":[]}}\n\n",
        "event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"sequence_number\":1,\"output_index\":0,\"item\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[]}}\n\n",
        "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":2,\"output_index\":0,\"content_index\":0,\"item_id\":\"msg_1\",\"delta\":\"hi\"}\n\n",
    );
    let responses = Dialect::OpenAiResponses;
    let plan = ReplyPlan { client: responses, upstream: responses, ..plan(Lane::Splice, true, true) };
    let (mut reply, out) = run(&plan, &[text.as_bytes()]);
    assert!(out.contains("hi") && reply.committed());
    let mut end = Vec::new();
    reply.error_event(&ApiError::new(ErrorKind::BadGateway, "cut"), &mut end);
    let end = String::from_utf8(end).unwrap();
    assert!(end.starts_with("event: response.failed\n") && end.contains("\"id\":\"resp_1\""), "{end}");
    assert!(end.contains("\"sequence_number\":3"), "wire 156: the numbers go on: {end}");
}

#[test]
fn wire_013_a_whole_answer_becomes_a_stream_for_a_client_that_wants_one() {
    for lane in [Lane::Splice, Lane::Convert] {
        let (reply, out) = run(&plan(lane, true, true), &[CHAT_WHOLE.as_bytes()]);
        assert!(reply.ended() && reply.committed());
        assert!(out.contains("héllo") && out.ends_with("data: [DONE]\n\n"), "{out}");
        assert_eq!(reply.usage().unwrap().output_total(), 3);
    }
}

#[test]
fn wire_135_a_stream_becomes_a_whole_answer_for_a_client_that_wants_one() {
    for lane in [Lane::Splice, Lane::Convert] {
        let outs = splits(&plan(lane, false, false), CHAT);
        assert_eq!(outs.len(), 1);
        let answer: serde_json::Value = serde_json::from_str(&outs[0]).unwrap();
        assert_eq!(answer["choices"][0]["message"]["content"], "héllo");
        assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    }
}

#[test]
fn a_spliced_answer_passes_untouched_even_when_it_is_strange() {
    let plan = plan(Lane::Splice, false, false);
    for body in [CHAT_WHOLE, r#"{"something":"else"}"#, r#" {"error":null,"choices":"?"}"#] {
        let (reply, out) = run(&plan, &[body.as_bytes()]);
        assert_eq!(out, body);
        assert!(reply.ended() && reply.committed() && reply.failure().is_none());
    }
    let (reply, _) = run(&plan, &[CHAT_WHOLE.as_bytes()]);
    assert_eq!(reply.usage().unwrap().input_total(), 7);
}

#[test]
fn what_nobody_can_read_is_a_bad_gateway() {
    for lane in [Lane::Splice, Lane::Convert] {
        for client_streams in [true, false] {
            for body in ["", " ", "<html>", "{\"choices\":[", "[1]", "data: x\n\n", "nonsense"] {
                let (reply, out) = run(&plan(lane, client_streams, false), &[body.as_bytes()]);
                let is_json_array = body == "[1]" && lane == Lane::Splice && !client_streams;
                if !is_json_array {
                    assert_eq!(reply.failure().map(|error| error.kind), Some(ErrorKind::BadGateway), "{lane:?} {body}");
                    assert!(!reply.ended() && !reply.committed() && !out.contains("[DONE]"));
                }
            }
        }
    }
}

#[test]
fn wire_010_an_endless_event_fails_a_conversion_and_passes_a_splice() {
    let piece = vec![b'x'; 1 << 20];
    let feed = |lane| {
        let (mut reply, mut out) = (Reply::new(plan(lane, true, true)), Vec::new());
        let mut result = reply.push(b"data: ", &mut out);
        for _ in 0..20 {
            result = result.and_then(|()| reply.push(&piece, &mut out));
        }
        reply.finish(&mut out);
        (result, reply, out.len())
    };
    let (result, reply, _) = feed(Lane::Convert);
    assert_eq!(result, Err(ReplyError::Event(SseError::TooLong)));
    assert!(reply.failure().is_some());
    let (result, reply, passed) = feed(Lane::Splice);
    assert_eq!((result, passed), (Ok(()), 6 + (20 << 20)));
    assert!(reply.committed() && reply.ended());
}

#[test]
fn an_answer_that_is_kept_has_a_bound() {
    let (mut reply, mut out) = (Reply::new(plan(Lane::Convert, false, false)), Vec::new());
    let piece = vec![b' '; 16 << 20];
    let result: Result<Vec<()>, _> =
        std::iter::once(reply.push(b"{", &mut out)).chain((0..5).map(|_| reply.push(&piece, &mut out))).collect();
    assert_eq!(result, Err(ReplyError::TooLarge(TooLarge)));
    reply.finish(&mut out);
    assert!(reply.failure().unwrap().message.contains("larger than"));
}

#[test]
fn a_collected_answer_of_its_own_dialect_keeps_what_only_the_provider_says() {
    const CITED: &str = concat!(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\n",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"server_tool_use\",\"id\":\"srvtoolu_1\",\"name\":\"web_search\",\"input\":{}}}\n\n",
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"text\",\"text\":\"\",\"citations\":[]}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"citations_delta\",\"citation\":{\"type\":\"web_search_result_location\",\"url\":\"https://example.com\"}}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"yes\"}}\n\n",
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":1}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":9,\"service_tier\":\"standard\"}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    );
    let anthropic = Dialect::Anthropic;
    let plan = ReplyPlan { client: anthropic, upstream: anthropic, ..plan(Lane::Convert, false, true) };
    let (reply, out) = run(&plan, &[CITED.as_bytes()]);
    assert_eq!(reply.usage().unwrap().output_total(), 9);
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(answer["id"], "msg_1");
    assert_eq!(answer["type"], "message");
    assert_eq!(answer["stop_reason"], "end_turn");
    assert_eq!(answer["content"][0]["name"], "web_search");
    assert_eq!(answer["content"][1]["text"], "yes");
    assert_eq!(answer["content"][1]["citations"][0]["url"], "https://example.com");
    assert_eq!(answer["usage"]["input_tokens"], 5);
}

#[test]
fn wire_132_the_answer_names_the_model_that_the_client_asked_for() {
    let (stream, whole) = (CHAT.replace("\"m\"", "\"provider-7b\""), CHAT_WHOLE.replace("\"m\"", "\"provider-7b\""));
    for client in Dialect::ALL {
        for (client_streams, upstream_streams) in [(true, true), (true, false), (false, true), (false, false)] {
            let mut plan = ReplyPlan { client, ..plan(Lane::Convert, client_streams, upstream_streams) };
            plan.context.model = "my-alias".to_owned();
            let (reply, out) = run(&plan, &[if upstream_streams { &stream } else { &whole }.as_bytes()]);
            let way = format!("{client:?} {client_streams} {upstream_streams}: {out}");
            assert!(reply.ended() && out.contains("\"my-alias\""), "{way}");
            assert!(!out.contains("provider-7b"), "{way}");
        }
    }
}
