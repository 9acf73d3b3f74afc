//! Speech to text: OpenAI's `/v1/audio/transcriptions` towards Gemini models, which hear a recording in a message.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::members::Members;
use super::{Answered, Asked, JSON, Kept, MODEL, Prepared, State, generated};
use crate::dialects::{DecodeError, EncodeError, Target};
use crate::ir::LossKind::Approximated;
use crate::ir::{ApiError, Losses};
use crate::json::Writer;
use crate::multipart::Part;
use crate::request::PrepareError;

/// What the model is to do.
const INSTRUCTION: &str = "Write down what is said in this recording, word for word, in the language in which it is said. \
                           Answer with the words alone.";

/// Types by the ends of file names: what OpenAI takes, in Google's words (ai.google.dev, "Audio understanding").
const TYPES: [(&str, &str); 12] = [
    ("wav", "audio/wav"),
    ("mp3", "audio/mp3"),
    ("mpga", "audio/mp3"),
    ("mpeg", "audio/mp3"),
    ("m4a", "audio/m4a"),
    ("mp4", "audio/mp4"),
    ("webm", "audio/webm"),
    ("ogg", "audio/ogg"),
    ("oga", "audio/ogg"),
    ("flac", "audio/flac"),
    ("aac", "audio/aac"),
    ("aiff", "audio/aiff"),
];

/// The question in Gemini's words.
pub(super) fn prepare(asked: &Asked<'_>, _target: &Target) -> Result<Prepared, PrepareError> {
    let mut members = Members::of_form(asked)?;
    let mut losses = Losses::default();
    members.skip("model");
    let files = members.files("file");
    let [file] = files.as_slice() else {
        return Err(DecodeError::at("file", "send one recording as `file`").into());
    };
    let mime = mime(file)?;
    let plain = is_plain(members.text("response_format")?.as_deref())?;
    if members.flag("stream")? == Some(true) {
        let message = "this model gives no transcript piece by piece; leave `stream` out";
        return Err(EncodeError::at("stream", message).into());
    }
    let mut instruction = INSTRUCTION.to_owned();
    if let Some(language) = members.text("language")?.filter(|language| !language.trim().is_empty()) {
        instruction.push_str(" The language has the code ");
        instruction.push_str(language.trim());
        instruction.push_str(" (ISO 639).");
    }
    if let Some(prompt) = members.text("prompt")?.filter(|prompt| !prompt.trim().is_empty()) {
        losses.add("prompt", Approximated);
        instruction
            .push_str("\nFor the context and the spelling of names, this is what came before or what it is about:\n");
        instruction.push_str(&prompt);
    }
    let temperature = members.number("temperature")?;
    members.left(&mut losses);
    let mut body = Vec::with_capacity(file.content.len() / 3 * 4 + 512);
    Writer::new(&mut body).object(|w| {
        w.key("contents").array(|w| {
            w.object(|w| {
                w.key("role").str("user");
                w.key("parts").array(|w| {
                    w.object(|w| w.key("text").str(&instruction));
                    super::inline(mime, &STANDARD.encode(file.content), w);
                });
            });
        });
        if let Some(temperature) = &temperature {
            w.key("generationConfig").object(|w| w.key("temperature").num(temperature));
        }
    });
    Ok(Prepared {
        path: format!("/models/{MODEL}:generateContent"),
        content_type: JSON.to_owned(),
        body,
        losses,
        state: State(Kept::Transcript { plain }),
    })
}

fn is_plain(format: Option<&str>) -> Result<bool, PrepareError> {
    match format {
        None | Some("json") => Ok(false),
        Some("text") => Ok(true),
        Some(other @ ("verbose_json" | "srt" | "vtt" | "diarized_json")) => {
            let message = format!("this model tells no times and speakers, which {other} needs; ask for json or text");
            Err(EncodeError::at("response_format", message).into())
        }
        Some(other) => {
            let message = format!("`response_format` is {other:?}; send json or text");
            Err(DecodeError::at("response_format", message).into())
        }
    }
}

/// The type of a recording: as it says, else by the end of its name.
fn mime<'p>(file: &'p Part<'_>) -> Result<&'p str, DecodeError> {
    let said = file.content_type.filter(|kind| kind.starts_with("audio/"));
    let ending = file.file_name.as_deref().and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending);
    let by_name = ending.and_then(|end| TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(end)));
    said.or(by_name.map(|(_, kind)| *kind)).ok_or_else(|| {
        DecodeError::at(
            "file",
            "the type of `file` is not known; give it a name that ends in .wav, .mp3, .ogg or .flac",
        )
    })
}

/// What was said.
pub(super) fn answer(plain: bool, body: &[u8]) -> Result<Answered, ApiError> {
    let generated = generated::read(body)?;
    let text = generated.text.trim();
    if text.is_empty() && generated.refused {
        return Err(generated.nothing("transcript"));
    }
    let (content_type, out) = if plain {
        ("text/plain; charset=utf-8", format!("{text}\n").into_bytes())
    } else {
        let mut out = Vec::with_capacity(text.len() + 128);
        Writer::new(&mut out).object(|w| {
            w.key("text").str(text);
            if let Some(usage) = &generated.usage {
                w.key("usage").object(|w| {
                    w.key("type").str("tokens");
                    w.key("input_tokens").u64(usage.input_total());
                    w.key("output_tokens").u64(usage.output_total());
                    w.key("total_tokens").u64(usage.input_total().saturating_add(usage.output_total()));
                });
            }
        });
        (JSON, out)
    };
    Ok(Answered { content_type: content_type.to_owned(), body: out, usage: generated.usage, losses: Losses::default() })
}
