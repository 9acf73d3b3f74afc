use proptest::prelude::*;

use super::*;

fn chat(body: &str) -> Result<Skim<'_>, SkimError> {
    skim(Dialect::OpenAiChat, body.as_bytes())
}

#[test]
fn values_are_found_where_they_stand() {
    let body = r#" {"messages":[{"role":"user","content":"model"}], "model" : "gpt-4o","stream":true,
        "stream_options":{"include_obfuscation":false,"include_usage": null},"user":"u-1"} "#;
    let found = chat(body).unwrap();
    let (model, at) = found.model.unwrap();
    assert_eq!((model.as_str(), &body[at]), ("gpt-4o", "\"gpt-4o\""));
    let (stream, at) = found.stream.unwrap();
    assert_eq!((stream, &body[at]), (true, "true"));
    let options = found.stream_options.unwrap();
    assert!(body[options.span.clone()].starts_with("{\"include_obf"));
    let (asked, at) = options.include_usage.unwrap();
    assert_eq!((asked, &body[at]), (false, "null"));
    assert_eq!(found.user.unwrap(), "u-1");
    assert_eq!(&body[found.object.open - 1..found.object.open], "{");
    assert_eq!(&body[found.object.close..=found.object.close], "}");
}

#[test]
fn session_ids_of_every_dialect_are_found() {
    let body = r#"{"metadata":{"a":1,"user_id":"user_x_session_y"},"prompt_cache_key":"k","previous_response_id":"resp_1",
        "cachedContent":"cachedContents/1"}"#;
    let found = skim(Dialect::Anthropic, body.as_bytes()).unwrap();
    assert_eq!(found.user_id.unwrap(), "user_x_session_y");
    assert_eq!(found.prompt_cache_key.unwrap(), "k");
    assert_eq!(found.previous_response_id.unwrap(), "resp_1");
    assert_eq!(found.cached_content.unwrap(), "cachedContents/1");
    let odd = chat(r#"{"user":5,"prompt_cache_key":"","metadata":[],"previous_response_id":null}"#).unwrap();
    assert!(odd.user.is_none() && odd.prompt_cache_key.is_none() && odd.previous_response_id.is_none());
}

#[test]
fn a_repeated_model_is_refused_even_when_spelt_with_an_escape() {
    assert_eq!(chat(r#"{"model":"a","model":"b"}"#).unwrap_err(), SkimError::Duplicate("model"));
    assert_eq!(chat(r#"{"model":"a","mod\u0065l":"b"}"#).unwrap_err(), SkimError::Duplicate("model"));
    assert_eq!(chat(r#"{"stream":true,"x":{"stream":1},"stream":false}"#).unwrap_err(), SkimError::Duplicate("stream"));
    assert!(chat(r#"{"model":"a","x":{"model":"b","model":"c"}}"#).is_ok());
}

#[test]
fn what_is_not_an_object_is_refused() {
    assert_eq!(chat("[]").unwrap_err(), SkimError::NotObject);
    assert!(matches!(chat("").unwrap_err(), SkimError::NotJson(_)));
    assert!(matches!(chat("{\"a\":1} x").unwrap_err(), SkimError::NotJson(_)));
    assert!(matches!(chat("{\"a\":tru}").unwrap_err(), SkimError::NotJson(_)));
    assert_eq!(skim(Dialect::Gemini, b"{\"a\":\"\xff\"}").unwrap_err(), SkimError::NotUtf8 { at: 6 });
    assert_eq!(chat(r#"{"model":5}"#).unwrap_err().param(), Some("model"));
    assert_eq!(chat(r#"{"stream":"yes"}"#).unwrap_err().param(), Some("stream"));
}

#[test]
fn wire_137_nesting_is_bounded_and_brackets_in_strings_do_not_count() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(chat(&nested(DEPTH_MAX - 1)).is_ok());
    assert_eq!(chat(&nested(DEPTH_MAX)).unwrap_err(), SkimError::TooDeep);
    assert_eq!(chat(&nested(100_000)).unwrap_err(), SkimError::TooDeep);
    assert!(chat(&format!("{{\"a\":\"\\\"{}\"}}", "[".repeat(500))).is_ok());
}

#[test]
fn lone_surrogates_and_huge_numbers_pass_unread() {
    assert!(chat(r#"{"messages":[{"role":"user","content":"\ud83d"}],"x":1e999}"#).is_ok());
}

#[test]
fn the_prefix_stays_when_the_conversation_grows_and_cache_marks_move() {
    let first = r#"{"system":"s","messages":[{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]}]}"#;
    let later = r#"{"system":"s","messages":[{"role":"user","content":[{"type":"text","text":"hi"}]},{"role":"assistant","content":"x"}]}"#;
    let other = r#"{"system":"s","messages":[{"role":"user","content":[{"type":"text","text":"ho"}]}]}"#;
    let hash = |body: &str| skim(Dialect::Anthropic, body.as_bytes()).unwrap().prefix_hash;
    assert_eq!(hash(first), hash(later));
    assert_ne!(hash(first), hash(other));
    assert_ne!(hash(r#"{"input":"a"}"#), hash(r#"{"input":"b"}"#));
    assert_ne!(hash(r#"{"instructions":"a","input":"b"}"#), hash(r#"{"instructions":"ab","input":""}"#));
}

#[test]
fn a_carried_seal_is_seen() {
    let seal = Signature { issuer: Dialect::Gemini, value: Str::from("abc") };
    let body = format!(r#"{{"x":"{}"}}"#, seal.carried(Dialect::OpenAiChat));
    assert!(chat(&body).unwrap().has_carried_seal);
    assert!(!chat("{}").unwrap().has_carried_seal);
}

proptest! {
    #[test]
    fn any_bytes_give_an_answer(body in proptest::collection::vec(any::<u8>(), 0..64)) {
        for dialect in Dialect::ALL {
            let _ = skim(dialect, &body);
        }
    }

    #[test]
    fn what_passes_is_what_serde_json_reads(body in r#"[\{\}\[\]":,a-c0-2\\ ]{0,24}"#) {
        let valid = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&body).is_ok();
        prop_assert_eq!(chat(&body).is_ok(), valid);
    }
}

#[test]
fn the_cap_of_an_answer_is_found_in_every_dialect() {
    for (dialect, body, expected) in [
        (Dialect::OpenAiChat, r#"{"max_tokens":7}"#, Some(7)),
        (Dialect::OpenAiChat, r#"{"max_tokens":7,"max_completion_tokens":8}"#, Some(8)),
        (Dialect::OpenAiResponses, r#"{"max_output_tokens":9}"#, Some(9)),
        (Dialect::Anthropic, r#"{"max_tokens":4096}"#, Some(4096)),
        (Dialect::Gemini, r#"{"generationConfig":{"temperature":1,"maxOutputTokens":10}}"#, Some(10)),
        (Dialect::Gemini, r#"{"generation_config":{"max_output_tokens":11}}"#, Some(11)),
        (Dialect::Anthropic, r#"{"max_tokens":"many"}"#, None),
        (Dialect::Gemini, r#"{"generationConfig":[]}"#, None),
    ] {
        assert_eq!(skim(dialect, body.as_bytes()).unwrap().output_cap, expected, "{body}");
    }
}
