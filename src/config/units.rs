//! Values of the file that have a form of their own: time spans, sizes, lists, secrets.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// A time span: whole numbers with a unit, as in `250ms`, `30s`, `5m`, `1h30m`, `2d`. A bare number is refused, since
/// it says nothing of its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeSpan(pub Duration);

/// A size in bytes with a unit: `512B`, `64KiB`, `100MiB`, `1GiB`, or decimal `64KB`, `100MB`, `1GB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteSize(pub u64);

/// `auto` (one per processor) or a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// One per processor.
    Auto,
    /// This many.
    Count(u64),
}

/// One value, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneOrMany<T>(pub Vec<T>);

/// Text that may be a secret, or refer to one. Its `Debug` and `Serialize` show nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(pub String);

const TIME_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

const SIZE_UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1000),
    ("B", 1),
];

impl TimeSpan {
    /// This many seconds.
    pub const fn secs(secs: u64) -> Self {
        TimeSpan(Duration::from_secs(secs))
    }

    /// This many milliseconds.
    pub const fn ms(ms: u64) -> Self {
        TimeSpan(Duration::from_millis(ms))
    }

    /// Reads `1h30m`; each unit at most once, larger ones first. At most 365 days.
    pub fn parse(text: &str) -> Option<Self> {
        const MS_MAX: u64 = 365 * 86_400_000;
        let mut rest = text;
        let mut total: u64 = 0;
        let mut units = TIME_UNITS.iter();
        while !rest.is_empty() {
            let (number, tail) = split_number(rest)?;
            let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at_checked(end)?;
            let (_, ms) = units.find(|(name, _)| *name == unit)?;
            total = total.checked_add(number.checked_mul(*ms)?)?;
            rest = tail;
        }
        (!text.is_empty() && total <= MS_MAX).then_some(TimeSpan(Duration::from_millis(total)))
    }
}

impl ByteSize {
    /// Reads `100MiB`.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, unit) = split_number(text)?;
        let (_, factor) = SIZE_UNITS.iter().find(|(name, _)| *name == unit.trim_start())?;
        number.checked_mul(*factor).map(ByteSize)
    }
}

fn split_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ms = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if ms == 0 {
            return f.write_str("0s");
        }
        for (unit, factor) in TIME_UNITS {
            if ms >= factor {
                write!(f, "{}{unit}", ms / factor)?;
                ms %= factor;
            }
        }
        Ok(())
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, factor): &&(&str, u64)| self.0 >= *factor && self.0.is_multiple_of(*factor);
        let (unit, factor) = SIZE_UNITS.iter().find(fits).unwrap_or(&("B", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

struct TextOr<T> {
    expecting: &'static str,
    text: fn(&str) -> Option<T>,
    number: fn(u64) -> Option<T>,
}

impl<T> Visitor<'_> for TextOr<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.text)(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        (self.number)(number)
            .ok_or_else(|| E::custom(format_args!("a number needs a unit here: expected {}", self.expecting)))
    }
}

impl<'de> Deserialize<'de> for TimeSpan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expecting = "a time span such as `250ms`, `30s`, `5m` or `1h30m`";
        deserializer.deserialize_any(TextOr { expecting, text: TimeSpan::parse, number: |_| None })
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expecting = "a size such as `64KiB`, `100MiB` or `1GiB`";
        deserializer.deserialize_any(TextOr { expecting, text: ByteSize::parse, number: |_| None })
    }
}

impl<'de> Deserialize<'de> for Threads {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = |text: &str| (text == "auto").then_some(Threads::Auto);
        let number = |count| Some(Threads::Count(count));
        deserializer.deserialize_any(TextOr { expecting: "`auto` or a number of threads", text, number })
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = |text: &str| Some(SecretText(text.to_owned()));
        deserializer.deserialize_any(TextOr { expecting: "text; put a number in quotes", text, number: |_| None })
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Many<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Many<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, or a list of texts")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                T::deserialize(de::value::StrDeserializer::new(text)).map(|one| OneOrMany(vec![one]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut many = Vec::new();
                while let Some(item) = items.next_element()? {
                    many.push(item);
                }
                Ok(OneOrMany(many))
            }
        }
        deserializer.deserialize_any(Many(PhantomData))
    }
}

impl Serialize for TimeSpan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Threads {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Threads::Auto => serializer.serialize_str("auto"),
            Threads::Count(count) => serializer.serialize_u64(*count),
        }
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("<redacted>")
    }
}

impl<T: Serialize> Serialize for OneOrMany<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        OneOrMany(Vec::new())
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(redacted)")
    }
}

macro_rules! schema_of {
    ($type:ty, $name:literal, $schema:tt) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

schema_of!(TimeSpan, "TimeSpan", {
    "description": "A time span: whole numbers with a unit (d, h, m, s, ms), larger units first, as in 250ms, 30s, 5m, 1h30m.",
    "type": "string",
    "pattern": "^(?=.)([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$"
});
schema_of!(ByteSize, "ByteSize", {
    "description": "A size with a unit: B, KiB, MiB, GiB, or decimal KB, MB, GB.",
    "type": "string",
    "pattern": "^[0-9]+ *(B|KiB|MiB|GiB|KB|MB|GB)$"
});
schema_of!(Threads, "Threads", {
    "description": "auto (one per processor) or a number.",
    "anyOf": [{ "const": "auto" }, { "type": "integer", "minimum": 1 }]
});
schema_of!(SecretText, "SecretText", {
    "description": "Text, ${env:NAME}, ${file:/path} or ${vault:NAME}.",
    "type": "string"
});

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [item.clone(), { "type": "array", "items": item }] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn time_spans_are_read_with_their_unit() {
        let ms = |text| TimeSpan::parse(text).map(|span| span.0.as_millis());
        assert_eq!(ms("250ms"), Some(250));
        assert_eq!(ms("30s"), Some(30_000));
        assert_eq!(ms("1h30m"), Some(5_400_000));
        assert_eq!(ms("1m5ms"), Some(60_005));
        assert_eq!(ms("0s"), Some(0));
        for bad in
            ["", "5", "s", "30 s", "30sec", "1m1h", "1s1s", "-1s", "1.5s", "366d", "99999999999999999999s", "1sé"]
        {
            assert_eq!(ms(bad), None, "{bad}");
        }
    }

    #[test]
    fn sizes_are_read_with_their_unit() {
        let bytes = |text| ByteSize::parse(text).map(|size| size.0);
        assert_eq!(bytes("100MiB"), Some(104_857_600));
        assert_eq!(bytes("1 KB"), Some(1000));
        for bad in ["", "5", "MiB", "1.5MiB", "5mib", "-1B", "99999999999GiB"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(ms in 0_u64..31_536_000_000, size in any::<u64>()) {
            let span = TimeSpan(Duration::from_millis(ms));
            prop_assert_eq!(TimeSpan::parse(&span.to_string()), Some(span));
            prop_assert_eq!(ByteSize::parse(&ByteSize(size).to_string()), Some(ByteSize(size)));
        }

        #[test]
        fn any_text_is_an_answer_not_a_panic(text in "\\PC{0,12}") {
            let _ = (TimeSpan::parse(&text), ByteSize::parse(&text));
        }
    }
}
