//! The one place where the calendar is read, for the proxy and for what is done beside it.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::pool::Millis;

/// Now; the epoch itself on a machine whose clock stands before it.
pub(crate) fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
