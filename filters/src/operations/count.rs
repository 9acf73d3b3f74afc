//! Numbers of tokens.

use super::{Answered, Asked, Prepared, Way};
use crate::Dialect;
use crate::dialects::{EncodeError, Target};
use crate::ir::{ApiError, ErrorKind};
use crate::request::PrepareError;

pub(super) fn way(_asked: &Asked<'_>, _upstream: Dialect) -> Way {
    Way::Estimated
}
/// What to send.
pub(super) fn prepare(_asked: &Asked<'_>, _upstream: Dialect, _target: &Target) -> Result<Prepared, PrepareError> {
    Err(EncodeError::at("model", "this is not built yet").into())
}

pub(super) fn answer(_asked: &Asked<'_>, _upstream: Dialect, _body: &[u8]) -> Result<Answered, ApiError> {
    Err(ApiError::new(ErrorKind::Internal, "this is not built yet"))
}
pub(super) fn write(_client: Dialect, _tokens: u64) -> Vec<u8> {
    Vec::new()
}

/// The estimated number of tokens of a request whose tokens are to be counted, also when it cannot be read.
pub fn tokens_of(_asked: &Asked<'_>) -> u64 {
    0
}
