//! Client of an [Interlingua](https://crates.io/crates/interlingua) gateway: finds it, asks it, streams from it, and
//! operates it.
//!
//! ```no_run
//! use interlingua_client::{ChatRequest, Client};
//!
//! # async fn run() -> Result<(), interlingua_client::Error> {
//! let client = Client::discover().await?;
//! let answer = client.chat(&ChatRequest::new("gpt-text").user("Say hello.")).await?;
//! assert!(!answer.text().is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! - **Finding**: [`Client::builder`] > environment > `interlingua.yaml` > well-known ports; see [`ClientBuilder`].
//! - **Asking**: [`ChatRequest`] in the shape of OpenAI's Chat Completions, which the gateway translates for any provider;
//!   members that are not typed here travel in `extra`, both ways.
//! - **Tools**: [`Tool`], [`ToolCall`], and [`Client::chat_with_tools`] for the whole loop.
//! - **Streaming**: [`ChatStream`] is a [`futures_core::Stream`] of [`ChatChunk`]s; [`Accumulator`] makes the whole answer of
//!   them, calls of tools included.
//! - **Retries**: [`Retry`]; what the gateway asks for in `retry-after-ms` and `retry-after` is kept to.
//! - **Errors**: [`Error`]; refusals with status, code, message, request id and wait.
//! - **Operating**: [`Admin`].
//!
//! Dropping a future or a stream closes its connection, and the gateway gives the provider's up.

mod accumulate;
pub mod admin;
pub mod chat;
mod client;
mod discover;
mod error;
mod retry;
mod sse;
mod stream;
mod tools;
mod transport;

pub use accumulate::Accumulator;
pub use admin::Admin;
pub use chat::{ChatChunk, ChatRequest, ChatResponse, Message, Role, Tool, ToolCall, ToolChoice};
pub use client::{Client, ClientBuilder};
pub use error::{Error, Refusal};
pub use retry::Retry;
pub use stream::ChatStream;

/// Members of a JSON object that have no field of their own.
pub type Extra = serde_json::Map<String, serde_json::Value>;
