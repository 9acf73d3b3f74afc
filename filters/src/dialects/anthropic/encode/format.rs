//! The form of the answer: a schema goes into `output_config.format`, or, for models that do not know it, into a tool
//! that must be called; its call becomes the answer's text again. Any JSON object has no native form.

use super::tools::{Toolbox, answer_schema};
use super::words::Words;
use crate::dialects::Target;
use crate::ir::LossKind::{Approximated, Dropped};
use crate::ir::{Losses, OutputFormat, ReplyNotes, Request};
use crate::json::Raw;

/// What a request for any JSON object becomes.
const JSON_ONLY: &str = "Answer with one valid JSON object and nothing else.";

/// How the form is told.
#[derive(Debug)]
pub(super) enum Format<'r> {
    /// Not at all, or as a tool.
    Unsaid,
    /// By a schema.
    Native(Raw<'r>),
    /// In words, in `system`.
    Said(String),
}

/// Chooses how to tell the form.
pub(super) fn plan<'r>(
    request: &'r Request<'r>,
    target: &Target,
    thinks: bool,
    toolbox: &mut Toolbox<'r>,
    losses: &mut Losses,
    notes: &mut ReplyNotes,
) -> Format<'r> {
    let words = Words(request.origin);
    match &request.output_format {
        None | Some(OutputFormat::Text) => Format::Unsaid,
        Some(OutputFormat::JsonObject) => {
            losses.add(words.format(), Approximated);
            Format::Said(JSON_ONLY.to_owned())
        }
        Some(OutputFormat::Opaque(_)) => {
            losses.add(words.format(), Dropped);
            Format::Unsaid
        }
        Some(OutputFormat::JsonSchema { description, schema, .. }) if target.profile.json_schema == Some(false) => {
            losses.add(words.format(), Approximated);
            // A forced tool and thinking exclude each other.
            let tool = if thinks { None } else { toolbox.answer_tool(schema, description.as_deref()) };
            if let Some(name) = tool {
                notes.json_tool = Some(name);
                return Format::Unsaid;
            }
            Format::Said(format!("Answer with JSON that follows this schema, and nothing else: {}", schema.get()))
        }
        Some(OutputFormat::JsonSchema { description, schema, .. }) => {
            if description.is_some() {
                losses.add(format!("{}.description", words.format()), Dropped);
            }
            let kept = || schema.reborrow();
            Format::Native(if target.repairs.schemas { answer_schema(schema, words, losses) } else { kept() })
        }
    }
}
