//! Files that lie in a provider's own store.

use super::{Dialect, EncodeError};
use crate::ir::{Block, BlockKind, MediaSource, Request};

/// Refuses a request for `dialect` that names a file in another vendor's store: an id means nothing there, or a file of
/// somebody else. The two dialects of OpenAI have one store.
///
/// # Errors
/// When the request names such a file anywhere, also inside of a tool's result.
pub(super) fn refuse_foreign_files(request: &Request<'_>, dialect: Dialect) -> Result<(), EncodeError> {
    if store_of(request.origin) == store_of(dialect) {
        return Ok(());
    }
    let found = request.turns.iter().flat_map(|turn| &turn.blocks).find_map(|block| match &block.kind {
        BlockKind::ToolResult(result) => result.content.iter().find_map(file_of),
        _ => file_of(block),
    });
    let Some(id) = found else { return Ok(()) };
    let (param, store) = (param(request.origin), store_of(request.origin));
    let message = format!(
        "the file `{id}` is stored at {store}, but this model is served by another provider: send the file's bytes in \
         base64 instead of its id, or ask a model of {store}"
    );
    Err(EncodeError::at(param, message))
}

/// The id of the stored file that a block names.
fn file_of<'b>(block: &'b Block<'_>) -> Option<&'b str> {
    match &block.kind {
        BlockKind::Image(media) | BlockKind::Audio(media) | BlockKind::Video(media) | BlockKind::File(media) => {
            match &media.source {
                MediaSource::FileId(id) => Some(id.as_str()),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Whose store the ids of a dialect are of.
fn store_of(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => "OpenAI",
        Dialect::Anthropic => "Anthropic",
        Dialect::Gemini => "Google",
    }
}

/// Where a client names a file in the words of its dialect.
fn param(origin: Dialect) -> &'static str {
    match origin {
        Dialect::OpenAiChat => "messages[].content[].file.file_id",
        Dialect::OpenAiResponses => "input[].content[].file_id",
        Dialect::Anthropic => "messages[].content[].source.file_id",
        Dialect::Gemini => "contents[].parts[].fileData.fileUri",
    }
}
