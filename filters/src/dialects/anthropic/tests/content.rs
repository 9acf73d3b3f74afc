use serde_json::json;

use super::*;
use crate::ir::{BlockKind, MediaSource};

fn asked(content: &Value) -> Value {
    json!({"model":"m","max_tokens":9,"messages":[{"role":"user","content":content}]})
}

#[test]
fn every_document_comes_back_as_it_was() {
    let source = json!({"type":"content","content":[{"type":"text","text":"a"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}},{"type":"text","text":"b"},{"type":"text","text":"c"}]});
    let body = asked(&json!([
        {"type":"document","source":source,"title":"T","context":"c","citations":{"enabled":true},"cache_control":{"type":"ephemeral"}},
        {"type":"document","source":{"type":"content","content":"plain"}},
        {"type":"document","source":{"type":"content","content":[{"type":"image","source":{"type":"url","url":"https://a.example/p.png"}}]}},
        {"type":"document","source":{"type":"content","content":[{"type":"novel"}]}},
        {"type":"document","source":{"type":"content","content":[]}},
        {"type":"document","source":{"type":"text","media_type":"text/plain","data":"t"},"citations":{"enabled":true}},
        {"type":"document","source":{"type":"url","url":"https://a.example/b.pdf"}},
        {"type":"search_result","source":"https://a.example/","title":"S","content":[{"type":"text","text":"found"}],"citations":{"enabled":true}},
        {"type":"search_result","source":"s","content":[{"type":"novel"}]},
        {"type":"container_upload","file_id":"file_1"},
        {"type":"text","text":"?"}
    ])).to_string();
    assert_eq!(round_trip(body.as_bytes()), exact(body.as_bytes()));
    let request = decode_request(body.as_bytes(), &Endpoint::default()).unwrap();
    let kinds: Vec<&str> = request.turns[0]
        .blocks
        .iter()
        .map(|block| match &block.kind {
            BlockKind::Text { .. } => "text",
            BlockKind::Image(_) => "image",
            BlockKind::File(_) => "file",
            BlockKind::Opaque { .. } => "opaque",
            _ => "?",
        })
        .collect();
    let first =
        ["file", "image", "file", "file", "image", "opaque", "opaque", "file", "file", "file", "opaque", "file"];
    assert_eq!(kinds, [&first[..], &["text"]].concat());
    let BlockKind::File(media) = &request.turns[0].blocks[9].kind else { panic!() };
    assert!(matches!(&media.source, MediaSource::Text(text) if *text == "https://a.example/\n\nfound"));
}

#[test]
fn documents_reach_other_dialects_with_text_and_pictures() {
    let parts = json!([{"type":"text","text":"alpha"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}},{"type":"text","text":"beta"}]);
    let body = asked(&json!([
        {"type":"document","source":{"type":"content","content":parts},"citations":{"enabled":true}},
        {"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="},"title":"Plan"},
        {"type":"search_result","source":"https://s.example/","title":"S","content":[{"type":"text","text":"gamma"}]}
    ]));
    for upstream in others() {
        let (out, encoded) = told(&body, upstream);
        for word in ["alpha", "iVBORw0KGgo=", "beta", "JVBERi0=", "gamma", "https://s.example/"] {
            assert!(out.contains(word), "{upstream:?} {word}: {out}");
        }
        let lost = lost(&encoded);
        assert!(lost.iter().any(|loss| loss.contains("citations")), "{upstream:?} {lost:?}");
        assert!(!lost.iter().any(|loss| loss.contains("source") || loss.contains('\0')), "{upstream:?} {lost:?}");
    }
}

