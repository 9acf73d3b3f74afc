//! Conversations of other dialects, rebuilt by Chat's rules.
//!
//! Chat wants one assistant message for each run of the model's turns, and behind it one `tool` message for every call,
//! before anything else is said. So a run of assistant turns is put together; the results that the turns before the
//! next run hold are moved up, in the order of the calls; a call without a result gets one that says so; a result
//! without a call becomes user text where it stands.

use std::borrow::Cow;

use super::tools::write_call;
use super::{Context, media};
use crate::Dialect;
use crate::dialects::EncodeError;
use crate::dialects::openai_chat::media::Carrier;
use crate::ir::{
    Block, BlockKind, LossKind, Media, MediaSource, ReasoningBlock, Request, Role, ToolResult, ToolUse, Turn,
};
use crate::json::{Extra, Raw, Str, Writer};

/// Says that a call was never answered.
const NO_RESULT: &str = "No result was given for this call.";
/// Says where the media of a result are.
const RESULT_BELOW: &str = "The result is attached to the next user message.";
/// Stands where a picture was that the model does not look at.
const IMAGE_LEFT_OUT: &str = "[A picture was left out: there are more of them than this model looks at.]";

/// The member of a picture that says in what detail it is to be looked at.
const DETAIL: &str = "detail";

/// One message of the rebuilt conversation.
pub(super) enum Message<'m> {
    /// System, developer or user.
    Plain { role: &'static str, name: Option<&'m str>, parts: Vec<Part<'m>> },
    /// The model's turns up to the next result.
    Assistant {
        name: Option<&'m str>,
        parts: Vec<Part<'m>>,
        thoughts: Vec<&'m str>,
        refusal: String,
        calls: Vec<Call<'m>>,
    },
    /// The answer to one call.
    Tool { id: String, content: String },
}

/// A call and the id that it is sent with.
pub(super) struct Call<'m> {
    id: String,
    call: &'m ToolUse<'m>,
}

/// A part of a message's content.
pub(super) enum Part<'m> {
    /// Text; empty only when empty parts are not repaired.
    Text(Cow<'m, str>),
    /// A medium, and in what detail a picture is to be looked at.
    Media(Carrier, &'m Media<'m>, Option<&'m Raw<'m>>),
    /// A part that came from a Chat provider through another dialect.
    Raw(&'m Raw<'m>),
}

/// Rebuilds the conversation.
pub(super) fn messages<'m>(request: &'m Request<'m>, cx: &mut Context<'_>) -> Result<Vec<Message<'m>>, EncodeError> {
    let mut out = Vec::new();
    let mut rest = request.turns.as_slice();
    // Every round takes at least one turn.
    while !rest.is_empty() {
        let run = rest.iter().position(|turn| turn.role != Role::Assistant).unwrap_or(rest.len());
        let (run, behind) = rest.split_at(run);
        let until = behind.iter().position(|turn| turn.role == Role::Assistant).unwrap_or(behind.len());
        let (between, next) = behind.split_at(until);
        let calls = assistant(run, &mut out, cx);
        replies(&calls, between, &mut out, cx)?;
        rest = next;
    }
    fewer_images(&mut out, cx);
    if out.is_empty() {
        return Err(EncodeError::at(cx.list, "nothing is left to say: send at least one message with text"));
    }
    Ok(out)
}

