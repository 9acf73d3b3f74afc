//! The text inside `{"input":"…"}`, piece by piece.

use crate::json::Str;
use crate::wire_object;

/// Takes a wrapped tool's arguments in any pieces and gives the plain text as early as it is certain.
///
/// Arguments of another form than `{"input":"…"}` with this member first are kept back until they are whole; if they
/// have no text `input` even then, they are given as they came: nothing that the model wrote is lost.
#[derive(Debug, Default)]
pub(super) struct Unwrap {
    at: At,
    /// What was read and not given yet.
    held: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    /// Before the text's opening quote.
    #[default]
    Start,
    /// Inside the text.
    Text,
    /// Behind the text.
    Behind,
    /// In arguments of another form.
    Other,
}

wire_object! {
    /// Arguments of a wrapped tool.
    struct Wrapped<'a> {
        /// The plain text.
        input: Str<'a> = "input",
    }
}

impl Unwrap {
    /// Reads the next piece and appends what became certain to `out`.
    pub(super) fn push(&mut self, piece: &str, out: &mut String) {
        if self.at == At::Behind {
            return;
        }
        self.held.push_str(piece);
        if self.at == At::Start {
            match opening(&self.held) {
                Opening::Found(length) => {
                    self.held.drain(..length);
                    self.at = At::Text;
                }
                Opening::Other => self.at = At::Other,
                Opening::NotYet => {}
            }
        }
        if self.at == At::Text {
            let taken = self.read_text(out);
            self.held.drain(..taken);
        }
    }

    /// The arguments are complete, or broken off.
    pub(super) fn finish(self, out: &mut String) {
        if matches!(self.at, At::Start | At::Other) {
            let wrapped = serde_json::from_str::<Wrapped<'_>>(&self.held).ok();
            match wrapped.and_then(|wrapped| wrapped.input) {
                Some(input) => out.push_str(&input),
                None => out.push_str(&self.held),
            }
        }
    }

    /// Decodes as much of the string as is there, and tells how many bytes of it were used.
    fn read_text(&mut self, out: &mut String) -> usize {
        let mut rest = self.held.as_str();
        while let Some(at) = rest.find(['"', '\\']) {
            let (plain, from) = rest.split_at(at);
            out.push_str(plain);
            rest = from;
            if from.starts_with('"') {
                self.at = At::Behind;
                return self.held.len();
            }
            let Some((decoded, length)) = escape(from) else { return self.held.len() - rest.len() };
            out.push(decoded);
            rest = from.get(length..).unwrap_or_default();
        }
        out.push_str(rest);
        self.held.len()
    }
}

enum Opening {
    /// The text begins after this many bytes.
    Found(usize),
    NotYet,
    Other,
}

/// Looks for `{"input":"` with white space anywhere between.
fn opening(held: &str) -> Opening {
    let mut rest = held;
    for token in ["{", "\"input\"", ":", "\""] {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        match rest.strip_prefix(token) {
            Some(behind) => rest = behind,
            None if token.starts_with(rest) => return Opening::NotYet,
            None => return Opening::Other,
        }
    }
    Opening::Found(held.len() - rest.len())
}

/// The character that the escape at the start of `text` stands for, and the escape's length; `None` when it is cut off.
fn escape(text: &str) -> Option<(char, usize)> {
    let decoded = match text.as_bytes().get(1)? {
        b'n' => '\n',
        b't' => '\t',
        b'r' => '\r',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'u' => return unicode(text),
        // `\"`, `\\`, `\/`; and what JSON does not know stands for itself.
        _ => {
            let other = text.get(1..)?.chars().next()?;
            return Some((other, 1 + other.len_utf8()));
        }
    };
    Some((decoded, 2))
}

fn unicode(text: &str) -> Option<(char, usize)> {
    let unit = |at: usize| -> Option<u32> {
        let digits = text.as_bytes().get(at..at + 4)?;
        Some(std::str::from_utf8(digits).ok().and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or(0xFFFD))
    };
    let first = unit(2)?;
    if !(0xD800..0xDC00).contains(&first) {
        return Some((char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), char_boundary(text, 6)));
    }
    let behind = text.as_bytes().get(6..).unwrap_or_default();
    if !behind.starts_with(b"\\u") && !b"\\u".starts_with(behind) {
        return Some((char::REPLACEMENT_CHARACTER, 6));
    }
    let second = unit(8)?;
    if !(0xDC00..0xE000).contains(&second) {
        return Some((char::REPLACEMENT_CHARACTER, 6));
    }
    let decoded = char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00));
    Some((decoded.unwrap_or(char::REPLACEMENT_CHARACTER), 12))
}

/// `at`, or the next place where a character begins: bad digits may be anything.
fn char_boundary(text: &str, at: usize) -> usize {
    (at..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len())
}
