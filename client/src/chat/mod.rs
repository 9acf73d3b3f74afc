//! Chat Completions: what is asked and what is answered.

mod message;
mod request;
mod response;
mod tool;

pub use message::{Content, ImageUrl, Message, Part, Role};
pub use request::ChatRequest;
pub use response::{
    ChatChunk, ChatResponse, Choice, ChunkChoice, Delta, FinishReason, FunctionDelta, ToolCallDelta, Usage,
};
pub use tool::{Function, FunctionCall, Tool, ToolCall, ToolChoice};
