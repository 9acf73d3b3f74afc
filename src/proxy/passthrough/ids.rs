//! Ids of objects in requests and answers.

use std::collections::BTreeSet;

use interlingua_filters::Dialect;
use serde_json::Value;

use super::table::Family;

/// Ids taken from one request or answer.
const IDS_MAX: usize = 1_024;
/// Longest id, in bytes.
const ID_BYTES_MAX: usize = 256;
/// Bytes of a request's body that are searched for ids.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// How deep ids are looked for.
const DEPTH_MAX: usize = 6;

/// All ids that a request may name, those in its path first.
pub(super) fn in_request(family: &Family, path: &str, query: Option<&str>, body: &[u8]) -> Vec<String> {
    let mut found: Vec<String> = in_path(family, path).collect();
    found.extend(in_query(query));
    if body.len() <= BODY_BYTES_MAX
        && let Ok(value) = serde_json::from_slice(body)
    {
        let mut all = BTreeSet::new();
        walk(&value, 0, &mut all, &|key, text| is_reference(key, text));
        found.extend(all);
    }
    found
}

/// The ids in a path: what stands behind the prefix, in Gemini with it (`files/abc`).
pub(super) fn in_path<'p>(family: &Family, path: &'p str) -> impl Iterator<Item = String> + use<'p> {
    let gemini = family.dialect == Dialect::Gemini;
    let rest = path.strip_prefix(family.prefix).unwrap_or_default();
    let prefix = family.prefix.trim_start_matches('/');
    rest.split('/').filter(|part| !part.is_empty()).take(IDS_MAX).filter_map(move |part| {
        let part = part.split(':').next().unwrap_or(part);
        match () {
            () if gemini && !part.is_empty() => Some(format!("{prefix}/{part}")),
            () if !gemini && looks_like_id(part) => Some(part.to_owned()),
            () => None,
        }
    })
}

/// The id of an upload under way.
pub(super) fn in_query(query: Option<&str>) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query?.as_bytes());
    pairs.find(|(name, _)| name == "upload_id").map(|(_, value)| value.into_owned())
}

/// The ids of objects that a request for a model's answer refers to. Its text is not parsed: members of these names are
/// looked for, which may find one in a tool's arguments too.
pub(super) fn in_generate(body: &[u8]) -> BTreeSet<String> {
    const MEMBERS: [&[u8]; 5] =
        [b"\"file_id\"", b"\"file_ids\"", b"\"vector_store_ids\"", b"\"fileUri\"", b"\"file_uri\""];
    let mut found = BTreeSet::new();
    for member in MEMBERS {
        for at in memchr::memmem::find_iter(body, member).take(IDS_MAX) {
            let rest = body.get(at + member.len()..).unwrap_or_default().trim_ascii_start();
            let Some(value) = rest.strip_prefix(b":").map(<[u8]>::trim_ascii_start) else { continue };
            match value.strip_prefix(b"[") {
                None => found.extend(string(value).map(|(id, _)| id)),
                Some(mut items) => {
                    while let Some((id, after)) = string(items.trim_ascii_start()).filter(|_| found.len() < IDS_MAX) {
                        found.insert(id);
                        items = after.trim_ascii_start().strip_prefix(b",").unwrap_or_default();
                    }
                }
            }
        }
    }
    found
}

/// The id in the string that `text` begins with, and what comes behind it.
fn string(text: &[u8]) -> Option<(String, &[u8])> {
    let inner = text.strip_prefix(b"\"")?;
    let end = memchr::memchr(b'"', inner.get(..inner.len().min(ID_BYTES_MAX + 1))?)?;
    let (id, rest) = inner.split_at_checked(end)?;
    let id = std::str::from_utf8(id).ok()?;
    let name = id.rsplit_once("/v1beta/").map_or(id, |(_, name)| name);
    Some((name.to_owned(), rest.get(1..)?))
}

/// The ids in an answer: its own, those of what it lists, and of what was made on the way.
pub(super) fn in_answer(body: &[u8]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if let Ok(value) = serde_json::from_slice(body) {
        walk(&value, 0, &mut found, &|key, text| match key {
            "id" => looks_like_id(text),
            "name" => text.contains('/'),
            _ => key.ends_with("_id") && looks_like_id(text),
        });
    }
    found
}

/// Whether a member of a request refers to an object.
fn is_reference(key: &str, text: &str) -> bool {
    match key {
        "cachedContent" | "cached_content" => true,
        "fileUri" | "file_uri" | "name" | "fileName" => text.contains('/'),
        _ => looks_like_id(text),
    }
}

