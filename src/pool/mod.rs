//! mod
pub mod time;
