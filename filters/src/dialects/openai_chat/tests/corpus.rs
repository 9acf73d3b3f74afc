//! Recorded traffic, where `INTERLINGUA_CORPUS` names its folder; skipped elsewhere.

use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::ir::stream::Event;

/// The body as it must come back: with usage asked for when it streams.
fn expected(mut body: Value) -> String {
    if body["stream"] == true {
        body["stream_options"]["include_usage"] = json!(true);
    }
    canonical(&body.to_string())
}

#[test]
fn the_corpus_comes_back() {
    let Some(root) = std::env::var_os("INTERLINGUA_CORPUS") else { return };
    let root = Path::new(&root);
    let index = std::fs::read_to_string(root.join("index.jsonl")).unwrap();
    let (mut requests, mut responses, mut streams, mut errors, mut bad) = (0, 0, 0, 0, Vec::new());
    for line in index.lines() {
        let entry: Value = serde_json::from_str(line).unwrap();
        if entry["dialect"] != "openai_chat" {
            continue;
        }
        let id = entry["id"].as_str().unwrap();
        let file: Value =
            serde_json::from_str(&std::fs::read_to_string(root.join(format!("openai_chat/{id}.json"))).unwrap())
                .unwrap();
        if file["request"].is_object() {
            requests += 1;
            let body = file["request"].to_string();
            let wanted = expected(file["request"].clone());
            if canonical(&again(&body)) != wanted {
                bad.push(format!("request {id}"));
            }
        }
        let answer = std::fs::read(root.join(format!("openai_chat/{id}.resp"))).unwrap();
        let said = &entry["expected"];
        if entry["stream"] == true {
            streams += 1;
            let events = streams::decode(&[&answer]);
            let read = streams::Read::of(&events);
            let ends = events.iter().filter(|event| matches!(event, Event::End | Event::Error(_))).count();
            // An answer that broke off has no expectation.
            let differs = |key: &str, found: &[String]| said[key].as_str().is_some_and(|text| text != found.concat());
            if ends != 1 || differs("text", &read.text) || differs("thinking", &read.reasoning) {
                bad.push(format!("stream {id}: {read:?}"));
            }
        } else if entry["status"] == 200 && answer.starts_with(b"{") {
            responses += 1;
            let body = std::str::from_utf8(&answer).unwrap();
            match decode_response(&answer) {
                Ok(_) if canonical(&responses::again(body)) == canonical(body) => {}
                Ok(_) => bad.push(format!("response {id}: {}", responses::again(body))),
                Err(error) => bad.push(format!("response {id}: {error}")),
            }
        } else {
            errors += 1;
            assert!(!decode_error(400, &answer).message.is_empty());
        }
    }
    eprintln!("{requests} requests, {responses} responses, {streams} streams, {errors} errors; {} differ", bad.len());
    assert!(bad.is_empty(), "{bad:#?}");
}
