//! Sans-IO translation between LLM API dialects.
//!
//! Everything here takes bytes and returns bytes: no socket, no clock, no randomness, no log. Ids and times come in
//! through [`ir::ReplyContext`], so that every result is reproducible.
//!
//! - [`sse`]: byte-level server-sent events, parser and writer.
//! - [`json`]: borrowed JSON values that keep their text, a writer, the request skimmer and the byte splicer.
//! - [`ir`]: the intermediate representation: requests, responses, stream events, usage, errors, losses.
//! - [`dialects`]: one folder a dialect, each a decoder and an encoder of requests, responses, streams and errors.
//! - [`profiles`]: what families of models take, as data.
//! - [`repair`]: what a target's rules demand of a conversation that another dialect allowed.
//! - [`operations`]: what clients ask beside a model's answer: counts of tokens, embeddings, pictures, speech.
//! - [`multipart`]: forms, read and edited in place.
//! - [`tokens`]: an estimate of a request's tokens, and what real usage teaches about it.
//! - [`lane`], [`request`]: whether a request's bytes are spliced through or converted, and the bytes to send.
//! - [`custody`]: seals that a client cannot carry, kept between two requests.
//! - [`continuation`]: going on with an answer that broke off after the client had a part of it.
//! - [`reply`]: the response side of a request: any upstream mode to any client mode, and the observer of spliced bytes.

pub mod continuation;
pub mod custody;
pub mod dialects;
pub mod ir;
pub mod json;
pub mod lane;
pub mod multipart;
pub mod operations;
pub mod profiles;
pub mod repair;
pub mod reply;
pub mod request;
pub mod sse;
pub mod tokens;

pub use dialects::Dialect;
