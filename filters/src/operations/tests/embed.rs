use super::*;
use crate::ir::ErrorKind;

const CHAT: Dialect = Dialect::OpenAiChat;

fn to_gemini(body: &str) -> Result<Prepared, PrepareError> {
    prepare(&asked(Operation::Embed, CHAT, body.as_bytes()), Dialect::Gemini, &target("gemini-embedding-001"))
}

fn to_openai(operation: Operation, body: &str) -> Result<Prepared, PrepareError> {
    prepare(&asked(operation, Dialect::Gemini, body.as_bytes()), CHAT, &target("text-embedding-3-small"))
}

#[test]
fn texts_of_openai_become_a_batch() {
    let prepared =
        to_gemini(r#"{"model":"m","input":["a","b"],"dimensions":256,"user":"u","encoding_format":"float"}"#).unwrap();
    assert_eq!(prepared.path, "/models/{model}:batchEmbedContents");
    let expected = r#"{"requests":[
        {"model":"models/gemini-embedding-001","content":{"parts":[{"text":"a"}]},"outputDimensionality":256},
        {"model":"models/gemini-embedding-001","content":{"parts":[{"text":"b"}]},"outputDimensionality":256}]}"#;
    assert_eq!(value(&prepared.body), value(expected.as_bytes()));
    assert_eq!(lost(&prepared.losses), ["user dropped"]);
    assert_eq!(prepared.state, State(Kept::Vectors { base64: false, texts: 2, tokens: 2 }));
}

#[test]
fn vectors_of_gemini_come_back_as_floats_or_in_base64() {
    let body = br#"{"embeddings":[{"values":[0.5,-1.0]},{"values":[0.25,2]}],"usageMetadata":{"promptTokenCount":7}}"#;
    let asked = asked(Operation::Embed, CHAT, b"{}");
    let floats = State(Kept::Vectors { base64: false, texts: 2, tokens: 3 });
    let given = answer(&asked, Dialect::Gemini, &floats, JSON, body, &context()).unwrap();
    let expected = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1.0]},
        {"object":"embedding","index":1,"embedding":[0.25,2]}],"model":"shown","usage":{"prompt_tokens":7,"total_tokens":7}}"#;
    assert_eq!(value(&given.body), value(expected.as_bytes()));
    assert_eq!(given.usage.unwrap().uncached, 7);
    let packed = State(Kept::Vectors { base64: true, texts: 2, tokens: 3 });
    let given = value(&answer(&asked, Dialect::Gemini, &packed, JSON, body, &context()).unwrap().body);
    // As numpy reads it: 0.5 is 0x3F000000, -1.0 is 0xBF800000, the low byte first.
    assert_eq!(given["data"][0]["embedding"], "AAAAPwAAgL8=");
}

