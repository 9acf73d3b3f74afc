use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::config::load::inspect_text;

/// One upstream, and its account.
fn target(upstream: &str, account: &str) -> (Arc<Upstream>, Arc<Account>) {
    let text = format!(
        "upstreams: [{{ id: u, {upstream} }}]\naccounts: [{{ id: a, upstream: u, credential: k{account} }}]\nmodels: [{{ match: '*', upstream: u }}]\n"
    );
    let config = inspect_text(Path::new("x.yaml"), &text, &|_| None).unwrap_or_else(|report| panic!("{report}")).config;
    (Arc::clone(&config.upstreams[0]), Arc::clone(&config.accounts[0]))
}

fn paths(upstream: &str, account: &str, model: &str) -> [String; 2] {
    let (upstream, account) = target(upstream, account);
    [false, true].map(|stream| {
        let suffix = generate(upstream.dialect, model, stream);
        path(&upstream, &account, model, stream, &suffix)
    })
}

#[test]
fn paths_below_base_urls_as_the_sdks_write_them() {
    for (dialect, root, expected) in [
        ("openai_chat", "/v1", "/v1/chat/completions"),
        ("openai_responses", "/v1", "/v1/responses"),
        ("anthropic", "", "/v1/messages"),
        ("anthropic", "/api/anthropic", "/api/anthropic/v1/messages"),
        ("gemini", "", "/v1beta/models/gemini-2.5-pro:generateContent"),
        ("gemini", "/v1alpha", "/v1alpha/models/gemini-2.5-pro:generateContent"),
    ] {
        let upstream = format!("dialect: {dialect}, base_url: 'https://api.example{root}'");
        assert_eq!(paths(&upstream, "", "gemini-2.5-pro")[0], expected);
    }
}

#[test]
fn wire_084_vertex_names_project_location_and_publisher() {
    let root = "/v1/projects/p-1/locations/us-central1/publishers";
    let gemini = "provider: vertex, project: p-1, location: us-central1";
    assert_eq!(
        paths(gemini, "", "gemini-2.5-pro"),
        [
            format!("{root}/google/models/gemini-2.5-pro:generateContent"),
            format!("{root}/google/models/gemini-2.5-pro:streamGenerateContent?alt=sse")
        ]
    );
    let claude = "provider: vertex-claude, project: p-1, location: us-central1";
    assert_eq!(
        paths(claude, "", "claude-sonnet-4-5@20250929"),
        [
            format!("{root}/anthropic/models/claude-sonnet-4-5@20250929:rawPredict"),
            format!("{root}/anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict")
        ]
    );
    let (upstream, account) = target(claude, "");
    let counted = path(&upstream, &account, "m", false, COUNT_TOKENS);
    assert_eq!(counted, format!("{root}/anthropic/models/count-tokens:rawPredict"));
    let own = paths("provider: vertex", ", project: p-2", "g");
    assert_eq!(own[0], "/v1/projects/p-2/locations/global/publishers/google/models/g:generateContent");
    for (location, host) in [
        ("us-central1", "us-central1-aiplatform.googleapis.com"),
        ("global", "aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
    ] {
        let (upstream, _) = target(&format!("provider: vertex, project: p, location: {location}"), "");
        assert_eq!((upstream.base_url.host.as_str(), upstream.base_url.tls), (host, true));
    }
}

#[test]
fn azure_has_two_apis_and_code_assist_one_path() {
    let azure = "base_url: 'https://n.openai.azure.com'";
    assert_eq!(paths(&format!("provider: azure, {azure}"), "", "gpt-5")[0], "/openai/v1/responses");
    assert_eq!(paths(&format!("provider: azure-chat, {azure}"), "", "gpt-5")[1], "/openai/v1/chat/completions");
    let doubled = "provider: azure-chat, base_url: 'https://n.openai.azure.com/openai/v1/'";
    assert_eq!(paths(doubled, "", "gpt-5")[0], "/openai/v1/chat/completions");
    let old = format!("provider: azure-chat, api_version: 2024-10-21, {azure}");
    assert_eq!(
        paths(&old, "", "my deploy/x")[0],
        "/openai/deployments/my%20deploy%2Fx/chat/completions?api-version=2024-10-21"
    );
    let old = format!("provider: azure, api_version: 2025-03-01-preview, {azure}");
    assert_eq!(paths(&old, "", "gpt-5")[0], "/openai/responses?api-version=2025-03-01-preview");
    let (azure, _) = target(&format!("provider: azure, {azure}"), "");
    assert_eq!(azure.auth.header(), Some(("api-key", "")));
}

#[test]
fn a_suffix_of_another_operation_is_mounted_too() {
    for (upstream, suffix, expected) in [
        ("provider: openai", "/embeddings", "/v1/embeddings"),
        ("provider: gemini", "/models/g:embedContent", "/v1beta/models/g:embedContent"),
        ("provider: azure, base_url: 'https://n.example'", "/embeddings", "/openai/v1/embeddings"),
        (
            "provider: vertex, project: p",
            "/models/g:countTokens",
            "/v1/projects/p/locations/global/publishers/google/models/g:countTokens",
        ),
    ] {
        let (upstream, account) = target(upstream, "");
        assert_eq!(path(&upstream, &account, "g", false, suffix), expected);
    }
}

#[test]
fn a_model_cannot_leave_its_path() {
    let [_, stream] = paths("provider: gemini", "", "x?key=y#z%2e");
    assert_eq!(stream, "/v1beta/models/x%3Fkey=y%23z%252e:streamGenerateContent?alt=sse");
}

#[test]
fn wire_085_cached_contents_are_known_in_their_project_alone() {
    let (vertex, account) = target("provider: vertex, project: p-1, location: us-central1", "");
    let (gemini, other) = target("provider: gemini", "");
    for (name, at_vertex, at_gemini) in [
        ("projects/p-1/locations/us-central1/cachedContents/1", true, false),
        ("projects/1234/locations/us-central1/cachedContents/1", true, false),
        ("projects/p-2/locations/us-central1/cachedContents/1", false, false),
        ("projects/p-1/locations/global/cachedContents/1", false, false),
        ("cachedContents/1", false, true),
    ] {
        assert_eq!(knows_cached(&vertex, &account, name), at_vertex, "{name}");
        assert_eq!(knows_cached(&gemini, &other, name), at_gemini, "{name}");
    }
}
