//! Requests of other dialects.

use super::arrange::{Arranger, Item, Message};
use super::thinking::{Generation, Plan};
use super::tools::{Toolbox, answer_schema};
use super::words::Words;
use crate::dialects::{EncodeError, Encoded, Target};
use crate::ir::LossKind::{Approximated, Clamped, Dropped};
use crate::ir::{Losses, OutputFormat, ReplyNotes, Request};
use crate::json::{Num, Raw, Writer};

/// Marks of the prompt cache that one request may hold.
const CACHE_MARKS_MAX: usize = 4;

/// Longest `metadata.user_id`, in characters.
const USER_ID_MAX: usize = 256;

/// What a request for any JSON object becomes: there is no native form of it.
const JSON_ONLY: &str = "Answer with one valid JSON object and nothing else.";

/// Writes the request in this dialect's words.
pub(super) fn encode(request: &Request<'_>, target: &Target, out: &mut Vec<u8>) -> Result<Encoded, EncodeError> {
    let words = Words(request.origin);
    let (mut losses, mut notes) = (Losses::default(), ReplyNotes::default());
    losses.drop_extra("", &request.extra);
    let (leading, rest) = request.split_system();
    let mut arranger = Arranger::new(words, &mut losses, &mut notes);
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
    let plan = Plan::of(request, target, &messages, words, &mut losses);
    let mut toolbox = Toolbox::of(request, &messages, plan.on(), &mut losses, &mut notes);
    let format = format(request, words, &mut system, &mut losses);
    trim_marks(&mut toolbox, &mut system, &mut messages, &mut losses);
    let sampling = Sampling::of(request, target, plan.on(), words, &mut losses);
    let stops = stops(request, words, &mut losses);
    let user = user(request, &mut losses);
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

/// The schema to write; any JSON object is asked for in words.
fn format<'r>(
    request: &'r Request<'r>,
    words: Words,
    system: &mut Vec<Item<'r>>,
    losses: &mut Losses,
) -> Option<Raw<'r>> {
    match request.output_format.as_ref()? {
        OutputFormat::Text => None,
        OutputFormat::JsonObject => {
            losses.add(words.format(), Approximated);
            system.push(Item::said(JSON_ONLY));
            None
        }
        OutputFormat::JsonSchema { description, schema, .. } => {
            if description.is_some() {
                losses.add(format!("{}.description", words.format()), Dropped);
            }
            Some(answer_schema(schema, words, losses))
        }
        OutputFormat::Opaque(_) => {
            losses.add(words.format(), Dropped);
            None
        }
    }
}

/// Keeps the first marks of tools and system, which hold longest, and of the messages the last ones.
fn trim_marks(toolbox: &mut Toolbox<'_>, system: &mut [Item<'_>], messages: &mut [Message<'_>], losses: &mut Losses) {
    let mut left = CACHE_MARKS_MAX;
    let mut dropped = false;
    let mut keep = |set: bool| {
        let kept = set && left > 0;
        left -= usize::from(kept);
        dropped |= set && !kept;
        kept
    };
    for mark in toolbox.tools.iter_mut().filter_map(|tool| tool.mark()) {
        *mark = mark.take().filter(|_| keep(true));
    }
    for mark in system.iter_mut().filter_map(Item::mark) {
        *mark = mark.take().filter(|_| keep(true));
    }
    for item in messages.iter_mut().rev().flat_map(|message| message.items.iter_mut().rev()) {
        if let Some(mark) = item.mark() {
            *mark = mark.take().filter(|_| keep(true));
        }
        if let Item::Result { content, .. } = item {
            for mark in content.iter_mut().rev().filter_map(Item::mark) {
                *mark = mark.take().filter(|_| keep(true));
            }
        }
    }
    if dropped {
        losses.add("cache_control", Dropped);
    }
}

/// Sampling numbers as the model takes them.
#[derive(Debug, Default)]
struct Sampling<'r> {
    temperature: Option<Num<'r>>,
    top_p: Option<Num<'r>>,
    top_k: Option<u64>,
}

