//! Pictures: OpenAI's `/v1/images/generations` and `/v1/images/edits` towards Gemini's image models, which draw in an
//! ordinary answer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::members::Members;
use super::{Answered, Asked, JSON, Kept, MODEL, Operation, Prepared, State, generated};
use crate::dialects::{DecodeError, EncodeError, Target};
use crate::ir::LossKind::{Approximated, Clamped, Dropped};
use crate::ir::{ApiError, Losses, ReplyContext};
use crate::json::{self, Num, Writer};
use crate::multipart::{self, Part};
use crate::request::PrepareError;

/// Pictures that OpenAI gives at once.
const PICTURES_MAX: u64 = 10;

/// Aspect ratios that Gemini draws (ai.google.dev, `ImageConfig`).
const RATIOS: [(u32, u32); 10] = [(1, 1), (2, 3), (3, 2), (3, 4), (4, 3), (4, 5), (5, 4), (9, 16), (16, 9), (21, 9)];

/// Deviation of a ratio that nobody sees: 1792x1024 counts as 16:9.
const RATIO_TOLERANCE: f64 = 0.02;

/// What a mask means, for a model that only sees pictures.
const MASK: &str = "The last picture is a mask of the first: change the first picture only where the mask is transparent, \
                    and keep everything else as it is.";

/// The form of the wanted picture.
struct Shape {
    ratio: Option<(u32, u32)>,
    size: Option<&'static str>,
}

/// The question in Gemini's words.
pub(super) fn prepare(asked: &Asked<'_>, target: &Target) -> Result<Prepared, PrepareError> {
    let is_form = multipart::is_form(asked.content_type);
    if asked.operation == Operation::EditImage && !is_form {
        return Err(DecodeError::from(multipart::FormError::NotAForm).into());
    }
    let mut members = if is_form { Members::of_form(asked)? } else { Members::of_json(asked.client, asked.body)? };
    let mut losses = Losses::default();
    members.skip("model");
    let prompt = members.needed("prompt")?;
    let wanted = members.count("n", 1, PICTURES_MAX)?.unwrap_or(1);
    let shape = shape(&mut members, target, &mut losses)?;
    refuse(&mut members)?;
    if members.text("output_format")?.is_some_and(|format| format != "png") {
        losses.add("output_format", Dropped);
    }
    let (images, mask) = (members.files("image"), members.files("mask"));
    if asked.operation == Operation::EditImage && images.is_empty() {
        return Err(DecodeError::at("image", "`image` is missing; send the picture that is to be changed").into());
    }
    if !mask.is_empty() {
        losses.add("mask", Approximated);
    }
    members.left(&mut losses);
    let candidates = target.profile.candidates_max.map_or(wanted, |most| wanted.min(most.max(1)));
    if candidates < wanted {
        losses.add("n", Clamped);
    }
    let mut body = Vec::with_capacity(asked.body.len() / 3 * 4 + 512);
    let mut result = Ok(());
    Writer::new(&mut body).object(|w| {
        w.key("contents").array(|w| {
            w.object(|w| {
                w.key("role").str("user");
                w.key("parts").array(|w| {
                    result = images.iter().chain(&mask).try_for_each(|part| picture(part, w));
                    w.object(|w| w.key("text").str(&prompt));
                    if !mask.is_empty() {
                        w.object(|w| w.key("text").str(MASK));
                    }
                });
            });
        });
        w.key("generationConfig").object(|w| config(&shape, candidates, w));
    });
    result?;
    Ok(Prepared {
        path: format!("/models/{MODEL}:generateContent"),
        content_type: JSON.to_owned(),
        body,
        losses,
        state: State(Kept::Images { wanted: candidates }),
    })
}

/// What cannot be had at all.
fn refuse(members: &mut Members<'_>) -> Result<(), PrepareError> {
    if members.text("response_format")?.is_some_and(|format| format != "b64_json") {
        let message =
            "this gateway keeps no files that it could give links to; ask for `response_format: \"b64_json\"`";
        return Err(EncodeError::at("response_format", message).into());
    }
    if members.flag("stream")? == Some(true) {
        let message = "this model gives no pictures piece by piece; leave `stream` out";
        return Err(EncodeError::at("stream", message).into());
    }
    members.skip("partial_images");
    Ok(())
}

fn shape(members: &mut Members<'_>, target: &Target, losses: &mut Losses) -> Result<Shape, DecodeError> {
    let ratio = match members.text("size")?.as_deref() {
        None | Some("auto") => None,
        Some(size) => {
            let wrong = || {
                DecodeError::at("size", format!("`size` is {size:?}; send width x height such as 1024x1024, or auto"))
            };
            let (ratio, exact) = ratio(size).ok_or_else(wrong)?;
            if !exact {
                losses.add("size", Approximated);
            }
            Some(ratio)
        }
    };
    let size = match members.text("quality")?.as_deref() {
        None | Some("auto") => None,
        Some("hd" | "high") => Some("4K"),
        Some("medium") => Some("2K"),
        Some("standard" | "low") => Some("1K"),
        Some(_) => {
            let message = "`quality` must be low, medium, high, standard, hd or auto";
            return Err(DecodeError::at("quality", message));
        }
    };
    if target.profile.image_size != Some(false) {
        return Ok(Shape { ratio, size });
    }
    if size.is_some_and(|size| size != "1K") {
        losses.add("quality", Dropped);
    }
    Ok(Shape { ratio, size: None })
}

