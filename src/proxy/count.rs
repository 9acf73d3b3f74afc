//! Numbers of tokens: who can count, and what the gateway says by itself.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use interlingua_filters::Dialect;
use interlingua_filters::dialects::Endpoint;
use interlingua_filters::ir::{ApiError, ErrorKind, Usage};
use interlingua_filters::json::Str;
use interlingua_filters::operations::{self, Asked, Operation, Way};
use interlingua_filters::tokens::Calibrator;
use parking_lot::Mutex;

use super::ctx::{Attempt, Ctx};
use super::errand::{Errand, Question};
use super::gateway::Gateway;
use crate::config::Upstream;
use crate::limits::{Failure, Retry, Scope};
use crate::routing::Step;

/// Models whose estimates are corrected at a time.
const MODELS_MAX: usize = 1_000;
/// How long an upstream that said it cannot count is not asked again.
const UNABLE_FOR: Duration = Duration::from_mins(10);
/// Upstreams remembered as unable to count.
const UNABLE_MAX: usize = 1_024;
/// Bodies up to so many bytes are all learnt from; of larger ones one in [`LARGE_STRIDE`], as estimating them costs more.
const SMALL_BYTES_MAX: usize = 64 * 1024;
/// See [`SMALL_BYTES_MAX`].
const LARGE_STRIDE: u64 = 16;
/// Input tokens below which a request teaches nothing: the provider's own additions outweigh it.
const TOKENS_MIN: u64 = 32;

/// What is known of numbers of tokens. It lives as long as the process.
pub(super) struct Counts {
    calibrator: Mutex<Calibrator>,
    /// Upstreams that said they cannot count, and when.
    unable: Mutex<HashMap<String, Instant>>,
}

impl Default for Counts {
    fn default() -> Self {
        Counts { calibrator: Mutex::new(Calibrator::new(MODELS_MAX)), unable: Mutex::default() }
    }
}

impl Counts {
    /// Whether an upstream can be asked to count.
    pub(super) fn is_able(&self, question: &Question, upstream: &Upstream, step: &Step) -> bool {
        let target = super::upstream_peer::plain_target(upstream, &step.model);
        let way = operations::way(&question.asked(), upstream.dialect, &target);
        let told = || self.unable.lock().get(&upstream.id).is_some_and(|since| since.elapsed() < UNABLE_FOR);
        upstream.count_tokens && matches!(way, Way::Native | Way::Translated) && !told()
    }

    /// An upstream does not know the endpoint.
    fn cannot(&self, upstream: &Upstream) {
        let mut unable = self.unable.lock();
        if unable.len() >= UNABLE_MAX {
            unable.clear();
        }
        unable.insert(upstream.id.clone(), Instant::now());
    }

    /// The gateway's own answer.
    pub(super) fn estimate(&self, question: &Question, model: &str) -> Vec<u8> {
        let asked = question.asked();
        let estimated = operations::tokens_of(&asked);
        operations::estimated(&asked, self.calibrator.lock().corrected(model, estimated))
    }
}

impl Gateway {
    /// The gateway's own number of tokens in the place of an error that is not the client's.
    pub(super) fn estimate_instead(&self, ctx: &Ctx, told: &ApiError) -> Option<Vec<u8>> {
        let inbound = ctx.inbound.as_ref()?;
        let Errand::Operate(question) = &inbound.errand else { return None };
        let clients = matches!(told.kind, ErrorKind::InvalidRequest | ErrorKind::TooLarge);
        if question.operation != Operation::CountTokens || clients {
            return None;
        }
        let model = inbound.route.steps.first().map_or(inbound.model.as_str(), |step| step.model.as_str());
        Some(self.counts.estimate(question, model))
    }

    /// What a failure to count means: an upstream without the endpoint is no trouble of an account, and a refusal in
    /// words that the gateway chose is not the client's.
    pub(super) fn amend_count(&self, ctx: &Ctx, attempt: &Attempt, told: &mut ApiError, failure: &mut Failure) {
        if matches!(attempt.status, 404 | 405 | 501) {
            self.counts.cannot(&attempt.upstream);
            *failure = Failure { scope: Scope::Request, retry: Retry::No, cooldown_ms: None, ..*failure };
        }
        if attempt.upstream.dialect != ctx.dialect && told.kind == ErrorKind::InvalidRequest {
            told.kind = ErrorKind::BadGateway;
        }
    }

    /// Learns from an answer how many tokens its request had.
    pub(super) fn learn(&self, ctx: &Ctx, attempt: &Attempt) {
        let Some(inbound) = ctx.inbound.as_ref().filter(|inbound| matches!(inbound.errand, Errand::Generate { .. }))
        else {
            return;
        };
        let Some(real) = attempt.reply.usage().map(Usage::input_total).filter(|real| *real >= TOKENS_MIN) else {
            return;
        };
        if inbound.body.len() > SMALL_BYTES_MAX && !(ctx.id >> 32).is_multiple_of(LARGE_STRIDE) {
            return;
        }
        let gemini = ctx.dialect == Dialect::Gemini;
        let asked = Asked {
            operation: Operation::CountTokens,
            client: ctx.dialect,
            endpoint: Endpoint { model: gemini.then(|| Str::from(inbound.model.as_str())), stream: None },
            content_type: "application/json",
            body: &inbound.body,
        };
        let estimated = operations::tokens_of(&asked);
        self.counts.calibrator.lock().observe(&attempt.model, estimated, real);
    }
}
