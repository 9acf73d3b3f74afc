//! Legacy completions.

use super::{Answered, Asked, Prepared};
use crate::Dialect;
use crate::dialects::{DecodeError, EncodeError, Target};
use crate::ir::{ApiError, ErrorKind, Losses, ReplyContext};
use crate::request::PrepareError;
use crate::sse::SseError;

/// The body of a Chat request that asks what a body of `/v1/completions` asks.
///
/// # Errors
/// When the body cannot be read, or asks what Chat cannot say.
pub fn completion_to_chat(_body: &[u8]) -> Result<Vec<u8>, DecodeError> {
    Err(DecodeError::new("this is not built yet"))
}

/// What [`completion_to_chat`] leaves out.
pub fn completion_losses(_body: &[u8]) -> Losses {
    Losses::default()
}

/// A whole Chat answer as the answer of `/v1/completions`.
///
/// # Errors
/// When the body is no Chat answer.
pub fn chat_to_completion(_body: &[u8]) -> Result<Vec<u8>, DecodeError> {
    Err(DecodeError::new("this is not built yet"))
}

/// Events of a Chat answer to those of `/v1/completions`.
#[derive(Debug, Default)]
pub struct CompletionsStream {}

impl CompletionsStream {
    /// Reads the next bytes of the Chat answer, and appends the events that they complete to `out`.
    ///
    /// # Errors
    /// When one event is too long; nothing more can be read.
    pub fn push(&mut self, _bytes: &[u8], _out: &mut Vec<u8>) -> Result<(), SseError> {
        Ok(())
    }

    /// The Chat answer's bytes have ended.
    pub fn finish(&mut self, _out: &mut Vec<u8>) {}
}

/// What to send.
pub(super) fn prepare(_asked: &Asked<'_>, _upstream: Dialect, _target: &Target) -> Result<Prepared, PrepareError> {
    Err(EncodeError::at("model", "this is not built yet").into())
}

pub(super) fn answer(_upstream: Dialect, _body: &[u8], _context: &ReplyContext) -> Result<Answered, ApiError> {
    Err(ApiError::new(ErrorKind::Internal, "this is not built yet"))
}
