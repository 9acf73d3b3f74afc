//! Requests into the envelope, by splicing.

use crate::json::Writer;
use crate::json::members::Members;
use crate::json::splice::{Edits, SpliceError};

/// What stands around a request.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// The model, without `models/`.
    pub model: &'a str,
    /// The account's project; none for the free tier.
    pub project: Option<&'a str>,
    /// Id of the request.
    pub user_prompt_id: &'a str,
    /// Id of the conversation.
    pub session_id: &'a str,
}

/// A body that cannot be put into the envelope: it is no JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrapError {
    /// Not a JSON object.
    #[error("the body is not a JSON object")]
    NotObject,
    /// The members could not be taken out: a fault of the reader of members.
    #[error(transparent)]
    Splice(#[from] SpliceError),
}

/// Puts a Gemini request into the envelope. Its bytes stay, but for `model`, which the envelope says, and the id of the
/// conversation, which is added.
///
/// # Errors
/// See [`WrapError`].
pub fn wrap(body: &[u8], envelope: &Envelope<'_>) -> Result<Vec<u8>, WrapError> {
    let members = read(body)?;
    let mut edits = Edits::default();
    let removed = members.remove(|name| name == "model", &mut edits).len();
    let has_session = members.find("session_id").is_some();
    let is_empty = removed == members.list.len();
    let inner = edits.apply(body)?;
    let end = inner.iter().rposition(|byte| *byte == b'}').ok_or(WrapError::NotObject)?;
    let (open, close) = inner.split_at_checked(end).ok_or(WrapError::NotObject)?;
    let mut out = Vec::with_capacity(inner.len() + 256);
    Writer::new(&mut out).object(|w| {
        w.key("model").str(envelope.model);
        w.opt_str("project", envelope.project);
        w.key("user_prompt_id").str(envelope.user_prompt_id);
        let mut request = Vec::with_capacity(inner.len() + 64);
        request.extend_from_slice(open.trim_ascii_start());
        if !has_session {
            if !is_empty {
                request.push(b',');
            }
            request.extend_from_slice(b"\"session_id\":");
            Writer::new(&mut request).str(envelope.session_id);
        }
        request.extend_from_slice(close.trim_ascii_end());
        w.key("request").written(&request);
    });
    Ok(out)
}

/// Makes the request that counts the tokens of a Gemini `countTokens` body: the model and the contents alone, since
/// everything else is answered with an error. Thoughts become plain text, which the counter wants. What the body says
/// beside contents (system instruction, tools) is not counted.
///
/// # Errors
/// See [`WrapError`].
pub fn count_tokens(body: &[u8], model: &str) -> Result<Vec<u8>, WrapError> {
    let whole = read(body)?;
    let inner = whole.object("generateContentRequest").or_else(|| whole.object("generate_content_request"));
    let members = inner.as_ref().unwrap_or(&whole);
    let mut contents = b"[]".to_vec();
    if let Some(text) = members.get("contents") {
        contents = plain(text)?;
    }
    let mut out = Vec::with_capacity(contents.len() + 64);
    Writer::new(&mut out).object(|w| {
        w.key("request").object(|w| {
            w.key("model").str(&format!("models/{model}"));
            w.key("contents").written(&contents);
        });
    });
    Ok(out)
}

/// Contents without what marks thoughts.
fn plain(contents: &str) -> Result<Vec<u8>, WrapError> {
    const NAME: &str = "contents";
    const MARKS: [&str; 3] = ["thought", "thoughtSignature", "thought_signature"];
    // An object around them, so that they can be looked at like any member.
    let whole = format!("{{\"{NAME}\":{contents}}}");
    let members = Members::read(&whole).ok_or(WrapError::NotObject)?;
    let mut edits = Edits::default();
    for (at, part) in members.objects(NAME).iter().flat_map(|(_, content)| content.objects("parts")) {
        if part.list.iter().all(|member| MARKS.contains(&member.name.as_str())) && !part.list.is_empty() {
            edits.replace(at, r#"{"text":""}"#);
        } else {
            part.remove(|name| MARKS.contains(&name), &mut edits);
        }
    }
    let mut edited = edits.apply(whole.as_bytes())?;
    let prefix = NAME.len() + 4;
    edited.truncate(edited.len().saturating_sub(1));
    Ok(edited.get(prefix..).unwrap_or_default().to_vec())
}

fn read(body: &[u8]) -> Result<Members<'_>, WrapError> {
    std::str::from_utf8(body).ok().and_then(Members::read).ok_or(WrapError::NotObject)
}
