//! Members that this dialect has for its own bookkeeping, and members that say no more than silence does.
//!
//! For a target of another dialect they are no loss: that an item had an id, that it was completed, that nothing shall be
//! cut off. They are kept as private members ([`Extra::is_private`]), which nobody else writes or reports, and get their
//! own names again here.

use super::form;
use crate::ir::{Block, Turn};
use crate::json::{Extra, Raw, Writer};

/// The raw item that a block or a turn stands for: a picture that the model made, tools that were added.
pub(super) const ITEM: &str = "\0item";
/// The name that a call had beside its namespace.
pub(super) const NAME: &str = "\0name";
/// Tools that stand before a tool and are none for anybody else, as a JSON list.
pub(super) const TOOLS_BEFORE: &str = "\0tools_before";
/// The same behind the last tool of a request.
pub(super) const TOOLS_AFTER: &str = "\0tools_after";
/// The summary of a reasoning item that has both a summary and content.
pub(super) const SUMMARY: &str = "\0summary";
/// The content of such an item.
pub(super) const CONTENT: &str = "\0content";
/// How the keys begin under which a message item's own members stand at its first block.
pub(super) const ITEM_MEMBER: &str = "\0item.";

/// Members that are kept quietly: the private name, and the dialect's.
const QUIET: [(&str, &str); 16] = [
    ("\0id", "id"),
    (SUMMARY, "summary"),
    (CONTENT, "content"),
    ("\0status", "status"),
    ("\0phase", "phase"),
    ("\0namespace", "namespace"),
    ("\0logprobs", "logprobs"),
    ("\0detail", "detail"),
    ("\0include", "include"),
    ("\0client_metadata", "client_metadata"),
    ("\0stream_options", "stream_options"),
    ("\0truncation", "truncation"),
    ("\0background", "background"),
    ("\0top_logprobs", "top_logprobs"),
    ("\0service_tier", "service_tier"),
    ("\0defer_loading", "defer_loading"),
];

/// Makes the member `key` a quiet one, if it is there and `says_nothing`.
pub(super) fn hush(extra: &mut Extra<'_>, key: &str, says_nothing: impl Fn(&Raw<'_>) -> bool) {
    let Some((private, _)) = QUIET.iter().find(|(_, own)| *own == key) else { return };
    for (name, value) in &mut extra.0 {
        if *name == key && says_nothing(value) {
            *name = (*private).into();
        }
    }
}

/// Makes what says of an item what it is to the provider quiet.
pub(super) fn hush_item(extra: &mut Extra<'_>) {
    for key in ["id", "status", "phase"] {
        hush(extra, key, |_| true);
    }
}

/// Writes the members, quiet ones under their own names.
pub(super) fn members(w: &mut Writer<'_>, extra: &Extra<'_>) {
    for (key, value) in extra.iter() {
        if let Some(own) = own_name(key) {
            w.key(own).raw(value);
        }
    }
}

/// The name under which a member is written; `None` for a note of the decoder.
pub(super) fn own_name(key: &str) -> Option<&str> {
    let is_note = matches!(key, ITEM | NAME | TOOLS_BEFORE | TOOLS_AFTER) || key.starts_with(ITEM_MEMBER);
    (!is_note).then(|| QUIET.iter().find(|(private, _)| *private == key).map_or(key, |(_, own)| own))
}

/// The raw item that `block` stands for.
pub(super) fn item_of<'b, 'a>(block: &'b Block<'a>) -> Option<&'b Raw<'a>> {
    block.extra.get(ITEM)
}

/// The raw item that a turn without blocks stands for.
pub(super) fn item_of_turn<'t, 'a>(turn: &'t Turn<'a>) -> Option<&'t Raw<'a>> {
    turn.extra.get(ITEM).filter(|_| turn.blocks.is_empty() && turn.form & form::CONTENT_STRING == 0)
}