/// Takes out the oldest pictures when there are more than the model looks at, and says so in their places.
fn fewer_images(messages: &mut [Message<'_>], cx: &mut Context<'_>) {
    let Some(most) = cx.target.profile.images_max.filter(|_| cx.bounds()) else { return };
    let mut images: Vec<&mut Part<'_>> = messages
        .iter_mut()
        .flat_map(|message| match message {
            Message::Plain { parts, .. } => parts.as_mut_slice(),
            Message::Assistant { .. } | Message::Tool { .. } => &mut [],
        })
        .filter(|part| matches!(part, Part::Media(Carrier::Image, ..)))
        .collect();
    let over = images.len().saturating_sub(most as usize);
    for part in images.iter_mut().take(over) {
        **part = Part::Text(Cow::Borrowed(IMAGE_LEFT_OUT));
        cx.lose(".content[].image", LossKind::Clamped);
    }
}

/// Puts a run of assistant turns together; gives its calls as (id sent, the client's id).
fn assistant<'m>(run: &'m [Turn<'m>], out: &mut Vec<Message<'m>>, cx: &mut Context<'_>) -> Vec<(String, &'m str)> {
    let (mut parts, mut thoughts, mut refusal) = (Vec::new(), Vec::new(), String::new());
    let mut calls: Vec<Call<'m>> = Vec::new();
    for turn in run {
        cx.encoded.losses.drop_extra(cx.list, &turn.extra);
        for block in &turn.blocks {
            lose_marks(block, cx);
            match &block.kind {
                BlockKind::Text { text, citations } => {
                    if citations.is_some() {
                        cx.lose(".content[].citations", LossKind::Dropped);
                    }
                    push_text(&mut parts, Cow::Borrowed(text.as_str()), cx);
                }
                BlockKind::Reasoning(thought) => reasoning(block, thought, &mut thoughts, cx),
                BlockKind::Refusal { text } => refusal.push_str(text),
                BlockKind::ToolUse(call) => {
                    let taken = |id: &str| calls.iter().any(|other| other.id == id);
                    let mut id = cx.call_id(&call.id).into_owned();
                    if taken(&id) {
                        id = cx.call_id(&format!("{}#{}", call.id, calls.len())).into_owned();
                    }
                    calls.push(Call { id, call });
                }
                BlockKind::Opaque { dialect: Dialect::OpenAiChat, raw } => parts.push(Part::Raw(raw)),
                BlockKind::Opaque { raw, .. } => lose_opaque(raw, cx),
                BlockKind::Image(_) | BlockKind::Audio(_) | BlockKind::Video(_) | BlockKind::File(_) => {
                    cx.lose(".content[].media", LossKind::Dropped);
                }
                BlockKind::ToolResult(_) => cx.lose(".content[].tool_result", LossKind::Dropped),
            }
        }
    }
    let ids = calls.iter().map(|call| (call.id.clone(), call.call.id.as_str())).collect();
    // Thoughts alone are no message.
    if !(parts.is_empty() && refusal.is_empty() && calls.is_empty()) {
        let name = run.iter().find_map(|turn| turn.name.as_deref());
        out.push(Message::Assistant { name, parts, thoughts, refusal, calls });
    } else if !thoughts.is_empty() {
        cx.lose(".content[].reasoning", LossKind::Dropped);
    }
    ids
}

/// Thoughts go to a provider that takes them back, unless another provider sealed them.
fn reasoning<'m>(
    block: &Block<'_>,
    thought: &'m ReasoningBlock<'m>,
    thoughts: &mut Vec<&'m str>,
    cx: &mut Context<'_>,
) {
    let foreign = block.signature.as_ref().is_some_and(|seal| seal.for_provider(Dialect::OpenAiChat).is_none());
    if !cx.target.quirks.reasoning_content || foreign || thought.redacted {
        return cx.lose(".content[].reasoning", LossKind::Dropped);
    }
    thoughts.extend(thought.text.iter().map(Str::as_str).filter(|text| !text.is_empty()));
}

/// Writes the results of `calls`, then what else stands before the model's next turn.
fn replies<'m>(
    calls: &[(String, &str)],
    between: &'m [Turn<'m>],
    out: &mut Vec<Message<'m>>,
    cx: &mut Context<'_>,
) -> Result<(), EncodeError> {
    let mut results: Vec<(&'m Block<'m>, &'m ToolResult<'m>, bool)> = between
        .iter()
        .flat_map(|turn| &turn.blocks)
        .filter_map(|block| match &block.kind {
            BlockKind::ToolResult(result) => Some((block, result, false)),
            _ => None,
        })
        .collect();
    // Media of results, and later whatever waits for the next user message.
    let mut attached = Vec::new();
    for (id, original) in calls {
        match results.iter_mut().find(|(_, result, used)| !used && result.id == **original) {
            Some((block, result, used)) => {
                *used = true;
                lose_marks(block, cx);
                let content = result_content(result, &mut attached, cx)?;
                out.push(Message::Tool { id: id.clone(), content });
            }
            None if !cx.target.repairs.orphans => {}
            None => {
                cx.lose(".tool_calls[].result", LossKind::Approximated);
                out.push(Message::Tool { id: id.clone(), content: NO_RESULT.to_owned() });
            }
        }
    }
    let mut used = results.into_iter().map(|(_, _, used)| used);
    for turn in between {
        cx.encoded.losses.drop_extra(cx.list, &turn.extra);
        let mut parts = Vec::new();
        for block in &turn.blocks {
            match &block.kind {
                BlockKind::ToolResult(_) if used.next() == Some(true) => {}
                BlockKind::ToolResult(result) if !cx.target.repairs.orphans => {
                    lose_marks(block, cx);
                    let content = result_content(result, &mut attached, cx)?;
                    out.push(Message::Tool { id: cx.call_id(&result.id).into_owned(), content });
                }
                BlockKind::ToolResult(result) => {
                    lose_marks(block, cx);
                    orphan(result, &mut parts, cx)?;
                }
                _ => said(block, &mut parts, cx)?,
            }
        }
        let role = match turn.role {
            Role::System => "system",
            Role::Developer if cx.target.quirks.developer_role => "developer",
            Role::Developer => "system",
            Role::User | Role::Tool | Role::Assistant => "user",
        };
        if role == "user" {
            attached.append(&mut parts);
            parts = std::mem::take(&mut attached);
        } else if !attached.is_empty() {
            out.push(Message::Plain { role: "user", name: None, parts: std::mem::take(&mut attached) });
        }
        if !parts.is_empty() {
            out.push(Message::Plain { role, name: turn.name.as_deref(), parts });
        }
    }
    if !attached.is_empty() {
        out.push(Message::Plain { role: "user", name: None, parts: attached });
    }
    Ok(())
}

