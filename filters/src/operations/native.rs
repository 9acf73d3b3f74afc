//! The same dialect on both sides.

use super::{Answered, Asked, Prepared};
use crate::Dialect;
use crate::dialects::{DecodeError, EncodeError, Target};
use crate::ir::Losses;
use crate::request::PrepareError;

/// What to send.
pub(super) fn prepare(_asked: &Asked<'_>, _target: &Target) -> Result<Prepared, PrepareError> {
    Err(EncodeError::at("model", "this is not built yet").into())
}

pub(super) fn model_of(_asked: &Asked<'_>) -> Result<Option<String>, DecodeError> {
    Ok(None)
}
pub(super) fn streams(_asked: &Asked<'_>) -> bool {
    false
}
pub(super) fn answer(_upstream: Dialect, content_type: &str, body: &[u8]) -> Answered {
    Answered { content_type: content_type.to_owned(), body: body.to_vec(), usage: None, losses: Losses::default() }
}