#[test]
fn tokens_that_gemini_does_not_count_are_marked_as_estimated() {
    let prepared = to_gemini(r#"{"model":"m","input":"four words of text"}"#).unwrap();
    let asked = asked(Operation::Embed, CHAT, b"{}");
    let given =
        answer(&asked, Dialect::Gemini, &prepared.state, JSON, br#"{"embeddings":[{"values":[1]}]}"#, &context())
            .unwrap();
    assert_eq!(lost(&given.losses), ["usage approximated"]);
    assert!(given.usage.is_none());
    assert_eq!(value(&given.body)["usage"]["prompt_tokens"], 6);
}

#[test]
fn what_gemini_cannot_embed_is_refused_with_advice() {
    for body in [r#"{"model":"m","input":[1,2,3]}"#, r#"{"model":"m","input":[[1,2],[3]]}"#] {
        let error = to_gemini(body).unwrap_err();
        assert!(matches!(&error, PrepareError::Encode(_)));
        assert_eq!(param(&error), "input");
        assert!(error.to_string().contains("send `input` as text"));
    }
    let many = format!(r#"{{"model":"m","input":[{}]}}"#, vec!["\"a\""; 101].join(","));
    assert!(matches!(to_gemini(&many), Err(PrepareError::Encode(_))));
    for body in ["{}", r#"{"input":[]}"#, r#"{"input":7}"#, r#"{"input":["a",1]}"#] {
        let error = to_gemini(body).unwrap_err();
        assert!(matches!(&error, PrepareError::Decode(_)), "{body}");
        assert_eq!(param(&error), "input");
    }
    assert_eq!(param(&to_gemini(r#"{"input":"a","encoding_format":"int8"}"#).unwrap_err()), "encoding_format");
    assert_eq!(param(&to_gemini(r#"{"input":"a","dimensions":"x"}"#).unwrap_err()), "dimensions");
    assert_eq!(param(&to_gemini(r#"{"input":"a","input":"b"}"#).unwrap_err()), "input");
}

#[test]
fn a_text_of_gemini_becomes_an_input() {
    let body = r#"{"model":"models/x","content":{"parts":[{"text":"a"},{"text":"b"}]},"taskType":"RETRIEVAL_QUERY","title":"t",
        "outputDimensionality":64}"#;
    let prepared = to_openai(Operation::Embed, body).unwrap();
    assert_eq!(prepared.path, "/embeddings");
    let expected = br#"{"model":"text-embedding-3-small","input":["a\nb"],"dimensions":64,"encoding_format":"float"}"#;
    assert_eq!(value(&prepared.body), value(expected));
    assert_eq!(lost(&prepared.losses), ["taskType dropped", "title dropped", "content.parts approximated"]);
    let openai = br#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1]}],"model":"m","usage":{"prompt_tokens":3,"total_tokens":3}}"#;
    let asked = asked(Operation::Embed, Dialect::Gemini, b"{}");
    let given = answer(&asked, CHAT, &prepared.state, JSON, openai, &context()).unwrap();
    assert_eq!(value(&given.body), value(br#"{"embedding":{"values":[0.1]},"usageMetadata":{"promptTokenCount":3}}"#));
    assert_eq!(given.usage.unwrap().uncached, 3);
}

#[test]
fn a_batch_of_gemini_keeps_its_order() {
    let body = r#"{"requests":[{"model":"models/x","content":{"parts":[{"text":"a"}]},"output_dimensionality":8},
        {"model":"models/x","content":{"parts":[{"text":"b"}]},"outputDimensionality":8}]}"#;
    let prepared = to_openai(Operation::EmbedBatch, body).unwrap();
    assert_eq!(value(&prepared.body)["input"], value(br#"["a","b"]"#));
    let openai = br#"{"data":[{"index":1,"embedding":[2]},{"index":0,"embedding":[1]}]}"#;
    let asked = asked(Operation::EmbedBatch, Dialect::Gemini, b"{}");
    let given = answer(&asked, CHAT, &prepared.state, JSON, openai, &context()).unwrap();
    assert_eq!(value(&given.body), value(br#"{"embeddings":[{"values":[1]},{"values":[2]}]}"#));
    let two = body.replace("\"outputDimensionality\":8", "\"outputDimensionality\":9");
    assert_eq!(param(&to_openai(Operation::EmbedBatch, &two).unwrap_err()), "requests[].outputDimensionality");
    assert_eq!(param(&to_openai(Operation::EmbedBatch, "{}").unwrap_err()), "requests");
    let image = r#"{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"aGk="}}]}}"#;
    assert_eq!(param(&to_openai(Operation::Embed, image).unwrap_err()), "content.parts");
    assert_eq!(param(&to_openai(Operation::Embed, "{}").unwrap_err()), "content");
}

#[test]
fn answers_that_do_not_fit_are_the_providers_fault() {
    let asked_ = asked(Operation::Embed, CHAT, b"{}");
    let state = State(Kept::Vectors { base64: true, texts: 1, tokens: 3 });
    for body in [
        &b"<html>"[..],
        b"{}",
        br#"{"embeddings":[{"values":[1]},{"values":[2]}]}"#,
        br#"{"embeddings":[{"values":["x"]}]}"#,
    ] {
        let error = answer(&asked_, Dialect::Gemini, &state, JSON, body, &context()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::BadGateway);
    }
    let packed = br#"{"data":[{"index":0,"embedding":"AAAAPw=="}]}"#;
    let asked_ = asked(Operation::Embed, Dialect::Gemini, b"{}");
    assert!(answer(&asked_, CHAT, &State(Kept::Embeddings), JSON, packed, &context()).is_err());
}
