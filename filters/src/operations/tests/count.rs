use super::*;

const CLAUDE: &str = r#"{"model":"claude-sonnet-4-5","system":"Be brief.","messages":[{"role":"user","content":"Hello"}],
    "tools":[{"name":"read","description":"Reads.","input_schema":{"type":"object","properties":{"p":{"type":"string"}}}}]}"#;

fn count(client: Dialect, body: &str, upstream: Dialect, model: &str) -> (Prepared, Value) {
    let asked = asked(Operation::CountTokens, client, body.as_bytes());
    assert_eq!(way(&asked, upstream, &target(model)), Way::Translated);
    let prepared = prepare(&asked, upstream, &target(model)).unwrap();
    let sent = value(&prepared.body);
    (prepared, sent)
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn wire_112_a_body_without_a_cap_is_counted_by_gemini() {
    let (prepared, sent) = count(Dialect::Anthropic, CLAUDE, Dialect::Gemini, "gemini-2.5-pro");
    assert_eq!(prepared.path, "/models/{model}:countTokens");
    let inner = &sent["generateContentRequest"];
    assert_eq!(inner["model"], "models/gemini-2.5-pro");
    assert_eq!(inner["contents"][0]["parts"][0]["text"], "Hello");
    assert!(inner.get("generationConfig").is_none() && inner.get("tools").is_some());
    assert_eq!(lost(&prepared.losses), Vec::<String>::new());
}

#[test]
fn wire_112_a_body_without_a_cap_is_counted_by_responses() {
    let (prepared, sent) = count(Dialect::Anthropic, CLAUDE, Dialect::OpenAiResponses, "gpt-5");
    assert_eq!(prepared.path, "/responses/input_tokens");
    assert_eq!(sent["model"], "gpt-5");
    for refused in ["stream", "store", "include", "max_output_tokens", "temperature"] {
        assert!(sent.get(refused).is_none(), "{refused}");
    }
    assert_eq!(lost(&prepared.losses), Vec::<String>::new());
}

#[test]
fn wire_111_counting_at_anthropic_has_a_path_of_its_own_and_no_cap() {
    let gemini = r#"{"generateContentRequest":{"model":"models/gemini-2.5-pro","contents":[{"role":"user","parts":[{"text":
        "Hello"}]}],"generationConfig":{"temperature":0.5,"maxOutputTokens":100,"stopSequences":["x"]}}}"#;
    let (prepared, sent) = count(Dialect::Gemini, gemini, Dialect::Anthropic, "claude-sonnet-4-5");
    assert_eq!(prepared.path, "/messages/count_tokens");
    assert_eq!(keys(&sent), ["model", "messages"]);
    assert_eq!(sent["messages"][0]["role"], "user");
    assert_eq!(lost(&prepared.losses), Vec::<String>::new());
    let bare = r#"{"contents":[{"parts":[{"text":"Hello"}]}]}"#;
    let (_, same) = count(Dialect::Gemini, bare, Dialect::Anthropic, "claude-sonnet-4-5");
    assert_eq!(same, sent);
    let responses =
        r#"{"model":"gpt-5","input":"Hello","temperature":1,"max_output_tokens":5,"top_logprobs":3,"store":true}"#;
    let (prepared, same) = count(Dialect::OpenAiResponses, responses, Dialect::Anthropic, "claude-sonnet-4-5");
    assert_eq!(same["messages"][0]["role"], "user");
    assert!(same.get("max_tokens").is_none() && same.get("temperature").is_none());
    assert!(!lost(&prepared.losses).iter().any(|loss| loss.starts_with("temperature")));
}

#[test]
fn the_same_dialect_is_asked_in_its_own_bytes() {
    let claude = asked(Operation::CountTokens, Dialect::Anthropic, CLAUDE.as_bytes());
    assert_eq!(way(&claude, Dialect::Anthropic, &target("claude-opus-4-7")), Way::Native);
    let prepared = prepare(&claude, Dialect::Anthropic, &target("claude-opus-4-7")).unwrap();
    assert_eq!(prepared.path, "/messages/count_tokens");
    assert_eq!(String::from_utf8(prepared.body).unwrap(), CLAUDE.replace("claude-sonnet-4-5", "claude-opus-4-7"));
    let gemini = r#"{ "generateContentRequest":{"model":"models/a","contents":[]}}"#;
    let prepared =
        prepare(&asked(Operation::CountTokens, Dialect::Gemini, gemini.as_bytes()), Dialect::Gemini, &target("b"))
            .unwrap();
    assert_eq!(String::from_utf8(prepared.body).unwrap(), gemini.replace("models/a", "models/b"));
}

