//! Leftover members of nested objects in the one flat [`Extra`] of an IR value.
//!
//! A member `x` of `generationConfig` is kept as `generationConfig.x`, which is also the name a loss report should
//! show. A member whose own name holds a dot is kept with a dot before it, so that every name has one meaning.

use crate::json::{Extra, Raw, Str, Writer};

/// Moves `rest`, the leftovers of the object itself, into `extra`.
pub(super) fn keep_own<'a>(extra: &mut Extra<'a>, rest: Extra<'a>) {
    for (key, value) in rest.0 {
        let key = if key.contains('.') || Extra::is_private(&key) { Str::from(format!(".{key}")) } else { key };
        extra.0.push((key, value));
    }
}

/// Moves `rest`, the leftovers of the nested object at `path`, into `extra`.
pub(super) fn keep<'a>(extra: &mut Extra<'a>, path: &str, rest: Extra<'a>) {
    extra.0.extend(rest.0.into_iter().map(|(key, value)| (Str::from(format!("{path}.{key}")), value)));
}

/// Writes the leftovers of the object itself.
pub(super) fn write_own(w: &mut Writer<'_>, extra: &Extra<'_>) {
    for (key, value) in extra.iter().filter_map(|(key, value)| Some((own_name(key)?, value))) {
        w.key(key).raw(value);
    }
}

/// Writes the leftovers of the nested object at `path`, without those of objects below it at `below`.
pub(super) fn write(w: &mut Writer<'_>, extra: &Extra<'_>, path: &str, below: Option<&str>) {
    for (key, value) in members(extra, path) {
        let deeper = below.is_some_and(|below| key.strip_prefix(below).is_some_and(|rest| rest.starts_with('.')));
        if !deeper {
            w.key(key).raw(value);
        }
    }
}

fn members<'e, 'a>(extra: &'e Extra<'a>, path: &'e str) -> impl Iterator<Item = (&'e str, &'e Raw<'a>)> {
    extra.iter().filter_map(move |(key, value)| Some((key.strip_prefix(path)?.strip_prefix('.')?, value)))
}

fn own_name(key: &str) -> Option<&str> {
    match key.strip_prefix('.') {
        Some(literal) => Some(literal),
        // What a decoder keeps for itself, see `Extra::is_private`.
        None if key.contains('.') || Extra::is_private(key) => None,
        None => Some(key),
    }
}
