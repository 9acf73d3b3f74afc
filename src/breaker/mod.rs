//! What is no longer asked because it fails. Pure: `now` is an argument.

pub mod safe_mode;
