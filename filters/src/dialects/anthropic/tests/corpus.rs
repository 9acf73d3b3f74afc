//! Recorded traffic, when `INTERLINGUA_CORPUS` names its folder.

use super::*;

fn files() -> Vec<std::path::PathBuf> {
    let Some(root) = std::env::var_os("INTERLINGUA_CORPUS") else { return Vec::new() };
    let folder = std::path::Path::new(&root).join("anthropic");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn recorded_requests_come_back_as_they_were() {
    let (mut held, mut all) = (0, 0);
    for path in files().iter().filter(|path| path.extension().is_some_and(|e| e == "json")) {
        let text = std::fs::read_to_string(path).unwrap();
        let file: std::collections::BTreeMap<String, Box<serde_json::value::RawValue>> =
            serde_json::from_str(&text).unwrap();
        let Some(body) = file.get("request").map(|raw| raw.get()).filter(|body| body.starts_with('{')) else {
            continue;
        };
        all += 1;
        let same = round_trip(body.as_bytes()) == exact(body.as_bytes());
        assert!(same, "{}", path.display());
        held += usize::from(same);
    }
    println!("requests: {held} of {all}");
}

#[test]
fn recorded_answers_come_back_as_they_were() {
    let (mut whole, mut streamed) = (0, 0);
    for path in files().iter().filter(|path| path.extension().is_some_and(|e| e == "resp")) {
        let body = std::fs::read(path).unwrap();
        if body.trim_ascii_start().starts_with(b"{") {
            let value = exact(&body);
            if value.get("content").is_none() {
                continue;
            }
            let mut out = Vec::new();
            encode_response(&decode_response(&body).unwrap(), &ReplyContext::default(), &mut out);
            assert_eq!(exact(&out), value, "{}", path.display());
            whole += 1;
        } else {
            let once = streams::Seen::of(&streams::decode(&[&body]));
            let twice = streams::Seen::of(&streams::decode(&[&streams::reencode(&body)]));
            assert_eq!(once, twice, "{}", path.display());
            assert_eq!(once.terminals, ["end"], "{}", path.display());
            streamed += 1;
        }
    }
    println!("answers: {whole} whole, {streamed} streamed");
}

/// What an answer says, against what the recording's index says of it.
fn check(id: &str, seen: &streams::Seen, expected: &Value) {
    assert_eq!(seen.text, expected["text"].as_str().unwrap(), "{id}");
    assert_eq!(seen.thoughts, expected["thinking"].as_str().unwrap(), "{id}");
    // The index does not count the data of hidden thoughts.
    assert!(!seen.seals.is_empty() || !expected["signature"].as_bool().unwrap(), "{id}");
    let calls = expected["tool_calls"].as_array().unwrap();
    assert_eq!(seen.calls.len(), calls.len(), "{id}");
    for (call, wanted) in seen.calls.iter().zip(calls) {
        assert_eq!(
            (call.0.as_str(), call.1.as_str()),
            (wanted["id"].as_str().unwrap(), wanted["name"].as_str().unwrap())
        );
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(read(&call.2), read(wanted["args"].as_str().unwrap()), "{id}");
    }
    let usage = seen.usage.as_ref().unwrap();
    let wanted = &expected["usage"];
    assert_eq!(usage.input_total(), wanted["input"].as_u64().unwrap(), "{id}");
    assert_eq!(usage.output_total(), wanted["output"].as_u64().unwrap(), "{id}");
    assert_eq!(usage.cache_read, wanted["cached"].as_u64().unwrap_or(0), "{id}");
    assert_eq!(usage.cache_write_5m + usage.cache_write_1h, wanted["cache_write"].as_u64().unwrap_or(0), "{id}");
    if calls.is_empty() {
        let stop = expected["stop"].as_str();
        assert_eq!(seen.stop, Some(stop::decode(stop, false)), "{id}");
    }
}

#[test]
fn recorded_answers_say_what_the_index_says() {
    let Some(root) = std::env::var_os("INTERLINGUA_CORPUS") else { return };
    let root = std::path::Path::new(&root);
    let index = std::fs::read_to_string(root.join("index.jsonl")).unwrap();
    let mut checked = 0;
    for line in index.lines() {
        let entry: Value = serde_json::from_str(line).unwrap();
        let (id, expected) = (entry["id"].as_str().unwrap(), &entry["expected"]);
        if entry["dialect"] != "anthropic" || entry["status"] != 200 || !expected["usage"]["input"].is_u64() {
            continue;
        }
        // Files of several answers in a row: the index lays them over one another, a stream ends with the first.
        if expected["n_messages"].as_u64().is_some_and(|n| n > 1) {
            continue;
        }
        let body = std::fs::read(root.join("anthropic").join(format!("{id}.resp"))).unwrap();
        if !body.trim_ascii_start().starts_with(b"{") {
            check(id, &streams::Seen::of(&streams::decode(&[&body])), expected);
            checked += 1;
        } else if let Ok(response) = decode_response(&body) {
            check(id, &streams::Seen::of_whole(&response), expected);
            checked += 1;
        }
    }
    println!("answers that say what the index says: {checked}");
}
