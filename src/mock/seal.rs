//! Ids and signatures, all derived from the seed: two simulators with one seed accept each other's signatures, as two
//! accounts of one provider do.

use super::dialect::Dialect;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use sha2::{Digest, Sha256};

/// Length of the part of an id that names the request it was made in.
const TAG_LENGTH: usize = 12;
/// Length of the part of a call id that proves who issued it, and whether it came after thinking.
const MARK_LENGTH: usize = 10;
/// First bytes of every signature.
const MAGIC: &[u8] = b"\x0a\x09ilg-mock\x12";

/// What Gemini accepts in place of a signature for calls that it did not make.
pub(crate) const GEMINI_SENTINEL: &str = "skip_thought_signature_validator";

/// The source of ids and signatures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seal {
    seed: u64,
}

impl Seal {
    /// A seal for one seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// A digest of `parts` under this seed.
    pub(crate) fn digest(self, purpose: &str, parts: &[&str]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.seed.to_le_bytes());
        for part in [purpose].iter().chain(parts) {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        hash.finalize().into()
    }

    /// `length` (at most 32) letters and digits that name item `n` of request `number`.
    pub(crate) fn letters(self, purpose: &str, number: u64, n: u64, length: usize) -> String {
        alphanumeric(&self.digest(purpose, &[&number.to_string(), &n.to_string()]), length)
    }

    /// `length` (at most 64) hexadecimal digits.
    pub(crate) fn hex(self, purpose: &str, number: u64, n: u64, length: usize) -> String {
        let digest = self.digest(purpose, &[&number.to_string(), &n.to_string()]);
        let mut text = hexadecimal(&digest);
        text.truncate(length);
        text
    }

    /// The tag of a request's call `n`.
    pub(crate) fn tag(self, number: u64, n: u64) -> String {
        self.letters("tag", number, n, TAG_LENGTH)
    }

    /// A call id in the form of `dialect`; `thought` says that thinking came before it and must come back with it.
    pub(crate) fn call_id(self, dialect: Dialect, tag: &str, thought: bool) -> String {
        let prefix = if dialect == Dialect::Anthropic { "toolu_01" } else { "call_" };
        format!("{prefix}{tag}{}", self.mark(dialect, tag, thought))
    }

    /// The tag of a call id that this seed issued after thinking.
    pub(crate) fn thought_tag(self, dialect: Dialect, id: &str) -> Option<&str> {
        let start = id.len().checked_sub(TAG_LENGTH + MARK_LENGTH)?;
        let tag = id.get(start..start + TAG_LENGTH)?;
        let mark = id.get(start + TAG_LENGTH..)?;
        (mark == self.mark(dialect, tag, true)).then_some(tag)
    }

    fn mark(self, dialect: Dialect, tag: &str, thought: bool) -> String {
        let thought = if thought { "thought" } else { "plain" };
        alphanumeric(&self.digest("call", &[dialect.name(), tag, thought]), MARK_LENGTH)
    }

    /// Signs `text` for the call or request `tag`, in the dialect's alphabet.
    pub(crate) fn sign(self, dialect: Dialect, tag: &str, text: &str) -> String {
        let bytes = self.signature_bytes(dialect, tag, text);
        if dialect.is_openai() { format!("gAAAAA{}", URL_SAFE.encode(bytes)) } else { STANDARD.encode(bytes) }
    }

    /// The tag inside a signature that was made here for exactly this `text`; `None` if it was not.
    pub(crate) fn verify(self, dialect: Dialect, signature: &str, text: &str) -> Option<String> {
        let bytes = decode(dialect, signature)?;
        let tag = bytes.get(MAGIC.len()..MAGIC.len() + TAG_LENGTH)?;
        let tag = std::str::from_utf8(tag).ok()?.to_owned();
        (bytes == self.signature_bytes(dialect, &tag, text)).then_some(tag)
    }

    /// The tag inside a signature that was made here and is unchanged, whatever its text was.
    pub(crate) fn tag_of(self, dialect: Dialect, signature: &str) -> Option<String> {
        let bytes = decode(dialect, signature)?;
        let (tag, rest) = bytes.strip_prefix(MAGIC)?.split_at_checked(TAG_LENGTH)?;
        let (proof, fill) = rest.split_at_checked(32)?;
        let tag = std::str::from_utf8(tag).ok()?;
        (fill == self.fill(dialect, tag, proof)).then(|| tag.to_owned())
    }

    fn signature_bytes(self, dialect: Dialect, tag: &str, text: &str) -> Vec<u8> {
        let proof = self.digest("sign", &[dialect.name(), tag, text]);
        [MAGIC, tag.as_bytes(), &proof, &self.fill(dialect, tag, &proof)].concat()
    }

    /// Makes signatures as long as real ones, and lets them be checked without their text.
    fn fill(self, dialect: Dialect, tag: &str, proof: &[u8]) -> [u8; 32] {
        self.digest("fill", &[dialect.name(), tag, &hexadecimal(proof)])
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        text.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(u32::from(digit), 16).unwrap_or('0')));
        text
    })
}

fn decode(dialect: Dialect, signature: &str) -> Option<Vec<u8>> {
    match dialect {
        Dialect::Chat | Dialect::Responses => URL_SAFE.decode(signature.strip_prefix("gAAAAA")?).ok(),
        Dialect::Anthropic => STANDARD.decode(signature).ok(),
        // JSON for protocol buffers takes both alphabets for bytes.
        Dialect::Gemini => STANDARD.decode(signature).or_else(|_| URL_SAFE.decode(signature)).ok(),
    }
}

fn alphanumeric(digest: &[u8], length: usize) -> String {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let letter = |byte: &u8| LETTERS.get(usize::from(*byte) % LETTERS.len()).map_or('0', |letter| char::from(*letter));
    digest.iter().map(letter).take(length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_valid_for_its_own_text_dialect_and_seed_only() {
        let seal = Seal::new(7);
        for dialect in [Dialect::Responses, Dialect::Anthropic, Dialect::Gemini] {
            let tag = seal.tag(1, 0);
            let signature = seal.sign(dialect, &tag, "thought");
            assert_eq!(seal.verify(dialect, &signature, "thought"), Some(tag.clone()));
            assert_eq!(seal.tag_of(dialect, &signature), Some(tag));
            assert_eq!(seal.tag_of(dialect, &signature.replacen('A', "B", 1)), None);
            assert_eq!(Seal::new(8).tag_of(dialect, &signature), None);
            assert_eq!(seal.verify(dialect, &signature, "thought "), None);
            assert_eq!(Seal::new(8).verify(dialect, &signature, "thought"), None);
            assert_eq!(seal.verify(Dialect::Chat, &signature, "thought"), None);
        }
    }

    #[test]
    fn call_ids_tell_whether_thinking_came_before() {
        let seal = Seal::new(7);
        let tag = seal.tag(1, 0);
        let thought = seal.call_id(Dialect::Anthropic, &tag, true);
        assert_eq!(thought.len(), "toolu_01".len() + 22);
        assert_eq!(seal.thought_tag(Dialect::Anthropic, &thought), Some(tag.as_str()));
        assert_eq!(seal.thought_tag(Dialect::Anthropic, &seal.call_id(Dialect::Anthropic, &tag, false)), None);
        assert_eq!(seal.thought_tag(Dialect::Anthropic, "é"), None);
    }
}