/// The supported aspect ratio that is nearest to a size such as `1536x1024`, and whether it is the same to the eye.
fn ratio(size: &str) -> Option<((u32, u32), bool)> {
    let (width, height) = size.split_once(['x', 'X'])?;
    let (width, height): (u32, u32) = (width.trim().parse().ok()?, height.trim().parse().ok()?);
    if width == 0 || height == 0 {
        return None;
    }
    let wanted = f64::from(width) / f64::from(height);
    // Twice as wide is as far off as twice as high.
    let distance = |(w, h): (u32, u32)| (wanted * f64::from(h) / f64::from(w)).ln().abs();
    let nearest = RATIOS.into_iter().min_by(|left, right| distance(*left).total_cmp(&distance(*right)))?;
    Some((nearest, distance(nearest) <= RATIO_TOLERANCE))
}

fn config(shape: &Shape, candidates: u64, w: &mut Writer<'_>) {
    w.key("responseModalities").array(|w| {
        w.str("TEXT");
        w.str("IMAGE");
    });
    if candidates > 1 {
        w.key("candidateCount").u64(candidates);
    }
    if shape.ratio.is_some() || shape.size.is_some() {
        w.key("imageConfig").object(|w| {
            if let Some((width, height)) = shape.ratio {
                w.key("aspectRatio").fmt(format_args!("{width}:{height}"));
            }
            w.opt_str("imageSize", shape.size);
        });
    }
}

fn picture(part: &Part<'_>, w: &mut Writer<'_>) -> Result<(), DecodeError> {
    let said = part.content_type.filter(|kind| kind.starts_with("image/"));
    let mime = said.or_else(|| sniffed(part.content)).ok_or_else(|| {
        let name = part.field().to_owned();
        let message = format!("`{name}` is no picture that is known; send PNG, JPEG or WebP with its content type");
        DecodeError::at(name, message)
    })?;
    super::inline(mime, &STANDARD.encode(part.content), w);
    Ok(())
}

/// The type of a picture by its first bytes.
fn sniffed(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [0xFF, 0xD8, 0xFF, ..] => Some("image/jpeg"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// Gemini's prompt, told apart by kind.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata<'a> {
    #[serde(borrow, rename = "usageMetadata")]
    usage: Details<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details<'a> {
    #[serde(borrow, rename = "promptTokensDetails")]
    prompt: Vec<Detail<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Detail<'a> {
    modality: String,
    #[serde(borrow, rename = "tokenCount")]
    tokens: Option<Num<'a>>,
}

/// The pictures in OpenAI's words.
pub(super) fn answer(wanted: u64, body: &[u8], context: &ReplyContext) -> Result<Answered, ApiError> {
    let generated = generated::read(body)?;
    let pictures: Vec<_> = generated.media.iter().filter(|piece| piece.mime.starts_with("image/")).collect();
    let Some(first) = pictures.first() else { return Err(generated.nothing("picture")) };
    let mut losses = Losses::default();
    if (pictures.len() as u64) < wanted {
        losses.add("n", Clamped);
    }
    if !generated.text.trim().is_empty() {
        losses.add("candidates[].content.parts[].text", Dropped);
    }
    let format = first.mime.trim_start_matches("image/");
    let mut out = Vec::with_capacity(body.len() + 256);
    Writer::new(&mut out).object(|w| {
        w.key("created").u64(context.created);
        w.key("data").array(|w| {
            for piece in &pictures {
                w.object(|w| w.key("b64_json").str(&piece.data));
            }
        });
        w.key("output_format").str(format);
        if let Some(usage) = &generated.usage {
            let input = usage.input_total();
            let images = image_tokens(body).min(input);
            w.key("usage").object(|w| {
                w.key("input_tokens").u64(input);
                w.key("input_tokens_details").object(|w| {
                    w.key("image_tokens").u64(images);
                    w.key("text_tokens").u64(input - images);
                });
                w.key("output_tokens").u64(usage.output_total());
                w.key("total_tokens").u64(input.saturating_add(usage.output_total()));
            });
        }
    });
    Ok(Answered { content_type: JSON.to_owned(), body: out, usage: generated.usage, losses })
}

/// Tokens of the pictures in the prompt.
fn image_tokens(body: &[u8]) -> u64 {
    let metadata: Metadata<'_> = json::parse(body).unwrap_or_default();
    let images = metadata.usage.prompt.iter().filter(|detail| detail.modality == "IMAGE");
    images.filter_map(|detail| detail.tokens.as_ref()?.as_u64()).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_to_aspect_ratios() {
        for (size, expected, exact) in [
            ("1024x1024", (1, 1), true),
            ("256x256", (1, 1), true),
            ("1792x1024", (16, 9), true),
            ("1024x1792", (9, 16), true),
            ("1536x1024", (3, 2), true),
            ("1024x1536", (2, 3), true),
            ("1280x720", (16, 9), true),
            ("2000x1000", (16, 9), false),
            ("4000x1000", (21, 9), false),
            ("1000x4000", (9, 16), false),
        ] {
            assert_eq!(ratio(size), Some((expected, exact)), "{size}");
        }
        for size in ["", "1024", "0x5", "axb", "1024x", "-1x1"] {
            assert_eq!(ratio(size), None, "{size}");
        }
    }
}
