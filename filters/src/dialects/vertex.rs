//! Google Vertex AI: Gemini and Anthropic Messages with a few members otherwise.
//!
//! Neither is a dialect of its own. A request is encoded for its dialect, or spliced, and then edited at byte offsets, so
//! that everything else keeps its bytes. Answers are the dialects' own.

use crate::json::Writer;
use crate::json::members::Members;
use crate::json::splice::{Edits, SpliceError};

/// The version of the Messages API on Vertex AI.
pub const ANTHROPIC_VERSION: &str = "vertex-2023-10-16";

/// What its `countTokens` takes, in both spellings (cloud.google.com, "Method: endpoints.countTokens").
const COUNTED: [&str; 6] =
    ["contents", "systemInstruction", "system_instruction", "tools", "generationConfig", "generation_config"];

/// Words of `anthropic-beta` that Vertex AI knows; it answers others with 400. The second is its own word for the first.
const BETAS: [(&str, &str); 10] = [
    ("advanced-tool-use-2025-11-20", "tool-search-tool-2025-10-19"),
    ("compact-2026-01-12", "compact-2026-01-12"),
    ("computer-use-2024-10-22", "computer-use-2024-10-22"),
    ("computer-use-2025-01-24", "computer-use-2025-01-24"),
    ("computer-use-2025-11-24", "computer-use-2025-11-24"),
    ("context-1m-2025-08-07", "context-1m-2025-08-07"),
    ("context-management-2025-06-27", "context-management-2025-06-27"),
    ("interleaved-thinking-2025-05-14", "interleaved-thinking-2025-05-14"),
    ("tool-search-tool-2025-10-19", "tool-search-tool-2025-10-19"),
    ("web-search-2025-03-05", "web-search-2025-03-05"),
];

/// Edits a Messages body: `model` goes, since the path says it, and `anthropic_version` comes, which is a header elsewhere.
/// `stream` stays: the path alone does not decide it there, and the vendor's SDK sends it too.
///
/// # Errors
/// When the edits do not fit: a fault of the reader of members. A body that is no object stays as it is.
pub fn anthropic_body(body: &[u8]) -> Result<Vec<u8>, SpliceError> {
    let Some(members) = read(body) else { return Ok(body.to_vec()) };
    let mut edits = Edits::default();
    let version = format!("\"{ANTHROPIC_VERSION}\"");
    if let Some(member) = members.find("anthropic_version") {
        edits.replace(member.value.clone(), version);
        members.remove(|name| name == "model", &mut edits);
        return edits.apply(body);
    }
    // In the place of the model, so that no comma is to be mended.
    match members.find("model") {
        Some(member) if members.list.iter().filter(|other| other.name == "model").count() == 1 => {
            let name = members.start_of(member);
            edits.replace(name..member.value.end, format!("\"anthropic_version\":{version}"));
        }
        _ => {
            let open = body.iter().position(|byte| *byte == b'{').map_or(0, |at| at + 1);
            let comma = if members.list.iter().all(|member| member.name == "model") { "" } else { "," };
            edits.replace(open..open, format!("\"anthropic_version\":{version}{comma}"));
            members.remove(|name| name == "model", &mut edits);
        }
    }
    edits.apply(body)
}

/// Edits a Gemini body: `model` goes, since the path says it, and without `ids` so do those of calls and results, which
/// Vertex AI does not know.
///
/// # Errors
/// As [`anthropic_body`].
pub fn gemini_body(body: &[u8], ids: bool) -> Result<Vec<u8>, SpliceError> {
    let Some(members) = read(body) else { return Ok(body.to_vec()) };
    let mut edits = Edits::default();
    members.remove(|name| name == "model", &mut edits);
    if !ids && memchr::memmem::find(body, b"\"id\"").is_some() {
        for (_, part) in members.objects("contents").iter().flat_map(|(_, content)| content.objects("parts")) {
            for name in ["functionCall", "function_call", "functionResponse", "function_response"] {
                if let Some(call) = part.object(name) {
                    call.remove(|name| name == "id", &mut edits);
                }
            }
        }
    }
    edits.apply(body)
}

/// Edits a Messages body whose tokens are to be counted: `anthropic_version` comes, and `model` stays, since the path names
/// no model there.
///
/// # Errors
/// As [`anthropic_body`].
pub fn anthropic_count(body: &[u8]) -> Result<Vec<u8>, SpliceError> {
    let Some(members) = read(body) else { return Ok(body.to_vec()) };
    let mut edits = Edits::default();
    let version = format!("\"{ANTHROPIC_VERSION}\"");
    if let Some(member) = members.find("anthropic_version") {
        edits.replace(member.value.clone(), version);
    } else {
        let open = body.iter().position(|byte| *byte == b'{').map_or(0, |at| at + 1);
        let comma = if members.list.is_empty() { "" } else { "," };
        edits.replace(open..open, format!("\"anthropic_version\":{version}{comma}"));
    }
    edits.apply(body)
}

/// Makes the request that counts the tokens of a Gemini `countTokens` body: what stands in `generateContentRequest` there
/// stands at the top here, and of it only what the counter knows. `ids` as for [`gemini_body`].
///
/// # Errors
/// As [`anthropic_body`].
pub fn gemini_count(body: &[u8], ids: bool) -> Result<Vec<u8>, SpliceError> {
    let Some(whole) = read(body) else { return Ok(body.to_vec()) };
    let inner = whole.object("generateContentRequest").or_else(|| whole.object("generate_content_request"));
    let members = inner.as_ref().unwrap_or(&whole);
    let mut out = Vec::with_capacity(body.len());
    Writer::new(&mut out).object(|w| {
        for name in COUNTED {
            if let Some(text) = members.get(name) {
                w.key(name).written(text.as_bytes());
            }
        }
    });
    gemini_body(&out, ids)
}

