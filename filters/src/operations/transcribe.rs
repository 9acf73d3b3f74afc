//! Speech to text.

use super::{Answered, Asked, Prepared};
use crate::dialects::{EncodeError, Target};
use crate::ir::{ApiError, ErrorKind};
use crate::request::PrepareError;

/// What to send.
pub(super) fn prepare(_asked: &Asked<'_>, _target: &Target) -> Result<Prepared, PrepareError> {
    Err(EncodeError::at("model", "this is not built yet").into())
}

pub(super) fn answer(_flag: bool, _body: &[u8]) -> Result<Answered, ApiError> {
    Err(ApiError::new(ErrorKind::Internal, "this is not built yet"))
}
