//! The files in `conf/`.

use std::collections::BTreeSet;

use interlingua::clients::Limits;
use interlingua::config::{Config, Platform, load_file, schema};
use interlingua_filters::Dialect;
use serde_json::Value as Json;
use serde_yaml::Value as Yaml;

use super::{GOOD, conf, load, no_env};

/// Every variable has a value of its own that can be a key.
fn any_env(name: &str) -> Option<String> {
    (!name.is_empty()).then(|| format!("value-of-{name}-0123456789"))
}

fn example(name: &str) -> Config {
    load_file(&conf(name), &any_env).unwrap_or_else(|report| panic!("{report}"))
}

#[test]
fn every_example_loads_without_a_warning() {
    let mut names: Vec<_> = std::fs::read_dir(conf("examples")).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.push(conf("interlingua.yaml"));
    assert!(names.len() >= 6);
    for path in names {
        let loaded = interlingua::config::inspect(&path, &any_env).unwrap_or_else(|report| panic!("{report}"));
        assert_eq!(loaded.warnings, [], "{}", path.display());
        let text = interlingua::cli::check::run(&path, &any_env).unwrap();
        assert!(text.contains("is good"), "{text}");
        let first = std::fs::read_to_string(&path).unwrap();
        assert!(first.starts_with("# yaml-language-server: $schema="), "{}", path.display());
    }
}

#[test]
fn a_missing_variable_of_an_example_is_named() {
    let report = load_file(&conf("examples/minimal.yaml"), &no_env).unwrap_err();
    assert!(report.short().contains("`ANTHROPIC_API_KEY` is not set"), "{}", report.short());
    let told = interlingua::cli::check::run(&conf("examples/minimal.yaml"), &no_env).unwrap_err();
    assert!(told.contains("--> ") && told.contains("minimal.yaml:11:17"), "{told}");
}

#[test]
fn the_complete_file_says_the_defaults() {
    let complete = example("interlingua.yaml");
    let bare = load(GOOD).unwrap();
    assert_eq!(complete.resilience, bare.resilience);
    assert_eq!(complete.tiers, bare.tiers);
    let mut server = complete.server.clone();
    assert!(server.admin_listen.take().is_some());
    assert_eq!(server, bare.server);
    let upstream =
        |config: &Config, id: &str| config.upstreams.iter().find(|upstream| upstream.id == id).cloned().unwrap();
    assert_eq!(upstream(&complete, "openai").timeouts, bare.upstreams[0].timeouts);
    assert_eq!(upstream(&complete, "openai-chat").quirks, bare.upstreams[0].quirks);
    assert_eq!(complete.accounts[0].concurrency, bare.accounts[0].concurrency);
    assert_eq!(bare.server.body_bytes_max, 104_857_600);
}

/// Paths of all keys that the schema knows, with lists left out: `accounts.tier`.
fn schema_keys(schema: &Json, node: &Json, path: &str, keys: &mut BTreeSet<String>) {
    if let Some(name) = node.get("$ref").and_then(Json::as_str) {
        let target = schema.pointer(name.trim_start_matches('#')).unwrap();
        schema_keys(schema, target, path, keys);
    }
    for word in ["items", "anyOf", "oneOf", "allOf"] {
        match node.get(word) {
            Some(Json::Array(nodes)) => nodes.iter().for_each(|node| schema_keys(schema, node, path, keys)),
            Some(node) => schema_keys(schema, node, path, keys),
            None => {}
        }
    }
    for (key, node) in node.get("properties").and_then(Json::as_object).into_iter().flatten() {
        let path = format!("{path}.{key}");
        schema_keys(schema, node, &path, keys);
        keys.insert(path);
    }
}

fn file_keys(node: &Yaml, path: &str, keys: &mut BTreeSet<String>) {
    match node {
        Yaml::Mapping(map) => {
            for (key, node) in map {
                let path = format!("{path}.{}", key.as_str().unwrap());
                file_keys(node, &path, keys);
                keys.insert(path);
            }
        }
        Yaml::Sequence(items) => items.iter().for_each(|item| file_keys(item, path, keys)),
        _ => {}
    }
}

#[test]
fn the_complete_file_has_every_key() {
    let schema: Json = serde_json::from_str(&schema().unwrap()).unwrap();
    let file: Yaml = serde_yaml::from_str(&std::fs::read_to_string(conf("interlingua.yaml")).unwrap()).unwrap();
    let (mut known, mut written) = (BTreeSet::new(), BTreeSet::new());
    schema_keys(&schema, &schema, "", &mut known);
    file_keys(&file, "", &mut written);
    assert!(known.len() > 80, "{known:?}");
    let missing: Vec<_> = known.difference(&written).collect();
    assert!(missing.is_empty(), "not in conf/interlingua.yaml: {missing:?}");
}

