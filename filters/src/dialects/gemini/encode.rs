//! The IR to a `generateContent` body.

use super::write::is_part;
use super::{books, encode_config, foreign, form, nested, tools};
use crate::Dialect;
use crate::dialects::{EncodeError, Encoded, Target};
use crate::ir::{Block, BlockKind, LossKind, Request, Role, Turn};
use crate::json::Writer;

/// Writes a request for `target` at the end of `out`.
///
/// A request that came in this dialect is written as it came: Google answers for its client's mistakes. Any other is
/// brought under Gemini's rules. Nothing is written when an error is returned.
///
/// # Errors
/// When there is nothing to say, or a file is named by the id of another provider's store.
pub fn encode_request(request: &Request<'_>, target: &Target, out: &mut Vec<u8>) -> Result<Encoded, EncodeError> {
    let mut encoded = Encoded::default();
    let own = request.origin == Dialect::Gemini;
    let foreign = if own { None } else { Some(foreign::contents(request, target, &mut encoded)?) };
    Writer::new(out).object(|w| {
        match &foreign {
            Some(contents) => contents.write(w),
            None => own_turns(w, request, target, &mut encoded),
        }
        tools::encode(w, request, target, &mut encoded);
        encode_config::tool_config(w, request, target, &mut encoded);
        encode_config::generation(w, request, target, &mut encoded);
        if own {
            own_rest(w, request, target);
        } else {
            books::foreign(w, request, target, &mut encoded.losses);
        }
    });
    if request.origin == Dialect::OpenAiResponses {
        encoded.losses.rename_list("messages[]", "input[]");
    }
    Ok(encoded)
}

/// Leftovers of the body. A model in the body follows the target.
fn own_rest(w: &mut Writer<'_>, request: &Request<'_>, target: &Target) {
    let mut extra = request.extra.clone();
    if let Some(named) = extra.take("model") {
        let prefix = if named.get().starts_with("\"models/") { "models/" } else { "" };
        let bare = target.model.strip_prefix("models/").unwrap_or(&target.model);
        w.key("model").str(&format!("{prefix}{bare}"));
    }
    books::own(w, request);
    nested::write_own(w, &extra);
}

fn own_turns(w: &mut Writer<'_>, request: &Request<'_>, target: &Target, encoded: &mut Encoded) {
    let (system, turns): (Vec<&Turn<'_>>, Vec<&Turn<'_>>) =
        request.turns.iter().partition(|turn| turn.form & form::SYSTEM != 0);
    if let Some(turn) = system.first() {
        w.key(form::spell(request.form, form::SYSTEM_SNAKE, "systemInstruction", "system_instruction"));
        own_turn(w, turn, request, target, encoded);
    }
    w.key("contents");
    if request.form & form::CONTENTS_SINGLE != 0
        && let [turn] = turns.as_slice()
    {
        return own_turn(w, turn, request, target, encoded);
    }
    w.array(|w| {
        for turn in turns {
            own_turn(w, turn, request, target, encoded);
        }
    });
}

fn own_turn(w: &mut Writer<'_>, turn: &Turn<'_>, request: &Request<'_>, target: &Target, encoded: &mut Encoded) {
    w.object(|w| {
        let is = |bit: u8| turn.form & bit != 0;
        let role = match turn.role {
            _ if is(form::NO_ROLE) => None,
            Role::Assistant => Some("model"),
            Role::Tool if is(form::ROLE_FUNCTION) => Some("function"),
            Role::System | Role::Developer if is(form::SYSTEM) => {
                let other = is(form::ROLE_SYSTEM).then_some("system");
                is(form::ROLE_USER).then_some("user").or(other)
            }
            // A system turn inside `contents` has no role here: its text stays in place, as the user's.
            Role::System | Role::Developer => {
                encoded.losses.add("contents[].role", LossKind::Approximated);
                Some("user")
            }
            Role::User | Role::Tool => Some("user"),
        };
        w.opt_str("role", role);
        if !(is(form::NO_PARTS) && turn.blocks.is_empty()) {
            w.key("parts");
            let parts = own_parts(turn, target, encoded);
            let style = tools::style(request, target);
            match parts.as_slice() {
                [(block, seal)] if is(form::PARTS_SINGLE) => {
                    style.part(w, block, *seal);
                }
                parts => w.array(|w| {
                    for (block, seal) in parts {
                        style.part(w, block, *seal);
                    }
                }),
            }
        }
        nested::write_own(w, &turn.extra);
    });
}

/// The blocks of a turn that are parts here, each with its seal.
fn own_parts<'t, 'a>(
    turn: &'t Turn<'a>,
    target: &Target,
    encoded: &mut Encoded,
) -> Vec<(&'t Block<'a>, Option<&'t str>)> {
    let mut sentinel = foreign::Sentinel::new(target);
    let mut parts = Vec::with_capacity(turn.blocks.len());
    for block in &turn.blocks {
        let own_seal = block.signature.as_ref().and_then(|seal| seal.for_provider(Dialect::Gemini));
        if block.signature.is_some() && own_seal.is_none() {
            encoded.losses.add("contents[].parts[].thoughtSignature", LossKind::Dropped);
            // A carrier of another provider's seal that says nothing itself, or a thought of its.
            match &block.kind {
                BlockKind::Text { text, .. } if text.is_empty() => continue,
                BlockKind::Reasoning(_) => continue,
                _ => {}
            }
        }
        if is_part(block) {
            parts.push((block, sentinel.seal(block, own_seal)));
        }
    }
    parts
}
