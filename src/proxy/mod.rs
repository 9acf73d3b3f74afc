//! The hooks of Pingora's `ProxyHttp`, one file a phase. `gateway` holds the trait's implementation, which only delegates.

mod access;
mod answer;
mod auth;
mod body;
mod clock;
mod continuation;
mod count;
mod ctx;
pub mod endpoint;
mod endpoints;
mod errand;
mod fail_to_proxy;
mod failover;
mod gateway;
mod local;
mod logging;
mod mcp;
mod operate;
mod outbox;
mod passthrough;
mod platform;
mod redact;
mod replay;
mod request_filter;
mod respond;
mod response;
mod settings;
mod upstream_line;
mod upstream_peer;
mod upstream_request;

pub use gateway::{Gateway, Hooks};
pub use settings::affinity as affinity_settings;
