//! The request side of one attempt: from the client's body to the provider's.

use crate::Dialect;
use crate::continuation::{Begun, Way, begin};
use crate::custody::{Found, Seals, drop_seals, look_up, restore};
use crate::dialects::{DecodeError, EncodeError, Encoded, Endpoint, Target, decode_request, encode_request};
use crate::ir::{ApiError, ErrorKind, LossKind, Losses};
use crate::json::members::Members;
use crate::json::skim::{Skim, SkimError};
use crate::json::splice::{Edits, SpliceError};
use crate::lane::{Lane, Needs, refusal};
use crate::repair::Purify;
use crate::repair::context::{purify, shorten_results};
use crate::tokens;

/// A request ready to be sent.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The lane it took; its answer takes the same.
    pub lane: Lane,
    /// The provider's body.
    pub body: Vec<u8>,
    /// Losses, and what the answer must undo. Empty in the splice lane.
    pub encoded: Encoded,
    /// Whether the provider was asked for a usage chunk that the client did not ask for (splice lane of OpenAI Chat).
    pub strip_usage: bool,
    /// Calls whose seals were put back because the client could not carry them.
    pub restored: usize,
}

/// A request that is not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrepareError {
    /// The client's body cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The target cannot be told.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The skim belongs to another body: a fault of the caller of [`prepare`].
    #[error("the request could not be edited in place: {0}")]
    Splice(#[from] SpliceError),
}

/// The edits that send a body to a provider of its own dialect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnEdits {
    /// What to change.
    pub edits: Edits,
    /// Whether the usage chunk was asked for on the gateway's behalf, so that the answer must lose it again.
    pub strip_usage: bool,
}

/// Whether the client wants events: by the path where it says so, else by the body.
pub fn client_streams(endpoint: &Endpoint<'_>, skim: &Skim<'_>) -> bool {
    endpoint.stream.unwrap_or_else(|| skim.stream.as_ref().is_some_and(|(stream, _)| *stream))
}

/// Makes the provider's body out of the client's.
///
/// `skim` must be of `body`. `seals` says what becomes of the seals in the conversation; where the bytes pass, they are
/// the client's to carry.
///
/// # Errors
/// See [`PrepareError`]; all but `Splice` are the client's to mend.
pub fn prepare(
    client: Dialect,
    endpoint: &Endpoint<'_>,
    body: &[u8],
    skim: &Skim<'_>,
    upstream: Dialect,
    target: &Target,
    seals: Seals<'_>,
) -> Result<Prepared, PrepareError> {
    if let Some(error) = refusal(client, upstream, skim) {
        return Err(error.into());
    }
    let client_streams = client_streams(endpoint, skim);
    let needs = Needs { client_streams, upstream_streams: target.stream, quirks: target.quirks };
    let lane = Lane::choose(client, upstream, skim, needs);
    if lane == Lane::Splice && !seals.are_dropped() && !may_be_too_long(body, target) {
        let OwnEdits { edits, strip_usage } = own_edits(client, skim, target);
        let mut encoded = Encoded::default();
        let body = supported(edits.apply(body)?, target, &mut encoded.losses)?;
        return Ok(Prepared { lane, body, encoded, strip_usage, restored: 0 });
    }
    Ok(convert(client, endpoint, body, upstream, target, seals, None)?.0)
}

/// Makes the provider's body for the rest of an answer of which `said` was said to the client.
///
/// # Errors
/// As [`prepare`]; also where this target cannot go on with such an answer.
pub fn prepare_rest(
    client: Dialect,
    endpoint: &Endpoint<'_>,
    body: &[u8],
    skim: &Skim<'_>,
    (upstream, target): (Dialect, &Target),
    seals: Seals<'_>,
    said: &str,
) -> Result<(Prepared, Begun), PrepareError> {
    if let Some(error) = refusal(client, upstream, skim) {
        return Err(error.into());
    }
    convert(client, endpoint, body, upstream, target, seals, Some(said))
}

