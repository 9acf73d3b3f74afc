//! Providers that are known by name, and platforms.

use interlingua::config::{Platform, inspect};
use interlingua_filters::Dialect;

use super::{conf, file, no_env};

fn told(text: &str) -> String {
    let (_folder, path) = file(text);
    inspect(&path, &no_env).expect_err("the file is bad").short()
}

/// A file with one upstream, its account and a rule.
fn one(upstream: &str, account: &str, more: &str) -> String {
    format!(
        "upstreams: [{{ id: u, {upstream} }}]\naccounts: [{{ id: a, upstream: u, {account} }}]\nmodels: [{{ match: '*', upstream: u }}]\n{more}\n"
    )
}

#[test]
fn every_provider_of_the_list_loads_with_what_only_its_user_knows() {
    let text = std::fs::read_to_string(conf("providers.yaml")).unwrap();
    let list: serde_yaml::Mapping = serde_yaml::from_str(&text).unwrap();
    assert!(list.len() >= 18);
    for (name, preset) in &list {
        let name = name.as_str().unwrap();
        let missing = match preset.get("platform").and_then(serde_yaml::Value::as_str) {
            Some("vertex") => ", project: p",
            Some("azure") => ", base_url: 'https://name.openai.azure.com'",
            _ if preset.get("base_url").is_none() => ", base_url: 'http://127.0.0.1:9000/v1'",
            _ => "",
        };
        let account = match preset.get("auth").and_then(serde_yaml::Value::as_str) {
            Some("none") => "enabled: true",
            _ if name == "code-assist" => "oauth: { client_id: c, refresh_token: t }",
            _ => "credential: k",
        };
        let text = format!(
            "server: {{ listen: '127.0.0.1:9999' }}\ncode_assist: {{ enabled: true }}\nupstreams: [{{ provider: {name}{missing} }}]\naccounts: [{{ id: a, upstream: {name}, {account} }}]\nmodels: [{{ match: '*', upstream: {name} }}]\n"
        );
        let (_folder, path) = file(&text);
        let loaded = inspect(&path, &no_env).unwrap_or_else(|report| panic!("{name}: {report}"));
        let upstream = &loaded.config.upstreams[0];
        assert_eq!((upstream.id.as_str(), loaded.warnings.len()), (name, 0));
        assert!(upstream.base_url.tls || upstream.base_url.is_loopback(), "{name}");
    }
}

#[test]
fn an_unknown_provider_is_told_with_a_suggestion() {
    let told = told(&one("provider: qroq", "credential: k", ""));
    assert!(told.contains("upstreams[0].provider: there is no provider `qroq`; did you mean `groq`?"), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
}

#[test]
fn what_is_written_goes_before_what_is_known() {
    let text =
        one("provider: mistral, base_url: 'https://eu.example/v1', quirks: { unsupported: [n] }", "credential: k", "");
    let (_folder, path) = file(&text);
    let upstream = inspect(&path, &no_env).unwrap().config.upstreams[0].clone();
    assert_eq!((upstream.base_url.host.as_str(), &upstream.unsupported[..]), ("eu.example", &["n".to_owned()][..]));
    assert!(upstream.quirks.max_tokens_name && !upstream.quirks.stream_usage);
}

#[test]
fn platforms_say_what_they_lack() {
    for (upstream, account, wanted) in [
        ("provider: vertex", "credential: k", "accounts[0]: `project` is missing"),
        (
            "provider: azure",
            "credential: k",
            "upstreams[0]: `base_url` is missing; add `base_url`: that of your resource",
        ),
        (
            "provider: vertex, dialect: openai_chat, project: p",
            "credential: k",
            "the platform vertex does not carry openai_chat",
        ),
        (
            "provider: openai, project: p",
            "credential: k",
            "upstreams[0].project: `project` is for the platform vertex alone",
        ),
        ("provider: vertex, project: 'a/../b'", "credential: k", "this may hold letters, digits"),
        (
            "provider: openai",
            "credential: k, oauth: { client_id: c, refresh_token: t }",
            "has a `credential` and `oauth`",
        ),
        ("provider: vertex, project: p", "oauth: { refresh_token: CANARY }", "`client_id` is missing"),
        (
            "provider: vertex, project: p",
            "oauth: { client_id: c, refresh_token: CANARY, token_url: 'http://far.example/token' }",
            "would show the refresh token",
        ),
    ] {
        let told = told(&one(upstream, account, ""));
        assert!(told.contains(wanted) && !told.contains("CANARY"), "{upstream}: {told}");
    }
}

#[test]
fn code_assist_is_off_and_says_why() {
    let oauth = "oauth: { client_id: c, refresh_token: t }";
    let off = told(&one("provider: code-assist", oauth, ""));
    assert!(off.contains("Code Assist is off: Google may close accounts"), "{off}");
    assert!(off.contains("code_assist: { enabled: true }"), "{off}");
    let on = "code_assist: { enabled: true }";
    let told = told(&one("dialect: code_assist, base_url: 'https://ca.example'", "credential: k", on));
    assert!(told.contains("`oauth` is missing") && told.contains("your own OAuth client"), "{told}");
    let (_folder, path) = file(&one("dialect: code_assist, base_url: 'https://ca.example'", oauth, on));
    let upstream = inspect(&path, &no_env).unwrap().config.upstreams[0].clone();
    assert_eq!((upstream.dialect, &upstream.platform), (Dialect::Gemini, &Platform::CodeAssist));
}
