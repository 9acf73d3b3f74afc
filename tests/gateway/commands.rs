//! The commands that serve nobody: exit codes and what they print.

use std::process::Output;

use super::process::program;
use super::stage::Stage;

fn run(arguments: &[&str]) -> Output {
    program(arguments).current_dir("/").output().expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// The file of a stage, in a folder that lives as long as the first value.
fn file(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("gateway.yaml");
    std::fs::write(&path, text).expect("the file is written");
    let path = path.to_str().expect("a UTF-8 path").to_owned();
    (folder, path)
}

#[test]
fn check_tells_what_is_good() {
    let (_folder, path) = file(&Stage::with(9, &["a", "b"]).yaml(8080, 8081));
    let output = run(&["check", &path]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(said.contains("is good") && said.contains("2 (2 enabled)") && said.contains("127.0.0.1:8080"), "{said}");
    assert!(!said.contains("key-a"), "{said}");
}

#[test]
fn check_tells_every_mistake_with_its_line() {
    let bad = Stage::with(9, &["a"]).server("lisen: 1").resilience("attempts_max: 65").yaml(8080, 8081);
    let (_folder, path) = file(&bad.replace("credential: key-a", "credential: '${env:NOT_SET}'"));
    let output = run(&["check", &path]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let said = text(&output.stderr);
    for part in ["gateway.yaml:1:", "did you mean `listen`?", "NOT_SET", "attempts_max"] {
        assert!(said.contains(part), "{part} in:\n{said}");
    }
    let missing = run(&["check", "/does/not/exist.yaml"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).contains("/does/not/exist.yaml"));
}

#[test]
fn explain_tells_rule_candidates_lane_and_losses() {
    let stage = Stage::new(9).account("late", "tier: free").account("early", "tier: pro");
    let (folder, path) = file(&stage.yaml(8080, 8081));
    let output = run(&["explain", "anthropic/claude", "--config", &path]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(said.contains("the rule 'anthropic/*'") && said.contains("model 'claude' at anthropic"), "{said}");
    assert!(said.find("early").expect("early") < said.find("late").expect("late"), "{said}");
    assert!(said.contains("translated"), "{said}");

    let request = folder.path().join("request.json");
    std::fs::write(&request, r#"{"model":"m","messages":[{"role":"user","content":"x"}],"logit_bias":{"1":2}}"#)
        .expect("written");
    let request = request.to_str().expect("UTF-8");
    let output = run(&["explain", "anthropic/claude", "--config", &path, "--request", request]);
    assert!(text(&output.stdout).contains("logit_bias"), "{}", text(&output.stdout));
    let output = run(&["explain", "anthropic/claude", "--config", &path, "--protocol", "anthropic"]);
    assert!(text(&output.stdout).contains("bytes pass as they are"), "{}", text(&output.stdout));

    let narrow = file(&stage.yaml(8080, 8081).replace("match: '*'", "match: 'gpt-*'"));
    let output = run(&["explain", "unknown", "--config", &narrow.1]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("no rule takes 'unknown'"));
}

#[test]
fn check_and_explain_tell_platforms_profiles_repairs_and_tool_servers() {
    const FILE: &str = "\
upstreams:
  - { provider: vertex, project: p }
  - { provider: anthropic }
  - { id: local, dialect: openai_chat, base_url: 'http://127.0.0.1:9/v1', auth: none }
accounts:
  - { id: a, upstream: vertex, credential: token }
  - { id: b, upstream: anthropic, credential: key }
  - { id: c, upstream: local }
models:
  - { match: 'gemini-*', upstream: vertex }
  - { match: 'claude-*', upstream: anthropic }
  - { match: mine, upstream: local }
repair: { orphans: false }
mcp:
  tools: { url: 'http://127.0.0.1:9/mcp' }
";
    let (_folder, path) = file(FILE);
    let output = run(&["check", &path]);
    assert!(text(&output.stdout).contains("mcp       tools"), "{}{}", text(&output.stdout), text(&output.stderr));
    let explained = |model, protocol| {
        let output = run(&["explain", model, "--config", &path, "--protocol", protocol]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    for (model, protocol, parts) in [
        ("gemini-2.5-pro", "gemini", ["(gemini on Vertex AI): bytes pass, but", "thinks by a budget", "off: orphans."]),
        ("claude-sonnet-4-5", "openai-chat", ["translated", "counted there; no embeddings", "up to 64000 tokens"]),
        ("mine", "anthropic", ["translated", "estimated here; embeddings", "nothing is known"]),
    ] {
        let said = explained(model, protocol);
        for part in parts {
            assert!(said.contains(part), "{part} in:\n{said}");
        }
    }
}

#[test]
fn schema_is_the_one_in_the_repository() {
    let output = run(&["schema"]);
    assert_eq!(output.status.code(), Some(0));
    let kept =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/conf/schema.json")).expect("conf/schema.json");
    assert_eq!(text(&output.stdout).trim(), kept.trim());
}

#[test]
fn what_is_not_understood_is_exit_code_2_and_no_configuration_1() {
    for arguments in [&["nonsense"][..], &["serve", "--nonsense"], &["explain"], &["mock", "--listen", "nowhere"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains("Usage") || text(&output.stderr).contains("error"), "{arguments:?}");
    }
    for arguments in
        [&["serve"][..], &["serve", "--config", "/does/not/exist.yaml"], &["--log", "no=such=level", "schema"]]
    {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", text(&output.stderr));
        assert!(!output.stderr.is_empty() && !text(&output.stderr).contains("panicked"), "{}", text(&output.stderr));
    }
    let version = run(&["--version"]);
    assert_eq!(
        (version.status.code(), text(&version.stdout).trim()),
        (Some(0), concat!("interlingua ", env!("CARGO_PKG_VERSION")))
    );
}