/// Requests that name a stored file, by the dialect they are in.
fn stored_files() -> Vec<(Dialect, &'static str, Value)> {
    let result = |content: Value| {
        json!([{"role":"assistant","content":[{"type":"tool_use","id":"toolu_1","name":"f","input":{}}]},
            {"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":[content]}]}])
    };
    let anthropic =
        |messages: Value| (Dialect::Anthropic, "file_1", json!({"model":"m","max_tokens":9,"messages":messages}));
    let user = |block: Value| anthropic(json!([{"role":"user","content":[block, {"type":"text","text":"?"}]}]));
    let stored = |kind: &str| json!({"type":kind,"source":{"type":"file","file_id":"file_1"}});
    let gemini = |mime: &str, uri: &'static str| {
        (
            Dialect::Gemini,
            uri,
            json!({"contents":[{"role":"user","parts":[{"fileData":{"mimeType":mime,"fileUri":uri}}]}]}),
        )
    };
    let uploaded = "https://generativelanguage.googleapis.com/v1beta/files/abc-123";
    let responses = |part: Value| {
        (Dialect::OpenAiResponses, "file-9", json!({"model":"m","input":[{"role":"user","content":[part]}]}))
    };
    vec![
        user(json!({"type":"container_upload","file_id":"file_1"})),
        user(stored("document")),
        user(stored("image")),
        anthropic(result(stored("image"))),
        gemini("application/pdf", uploaded),
        gemini("image/png", uploaded),
        gemini("audio/wav", uploaded),
        gemini("video/mp4", "gs://bucket/film.mp4"),
        (
            Dialect::OpenAiChat,
            "file-9",
            json!({"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-9"}}]}]}),
        ),
        responses(json!({"type":"input_file","file_id":"file-9"})),
        responses(json!({"type":"input_image","file_id":"file-9"})),
    ]
}

#[test]
fn stored_files_stay_with_their_provider() {
    let is_openai = |dialect| matches!(dialect, Dialect::OpenAiChat | Dialect::OpenAiResponses);
    for (origin, id, body) in stored_files() {
        let text = body.to_string();
        let endpoint = Endpoint { model: Some("m".into()), stream: Some(false) };
        let request = crate::dialects::decode_request(origin, text.as_bytes(), &endpoint).unwrap();
        let is_picture = text.contains("input_image");
        for upstream in Dialect::ALL {
            let mut out = Vec::new();
            let sent = crate::dialects::encode_request(upstream, &request, &Target::new("m", false), &mut out);
            if upstream == origin || (is_openai(origin) && is_openai(upstream) && !is_picture) {
                assert!(sent.is_ok_and(|sent| sent.losses.is_empty()), "{origin:?} to {upstream:?}: {text}");
                assert!(String::from_utf8_lossy(&out).contains(id), "{origin:?} to {upstream:?}: {text}");
                continue;
            }
            let error = sent.expect_err(&text);
            assert!(error.message.contains("base64"), "what to do, {origin:?} to {upstream:?}: {error}");
            if !is_openai(origin) || !is_openai(upstream) {
                assert!(error.message.contains(id), "which file, {origin:?} to {upstream:?}: {error}");
            }
            assert!(error.param.is_some(), "{origin:?} to {upstream:?}");
        }
    }
}

#[test]
fn wire_117_media_of_results_reach_everyone() {
    let body = json!({"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"},
        {"role":"assistant","content":[{"type":"tool_use","id":"toolu_1","name":"shot","input":{},"caller":{"type":"direct"}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":[{"type":"text","text":"seen"},
            {"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}},
            {"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="}}]}]}]});
    for upstream in others() {
        let (out, encoded) = told(&body, upstream);
        for word in ["seen", "iVBORw0KGgo=", "JVBERi0="] {
            assert!(out.contains(word), "{upstream:?} {word}: {out}");
        }
        // Who called is the default and no loss.
        assert!(!lost(&encoded).iter().any(|loss| loss.contains("caller")), "{upstream:?}");
    }
    let text = body.to_string();
    assert_eq!(round_trip(text.as_bytes()), exact(text.as_bytes()));
    // From another dialect they stand inside the result.
    let mut request = decode_request(text.as_bytes(), &Endpoint::default()).unwrap();
    request.origin = Dialect::OpenAiResponses;
    let (value, _) = encoded(&request);
    let kinds = value["messages"][2]["content"][0]["content"].as_array().unwrap().iter().map(|block| &block["type"]);
    assert_eq!(kinds.collect::<Vec<_>>(), ["text", "image", "document"]);
}