/// The words of an `anthropic-beta` header that Vertex AI takes, in its own words; `None` if none is left.
pub fn betas(header: &str) -> Option<String> {
    let mut kept: Vec<&str> = Vec::new();
    for word in header.split(',').map(str::trim) {
        let known = BETAS.iter().find(|(name, _)| *name == word).map(|(_, own)| *own);
        if let Some(own) = known.filter(|own| !kept.contains(own)) {
            kept.push(own);
        }
    }
    (!kept.is_empty()).then(|| kept.join(","))
}

fn read(body: &[u8]) -> Option<Members<'_>> {
    std::str::from_utf8(body).ok().and_then(Members::read)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn claude(body: &str) -> String {
        String::from_utf8(anthropic_body(body.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn wire_111_the_path_has_the_model_and_the_body_the_version() {
        assert_eq!(
            claude(r#"{ "model":"claude-x", "max_tokens":5,"stream":true,"x":1.50}"#),
            r#"{ "anthropic_version":"vertex-2023-10-16", "max_tokens":5,"stream":true,"x":1.50}"#
        );
        assert_eq!(
            claude(r#"{"model":"m","anthropic_version":"2023-06-01","a":[ ]}"#),
            r#"{"anthropic_version":"vertex-2023-10-16","a":[ ]}"#
        );
        assert_eq!(claude("{}"), r#"{"anthropic_version":"vertex-2023-10-16"}"#);
        assert_eq!(claude(r#"{"model":"a","model":"b"}"#), r#"{"anthropic_version":"vertex-2023-10-16"}"#);
        assert_eq!(claude(r#"{"a":1}"#), r#"{"anthropic_version":"vertex-2023-10-16","a":1}"#);
        assert_eq!(claude("no json"), "no json");
    }

    #[test]
    fn wire_112_a_count_names_the_model_in_the_body() {
        let counted = |body: &str| String::from_utf8(anthropic_count(body.as_bytes()).unwrap()).unwrap();
        assert_eq!(
            counted(r#"{ "model":"m","messages":[ ]}"#),
            r#"{"anthropic_version":"vertex-2023-10-16", "model":"m","messages":[ ]}"#
        );
        assert_eq!(
            counted(r#"{"anthropic_version":"x","model":"m"}"#),
            r#"{"anthropic_version":"vertex-2023-10-16","model":"m"}"#
        );
        assert_eq!(counted("{}"), r#"{"anthropic_version":"vertex-2023-10-16"}"#);
    }

    #[test]
    fn wire_112_vertex_counts_what_stands_at_the_top() {
        let counted = |body: &str| String::from_utf8(gemini_count(body.as_bytes(), false).unwrap()).unwrap();
        let body = concat!(
            r#"{"generateContentRequest":{"model":"models/g","tools":[{"x":1.0}],"toolConfig":{},"#,
            r#""contents":[{"parts":[{"functionCall":{"id":"call_1","name":"f"}}]}]}}"#
        );
        let expected = r#"{"contents":[{"parts":[{"functionCall":{"name":"f"}}]}],"tools":[{"x":1.0}]}"#;
        assert_eq!(counted(body), expected);
        assert_eq!(counted(r#"{"contents":[ ],"model":"models/g"}"#), r#"{"contents":[ ]}"#);
    }

    #[test]
    fn wire_111_only_known_betas_pass() {
        let header =
            "claude-code-20250219, interleaved-thinking-2025-05-14,advanced-tool-use-2025-11-20,context-1m-2025-08-07";
        let kept = "interleaved-thinking-2025-05-14,tool-search-tool-2025-10-19,context-1m-2025-08-07";
        assert_eq!(betas(header).as_deref(), Some(kept));
        assert_eq!(betas("files-api-2025-04-14"), None);
    }

    #[test]
    fn wire_061_vertex_gets_no_ids_and_keeps_all_else() {
        let body = concat!(
            r#"{"model":"models/g","contents":[{"role":"model","parts":[{"functionCall":{"id":"call_1","name":"f","#,
            r#""args":{"id":"mine"}},"thoughtSignature":"s"}]},{"parts":[{"functionResponse":{"name":"f","id":"call_1","#,
            r#""response":{"id":1.0}}}]}]}"#
        );
        let expected = concat!(
            r#"{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f","#,
            r#""args":{"id":"mine"}},"thoughtSignature":"s"}]},{"parts":[{"functionResponse":{"name":"f","#,
            r#""response":{"id":1.0}}}]}]}"#
        );
        let edited = |ids| String::from_utf8(gemini_body(body.as_bytes(), ids).unwrap()).unwrap();
        assert_eq!(edited(false), expected);
        assert!(edited(true).contains("call_1") && !edited(true).contains("models/g"));
    }

    proptest! {
        #[test]
        fn any_body_is_edited_or_left_alone(body in "[{}\\[\\],:\"a-em ]{0,40}") {
            prop_assert!(anthropic_body(body.as_bytes()).is_ok());
            prop_assert!(gemini_body(body.as_bytes(), false).is_ok());
            prop_assert!(anthropic_count(body.as_bytes()).is_ok());
            prop_assert!(gemini_count(body.as_bytes(), false).is_ok());
        }
    }
}
