use interlingua_filters::Dialect;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const CC: &str = "You are Claude Code, Anthropic's official CLI for Claude.";

fn known(dialect: Dialect, body: &Value) -> Option<Sign> {
    let text = body.to_string();
    let cap = interlingua_filters::json::skim::skim(dialect, text.as_bytes()).unwrap().output_cap;
    recognise(&Look::at(dialect, text.as_bytes(), cap)?, Signs::ALL)
}

/// A small request of Claude Code, as it is sent beside the conversation.
fn small(system: &str, user: &str) -> Value {
    json!({
        "model": "claude-haiku-4-5-20251001",
        "max_tokens": 32000,
        "system": [
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.197; cc_entrypoint=cli"},
            {"type": "text", "text": CC},
            {"type": "text", "text": system, "cache_control": {"type": "ephemeral"}},
        ],
        "messages": [{"role": "user", "content": [{"type": "text", "text": user}]}],
        "tools": [],
        "metadata": {"user_id": "user_1_account__session_2"},
        "stream": true,
    })
}

/// Claude Code's main request.
fn main_request(user: &str) -> Value {
    let mut body = small("You are an interactive agent that helps users with software engineering tasks.", user);
    body["model"] = json!("claude-opus-4-6");
    body["tools"] = json!([{"name": "Bash", "input_schema": {"type": "object", "properties": {}}}]);
    body["messages"] = json!([{"role": "user", "content": [
        {"type": "text", "text": "<system-reminder>\nAs you answer, you can use this context.\n</system-reminder>"},
        {"type": "text", "text": user, "cache_control": {"type": "ephemeral"}},
    ]}]);
    body
}

#[test]
fn claude_code_names_its_sessions() {
    for system in [
        "Generate a concise, sentence-case title (3-7 words) that captures the main topic or goal of this coding session.",
        "Generate a short kebab-case name (2-4 words) that captures the main topic of this conversation.",
        "You are naming a coding session so the user can pick it out of a long list of sessions.",
    ] {
        assert_eq!(known(Dialect::Anthropic, &small(system, "<session>fix the login</session>")), Some(Sign::Title));
    }
    let old = "Please write a 5-10 word title for the following conversation:\n\nUser: hello";
    assert_eq!(known(Dialect::Anthropic, &small("Summarise.", old)), Some(Sign::Title));
    // As one string, as other programs send it on.
    let joined = json!({
        "model": "m", "max_tokens": 512,
        "system": format!("{CC}\n\nGenerate a concise, sentence-case title (3-7 words)"),
        "messages": [{"role": "user", "content": "hello"}],
    });
    assert_eq!(known(Dialect::Anthropic, &joined), Some(Sign::Title));
}

#[test]
fn claude_codes_other_small_requests() {
    let topic = "Analyze if this message indicates a new conversation topic. If it does, extract a 2-3 word title that \
                 captures the new topic. Format your response as a JSON object with two fields: 'isNewTopic' (boolean) and 'title'";
    assert_eq!(known(Dialect::Anthropic, &small(topic, "now the tests")), Some(Sign::Topic));
    let summary = "Summarize this coding conversation in under 50 characters.\nCapture the main task, key files.";
    assert_eq!(known(Dialect::Anthropic, &small(summary, "User: hello")), Some(Sign::Summary));
    let away = "The user stepped away and is coming back. Recap in under 40 words, 1-2 plain sentences, no markdown.";
    assert_eq!(known(Dialect::Anthropic, &main_request(away)), Some(Sign::Summary));
    let suggest = "[SUGGESTION MODE: Suggest what the user might naturally type next into Claude Code.]\n\nFIRST: Look";
    assert_eq!(known(Dialect::Anthropic, &main_request(suggest)), Some(Sign::Suggestion));
    assert_eq!(known(Dialect::Anthropic, &main_request("Warmup")), Some(Sign::WarmUp));
    let mut quota = json!({"model": "claude-haiku-4-5", "max_tokens": 1,
        "messages": [{"role": "user", "content": "quota"}], "metadata": {"user_id": "u"}});
    assert_eq!(known(Dialect::Anthropic, &quota), Some(Sign::Quota));
    quota["max_tokens"] = json!(2);
    assert_eq!(known(Dialect::Anthropic, &quota), None);
}

#[test]
fn a_word_of_the_systems_behind_the_users_changes_nothing() {
    let mut body = main_request("[SUGGESTION MODE: Suggest what the user might type next.]");
    let turns = body["messages"].as_array_mut().unwrap();
    turns.push(json!({"role": "system", "content": "Today is Friday."}));
    assert_eq!(known(Dialect::Anthropic, &body), Some(Sign::Suggestion));
}

