//! Reloading, and the watch that calls for it.
//!
//! The watch looks at folders, since editors and deployments replace files instead of writing to them: the folder of
//! the path, and the folder that it really lies in (a Kubernetes mount swaps a symbolic link of the folder). An event only
//! means "look": what counts is whether the text is another than before. A slow poll finds what events miss, as on
//! network file systems.

use std::collections::HashSet;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use notify::event::ModifyKind;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::{Addition, Base, Beside, Config, Faulty, Report, Server, State, Store};
use crate::mapping::Mappings;

/// A file is read when it was left alone for this long.
const QUIET: Duration = Duration::from_millis(200);

/// A file that is never left alone is read after this long.
const QUIET_WAIT_MAX: Duration = Duration::from_secs(2);

/// How often the file is looked at without an event.
const POLL: Duration = Duration::from_secs(30);

/// Environment variables.
pub type Env = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What commands have added.
#[derive(Clone, Debug, Default)]
pub struct Added {
    /// Entries beside those of the file.
    pub entries: Vec<Addition>,
    /// Names of models that stand for others.
    pub mappings: Mappings,
}

/// Says what commands have added; called for each load. A text says why that cannot be told.
pub type Book = Box<dyn Fn() -> Result<Added, String> + Send + Sync>;

/// Opens a secret by its name, or says why not.
pub type Vault = Box<dyn Fn(&str) -> Result<String, String> + Send + Sync>;

/// What stands beside the configuration that is read again and again.
pub struct Surroundings {
    /// Environment variables.
    pub env: Env,
    /// Secrets.
    pub vault: Vault,
    /// What commands have added.
    pub book: Book,
    /// Whether that could not be read the last time.
    pub missed: AtomicBool,
}

impl Surroundings {
    /// Nothing but the environment.
    pub fn only(env: Env) -> Self {
        let vault: Vault = Box::new(|_| Err("there is no vault here".to_owned()));
        Surroundings { env, vault, book: Box::new(|| Ok(Added::default())), missed: AtomicBool::new(false) }
    }

    /// Loads `base` with what stands beside it now. What commands have added is left out if it cannot be read: a broken
    /// disk must not keep the file from its place.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(&self, base: &Base) -> Result<Config, Report> {
        self.means(base, &base.text()?)
    }

    fn means(&self, base: &Base, text: &str) -> Result<Config, Report> {
        let added = match (self.book)() {
            Ok(added) => {
                self.missed.store(false, Ordering::Release);
                added
            }
            Err(error) => {
                if !self.missed.swap(true, Ordering::AcqRel) {
                    tracing::error!("what commands have added is not in force: {error}");
                }
                Added::default()
            }
        };
        let (env, vault) = (&*self.env, &*self.vault);
        let beside = Beside { env, vault, additions: &added.entries, mappings: &added.mappings };
        let config = base.means(text, beside)?;
        for Faulty { kind, id, why } in &config.origins.faulty {
            tracing::warn!(kind = kind.name(), id, "an entry that a command has added is left out: {why}");
        }
        Ok(config)
    }
}

/// Reads the configuration again and puts it in force. Used by the watch, by SIGHUP and by the admin API, from any thread.
pub struct Reloader {
    base: Base,
    beside: Surroundings,
    store: Arc<Store>,
    /// What the process started with, and goes on with until a restart.
    started: Server,
    /// Where the process keeps its state.
    state: State,
    /// Digest of the text that was last read, whether it was good or not. Held while reloading, so that two reloads
    /// cannot overtake each other.
    seen: Mutex<Option<[u8; 32]>>,
    /// Set once, when the process starts.
    follower: OnceLock<Box<dyn Fn(bool) + Send + Sync>>,
}

impl Reloader {
    /// For `base`, whose content is in force in `store` now.
    pub fn new(base: Base, beside: Surroundings, store: Arc<Store>) -> Self {
        let (started, state) = (store.load().config.server.clone(), store.load().config.state.clone());
        let seen = base.text().ok().map(|text| digest(&text));
        Reloader { base, beside, store, started, state, seen: Mutex::new(seen), follower: OnceLock::new() }
    }

    /// Where the configuration comes from.
    pub fn base(&self) -> &Base {
        &self.base
    }

