//! Marks of the prompt cache: not more than the provider takes, and the longer lasting ones first.

use std::sync::LazyLock;

use super::items::{Item, Mark, Message};
use super::tools::Toolbox;
use crate::ir::LossKind::{Clamped, Dropped};
use crate::ir::Losses;
use crate::json::{Raw, Str};
use crate::wire_object;

/// Marks that one request may hold.
const MARKS_MAX: usize = 4;

/// A mark of the shorter time, five minutes.
static SHORT: LazyLock<Raw<'static>> =
    LazyLock::new(|| Raw::from_value(&serde_json::json!({"type": "ephemeral"})).unwrap_or(Raw::NULL));

wire_object! {
    struct MarkWire<'a> {
        ttl: Str<'a> = "ttl",
    }
}

/// Brings the marks of a request into the provider's bounds. Of too many the first ones of tools and system stay, which
/// hold longest, and of the messages the last ones. A mark of an hour behind one of five minutes, which the provider
/// refuses, becomes one of five minutes.
pub(super) fn settle<'r>(
    toolbox: &mut Toolbox<'r>,
    system: &mut [Item<'r>],
    messages: &mut [Message<'r>],
    losses: &mut Losses,
) {
    let mut marks: Vec<&mut Mark<'r>> = toolbox.tools.iter_mut().filter_map(|tool| tool.mark()).collect();
    marks.extend(system.iter_mut().filter_map(Item::mark));
    let first = marks.iter().filter(|mark| mark.is_some()).count();
    for item in messages.iter_mut().flat_map(|message| &mut message.items) {
        if let Item::Result { content, cache, .. } = item {
            marks.extend(content.iter_mut().filter_map(Item::mark));
            marks.push(cache);
        } else {
            marks.extend(item.mark());
        }
    }
    marks.retain(|mark| mark.is_some());
    if marks.len() > MARKS_MAX {
        losses.add("cache_control", Dropped);
        let head = first.min(MARKS_MAX);
        let tail = marks.len() - (MARKS_MAX - head);
        for (at, mark) in marks.iter_mut().enumerate() {
            if at >= head && at < tail {
                **mark = None;
            }
        }
    }
    let mut shorter = false;
    for mark in marks.into_iter().filter(|mark| mark.is_some()) {
        let is_long = mark.and_then(Raw::read::<MarkWire<'_>>).is_some_and(|wire| wire.ttl.as_deref() == Some("1h"));
        if is_long && shorter {
            losses.add("cache_control", Clamped);
            *mark = Some(&SHORT);
        }
        shorter |= !is_long;
    }
}
