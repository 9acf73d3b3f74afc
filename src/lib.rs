//! Interlingua: an LLM gateway on Pingora.

pub mod config;
pub mod limits;
pub mod mock;
pub mod pool;
pub mod proxy;
pub mod routing;
pub mod telemetry;
