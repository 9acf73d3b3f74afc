//! Not more pictures than the model takes.

use super::items::{Item, Message};
use super::words::Words;
use crate::ir::LossKind::Clamped;
use crate::ir::Losses;

/// What stands for a picture that was left out.
const LEFT_OUT: &str = "[An earlier picture was left out: the model takes no more.]";

/// Leaves out the earliest pictures over `most`.
pub(super) fn limit(messages: &mut [Message<'_>], most: Option<u32>, words: Words, losses: &mut Losses) {
    let Some(most) = most.and_then(|most| usize::try_from(most).ok()) else { return };
    let mut pictures: Vec<&mut Item<'_>> = Vec::new();
    for item in messages.iter_mut().flat_map(|message| &mut message.items) {
        match item {
            Item::Result { content, .. } => pictures.extend(content.iter_mut().filter(|item| item.is_picture())),
            item if item.is_picture() => pictures.push(item),
            _ => {}
        }
    }
    let over = pictures.len().saturating_sub(most);
    for item in pictures.into_iter().take(over) {
        losses.add(words.block("image"), Clamped);
        *item = Item::said(LEFT_OUT);
    }
}