#[test]
fn every_key_of_the_schema_is_described() {
    fn check(node: &Json, path: &str) {
        for (key, node) in node.get("properties").and_then(Json::as_object).into_iter().flatten() {
            assert!(node.get("description").is_some(), "{path}.{key}");
        }
        for (name, node) in node.get("$defs").and_then(Json::as_object).into_iter().flatten() {
            check(node, name);
        }
    }
    check(&serde_json::from_str(&schema().unwrap()).unwrap(), "");
}

/// Run with `INTERLINGUA_WRITE_SCHEMA=1` to write the file anew.
#[test]
fn the_schema_file_is_fresh() {
    let fresh = interlingua::cli::schema::run().unwrap();
    if std::env::var_os("INTERLINGUA_WRITE_SCHEMA").is_some() {
        std::fs::write(conf("schema.json"), &fresh).unwrap();
    }
    let stored = std::fs::read_to_string(conf("schema.json")).unwrap_or_default();
    assert!(stored == fresh, "conf/schema.json is stale: run this test with INTERLINGUA_WRITE_SCHEMA=1");
}

#[test]
fn the_schema_names_what_is_required_and_refuses_unknown_keys() {
    let schema: Json = serde_json::from_str(&schema().unwrap()).unwrap();
    let required = |name: &str| schema.pointer(&format!("/$defs/{name}/required")).cloned().unwrap_or_default();
    assert_eq!(required("Upstream"), Json::Null, "a provider known by name needs nothing more");
    assert_eq!(required("OAuth"), serde_json::json!(["client_id", "refresh_token"]));
    assert_eq!(required("Account"), serde_json::json!(["id", "upstream"]));
    assert_eq!(required("Client"), serde_json::json!(["id", "keys"]));
    assert_eq!(required("Rule"), serde_json::json!(["match", "upstream"]));
    assert_eq!(schema["additionalProperties"], Json::Bool(false));
    for name in ["Server", "Upstream", "Account", "Rule", "Fallback", "Cooldown", "Quirks", "OAuth", "CodeAssist"] {
        assert_eq!(schema["$defs"][name]["additionalProperties"], Json::Bool(false), "{name}");
    }
    assert_eq!(schema["$defs"]["Cooldown"]["properties"]["default"]["default"], "5s");
}

#[test]
fn every_quirk_of_the_dialects_can_be_written() {
    let schema: Json = serde_json::from_str(&schema().unwrap()).unwrap();
    let written = schema["$defs"]["Quirks"]["properties"].as_object().unwrap();
    let known = serde_json::to_value(interlingua_filters::dialects::Quirks::default()).unwrap();
    for name in known.as_object().unwrap().keys() {
        assert!(written.contains_key(name), "{name}");
    }
    let flipped = "quirks: { max_tokens_name: true, stream_usage: false, developer_role: false, reasoning_content: true, \
                   json_schema: false, call_ids: true, vertex: true, custom_tools: false, prefill: plain, \
                   default_max_output_tokens: 7 }";
    let config = load(&GOOD.replace("dialect: anthropic", &format!("dialect: anthropic, {flipped}"))).unwrap();
    let meant = serde_json::to_value(config.upstreams[0].quirks).unwrap();
    for (name, value) in known.as_object().unwrap() {
        assert_ne!(&meant[name], value, "{name}");
    }
}

#[test]
fn keys_are_kept_as_digests_however_they_are_written() {
    let key = "0123456789abcdef";
    // printf %s 0123456789abcdef | sha256sum
    let digest = "sha256:9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f";
    let clients = |keys: &str| load(&format!("{GOOD}clients: [{{ id: a, keys: {keys} }}]\n")).unwrap().clients;
    assert_eq!(clients(key), clients(&format!("['{digest}', {key}]")));
    assert_eq!(clients(key)[0].key_digests, [interlingua::config::key_digest(key.as_bytes())]);
}

fn first(config: &Config, model: &str, client: Dialect) -> String {
    let route = config.routes.resolve(model, client).unwrap();
    format!("{}:{}", route.steps[0].upstreams[0].id, route.steps[0].model)
}

