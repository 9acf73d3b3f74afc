//! The atomics of [`super::slots`]. The package in `loom/` puts those of its checker in their place.

pub(super) use std::sync::atomic::{AtomicU32, Ordering};
