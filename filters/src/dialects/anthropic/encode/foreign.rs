//! Requests of other dialects.

use super::arrange::{Arranger, Item, Message};
use super::format::{self, Format};
use super::sampling::Sampling;
use super::thinking::Plan;
use super::tools::Toolbox;
use super::words::Words;
use super::{marks, pictures};
use crate::dialects::{EncodeError, Encoded, Target};
use crate::ir::LossKind::{Approximated, Dropped};
use crate::ir::{Losses, ReplyNotes, Request};
use crate::json::Writer;

/// Longest `metadata.user_id`, in characters.
const USER_ID_MAX: usize = 256;

/// What the user says where a conversation ends with the model's words, and the model does not go on with them.
const GO_ON: &str = "Continue.";

/// Writes the request in this dialect's words.
pub(super) fn encode(request: &Request<'_>, target: &Target, out: &mut Vec<u8>) -> Result<Encoded, EncodeError> {
    let words = Words(request.origin);
    let (mut losses, mut notes) = (Losses::default(), ReplyNotes::default());
    losses.drop_extra("", &request.unsaid_elsewhere());
    let (leading, rest) = request.split_system();
    let mut arranger = Arranger::new(words, target, &mut losses, &mut notes);
    let mut system = arranger.system(leading);
    let mut messages = arranger.arrange(rest)?;
    if messages.is_empty() {
        // Instructions alone are a question too; the provider wants a user to ask it.
        if system.is_empty() {
            return Err(EncodeError::at(words.turn(), "the conversation holds nothing to send: add a user message"));
        }
        losses.add(format!("{}.role", words.turn()), Approximated);
        messages.push(Message { assistant: false, items: std::mem::take(&mut system) });
    }
    let begun = messages.last().is_some_and(|message| message.assistant);
    if begun && target.profile.prefill == Some(false) && target.repairs.turns {
        losses.add(words.turn(), Approximated);
        messages.push(Message { assistant: false, items: vec![Item::said(GO_ON)] });
    }
    let plan = Plan::of(request, target, &messages, words, &mut losses);
    let mut toolbox = Toolbox::of(request, target, &messages, plan.on(), &mut losses, &mut notes);
    let format = format::plan(request, target, plan.on(), &mut toolbox, &mut losses, &mut notes);
    let format = match format {
        Format::Unsaid => None,
        Format::Native(schema) => Some(schema),
        Format::Said(line) => {
            system.push(Item::said(line));
            None
        }
    };
    if target.repairs.bounds {
        pictures::limit(&mut messages, target.profile.images_max, words, &mut losses);
        marks::settle(&mut toolbox, &mut system, &mut messages, &mut losses);
    }
    let sampling = Sampling::of(request, target, plan.on(), words, &mut losses);
    let stops = stops(request, target, words, &mut losses);
    let user = user(request, target, &mut losses);
    let tier = unsaid(request, words, &mut losses);
    Writer::new(out).object(|w| {
        w.key("model").str(&target.model);
        w.key("max_tokens").num(&plan.max_tokens);
        if target.stream {
            w.key("stream").bool(true);
        }
        write_system(&system, w);
        w.key("messages").array(|w| messages.iter().for_each(|message| write_message(message, w)));
        toolbox.write(w);
        sampling.write(w);
        if !stops.is_empty() {
            w.key("stop_sequences").array(|w| stops.iter().for_each(|stop| w.str(stop)));
        }
        w.opt_str("service_tier", tier);
        if let Some(user) = user {
            w.key("metadata").object(|w| w.key("user_id").str(user));
        }
        plan.write(w);
        if plan.effort.is_some() || format.is_some() {
            w.key("output_config").object(|w| {
                w.opt_str("effort", plan.effort);
                if let Some(schema) = &format {
                    w.key("format").object(|w| {
                        w.key("type").str("json_schema");
                        w.key("schema").raw(schema);
                    });
                }
            });
        }
    });
    Ok(Encoded { losses, notes })
}

fn write_system(system: &[Item<'_>], w: &mut Writer<'_>) {
    match system {
        [] => {}
        [Item::Text { text, cache: None }] => w.key("system").str(text),
        items => w.key("system").array(|w| items.iter().for_each(|item| item.write(w))),
    }
}

fn write_message(message: &Message<'_>, w: &mut Writer<'_>) {
    w.object(|w| {
        w.key("role").str(if message.assistant { "assistant" } else { "user" });
        match message.items.as_slice() {
            [Item::Text { text, cache: None }] => w.key("content").str(text),
            items => w.key("content").array(|w| items.iter().for_each(|item| item.write(w))),
        }
    });
}

/// Counts what this dialect has no words for; gives the tier of processing, for which it has.
fn unsaid(request: &Request<'_>, words: Words, losses: &mut Losses) -> Option<&'static str> {
    let said = [
        (request.metadata.is_some(), words.metadata()),
        (request.prompt_cache_key.is_some(), "prompt_cache_key"),
        (request.verbosity.is_some(), words.verbosity()),
        // The provider keeps no answers.
        (request.store == Some(true), "store"),
        (request.logprobs.is_some(), words.logprobs()),
    ];
    for (_, name) in said.into_iter().filter(|(said, _)| *said) {
        losses.add(name, Dropped);
    }
    let word = request.service_tier.as_deref()?;
    let tier = super::tier(word);
    if tier.is_none() {
        losses.add("service_tier", Dropped);
    }
    tier
}

fn stops<'r>(request: &'r Request<'r>, target: &Target, words: Words, losses: &mut Losses) -> Vec<&'r str> {
    let bounds = target.repairs.bounds;
    let refused = |stop: &&str| bounds && (stop.trim().is_empty() || target.profile.stop == Some(false));
    let (refused, said): (Vec<&str>, Vec<&str>) = request.stop.iter().map(crate::json::Str::as_str).partition(refused);
    if !refused.is_empty() {
        losses.add(words.stop(), Dropped);
    }
    said
}

fn user<'r>(request: &'r Request<'r>, target: &Target, losses: &mut Losses) -> Option<&'r str> {
    let user = request.user.as_deref().filter(|user| !user.is_empty())?;
    if target.repairs.bounds && user.chars().count() > USER_ID_MAX {
        losses.add("user", Dropped);
        return None;
    }
    Some(user)
}
