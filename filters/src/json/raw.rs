//! A JSON value kept as the text it was written in.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::value::RawValue;

/// Valid JSON text, borrowed from the body or owned. Comparison is by text.
#[derive(Clone)]
pub struct Raw<'a>(Cow<'a, RawValue>);

impl<'a> Raw<'a> {
    /// The text `null`.
    pub const NULL: Raw<'static> = Raw(Cow::Borrowed(RawValue::NULL));
    /// The text `true`.
    pub const TRUE: Raw<'static> = Raw(Cow::Borrowed(RawValue::TRUE));
    /// The text `false`.
    pub const FALSE: Raw<'static> = Raw(Cow::Borrowed(RawValue::FALSE));

    /// Checks that `text` is one JSON value and borrows it; `None` when it is not.
    pub fn parse(text: &'a str) -> Option<Self> {
        serde_json::from_str::<&RawValue>(text).ok().map(|raw| Raw(Cow::Borrowed(raw)))
    }

    /// Checks that `text` is one JSON value and takes it; `None` when it is not.
    pub fn from_string(text: String) -> Option<Raw<'static>> {
        RawValue::from_string(text).ok().map(|raw| Raw(Cow::Owned(raw)))
    }

    /// Serialises a value; `None` only for maps whose keys are not strings.
    pub fn from_value<T: serde::Serialize>(value: &T) -> Option<Raw<'static>> {
        serde_json::value::to_raw_value(value).ok().map(|raw| Raw(Cow::Owned(raw)))
    }

    /// The JSON text.
    pub fn get(&self) -> &str {
        self.0.get()
    }

    /// Reads the text as a `T`, borrowing from it; `None` when the shape is another.
    pub fn read<'s, T: Deserialize<'s>>(&'s self) -> Option<T> {
        serde_json::from_str(self.0.get()).ok()
    }

    /// Reads the text as a JSON tree. `Null` when it nests deeper than serde_json reads.
    pub fn to_value(&self) -> serde_json::Value {
        serde_json::from_str(self.get()).unwrap_or(serde_json::Value::Null)
    }

    /// Whether the text is `null`.
    pub fn is_null(&self) -> bool {
        self.get() == "null"
    }

    /// Whether the text is an object.
    pub fn is_object(&self) -> bool {
        self.get().starts_with('{')
    }

    /// Whether the text is an array.
    pub fn is_array(&self) -> bool {
        self.get().starts_with('[')
    }

    /// Whether the text is a string.
    pub fn is_string(&self) -> bool {
        self.get().starts_with('"')
    }

    /// Detaches the value from the body it was read from.
    pub fn into_owned(self) -> Raw<'static> {
        Raw(Cow::Owned(self.0.into_owned()))
    }

    /// The same value, borrowed from this one.
    pub fn reborrow(&self) -> Raw<'_> {
        Raw(Cow::Borrowed(&self.0))
    }
}

impl PartialEq for Raw<'_> {
    fn eq(&self, other: &Raw<'_>) -> bool {
        self.get() == other.get()
    }
}

impl Eq for Raw<'_> {}

impl fmt::Debug for Raw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&'de RawValue>::deserialize(deserializer).map(|raw| Raw(Cow::Borrowed(raw)))
    }
}