/// Text of a `tool` message; media go to `attached`, each result's behind a line that names its call.
fn result_content<'m>(
    result: &'m ToolResult<'m>,
    attached: &mut Vec<Part<'m>>,
    cx: &mut Context<'_>,
) -> Result<String, EncodeError> {
    let mut parts = Vec::new();
    for block in &result.content {
        said(block, &mut parts, cx)?;
    }
    let (texts, others): (Vec<_>, Vec<_>) = parts.into_iter().partition(|part| matches!(part, Part::Text(_)));
    let texts: Vec<Cow<'_, str>> = texts
        .into_iter()
        .filter_map(|part| match part {
            Part::Text(text) => Some(text),
            Part::Media(..) | Part::Raw(_) => None,
        })
        .collect();
    let mut content = texts.join("\n");
    if !others.is_empty() {
        cx.lose(".content[].tool_result.content[]", LossKind::Approximated);
        if content.is_empty() {
            RESULT_BELOW.clone_into(&mut content);
        }
        let name = result.name.as_deref().unwrap_or("a tool");
        attached.push(Part::Text(format!("Attached to the result of {name}:").into()));
        attached.extend(others);
    }
    if result.is_error == Some(true) {
        cx.lose(".content[].tool_result.is_error", LossKind::Approximated);
        content.insert_str(0, "Error: ");
    }
    Ok(content)
}

/// A result that no call asked for (wire 134).
fn orphan<'m>(result: &'m ToolResult<'m>, parts: &mut Vec<Part<'m>>, cx: &mut Context<'_>) -> Result<(), EncodeError> {
    cx.lose(".content[].tool_result", LossKind::Approximated);
    let name = result.name.as_deref().unwrap_or(&result.id);
    parts.push(Part::Text(format!("Result of the tool call {name}:").into()));
    for block in &result.content {
        said(block, parts, cx)?;
    }
    Ok(())
}

/// Adds what a block of a user, system or result says.
fn said<'m>(block: &'m Block<'m>, parts: &mut Vec<Part<'m>>, cx: &mut Context<'_>) -> Result<(), EncodeError> {
    lose_marks(block, cx);
    match &block.kind {
        BlockKind::Text { text, .. } => push_text(parts, Cow::Borrowed(text.as_str()), cx),
        BlockKind::Image(image) => medium(Carrier::Image, image, detail(block, cx.origin), parts, cx)?,
        BlockKind::Audio(sound) => medium(Carrier::Audio, sound, None, parts, cx)?,
        BlockKind::File(file) => medium(Carrier::File, file, None, parts, cx)?,
        BlockKind::Video(_) => {
            return Err(EncodeError::at(
                cx.list,
                "this model's provider takes no video: send pictures, or choose another model",
            ));
        }
        BlockKind::Opaque { dialect: Dialect::OpenAiChat, raw } => parts.push(Part::Raw(raw)),
        BlockKind::Opaque { raw, .. } => lose_opaque(raw, cx),
        BlockKind::Reasoning(_) => cx.lose(".content[].reasoning", LossKind::Dropped),
        BlockKind::Refusal { .. } => cx.lose(".content[].refusal", LossKind::Dropped),
        BlockKind::ToolUse(_) => cx.lose(".content[].tool_use", LossKind::Dropped),
        BlockKind::ToolResult(_) => cx.lose(".content[].tool_result", LossKind::Dropped),
    }
    Ok(())
}

fn medium<'m>(
    carrier: Carrier,
    medium: &'m Media<'m>,
    detail: Option<&'m Raw<'m>>,
    parts: &mut Vec<Part<'m>>,
    cx: &mut Context<'_>,
) -> Result<(), EncodeError> {
    if let Some(text) = media::as_text(medium) {
        if medium.name.is_some() {
            cx.lose(".content[].title", LossKind::Dropped);
        }
        push_text(parts, text, cx);
        return Ok(());
    }
    if !media::can_carry(carrier, medium, cx.origin) {
        let message = match carrier {
            Carrier::Image => "a picture cannot be named by a file id here: send it as base64 or by address",
            Carrier::Audio => "this model's provider takes sound only as base64: send its data",
            Carrier::File if matches!(medium.source, MediaSource::FileId(_)) => {
                "the document is in another provider's file store: send it as base64"
            }
            Carrier::File => "this model's provider takes documents only as base64: send the document's data",
        };
        return Err(EncodeError::at(cx.list, message));
    }
    parts.push(Part::Media(carrier, medium, detail));
    Ok(())
}

