//! What session a request belongs to, by the best evidence it carries.
//!
//! In order: an explicit header; the agents' own session ids (Claude Code: `x-claude-code-session-id`, else the session
//! in `metadata.user_id`; Codex: `session-id`, `conversation_id`); `prompt_cache_key`; `previous_response_id`; else a
//! hash of the client, the system prompt and the first user turn, which all turns of one conversation share.
//! The client is part of every key: two clients cannot meet in one session by naming it alike.

use sha2::{Digest, Sha256};

/// Bytes of a prompt part that are hashed at most. Its length is hashed too.
const HASHED_BYTES_MAX: usize = 32 * 1024;
/// Longest id that is taken for one, in bytes; longer ones are hashed up to here.
const ID_BYTES_MAX: usize = 1024;

/// What is known of a request. Empty texts count as absent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts<'a> {
    /// Whose request it is: the client key's name.
    pub client: &'a str,
    /// The gateway's own session header.
    pub explicit: Option<&'a str>,
    /// The agent's session header (`x-claude-code-session-id`, `session-id`, `session_id`).
    pub agent_session: Option<&'a str>,
    /// Anthropic `metadata.user_id`. Taken only if there is a session in it: an id of a person would bind all of that
    /// person's conversations to one account.
    pub user_id: Option<&'a str>,
    /// Codex `conversation_id`, `conversation-id` or `thread-id`.
    pub conversation: Option<&'a str>,
    /// OpenAI `prompt_cache_key`.
    pub prompt_cache_key: Option<&'a str>,
    /// OpenAI `previous_response_id`.
    pub previous_response_id: Option<&'a str>,
    /// The system prompt, as it came.
    pub system: Option<&'a [u8]>,
    /// The first user turn, as it came.
    pub first_user: Option<&'a [u8]>,
}

/// What the key was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeySource {
    /// The gateway's own header.
    Explicit,
    /// The agent's session id.
    Agent,
    /// `prompt_cache_key`.
    PromptCacheKey,
    /// `previous_response_id`.
    PreviousResponse,
    /// How the conversation begins.
    Prompt,
}

impl KeySource {
    /// The name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            KeySource::Explicit => "explicit",
            KeySource::Agent => "agent",
            KeySource::PromptCacheKey => "prompt_cache_key",
            KeySource::PreviousResponse => "previous_response",
            KeySource::Prompt => "prompt",
        }
    }
}

/// The key of a request's session, and what it was made of. `None` if nothing in it tells sessions apart.
///
/// Every answer of a chain of `previous_response_id`s has another id: who uses that source binds the id of the *new*
/// answer with [`response_key`] too, or only the second turn finds its account.
pub fn session_key(parts: &Parts<'_>) -> Option<(u128, KeySource)> {
    let named = [
        (KeySource::Explicit, parts.explicit),
        (KeySource::Agent, parts.agent_session),
        (KeySource::Agent, parts.user_id.and_then(session_in_user_id)),
        (KeySource::Agent, parts.conversation),
        (KeySource::PromptCacheKey, parts.prompt_cache_key),
        (KeySource::PreviousResponse, parts.previous_response_id),
    ];
    for (source, id) in named {
        if let Some(id) = id.map(str::trim).filter(|id| !id.is_empty()) {
            return Some((hash(source, &[parts.client.as_bytes(), cut(id.as_bytes(), ID_BYTES_MAX)]), source));
        }
    }
    let user = parts.first_user.filter(|turn| !turn.is_empty())?;
    let system = parts.system.unwrap_or_default();
    let lengths = [(system.len() as u64).to_le_bytes(), (user.len() as u64).to_le_bytes()].concat();
    let key = hash(
        KeySource::Prompt,
        &[parts.client.as_bytes(), &lengths, cut(system, HASHED_BYTES_MAX), cut(user, HASHED_BYTES_MAX)],
    );
    Some((key, KeySource::Prompt))
}

/// The key under which a request that continues this answer will ask.
pub fn response_key(client: &str, response_id: &str) -> u128 {
    hash(KeySource::PreviousResponse, &[client.as_bytes(), cut(response_id.trim().as_bytes(), ID_BYTES_MAX)])
}

