//! `interlingua explain`: which rule, which candidates in order with reasons, which lane and losses.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use interlingua_filters::Dialect;
use interlingua_filters::custody::Seals;
use interlingua_filters::dialects::Endpoint;
use interlingua_filters::json::{Str, skim};
use interlingua_filters::lane::{Lane, Needs};
use interlingua_filters::operations::{self, Asked, Operation, Way};
use interlingua_filters::profiles::{Profile, ThinkingControl};
use interlingua_filters::repair::Repairs;
use interlingua_filters::request;
use parking_lot::Mutex;

use super::control::{Reach, explained};
use super::{Failure, print, serve};
use crate::config::{Base, Config, Platform, Snapshot, StreamMode, Upstream};
use crate::limits::Cost;
use crate::pool::{self, Ask, Attempted, CandidateView, Millis, Registry, explain};
use crate::routing::{Look, Route, Sign, Step, StepKind};
use crate::store::Desk;
use crate::vault::Vault;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The model, as a client would name it
    model: String,
    #[command(flatten)]
    reach: Reach,
    /// Ask the running gateway, which knows what its accounts do now, instead of the configuration alone
    #[arg(long, conflicts_with = "request")]
    live: bool,
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

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.live || arguments.reach.is_remote() {
        return explained(&arguments.reach, &arguments.model, arguments.protocol.dialect().name());
    }
    print(&planned(arguments)?)
}

/// What the configuration says, without a gateway.
fn planned(arguments: &Arguments) -> Result<String, Failure> {
    let base = arguments.reach.file().map_or(Base::Environment, Base::File);
    let state = base.state(&serve::environment).map_err(|report| report.to_string())?;
    let vault = Vault::open(&Desk::new(state.file.as_deref()), &serve::environment);
    let mut surroundings = serve::surroundings(&vault);
    let unread = Arc::new(Mutex::new(Vec::new()));
    let (look, noted) = (serve::lenient(vault), Arc::clone(&unread));
    surroundings.vault = Box::new(move |name| Ok(look(name, &mut |why| noted.lock().push(why))));
    let config = surroundings.load(&base);
    let snapshot = Snapshot::new(1, config.map_err(|report| report.to_string())?);
    let client = arguments.protocol.dialect();
    let body = arguments.request.as_ref().map(std::fs::read).transpose()?;
    let config = &snapshot.config;
    let stands_for = config.routes.mapped(&arguments.model);
    let Some(mut route) = config.routes.resolve(&arguments.model, client) else {
        let rules: Vec<&str> = config.routes.rules().iter().map(|rule| rule.pattern.as_str()).collect();
        return Err(format!("no rule takes '{}'; the rules are: {}", arguments.model, rules.join(", ")).into());
    };
    let registry = Registry::new(pool::Settings::default());
    registry.reconcile(&crate::config::specs(config), pool::Settings::default());
    let mut text = String::new();
    for why in unread.lock().drain(..) {
        writeln!(text, "warning: {why}")?;
    }
    writeln!(text, "{} asked by {} takes the rule '{}'", arguments.model, client.name(), route.rule)?;
    if let Some(target) = stands_for {
        writeln!(text, "It stands for {target} (`interlingua models`).")?;
    }
    let found = body.as_deref().map(|body| shape(&mut route, config, client, body)).transpose()?;
    places(&mut text, &route, found.flatten(), config)?;
    let mut fallbacks = 0;
    for step in &route.steps {
        let title = title(step, &mut fallbacks);
        let upstreams: Vec<&str> = step.upstreams.iter().map(|upstream| upstream.id.as_str()).collect();
        writeln!(text, "\n{title}: model '{}' at {}", step.model, upstreams.join(", "))?;
        for view in candidates(&snapshot, &registry, step) {
            candidate(&mut text, &snapshot, step, &view)?;
        }
        for upstream in &step.upstreams {
            way(&mut text, config, client, arguments, body.as_deref(), (step, upstream))?;
            beside(&mut text, config, client, (step, upstream))?;
        }
        writeln!(text, "  {}", known(&config.profiles.find(&step.model)))?;
    }
    text.push('\n');
    repairs(&mut text, &config.repairs)?;
    text.push_str("Candidates are listed as a gateway that has just started would try them.\n");
    Ok(text)
}

