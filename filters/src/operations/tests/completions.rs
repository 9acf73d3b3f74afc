use proptest::prelude::*;

use super::*;

fn chat(body: &str) -> Value {
    value(&completion_to_chat(body.as_bytes()).unwrap())
}

fn refused(body: &str) -> String {
    completion_to_chat(body.as_bytes()).unwrap_err().param.unwrap_or_default()
}

#[test]
fn a_prompt_becomes_one_user_turn() {
    let body = r#"{"model":"m","prompt":["Say \"hi\""],"max_tokens":5,"temperature":0.50,"stream":true,
        "stream_options":{"include_usage":true},"stop":["x"],"n":2,"best_of":2,"logprobs":2,"logit_bias":{"50256":-100},"echo":false}"#;
    let expected = r#"{"messages":[{"role":"user","content":"Say \"hi\""}],"model":"m","max_tokens":5,"temperature":0.50,"n":2,
        "stream":true,"stream_options":{"include_usage":true},"stop":["x"],"logprobs":true,"top_logprobs":2}"#;
    assert_eq!(chat(body), value(expected.as_bytes()));
    assert_eq!(lost(&completion_losses(body.as_bytes())), ["logit_bias dropped"]);
    assert_eq!(
        lost(&completion_losses(br#"{"prompt":"x","best_of":4,"logprobs":null,"suffix":null}"#)),
        ["best_of dropped"]
    );
}

#[test]
fn what_chat_cannot_say_is_refused_by_name() {
    for (body, member) in [
        (r#"{"model":"m"}"#, "prompt"),
        (r#"{"prompt":""}"#, "prompt"),
        (r#"{"prompt":["a","b"]}"#, "prompt"),
        (r#"{"prompt":[1,2]}"#, "prompt"),
        (r#"{"prompt":[[1],[2]]}"#, "prompt"),
        (r#"{"prompt":"a","echo":true}"#, "echo"),
        (r#"{"prompt":"a","suffix":"b"}"#, "suffix"),
        (r#"{"prompt":"a","logprobs":"x"}"#, "logprobs"),
        (r#"{"prompt":"a","prompt":"b"}"#, "prompt"),
    ] {
        assert_eq!(refused(body), member, "{body}");
    }
}

#[test]
fn a_message_of_any_provider_becomes_a_text() {
    let body = br#"{"model":"m","prompt":"Say hi","max_tokens":5,"stream":true}"#;
    let asked = asked(Operation::Complete, Dialect::OpenAiChat, body);
    let claude = br#"{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"Hi!"}],
        "stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":3}}"#;
    let gemini = br#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Hi!"}]},"finishReason":"STOP","index":0}],
        "usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":3,"totalTokenCount":12},"modelVersion":"g","responseId":"r"}"#;
    for (upstream, path, given) in [
        (Dialect::Anthropic, "/messages", &claude[..]),
        (Dialect::Gemini, "/models/{model}:generateContent", &gemini[..]),
    ] {
        let prepared = prepare(&asked, upstream, &Target::new("x", true)).unwrap();
        assert_eq!(prepared.path, path);
        assert!(value(&prepared.body).get("stream").is_none());
        let given = answer(&asked, upstream, &prepared.state, JSON, given, &context()).unwrap();
        let text = value(&given.body);
        assert_eq!(text["object"], "text_completion");
        assert_eq!(text["choices"], value(br#"[{"text":"Hi!","index":0,"logprobs":null,"finish_reason":"stop"}]"#));
        assert_eq!((&text["model"], &text["usage"]["total_tokens"]), (&Value::from("shown"), &Value::from(12)));
        assert!(!text["id"].as_str().unwrap().starts_with("chatcmpl-"));
        assert_eq!(given.usage.unwrap().output, 3);
    }
    let error = answer(&asked, Dialect::Anthropic, &State(Kept::Completion), JSON, b"<html>", &context()).unwrap_err();
    assert_eq!(error.kind, crate::ir::ErrorKind::BadGateway);
}

#[test]
fn a_chat_provider_gets_the_completion_as_it_came() {
    let body = br#"{"model":"a","prompt":["x","y"],"echo":true}"#;
    let asked = asked(Operation::Complete, Dialect::OpenAiChat, body);
    let prepared = prepare(&asked, Dialect::OpenAiChat, &target("a")).unwrap();
    assert_eq!((prepared.path.as_str(), prepared.body.as_slice()), ("/completions", &body[..]));
}

#[test]
fn log_probabilities_stand_side_by_side() {
    let body = br#"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":
        "assistant","content":"Hi!"},"finish_reason":"stop","logprobs":{"content":[{"token":"Hi","logprob":-0.5,"bytes":[72,105],
        "top_logprobs":[{"token":"Hi","logprob":-0.5},{"token":"Yo","logprob":-1.5}]},{"token":"!","logprob":-0.1}]}}]}"#;
    let text = value(&chat_to_completion(body).unwrap());
    assert_eq!(text["id"], "cmpl-1");
    let expected = br#"{"tokens":["Hi","!"],"token_logprobs":[-0.5,-0.1],"top_logprobs":[{"Hi":-0.5,"Yo":-1.5},{}],"text_offset":[0,2]}"#;
    assert_eq!(text["choices"][0]["logprobs"], value(expected));
    assert!(chat_to_completion(br#"{"error":{"message":"no"}}"#).is_err());
}

const STREAM: &str = concat!(
    "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,",
    "\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"chatcmpl-1\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\n",
    "data: {\"id\":\"chatcmpl-1\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hé\"},",
    "\"logprobs\":{\"content\":[{\"token\":\"Hé\",\"logprob\":-0.5}]},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"chatcmpl-1\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"!\"},",
    "\"logprobs\":{\"content\":[{\"token\":\"!\",\"logprob\":-0.1}]},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"chatcmpl-1\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"id\":\"chatcmpl-1\",\"created\":1,\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,",
    "\"total_tokens\":3}}\n\n",
    "data: [DONE]\n\n",
);

fn streamed(pieces: &[&[u8]]) -> String {
    let mut stream = CompletionsStream::new();
    let mut out = Vec::new();
    for piece in pieces {
        stream.push(piece, &mut out).unwrap();
    }
    stream.finish(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_stream_of_chunks_becomes_a_stream_of_texts() {
    let out = streamed(&[STREAM.as_bytes()]);
    let events: Vec<&str> = out.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect();
    assert_eq!(events.len(), 5);
    let chunks: Vec<Value> = events[..4].iter().map(|event| value(event.as_bytes())).collect();
    let text: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["text"].as_str()).collect();
    assert_eq!(text, "Hé!");
    assert!(chunks.iter().all(|chunk| chunk["object"] == "text_completion" && chunk["id"] == "cmpl-1"));
    assert_eq!(chunks[1]["choices"][0]["logprobs"]["text_offset"], value(b"[2]"));
    assert_eq!(chunks[2]["choices"][0]["finish_reason"], "stop");
    assert_eq!((&chunks[3]["choices"], &chunks[3]["usage"]["total_tokens"]), (&value(b"[]"), &Value::from(3)));
    assert_eq!(events[4], "[DONE]");
}

#[test]
fn an_error_in_a_stream_passes() {
    let error = "data: {\"error\":{\"message\":\"the provider failed\",\"type\":\"server_error\"}}\n\n";
    assert_eq!(streamed(&[error.as_bytes()]), error);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_split_gives_the_same_stream(cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        let bytes = STREAM.as_bytes();
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(streamed(&pieces), streamed(&[bytes]));
    }
}
