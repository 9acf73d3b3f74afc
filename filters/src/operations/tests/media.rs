use super::*;
use crate::ir::ErrorKind;

const CHAT: Dialect = Dialect::OpenAiChat;
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

fn gemini(operation: Operation, body: &[u8], model: &str) -> Result<Prepared, PrepareError> {
    prepare(&asked(operation, CHAT, body), Dialect::Gemini, &target(model))
}

fn draw(body: &str) -> Result<Prepared, PrepareError> {
    gemini(Operation::GenerateImage, body.as_bytes(), "gemini-3-pro-image-preview")
}

fn given(operation: Operation, state: &State, body: &str) -> Result<Answered, ApiError> {
    answer(&asked(operation, CHAT, b"{}"), Dialect::Gemini, state, JSON, body.as_bytes(), &context())
}

#[test]
fn a_picture_is_asked_for_in_form_and_size() {
    let body = r#"{"model":"gpt-image-1","prompt":"a fox","n":2,"size":"1792x1024","quality":"hd","style":"vivid","user":"u",
        "response_format":"b64_json","background":"transparent"}"#;
    let prepared = draw(body).unwrap();
    assert_eq!(prepared.path, "/models/{model}:generateContent");
    let expected = r#"{"contents":[{"role":"user","parts":[{"text":"a fox"}]}],"generationConfig":{"responseModalities":
        ["TEXT","IMAGE"],"candidateCount":2,"imageConfig":{"aspectRatio":"16:9","imageSize":"4K"}}}"#;
    assert_eq!(value(&prepared.body), value(expected.as_bytes()));
    assert_eq!(lost(&prepared.losses), ["style dropped", "user dropped", "background dropped"]);
    let plain = draw(r#"{"prompt":"a fox","size":"auto","quality":"auto","n":null}"#).unwrap();
    assert_eq!(value(&plain.body)["generationConfig"], value(br#"{"responseModalities":["TEXT","IMAGE"]}"#));
    assert!(plain.losses.is_empty());
    for (quality, size) in [("medium", "2K"), ("standard", "1K"), ("low", "1K"), ("high", "4K")] {
        let sent = value(&draw(&format!(r#"{{"prompt":"a","quality":"{quality}"}}"#)).unwrap().body);
        assert_eq!(sent["generationConfig"]["imageConfig"]["imageSize"], size);
    }
}

#[test]
fn a_family_of_one_size_and_an_odd_form_are_told() {
    let body = br#"{"prompt":"a fox","size":"2000x1000","quality":"high"}"#;
    let prepared = gemini(Operation::GenerateImage, body, "models/gemini-2.5-flash-image").unwrap();
    let config = &value(&prepared.body)["generationConfig"]["imageConfig"];
    assert_eq!(config, &value(br#"{"aspectRatio":"16:9"}"#));
    assert_eq!(lost(&prepared.losses), ["size approximated", "quality dropped"]);
}

#[test]
fn pictures_that_cannot_be_had_are_refused_by_name() {
    for (body, member, foreign) in [
        (r#"{"n":1}"#, "prompt", false),
        (r#"{"prompt":" "}"#, "prompt", false),
        (r#"{"prompt":"a","n":11}"#, "n", false),
        (r#"{"prompt":"a","n":0}"#, "n", false),
        (r#"{"prompt":"a","size":"big"}"#, "size", false),
        (r#"{"prompt":"a","quality":"best"}"#, "quality", false),
        (r#"{"prompt":"a","response_format":"url"}"#, "response_format", true),
        (r#"{"prompt":"a","stream":true}"#, "stream", true),
    ] {
        let error = draw(body).unwrap_err();
        assert_eq!((param(&error), matches!(error, PrepareError::Encode(_))), (member, foreign), "{body}");
    }
}

#[test]
fn an_edit_sends_its_pictures_and_says_what_a_mask_is() {
    let body = form(&[
        ("model", b"gpt-image-1"),
        ("\"image[]\"; filename=\"a.png\"\r\nContent-Type: image/webp", b"RIFF"),
        ("\"image[]\"; filename=\"b.png\"", PNG),
        ("mask; filename=m.png", PNG),
        ("prompt", b"make it blue"),
        ("size", b"1024x1536"),
        ("n", b"1"),
        ("input_fidelity", b"high"),
    ]);
    let prepared = gemini(Operation::EditImage, &body, "gemini-3-pro-image-preview").unwrap();
    let sent = value(&prepared.body);
    let parts = sent["contents"][0]["parts"].as_array().unwrap();
    assert_eq!(parts.len(), 5);
    assert_eq!(parts[0], value(br#"{"inlineData":{"mimeType":"image/webp","data":"UklGRg=="}}"#));
    assert_eq!(parts[1]["inlineData"]["mimeType"], "image/png");
    assert_eq!(parts[3]["text"], "make it blue");
    assert!(parts[4]["text"].as_str().unwrap().contains("mask"));
    assert_eq!(sent["generationConfig"]["imageConfig"]["aspectRatio"], "2:3");
    assert_eq!(lost(&prepared.losses), ["mask approximated", "input_fidelity dropped"]);
    let error = gemini(Operation::EditImage, &form(&[("prompt", b"a")]), "g").unwrap_err();
    assert_eq!(param(&error), "image");
    let text = form(&[("prompt", b"a"), ("image; filename=a.txt", b"hello")]);
    assert_eq!(param(&gemini(Operation::EditImage, &text, "g").unwrap_err()), "image");
    assert!(gemini(Operation::EditImage, b"{}", "g").unwrap_err().to_string().contains("multipart/form-data"));
}

#[test]
fn drawn_pictures_come_back_with_their_tokens() {
    let body = r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Here it is."},{"inlineData":{"mimeType":"image/png",
        "data":"iVBORw0KGgo="}}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":300,"candidatesTokenCount":
        1290,"totalTokenCount":1590,"promptTokensDetails":[{"modality":"TEXT","tokenCount":42},{"modality":"IMAGE","tokenCount":258}]}}"#;
    let answered = given(Operation::GenerateImage, &State(Kept::Images { wanted: 2 }), body).unwrap();
    let expected = r#"{"created":1700000000,"data":[{"b64_json":"iVBORw0KGgo="}],"output_format":"png","usage":{"input_tokens":300,
        "input_tokens_details":{"image_tokens":258,"text_tokens":42},"output_tokens":1290,"total_tokens":1590}}"#;
    assert_eq!(value(&answered.body), value(expected.as_bytes()));
    assert_eq!(lost(&answered.losses), ["n clamped", "candidates[].content.parts[].text dropped"]);
    assert_eq!(answered.usage.unwrap().output, 1290);
}

#[test]
fn an_answer_without_a_picture_says_why() {
    let state = State(Kept::Images { wanted: 1 });
    let words = r#"{"candidates":[{"content":{"parts":[{"text":"I only talk."}]},"finishReason":"STOP"}]}"#;
    let error = given(Operation::GenerateImage, &state, words).unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidRequest);
    assert!(error.message.contains("I only talk."));
    let blocked = r#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}}"#;
    let error = given(Operation::GenerateImage, &state, blocked).unwrap_err();
    assert_eq!(error.code.as_deref(), Some("content_policy_violation"));
    for body in ["<html>", r#"{"candidates":[{"content":{"parts":[]},"finishReason":"STOP"}]}"#] {
        assert_eq!(given(Operation::GenerateImage, &state, body).unwrap_err().kind, ErrorKind::BadGateway, "{body}");
    }
}

fn hear(parts: &[(&str, &[u8])]) -> Result<Prepared, PrepareError> {
    let mut all = vec![("model", &b"whisper-1"[..]), ("file; filename=\"a.WAV\"", b"RIFF")];
    all.extend_from_slice(parts);
    gemini(Operation::Transcribe, &form(&all), "gemini-2.5-flash")
}

#[test]
fn a_recording_is_sent_with_what_is_to_be_done() {
    let prepared =
        hear(&[("language", b"de"), ("prompt", b"Interlingua"), ("temperature", b"0"), ("include[]", b"logprobs")])
            .unwrap();
    let sent = value(&prepared.body);
    let parts = &sent["contents"][0]["parts"];
    let text = parts[0]["text"].as_str().unwrap();
    assert!(text.contains("word for word") && text.contains(" de ") && text.ends_with("\nInterlingua"), "{text}");
    assert_eq!(parts[1], value(br#"{"inlineData":{"mimeType":"audio/wav","data":"UklGRg=="}}"#));
    assert_eq!(sent["generationConfig"], value(br#"{"temperature":0}"#));
    assert_eq!(lost(&prepared.losses), ["prompt approximated", "include[] dropped"]);
    assert_eq!(prepared.state, State(Kept::Transcript { plain: false }));
}

#[test]
fn recordings_and_forms_that_cannot_be_had_are_refused_by_name() {
    for format in ["verbose_json", "srt", "vtt", "diarized_json"] {
        let error = hear(&[("response_format", format.as_bytes())]).unwrap_err();
        assert_eq!(param(&error), "response_format");
        assert!(error.to_string().contains("json or text"));
    }
    assert_eq!(param(&hear(&[("stream", b"true")]).unwrap_err()), "stream");
    assert_eq!(param(&hear(&[("temperature", b"warm")]).unwrap_err()), "temperature");
    assert_eq!(param(&hear(&[("file", b"2")]).unwrap_err()), "file");
    assert_eq!(param(&hear(&[("prompt", b"\xff")]).unwrap_err()), "prompt");
    let nameless = form(&[("file", b"RIFF")]);
    assert_eq!(param(&gemini(Operation::Transcribe, &nameless, "g").unwrap_err()), "file");
    assert!(gemini(Operation::Transcribe, b"{}", "g").is_err());
}

#[test]
fn a_transcript_comes_as_json_or_text() {
    let body = r#"{"candidates":[{"content":{"parts":[{"text":"Guten Tag.\n"}]},"finishReason":"STOP"}],"usageMetadata":
        {"promptTokenCount":90,"candidatesTokenCount":5,"totalTokenCount":95}}"#;
    let json = given(Operation::Transcribe, &State(Kept::Transcript { plain: false }), body).unwrap();
    let expected =
        r#"{"text":"Guten Tag.","usage":{"type":"tokens","input_tokens":90,"output_tokens":5,"total_tokens":95}}"#;
    assert_eq!(String::from_utf8(json.body).unwrap(), expected);
    let text = given(Operation::Transcribe, &State(Kept::Transcript { plain: true }), body).unwrap();
    assert_eq!((text.body.as_slice(), text.content_type.as_str()), (&b"Guten Tag.\n"[..], "text/plain; charset=utf-8"));
    assert_eq!(text.usage.unwrap().uncached, 90);
}

fn say(body: &str) -> Result<Prepared, PrepareError> {
    gemini(Operation::Speak, body.as_bytes(), "gemini-2.5-flash-preview-tts")
}

#[test]
fn a_text_is_spoken_by_a_voice_that_sounds_alike() {
    let body = r#"{"model":"tts-1","input":"Hello.","voice":"Nova","response_format":"pcm","instructions":"Speak softly.","speed":1.0}"#;
    let prepared = say(body).unwrap();
    let expected = r#"{"contents":[{"role":"user","parts":[{"text":"Speak softly:\nHello."}]}],"generationConfig":{"responseModalities":
        ["AUDIO"],"speechConfig":{"voiceConfig":{"prebuiltVoiceConfig":{"voiceName":"Zephyr"}}}}}"#;
    assert_eq!(value(&prepared.body), value(expected.as_bytes()));
    assert_eq!(lost(&prepared.losses), ["voice approximated", "instructions approximated"]);
    assert_eq!(prepared.state, State(Kept::Speech { wav: false }));
    let own = say(r#"{"input":"Hello.","voice":"Puck","speed":1.5}"#).unwrap();
    let voice =
        &value(&own.body)["generationConfig"]["speechConfig"]["voiceConfig"]["prebuiltVoiceConfig"]["voiceName"];
    assert_eq!(voice, "Puck");
    // No format named: MP3 at OpenAI, a WAV file here, and said so.
    assert_eq!(lost(&own.losses), ["response_format approximated", "speed dropped"]);
    assert_eq!(own.state, State(Kept::Speech { wav: true }));
}

#[test]
fn speech_that_cannot_be_had_is_refused_by_name() {
    for (body, member) in [
        (r#"{"voice":"alloy"}"#, "input"),
        (r#"{"input":"a"}"#, "voice"),
        (r#"{"input":"a","voice":{"id":"voice_1"}}"#, "voice"),
        (r#"{"input":"a","voice":"alloy","response_format":"mp3"}"#, "response_format"),
        (r#"{"input":"a","voice":"alloy","response_format":"midi"}"#, "response_format"),
        (r#"{"input":"a","voice":"alloy","stream_format":"sse"}"#, "stream_format"),
        (r#"{"input":"a","voice":"alloy","speed":"fast"}"#, "speed"),
    ] {
        assert_eq!(param(&say(body).unwrap_err()), member, "{body}");
    }
}

#[test]
fn samples_come_as_they_are_or_as_a_wav_file() {
    let body = r#"{"candidates":[{"content":{"parts":[{"inlineData":{"mimeType":"audio/L16;codec=pcm;rate=16000","data":"AQIDBA=="}}]},
        "finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":40,"totalTokenCount":43}}"#;
    let pcm = given(Operation::Speak, &State(Kept::Speech { wav: false }), body).unwrap();
    assert_eq!((pcm.body.as_slice(), pcm.content_type.as_str()), (&[1, 2, 3, 4][..], "audio/pcm"));
    assert_eq!(lost(&pcm.losses), ["response_format approximated"]);
    let wav = given(Operation::Speak, &State(Kept::Speech { wav: true }), body).unwrap();
    assert_eq!((wav.body.len(), wav.content_type.as_str()), (48, "audio/wav"));
    assert_eq!(&wav.body[24..28], &16_000_u32.to_le_bytes());
    assert_eq!(wav.usage.unwrap().output, 40);
    assert!(wav.losses.is_empty());
    for (bad, kind) in [
        (body.replace("L16", "mpeg"), ErrorKind::BadGateway),
        (body.replace("AQIDBA==", "***"), ErrorKind::BadGateway),
        (
            r#"{"candidates":[{"content":{"parts":[{"text":"Hello."}]},"finishReason":"STOP"}]}"#.to_owned(),
            ErrorKind::InvalidRequest,
        ),
    ] {
        assert_eq!(given(Operation::Speak, &State(Kept::Speech { wav: true }), &bad).unwrap_err().kind, kind);
    }
}
