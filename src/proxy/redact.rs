//! Words of providers, without what looks like a credential.

/// How credentials begin: OpenAI and Anthropic keys, Google keys and access tokens, and bearer headers.
const PREFIXES: [&str; 6] = ["sk-", "AIza", "ya29.", "gsk_", "xai-", "Bearer"];
/// Shorter words are no credentials.
const LENGTH_MIN: usize = 12;

/// Replaces words that look like a credential.
pub(super) fn redact(message: &str) -> String {
    if !PREFIXES.iter().any(|prefix| message.contains(prefix)) {
        return message.to_owned();
    }
    message.split_inclusive(char::is_whitespace).map(hide).collect()
}

fn hide(word: &str) -> String {
    let bare = word.trim_start_matches(|first: char| !first.is_alphanumeric());
    if bare.trim_end().len() < LENGTH_MIN || !PREFIXES.iter().any(|prefix| bare.starts_with(prefix)) {
        return word.to_owned();
    }
    format!("[redacted]{}", &word[word.trim_end().len()..])
}

#[cfg(test)]
mod tests {
    use super::redact;

    #[test]
    fn credentials_in_messages_are_hidden() {
        let said = "Incorrect API key provided: sk-proj-abcdefghijkl. You can find your key at your account page.";
        let hidden = "Incorrect API key provided: [redacted] You can find your key at your account page.";
        assert_eq!(redact(said), hidden);
        assert_eq!(redact("nothing to hide, sk- is short"), "nothing to hide, sk- is short");
    }
}
