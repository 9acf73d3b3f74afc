//! The intermediate representation: what a conversation means, in no vendor's words.
//!
//! The types borrow from the body they were decoded from. What a dialect says that the IR has no field for stays in
//! [`Extra`](crate::json::Extra) beside the thing it was said of, and travels when the target speaks the dialect named
//! by `origin`; for any other target the encoder reports it in [`Losses`].

mod block;
mod error;
mod loss;
mod note;
mod request;
mod response;
mod signature;
pub mod stream;
mod usage;

pub use block::{Block, BlockKind, CacheMark, Media, MediaSource, ReasoningBlock, ToolResult, ToolUse, ToolUseKind};
pub use error::{ApiError, ErrorKind};
pub use loss::{Loss, LossKind, Losses};
pub use note::{Citation, Location, Logprob, WebSearch};
pub use request::{
    Effort, LogprobsConfig, OutputFormat, ReasoningConfig, Request, Role, Sampling, Tool, ToolChoice, ToolKind, Turn,
};
pub use response::{Choice, ReplyContext, ReplyNotes, Response, StopReason};
pub use signature::Signature;
pub use stream::Event;
pub use usage::Usage;
