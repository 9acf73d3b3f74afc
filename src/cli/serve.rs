//! `interlingua serve`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;

use super::Failure;
use crate::audit::{Breakers, Event};
use crate::config::{self, Added, Base, Config, Reloader, Snapshot, Store, Surroundings, Watch};
use crate::credentials::Keeping;
use crate::edge::{self, Housekeeping};
use crate::mapping::keeper::Keeper;
use crate::pool::{Affinity, Registry};
use crate::proxy::{Gateway, affinity_settings, now};
use crate::store::{Accounts, Bindings, Desk, DeskError, Durable, Kind, Listed, Source, Writer, desk};
use crate::telemetry::metrics::Metrics;
use crate::vault::Vault;
use crate::{admin, pool};

/// The file that is read when none is named and it is there.
pub(super) const DEFAULT_FILE: &str = "interlingua.yaml";

/// Where a gateway without a configuration file has the operator's API, and where the commands look for it then.
pub(super) const OPERATOR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Configuration file; without one, `interlingua.yaml` here if there is one, else the providers' well-known
    /// environment variables: OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY
    #[arg(long, short, env = "INTERLINGUA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    let file = arguments.config.or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.exists()));
    start(file.map_or(Base::Environment, Base::File))
}

/// An address for the operator's API where nobody has named one: [`OPERATOR`], if it is free.
pub(super) fn operator(taken: &[SocketAddr]) -> Option<SocketAddr> {
    let free = !taken.contains(&OPERATOR) && TcpListener::bind(OPERATOR).is_ok();
    if !free {
        tracing::warn!("{OPERATOR} is taken: there is no admin API, so `accounts status` and its like cannot be asked");
    }
    free.then_some(OPERATOR)
}

/// A variable of the process.
pub(super) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Serves what `base` says until the process is told to end. A file is watched.
pub(super) fn start(base: Base) -> Result<(), Failure> {
    let state = base.state(&environment).map_err(|report| report.to_string())?;
    let desk = Desk::new(state.file.as_deref());
    let vault = Vault::open(&desk, &environment);
    let beside = surroundings(&vault);
    let mut config = beside.load(&base).map_err(|report| report.to_string())?;
    match &base {
        Base::File(file) => tracing::info!(file = %file.display(), "configuration loaded"),
        Base::Environment | Base::Text(..) => config.server.admin_listen = operator(&config.server.listen),
    }
    greet(&base, &config);
    let store = Arc::new(Store::new(config));
    let gateway = gateway(&store)?;
    if let Some(file) = desk.path() {
        gateway.keep_tokens(Keeping::new(Arc::new(vault.clone()), file));
    }
    let file = base.file().map(Path::to_owned);
    let reloader = Arc::new(Reloader::new(base, beside, Arc::clone(&store)));
    let (metrics, audit) = (gateway.metrics.clone(), gateway.audit.clone());
    reloader.on_attempt(Box::new(move |applied| {
        audit.note(Event::Reload { applied });
        let result = if applied { "applied" } else { "refused" };
        metrics.config_reloads.with_label_values(&[result]).inc();
    }));
    let watch = file.map(|file| Watch::start(Arc::clone(&reloader), file)).transpose();
    if let Err(error) = &watch {
        tracing::warn!(%error, "the configuration file is not watched; SIGHUP reloads it");
    }
    let keeper = Keeper::new(desk.clone(), Arc::clone(&reloader));
    let admin = admin::router(Arc::clone(&gateway), Arc::clone(&reloader), vault, keeper.clone());
    let writer = Arc::new(remember(&gateway)?);
    let last = Box::new({
        let (writer, records, audit) = (Arc::clone(&writer), gateway.records.clone(), gateway.audit.clone());
        move || {
            writer.finish();
            records.finish();
            audit.finish();
        }
    });
    let (records, audit) = (gateway.records.clone(), gateway.audit.clone());
    edge::serve(Arc::clone(&gateway), admin, Housekeeping { reloader, keeper, gateway }, last)?;
    writer.finish();
    records.finish();
    audit.finish();
    drop(watch);
    Ok(())
}

