//! Collected answers for clients of the provider's own dialect.
//!
//! Encoders write an answer of their own dialect as it came: what its decoder left in `extra`, `form` and the raw words
//! comes back, and nothing else is added. An answer that was collected from events has none of that. So it is written
//! once as if it came from elsewhere, which gives every member that the dialect wants, read back, and completed by what
//! only the provider could say: its id, its words of usage, citations and parts that no other dialect knows.

use crate::dialects::{decode_response, encode_response};
use crate::ir::{Block, BlockKind, Losses, ReplyContext, Response};
use crate::{Dialect, json::Raw};

/// Appends a collected answer in the words of `client` to `out`.
pub(super) fn encode_collected(
    client: Dialect,
    mut response: Response<'static>,
    context: &ReplyContext,
    out: &mut Vec<u8>,
) -> Losses {
    if response.origin == client {
        response.origin = elsewhere(client);
        let mut draft = Vec::new();
        encode_response(client, &response, context, &mut draft);
        if let Ok(mut own) = decode_response(client, &draft) {
            complete(&mut own, response);
            return encode_response(client, &own, context, out);
        }
    }
    encode_response(client, &response, context, out)
}

/// Any other dialect.
fn elsewhere(client: Dialect) -> Dialect {
    Dialect::ALL.into_iter().find(|dialect| *dialect != client).unwrap_or(client)
}

fn complete(own: &mut Response<'_>, collected: Response<'static>) {
    if collected.id.is_some() {
        own.id = collected.id;
    }
    // Only with the provider's own words: the ledger is in the draft already, in all its members.
    if collected.usage.as_ref().is_some_and(|usage| usage.raw.as_ref().is_some_and(Raw::is_object)) {
        own.usage = collected.usage;
    }
    for (draft, said) in own.choices.iter_mut().zip(collected.choices) {
        for (key, raw) in said.extra.iter() {
            if draft.extra.get(key).is_none_or(Raw::is_null) {
                let _ = draft.extra.take(key);
                draft.extra.push(key.to_owned(), raw.clone());
            }
        }
        if let Some(blocks) = merge(&draft.blocks, said.blocks) {
            draft.blocks = blocks;
        }
    }
}

/// The blocks of the draft with citations, and with the parts that the draft could not say in their places; `None` when
/// the two do not match.
fn merge<'a>(draft: &[Block<'a>], said: Vec<Block<'static>>) -> Option<Vec<Block<'a>>> {
    let mut rest = draft.iter().peekable();
    let mut merged = Vec::with_capacity(said.len());
    for block in said {
        match rest.next_if(|next| same_kind(&next.kind, &block.kind)) {
            Some(next) => {
                let mut next = next.clone();
                if let (BlockKind::Text { citations, .. }, BlockKind::Text { citations: Some(said), .. }) =
                    (&mut next.kind, block.kind)
                {
                    *citations = Some(said);
                }
                merged.push(next);
            }
            None if matches!(block.kind, BlockKind::Opaque { .. }) => merged.push(block),
            None => return None,
        }
    }
    rest.next().is_none().then_some(merged)
}

fn same_kind(left: &BlockKind<'_>, right: &BlockKind<'_>) -> bool {
    std::mem::discriminant(left) == std::mem::discriminant(right)
}