#[test]
fn wire_118_failed_results_say_so() {
    let body = json!({"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"},
        {"role":"assistant","content":[{"type":"tool_use","id":"toolu_1","name":"f","input":{}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"no such file","is_error":true}]}]});
    for upstream in others() {
        let (out, _) = told(&body, upstream);
        let plain = out.replace("no such file", "").to_lowercase();
        assert!(plain.contains("error") || plain.contains("failed"), "{upstream:?}: {out}");
    }
    let text = body.to_string();
    let mut request = decode_request(text.as_bytes(), &Endpoint::default()).unwrap();
    request.origin = Dialect::Gemini;
    assert_eq!(encoded(&request).0["messages"][2]["content"][0]["is_error"], true);
}

#[test]
fn tiers_of_service() {
    for (word, neutral) in [("auto", Some("auto")), ("standard_only", Some("default")), ("novel", None)] {
        let body = json!({"model":"m","max_tokens":9,"service_tier":word,"messages":[]}).to_string();
        assert_eq!(round_trip(body.as_bytes()), exact(body.as_bytes()));
        let request = decode_request(body.as_bytes(), &Endpoint::default()).unwrap();
        assert_eq!(request.service_tier.as_deref(), neutral);
    }
    for (word, sent) in [("auto", Some("auto")), ("default", Some("standard_only")), ("flex", None), ("priority", None)]
    {
        let mut request = chat(vec![said(Role::User, "x")]);
        request.service_tier = Some(word.into());
        let (value, encoded) = encoded(&request);
        assert_eq!(value.get("service_tier").and_then(Value::as_str), sent);
        assert_eq!(lost(&encoded).is_empty(), sent.is_some());
    }
}

#[test]
fn what_only_others_know_is_a_loss() {
    let mut request = chat(vec![said(Role::User, "x")]);
    request.metadata = crate::json::Raw::parse("{\"a\":\"b\"}");
    request.prompt_cache_key = Some("k".into());
    request.verbosity = Some("low".into());
    request.store = Some(true);
    request.logprobs = Some(crate::ir::LogprobsConfig::default());
    let wanted =
        ["metadata", "prompt_cache_key", "verbosity", "store", "logprobs"].map(|name| format!("dropped {name}"));
    assert_eq!(lost(&encoded(&request).1), wanted);
    let mut request = chat(vec![said(Role::User, "x")]);
    request.store = Some(false);
    assert!(lost(&encoded(&request).1).is_empty());
}

#[test]
fn what_only_this_dialect_knows_is_a_loss_elsewhere() {
    let body = json!({"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}],"container":"container_1",
        "mcp_servers":[{"type":"url","name":"n","url":"https://m.example"}],
        "context_management":{"edits":[{"type":"clear_tool_uses_20250919"}]}});
    for upstream in others() {
        let lost = lost(&told(&body, upstream).1);
        for member in ["container", "mcp_servers", "context_management"] {
            assert!(lost.contains(&format!("dropped {member}")), "{upstream:?} {lost:?}");
        }
    }
    let text = body.to_string();
    assert_eq!(round_trip(text.as_bytes()), exact(text.as_bytes()));
}

#[test]
fn wire_111_versions_and_betas_in_the_body_stay_with_this_dialect() {
    let body = json!({"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}],
        "anthropic_version":"bedrock-2023-05-31","anthropic_beta":["context-1m-2025-08-07"]});
    let text = body.to_string();
    assert_eq!(round_trip(text.as_bytes()), exact(text.as_bytes()));
    for upstream in others() {
        let (out, encoded) = told(&body, upstream);
        assert!(!out.contains("anthropic_") && !out.contains("context-1m"), "{upstream:?}");
        assert!(lost(&encoded).contains(&"dropped anthropic_beta".to_owned()), "{upstream:?}");
    }
}
