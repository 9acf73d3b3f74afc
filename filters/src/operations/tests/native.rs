use super::*;

#[test]
fn the_model_is_found_wherever_it_stands() {
    let chat = Dialect::OpenAiChat;
    let of = |client, body: &[u8]| model_of(&asked(Operation::Embed, client, body));
    assert_eq!(of(chat, br#"{"input":"x","model":"m"}"#).unwrap().as_deref(), Some("m"));
    assert_eq!(of(chat, &form(&[("n", b"1"), ("model", b"gpt-image-1")])).unwrap().as_deref(), Some("gpt-image-1"));
    assert_eq!(of(Dialect::Gemini, br#"{"requests":[{"model":"models/e"}]}"#).unwrap().as_deref(), Some("e"));
    assert_eq!(of(Dialect::Gemini, br#"{"content":{}}"#).unwrap(), None);
    let endpoint = Endpoint { model: Some("path".into()), stream: None };
    let by_path = Asked { endpoint, ..asked(Operation::Embed, Dialect::Gemini, br#"{"model":"models/body"}"#) };
    assert_eq!(model_of(&by_path).unwrap().as_deref(), Some("path"));
}

#[test]
fn a_model_that_two_readers_could_read_in_two_ways_is_refused() {
    for body in [&br#"{"model":"a","model":"b"}"#[..], &form(&[("model", b"a"), ("model", b"b")])] {
        let error = model_of(&asked(Operation::EditImage, Dialect::OpenAiChat, body)).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("model"));
    }
    assert!(model_of(&asked(Operation::Embed, Dialect::OpenAiChat, b"[]")).is_err());
}

#[test]
fn modes() {
    let streams = |body: &[u8]| streams(&asked(Operation::Complete, Dialect::OpenAiChat, body));
    assert!(
        streams(br#"{"stream":true}"#)
            && streams(br#"{"stream_format":"sse"}"#)
            && streams(&form(&[("stream", b"true")]))
    );
    assert!(
        !streams(br#"{"stream":false}"#)
            && !streams(b"{}")
            && !streams(b"--XX")
            && !streams(br#"{"stream_format":"audio"}"#)
    );
}

#[test]
fn wire_125_nothing_but_the_model_changes() {
    let chat = Dialect::OpenAiChat;
    for (operation, path) in [
        (Operation::Embed, "/embeddings"),
        (Operation::Complete, "/completions"),
        (Operation::GenerateImage, "/images/generations"),
        (Operation::Speak, "/audio/speech"),
    ] {
        let body = r#"{ "x":1.50, "model" : "a","input":[[1,2]],"unknown":null}"#;
        let prepared = prepare(&asked(operation, chat, body.as_bytes()), chat, &target("b")).unwrap();
        assert_eq!(prepared.path, path);
        assert_eq!(String::from_utf8(prepared.body).unwrap(), body.replace("\"a\"", "\"b\""));
        assert_eq!(prepared.content_type, "application/json");
    }
    for (operation, path) in [(Operation::EditImage, "/images/edits"), (Operation::Transcribe, "/audio/transcriptions")]
    {
        let body = form(&[("file; filename=a.wav", b"\0\r\n--X\xff"), ("model", b"a")]);
        let prepared = prepare(&asked(operation, chat, &body), chat, &target("b")).unwrap();
        assert_eq!(prepared.path, path);
        assert_eq!(prepared.body, form(&[("file; filename=a.wav", b"\0\r\n--X\xff"), ("model", b"b")]));
        assert_eq!(prepared.content_type, FORM);
    }
}

#[test]
fn every_name_in_a_batch_agrees_with_the_path() {
    let body = r#"{"requests":[{"model":"models/a","content":{}},{"model":"a","content":{}}]}"#;
    let asked = asked(Operation::EmbedBatch, Dialect::Gemini, body.as_bytes());
    let prepared = prepare(&asked, Dialect::Gemini, &target("b")).unwrap();
    assert_eq!(prepared.path, "/models/{model}:batchEmbedContents");
    assert_eq!(
        String::from_utf8(prepared.body).unwrap(),
        r#"{"requests":[{"model":"models/b","content":{}},{"model":"b","content":{}}]}"#
    );
}

#[test]
fn answers_pass_and_their_tokens_are_seen() {
    let asked = asked(Operation::Embed, Dialect::OpenAiChat, b"{}");
    let body =
        br#"{ "data":[], "usage":{"prompt_tokens":9,"total_tokens":9,"prompt_tokens_details":{"cached_tokens":4}}}"#;
    let given =
        answer(&asked, Dialect::OpenAiChat, &State::default(), "application/json; x=1", body, &context()).unwrap();
    assert_eq!((given.body.as_slice(), given.content_type.as_str()), (&body[..], "application/json; x=1"));
    let usage = given.usage.unwrap();
    assert_eq!((usage.uncached, usage.cache_read, usage.output), (5, 4, 0));
    let images =
        br#"{"data":[{"b64_json":"aGk="}],"usage":{"input_tokens":50,"output_tokens":4160,"total_tokens":4210}}"#;
    let given = answer(&asked, Dialect::OpenAiChat, &State::default(), JSON, images, &context()).unwrap();
    assert_eq!(given.usage.unwrap().output, 4160);
    let sound = answer(&asked, Dialect::OpenAiChat, &State::default(), "audio/mpeg", b"ID3\xff", &context()).unwrap();
    assert_eq!((sound.body.as_slice(), sound.usage), (&b"ID3\xff"[..], None));
    let whisper = br#"{"text":"hi","usage":{"type":"duration","seconds":2}}"#;
    assert!(answer(&asked, Dialect::OpenAiChat, &State::default(), JSON, whisper, &context()).unwrap().usage.is_none());
}
