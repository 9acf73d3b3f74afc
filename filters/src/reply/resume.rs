//! An answer that goes on at another provider. See [`continuation`](crate::continuation).

use super::pass::Pass;
use super::translate::Writer;
use super::{Observed, Reply};
use crate::continuation::{Begun, Bill, Bills, Heard, Joint, Obstacle, Passed, Transcript};
use crate::dialects::StreamEncoder;
use crate::ir::stream::Sink;
use crate::ir::{Event, Usage};
use crate::lane::Lane;

/// What an attempt that goes on has beside any other.
pub(super) struct Continued {
    joint: Joint,
    /// Attempts before it.
    bills: Bills,
    /// Tokens of the begun answer in its request.
    begun_tokens: u64,
    /// What it told itself.
    own: Option<Usage<'static>>,
    /// What it was heard to say, also where the client is not told.
    heard: Heard,
    /// Whether the client's bytes so far end inside an event.
    ragged: bool,
}

impl Continued {
    /// Passes an event of the one who goes on as one of the client's answer.
    pub(super) fn push(&mut self, event: Event<'_>, sink: &mut Sink<'_>) {
        self.heard.hear(&event);
        match event {
            Event::Usage(usage) => {
                let all = self.bills.with(&usage, self.begun_tokens);
                self.own = Some(usage.counts());
                self.joint.push(Event::Usage(all), sink);
            }
            event => self.joint.push(event, sink),
        }
    }
}

/// Gives the event to the client's writer, through the joint if there is one.
pub(super) fn through(continued: &mut Option<Box<Continued>>, event: Event<'_>, sink: &mut Sink<'_>) {
    match continued {
        Some(continued) => continued.push(event, sink),
        None => sink(event),
    }
}

impl Reply {
    /// Keeps what is needed to go on with this answer, at most `bytes_max` bytes. Call it before the first byte, and only
    /// for a client that streams: any other has seen nothing of an answer that breaks off.
    pub fn keep(&mut self, bytes_max: usize) {
        self.keep_in(Transcript::new(bytes_max), bytes_max);
    }

    /// The same where nobody could go on from a text: nothing is kept any more when the first word of it comes.
    pub fn keep_until_text(&mut self, bytes_max: usize) {
        self.keep_in(Transcript::until_text(bytes_max), bytes_max);
    }

    fn keep_in(&mut self, mut transcript: Transcript, bytes_max: usize) {
        if self.plan.lane == Lane::Splice {
            transcript.passed = Some(Passed::new(self.plan.upstream, bytes_max));
        }
        self.seen.transcript = Some(transcript);
    }

    /// What the client has of the answer, if it was kept.
    pub fn transcript(&self) -> Option<&Transcript> {
        self.seen.transcript.as_ref()
    }

    /// Why this answer cannot be gone on with; `None` when it can.
    pub fn obstacle(&self) -> Option<Obstacle> {
        match &self.seen.transcript {
            _ if self.pass.is_blind() => Some(Obstacle::Unread),
            Some(transcript) => transcript.obstacle(),
            None => Some(Obstacle::Unread),
        }
    }

    /// Whether this attempt goes on with another's answer.
    pub fn is_continued(&self) -> bool {
        self.continued.is_some()
    }

    /// What this attempt told of its own cost; [`Self::usage`] has that of all attempts.
    pub fn own_usage(&self) -> Option<&Usage<'static>> {
        match &self.continued {
            Some(continued) => continued.own.as_ref(),
            None => self.seen.usage.as_ref(),
        }
    }

    /// What this attempt was heard to say.
    pub fn heard(&self) -> &Heard {
        self.continued.as_ref().map_or(&self.seen.heard, |continued| &continued.heard)
    }

    /// Tells how many tokens the provider's model counts for one that is estimated; 1 unless told.
    pub fn weigh(&mut self, ratio: f64) {
        self.ratio = ratio;
    }

    /// The bill of this attempt, which broke off; `None` when it said and told nothing.
    pub fn bill(&self) -> Option<Bill> {
        let told = self.own_usage();
        if told.is_none() && !self.seen.has_content && self.heard().total() == 0 {
            return None;
        }
        Some(Bill::of(self.plan.upstream, told, self.heard(), self.ratio))
    }

    /// Whether the whole ledger holds an estimate.
    pub fn is_estimated(&self) -> bool {
        self.continued.as_ref().is_some_and(|continued| continued.bills.is_estimated())
    }

    /// Takes over the client's stream from `broken`, which ended without an end. `begun` is what the provider of this
    /// attempt was shown. Call it before the first byte.
    pub fn resume(&mut self, broken: &mut Reply, begun: Begun) {
        let bill = broken.bill();
        let mut bills = Bills::default();
        let mut begun_before = 0;
        if let Some(continued) = broken.continued.take() {
            (bills, begun_before) = (continued.bills, continued.begun_tokens);
            broken.seen.losses.extend(continued.joint.losses());
        }
        if let Some(bill) = bill {
            bills.add(&bill, begun_before);
        }
        let transcript = broken.seen.transcript.take();
        let mut transcript = transcript.unwrap_or_else(|| Transcript::new(0));
        self.writer = Some(match broken.writer.take() {
            Some(writer) => writer,
            None => {
                let context = broken.plan.context.clone();
                Writer::Stream(StreamEncoder::resumed(broken.plan.client, context, &transcript))
            }
        });
        transcript.hand_over();
        self.continued = Some(Box::new(Continued {
            joint: Joint::new(&transcript, begun.way),
            bills,
            begun_tokens: begun.tokens,
            own: None,
            heard: Heard::default(),
            ragged: broken.pass.is_ragged(),
        }));
        let before = std::mem::take(&mut broken.seen);
        // The words that end it, should nobody go on, are no longer the first provider's.
        broken.pass = Pass::default();
        let Observed { answer_id, losses, usage, .. } = before;
        self.seen.answer_id = answer_id;
        self.seen.losses = losses;
        self.seen.usage = usage;
        self.seen.committed = true;
        self.seen.transcript = Some(transcript);
    }

    /// Ends an answer of which only the last event is missing, and tells whether it did: the provider had given the reason
    /// of its end.
    pub fn complete(&mut self, out: &mut Vec<u8>) -> bool {
        if self.seen.stop.is_none() || self.seen.ended || self.seen.failure.is_some() || !self.plan.client_streams {
            return false;
        }
        self.finish(out);
        self.seen.ended
    }

    /// Completes a ragged end before anything is written behind it.
    pub(super) fn smooth(&mut self, out: &mut Vec<u8>) {
        if let Some(continued) = &mut self.continued
            && std::mem::take(&mut continued.ragged)
        {
            out.extend_from_slice(b"\n\n");
        }
    }

    /// What only the joint knows, once its answer is complete.
    pub(super) fn tell_losses(&mut self) {
        if let Some(continued) = &self.continued {
            self.seen.losses.extend(continued.joint.losses());
        }
    }
}
