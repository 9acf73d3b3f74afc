//! Interlingua: an LLM gateway on Pingora. ARCHITECTURE.md beside the source has the map.

mod admin;
pub mod audit;
pub mod breaker;
pub mod cli;
pub mod clients;
pub mod code_assist;
pub mod config;
pub mod credentials;
pub mod custody;
mod edge;
pub mod egress;
pub mod health;
pub mod hedging;
pub mod limits;
pub mod mapping;
pub mod mock;
pub mod pool;
pub mod proxy;
pub mod quota;
pub mod records;
pub mod routing;
pub mod store;
pub mod telemetry;
pub mod vault;
pub mod warm_up;
