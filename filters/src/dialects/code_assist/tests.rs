use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::Dialect;
use crate::dialects::decode_error;
use crate::ir::ErrorKind;
use crate::reply::ReplyError;
use crate::sse::{self, Parser};

fn envelope(project: Option<&str>) -> Envelope<'_> {
    Envelope { model: "gemini-2.5-pro", project, user_prompt_id: "req_1", session_id: "s-1" }
}

fn wrapped(body: &str) -> String {
    String::from_utf8(wrap(body.as_bytes(), &envelope(Some("p-1"))).unwrap()).unwrap()
}

fn unwrapped(pieces: &[&[u8]]) -> Result<(String, Option<String>), ReplyError> {
    let (mut unwrap, mut out) = (Unwrap::default(), Vec::new());
    for piece in pieces {
        unwrap.push(piece, &mut out)?;
    }
    unwrap.finish(&mut out);
    Ok((String::from_utf8(out).unwrap(), unwrap.trace_id().map(str::to_owned)))
}

#[test]
fn a_request_keeps_its_bytes_in_the_envelope() {
    let body = "\n{ \"model\":\"models/x\", \"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"\\u00e9\"}]}],\"safetySettings\":[ ], \"n\":1.50 }\n";
    assert_eq!(
        wrapped(body),
        concat!(
            r#"{"model":"gemini-2.5-pro","project":"p-1","user_prompt_id":"req_1","request":"#,
            r#"{ "contents":[{"role":"user","parts":[{"text":"\u00e9"}]}],"safetySettings":[ ], "n":1.50 ,"session_id":"s-1"}}"#
        )
    );
    assert!(wrapped("{}").ends_with(r#""request":{"session_id":"s-1"}}"#));
    assert!(wrapped(r#"{"model":"m"}"#).ends_with(r#""request":{"session_id":"s-1"}}"#));
    let free = wrap(b"{}", &envelope(None)).unwrap();
    assert!(!String::from_utf8(free).unwrap().contains("project"), "the free tier sends none");
    assert_eq!(wrap(b"[]", &envelope(None)), Err(WrapError::NotObject));
}

#[test]
fn wire_083_safety_settings_pass_in_requests_and_never_in_counts() {
    let body = r#"{"safetySettings":[{"category":"X"}],"contents":[{"parts":[{"text":"a"}]}]}"#;
    assert!(wrapped(body).contains(r#""safetySettings":[{"category":"X"}]"#));
    assert!(!wrapped(r#"{"contents":[]}"#).contains("safetySettings"));
    let counted = String::from_utf8(count_tokens(body.as_bytes(), "g").unwrap()).unwrap();
    assert_eq!(counted, r#"{"request":{"model":"models/g","contents":[{"parts":[{"text":"a"}]}]}}"#);
}

#[test]
fn thoughts_are_counted_as_text() {
    let body = concat!(
        r#"{"generateContentRequest":{"model":"models/x","tools":[],"contents":[{"role":"model","parts":["#,
        r#"{"text":"hm","thought":true},{"thoughtSignature":"s"},{"thoughtSignature":"s","functionCall":{"name":"f"}}]}]}}"#
    );
    let counted = String::from_utf8(count_tokens(body.as_bytes(), "g").unwrap()).unwrap();
    assert_eq!(
        counted,
        concat!(
            r#"{"request":{"model":"models/g","contents":[{"role":"model","parts":["#,
            r#"{"text":"hm"},{"text":""},{"functionCall":{"name":"f"}}]}]}}"#
        )
    );
}

#[test]
fn each_event_gives_its_response() {
    let stream = "data: {\"response\": {\"a\": 1.0, \"b\":\"\\u2028\"},\"traceId\":\"t-1\"}\r\n\r\n: x\n\ndata: {\"traceId\":\"t-2\",\"response\":{}}\n\n";
    let plain = "data: {\"a\": 1.0, \"b\":\"\\u2028\"}\n\ndata: {}\n\n";
    assert_eq!(unwrapped(&[stream.as_bytes()]).unwrap(), (plain.to_owned(), Some("t-1".to_owned())));
}

#[test]
fn whole_answers_and_arrays_of_them() {
    let one = unwrapped(&[b" {\"response\":{\"x\":[1.50]},\"traceId\":\"t\",\"consumedCredits\":[]}"]).unwrap();
    assert_eq!(one, ("{\"x\":[1.50]}".to_owned(), Some("t".to_owned())));
    let many = unwrapped(&[b"[{\"response\":{\"x\":1}}\n,\r\n{\"response\":{\"x\":2}}]"]).unwrap();
    assert_eq!(many.0, "[{\"x\":1},{\"x\":2}]");
    assert_eq!(unwrapped(&[b""]).unwrap().0, "");
}

#[test]
fn wire_096_errors_pass_as_they_are_in_any_framing() {
    const ERROR: &str = r#"{"error":{"code":429,"message":"Resource has been exhausted (e.g. check quota).","status":"RESOURCE_EXHAUSTED"}}"#;
    let array = format!("[{ERROR}]");
    assert_eq!(unwrapped(&[ERROR.as_bytes()]).unwrap().0, ERROR);
    assert_eq!(unwrapped(&[array.as_bytes()]).unwrap().0, array);
    let event = format!("data: {ERROR}\n\n");
    assert_eq!(unwrapped(&[event.as_bytes()]).unwrap().0, event);
    for body in [ERROR.to_owned(), array.clone(), event, format!(",\r\n{ERROR}\n,"), format!("data: {array}\r\n\r\n")] {
        let error = decode_error(Dialect::Gemini, 429, &error_body(body.as_bytes()));
        assert_eq!((error.kind, error.message.starts_with("Resource has")), (ErrorKind::RateLimit, true), "{body}");
    }
    assert_eq!(&*error_body(b"<html>"), b"<html>");
}

/// Recorded Gemini streams in envelopes, when `INTERLINGUA_CORPUS` names their folder.
#[test]
fn recorded_streams_come_out_as_they_were() {
    let Ok(folder) = std::env::var("INTERLINGUA_CORPUS") else { return };
    let mut seen = 0;
    for entry in std::fs::read_dir(PathBuf::from(folder).join("gemini")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|found| found != "resp") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let (mut inside, mut around) = (Vec::new(), Vec::new());
        let mut on_event = |event: sse::SseEvent<'_>| {
            if !event.data.starts_with('{') || event.data.contains('\n') {
                return;
            }
            sse::event(&mut inside, event.name, |out| out.extend_from_slice(event.data.as_bytes()));
            sse::event(&mut around, event.name, |out| {
                out.extend_from_slice(format!("{{\"response\": {} ,\"traceId\":\"t\"}}", event.data).as_bytes());
            });
        };
        let mut parser = Parser::default();
        parser.push(&bytes, &mut on_event).unwrap();
        parser.finish(&mut on_event);
        seen += usize::from(!inside.is_empty());
        assert_eq!(unwrapped(&[&around]).unwrap().0.as_bytes(), inside, "{}", path.display());
    }
    assert!(seen > 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_split_gives_the_same(
        values in proptest::collection::vec("[a-z{}\"\u{1F600}é ]{0,8}", 1..5),
        form in 0..3,
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let inner: Vec<String> = values.iter().map(|value| serde_json::json!({"text": value}).to_string()).collect();
        let around = |inner: &String| format!("{{\"traceId\":\"t\", \"response\":{inner}}}");
        let (text, expected) = match form {
            0 => (around(&inner[0]), inner[0].clone()),
            1 => (format!("[{}]", inner.iter().map(around).collect::<Vec<_>>().join(",")), format!("[{}]", inner.join(","))),
            _ => (
                inner.iter().map(|inner| format!("data: {}\r\n\r\n", around(inner))).collect::<Vec<_>>().concat(),
                inner.iter().map(|inner| format!("data: {inner}\n\n")).collect::<Vec<_>>().concat(),
            ),
        };
        let bytes = text.as_bytes();
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(unwrapped(&pieces).unwrap(), (expected, Some("t".to_owned())));
    }

    #[test]
    fn what_was_wrapped_is_what_comes_out(text in "[a-z\"\\\\{}é]{0,12}", number in any::<f64>()) {
        let body = serde_json::json!({"contents": [{"parts": [{"text": text}]}], "number": number}).to_string();
        let wrapped = wrapped(&body);
        let read: serde_json::Value = serde_json::from_str(&wrapped).unwrap();
        let mut inner = read["request"].clone();
        inner.as_object_mut().unwrap().remove("session_id");
        prop_assert_eq!(inner, serde_json::from_str::<serde_json::Value>(&body).unwrap());
        prop_assert!(wrapped.contains(&body[..body.len() - 1]));
        // An answer in an envelope that looks like a request's comes out the same way.
        let answer = wrapped.replacen("\"request\":", "\"response\":", 1);
        let inner = &wrapped[wrapped.find("\"request\":").unwrap() + "\"request\":".len()..wrapped.len() - 1];
        prop_assert_eq!(unwrapped(&[answer.as_bytes()]).unwrap().0, inner);
    }

    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60), text in "[{}\\[\\]\":,a-z \n]{0,40}") {
        let _ = wrap(&bytes, &envelope(None));
        let _ = wrap(text.as_bytes(), &envelope(None));
        let _ = count_tokens(text.as_bytes(), "m");
        let _ = error_body(&bytes);
        let (mut unwrap, mut out) = (Unwrap::default(), Vec::new());
        let _ = unwrap.push(&bytes, &mut out);
        let _ = unwrap.push(text.as_bytes(), &mut out);
        unwrap.finish(&mut out);
    }
}