    /// Calls `follower` after every attempt from now on, with whether the configuration was put in force. It can be set
    /// once; `false` if it was set before.
    pub fn on_attempt(&self, follower: Box<dyn Fn(bool) + Send + Sync>) -> bool {
        self.follower.set(follower).is_ok()
    }

    /// Reads the configuration and puts it in force, also if its text is the same: what it refers to may have changed, and
    /// what commands have added. Gives the generation. Logs one line in either case.
    ///
    /// # Errors
    /// Everything that is wrong with it. The configuration in force stays.
    pub fn reload(&self) -> Result<u64, Report> {
        let mut seen = self.seen.lock();
        self.apply(self.base.text(), &mut seen)
    }

    /// Reloads if what commands have added could not be read the last time, and can be now. `None`: it was, or cannot.
    pub fn reload_if_missed(&self) -> Option<Result<u64, Report>> {
        (self.beside.missed.load(Ordering::Acquire) && (self.beside.book)().is_ok()).then(|| self.reload())
    }

    /// Reloads if the text is another than the last that was read. `None`: it is the same.
    fn reload_if_changed(&self) -> Option<Result<u64, Report>> {
        let mut seen = self.seen.lock();
        let text = self.base.text();
        // Between the two steps of a replacement there is no file for a moment; the next look finds it.
        let now = text.as_ref().ok().map(|text| digest(text));
        (now != *seen).then(|| self.apply(text, &mut seen))
    }

    fn apply(&self, text: Result<String, Report>, seen: &mut Option<[u8; 32]>) -> Result<u64, Report> {
        let result = self.put_in_force(text, seen);
        if let Some(follower) = self.follower.get() {
            follower(result.is_ok());
        }
        result
    }

    fn put_in_force(&self, text: Result<String, Report>, seen: &mut Option<[u8; 32]>) -> Result<u64, Report> {
        *seen = text.as_ref().ok().map(|text| digest(text));
        let config = text.and_then(|text| self.beside.means(&self.base, &text)).inspect_err(|report| {
            let problems = report.short().replace('\n', " | ");
            tracing::error!("the configuration was not reloaded, the one before stays in force: {problems}");
        })?;
        let config = if self.base.file().is_some() { config } else { self.as_started(config) };
        for change in needs_restart(&self.started, &self.state, &config) {
            tracing::warn!("{change}: this takes effect at the next restart or upgrade");
        }
        let generation = self.store.publish(config);
        let path = self.base.file().map(|path| path.display().to_string());
        tracing::info!(generation, path, "the configuration was reloaded");
        Ok(generation)
    }

    /// Without a file the start has chosen the operator's address, not the configuration.
    fn as_started(&self, mut config: Config) -> Config {
        config.server.admin_listen = self.started.admin_listen;
        config
    }
}

/// What differs from what the process started with and cannot be changed while it runs.
fn needs_restart(started: &Server, state: &State, config: &Config) -> Vec<String> {
    let now = &config.server;
    let mut changes = Vec::new();
    let set = |list: &[SocketAddr]| list.iter().copied().collect::<HashSet<_>>();
    if set(&started.listen) != set(&now.listen) {
        changes.push(format!("server.listen is {:?} now, but the process listens on {:?}", now.listen, started.listen));
    }
    if started.admin_listen != now.admin_listen {
        changes.push("server.admin_listen was changed".to_owned());
    }
    if started.threads != now.threads {
        changes.push(format!("server.threads is {} now, but the process has {}", now.threads, started.threads));
    }
    if *state != config.state {
        let name = |state: &State| state.file.as_ref().map_or("none".to_owned(), |file| file.display().to_string());
        changes.push(format!("state.file is {} now, but the process keeps {}", name(&config.state), name(state)));
    }
    changes
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Watches the file until it is dropped.
#[derive(Debug)]
pub struct Watch {
    stop: Arc<AtomicBool>,
    wake: SyncSender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Starts the watch of `file`, which `reloader` reads, in a thread of its own: it reads files.
    ///
    /// # Errors
    /// If the folder cannot be watched or the thread cannot be started. The gateway can run without; SIGHUP reloads too.
    pub fn start(reloader: Arc<Reloader>, file: PathBuf) -> Result<Self, notify::Error> {
        // One waiting event says all that many would.
        let (wake, events) = sync_channel(1);
        let sender = wake.clone();
        let real = file.canonicalize().ok();
        let names = [Some(file.as_path()), real.as_deref()].map(|path| path?.file_name().map(ToOwned::to_owned));
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.map_or(true, |event| matters(&event, &names)) {
                let _ = sender.try_send(());
            }
        })?;
        let mut folders = Folders { watcher, watched: HashSet::new() };
        folders.watch(&parent(&file))?;
        folders.follow(&file);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let body = move || run(&reloader, &file, &mut folders, &events, &stopped);
        let thread = std::thread::Builder::new().name("config-watch".to_owned()).spawn(body)?;
        Ok(Watch { stop, wake, thread: Some(thread) })
    }
}

