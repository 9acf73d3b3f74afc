//! Requests and whole answers from every dialect to every other.

use interlingua_filters::Dialect;
use interlingua_filters::custody::Seals;
use interlingua_filters::dialects::{
    Endpoint, Target, decode_error, decode_request, decode_response, encode_error, encode_request, encode_response,
};
use interlingua_filters::ir::{ApiError, ErrorKind, ReplyContext, Request, Response};
use interlingua_filters::json::Str;
use interlingua_filters::json::skim::skim;
use interlingua_filters::lane::Lane;
use interlingua_filters::request::prepare;
use proptest::prelude::*;

use crate::generate::{any_response, dialect, elsewhere, hostile_request, request, response};
use crate::{cases, meaning};

pub(crate) fn context() -> ReplyContext {
    ReplyContext {
        model: "model-1".to_owned(),
        created: 1_700_000_000,
        seed: 7,
        sequence: 0,
        include_usage: true,
        reasoning_content: true,
        request: b"{}"[..].into(),
    }
}

fn target() -> Target {
    Target::new("model-1", false)
}

/// What stands in the path of a dialect's endpoint.
fn endpoint() -> Endpoint<'static> {
    Endpoint { model: Some(Str::from("model-1")), stream: Some(false) }
}

fn written(to: Dialect, request: &Request<'_>) -> Vec<u8> {
    let mut body = Vec::new();
    encode_request(to, request, &target(), &mut body).unwrap_or_else(|error| panic!("{to:?}: {error}"));
    assert_json(&body);
    body
}

fn assert_json(body: &[u8]) {
    let read = serde_json::from_slice::<serde_json::Value>(body);
    assert!(read.is_ok(), "{read:?} in {}", String::from_utf8_lossy(body));
}

fn answered(to: Dialect, response: &Response<'_>) -> Vec<u8> {
    let mut body = Vec::new();
    encode_response(to, response, &context(), &mut body);
    assert_json(&body);
    body
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_request_means_the_same_in_every_dialect(request in request()) {
        for client in Dialect::ALL {
            let request = Request { origin: elsewhere(client), ..request.clone() };
            let body = written(client, &request);
            let read = decode_request(client, &body, &endpoint()).unwrap();
            let meant = meaning::of_request(&read);
            prop_assert_eq!(&meant.user, &meaning::of_request(&request).user, "{:?} lost its own words", client);
            for upstream in Dialect::ALL {
                let sent = written(upstream, &read);
                let mut arrived = meaning::of_request(&decode_request(upstream, &sent, &endpoint()).unwrap());
                if meant.cap.is_none() {
                    // Some targets need a cap; naming the default is no change of meaning.
                    arrived.cap = None;
                }
                prop_assert_eq!(&arrived, &meant, "{:?} to {:?}: {}", client, upstream, String::from_utf8_lossy(&sent));
            }
        }
    }

    #[test]
    fn a_hostile_request_gives_valid_json_or_an_error(request in hostile_request()) {
        for to in Dialect::ALL {
            let mut body = Vec::new();
            if encode_request(to, &request, &target(), &mut body).is_ok() {
                assert_json(&body);
            }
        }
    }

    #[test]
    fn an_answer_means_the_same_in_every_dialect((upstream, response) in dialect().prop_flat_map(|by| (Just(by), response(by)))) {
        let body = answered(upstream, &response);
        let read = decode_response(upstream, &body).unwrap();
        let meant = meaning::of_response(&read);
        prop_assert_eq!(&meant, &meaning::of_response(&response), "{:?} lost its own answer", upstream);
        for client in Dialect::ALL {
            let shown = answered(client, &read);
            let arrived = meaning::of_response(&decode_response(client, &shown).unwrap());
            prop_assert_eq!(&arrived, &meant, "{:?} to {:?}: {}", upstream, client, String::from_utf8_lossy(&shown));
        }
    }

    #[test]
    fn any_answer_gives_valid_json(response in any_response()) {
        for client in Dialect::ALL {
            answered(client, &response);
        }
    }

    #[test]
    fn any_bytes_decode_to_a_value_or_an_error(body in prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        r#"[\[\]{}":,a-z0-9]{0,40}"#.prop_map(String::into_bytes),
    ]) {
        for by in Dialect::ALL {
            let _ = decode_request(by, &body, &endpoint());
            let _ = decode_response(by, &body);
            let error = decode_error(by, 503, &body);
            prop_assert!(!error.message.is_empty(), "{:?}", by);
        }
    }

    #[test]
    fn a_prepared_request_takes_the_lane_of_its_pair(request in request()) {
        for client in Dialect::ALL {
            let request = Request { origin: elsewhere(client), ..request.clone() };
            let body = written(client, &request);
            let found = skim(client, &body).unwrap();
            for upstream in Dialect::ALL {
                let target = Target { model: "other".to_owned(), ..target() };
                let prepared = prepare(client, &endpoint(), &body, &found, upstream, &target, Seals::default()).unwrap();
                prop_assert_eq!(prepared.lane, if client == upstream { Lane::Splice } else { Lane::Convert });
                assert_json(&prepared.body);
                let read = decode_request(upstream, &prepared.body, &Endpoint::default());
                if upstream != Dialect::Gemini {
                    prop_assert_eq!(read.unwrap().model.to_string(), "other");
                }
            }
        }
    }
}

#[test]
fn every_class_of_error_survives_its_own_dialect() {
    use ErrorKind::{
        Authentication, ContextLength, Internal, InvalidRequest, NotFound, Overloaded, Permission, RateLimit,
        Unavailable,
    };
    let kinds = [
        InvalidRequest,
        ContextLength,
        Authentication,
        Permission,
        NotFound,
        RateLimit,
        Internal,
        Unavailable,
        Overloaded,
    ];
    for by in Dialect::ALL {
        for kind in kinds {
            let mut body = Vec::new();
            let status = encode_error(by, &ApiError::new(kind, "what happened"), &mut body);
            assert_json(&body);
            let read = decode_error(by, status, &body);
            assert!(read.message.contains("what happened"), "{by:?} {kind:?} {read:?}");
            // Only one dialect has a status for overload.
            let same = read.kind == kind || (read.kind.status() == kind.status() && kind.status() == 503);
            assert!(same, "{by:?} {kind:?} became {read:?}");
        }
    }
}
