//! The hash of a conversation's beginning.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::members::Members;
use crate::json::Str;

/// Turns looked at for the first user turn.
const PREFIX_TURNS_MAX: usize = 8;

/// Hashes system text and turns, up to and including the first user turn.
pub(super) fn hash(members: &Members<'_>) -> u64 {
    let mut digest = Digest(0x243F_6A88_85A3_08D3);
    for name in ["system", "instructions", "systemInstruction", "system_instruction"] {
        if let Some(raw) = members.get(name) {
            digest.value(raw);
        }
    }
    for name in ["messages", "input", "contents"] {
        if let Some(raw) = members.get(name) {
            digest.turns(raw);
        }
    }
    digest.0
}

/// A fast hash that is the same in every process. Whoever chooses the text can make two texts meet: all he gains is
/// that his own conversations share an account.
struct Digest(u64);

impl Digest {
    fn word(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * 0x9E37_79B9_7F4A_7C15_u128;
        self.0 = (product as u64) ^ ((product >> 64) as u64) ^ word.rotate_left(32);
    }

    fn text(&mut self, text: &str) {
        self.word(text.len() as u64);
        for part in text.as_bytes().chunks(8) {
            self.word(part.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte)));
        }
    }

    fn value(&mut self, raw: &RawValue) {
        // What serde_json reads but cannot represent (a lone surrogate) ends the hash early, at the same place always.
        let _ =
            Value { digest: self, is_user: &mut false }.deserialize(&mut serde_json::Deserializer::from_str(raw.get()));
    }

    fn turns(&mut self, raw: &RawValue) {
        if raw.get().starts_with('[') {
            let _ = Turns(self).deserialize(&mut serde_json::Deserializer::from_str(raw.get()));
        } else {
            self.value(raw);
        }
    }
}

/// An array of turns, read up to the first of the user.
struct Turns<'d>(&'d mut Digest);

impl<'de> DeserializeSeed<'de> for Turns<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Turns<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        for _ in 0..PREFIX_TURNS_MAX {
            let mut is_user = false;
            let turn = Value { digest: self.0, is_user: &mut is_user };
            if seq.next_element_seed(turn)?.is_none() || is_user {
                break;
            }
        }
        // Leaves the rest unread; the caller takes no notice.
        Err(A::Error::custom("enough"))
    }
}

/// Any value; cache marks are left out.
struct Value<'d> {
    digest: &'d mut Digest,
    is_user: &'d mut bool,
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        self.digest.word(1);
        Ok(())
    }
    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.digest.word(2 + u64::from(value));
        Ok(())
    }
    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.digest.word(value);
        Ok(())
    }
    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.digest.word(value as u64);
        Ok(())
    }
    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.digest.word(value.to_bits());
        Ok(())
    }
    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.digest.text(value);
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.digest.word(4);
        while seq.next_element_seed(Value { digest: self.digest, is_user: &mut false })?.is_some() {}
        self.digest.word(5);
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.digest.word(6);
        while let Some(key) = map.next_key::<Str<'de>>()? {
            if key == "cache_control" {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            self.digest.text(&key);
            if key == "role" {
                let role = map.next_value::<Option<Str<'de>>>()?;
                *self.is_user = role.is_some_and(|role| role == "user");
                continue;
            }
            map.next_value_seed(Value { digest: self.digest, is_user: &mut false })?;
        }
        self.digest.word(7);
        Ok(())
    }
}
