//! Every kind of content, from Chat and to it.

use serde_json::{Value, json};

use super::*;
use crate::Dialect;
use crate::ir::{Block, BlockKind, Media, MediaSource, Role, ToolResult, ToolUse, ToolUseKind, Turn};

fn user(blocks: Vec<Block<'static>>) -> Request<'static> {
    Request { turns: vec![Turn::new(Role::User, blocks)], ..Request::new(Dialect::Anthropic, "claude".into()) }
}

fn medium(
    kind: fn(Media<'static>) -> BlockKind<'static>,
    mime: &'static str,
    source: MediaSource<'static>,
) -> Block<'static> {
    Block::new(kind(Media { mime: Some(mime.into()), source, name: Some("a.x".into()) }))
}

fn parts(request: &Request<'_>) -> Value {
    let out: Value = serde_json::from_str(&encode(request, Quirks::default()).0).unwrap();
    out["messages"][0]["content"].clone()
}

#[test]
fn media_of_other_dialects_in_chats_parts() {
    let base64 = || MediaSource::Base64("AAAA".into());
    let sent = parts(&user(vec![
        medium(BlockKind::Image, "image/png", base64()),
        medium(BlockKind::Image, "image/png", MediaSource::Url("https://e.xyz/a.png".into())),
        medium(BlockKind::File, "application/pdf", base64()),
        medium(BlockKind::Audio, "audio/mpeg", base64()),
        medium(BlockKind::File, "text/plain", MediaSource::Text("words".into())),
    ]));
    assert_eq!(
        sent,
        json!([
            {"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}},
            {"type":"image_url","image_url":{"url":"https://e.xyz/a.png"}},
            {"type":"file","file":{"file_data":"data:application/pdf;base64,AAAA","filename":"a.x"}},
            {"type":"input_audio","input_audio":{"data":"AAAA","format":"mp3"}},
            {"type":"text","text":"words"},
        ])
    );
}

#[test]
fn wire_117_pictures_and_documents_of_results_follow_in_a_user_message() {
    let call = ToolUse { id: "a".into(), name: "f".into(), input: "{}".into(), kind: ToolUseKind::Function };
    let content = vec![
        medium(BlockKind::Image, "image/png", MediaSource::Base64("AAAA".into())),
        medium(BlockKind::File, "application/pdf", MediaSource::Base64("AAAA".into())),
    ];
    let result =
        ToolResult { id: "a".into(), name: Some("f".into()), content, is_error: None, kind: ToolUseKind::Function };
    let mut request = user(vec![Block::new(BlockKind::ToolResult(result))]);
    request.turns.insert(0, Turn::new(Role::Assistant, vec![Block::new(BlockKind::ToolUse(call))]));
    let out: Value = serde_json::from_str(&encode(&request, Quirks::default()).0).unwrap();
    assert_eq!(out["messages"][1]["role"], "tool");
    assert!(out["messages"][1]["content"].is_string());
    let kinds: Vec<&str> =
        out["messages"][2]["content"].as_array().unwrap().iter().map(|part| part["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["text", "image_url", "file"]);
}

#[test]
fn documents_and_films_of_compatible_servers_are_read() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":[
        {"type":"document_url","document_url":"https://e.xyz/a.pdf","document_name":"a.pdf"},
        {"type":"video_url","video_url":{"url":"https://e.xyz/a.mp4"},"x":1},
        {"type":"video_url","video_url":{"url":"https://e.xyz/a.mp4","fps":2}},
        {"type":"text","text":"t","document_url":"odd"}]}]}"#;
    let request = decode_request(body.as_bytes(), &Endpoint::default()).unwrap();
    let blocks = &request.turns[0].blocks;
    assert!(matches!(&blocks[0].kind, BlockKind::File(Media { source: MediaSource::Url(_), name: Some(_), .. })));
    assert!(matches!(&blocks[1].kind, BlockKind::Video(Media { source: MediaSource::Url(_), .. })));
    assert!(matches!(&blocks[2].kind, BlockKind::Opaque { .. }), "what has no field stays whole");
    assert!(matches!(&blocks[3].kind, BlockKind::Opaque { .. }));
    assert_eq!(canonical(&again(body)), canonical(body));
}

#[test]
fn wire_133_content_in_every_spelling() {
    for content in ["\"a\"", "\"\"", "null", "[]", r#"[{"type":"text","text":"a"},{"type":"refusal","refusal":"no"}]"#]
    {
        let body = format!(
            r#"{{"model":"m","messages":[{{"role":"assistant","name":"n","content":{content},"refusal":"no","tool_calls":[{{"id":"a","type":"function","function":{{"name":"f","arguments":""}}}}]}}]}}"#
        );
        assert_eq!(canonical(&again(&body)), canonical(&body));
    }
}

#[test]
fn too_many_pictures_are_left_out_from_the_oldest() {
    let picture = |data: &'static str| medium(BlockKind::Image, "image/png", MediaSource::Base64(data.into()));
    let request = user(vec![picture("AAAA"), picture("BBBB"), picture("CCCC")]);
    let mut target = Target::new("m", false);
    target.profile.images_max = Some(2);
    let sent = |target: &Target| {
        let mut out = Vec::new();
        let encoded = encode_request(&request, target, &mut out).unwrap();
        (String::from_utf8(out).unwrap(), encoded.losses)
    };
    let (text, losses) = sent(&target);
    assert!(!text.contains("AAAA") && text.contains("BBBB") && text.contains("left out"), "{text}");
    assert_eq!(losses.iter().next().unwrap().kind.name(), "clamped");
    target.repairs.bounds = false;
    assert!(sent(&target).0.contains("AAAA"));
}
