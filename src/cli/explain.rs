//! `interlingua explain`: which rule, which candidates in order with reasons, which lane and losses.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use interlingua_filters::Dialect;
use interlingua_filters::dialects::{Endpoint, Target};
use interlingua_filters::json::{Str, skim};
use interlingua_filters::lane::{Lane, Needs};
use interlingua_filters::request;

use super::{Failure, serve};
use crate::config::{Snapshot, StreamMode, Upstream};
use crate::pool::{self, Ask, Attempted, CandidateView, Millis, Registry, explain};
use crate::routing::Step;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The model, as a client would name it
    model: String,
    /// Configuration file; without one, as `serve` finds it
    #[arg(long, short, env = "INTERLINGUA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The protocol that the client speaks
    #[arg(long, value_enum, default_value = "openai-chat")]
    protocol: Protocol,
    /// A request body to translate: what would be lost on the way to each provider
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Protocol {
    OpenaiChat,
    OpenaiResponses,
    Anthropic,
    Gemini,
}

impl Protocol {
    fn dialect(self) -> Dialect {
        match self {
            Protocol::OpenaiChat => Dialect::OpenAiChat,
            Protocol::OpenaiResponses => Dialect::OpenAiResponses,
            Protocol::Anthropic => Dialect::Anthropic,
            Protocol::Gemini => Dialect::Gemini,
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<String, Failure> {
    let default = PathBuf::from("interlingua.yaml");
    let file = arguments.config.clone().or_else(|| Some(default).filter(|file| file.exists()));
    let snapshot = Snapshot::new(1, serve::load(file.as_deref())?);
    let client = arguments.protocol.dialect();
    let body = arguments.request.as_ref().map(std::fs::read).transpose()?;
    let config = &snapshot.config;
    let Some(route) = config.routes.resolve(&arguments.model, client) else {
        let rules: Vec<&str> = config.routes.rules().iter().map(|rule| rule.pattern.as_str()).collect();
        return Err(format!("no rule takes '{}'; the rules are: {}", arguments.model, rules.join(", ")).into());
    };
    let registry = Registry::new(pool::Settings::default());
    registry.reconcile(&crate::config::specs(config), pool::Settings::default());
    let mut text = format!("{} asked by {} takes the rule '{}'\n", arguments.model, client.name(), route.rule);
    for (number, step) in route.steps.iter().enumerate() {
        let title = if number == 0 { "target".to_owned() } else { format!("fallback {number}") };
        let upstreams: Vec<&str> = step.upstreams.iter().map(|upstream| upstream.id.as_str()).collect();
        writeln!(text, "\n{title}: model '{}' at {}", step.model, upstreams.join(", "))?;
        for view in candidates(&snapshot, &registry, step) {
            candidate(&mut text, &snapshot, step, &view)?;
        }
        for upstream in &step.upstreams {
            way(&mut text, client, arguments, body.as_deref(), step, upstream)?;
        }
    }
    text.push_str("\nCandidates are listed as a gateway that has just started would try them.\n");
    Ok(text)
}

fn candidates(snapshot: &Snapshot, registry: &Registry, step: &Step) -> Vec<CandidateView> {
    let eligible = |id: &str| snapshot.roster.account(id).is_some_and(|account| account.takes(&step.model));
    let pools = snapshot.roster.pools(&step.upstreams);
    let ask = Ask {
        upstreams: &pools,
        family: &step.model,
        attempted: &Attempted::default(),
        bound: None,
        required: None,
        eligible: Some(&eligible),
    };
    explain(registry, &ask, Millis(0))
}

fn candidate(text: &mut String, snapshot: &Snapshot, step: &Step, view: &CandidateView) -> std::fmt::Result {
    let tier = snapshot.config.tiers.get(usize::from(view.tier)).map_or("unknown", String::as_str);
    let account = snapshot.roster.account(&view.id);
    let upstream = account.and_then(|account| account.upstream_in(&step.upstreams));
    let at = upstream.map_or("?", |upstream| upstream.id.as_str());
    write!(text, "  {:<24} at {at}, tier {tier}, {} of {} at work", view.id, view.in_flight, view.limit)?;
    match &view.skipped {
        Some(skip) => writeln!(text, ": passed over, {}", reason(skip)),
        None => writeln!(text),
    }
}

fn reason(skip: &pool::Skip) -> String {
    match skip {
        pool::Skip::NotRequired => "another account is required".to_owned(),
        pool::Skip::Disabled(None) => "it is disabled".to_owned(),
        pool::Skip::Disabled(Some(why)) => format!("it is disabled: {why}"),
        pool::Skip::NotEligible => "it does not serve this model".to_owned(),
        pool::Skip::Attempted => "it was tried".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// Lane and losses on the way to one upstream.
fn way(
    text: &mut String,
    client: Dialect,
    arguments: &Arguments,
    body: Option<&[u8]>,
    step: &Step,
    upstream: &Upstream,
) -> Result<(), Failure> {
    let skimmed = skim::skim(client, body.unwrap_or(b"{}"))?;
    let streams = skimmed.stream.as_ref().is_some_and(|(stream, _)| *stream);
    let upstream_streams = match upstream.stream {
        StreamMode::AsClient => streams,
        StreamMode::Always => true,
        StreamMode::Never => false,
    };
    let needs = Needs { client_streams: streams, upstream_streams, quirks: upstream.quirks };
    let lane = match Lane::choose(client, upstream.dialect, &skimmed, needs) {
        Lane::Splice => "bytes pass as they are",
        Lane::Convert => "translated",
        Lane::Refuse => "refused",
    };
    write!(text, "  to {} ({}): {lane}", upstream.id, upstream.dialect.name())?;
    let Some(body) = body else {
        writeln!(text)?;
        return Ok(());
    };
    let gemini = client == Dialect::Gemini;
    let endpoint =
        Endpoint { model: gemini.then(|| Str::from(arguments.model.as_str())), stream: gemini.then_some(streams) };
    let target = Target {
        quirks: upstream.quirks,
        unsupported: Arc::clone(&upstream.unsupported),
        ..Target::new(step.model.clone(), upstream_streams)
    };
    match request::prepare(client, &endpoint, body, &skimmed, upstream.dialect, &target) {
        Ok(prepared) if prepared.encoded.losses.is_empty() => writeln!(text, ", nothing is lost")?,
        Ok(prepared) => {
            writeln!(text, ", with these losses:")?;
            for loss in prepared.encoded.losses.iter() {
                writeln!(text, "    {}: {}", loss.field, loss.kind.name())?;
            }
        }
        Err(error) => writeln!(text, ", impossible: {error}")?,
    }
    Ok(())
}
