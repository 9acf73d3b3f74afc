use super::*;

fn generate(path: &str, query: Option<&str>) -> Option<Generate> {
    match find("POST", path, query, Accent::default()) {
        Ok(Action::Generate(generate)) => Some(generate),
        _ => None,
    }
}

#[test]
fn paths_of_the_official_sdks() {
    for (path, dialect) in [
        ("/v1/chat/completions", Dialect::OpenAiChat),
        ("/chat/completions", Dialect::OpenAiChat),
        ("/v1/responses", Dialect::OpenAiResponses),
        ("/v1/messages", Dialect::Anthropic),
    ] {
        assert_eq!(generate(path, None).unwrap().dialect, dialect);
    }
}

#[test]
fn wire_141_gemini_ids_with_slashes_with_and_without_models() {
    for path in [
        "/v1/models/openai/gpt-5:streamGenerateContent",
        "/v1beta/models/openai/gpt-5:streamGenerateContent",
        "/v1beta/openai/gpt-5:streamGenerateContent",
        "/v1beta/models/openai%2Fgpt-5:streamGenerateContent",
    ] {
        let found = generate(path, Some("alt=sse")).unwrap();
        assert_eq!((found.model.as_deref(), found.stream), (Some("openai/gpt-5"), Some(true)), "{path}");
    }
    assert_eq!(generate("/v1beta/models/a:b:generateContent", None).unwrap().model.as_deref(), Some("a:b"));
}

#[test]
fn wire_008_a_stream_without_alt_sse_is_an_array() {
    for (query, array) in
        [(None, true), (Some("key=k"), true), (Some("alt=json"), true), (Some("key=k&alt=sse"), false)]
    {
        let found = generate("/v1beta/models/g:streamGenerateContent", query).unwrap();
        assert_eq!((found.stream, found.array), (Some(true), array), "{query:?}");
    }
    assert!(!generate("/v1beta/models/g:generateContent", None).unwrap().array);
}

#[test]
fn operations_of_the_official_sdks() {
    let operation = |path: &str| match find("POST", path, Some("beta=true"), Accent::default()) {
        Ok(Action::Operate(operate)) => Some((operate.dialect, operate.operation, operate.model)),
        _ => None,
    };
    for (path, dialect, wanted) in OPERATIONS {
        assert_eq!(operation(&format!("/v1{path}")), Some((dialect, wanted, None)), "{path}");
        let lost = find("GET", &format!("/v1{path}"), None, Accent::default()).unwrap_err();
        assert_eq!((lost.dialect, lost.error.kind), (dialect, ErrorKind::MethodNotAllowed));
    }
    let gemini = |operation| Some((Dialect::Gemini, operation, Some("a/b".to_owned())));
    assert_eq!(operation("/v1beta/models/a/b:countTokens"), gemini(Operation::CountTokens));
    assert_eq!(operation("/v1beta/models/a%2Fb:embedContent"), gemini(Operation::Embed));
    assert_eq!(operation("/v1/a/b:batchEmbedContents"), gemini(Operation::EmbedBatch));
}

#[test]
fn tool_servers_have_a_name_and_what_is_below() {
    let found = |method, path| find(method, path, None, Accent::default());
    let mcp = |rest: &str| Ok(Action::Mcp { name: "files".into(), rest: rest.into() });
    assert_eq!(found("POST", "/mcp/files"), mcp(""));
    assert_eq!(found("GET", "/mcp/files/sse"), mcp("/sse"));
    assert_eq!(found("PUT", "/mcp/files").unwrap_err().error.kind, ErrorKind::MethodNotAllowed);
    assert_eq!(found("POST", "/mcp").unwrap_err().error.kind, ErrorKind::NotFound);
}

#[test]
fn wire_128_models_are_listed_in_the_callers_shape() {
    let list = |path, accent| find("GET", path, None, accent).unwrap();
    let google = Accent { google: true, anthropic: false };
    let anthropic = Accent { google: false, anthropic: true };
    assert_eq!(list("/v1/models", Accent::default()), Action::ListModels(Dialect::OpenAiChat));
    assert_eq!(list("/v1/models", anthropic), Action::ListModels(Dialect::Anthropic));
    assert_eq!(list("/v1/models", google), Action::ListModels(Dialect::Gemini));
    assert_eq!(list("/v1beta/models", Accent::default()), Action::ListModels(Dialect::Gemini));
    assert_eq!(list("/v1/models/a/b:c", anthropic), Action::GetModel(Dialect::Anthropic, "a/b:c".into()));
}

#[test]
fn lost_callers_are_told_in_their_dialect() {
    let lost = find("GET", "/v1/messages", None, Accent::default()).unwrap_err();
    assert_eq!((lost.dialect, lost.error.kind), (Dialect::Anthropic, ErrorKind::MethodNotAllowed));
    let lost = find("GET", "/v1beta/models/g:generateContent", None, Accent::default()).unwrap_err();
    assert_eq!((lost.dialect, lost.error.kind), (Dialect::Gemini, ErrorKind::MethodNotAllowed));
    let lost = find("POST", "/v1/messages/nowhere", None, Accent::default()).unwrap_err();
    assert_eq!((lost.dialect, lost.error.kind), (Dialect::Anthropic, ErrorKind::NotFound));
    assert!(find("POST", "/v1beta/models/g:predictNothing", None, Accent::default()).is_err());
}

#[test]
fn a_path_that_nothing_answers_to_is_told_what_to_do() {
    let lost = |path| find("POST", path, None, Accent::default()).unwrap_err();
    for (path, dialect, help) in [
        ("/nonsense", Dialect::OpenAiChat, "POST /v1/chat/completions"),
        ("/v1beta/nonsense", Dialect::Gemini, ":generateContent"),
        ("/v1/v1/messages", Dialect::Anthropic, "take the version off"),
        ("/v1beta/v1beta/models/m", Dialect::Gemini, "take the version off"),
        ("//v1/responses", Dialect::OpenAiResponses, "take the slash off"),
        ("/mcp/", Dialect::OpenAiChat, "/mcp/NAME"),
    ] {
        let lost = lost(path);
        assert_eq!((lost.dialect, lost.error.kind), (dialect, ErrorKind::NotFound), "{path}");
        assert!(lost.error.message.contains(help), "{path}: {}", lost.error.message);
    }
}
