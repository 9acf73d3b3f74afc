//! A request whose answer has begun.

use super::tokens_of;
use crate::Dialect;
use crate::dialects::openai_chat::mark_begun;
use crate::dialects::{EncodeError, Prefill, Target};
use crate::ir::{Block, BlockKind, LossKind, Losses, OutputFormat, Request, Role, ToolChoice, Turn};
use crate::json::Num;

/// How a target goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// No word was said: it is asked as it was asked before.
    Anew,
    /// From the last character, by its protocol.
    True,
    /// Mostly; it may begin its last sentence again, or all (Gemini, servers that promise nothing).
    Loose,
}

/// What a target was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    /// How it goes on.
    pub way: Way,
    /// Tokens of the begun answer in its request.
    pub tokens: u64,
}

/// Makes `request` one for the rest of an answer of which `said` was said.
///
/// # Errors
/// When the provider, which speaks `upstream`, or the model cannot go on with a begun answer, or the request wants an
/// answer that cannot be.
pub fn begin(
    request: &mut Request<'_>,
    said: &str,
    upstream: Dialect,
    target: &Target,
    losses: &mut Losses,
) -> Result<Begun, EncodeError> {
    let refuse = |why: &str| Err(EncodeError { message: why.to_owned(), param: None });
    if request.candidates.as_ref().is_some_and(|wanted| wanted.as_u64() != Some(1)) {
        return refuse("several alternatives cannot be gone on with");
    }
    let shown = said.trim_end();
    if shown.is_empty() {
        return Ok(Begun { way: Way::Anew, tokens: 0 });
    }
    let Some(way) = way(upstream, target) else {
        return refuse("this model does not go on with an answer that was begun elsewhere");
    };
    if !matches!(request.output_format, None | Some(OutputFormat::Text)) {
        return refuse("an answer in an enforced form cannot be gone on with");
    }
    let forced = match &request.tool_choice {
        Some(ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::Opaque(_)) => true,
        Some(ToolChoice::Among { required, .. }) => *required,
        Some(ToolChoice::Auto | ToolChoice::None) | None => false,
    };
    if forced {
        return refuse("an answer that must be a call cannot be gone on with");
    }
    if upstream == Dialect::Anthropic {
        think_no_more(request, losses);
    }
    let tokens = tokens_of(shown);
    if let Some(cap) = request.max_output_tokens.as_ref().and_then(Num::as_u64) {
        request.max_output_tokens = Some(Num::from(cap.saturating_sub(tokens).max(1)));
    }
    append(request, shown);
    if upstream == Dialect::OpenAiChat && request.origin == upstream {
        mark_begun(request, target);
    }
    Ok(Begun { way, tokens })
}

/// How a model of a provider goes on with a begun answer; `None` when it does not.
fn way(upstream: Dialect, target: &Target) -> Option<Way> {
    if target.profile.prefill == Some(false) {
        return None;
    }
    match (upstream, target.quirks.prefill) {
        (Dialect::Anthropic, _) => Some(Way::True),
        (Dialect::OpenAiChat, Prefill::Prefix | Prefill::ContinueFinalMessage) => Some(Way::True),
        (Dialect::OpenAiChat, Prefill::Plain) | (Dialect::Gemini, _) => Some(Way::Loose),
        (Dialect::OpenAiChat, Prefill::None) | (Dialect::OpenAiResponses, _) => None,
    }
}

/// Messages takes no begun answer with thinking. The thinking was done before the first word.
fn think_no_more(request: &mut Request<'_>, losses: &mut Losses) {
    let thinks = request.reasoning.as_ref().is_some_and(|reasoning| reasoning.enabled != Some(false));
    if !thinks {
        return;
    }
    request.reasoning = None;
    losses.add("thinking", LossKind::Dropped);
    // Editing thoughts away is refused when there is no thinking.
    if request.extra.get("context_management").is_some_and(|edits| edits.get().contains("clear_thinking")) {
        let _ = request.extra.take("context_management");
        losses.add("context_management", LossKind::Dropped);
    }
}

/// Puts the text at the end of the model's turn; a client may have begun that itself.
fn append(request: &mut Request<'_>, shown: &str) {
    if let Some(last) = request.turns.last_mut().filter(|turn| turn.role == Role::Assistant) {
        match last.blocks.last_mut().map(|block| &mut block.kind) {
            Some(BlockKind::Text { text, .. }) => text.0.to_mut().push_str(shown),
            _ => last.blocks.push(Block::text(shown.to_owned())),
        }
        return;
    }
    request.turns.push(Turn::new(Role::Assistant, vec![Block::text(shown.to_owned())]));
}
