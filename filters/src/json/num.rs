//! A JSON number kept as the text it was written in.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::Raw;

/// A number as written: `1` stays `1`, `1.0` stays `1.0`, 64-bit integers keep every digit.
#[derive(Clone, PartialEq, Eq)]
pub struct Num<'a>(Raw<'a>);

impl<'a> Num<'a> {
    /// The number's text.
    pub fn get(&self) -> &str {
        self.0.get()
    }

    /// Its value; NaN never occurs in JSON, overflow gives an infinity.
    pub fn as_f64(&self) -> f64 {
        self.get().parse().unwrap_or(0.0)
    }

    /// Its value when it is a non-negative integer (also written `4096.0`) below 2⁶⁴.
    pub fn as_u64(&self) -> Option<u64> {
        let text = self.get();
        text.parse().ok().or_else(|| {
            let value: f64 = text.parse().ok()?;
            (value.fract() == 0.0 && (0.0..9.0e15).contains(&value)).then_some(value as u64)
        })
    }

    /// Its value when it is an integer of 64 bits.
    pub fn as_i64(&self) -> Option<i64> {
        self.get().parse().ok()
    }

    /// The number as raw JSON.
    pub fn as_raw(&self) -> &Raw<'a> {
        &self.0
    }

    /// Detaches the number from the body it was read from.
    pub fn into_owned(self) -> Num<'static> {
        Num(self.0.into_owned())
    }
}

impl From<u64> for Num<'_> {
    fn from(value: u64) -> Self {
        Num(Raw::from_string(value.to_string()).unwrap_or(Raw::NULL))
    }
}

impl From<f64> for Num<'_> {
    /// Infinities and NaN become 0: JSON cannot say them.
    fn from(value: f64) -> Self {
        let value = if value.is_finite() { value } else { 0.0 };
        Num(Raw::from_value(&value).unwrap_or(Raw::NULL))
    }
}

impl fmt::Debug for Num<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Num<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Raw::deserialize(deserializer)?;
        match raw.get().as_bytes().first() {
            Some(b'-' | b'0'..=b'9') => Ok(Num(raw)),
            _ => Err(D::Error::custom(format_args!("expected a number, found {}", raw.get()))),
        }
    }
}
