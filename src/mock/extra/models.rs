//! Vectors, pictures, speech and legacy completions.

use super::forms::Form;
use super::{Answer, Request};
use crate::mock::clock::epoch_seconds;
use crate::mock::refusal::Refusal;
use crate::mock::tokens::count;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// Length of a vector when nobody asks for another.
const DIMENSIONS: u64 = 8;
/// Longest vector.
const DIMENSIONS_MAX: u64 = 4_096;
/// A PNG of one pixel.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

type Outcome = Result<Answer, Refusal>;

fn missing(name: &str) -> Refusal {
    Refusal::invalid(format!("Missing required parameter: '{name}'.")).param(name).code("missing_required_parameter")
}

fn known(json: &Value, names: &[&str]) -> Result<(), Refusal> {
    let strange = json.as_object().into_iter().flatten().find(|(name, _)| !names.contains(&name.as_str()));
    strange.map_or(Ok(()), |(name, _)| {
        Err(Refusal::invalid(format!("Unknown parameter: '{name}'.")).param(name.as_str()).code("unknown_parameter"))
    })
}

fn text<'v>(json: &'v Value, name: &str) -> Result<&'v str, Refusal> {
    json[name].as_str().filter(|text| !text.is_empty()).ok_or_else(|| missing(name))
}

/// Numbers between -1 and 1 that depend on the text alone.
fn vector(text: &str, dimensions: u64) -> Vec<f32> {
    let numbers = (0..dimensions).map(|n| {
        let digest = Sha256::digest(format!("{n}:{text}").as_bytes());
        let [first, second] = [0, 1].map(|at: usize| digest.get(at).copied().unwrap_or_default());
        f32::from(i16::from_le_bytes([first, second])) / 32_768.0
    });
    numbers.collect()
}

fn dimensions(value: &Value) -> Result<u64, Refusal> {
    match value.as_u64() {
        _ if value.is_null() => Ok(DIMENSIONS),
        Some(wanted) if (1..=DIMENSIONS_MAX).contains(&wanted) => Ok(wanted),
        _ => Err(Refusal::invalid(format!("Invalid value for 'dimensions' = {value}.")).param("dimensions")),
    }
}

