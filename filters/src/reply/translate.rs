//! Events and whole answers to the client's bytes.

use super::observe::Observed;
use super::own::encode_collected;
use super::{Collector, ReplyPlan};
use crate::dialects::StreamEncoder;
use crate::ir::{ApiError, ErrorKind, Event};

/// Where the events of an answer go.
pub(super) enum Writer {
    /// To a client that streams.
    Stream(StreamEncoder),
    /// Into one answer, for a client that does not.
    Collect(Box<Collector>),
    /// Nowhere: the bytes themselves pass.
    Observe,
}

impl Writer {
    /// A writer of events in the client's dialect and mode.
    pub(super) fn translating(plan: &ReplyPlan) -> Self {
        if plan.client_streams {
            Writer::Stream(StreamEncoder::new(plan.client, plan.context.clone()))
        } else {
            Writer::Collect(Box::new(Collector::new(plan.upstream)))
        }
    }

    /// Writes one event. An error is only noted: whether the client gets to see it is the proxy's decision.
    pub(super) fn event(&mut self, event: Event<'_>, plan: &ReplyPlan, seen: &mut Observed, out: &mut Vec<u8>) {
        if seen.failure.is_some() {
            return;
        }
        seen.see(&event);
        let is_end = matches!(event, Event::End);
        match (self, event) {
            (_, Event::Error(error)) => seen.fail(error),
            (Writer::Observe, _) => seen.ended |= is_end,
            (Writer::Stream(encoder), event) => {
                encoder.event(event, out);
                if is_end {
                    seen.losses.extend(encoder.losses());
                    seen.ended = true;
                }
            }
            (Writer::Collect(collector), Event::End) => {
                let empty = Collector::new(plan.upstream);
                let response = std::mem::replace(&mut **collector, empty).into_response();
                let losses = encode_collected(plan.client, response, &plan.context, out);
                seen.losses.extend(&losses);
                seen.committed = true;
                seen.ended = true;
            }
            (Writer::Collect(collector), event) => {
                if let Err(error) = collector.push(event) {
                    seen.fail(ApiError::new(ErrorKind::BadGateway, error.to_string()));
                }
            }
        }
        seen.committed |= plan.client_streams && seen.has_content;
    }
}