#[test]
fn the_agents_example_gives_each_agent_its_own_dialect() {
    let config = example("examples/agents.yaml");
    assert_eq!(first(&config, "gpt-5", Dialect::OpenAiResponses), "openai:gpt-5");
    assert_eq!(first(&config, "gpt-5", Dialect::OpenAiChat), "openai-chat:gpt-5");
    assert_eq!(first(&config, "openai/gpt-5", Dialect::Anthropic), "openai:gpt-5");
    assert_eq!(first(&config, "claude-opus-4-6[1m]", Dialect::Anthropic), "anthropic:claude-opus-4-6");
    assert_eq!(first(&config, "claude-haiku-4-5", Dialect::Anthropic), "gemini:gemini-2.5-flash");
    let openai = &config.accounts[0];
    let route = config.routes.resolve("gpt-5", Dialect::OpenAiChat).unwrap();
    assert_eq!(openai.upstream_in(&route.steps[0].upstreams).unwrap().id, "openai-chat");
    assert_eq!(openai.upstream.id, "openai");
}

#[test]
fn the_fallbacks_example_has_a_way_for_each_cause() {
    let config = example("examples/fallbacks.yaml");
    let route = config.routes.resolve("claude-opus-4-6", Dialect::Anthropic).unwrap();
    let steps: Vec<String> = route.steps.iter().map(|step| format!("{} on {}", step.model, step.on)).collect();
    assert_eq!(
        steps[1..],
        [
            "gemini-2.5-pro on context_length",
            "gpt-5 on content_policy",
            "gpt-5 on limits, unavailable",
            "gemini-2.5-pro on limits, context_length, unavailable"
        ]
    );
    assert_eq!(route.steps[4].under, 3, "the last is a fallback of gpt-5, and reached through it alone");
    assert_eq!(route.background.unwrap().model, "gemini-2.5-flash-lite");
    let gpt = config.routes.resolve("gpt-5", Dialect::Gemini).unwrap();
    assert_eq!(gpt.large_output.map(|large| large.over), Some(100_000));
    assert_eq!(config.resilience.safe_mode.upstream.as_deref(), Some("own"));
}

#[test]
fn the_tiers_example_ranks_its_accounts() {
    let config = example("examples/tiers.yaml");
    assert_eq!(config.accounts.iter().map(|account| account.tier).collect::<Vec<_>>(), [0, 0, 1, 2]);
    let spare = &config.accounts[3];
    assert!(spare.takes("claude-haiku-4-5") && !spare.takes("claude-opus-4-6"));
    assert_eq!(config.routes.listed(), ["claude-opus-4-6", "claude-sonnet-4-5", "claude-haiku-4-5"]);
    assert_eq!(config.clients[1].key_digests.len(), 2);
}

#[test]
fn the_clients_example_bounds_each_key() {
    let config = example("examples/clients.yaml");
    let [anna, bert, ci] = &config.clients[..] else { panic!("three clients") };
    assert_eq!(anna.limits, Limits::default());
    assert_eq!((bert.limits.concurrency, bert.limits.daily.microusd), (Some(4), Some(5_000_000)));
    assert!(ci.addresses.as_ref().unwrap()[0].contains(&"10.20.3.4".parse::<std::net::IpAddr>().unwrap()));
    assert!(ci.models.as_ref().unwrap()[0].matches("claude-haiku-4-5"));
    assert_eq!((ci.limits.requests_per_minute, ci.limits.tokens_per_minute), (Some(120), Some(400_000)));
}

#[test]
fn the_platform_examples_are_what_they_say() {
    let platforms = |name: &str| -> Vec<Platform> {
        example(name).upstreams.iter().map(|upstream| upstream.platform.clone()).collect()
    };
    assert!(platforms("examples/vertex.yaml").iter().all(|platform| matches!(platform, Platform::Vertex { .. })));
    assert!(platforms("examples/azure.yaml").iter().all(|platform| matches!(platform, Platform::Azure { .. })));
    assert_eq!(platforms("examples/code-assist.yaml"), [Platform::CodeAssist]);
    let presets = example("examples/presets.yaml");
    assert!(presets.upstreams.len() >= 5);
    assert_eq!(first(&presets, "deepseek-chat", Dialect::Anthropic), "deepseek:deepseek-chat");
}

#[test]
fn the_mock_example_is_a_plain_proxy_in_every_dialect() {
    let config = example("examples/mock.yaml");
    for dialect in Dialect::ALL {
        let route = config.routes.resolve("m", dialect).unwrap();
        assert_eq!(route.steps[0].upstreams[0].dialect, dialect);
    }
    assert_eq!(config.resilience.attempts_max, 1);
    assert!(!config.resilience.peek.enabled && !config.resilience.affinity.enabled);
    assert!(config.accounts[0].credential.is_none());
}
