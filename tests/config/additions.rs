//! Entries that commands have added to the file.

use std::path::Path;

use interlingua::config::{Addition, Beside, Config, EntryKind, Report, inspect_with, zero_with};
use interlingua_filters::Dialect;
use serde_json::{Value, json};

use super::{GOOD, no_env};

fn entry(kind: EntryKind, body: Value) -> Addition {
    Addition { kind, id: body["id"].as_str().unwrap().to_owned(), body }
}

fn vault(name: &str) -> Result<String, String> {
    if name == "account/b" { Ok("sk-sealed".to_owned()) } else { Err("nobody has put it there".to_owned()) }
}

fn with(text: &str, additions: &[Addition]) -> Result<Config, Report> {
    let beside = Beside { vault: &vault, additions, ..Beside::only(&no_env) };
    inspect_with(Path::new("x.yaml"), text, beside).map(|loaded| loaded.config)
}

fn ids(config: &Config) -> Vec<&str> {
    config.accounts.iter().map(|account| account.id.as_str()).collect()
}

#[test]
fn what_commands_have_added_stands_beside_the_file_and_the_file_wins() {
    let additions = [
        entry(EntryKind::Account, json!({"id": "a", "upstream": "u", "credential": "sk-other", "tier": "free"})),
        entry(EntryKind::Account, json!({"id": "b", "upstream": ["g"], "credential": "${vault:account/b}"})),
        entry(EntryKind::Upstream, json!({"id": "g", "provider": "groq"})),
        entry(EntryKind::Client, json!({"id": "c", "keys": ["sha256:".to_owned() + &"0".repeat(64)]})),
    ];
    let config = with(GOOD, &additions).unwrap();
    assert_eq!(ids(&config), ["a", "b"]);
    assert_eq!(config.tiers[usize::from(config.accounts[0].tier)], "unknown", "the one of the file");
    assert!(config.origins.is_added(EntryKind::Account, "b") && config.origins.is_added(EntryKind::Upstream, "g"));
    assert!(!config.origins.is_added(EntryKind::Account, "a"));
    assert!(config.origins.shadowed.contains(&(EntryKind::Account, "a".to_owned())));
    assert_eq!(config.clients[0].id, "c");
    let route = config.routes.resolve("g/llama", Dialect::OpenAiChat).unwrap();
    assert_eq!((route.steps[0].upstreams[0].id.as_str(), route.steps[0].model.as_str()), ("g", "llama"));
    assert_eq!(
        config.routes.resolve("llama", Dialect::OpenAiChat).unwrap().steps[0].upstreams[0].id,
        "u",
        "the file's rule"
    );
}

#[test]
fn an_entry_with_a_fault_is_left_out_and_what_depends_on_it_too() {
    let additions = [
        entry(EntryKind::Upstream, json!({"id": "no dialect", "base_url": "http://127.0.0.1:1"})),
        entry(EntryKind::Account, json!({"id": "x", "upstream": "no dialect", "credential": "sk-1"})),
        entry(EntryKind::Account, json!({"id": "y", "upstream": "u", "credential": "${vault:nothing}"})),
        entry(EntryKind::Account, json!({"id": "z", "upstream": "u", "colour": "red"})),
        entry(EntryKind::Account, json!({"id": "b", "upstream": "u", "credential": "${vault:account/b}"})),
    ];
    let config = with(GOOD, &additions).unwrap();
    assert_eq!(ids(&config), ["a", "b"]);
    let told: Vec<String> =
        config.origins.faulty.iter().map(|faulty| format!("{}: {}", faulty.id, faulty.why)).collect();
    assert_eq!(config.origins.faulty.len(), 4, "{told:?}");
    assert!(told.iter().any(|line| line.starts_with("y: credential: the secret `nothing` is not there")), "{told:?}");
    assert!(told.iter().any(|line| line.starts_with("z: ") && line.contains("colour")), "{told:?}");
    assert!(!told.join(" ").contains("sk-1"));
}

#[test]
fn a_fault_of_the_file_is_reported_as_without_additions() {
    let bad = GOOD.replace("upstream: u, credential", "upstream: v, credential");
    let alone = with(&bad, &[]).unwrap_err();
    let additions = [entry(EntryKind::Account, json!({"id": "x", "upstream": "w", "credential": "sk-1"}))];
    assert_eq!(with(&bad, &additions).unwrap_err(), alone);
}

#[test]
fn without_a_file_the_models_of_added_providers_are_served() {
    let additions = [
        entry(EntryKind::Upstream, json!({"provider": "openai", "id": "openai"})),
        entry(EntryKind::Upstream, json!({"provider": "openai-chat", "id": "openai-chat"})),
        entry(EntryKind::Account, json!({"id": "o", "upstream": ["openai", "openai-chat"], "credential": "sk-1"})),
    ];
    let env = |name: &str| (name == "HOME").then(|| "/home/nobody".to_owned());
    let config = zero_with(Beside { vault: &vault, additions: &additions, ..Beside::only(&env) }).unwrap();
    let first = |model, client| {
        let route = config.routes.resolve(model, client).unwrap();
        format!("{}:{}", route.steps[0].upstreams[0].id, route.steps[0].model)
    };
    assert_eq!(first("gpt-5", Dialect::OpenAiChat), "openai-chat:gpt-5");
    assert_eq!(first("gpt-5", Dialect::Anthropic), "openai:gpt-5");
    assert_eq!(first("openai/any", Dialect::OpenAiChat), "openai-chat:any");
    assert!(zero_with(Beside::only(&env)).is_ok(), "accounts can be added later");
}

#[test]
fn an_operator_can_switch_and_pin_what_the_file_says_otherwise() {
    let with = |additions: &[Addition]| with(GOOD, additions).unwrap();
    let off = with(&[Addition::switch("a", false)]);
    assert!(!off.accounts[0].enabled);
    assert_eq!(off.origins.switched.get("a"), Some(&true), "what the file says is known");
    let waits = with(&[Addition::switch("later", false), Addition::pin("later")]);
    assert_eq!((waits.origins.switched.len(), waits.resilience.pinned_account.as_deref()), (0, None));
    let pinned = with(&[Addition::pin("a")]);
    assert_eq!((pinned.resilience.pinned_account.as_deref(), pinned.origins.pinned), (Some("a"), true));
    let added = entry(EntryKind::Account, json!({"id": "b", "upstream": "u", "credential": "${vault:account/b}"}));
    let both = with(&[Addition::pin("b"), added, Addition::switch("b", false)]);
    assert_eq!((both.resilience.pinned_account.as_deref(), both.accounts[1].enabled), (Some("b"), false));
}

#[test]
fn a_pin_on_an_account_with_a_fault_takes_nothing_else_along() {
    let additions = [
        entry(EntryKind::Account, json!({"id": "b", "upstream": "u", "credential": "${vault:account/b}"})),
        entry(EntryKind::Account, json!({"id": "c", "upstream": "u", "credential": "${vault:nothing}"})),
        Addition::pin("c"),
    ];
    let config = with(GOOD, &additions).unwrap();
    assert_eq!(ids(&config), ["a", "b"]);
    assert_eq!(config.resilience.pinned_account, None);
}