/// Puts the place that the request has of its own before the target; what is recognised.
fn shape(route: &mut Route, config: &Config, client: Dialect, body: &[u8]) -> Result<Option<Sign>, Failure> {
    let cap = skim::skim(client, body)?.output_cap;
    let look = route.background.is_some().then(|| Look::at(client, body, cap)).flatten();
    Ok(route.shape(look.as_ref(), config.background, cap))
}

/// The places that some requests of the rule have, and safe mode.
fn places(text: &mut String, route: &Route, found: Option<Sign>, config: &Config) -> std::fmt::Result {
    let at = |step: &Step| {
        let upstreams: Vec<&str> = step.upstreams.iter().map(|upstream| upstream.id.as_str()).collect();
        format!("model '{}' at {}", step.model, upstreams.join(", "))
    };
    if let Some(large) = &route.large_output {
        writeln!(text, "Requests for more than {} output tokens go to {} first.", large.over, at(&large.to))?;
    }
    if let Some(step) = route.background.as_ref().filter(|_| !config.background.is_empty()) {
        let signs = config.background;
        writeln!(text, "Requests that agents make for themselves ({signs}) go to {} first.", at(step))?;
    }
    if let Some(sign) = found {
        writeln!(text, "This one is recognised (route=background): {}.", sign.name())?;
    }
    if let Some(upstream) = &config.resilience.safe_mode.upstream {
        writeln!(text, "In safe mode requests go to {upstream} first.")?;
    }
    Ok(())
}

/// What a step is, and for which causes a request goes on to it.
fn title(step: &Step, fallbacks: &mut usize) -> String {
    match step.kind {
        StepKind::Target => "target".to_owned(),
        StepKind::Fallback => {
            *fallbacks += 1;
            format!("fallback {fallbacks} (on {})", step.on)
        }
        StepKind::LargeOutput => "for large outputs".to_owned(),
        StepKind::Background => "for what agents ask for themselves".to_owned(),
        StepKind::SafeMode => "in safe mode".to_owned(),
    }
}

fn candidates(snapshot: &Snapshot, registry: &Registry, step: &Step) -> Vec<CandidateView> {
    let eligible = |id: &str| snapshot.roster.account(id).is_some_and(|account| account.takes(&step.model));
    let pools = snapshot.roster.pools(&step.upstreams);
    let ask = Ask {
        upstreams: &pools,
        family: snapshot.config.family(&step.model),
        attempted: &Attempted::default(),
        bound: None,
        required: None,
        eligible: Some(&eligible),
        cost: Cost::default(),
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
        Some(skip) => writeln!(text, ": passed over, {}", passed_over(skip)),
        None => writeln!(text),
    }
}

/// Why an account is passed over, for people.
pub(crate) fn passed_over(skip: &pool::Skip) -> String {
    match skip {
        pool::Skip::NotRequired => "another account is required".to_owned(),
        pool::Skip::Disabled(None) => "it is disabled".to_owned(),
        pool::Skip::Disabled(Some(why)) => format!("it is disabled: {why}"),
        pool::Skip::NotEligible => "it does not serve this model".to_owned(),
        pool::Skip::Attempted => "it was tried".to_owned(),
        pool::Skip::Cooling { reason, .. } => format!("it rests: {}", reason.name()),
        pool::Skip::Paced { .. } => "it has no room left in this minute".to_owned(),
        pool::Skip::Broken { .. } => "it has failed too often".to_owned(),
        pool::Skip::Busy => "all its slots are in use".to_owned(),
        pool::Skip::Overloaded => "its upstream is overloaded".to_owned(),
    }
}