impl<'r> Sampling<'r> {
    fn of(request: &'r Request<'r>, target: &Target, thinks: bool, words: Words, losses: &mut Losses) -> Self {
        let asked = &request.sampling;
        let temperature = words.sampling("temperature", "generationConfig.temperature");
        let top_p = words.sampling("top_p", "generationConfig.topP");
        let top_k = words.sampling("top_k", "generationConfig.topK");
        for (value, name) in [
            (&asked.presence_penalty, words.sampling("presence_penalty", "generationConfig.presencePenalty")),
            (&asked.frequency_penalty, words.sampling("frequency_penalty", "generationConfig.frequencyPenalty")),
        ] {
            if value.as_ref().is_some_and(|value| value.as_f64() != 0.0) {
                losses.add(name, Dropped);
            }
        }
        if asked.seed.is_some() {
            losses.add(words.sampling("seed", "generationConfig.seed"), Dropped);
        }
        if request.candidates.as_ref().is_some_and(|n| n.as_u64() != Some(1)) {
            losses.add(words.candidates(), Dropped);
        }
        if Generation::refuses_sampling(&target.model) {
            for (value, name) in [(&asked.temperature, temperature), (&asked.top_p, top_p), (&asked.top_k, top_k)] {
                // One is the default of the first two.
                if value.as_ref().is_some_and(|value| name == top_k || (value.as_f64() - 1.0).abs() > f64::EPSILON) {
                    losses.add(name, Dropped);
                }
            }
            return Sampling::default();
        }
        let mut sent = Sampling {
            temperature: asked.temperature.as_ref().map(|value| unit(value, temperature, losses)),
            top_p: asked.top_p.as_ref().map(|value| unit(value, top_p, losses)),
            top_k: asked.top_k.as_ref().and_then(Num::as_u64),
        };
        if asked.top_k.is_some() && sent.top_k.is_none() {
            losses.add(top_k, Dropped);
        }
        if thinks {
            if sent.temperature.take().is_some_and(|value| (value.as_f64() - 1.0).abs() > f64::EPSILON) {
                losses.add(temperature, Dropped);
            }
            if sent.top_k.take().is_some() {
                losses.add(top_k, Dropped);
            }
            if sent.top_p.take_if(|value| value.as_f64() < 0.95).is_some() {
                losses.add(top_p, Dropped);
            }
        }
        // Newer models refuse both at once; the temperature is what clients mean more often.
        if sent.temperature.is_some() && sent.top_p.take().is_some_and(|value| value.as_f64() < 1.0) {
            losses.add(top_p, Dropped);
        }
        sent
    }

    fn write(&self, w: &mut Writer<'_>) {
        w.opt_num("temperature", self.temperature.as_ref());
        w.opt_num("top_p", self.top_p.as_ref());
        if let Some(top_k) = self.top_k {
            w.key("top_k").u64(top_k);
        }
    }
}

/// The number, brought between 0 and 1.
fn unit<'r>(value: &'r Num<'r>, name: &'static str, losses: &mut Losses) -> Num<'r> {
    let number = value.as_f64();
    if (0.0..=1.0).contains(&number) {
        return value.clone();
    }
    losses.add(name, Clamped);
    Num::from(u64::from(number > 1.0))
}

fn stops<'r>(request: &'r Request<'r>, words: Words, losses: &mut Losses) -> Vec<&'r str> {
    let (blank, said): (Vec<&str>, Vec<&str>) =
        request.stop.iter().map(crate::json::Str::as_str).partition(|stop| stop.trim().is_empty());
    if !blank.is_empty() {
        losses.add(words.stop(), Dropped);
    }
    said
}

fn user<'r>(request: &'r Request<'r>, losses: &mut Losses) -> Option<&'r str> {
    let user = request.user.as_deref().filter(|user| !user.is_empty())?;
    if user.chars().count() > USER_ID_MAX {
        losses.add("user", Dropped);
        return None;
    }
    Some(user)
}