fn convert(
    client: Dialect,
    endpoint: &Endpoint<'_>,
    body: &[u8],
    upstream: Dialect,
    target: &Target,
    seals: Seals<'_>,
    said: Option<&str>,
) -> Result<(Prepared, Begun), PrepareError> {
    let mut request = decode_request(client, body, endpoint)?;
    let mut losses = Losses::default();
    let found = match seals {
        Seals::Restored(custody) => look_up(&request, upstream, custody),
        Seals::AsSent | Seals::Dropped => Found::default(),
    };
    restore(&mut request, &found);
    if seals.are_dropped() {
        drop_seals(&mut request, upstream, &mut losses);
    }
    if may_be_too_long(body, target) {
        shorten_results(&mut request, target.repairs.tool_result_bytes_max, &mut losses);
        let tokens = tokens::estimate(&request);
        purify(&mut request, target.repairs.purify, tokens, target.profile.context_tokens, &mut losses);
    }
    let begun = match said {
        Some(said) => begin(&mut request, said, upstream, target, &mut losses)?,
        None => Begun { way: Way::Anew, tokens: 0 },
    };
    // What the dialects add (names, defaults) is small beside the conversation.
    let mut out = Vec::with_capacity(body.len() + body.len() / 8 + 256);
    let mut encoded = encode_request(upstream, &request, target, &mut out)?;
    let body = supported(out, target, &mut encoded.losses)?;
    encoded.losses.extend(&losses);
    Ok((Prepared { lane: Lane::Convert, body, encoded, strip_usage: false, restored: found.len() }, begun))
}

/// Whether the operator wants long conversations made shorter and this may be one. A token has at least one byte.
fn may_be_too_long(body: &[u8], target: &Target) -> bool {
    let bytes = body.len() as u64;
    let results = target.repairs.tool_result_bytes_max;
    let context = target.profile.context_tokens.filter(|_| target.repairs.purify != Purify::None);
    (results > 0 && bytes > results) || context.is_some_and(|context| bytes > context)
}

/// `body` without the members that the target answers with an error; every other byte stays.
fn supported(body: Vec<u8>, target: &Target, losses: &mut Losses) -> Result<Vec<u8>, SpliceError> {
    if target.unsupported.is_empty() {
        return Ok(body);
    }
    let Some(members) = std::str::from_utf8(&body).ok().and_then(Members::read) else { return Ok(body) };
    let mut edits = Edits::default();
    for name in members.remove(|name| target.unsupported.iter().any(|out| out == name), &mut edits) {
        losses.add(name.to_string(), LossKind::Dropped);
    }
    if edits.is_empty() { Ok(body) } else { edits.apply(&body) }
}

/// What must change in a body on its way to a provider of its own dialect: model, mode, and the usage chunk that the
/// ledger needs. A value that is right already is not touched.
pub fn own_edits(dialect: Dialect, skim: &Skim<'_>, target: &Target) -> OwnEdits {
    let mut own = OwnEdits::default();
    let is_gemini = dialect == Dialect::Gemini;
    match &skim.model {
        // Gemini has the model in the path; some clients repeat it in the body, and the two must agree.
        Some((model, at)) if is_gemini => {
            let prefix = if model.starts_with("models/") { "models/" } else { "" };
            let wanted = format!("{prefix}{}", target.model);
            if *model != *wanted {
                own.edits.replace_str(at.clone(), &wanted);
            }
        }
        None if is_gemini => {}
        Some((model, at)) if *model != *target.model => own.edits.replace_str(at.clone(), &target.model),
        Some(_) => {}
        None => {
            let model = serde_json::Value::from(target.model.as_str()).to_string();
            own.edits.insert_first(skim.object, "model", &model);
        }
    }
    match &skim.stream {
        _ if is_gemini => {}
        Some((stream, at)) if *stream != target.stream => own.edits.replace(at.clone(), target.stream.to_string()),
        None if target.stream => own.edits.insert_last(skim.object, "stream", "true"),
        _ => {}
    }
    if dialect == Dialect::OpenAiChat && target.stream && target.quirks.stream_usage {
        own.strip_usage = ask_for_usage(skim, &mut own.edits);
    }
    own
}

