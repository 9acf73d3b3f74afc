//! Recorded traffic, when `INTERLINGUA_CORPUS` names its folder.

use std::path::PathBuf;

use super::*;
use crate::ir::{BlockKind, Event};
use crate::sse::Parser;

fn files(extension: &str) -> Vec<PathBuf> {
    let Ok(folder) = std::env::var("INTERLINGUA_CORPUS") else { return Vec::new() };
    let mut found: Vec<PathBuf> = std::fs::read_dir(PathBuf::from(folder).join("gemini"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    found.sort();
    found
}

#[test]
fn recorded_requests_come_back() {
    let (mut held, mut all) = (0, 0);
    for path in files("json") {
        let recorded = value(&std::fs::read(&path).unwrap());
        let kind = recorded["meta"]["kind"].as_str().unwrap();
        let body = &recorded["request"];
        if body.is_null() || body.get("contents").is_none() {
            continue;
        }
        all += 1;
        let text = body.to_string();
        let again = again(&text, "gemini-2.5-flash");
        if again == *body {
            held += 1;
        } else {
            println!("{} {kind}\n{body}\n{again}", path.display());
        }
    }
    println!("requests: {held} of {all}");
    assert_eq!(held, all);
}

#[test]
fn gemini_3_requests_differ_by_the_sentinel_only() {
    for path in files("json") {
        let recorded = value(&std::fs::read(&path).unwrap());
        let body = &recorded["request"];
        if body.get("contents").is_some() {
            let sentinel = r#","thoughtSignature":"skip_thought_signature_validator""#;
            let out = again(&body.to_string(), "gemini-3-pro").to_string().replace(sentinel, "");
            assert_eq!(value(out.as_bytes()), *body, "{}", path.display());
        }
    }
}

#[test]
fn recorded_answers_come_back() {
    let (mut held, mut all) = (0, 0);
    for path in files("resp") {
        let bytes = std::fs::read(&path).unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        if text.starts_with("data:") || !(text.contains("\"candidates\"") || text.contains("promptFeedback")) {
            continue;
        }
        all += 1;
        if response_again(text) == value(&bytes) {
            held += 1;
        } else {
            println!("{}", path.display());
        }
    }
    println!("answers: {held} of {all}");
    assert_eq!(held, all);
}

#[test]
fn recorded_answers_say_what_was_recorded() {
    for path in files("resp") {
        let meta = value(&std::fs::read(path.with_extension("json")).unwrap());
        let expected = &meta["meta"]["expected"];
        let bytes = std::fs::read(&path).unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        if expected.is_null() || text.starts_with("data:") || !text.contains("\"candidates\"") {
            continue;
        }
        let response = decode_response(&bytes).unwrap();
        let blocks = &response.choices[0].blocks;
        let said: String = blocks
            .iter()
            .filter_map(|block| match &block.kind {
                BlockKind::Text { text, .. } => Some(text.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(said, expected["text"].as_str().unwrap(), "{}", path.display());
        let calls = blocks.iter().filter(|block| matches!(block.kind, BlockKind::ToolUse(_))).count();
        assert_eq!(calls, expected["tool_calls"].as_array().unwrap().len(), "{}", path.display());
        let seal = blocks.iter().any(|block| block.signature.is_some())
            || blocks.iter().any(
                |block| matches!(&block.kind, BlockKind::Opaque { raw, .. } if raw.get().contains("thoughtSignature")),
            );
        assert_eq!(seal, expected["signature"].as_bool().unwrap(), "{}", path.display());
        let usage = response.usage.unwrap();
        let number = |key: &str| expected["usage"][key].as_u64().unwrap_or_default();
        assert_eq!(usage.reasoning, number("reasoning"), "{}", path.display());
        assert!(usage.input_total() >= number("input"), "{}", path.display());
    }
}

#[test]
fn recorded_streams_end_well() {
    for path in files("resp") {
        let bytes = std::fs::read(&path).unwrap();
        if !bytes.starts_with(b"data:") {
            continue;
        }
        let meta = value(&std::fs::read(path.with_extension("json")).unwrap());
        let expected = &meta["meta"]["expected"];
        let mut decoder = StreamDecoder::default();
        let (mut texts, mut ends) = (String::new(), 0);
        let mut thoughts = std::collections::HashSet::new();
        let mut inputs = Vec::new();
        let mut sink = |event: Event<'_>| match event {
            Event::BlockStart { index, block: crate::ir::stream::BlockStart::Reasoning { .. }, .. } => {
                thoughts.insert(index);
            }
            Event::Delta { index, delta: crate::ir::stream::Delta::Text(text) } if !thoughts.contains(&index) => {
                texts.push_str(&text);
            }
            Event::Delta { delta: crate::ir::stream::Delta::Input(text), .. } => inputs.push(text.to_string()),
            Event::End => ends += 1,
            Event::Error(error) => panic!("{error:?}"),
            _ => {}
        };
        let mut parser = Parser::default();
        parser.push(&bytes, &mut |event| decoder.event(event, &mut sink)).unwrap();
        parser.finish(&mut |event| decoder.event(event, &mut sink));
        decoder.finish(&mut sink);
        assert_eq!((texts.as_str(), ends), (expected["text"].as_str().unwrap(), 1), "{}", path.display());
        println!("{} {inputs:?}", path.display());
    }
}
