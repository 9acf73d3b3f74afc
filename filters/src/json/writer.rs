//! Writes JSON into a byte buffer: commas and keys by the writer, escaping by serde_json.

use super::{Extra, Num, Raw};

/// Appends one JSON value to a buffer. Misuse (a value without its key) writes invalid JSON; the laws' tests see it.
pub struct Writer<'w> {
    out: &'w mut Vec<u8>,
    /// Whether the next member or element needs a comma before it.
    comma: bool,
}

impl<'w> Writer<'w> {
    /// Writes at the end of `out`.
    pub fn new(out: &'w mut Vec<u8>) -> Self {
        Writer { out, comma: false }
    }

    /// `{`, the members that `members` writes, `}`.
    pub fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.open(b'{');
        members(self);
        self.close(b'}');
    }

    /// `[`, the elements that `elements` writes, `]`.
    pub fn array(&mut self, elements: impl FnOnce(&mut Self)) {
        self.open(b'[');
        elements(self);
        self.close(b']');
    }

    /// The key of the next value.
    pub fn key(&mut self, key: &str) -> &mut Self {
        self.separate();
        escape(self.out, key);
        self.out.push(b':');
        self.comma = false;
        self
    }

    /// A string value.
    pub fn str(&mut self, value: &str) {
        self.separate();
        escape(self.out, value);
    }

    /// A string value whose text is JSON itself, e.g. the arguments of an OpenAI tool call.
    pub fn fmt(&mut self, value: std::fmt::Arguments<'_>) {
        self.separate();
        escape(self.out, &value.to_string());
    }

    /// A value given as JSON text.
    pub fn raw(&mut self, value: &Raw<'_>) {
        self.separate();
        self.out.extend_from_slice(value.get().as_bytes());
    }

    /// A value given as JSON text that this writer wrote before.
    pub fn written(&mut self, value: &[u8]) {
        self.separate();
        self.out.extend_from_slice(value);
    }

    /// A number given as its text.
    pub fn num(&mut self, value: &Num<'_>) {
        self.raw(value.as_raw());
    }

    /// An integer value.
    pub fn u64(&mut self, value: u64) {
        self.separate();
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    /// A boolean value.
    pub fn bool(&mut self, value: bool) {
        self.separate();
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// The value `null`.
    pub fn null(&mut self) {
        self.separate();
        self.out.extend_from_slice(b"null");
    }

    /// A value by its serde form.
    pub fn value(&mut self, value: &serde_json::Value) {
        self.separate();
        // Writing a tree into a vector cannot fail: keys are strings and the vector grows.
        let _ = serde_json::to_writer(&mut *self.out, value);
    }

    /// Members left over from the same dialect, as they came.
    pub fn extra(&mut self, extra: &Extra<'_>) {
        for (key, value) in extra.iter() {
            self.key(key).raw(value);
        }
    }

    /// A member with a string value, when there is one.
    pub fn opt_str(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.key(key).str(value);
        }
    }

    /// A member with a number, when there is one.
    pub fn opt_num(&mut self, key: &str, value: Option<&Num<'_>>) {
        if let Some(value) = value {
            self.key(key).num(value);
        }
    }

    /// A member with a boolean, when there is one.
    pub fn opt_bool(&mut self, key: &str, value: Option<bool>) {
        if let Some(value) = value {
            self.key(key).bool(value);
        }
    }

    /// A member with a raw value, when there is one.
    pub fn opt_raw(&mut self, key: &str, value: Option<&Raw<'_>>) {
        if let Some(value) = value {
            self.key(key).raw(value);
        }
    }

    fn open(&mut self, bracket: u8) {
        self.separate();
        self.out.push(bracket);
        self.comma = false;
    }

    fn close(&mut self, bracket: u8) {
        self.out.push(bracket);
        self.comma = true;
    }

    fn separate(&mut self) {
        if self.comma {
            self.out.push(b',');
        }
        self.comma = true;
    }
}

/// Appends `text` as a JSON string. U+2028, U+2029 and U+0085 are escaped: some clients split lines on them.
fn escape(out: &mut Vec<u8>, text: &str) {
    let plain = |part: &str, out: &mut Vec<u8>| {
        // Writing a string into a vector cannot fail.
        let _ = serde_json::to_writer(out, part);
    };
    // All three begin with one of these two bytes, which are rare enough in practice to look for first.
    if memchr::memchr2(0xE2, 0xC2, text.as_bytes()).is_none() || !text.contains(['\u{2028}', '\u{2029}', '\u{85}']) {
        return plain(text, out);
    }
    out.push(b'"');
    for part in text.split_inclusive(['\u{2028}', '\u{2029}', '\u{85}']) {
        let last = part.chars().next_back();
        let (head, tail) = match last {
            Some('\u{2028}') => (&part[..part.len() - 3], "\\u2028"),
            Some('\u{2029}') => (&part[..part.len() - 3], "\\u2029"),
            Some('\u{85}') => (&part[..part.len() - 2], "\\u0085"),
            _ => (part, ""),
        };
        let start = out.len();
        plain(head, out);
        out.pop();
        out.remove(start);
        out.extend_from_slice(tail.as_bytes());
    }
    out.push(b'"');
}