/// `file-abc`, `batch_0123`, `resp_…`: a word, `-` or `_`, and more. Verbs such as `cancel` and `input_items` have no
/// digit.
fn looks_like_id(text: &str) -> bool {
    let well = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'_');
    text.len() <= ID_BYTES_MAX
        && text.bytes().all(well)
        && text.contains(['-', '_'])
        && text.bytes().any(|letter| letter.is_ascii_digit())
}

fn walk(value: &Value, depth: usize, found: &mut BTreeSet<String>, wanted: &dyn Fn(&str, &str) -> bool) {
    if depth > DEPTH_MAX || found.len() >= IDS_MAX {
        return;
    }
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                match member {
                    Value::String(text) if text.len() <= ID_BYTES_MAX && wanted(key, text) => {
                        found.insert(text.rsplit_once("/v1beta/").map_or(text.as_str(), |(_, name)| name).to_owned());
                    }
                    Value::Array(items) => {
                        for item in items.iter().take(IDS_MAX) {
                            match item {
                                Value::String(text) if wanted(key, text) => {
                                    found.insert(text.clone());
                                }
                                item => walk(item, depth + 1, found, wanted),
                            }
                        }
                    }
                    member => walk(member, depth + 1, found, wanted),
                }
            }
        }
        Value::Array(items) => items.iter().take(IDS_MAX).for_each(|item| walk(item, depth + 1, found, wanted)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::table;
    use super::*;

    fn path(dialect: Dialect, path: &str) -> Vec<String> {
        in_path(table::find(dialect, path, false).unwrap(), path).collect()
    }

    #[test]
    fn ids_in_paths_and_not_verbs() {
        assert_eq!(path(Dialect::OpenAiChat, "/files/file-1aB/content"), ["file-1aB"]);
        assert_eq!(path(Dialect::OpenAiChat, "/responses/resp_01/input_items"), ["resp_01"]);
        assert!(path(Dialect::OpenAiChat, "/responses/compact").is_empty());
        assert!(path(Dialect::OpenAiChat, "/fine_tuning/jobs").is_empty());
        assert_eq!(path(Dialect::OpenAiChat, "/vector_stores/vs_1/files/file-2"), ["vs_1", "file-2"]);
        assert_eq!(path(Dialect::Gemini, "/files/abc:download"), ["files/abc"]);
        assert!(path(Dialect::Gemini, "/cachedContents").is_empty());
    }

    #[test]
    fn ids_in_requests_for_answers() {
        let found = |body: &str| in_generate(body.as_bytes()).into_iter().collect::<Vec<_>>();
        let chat = r#"{"messages":[{"content":[{"type":"file","file":{ "file_id" : "file-1" }}]}]}"#;
        assert_eq!(found(chat), ["file-1"]);
        let tools = r#"{"tools":[{"vector_store_ids":["vs_1", "vs_2"]},{"container":{"file_ids":["file-3" ]}}]}"#;
        assert_eq!(found(tools), ["file-3", "vs_1", "vs_2"]);
        assert_eq!(found(r#"{"fileData":{"fileUri":"https://g.example/v1beta/files/abc"}}"#), ["files/abc"]);
        for none in
            [r#"{"text":"the \"file_id\": \"file-1\""}"#, r#"{"file_id":null}"#, r#"{"file_ids":["a"#, "\"file_id\":"]
        {
            assert!(found(none).iter().all(|id| id == "a"), "{none}");
        }
        assert!(found(&format!(r#"{{"file_id":"{}"}}"#, "x".repeat(ID_BYTES_MAX + 1))).is_empty());
    }

    #[test]
    fn ids_in_answers_and_bodies() {
        let found = in_answer(br#"{"id":"batch_1","input_file_id":"file-1","model":"gpt-5","metadata":{"x":"y"}}"#);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["batch_1", "file-1"]);
        let found =
            in_answer(br#"{"file":{"name":"files/abc","displayName":"a/b","uri":"https://x/v1beta/files/abc"}}"#);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["files/abc"]);
        let family = table::find(Dialect::OpenAiChat, "/batches", false).unwrap();
        let body = br#"{"input_file_id":"file-1","endpoint":"/v1/responses","completion_window":"24h"}"#;
        assert_eq!(in_request(family, "/batches", None, body), ["file-1"]);
        let body = br#"{"file_ids":["file-1","file-2"],"name":"my-store"}"#;
        assert_eq!(in_request(family, "/batches", None, body), ["file-1", "file-2"]);
        assert!(in_answer(b"no json").is_empty());
    }
}
