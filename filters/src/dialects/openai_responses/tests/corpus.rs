//! The laws over recorded traffic, where `INTERLINGUA_CORPUS` names a folder with it.

use std::path::PathBuf;

use super::*;

fn folder() -> Option<PathBuf> {
    std::env::var_os("INTERLINGUA_CORPUS").map(|root| PathBuf::from(root).join("openai_responses"))
}

/// Files of the corpus that end in `.ending`, with their ids.
fn files(ending: &str) -> Vec<(String, Vec<u8>)> {
    let Some(folder) = folder() else { return Vec::new() };
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    found.sort();
    found
}

#[test]
fn requests_come_back_as_they_were() {
    let mut held = 0;
    for (id, bytes) in files("json") {
        let file = parsed(&bytes);
        let Some(request) = file.get("request").filter(|request| request.is_object()) else { continue };
        let body = serde_json::to_vec(request).unwrap();
        assert_eq!(&request_round_trip(&body), request, "{id}");
        held += 1;
    }
    println!("{held} requests");
}

#[test]
fn answers_come_back_as_they_were() {
    let (mut held, mut errors) = (0, 0);
    for (id, bytes) in files("resp") {
        let Ok(value) = serde_json::from_slice::<Value>(&bytes) else { continue };
        if value.get("output").is_some() {
            assert_eq!(response_round_trip(&bytes), value, "{id}");
            held += 1;
        } else {
            let error = decode_error(400, &bytes);
            assert_eq!(error.message, value["error"]["message"].as_str().unwrap(), "{id}");
            let mut out = Vec::new();
            assert_eq!(encode_error(&error, &mut out), 400);
            assert_eq!(parsed(&out), serde_json::json!({"error": value["error"]}), "{id}");
            errors += 1;
        }
    }
    println!("{held} answers, {errors} errors");
}

#[test]
fn streams_say_the_same_after_both_ways() {
    let mut held = 0;
    for (id, bytes) in files("resp") {
        if serde_json::from_slice::<Value>(&bytes).is_ok() {
            continue;
        }
        let first = told(&[&bytes]);
        assert_eq!(first.terminals, 1, "{id}");
        let again = stream_round_trip(&bytes, ReplyContext::default());
        let second = told(&[&again]);
        assert_eq!(second.said(), first.said(), "{id}");
        assert_eq!((second.stop, second.usage), (first.stop, first.usage), "{id}");
        held += 1;
    }
    println!("{held} streams");
}
