//! Bodies without what looks like a credential.
//!
//! Clients' own keys stand in headers and query strings, which are not kept. But people paste keys into prompts, and tools
//! answer with configuration files. Two things are looked for: words that begin as credentials do, and the values of JSON
//! members whose names say that they are secret.

use crate::proxy::CREDENTIALS;

/// How other credentials begin that are often seen in prompts: GitHub, GitLab, Slack, AWS, Hugging Face.
const MORE: [&str; 9] = ["ghp_", "gho_", "ghs_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "AKIA", "hf_"];
/// Names of members whose texts are secret.
const MEMBERS: [&str; 12] = [
    "api_key",
    "apiKey",
    "apikey",
    "authorization",
    "Authorization",
    "password",
    "access_token",
    "refresh_token",
    "client_secret",
    "private_key",
    "secret_key",
    "x-api-key",
];
/// Shorter words are no credentials.
const LENGTH_MIN: usize = 16;
/// What stands for one.
const HIDDEN: &[u8] = b"[redacted]";

/// The same bytes without what looks like a credential. What is cut off at the end counts as long enough.
pub fn redact(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut at = 0;
    while let Some(rest) = body.get(at..).filter(|rest| !rest.is_empty()) {
        let begun = is_boundary(body, at);
        if let Some((kept, hidden)) = begun.then(|| credential(rest)).flatten().or_else(|| member(rest)) {
            out.extend_from_slice(rest.get(..kept).unwrap_or_default());
            out.extend_from_slice(HIDDEN);
            at += kept + hidden;
        } else {
            out.extend(rest.first());
            at += 1;
        }
    }
    out
}

/// Whether a word can begin here. In JSON a line break is written as a backslash and a letter.
fn is_boundary(body: &[u8], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).and_then(|at| body.get(at));
    match before(1) {
        Some(byte) if byte.is_ascii_alphanumeric() || *byte == b'_' => {
            matches!(byte, b'n' | b'r' | b't') && before(2) == Some(&b'\\')
        }
        _ => true,
    }
}

/// Bytes that stay and bytes that go, if a credential begins here.
fn credential(rest: &[u8]) -> Option<(usize, usize)> {
    let prefix = CREDENTIALS.iter().chain(&MORE).find(|prefix| rest.starts_with(prefix.as_bytes()))?;
    // A scheme's name is none itself.
    let is_scheme = *prefix == "Bearer";
    let kept = if is_scheme { prefix.len() + usize::from(rest.get(prefix.len()) == Some(&b' ')) } else { 0 };
    let word = rest.get(kept..)?;
    let length = word.iter().position(|byte| !is_token(*byte)).unwrap_or(word.len());
    let is_cut = length == word.len();
    let has_digit = word.iter().take(length).any(u8::is_ascii_digit);
    (length > 0 && (is_cut || length >= LENGTH_MIN && (has_digit || !is_scheme))).then_some((kept, length))
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~+/=".contains(&byte)
}

/// The same, if the text of a secret member begins here.
fn member(rest: &[u8]) -> Option<(usize, usize)> {
    let inner = rest.strip_prefix(b"\"")?;
    let name = MEMBERS
        .iter()
        .find(|name| inner.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'"')))?;
    let mut at = name.len() + 2;
    let blank = |at: usize| rest.get(at).is_some_and(u8::is_ascii_whitespace);
    while blank(at) {
        at += 1;
    }
    if rest.get(at) != Some(&b':') {
        return None;
    }
    at += 1;
    while blank(at) {
        at += 1;
    }
    if rest.get(at) != Some(&b'"') {
        return None;
    }
    let text = rest.get(at + 1..)?;
    let mut end = 0;
    while let Some(byte) = text.get(end).filter(|byte| **byte != b'"') {
        end += if *byte == b'\\' { 2 } else { 1 };
    }
    let end = end.min(text.len());
    (end > 0).then_some((at + 1, end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hidden(text: &str) -> String {
        String::from_utf8(redact(text.as_bytes())).unwrap()
    }

    #[test]
    fn credentials_go_wherever_they_stand_in_json() {
        let cases = [
            (r#"{"text":"use sk-proj-0123456789abcdef now"}"#, r#"{"text":"use [redacted] now"}"#),
            (r#"{"text":"key:\nsk-ant-0123456789abcdef\n"}"#, r#"{"text":"key:\n[redacted]\n"}"#),
            (r#"{"h":"Authorization: Bearer abcdef0123456789abcdef"}"#, r#"{"h":"Authorization: Bearer [redacted]"}"#),
            (r#"{"api_key" : "short","n":1}"#, r#"{"api_key" : "[redacted]","n":1}"#),
            (r#"{"password":"a\"b","n":1}"#, r#"{"password":"[redacted]","n":1}"#),
            (r#"{"k":"AIzaSyA0123456789abcdefg"}"#, r#"{"k":"[redacted]"}"#),
        ];
        for (text, wanted) in cases {
            assert_eq!(hidden(text), wanted);
        }
    }

    #[test]
    fn words_that_only_look_alike_stay() {
        for text in [
            r#"{"text":"task-management-of-everything, sk-short, risk-averse-0123456789abcdef"}"#,
            r#"{"text":"Bearer authentication-is-a-scheme. "}"#,
            r#"{"properties":{"api_key":{"type":"string"},"password":null}}"#,
        ] {
            assert_eq!(hidden(text), text);
        }
    }

    #[test]
    fn a_credential_that_is_cut_off_is_one() {
        assert_eq!(hidden("the key is sk-012"), "the key is [redacted]");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            redact(&bytes);
        }

        #[test]
        fn no_key_stays(before in "[ -~]{0,20}[ ,:\"]", key in "[A-Za-z0-9]{20,40}", after in "[ \"\\\\][ -~]{0,20}") {
            let key = format!("sk-{key}");
            let shown = hidden(&format!("{before}{key}{after}"));
            prop_assert!(!shown.contains(&key), "{}", shown);
        }
    }
}