/// What stands beside the configuration: the process's environment, and what commands have put into the state file.
pub(super) fn surroundings(vault: &Vault) -> Surroundings {
    let (book, vault) = (vault.desk().clone(), vault.clone());
    let vault = move |name: &str| vault.get(name).map_err(|error| error.to_string());
    let book = move || {
        let read = book.run_now(|connection| {
            let entries = desk::entries(connection)?.into_iter().map(|entry| entry.addition).collect();
            Ok(Added { entries, mappings: desk::replica(connection)?.mappings })
        });
        match read {
            Err(DeskError::Off) => Ok(Added::default()),
            read => read.map_err(|error: DeskError| error.to_string()),
        }
    };
    Surroundings { vault: Box::new(vault), book: Box::new(book), ..Surroundings::only(Box::new(environment)) }
}

/// Opens secrets for a command that only looks at a configuration: what cannot be opened is told, and something else stands
/// in its place. Nothing is made.
pub(super) fn lenient(vault: Vault) -> impl Fn(&str, &mut dyn FnMut(String)) -> String {
    move |name, tell| {
        let kept = vault.desk().path().is_some_and(Path::exists);
        let opened = if kept {
            vault.get(name).map_err(|error| error.to_string())
        } else {
            Err("nothing is kept yet".to_owned())
        };
        opened.unwrap_or_else(|why| {
            tell(format!("the secret `{name}` cannot be looked up here, so it was not checked: {why}"));
            // Like no other, as keys must be.
            format!("unread-{}", URL_SAFE_NO_PAD.encode(config::key_digest(name.as_bytes())))
        })
    }
}

/// Says who is served, where no file does.
fn greet(base: &Base, config: &Config) {
    let accounts: Vec<&str> = config.accounts.iter().map(|account| account.id.as_str()).collect();
    if accounts.is_empty() {
        tracing::warn!(
            "there is no account yet, so nothing can be served: add one with `interlingua accounts add`, or set one of {}",
            config::variables()
        );
    } else if matches!(base, Base::Environment) {
        let providers = accounts.join(", ");
        tracing::info!(providers, "no configuration file: serving the providers whose keys are known");
    }
}

/// The gateway over `store`, whose accounts follow the configuration.
fn gateway(store: &Arc<Store>) -> Result<Arc<Gateway>, Failure> {
    let snapshot = store.load_full();
    let registry = Registry::new(pool::Settings::default());
    let affinity = Affinity::new(affinity_settings(&snapshot.config.resilience));
    let metrics = Metrics::new()?;
    let durable = Durable::open(snapshot.config.state.file.as_deref());
    let gateway = Arc::new(Gateway::new(Arc::clone(store), registry, affinity, metrics, durable, seed()));
    gateway.follow(&snapshot);
    gateway.audit.note(Event::Start { version: env!("CARGO_PKG_VERSION").to_owned() });
    let mut breakers = Breakers::new(gateway.registry.clone());
    gateway.audit.watch(Box::new(move || breakers.look()));
    let follower = Arc::clone(&gateway);
    store.on_publish(Box::new(move |snapshot: &Snapshot| follower.follow(snapshot)));
    Ok(gateway)
}

/// Puts back what was learned before the restart, and keeps what is learned from now on.
fn remember(gateway: &Arc<Gateway>) -> Result<Writer, Failure> {
    let (durable, now) = (&gateway.durable, now());
    let sources: Vec<Box<dyn Source>> = vec![
        Box::new(Accounts::restored(durable, &gateway.registry, now)),
        Box::new(Listed::safe_mode(durable, &gateway.safe_mode, now)),
        Box::new(Listed::quotas(durable, gateway, now)),
        Box::new(Listed::warm_ups(durable, gateway, now)),
        Box::new(Listed::clients(durable, gateway, now)),
        Box::new(Bindings::restored(Kind::Affinity, durable, &gateway.affinity, now)),
        Box::new(Bindings::restored(Kind::Holder, durable, &gateway.holders, now)),
    ];
    gateway.remembered();
    Ok(Writer::start(durable.clone(), sources)?)
}

/// A number that differs from one start to the next: request ids begin there.
fn seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_nanos() as u64).rotate_left(20) ^ u64::from(std::process::id())
}
