//! Words of providers, without what looks like a credential.

/// How credentials begin: keys of this gateway's own clients, OpenAI and Anthropic keys, Google keys and access tokens, and
/// bearer headers.
pub(crate) const PREFIXES: [&str; 7] = ["ilk_", "sk-", "AIza", "ya29.", "gsk_", "xai-", "Bearer"];
/// How the names of the operator's own accounts begin: OpenAI organisations and projects, Google projects.
const NAMES: [&str; 4] = ["org-", "proj_", "projects/", "project_number:"];
/// How the addresses of Google's service accounts end.
const ROBOT: &str = ".gserviceaccount.com";
/// Shorter words are no credentials.
const LENGTH_MIN: usize = 12;
/// Fewer letters and digits in a row, in a path, are no key: those of clients have 16 characters or more.
const RUN_MIN: usize = 16;

/// Replaces words that look like a credential, or that name an account of the operator.
pub(super) fn redact(message: &str) -> String {
    if !PREFIXES.iter().chain(&NAMES).chain([&ROBOT]).any(|known| message.contains(known)) {
        return message.to_owned();
    }
    message.split_inclusive(char::is_whitespace).map(hide).collect()
}

fn hide(word: &str) -> String {
    let bare = word.trim_start_matches(|first: char| !first.is_alphanumeric());
    // Words begin with `org-`, too, but have no digits.
    let is_word = bare.starts_with("org-") && !bare.contains(|one: char| one.is_ascii_digit());
    let is_name = !is_word && NAMES.iter().any(|name| bare.starts_with(name));
    let is_private = is_name || bare.contains(ROBOT) || PREFIXES.iter().any(|prefix| bare.starts_with(prefix));
    if bare.trim_end().len() < LENGTH_MIN || !is_private {
        return word.to_owned();
    }
    format!("[redacted]{}", &word[word.trim_end().len()..])
}

/// A path that nothing answers to, for people: nobody knows what stands in it, and who has written a key into a base URL
/// shall not find it in logs. Parts with so many letters and digits in a row, some of them digits, are left out.
pub(super) fn path(path: &str) -> String {
    let show = |part: &str| {
        let mut runs = part.split(|one: char| !one.is_ascii_alphanumeric());
        let is_key = runs.any(|run| run.len() >= RUN_MIN && run.contains(|one: char| one.is_ascii_digit()))
            || part.len() >= LENGTH_MIN && PREFIXES.iter().any(|prefix| part.starts_with(prefix));
        if is_key { "[redacted]".to_owned() } else { part.to_owned() }
    };
    path.split('/').map(show).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::{path, redact};

    #[test]
    fn keys_in_paths_are_hidden() {
        let cases = [
            ("/v1/4NDXIbQ6IE4ZnKr2t9jyFDUs/chat", "/v1/[redacted]/chat"),
            ("/ilk_a-b_c-d1e2-f3/v1", "/[redacted]/v1"),
            (
                "/v1beta/models/gemini-3-pro-preview:streamGenerateContent",
                "/v1beta/models/gemini-3-pro-preview:streamGenerateContent",
            ),
            ("", ""),
        ];
        for (said, shown) in cases {
            assert_eq!(path(said), shown);
        }
    }

    #[test]
    fn credentials_in_messages_are_hidden() {
        let said = "Incorrect API key provided: sk-proj-abcdefghijkl. You can find your key at your account page.";
        let hidden = "Incorrect API key provided: [redacted] You can find your key at your account page.";
        assert_eq!(redact(said), hidden);
        let quota = "Quota exceeded for consumer 'project_number:123456789' in projects/acme-12/locations/global";
        assert_eq!(redact(quota), "Quota exceeded for consumer [redacted] in [redacted]");
        assert_eq!(
            redact("Rate limit reached in organization org-a1B2c3D4e5 on tokens"),
            "Rate limit reached in organization [redacted] on tokens"
        );
        assert_eq!(redact("grant x@p-1.iam.gserviceaccount.com access"), "grant [redacted] access");
        assert_eq!(redact("an org-specific and project-wide limit"), "an org-specific and project-wide limit");
        assert_eq!(redact("nothing to hide, sk- is short"), "nothing to hide, sk- is short");
    }
}
