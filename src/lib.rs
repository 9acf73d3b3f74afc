//! Interlingua: an LLM gateway on Pingora.

pub mod cli;
pub mod config;
pub mod credentials;
pub mod limits;
pub mod mock;
pub mod pool;
pub mod routing;
