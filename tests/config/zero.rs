//! Without a file.

use interlingua::config::{Config, zero_config};
use interlingua_filters::Dialect;

fn zero(variables: &[(&str, &str)]) -> Result<Config, String> {
    let env = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    zero_config(&env).map_err(|report| report.short())
}

fn first(config: &Config, model: &str, client: Dialect) -> Option<String> {
    let route = config.routes.resolve(model, client)?;
    Some(format!("{}:{}", route.steps[0].upstreams[0].id, route.steps[0].model))
}

#[test]
fn every_provider_with_a_key_is_there_under_its_own_names() {
    let keys = [("OPENAI_API_KEY", "sk-1"), ("ANTHROPIC_API_KEY", "sk-2"), ("GOOGLE_API_KEY", "k-3")];
    let config = zero(&keys).unwrap();
    assert_eq!(config.server.listen, ["127.0.0.1:8080".parse().unwrap()]);
    assert_eq!(config.server.admin_listen, None);
    let chat = |model| first(&config, model, Dialect::OpenAiChat);
    for model in ["gpt-5", "o1", "o3-mini", "o4-mini", "chatgpt-4o-latest", "codex-mini"] {
        assert_eq!(chat(model), Some(format!("openai-chat:{model}")));
        assert_eq!(first(&config, model, Dialect::OpenAiResponses), Some(format!("openai:{model}")));
        // Clients of other dialects get Responses, which says more than Chat.
        assert_eq!(first(&config, model, Dialect::Anthropic), Some(format!("openai:{model}")));
    }
    assert_eq!(chat("claude-opus-4-6").as_deref(), Some("anthropic:claude-opus-4-6"));
    assert_eq!(chat("gemini-3-pro").as_deref(), Some("gemini:gemini-3-pro"));
    assert_eq!(chat("models/gemma-3").as_deref(), Some("gemini:gemma-3"));
    assert_eq!(chat("openai/ft:any").as_deref(), Some("openai-chat:ft:any"));
    assert_eq!(chat("anthropic/x").as_deref(), Some("anthropic:x"));
    assert_eq!(chat("gemini/models-x").as_deref(), Some("gemini:models-x"));
    assert_eq!(chat("llama"), None);
    let base = |id: &str| config.upstreams.iter().find(|upstream| upstream.id == id).unwrap().base_url.to_string();
    assert_eq!(base("openai"), "https://api.openai.com/v1");
    assert_eq!(base("anthropic"), "https://api.anthropic.com");
    assert_eq!(base("gemini"), "https://generativelanguage.googleapis.com");
}

#[test]
fn compatible_providers_are_found_by_their_keys() {
    let keys = ["DEEPSEEK_API_KEY", "GROQ_API_KEY", "XAI_API_KEY", "OPENROUTER_API_KEY", "MISTRAL_API_KEY"];
    let config = zero(&keys.map(|key| (key, "k-1"))).unwrap();
    let chat = |model| first(&config, model, Dialect::OpenAiChat);
    assert_eq!(chat("deepseek-chat").as_deref(), Some("deepseek:deepseek-chat"));
    assert_eq!(
        first(&config, "deepseek-chat", Dialect::Anthropic).as_deref(),
        Some("deepseek-anthropic:deepseek-chat")
    );
    assert_eq!(chat("grok-4").as_deref(), Some("xai:grok-4"));
    assert_eq!(chat("codestral-2508").as_deref(), Some("mistral:codestral-2508"));
    // Models of others are named with the provider in front.
    assert_eq!(chat("groq/openai/gpt-oss-120b").as_deref(), Some("groq:openai/gpt-oss-120b"));
    assert_eq!(chat("openrouter/qwen/qwen3-coder").as_deref(), Some("openrouter:qwen/qwen3-coder"));
    assert_eq!(chat("llama-3.3-70b-versatile"), None);
}

#[test]
fn both_dialects_of_openai_are_one_account() {
    let config = zero(&[("OPENAI_API_KEY", "sk-1"), ("OPENAI_BASE_URL", "http://127.0.0.1:9100/v1/")]).unwrap();
    assert_eq!(config.accounts.len(), 1);
    let account = &config.accounts[0];
    let dialects: Vec<_> = account.upstreams.iter().map(|upstream| upstream.dialect).collect();
    assert_eq!(dialects, [Dialect::OpenAiResponses, Dialect::OpenAiChat]);
    assert!(account.upstreams.iter().all(|upstream| upstream.base_url.to_string() == "http://127.0.0.1:9100/v1"));
    assert_eq!(account.credential.expose_to_header("Bearer ").unwrap(), "Bearer sk-1");
    assert_eq!(first(&config, "claude-x", Dialect::Anthropic), None);
}

#[test]
fn gemini_has_two_names_for_its_key() {
    let config = zero(&[("GEMINI_API_KEY", "a"), ("GOOGLE_API_KEY", "b")]).unwrap();
    assert_eq!(config.accounts[0].credential.expose_to_header("").unwrap(), "a");
    assert_eq!(zero(&[("GEMINI_API_KEY", " "), ("GOOGLE_API_KEY", "b")]).unwrap().accounts.len(), 1);
}

#[test]
fn nothing_set_says_what_to_set() {
    let told = zero(&[("OPENAI_API_KEY", ""), ("ANTHROPIC_BASE_URL", "http://127.0.0.1:8080")]).unwrap_err();
    assert!(told.contains("set one of OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY, GOOGLE_API_KEY"), "{told}");
}

#[test]
fn an_agents_variables_cannot_lead_the_gateway_to_itself() {
    let told = zero(&[("ANTHROPIC_API_KEY", "sk"), ("ANTHROPIC_BASE_URL", "http://127.0.0.1:8080")]).unwrap_err();
    assert!(told.contains("`${env:ANTHROPIC_BASE_URL}` is the gateway itself"), "{told}");
    assert!(
        zero(&[("OPENAI_API_KEY", "sk"), ("OPENAI_BASE_URL", "nonsense")]).unwrap_err().contains("OPENAI_BASE_URL")
    );
}
