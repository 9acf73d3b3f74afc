//! Embeddings.

use super::{Answered, Asked, Operation, Prepared};
use crate::dialects::{EncodeError, Target};
use crate::ir::{ApiError, ErrorKind, ReplyContext};
use crate::request::PrepareError;

/// What to send.
pub(super) fn prepare(_asked: &Asked<'_>, _target: &Target) -> Result<Prepared, PrepareError> {
    Err(EncodeError::at("model", "this is not built yet").into())
}

pub(super) fn answer_openai(
    _base64: bool,
    _tokens: u64,
    _body: &[u8],
    _context: &ReplyContext,
) -> Result<Answered, ApiError> {
    Err(ApiError::new(ErrorKind::Internal, "this is not built yet"))
}
pub(super) fn answer_gemini(_operation: Operation, _body: &[u8]) -> Result<Answered, ApiError> {
    Err(ApiError::new(ErrorKind::Internal, "this is not built yet"))
}
