//! Text to speech: OpenAI's `/v1/audio/speech` towards Gemini's speech models.
//!
//! These give samples of 16 bits, the low byte first (under the name `audio/L16`, which elsewhere means the high byte
//! first), at 24 kHz: what OpenAI calls `pcm`. A WAV file is a header more; to compress them takes an encoder that the
//! gateway does not have.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::members::Members;
use super::{Answered, Asked, JSON, Kept, MODEL, Prepared, State, generated, voices, wav};
use crate::dialects::{DecodeError, EncodeError, Target};
use crate::ir::LossKind::{Approximated, Dropped};
use crate::ir::{ApiError, ErrorKind, Losses};
use crate::json::Writer;
use crate::request::PrepareError;

/// Samples a second where the provider does not say, and of OpenAI's `pcm`.
const RATE: u32 = 24_000;

/// The question in Gemini's words.
pub(super) fn prepare(asked: &Asked<'_>, _target: &Target) -> Result<Prepared, PrepareError> {
    let mut members = Members::of_json(asked.client, asked.body)?;
    let mut losses = Losses::default();
    members.skip("model");
    let input = members.needed("input")?;
    let voice = members.needed("voice").map_err(|_| {
        DecodeError::at(
            "voice",
            "`voice` must be the name of a voice, e.g. alloy or Kore; voices of your own do not travel",
        )
    })?;
    let google = voices::of_openai(&voice);
    if google.is_some() {
        losses.add("voice", Approximated);
    }
    let instructions = members.text("instructions")?.filter(|text| !text.trim().is_empty());
    if instructions.is_some() {
        losses.add("instructions", Approximated);
    }
    let wav = is_wav(members.text("response_format")?.as_deref(), &mut losses)?;
    if members.text("stream_format")?.is_some_and(|format| format != "audio") {
        let message = "this model gives no speech as events; leave `stream_format` out";
        return Err(EncodeError::at("stream_format", message).into());
    }
    if members.number("speed")?.is_some_and(|speed| (speed.as_f64() - 1.0).abs() > f64::EPSILON) {
        losses.add("speed", Dropped);
    }
    members.left(&mut losses);
    // The model takes directions before a colon, and reads out what follows.
    let text = instructions
        .map_or_else(|| input.to_string(), |how| format!("{}:\n{input}", how.trim_end_matches([':', '.', ' '])));
    let mut body = Vec::with_capacity(text.len() + 256);
    Writer::new(&mut body).object(|w| {
        w.key("contents").array(|w| {
            w.object(|w| {
                w.key("role").str("user");
                w.key("parts").array(|w| w.object(|w| w.key("text").str(&text)));
            });
        });
        w.key("generationConfig").object(|w| {
            w.key("responseModalities").array(|w| w.str("AUDIO"));
            w.key("speechConfig").object(|w| {
                w.key("voiceConfig").object(|w| {
                    w.key("prebuiltVoiceConfig").object(|w| w.key("voiceName").str(google.unwrap_or(&voice)));
                });
            });
        });
    });
    Ok(Prepared {
        path: format!("/models/{MODEL}:generateContent"),
        content_type: JSON.to_owned(),
        body,
        losses,
        state: State(Kept::Speech { wav }),
    })
}

/// Whether a WAV file is given, or bare samples. A client that names no format expects MP3, and its player reads WAV too.
fn is_wav(format: Option<&str>, losses: &mut Losses) -> Result<bool, PrepareError> {
    match format {
        Some("wav") => Ok(true),
        Some("pcm") => Ok(false),
        None => {
            losses.add("response_format", Approximated);
            Ok(true)
        }
        Some(other @ ("mp3" | "opus" | "aac" | "flac")) => {
            let message =
                format!("this model gives uncompressed sound, and the gateway makes no {other}; ask for wav or pcm");
            Err(EncodeError::at("response_format", message).into())
        }
        Some(other) => {
            let message = format!("`response_format` is {other:?}; send wav or pcm");
            Err(DecodeError::at("response_format", message).into())
        }
    }
}

/// The sound in the form that the client wants.
pub(super) fn answer(wav: bool, body: &[u8]) -> Result<Answered, ApiError> {
    let generated = generated::read(body)?;
    let pieces: Vec<_> = generated.media.iter().filter(|piece| piece.mime.starts_with("audio/")).collect();
    let Some(first) = pieces.first() else { return Err(generated.nothing("speech")) };
    let Some((rate, channels)) = samples_of(&first.mime) else {
        let message = format!("the provider gave sound of the type {:?}, and not samples", first.mime);
        return Err(ApiError::new(ErrorKind::BadGateway, message));
    };
    let bad = |_| ApiError::new(ErrorKind::BadGateway, "the provider's sound is not base64");
    let mut samples = Vec::with_capacity(first.data.len() / 4 * 3);
    for piece in &pieces {
        STANDARD.decode_vec(&piece.data, &mut samples).map_err(bad)?;
    }
    let mut losses = Losses::default();
    let (content_type, sound) = if wav {
        let too_long =
            || ApiError::new(ErrorKind::BadGateway, "the speech is longer than a WAV file can be; send less text");
        ("audio/wav", wav::file(&samples, rate, channels).ok_or_else(too_long)?)
    } else {
        if (rate, channels) != (RATE, 1) {
            losses.add("response_format", Approximated);
        }
        ("audio/pcm", samples)
    };
    Ok(Answered { content_type: content_type.to_owned(), body: sound, usage: generated.usage, losses })
}

/// Rate and channels of a type such as `audio/L16;codec=pcm;rate=24000`; `None` when it is not one of bare samples.
fn samples_of(mime: &str) -> Option<(u32, u16)> {
    let mut words = mime.split(';').map(str::trim);
    let kind = words.next()?.to_ascii_lowercase();
    if !matches!(kind.as_str(), "audio/l16" | "audio/pcm" | "audio/raw") {
        return None;
    }
    let (mut rate, mut channels) = (RATE, 1);
    for (name, value) in words.filter_map(|word| word.split_once('=')) {
        match name.trim() {
            "rate" => rate = value.trim().parse().ok()?,
            "channels" => channels = value.trim().parse().ok()?,
            _ => {}
        }
    }
    Some((rate, channels))
}