/// Whether the file may be another after this event. Reading is an event too, also our own; and a neighbour that is
/// written to, such as a log, says nothing. Whatever comes or goes by another name may be a step of a replacement.
fn matters(event: &notify::Event, names: &[Option<OsString>]) -> bool {
    let is_written = matches!(event.kind, EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_)));
    let is_ours = |path: &PathBuf| names.iter().flatten().any(|name| path.file_name() == Some(name));
    let is_named = event.paths.iter().any(is_ours);
    !event.kind.is_access() && (!is_written || is_named || event.paths.is_empty())
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let _ = self.wake.try_send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(reloader: &Reloader, file: &Path, folders: &mut Folders, events: &Receiver<()>, stop: &AtomicBool) {
    loop {
        // A look before the first wait: the file may have changed since it was loaded.
        if stop.load(Ordering::Acquire) {
            return;
        }
        let _ = reloader.reload_if_changed();
        folders.follow(file);
        match events.recv_timeout(POLL) {
            Ok(()) => settle(events, stop),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Waits until there was no event for [`QUIET`].
fn settle(events: &Receiver<()>, stop: &AtomicBool) {
    let started = Instant::now();
    while started.elapsed() < QUIET_WAIT_MAX && !stop.load(Ordering::Acquire) {
        if events.recv_timeout(QUIET).is_err() {
            return;
        }
    }
}

struct Folders {
    watcher: RecommendedWatcher,
    /// At most two: where the path is, and where the file really lies.
    watched: HashSet<PathBuf>,
}

impl Folders {
    fn watch(&mut self, folder: &Path) -> Result<(), notify::Error> {
        if !self.watched.contains(folder) {
            self.watcher.watch(folder, RecursiveMode::NonRecursive)?;
            self.watched.insert(folder.to_owned());
        }
        Ok(())
    }

    /// Watches the folder that the file lies in now, if the path leads over symbolic links, and no longer the one before.
    fn follow(&mut self, path: &Path) {
        let own = parent(path);
        let Ok(real) = path.canonicalize() else { return };
        let wanted = [own, parent(&real)];
        let gone: Vec<PathBuf> = self.watched.iter().filter(|folder| !wanted.contains(folder)).cloned().collect();
        for folder in gone {
            let _ = self.watcher.unwatch(&folder);
            self.watched.remove(&folder);
        }
        for folder in &wanted {
            if let Err(error) = self.watch(folder) {
                tracing::warn!("{} cannot be watched for changes: {error}", folder.display());
            }
        }
    }
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::zero_config;

    #[test]
    fn what_needs_a_restart_is_told_and_nothing_else() {
        let env = |name: &str| (name == "OPENAI_API_KEY").then(|| "sk-1".to_owned());
        let mut config = zero_config(&env).unwrap();
        let (started, state) = (config.server.clone(), config.state.clone());
        config.server.strict = true;
        config.server.drain_timeout = Duration::from_secs(1);
        assert!(needs_restart(&started, &state, &config).is_empty());
        config.server.listen = vec!["127.0.0.1:9000".parse().unwrap()];
        config.server.admin_listen = Some("127.0.0.1:9001".parse().unwrap());
        config.server.threads += 1;
        config.state.file = Some("/var/lib/state.db".into());
        let told = needs_restart(&started, &state, &config);
        assert_eq!(told.len(), 4, "{told:?}");
        assert_eq!(told[3], "state.file is /var/lib/state.db now, but the process keeps none");
        assert!(told[0].contains("server.listen is [127.0.0.1:9000] now, but the process listens on [127.0.0.1:8080]"));
    }
}
