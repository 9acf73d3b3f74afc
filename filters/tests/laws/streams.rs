//! Streams from every dialect to every other.

use interlingua_filters::Dialect;
use interlingua_filters::dialects::{StreamDecoder, StreamEncoder};
use interlingua_filters::ir::{Event, Response};
use interlingua_filters::reply::{Collector, expand};
use interlingua_filters::sse::Parser;
use proptest::prelude::*;

use crate::generate::{any_response, dialect, garbage, response};
use crate::pairs::context;
use crate::shape::{Shape, owned};
use crate::{cases, meaning};

/// The events of an answer in the words of `to`.
pub(crate) fn streamed(to: Dialect, response: &Response<'_>) -> Vec<u8> {
    let (mut encoder, mut out) = (StreamEncoder::new(to, context()), Vec::new());
    expand(response, &mut |event| encoder.event(event, &mut out));
    out
}

/// What a decoder reads from pieces of a stream; checks the shape on the way.
pub(crate) fn decoded(from: Dialect, pieces: &[&[u8]]) -> Vec<Event<'static>> {
    let (mut parser, mut decoder, mut events) = (Parser::default(), StreamDecoder::new(from), Vec::new());
    let mut shape = Shape::default();
    let mut sink = |event: Event<'_>| {
        shape.see(&event);
        events.push(owned(event));
    };
    for piece in pieces {
        parser.push(piece, &mut |event| decoder.event(event, &mut sink)).unwrap();
    }
    parser.finish(&mut |event| decoder.event(event, &mut sink));
    decoder.finish(&mut sink);
    assert!(decoder.ended());
    assert_eq!(shape.terminals, 1);
    events
}

pub(crate) fn collected(from: Dialect, events: Vec<Event<'static>>) -> Response<'static> {
    assert!(matches!(events.last(), Some(Event::End)), "{from:?} broke off: {:?}", events.last());
    let mut collector = Collector::new(from);
    for event in events {
        collector.push(event).unwrap();
    }
    collector.into_response()
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn collecting_undoes_expanding(response in any_response()) {
        let mut collector = Collector::new(response.origin);
        let mut shape = Shape::default();
        expand(&response, &mut |event| {
            shape.see(&event);
            collector.push(event).unwrap();
        });
        prop_assert_eq!(format!("{:?}", collector.into_response()), format!("{:?}", response));
    }

    #[test]
    fn a_stream_means_the_same_in_every_dialect((upstream, response) in dialect().prop_flat_map(|by| (Just(by), response(by)))) {
        let meant = meaning::of_response(&response);
        let sent = streamed(upstream, &response);
        let events = decoded(upstream, &[&sent]);
        let own = meaning::of_response(&collected(upstream, events.clone()));
        prop_assert_eq!(&own, &meant, "{:?}: {}", upstream, String::from_utf8_lossy(&sent));
        for client in Dialect::ALL {
            let (mut encoder, mut shown) = (StreamEncoder::new(client, context()), Vec::new());
            for event in &events {
                encoder.event(event.clone(), &mut shown);
            }
            let arrived = meaning::of_response(&collected(client, decoded(client, &[&shown])));
            prop_assert_eq!(&arrived, &meant, "{:?} to {:?}: {}", upstream, client, String::from_utf8_lossy(&shown));
        }
    }

    #[test]
    fn any_split_of_a_stream_gives_the_same_events(
        (upstream, response) in dialect().prop_flat_map(|by| (Just(by), response(by))),
        cut in any::<prop::sample::Index>(),
    ) {
        let sent = streamed(upstream, &response);
        let (head, tail) = sent.split_at(cut.index(sent.len()));
        prop_assert_eq!(format!("{:?}", decoded(upstream, &[head, tail])), format!("{:?}", decoded(upstream, &[&sent])));
    }

    #[test]
    fn a_stream_cut_anywhere_still_has_one_terminal(
        (upstream, response) in dialect().prop_flat_map(|by| (Just(by), response(by))),
        cut in any::<prop::sample::Index>(),
    ) {
        let sent = streamed(upstream, &response);
        decoded(upstream, &[&sent[..cut.index(sent.len())]]);
    }

    #[test]
    fn garbage_in_a_stream_still_gives_one_terminal(bytes in prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..60),
        r#"((event: [a-z_.]{0,12}\n)?data: [\[\]{}":,a-z0-9]{0,20}\n\n){0,4}"#.prop_map(String::into_bytes),
    ]) {
        for from in Dialect::ALL {
            decoded(from, &[&bytes]);
        }
    }

    #[test]
    fn encoders_write_readable_events_for_any_guarded_stream(events in garbage()) {
        for to in Dialect::ALL {
            let mut guard = interlingua_filters::ir::stream::Guard::default();
            let (mut encoder, mut out) = (StreamEncoder::new(to, context()), Vec::new());
            for event in events.clone() {
                guard.push(event, &mut |event| encoder.event(event, &mut out));
            }
            guard.finish(&mut |event| encoder.event(event, &mut out));
            let mut parser = Parser::default();
            parser.push(&out, &mut |event| {
                let is_json = serde_json::from_str::<serde_json::Value>(event.data).is_ok();
                assert!(is_json || (event.data == "[DONE]" && to == Dialect::OpenAiChat), "{to:?} {event:?}");
            }).unwrap();
            assert!(out.ends_with(b"\n\n"));
        }
    }
}

/// Names and types of the events of a stream.
fn names(to: Dialect, response: &Response<'_>) -> Vec<(String, Option<String>)> {
    let mut found = Vec::new();
    let mut see = |event: interlingua_filters::sse::SseEvent<'_>| {
        let data: serde_json::Value = serde_json::from_str(event.data).unwrap_or_default();
        found.push((event.name.to_owned(), data.get("type").and_then(|word| word.as_str()).map(str::to_owned)));
    };
    Parser::default().push(&streamed(to, response), &mut see).unwrap();
    found
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn wire_007_events_are_named_as_their_type_says(response in any_response()) {
        for to in [Dialect::Anthropic, Dialect::OpenAiResponses] {
            for (name, of_data) in names(to, &response) {
                prop_assert_eq!(Some(name), of_data, "{:?}", to);
            }
        }
        // Here clients tell events apart by their members, and some choke on names.
        for to in [Dialect::OpenAiChat, Dialect::Gemini] {
            prop_assert!(names(to, &response).iter().all(|(name, _)| name.is_empty()));
        }
    }

    #[test]
    fn wire_006_only_chat_says_done(response in any_response()) {
        for to in Dialect::ALL {
            let sent = streamed(to, &response);
            prop_assert_eq!(sent.ends_with(b"data: [DONE]\n\n"), to == Dialect::OpenAiChat);
        }
    }

    #[test]
    fn wire_011_noise_between_events_changes_nothing(
        (upstream, response) in dialect().prop_flat_map(|by| (Just(by), response(by))),
        noise in proptest::sample::select(vec![": ping\n\n", "data: hello\n\n", "data: \u{1F600}\n\n", "id: 7\nretry: 9\n\n"]),
    ) {
        let sent = String::from_utf8(streamed(upstream, &response)).unwrap();
        let noisy = sent.replace("\n\n", &format!("\n\n{noise}"));
        prop_assert_eq!(format!("{:?}", decoded(upstream, &[noisy.as_bytes()])), format!("{:?}", decoded(upstream, &[sent.as_bytes()])));
    }
}
