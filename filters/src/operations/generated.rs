//! What a Gemini model generated, for endpoints that answer with media.

use crate::dialects::gemini;
use crate::ir::{ApiError, BlockKind, ErrorKind, Media, MediaSource, StopReason, Usage};
use crate::json::Str;

/// Characters of the model's words that an error shows.
const WORDS_SHOWN_MAX: usize = 200;

/// One medium, in base64.
pub(super) struct Piece {
    /// MIME type as the provider wrote it.
    pub(super) mime: String,
    /// Base64 in the standard alphabet.
    pub(super) data: String,
}

/// An answer.
pub(super) struct Generated {
    /// Media in order, of all candidates.
    pub(super) media: Vec<Piece>,
    /// Texts of the first candidate, without thoughts.
    pub(super) text: String,
    /// Tokens.
    pub(super) usage: Option<Usage<'static>>,
    /// Whether the provider held the answer back.
    pub(super) refused: bool,
}

/// Reads an answer of `generateContent`.
pub(super) fn read(body: &[u8]) -> Result<Generated, ApiError> {
    let response = gemini::decode_response(body).map_err(|error| {
        ApiError::new(ErrorKind::BadGateway, format!("the provider's answer is unreadable: {error}"))
    })?;
    let refused = response.choices.iter().all(|choice| choice.stop == StopReason::Refusal);
    let mut read = Generated {
        media: Vec::new(),
        text: String::new(),
        usage: response.usage.map(|usage| usage.counts().into_owned()),
        refused,
    };
    for (at, choice) in response.choices.into_iter().enumerate() {
        for block in choice.blocks {
            match block.kind {
                BlockKind::Image(media)
                | BlockKind::Audio(media)
                | BlockKind::Video(media)
                | BlockKind::File(media) => {
                    read.media.extend(piece(media));
                }
                BlockKind::Text { text, .. } if at == 0 => read.text.push_str(&text),
                _ => {}
            }
        }
    }
    Ok(read)
}

fn piece(media: Media<'_>) -> Option<Piece> {
    match media.source {
        MediaSource::Base64(Str(data)) => {
            Some(Piece { mime: media.mime.map(|mime| mime.to_string()).unwrap_or_default(), data: data.into_owned() })
        }
        _ => None,
    }
}

impl Generated {
    /// Why there is no medium of the kind that was asked for, e.g. `picture`.
    pub(super) fn nothing(&self, what: &str) -> ApiError {
        let (kind, code, message) = if self.refused {
            let message = format!("the provider held the {what} back for its safety rules; ask in other words");
            (ErrorKind::InvalidRequest, Some("content_policy_violation".to_owned()), message)
        } else if self.text.trim().is_empty() {
            (ErrorKind::BadGateway, None, format!("the provider's answer holds no {what}"))
        } else {
            let words: String = self.text.trim().chars().take(WORDS_SHOWN_MAX).collect();
            let message =
                format!("the model answered with words and no {what}; ask for one in the prompt. It said: {words}");
            (ErrorKind::InvalidRequest, None, message)
        };
        ApiError { code, ..ApiError::new(kind, message) }
    }
}