#[test]
fn codex_gemini_cli_and_opencode() {
    let title = "You are a helpful assistant. You will be presented with a user prompt, and your job is to provide a short \
                 title for a task that will be created from that prompt.\nGenerate a concise UI title.";
    let codex = json!({"model": "gpt-5.1-codex-mini", "stream": true, "store": false, "input": [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "You are Codex."}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": title}]},
    ]});
    assert_eq!(known(Dialect::OpenAiResponses, &codex), Some(Sign::Title));
    let speaker = "Analyze *only* the content and structure of your immediately preceding response (your last turn in the \
                   conversation history).";
    let gemini = json!({
        "contents": [
            {"role": "user", "parts": [{"text": "hello"}]},
            {"role": "model", "parts": [{"text": "Next, I will read the file."}]},
            {"role": "user", "parts": [{"text": speaker}]},
        ],
        "systemInstruction": {"role": "user", "parts": [{"text": "You are an interactive CLI agent."}]},
        "generationConfig": {"responseMimeType": "application/json", "temperature": 0},
    });
    assert_eq!(known(Dialect::Gemini, &gemini), Some(Sign::NextSpeaker));
    let summary =
        "Summarize the user's primary intent or goal in this conversation in ONE sentence (max 80 characters).";
    let gemini = json!({"contents": [{"parts": [{"text": summary}]}]});
    assert_eq!(known(Dialect::Gemini, &gemini), Some(Sign::Summary));
    let system = "You are a title generator. You output ONLY a thread title. Nothing else.";
    let chat = json!({"model": "m", "max_tokens": 32000, "stream": true, "messages": [
        {"role": "system", "content": system},
        {"role": "user", "content": "Generate a title for this conversation:\n"},
        {"role": "user", "content": "hello"},
    ]});
    assert_eq!(known(Dialect::OpenAiChat, &chat), Some(Sign::Title));
    let google = json!({
        "systemInstruction": {"parts": [{"text": system}]},
        "contents": [{"role": "user", "parts": [{"text": "hello"}]}],
    });
    assert_eq!(known(Dialect::Gemini, &google), Some(Sign::Title));
    let responses = json!({"model": "m", "instructions": system, "input": "hello"});
    assert_eq!(known(Dialect::OpenAiResponses, &responses), Some(Sign::Title));
}

#[test]
fn a_persons_request_is_never_taken_for_the_agents() {
    let title = "Generate a concise, sentence-case title (3-7 words)";
    for user in [
        "hello",
        "quota",
        "Please explain: \"[SUGGESTION MODE\" in the log",
        "Warmup exercises, please",
        "Why does it say `The user stepped away and is coming back.`?",
        title,
    ] {
        assert_eq!(known(Dialect::Anthropic, &main_request(user)), None, "{user}");
    }
    // With tools it is the agent's own work, whatever its prompt says.
    let mut agent = main_request("hello");
    agent["system"] = json!([{"type": "text", "text": title}]);
    assert_eq!(known(Dialect::Anthropic, &agent), None);
    // Behind the beginning of the prompt are the project's own words.
    let far = format!("{}{title}", "x".repeat(2000));
    assert_eq!(known(Dialect::Anthropic, &small(&far, "hello")), None);
    // The user's turn is not the last one.
    let mut answered = main_request("Warmup");
    let turns = answered["messages"].as_array_mut().unwrap();
    turns.push(json!({"role": "assistant", "content": "I am ready."}));
    assert_eq!(known(Dialect::Anthropic, &answered), None);
    let called = json!({"model": "m", "messages": [
        {"role": "user", "content": "Warmup"},
        {"role": "assistant", "content": null, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "done"},
    ]});
    assert_eq!(known(Dialect::OpenAiChat, &called), None);
}

#[test]
fn each_sign_has_a_switch() {
    let look = Look { user: vec!["Warmup".to_owned()], ..Look::default() };
    for sign in Sign::ALL {
        let one = Signs::from_iter([sign]);
        assert_eq!(one.to_string(), sign.name());
        assert_eq!(recognise(&look, one).is_some(), sign == Sign::WarmUp);
        assert!(MARKS.iter().any(|mark| mark.sign == sign), "{sign:?} is never found");
    }
    assert_eq!(Signs::from_iter(Sign::ALL), Signs::ALL);
    assert!(Signs::NONE.is_empty());
}

#[test]
fn the_look_is_bounded() {
    let long = json!({"messages": [{"role": "user", "content": "x".repeat(3 << 20)}]}).to_string();
    assert!(Look::at(Dialect::Anthropic, long.as_bytes(), None).is_none());
    let many: Vec<Value> = (0..100).map(|_| json!({"type": "text", "text": "\u{e9}".repeat(5000)})).collect();
    let body = json!({"system": many, "messages": [{"role": "user", "content": many}]}).to_string();
    let look = Look::at(Dialect::Anthropic, body.as_bytes(), None).unwrap();
    assert!(look.system.len() == 16 && look.user.len() == 16);
    assert!(look.user.iter().all(|text| text.len() <= 1024));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_body_is_looked_at_without_a_fault(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        key in "messages|contents|input|system|tools|systemInstruction",
        value in "[\\[\\]{}\":,a0 ]{0,20}",
    ) {
        for dialect in Dialect::ALL {
            let _ = Look::at(dialect, &bytes, Some(1)).map(|look| recognise(&look, Signs::ALL));
            let body = format!("{{\"{key}\":{value}}}");
            let _ = Look::at(dialect, body.as_bytes(), None).map(|look| recognise(&look, Signs::ALL));
        }
    }
}