#[test]
fn a_seal_of_another_provider_is_not_sent_to_be_counted() {
    let seal = crate::ir::Signature { issuer: Dialect::Gemini, value: "c2VhbA==".into() };
    let body = format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":"a"}},{{"role":"assistant","content":[{{"type":"thinking",
        "thinking":"hm","signature":"{}"}},{{"type":"text","text":"b"}}]}},{{"role":"user","content":"c"}}]}}"#,
        seal.carried(Dialect::Anthropic)
    );
    let asked = asked(Operation::CountTokens, Dialect::Anthropic, body.as_bytes());
    assert_eq!(way(&asked, Dialect::Anthropic, &target("m")), Way::Translated);
    let sent = prepare(&asked, Dialect::Anthropic, &target("m")).unwrap().body;
    assert!(!crate::ir::Signature::is_carried_in(&sent));
    assert!(value(&sent).get("max_tokens").is_none());
}

#[test]
fn wire_112_where_nobody_counts_the_gateway_estimates_and_the_way_says_so() {
    let asked_ = asked(Operation::CountTokens, Dialect::Anthropic, CLAUDE.as_bytes());
    assert_eq!(way(&asked_, Dialect::OpenAiChat, &target("m")), Way::Estimated);
    assert!(prepare(&asked_, Dialect::OpenAiChat, &target("m")).unwrap_err().to_string().contains("estimate"));
    let tokens = tokens_of(&asked_);
    assert!((20..80).contains(&tokens), "{tokens}");
    assert_eq!(estimated(&asked_, 42), br#"{"input_tokens":42}"#);
    let of = |client| estimated(&asked(Operation::CountTokens, client, b"{}"), 42);
    assert_eq!(of(Dialect::Gemini), br#"{"totalTokens":42}"#);
    assert_eq!(of(Dialect::OpenAiResponses), br#"{"object":"response.input_tokens","input_tokens":42}"#);
    // What cannot be read has tokens too.
    assert!(tokens_of(&asked(Operation::CountTokens, Dialect::Anthropic, b"not JSON at all")) > 0);
}

#[test]
fn wire_051_what_is_stored_elsewhere_cannot_be_counted_or_estimated() {
    let body = br#"{"model":"m","input":"x","previous_response_id":"resp_1"}"#;
    let asked = asked(Operation::CountTokens, Dialect::OpenAiResponses, body);
    for upstream in [Dialect::OpenAiChat, Dialect::Anthropic, Dialect::Gemini] {
        let Way::Impossible(error) = way(&asked, upstream, &target("m")) else { panic!("{upstream:?}") };
        assert_eq!(error.param.unwrap(), "previous_response_id");
    }
    assert_eq!(way(&asked, Dialect::OpenAiResponses, &target("m")), Way::Native);
}

#[test]
fn answers_are_said_in_the_clients_words() {
    let state = State(Kept::Count);
    for (upstream, body) in [
        (Dialect::Anthropic, &br#"{"input_tokens":2095}"#[..]),
        (Dialect::Gemini, br#"{"totalTokens":2095,"promptTokensDetails":[{"modality":"TEXT","tokenCount":2095}]}"#),
        (Dialect::OpenAiResponses, br#"{"object":"response.input_tokens","input_tokens":2095}"#),
    ] {
        for client in [Dialect::Anthropic, Dialect::Gemini, Dialect::OpenAiResponses] {
            let asked = asked(Operation::CountTokens, client, b"{}");
            let given = answer(&asked, upstream, &state, JSON, body, &context()).unwrap();
            assert_eq!(given.body, estimated(&asked, 2095));
        }
    }
    let asked = asked(Operation::CountTokens, Dialect::Anthropic, b"{}");
    let error = answer(&asked, Dialect::Gemini, &state, JSON, b"{\"input_tokens\":1}", &context()).unwrap_err();
    assert_eq!(error.kind, crate::ir::ErrorKind::BadGateway);
}

#[test]
fn either_spelling_of_gemini_reaches_gemini_when_a_seal_forces_translation() {
    let seal = crate::ir::Signature { issuer: Dialect::Anthropic, value: "c2VhbA==".into() };
    let body = format!(
        r#"{{"system_instruction":{{"parts":[{{"text":"Be brief."}}]}},"contents":[{{"role":"user","parts":[{{"text":"a"}}]}},
        {{"role":"model","parts":[{{"text":"b","thought_signature":"{}"}}]}},{{"role":"user","parts":[{{"text":"c"}}]}}],
        "generation_config":{{"temperature":1}}}}"#,
        seal.carried(Dialect::Gemini)
    );
    let (prepared, sent) = count(Dialect::Gemini, &body, Dialect::Gemini, "gemini-2.5-pro");
    assert!(!crate::ir::Signature::is_carried_in(&prepared.body));
    let text = sent.to_string();
    assert!(text.contains("Be brief.") && !text.contains("temperature"), "{text}");
}