pub(super) fn embeddings(json: &Value) -> Outcome {
    known(json, &["model", "input", "encoding_format", "dimensions", "user"])?;
    let model = text(json, "model")?;
    let inputs: Vec<String> = match &json["input"] {
        Value::String(text) if !text.is_empty() => vec![text.clone()],
        Value::Array(items) if items.first().is_some_and(Value::is_u64) => vec![json["input"].to_string()],
        Value::Array(items) if !items.is_empty() => {
            items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect()
        }
        _ => return Err(Refusal::invalid("'$.input' is invalid. Please check the API reference.")),
    };
    let base64 = match json["encoding_format"].as_str() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => return Err(Refusal::invalid("Invalid value for 'encoding_format'.").param("encoding_format")),
    };
    let length = dimensions(&json["dimensions"])?;
    let data = inputs.iter().enumerate().map(|(index, input)| {
        let numbers = vector(input, length);
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let embedding = if base64 { json!(STANDARD.encode(bytes)) } else { json!(numbers) };
        json!({"object": "embedding", "index": index, "embedding": embedding})
    });
    let tokens: u64 = inputs.iter().map(|input| count(input)).sum();
    Ok(Answer::json(&json!({
        "object": "list", "data": data.collect::<Vec<_>>(), "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    })))
}

fn content_vector(json: &Value) -> Result<Value, Refusal> {
    let names = ["model", "content", "taskType", "title", "outputDimensionality", "embedContentConfig"];
    let strange = json.as_object().into_iter().flatten().find(|(name, _)| !names.contains(&name.as_str()));
    if let Some((name, _)) = strange {
        let message = format!("Invalid JSON payload received. Unknown name \"{name}\": Cannot find field.");
        return Err(Refusal::invalid(message));
    }
    let parts = json["content"]["parts"].as_array().filter(|parts| !parts.is_empty());
    let parts = parts.ok_or_else(|| Refusal::invalid("* EmbedContentRequest.content: content is required"))?;
    let text: String = parts.iter().filter_map(|part| part["text"].as_str()).collect();
    Ok(json!({"values": vector(&text, dimensions(&json["outputDimensionality"])?)}))
}

pub(super) fn embed_content(json: &Value) -> Outcome {
    Ok(Answer::json(&json!({"embedding": content_vector(json)?})))
}

pub(super) fn batch_embed_contents(json: &Value, model: &str) -> Outcome {
    let requests = json["requests"].as_array().filter(|requests| !requests.is_empty());
    let requests = requests.ok_or_else(|| Refusal::invalid("* BatchEmbedContentsRequest.requests: is required"))?;
    let embeddings = requests.iter().map(|request| {
        if request["model"].as_str().and_then(|name| name.strip_prefix("models/")) != Some(model) {
            return Err(Refusal::invalid("* BatchEmbedContentsRequest.requests[0].model: model must match the URL"));
        }
        content_vector(request)
    });
    Ok(Answer::json(&json!({"embeddings": embeddings.collect::<Result<Vec<_>, _>>()?})))
}

pub(super) fn completions(request: &Request<'_>, json: &Value) -> Outcome {
    const KNOWN: [&str; 18] = [
        "model",
        "prompt",
        "best_of",
        "echo",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "max_tokens",
        "n",
        "presence_penalty",
        "seed",
        "stop",
        "stream",
        "stream_options",
        "suffix",
        "temperature",
        "top_p",
        "user",
    ];
    known(json, &KNOWN)?;
    let (model, prompt) = (text(json, "model")?, text(json, "prompt")?);
    let said = format!("You said: {prompt}");
    let id = format!("cmpl-{}", request.seal.letters("completion", request.number, 0, 29));
    let chunk = |text: &str, finish: Value| {
        json!({
            "id": id, "object": "text_completion", "created": epoch_seconds(), "model": model,
            "choices": [{"text": text, "index": 0, "logprobs": null, "finish_reason": finish}],
        })
    };
    let (input, output) = (count(prompt), count(&said));
    let usage = json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output});
    if json["stream"] != true {
        let mut whole = chunk(&said, json!("stop"));
        whole["usage"] = usage;
        return Ok(Answer::json(&whole));
    }
    let mut events = String::new();
    let words = said.split_inclusive(' ').map(|word| chunk(word, Value::Null));
    let mut last = chunk("", json!("stop"));
    if json["stream_options"]["include_usage"] == true {
        last["usage"] = usage;
    }
    for event in words.chain([last]) {
        let _ = write!(events, "data: {event}\n\n");
    }
    events.push_str("data: [DONE]\n\n");
    Ok(Answer::of("text/event-stream; charset=utf-8", events))
}

pub(super) fn pictures(json: &Value) -> Outcome {
    const KNOWN: [&str; 14] = [
        "model",
        "prompt",
        "background",
        "moderation",
        "n",
        "output_compression",
        "output_format",
        "partial_images",
        "quality",
        "response_format",
        "size",
        "stream",
        "style",
        "user",
    ];
    known(json, &KNOWN)?;
    text(json, "prompt")?;
    let wanted = json["n"].as_u64().unwrap_or(1).clamp(1, 10);
    Ok(picture_list(wanted, json["response_format"] == "url"))
}

fn picture_list(wanted: u64, url: bool) -> Answer {
    let one = if url { json!({"url": "https://pictures.example/1.png"}) } else { json!({"b64_json": PNG}) };
    let data = vec![one; usize::try_from(wanted).unwrap_or(1)];
    let details = json!({"text_tokens": 5, "image_tokens": 0});
    Answer::json(&json!({
        "created": epoch_seconds(), "data": data,
        "usage": {"input_tokens": 5, "output_tokens": 272, "total_tokens": 277, "input_tokens_details": details},
    }))
}

pub(super) fn picture_edits(form: &Form) -> Outcome {
    const KNOWN: [&str; 12] = [
        "model",
        "prompt",
        "image",
        "mask",
        "background",
        "input_fidelity",
        "n",
        "output_format",
        "quality",
        "response_format",
        "size",
        "user",
    ];
    form.only(&KNOWN)?;
    form.file("image").filter(|image| !image.body.is_empty()).ok_or_else(|| missing("image"))?;
    form.text("prompt").ok_or_else(|| missing("prompt"))?;
    Ok(picture_list(form.text("n").and_then(|n| n.parse().ok()).unwrap_or(1), false))
}

pub(super) fn transcriptions(form: &Form) -> Outcome {
    const KNOWN: [&str; 11] = [
        "model",
        "file",
        "chunking_strategy",
        "include",
        "language",
        "prompt",
        "response_format",
        "stream",
        "temperature",
        "timestamp_granularities",
        "known_speaker_names",
    ];
    form.only(&KNOWN)?;
    form.text("model").ok_or_else(|| missing("model"))?;
    let file = form.file("file").filter(|file| !file.body.is_empty()).ok_or_else(|| missing("file"))?;
    let said = format!("I heard {} bytes.", file.body.len());
    if form.text("stream").as_deref() == Some("true") {
        let delta = json!({"type": "transcript.text.delta", "delta": said});
        let done = json!({"type": "transcript.text.done", "text": said});
        return Ok(Answer::of("text/event-stream; charset=utf-8", format!("data: {delta}\n\ndata: {done}\n\n")));
    }
    match form.text("response_format").as_deref() {
        None | Some("json") => {
            let usage = json!({"type": "tokens", "input_tokens": 14, "output_tokens": 4, "total_tokens": 18});
            Ok(Answer::json(&json!({"text": said, "usage": usage})))
        }
        Some("text") => Ok(Answer::of("text/plain; charset=utf-8", said + "\n")),
        Some(other) => Err(Refusal::invalid(format!("response_format '{other}' is not compatible with model"))),
    }
}

pub(super) fn speech(json: &Value) -> Outcome {
    known(json, &["model", "input", "voice", "instructions", "response_format", "speed", "stream_format"])?;
    let (_, input, _) = (text(json, "model")?, text(json, "input")?, text(json, "voice")?);
    let kind = match json["response_format"].as_str().unwrap_or("mp3") {
        "mp3" => "audio/mpeg",
        "opus" => "audio/opus",
        "aac" => "audio/aac",
        "flac" => "audio/flac",
        "wav" => "audio/wav",
        "pcm" => "audio/pcm",
        other => return Err(Refusal::invalid(format!("Invalid value: '{other}'.")).param("response_format")),
    };
    let sound: Vec<u8> = vector(input, 64).iter().flat_map(|number| number.to_le_bytes()).collect();
    Ok(Answer::of(kind, [b"ID3\x04\xff\xfb".as_slice(), &sound].concat()))
}

pub(super) fn moderations(json: &Value) -> Outcome {
    known(json, &["model", "input"])?;
    if json["input"].is_null() {
        return Err(missing("input"));
    }
    let result = json!({"flagged": false, "categories": {}, "category_scores": {}, "category_applied_input_types": {}});
    let model = json["model"].as_str().unwrap_or("omni-moderation-latest");
    Ok(Answer::json(&json!({"id": "modr-1", "model": model, "results": [result]})))
}

pub(super) fn compact(request: &Request<'_>, json: &Value) -> Outcome {
    text(json, "model")?;
    let id = format!("resp_{}", request.seal.hex("response", request.number, 1, 48));
    let item = json!({"type": "compaction", "id": format!("cmp_{}", request.number), "encrypted_content": "c2VhbGVk"});
    Ok(Answer::json(&json!({
        "id": id, "object": "response.compaction", "created_at": epoch_seconds(), "output": [item],
        "usage": {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12},
    })))
}

/// What a Gemini model that draws or speaks answers, if it is asked to.
pub(crate) fn gemini_media(json: &Value, model: &str) -> Option<Value> {
    let wanted = json["generationConfig"]["responseModalities"].as_array()?;
    let has = |name: &str| wanted.iter().any(|modality| modality == name);
    let inline = match () {
        () if has("AUDIO") => {
            let sound: Vec<u8> = vector("speech", 64).iter().flat_map(|number| number.to_le_bytes()).collect();
            json!({"mimeType": "audio/L16;codec=pcm;rate=24000", "data": STANDARD.encode(sound)})
        }
        () if has("IMAGE") => json!({"mimeType": "image/png", "data": PNG}),
        () => return None,
    };
    Some(json!({
        "candidates": [{
            "content": {"role": "model", "parts": [{"inlineData": inline}]}, "finishReason": "STOP", "index": 0,
        }],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 200, "totalTokenCount": 205},
        "modelVersion": model, "responseId": "media",
    }))
}