/// The session in Claude Code's `metadata.user_id`: `user_…_account_…_session_<id>`, or JSON with `session_id`.
fn session_in_user_id(user_id: &str) -> Option<&str> {
    if let Some((_, session)) = user_id.rsplit_once("_session_") {
        return Some(session);
    }
    let (_, after) = user_id.split_once("\"session_id\"")?;
    after.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?.split('"').next()
}

fn cut(bytes: &[u8], max: usize) -> &[u8] {
    bytes.get(..max).unwrap_or(bytes)
}

/// 128 bits of SHA-256 over the source and the length-framed parts.
fn hash(source: KeySource, parts: &[&[u8]]) -> u128 {
    let mut hasher = Sha256::new();
    hasher.update(source.name());
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let digest = hasher.finalize();
    digest.iter().take(16).fold(0, |key, byte| key << 8 | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{KeySource, Parts, response_key, session_key};

    const ALL: Parts<'_> = Parts {
        client: "alice",
        explicit: Some("mine"),
        agent_session: Some("8f2c"),
        user_id: Some("user_ab_account_cd_session_5e1d"),
        conversation: Some("conv"),
        prompt_cache_key: Some("cache"),
        previous_response_id: Some("resp_1"),
        system: Some(b"You are"),
        first_user: Some(b"Hello"),
    };

    fn source(parts: &Parts<'_>) -> Option<KeySource> {
        session_key(parts).map(|(_, source)| source)
    }

    #[test]
    fn the_better_evidence_wins() {
        let mut parts = ALL;
        assert_eq!(source(&parts), Some(KeySource::Explicit));
        parts.explicit = Some(" ");
        assert_eq!(source(&parts), Some(KeySource::Agent));
        parts.agent_session = None;
        assert_eq!(source(&parts), Some(KeySource::Agent));
        parts.user_id = None;
        assert_eq!(source(&parts), Some(KeySource::Agent));
        parts.conversation = None;
        assert_eq!(source(&parts), Some(KeySource::PromptCacheKey));
        parts.prompt_cache_key = None;
        assert_eq!(source(&parts), Some(KeySource::PreviousResponse));
        parts.previous_response_id = None;
        assert_eq!(source(&parts), Some(KeySource::Prompt));
        parts.first_user = None;
        assert_eq!(source(&parts), None, "a system prompt alone is shared by all of a client's conversations");
    }

    #[test]
    fn wire_108_the_session_in_user_id() {
        let of = |user_id| Parts { client: "c", user_id: Some(user_id), ..Parts::default() };
        let plain = session_key(&of("user_ab_account_cd_session_5e1d"));
        assert_eq!(plain, session_key(&of("user_other_session_5e1d")));
        assert_eq!(plain, session_key(&of(r#"{"device_id":"d","session_id": "5e1d"}"#)));
        assert_eq!(session_key(&of("person-17")), None, "an id of a person is no session");
        assert_eq!(session_key(&of(r#"{"session_id":12}"#)), None);
    }

    #[test]
    fn clients_never_meet_and_sources_never_collide() {
        let one = Parts { client: "a", explicit: Some("x"), ..Parts::default() };
        let other = Parts { client: "b", ..one };
        let cache = Parts { client: "a", prompt_cache_key: Some("x"), ..Parts::default() };
        let shifted = Parts { client: "ax", explicit: Some(""), agent_session: Some("x"), ..Parts::default() };
        let keys: Vec<_> = [one, other, cache, shifted].iter().map(|parts| session_key(parts).unwrap().0).collect();
        let distinct: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }

    #[test]
    fn an_answer_is_found_by_the_request_that_continues_it() {
        let next = Parts { client: "a", previous_response_id: Some("resp_2"), ..Parts::default() };
        assert_eq!(session_key(&next), Some((response_key("a", "resp_2"), KeySource::PreviousResponse)));
    }

    proptest! {
        #[test]
        fn the_prompt_key_depends_on_every_part(system in ".{0,40}", user in ".{1,40}", client in "[a-z]{1,8}") {
            let parts = Parts { client: &client, system: Some(system.as_bytes()), first_user: Some(user.as_bytes()), ..Parts::default() };
            let key = session_key(&parts);
            prop_assert_eq!(key, session_key(&parts));
            let longer = format!("{user}!");
            prop_assert_ne!(key, session_key(&Parts { first_user: Some(longer.as_bytes()), ..parts }));
            let other = format!("{system}!");
            prop_assert_ne!(key, session_key(&Parts { system: Some(other.as_bytes()), ..parts }));
        }
    }
}