/// Sets `stream_options.include_usage`, and tells whether the client had not.
fn ask_for_usage(skim: &Skim<'_>, edits: &mut Edits) -> bool {
    match &skim.stream_options {
        None => edits.insert_last(skim.object, "stream_options", r#"{"include_usage":true}"#),
        Some(options) => match (&options.include_usage, options.object) {
            (Some((true, _)), _) => return false,
            (Some((false, at)), _) => edits.replace(at.clone(), "true"),
            (None, Some(object)) => edits.insert_last(object, "include_usage", "true"),
            (None, None) => edits.replace(options.span.clone(), r#"{"include_usage":true}"#),
        },
    }
    true
}

impl From<&PrepareError> for ApiError {
    fn from(error: &PrepareError) -> Self {
        let (kind, param) = match error {
            PrepareError::Decode(DecodeError { param, .. }) | PrepareError::Encode(EncodeError { param, .. }) => {
                (ErrorKind::InvalidRequest, param.clone())
            }
            PrepareError::Splice(_) => (ErrorKind::Internal, None),
        };
        ApiError { param, ..ApiError::new(kind, error.to_string()) }
    }
}

impl From<&SkimError> for ApiError {
    fn from(error: &SkimError) -> Self {
        ApiError {
            param: error.param().map(str::to_owned),
            ..ApiError::new(ErrorKind::InvalidRequest, error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::skim::skim;

    fn sent(dialect: Dialect, body: &str, target: &Target) -> (String, bool) {
        let found = skim(dialect, body.as_bytes()).unwrap();
        let own = own_edits(dialect, &found, target);
        (String::from_utf8(own.edits.apply(body.as_bytes()).unwrap()).unwrap(), own.strip_usage)
    }

    fn target(model: &str, stream: bool) -> Target {
        Target::new(model, stream)
    }

    #[test]
    fn wire_125_a_body_that_is_right_already_is_not_touched() {
        let body = r#"{ "model":"m",  "stream": true , "temperature":1.0}"#;
        assert_eq!(sent(Dialect::Anthropic, body, &target("m", true)), (body.to_owned(), false));
    }

    #[test]
    fn model_and_mode_are_replaced_in_place() {
        let body = r#"{"model":"a/\"b","x":1.50,"stream":null}"#;
        assert_eq!(
            sent(Dialect::OpenAiResponses, body, &target("c", true)),
            (r#"{"model":"c","x":1.50,"stream":true}"#.to_owned(), false)
        );
        assert_eq!(
            sent(Dialect::OpenAiResponses, "{}", &target("c", true)),
            (r#"{"model":"c","stream":true}"#.to_owned(), false)
        );
    }

    #[test]
    fn wire_034_the_usage_chunk_is_always_asked_for() {
        let cases = [
            (
                r#"{"model":"m","stream":true}"#,
                r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
                true,
            ),
            (
                r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
                r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
                false,
            ),
            (
                r#"{"model":"m","stream":true,"stream_options":{"include_usage":false,"a":1}}"#,
                r#"{"model":"m","stream":true,"stream_options":{"include_usage":true,"a":1}}"#,
                true,
            ),
            (
                r#"{"model":"m","stream":true,"stream_options":{"a":1}}"#,
                r#"{"model":"m","stream":true,"stream_options":{"a":1,"include_usage":true}}"#,
                true,
            ),
            (
                r#"{"model":"m","stream":true,"stream_options":null}"#,
                r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
                true,
            ),
        ];
        for (body, expected, strip) in cases {
            assert_eq!(sent(Dialect::OpenAiChat, body, &target("m", true)), (expected.to_owned(), strip));
        }
        let body = r#"{"model":"m","stream":true}"#;
        let mut old = target("m", true);
        old.quirks.stream_usage = false;
        assert_eq!(sent(Dialect::OpenAiChat, body, &old), (body.to_owned(), false));
    }

    #[test]
    fn what_a_server_refuses_is_left_out_with_a_loss_in_both_lanes() {
        let body = br#"{"model":"m", "seed":7,"messages":[{"role":"user","content":"seed"}],"logit_bias":{},"n":1.0}"#;
        let found = skim(Dialect::OpenAiChat, body).unwrap();
        let to = Target { unsupported: ["seed", "logit_bias"].map(str::to_owned).into(), ..target("m", false) };
        let chat = Dialect::OpenAiChat;
        let spliced = prepare(chat, &Endpoint::default(), body, &found, chat, &to, Seals::AsSent).unwrap();
        assert_eq!(spliced.lane, Lane::Splice);
        let expected = r#"{"model":"m", "messages":[{"role":"user","content":"seed"}],"n":1.0}"#;
        assert_eq!(String::from_utf8(spliced.body).unwrap(), expected);
        let named = |losses: &Losses| losses.iter().map(|loss| loss.field.to_string()).collect::<Vec<_>>();
        assert_eq!(named(&spliced.encoded.losses), ["seed", "logit_bias"]);
        let gemini = br#"{"contents":[{"role":"user","parts":[{"text":"x"}]}],"generationConfig":{"seed":7}}"#;
        let found = skim(Dialect::Gemini, gemini).unwrap();
        let converted =
            prepare(Dialect::Gemini, &Endpoint::default(), gemini, &found, chat, &to, Seals::AsSent).unwrap();
        assert!(!String::from_utf8(converted.body).unwrap().contains("seed"));
        assert_eq!(named(&converted.encoded.losses), ["seed"]);
    }

    #[test]
    fn gemini_has_model_and_mode_in_the_path() {
        assert_eq!(sent(Dialect::Gemini, "{}", &target("g", true)), ("{}".to_owned(), false));
        assert_eq!(
            sent(Dialect::Gemini, r#"{"model":"models/a"}"#, &target("g", false)),
            (r#"{"model":"models/g"}"#.to_owned(), false)
        );
    }

    #[test]
    fn a_long_conversation_is_made_shorter_only_where_the_operator_wants_it() {
        let long = "x".repeat(5_000);
        let body = format!(
            r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"one"}},{{"role":"assistant","content":[{{"type":"thinking","thinking":"{long}","signature":"s"}},{{"type":"tool_use","id":"t","name":"f","input":{{}}}}]}},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"t","content":"{long}"}}]}},{{"role":"assistant","content":"two"}},{{"role":"user","content":"three"}}]}}"#
        );
        let found = skim(Dialect::Anthropic, body.as_bytes()).unwrap();
        let sent = |target: &Target| {
            let endpoint = Endpoint::default();
            let client = Dialect::Anthropic;
            prepare(client, &endpoint, body.as_bytes(), &found, client, target, Seals::AsSent).unwrap()
        };
        let mut wanted = target("m", false);
        assert_eq!(sent(&wanted).body, body.as_bytes());
        wanted.repairs.tool_result_bytes_max = 100;
        let shorter = sent(&wanted);
        assert!(shorter.body.len() < body.len() - 4_000 && !shorter.encoded.losses.is_empty());
        let mut wanted = target("m", false);
        wanted.repairs.purify = Purify::Soft;
        wanted.profile.context_tokens = Some(2_000);
        let shorter = sent(&wanted);
        assert!(!String::from_utf8(shorter.body).unwrap().contains("thinking"));
        assert!(shorter.encoded.losses.iter().any(|loss| loss.field == "messages[].thinking"));
    }

    #[test]
    fn refused_requests_name_the_member() {
        let body = br#"{"model":"m","input":"x","previous_response_id":"resp_1"}"#;
        let found = skim(Dialect::OpenAiResponses, body).unwrap();
        let client = Dialect::OpenAiResponses;
        let target = target("g", false);
        let result = prepare(client, &Endpoint::default(), body, &found, Dialect::Gemini, &target, Seals::default());
        assert_eq!(ApiError::from(&result.unwrap_err()).param.unwrap(), "previous_response_id");
    }
}
