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