/// In what detail a picture is to be looked at, where both OpenAI dialects have the word.
fn detail<'m>(block: &'m Block<'m>, origin: Dialect) -> Option<&'m Raw<'m>> {
    let said = block.extra.get(DETAIL).filter(|_| origin == Dialect::OpenAiResponses)?;
    matches!(said.get(), r#""low""# | r#""high""# | r#""auto""#).then_some(said)
}

fn push_text<'m>(parts: &mut Vec<Part<'m>>, text: Cow<'m, str>, cx: &Context<'_>) {
    if !text.is_empty() || !cx.target.repairs.empty_parts {
        parts.push(Part::Text(text));
    }
}

/// Cache marks, seals and leftover members of another dialect end here. A seal that reasoning carries is dropped with
/// it; one on a text or a call leaves the words whole.
fn lose_marks(block: &Block<'_>, cx: &mut Context<'_>) {
    let mut rest = Cow::Borrowed(&block.extra);
    if matches!(block.kind, BlockKind::Image(_)) && detail(block, cx.origin).is_some() {
        rest.to_mut().take(DETAIL);
    }
    cx.encoded.losses.drop_extra(&format!("{}.content[]", cx.list), &rest);
    if block.cache.is_some() {
        cx.lose(".content[].cache_control", LossKind::Dropped);
    }
    if block.signature.is_some() {
        cx.lose(".content[].signature", LossKind::Dropped);
    }
}

fn lose_opaque(raw: &Raw<'_>, cx: &mut Context<'_>) {
    #[derive(serde::Deserialize)]
    struct Kind {
        #[serde(rename = "type")]
        kind: Option<String>,
    }
    let kind = raw.read::<Kind>().and_then(|kind| kind.kind).unwrap_or_else(|| "unknown".to_owned());
    cx.lose(&format!(".content[].{kind}"), LossKind::Dropped);
}

/// Writes one rebuilt message.
///
/// One that is `begun` is an answer to be gone on with, and says so.
pub(super) fn write(w: &mut Writer<'_>, message: &Message<'_>, begun: bool, cx: &Context<'_>) {
    w.object(|w| match message {
        Message::Tool { id, content } => {
            w.key("role").str("tool");
            w.key("tool_call_id").str(id);
            w.key("content").str(content);
        }
        Message::Plain { role, name, parts } => {
            w.key("role").str(role);
            w.opt_str("name", *name);
            content(w.key("content"), parts, *role != "user");
        }
        Message::Assistant { name, parts, thoughts, refusal, calls } => {
            w.key("role").str("assistant");
            w.opt_str("name", *name);
            if !thoughts.is_empty() {
                w.key("reasoning_content").str(&thoughts.join("\n\n"));
            }
            match parts.as_slice() {
                [] => w.key("content").null(),
                parts => content(w.key("content"), parts, false),
            }
            if !refusal.is_empty() {
                w.key("refusal").str(refusal);
            }
            if !calls.is_empty() {
                w.key("tool_calls").array(|w| calls.iter().for_each(|call| write_call(w, &call.id, call.call, cx)));
            }
            if begun {
                w.key("prefix").bool(true);
            }
        }
    });
}

/// One text is a string, which every server reads; `join` makes a string of several, for system messages, which many
/// servers take no parts in.
fn content(w: &mut Writer<'_>, parts: &[Part<'_>], join: bool) {
    let texts: Vec<&str> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Text(text) => Some(&**text),
            Part::Media(..) | Part::Raw(_) => None,
        })
        .collect();
    if let [one] = texts.as_slice()
        && parts.len() == 1
    {
        return w.str(one);
    }
    if join && texts.len() == parts.len() {
        return w.str(&texts.join("\n\n"));
    }
    w.array(|w| {
        for part in parts {
            match part {
                Part::Text(text) => w.object(|w| {
                    w.key("type").str("text");
                    w.key("text").str(text);
                }),
                Part::Media(carrier, medium, detail) => {
                    let said = detail.map(|raw| (Str::from("image_url.detail"), raw.reborrow()));
                    media::write(w, *carrier, medium, &Extra(said.into_iter().collect()), 0);
                }
                Part::Raw(raw) => w.raw(raw),
            }
        }
    });
}
