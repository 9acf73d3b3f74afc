//! Locks and atomics of the pool. The package in `loom/` puts those of its checker in their place.

pub(super) use parking_lot::{Mutex, RwLock};
pub(super) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
