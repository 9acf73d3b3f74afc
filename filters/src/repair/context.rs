//! Makes a conversation smaller, when the operator wants that rather than a refusal.
//!
//! Nothing here touches a block that stays: thoughts go whole, with their seals, and a long tool result keeps its
//! beginning and its end.

use super::Purify;
use crate::ir::{Block, BlockKind, LossKind, Losses, Request, Role, Turn};
use crate::json::Str;

/// Takes thoughts out of a conversation of `tokens` tokens that, with its answer, would not fit into `context` tokens.
///
/// [`Purify::Soft`] takes those before the last turn of the user, which no provider needs any more. [`Purify::Aggressive`]
/// takes all but those of the tool loop that is under way, which their provider wants to see again.
pub fn purify(request: &mut Request<'_>, how: Purify, tokens: u64, context: Option<u64>, losses: &mut Losses) {
    let answer = request.max_output_tokens.as_ref().and_then(crate::json::Num::as_u64).unwrap_or(0);
    let fits = context.is_none_or(|context| tokens.saturating_add(answer) <= context);
    if how == Purify::None || fits {
        return;
    }
    let until = match how {
        Purify::None => 0,
        Purify::Soft => last_said(&request.turns),
        Purify::Aggressive => open_loop(&request.turns),
    };
    let mut taken = false;
    for turn in request.turns.iter_mut().take(until).filter(|turn| turn.role == Role::Assistant) {
        let before = turn.blocks.len();
        turn.blocks.retain(|block| !matches!(block.kind, BlockKind::Reasoning(_)));
        taken |= turn.blocks.len() != before;
    }
    request.turns.retain(|turn| turn.role != Role::Assistant || !turn.blocks.is_empty());
    if taken {
        losses.add("messages[].thinking", LossKind::Dropped);
    }
}

/// Position of the last turn in which the user speaks, results of tools apart.
fn last_said(turns: &[Turn<'_>]) -> usize {
    let says = |turn: &Turn<'_>| {
        turn.role == Role::User && turn.blocks.iter().any(|block| !matches!(block.kind, BlockKind::ToolResult(_)))
    };
    turns.iter().rposition(says).unwrap_or(0)
}