/// Lane and losses on the way to one upstream.
fn way(
    text: &mut String,
    config: &Config,
    client: Dialect,
    arguments: &Arguments,
    body: Option<&[u8]>,
    (step, upstream): (&Step, &Upstream),
) -> Result<(), Failure> {
    let skimmed = skim::skim(client, body.unwrap_or(b"{}"))?;
    let streams = skimmed.stream.as_ref().is_some_and(|(stream, _)| *stream);
    let upstream_streams = match upstream.stream {
        StreamMode::AsClient => streams,
        StreamMode::Always => true,
        StreamMode::Never => false,
    };
    let needs = Needs { client_streams: streams, upstream_streams, quirks: upstream.quirks };
    let platform = platform(&upstream.platform);
    let lane = match Lane::choose(client, upstream.dialect, &skimmed, needs) {
        Lane::Splice if platform.is_some() => "bytes pass, but what the platform wants otherwise",
        Lane::Splice => "bytes pass as they are",
        Lane::Convert => "translated",
        Lane::Refuse => "refused",
    };
    let on = platform.map_or(String::new(), |platform| format!(" on {platform}"));
    write!(text, "  to {} ({}{on}): {lane}", upstream.id, upstream.dialect.name())?;
    let Some(body) = body else {
        writeln!(text)?;
        return Ok(());
    };
    let gemini = client == Dialect::Gemini;
    let endpoint =
        Endpoint { model: gemini.then(|| Str::from(arguments.model.as_str())), stream: gemini.then_some(streams) };
    let target = config.target(upstream, &step.model, upstream_streams);
    match request::prepare(client, &endpoint, body, &skimmed, upstream.dialect, &target, Seals::AsSent) {
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

/// The name of a platform that is not the vendor's own.
fn platform(platform: &Platform) -> Option<&'static str> {
    match platform {
        Platform::Direct => None,
        Platform::Vertex { .. } => Some("Vertex AI"),
        Platform::Azure { .. } => Some("Azure"),
        Platform::CodeAssist => Some("Code Assist"),
    }
}

/// What can be asked of an upstream beside answers. Platforms of Google are left out: they have few of these.
fn beside(
    text: &mut String,
    config: &Config,
    client: Dialect,
    (step, upstream): (&Step, &Upstream),
) -> std::fmt::Result {
    // The others are carried for answers and counts alone.
    let carries_all = matches!(upstream.platform, Platform::Direct | Platform::Azure { .. });
    // Chat has no question for a number of tokens; whoever asks one speaks another protocol.
    let client = if client == Dialect::OpenAiChat { Dialect::OpenAiResponses } else { client };
    let target = config.target(upstream, &step.model, false);
    let way = |operation| {
        let asked = Asked {
            operation,
            client,
            endpoint: Endpoint { model: None, stream: None },
            content_type: "application/json",
            body: b"{}",
        };
        operations::way(&asked, upstream.dialect, &target)
    };
    let counted = upstream.count_tokens && matches!(way(Operation::CountTokens), Way::Native | Way::Translated);
    let counts = if counted { "counted there" } else { "estimated here" };
    let others = match way(Operation::Embed) {
        Way::Native | Way::Translated if carries_all => "embeddings, pictures and sound if the model has them",
        _ => "no embeddings, pictures and sound",
    };
    writeln!(text, "    numbers of tokens are {counts}; {others}")
}

/// What is known of a model, as far as a line holds it.
fn known(profile: &Profile) -> String {
    if *profile == Profile::default() {
        return "of this model nothing is known, so nothing is refused or bounded (see `profiles`)".to_owned();
    }
    let thinking = profile.thinking.map(|control| match control {
        ThinkingControl::None => "does not think",
        ThinkingControl::Effort => "thinks by effort",
        ThinkingControl::Budget => "thinks by a budget of tokens",
        ThinkingControl::Adaptive => "chooses by itself how much it thinks",
    });
    let output = profile.output_tokens_max.map(|most| format!("answers with up to {most} tokens"));
    let context = profile.context_tokens.map(|most| format!("takes {most} in all"));
    let facts: Vec<String> = [thinking.map(str::to_owned), output, context].into_iter().flatten().collect();
    if facts.is_empty() { "some of its limits are known".to_owned() } else { format!("the model {}", facts.join(", ")) }
}

/// The repairs that are switched off.
fn repairs(text: &mut String, repairs: &Repairs) -> std::fmt::Result {
    let switches = [
        ("schemas", repairs.schemas),
        ("names", repairs.names),
        ("orphans", repairs.orphans),
        ("turns", repairs.turns),
        ("empty_parts", repairs.empty_parts),
        ("tool_loops", repairs.tool_loops),
        ("bounds", repairs.bounds),
        ("shell_commands", repairs.shell_commands),
    ];
    let off: Vec<&str> = switches.iter().filter(|(_, on)| !on).map(|(name, _)| *name).collect();
    if off.is_empty() { Ok(()) } else { writeln!(text, "Repairs that are switched off: {}.", off.join(", ")) }
}