/// Position at which the tool loop under way begins; the end where none is.
fn open_loop(turns: &[Turn<'_>]) -> usize {
    let answers = |turn: &Turn<'_>| turn.blocks.iter().any(|block| matches!(block.kind, BlockKind::ToolResult(_)));
    match turns.last() {
        Some(last) if answers(last) => last_said(turns),
        _ => turns.len(),
    }
}

/// Cuts the middle out of the texts of tool results that are longer than `bytes_max` bytes together. 0 is off.
pub fn shorten_results(request: &mut Request<'_>, bytes_max: u64, losses: &mut Losses) {
    let Ok(max) = usize::try_from(bytes_max) else { return };
    if max == 0 {
        return;
    }
    for block in request.turns.iter_mut().flat_map(|turn| &mut turn.blocks) {
        let BlockKind::ToolResult(result) = &mut block.kind else { continue };
        let mut left = max;
        for part in &mut result.content {
            let BlockKind::Text { text, .. } = &mut part.kind else { continue };
            if text.len() > left {
                *text = Str::from(shortened(text, left));
                losses.add("messages[].tool_result", LossKind::Approximated);
            }
            left = left.saturating_sub(text.len());
        }
        result.content.retain(|part| !is_empty(part));
        if result.content.is_empty() {
            result.content.push(Block::text("[left out by the gateway]"));
        }
    }
}

fn is_empty(block: &Block<'_>) -> bool {
    matches!(&block.kind, BlockKind::Text { text, .. } if text.is_empty())
}

/// Beginning and end of `text`, about `max` bytes, with a note of what is missing between them.
fn shortened(text: &str, max: usize) -> String {
    let half = max / 2;
    let head = text.floor_char_boundary(half);
    let tail = text.ceil_char_boundary(text.len().saturating_sub(half)).max(head);
    let missing = tail - head;
    let (head, tail) = (text.get(..head).unwrap_or_default(), text.get(tail..).unwrap_or_default());
    format!("{head}\n[{missing} bytes left out by the gateway]\n{tail}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Dialect;
    use crate::dialects::{Endpoint, decode_request};

    const CONVERSATION: &str = r#"{"model":"m","max_tokens":100,"messages":[
        {"role":"user","content":"one"},
        {"role":"assistant","content":[{"type":"thinking","thinking":"old","signature":"a"},{"type":"text","text":"two"}]},
        {"role":"user","content":"three"},
        {"role":"assistant","content":[{"type":"thinking","thinking":"new","signature":"b"},{"type":"tool_use","id":"t1","name":"f","input":{}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"0123456789"}]}]}"#;

    fn thoughts(request: &Request<'_>) -> Vec<String> {
        let blocks = request.turns.iter().flat_map(|turn| &turn.blocks);
        blocks
            .filter_map(|block| match &block.kind {
                BlockKind::Reasoning(thought) => thought.text.first().map(ToString::to_string),
                _ => None,
            })
            .collect()
    }

    fn read(body: &str) -> Request<'_> {
        decode_request(Dialect::Anthropic, body.as_bytes(), &Endpoint::default()).unwrap()
    }

    #[test]
    fn a_conversation_that_fits_or_may_not_be_touched_stays() {
        for (how, tokens, context) in
            [(Purify::Soft, 900, Some(1000)), (Purify::Aggressive, 5000, None), (Purify::None, 5000, Some(1000))]
        {
            let (mut request, mut losses) = (read(CONVERSATION), Losses::default());
            purify(&mut request, how, tokens, context, &mut losses);
            assert_eq!((thoughts(&request).len(), losses.is_empty()), (2, true), "{how:?}");
        }
    }

    #[test]
    fn old_thoughts_go_and_those_of_the_open_tool_loop_stay() {
        for how in [Purify::Soft, Purify::Aggressive] {
            let (mut request, mut losses) = (read(CONVERSATION), Losses::default());
            purify(&mut request, how, 950, Some(1000), &mut losses);
            assert_eq!(thoughts(&request), ["new"], "{how:?}");
            assert!(!losses.is_empty());
        }
    }

    #[test]
    fn a_closed_loop_loses_all_its_thoughts_only_when_aggressive() {
        let body = CONVERSATION.replace(
            r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"0123456789"}]}"#,
            r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"0123456789"}]},{"role":"assistant","content":[{"type":"text","text":"four"}]}"#,
        );
        for (how, left) in [(Purify::Soft, 1), (Purify::Aggressive, 0)] {
            let mut request = read(&body);
            purify(&mut request, how, 5000, Some(1000), &mut Losses::default());
            assert_eq!(thoughts(&request).len(), left, "{how:?}");
        }
    }

    #[test]
    fn a_long_result_keeps_both_its_ends() {
        let (mut request, mut losses) = (read(CONVERSATION), Losses::default());
        shorten_results(&mut request, 4, &mut losses);
        let mut body = Vec::new();
        let target = crate::dialects::Target::new("m", false);
        crate::dialects::encode_request(Dialect::Anthropic, &request, &target, &mut body).unwrap();
        assert!(String::from_utf8(body).unwrap().contains(r"01\n[6 bytes left out by the gateway]\n89"));
        assert!(!losses.is_empty());
        let (mut request, mut losses) = (read(CONVERSATION), Losses::default());
        shorten_results(&mut request, 0, &mut losses);
        shorten_results(&mut request, 10, &mut losses);
        assert!(losses.is_empty());
    }

    proptest! {
        #[test]
        fn shortening_never_breaks_a_character(text in "\\PC{0,80}", max in 0usize..60) {
            prop_assume!(text.len() > max);
            let short = shortened(&text, max);
            let (head, rest) = short.split_once("\n[").unwrap();
            prop_assert!(text.starts_with(head));
            prop_assert!(text.ends_with(rest.split_once("]\n").unwrap().1));
        }
    }
}
