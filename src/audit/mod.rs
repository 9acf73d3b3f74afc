//! The audit log: what changed, and who changed it. JSON lines, one file a day, for their owner alone.
//!
//! - **No secrets.** Events have no place for one: accounts stand as hashes ([`Hashed`]), keys as the beginning of their
//!   digest, calls of the API as the template of their path.
//! - **Never waited for.** A bounded queue and a thread of its own; what does not fit is counted in the next line.
//! - **Who is meant.** `interlingua audit id ACCOUNT` prints an account's hash. It is plain, not keyed: whoever has the log
//!   and a list of names can tell which of them are in it. So the files are as private as the configuration.

mod changes;
mod event;
mod file;
mod read;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

pub use changes::Breakers;
pub(crate) use event::beginning;
pub use event::{Change, Event, Hashed};
pub use read::{LINES_MAX, Noted, recent};

use crate::config::{self, Config};
use crate::pool::Millis;
use crate::proxy::now;
use changes::Seen;
use file::Files;

/// Events that wait for the disk.
const QUEUE_MAX: usize = 10_000;
/// How often what changes by itself is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Longest time that the end of the process waits for the disk.
const END_WAIT: Duration = Duration::from_secs(2);

/// Looks for what has changed by itself.
pub type Look = Box<dyn FnMut() -> Vec<Event> + Send>;

enum Message {
    Event(Millis, Event),
    Look(Look),
    End(SyncSender<()>),
}

struct Shared {
    folder: PathBuf,
    queue: SyncSender<Message>,
    /// Events that did not fit into the queue since the last that did.
    lost: AtomicU64,
    seen: Mutex<Option<Seen>>,
}

/// The audit log. Clones are handles of the same.
#[derive(Clone)]
pub struct Audit {
    shared: Option<Arc<Shared>>,
}

impl Audit {
    /// Starts the thread, if anything is to be kept.
    pub fn start(config: &config::Audit) -> Self {
        let Some(folder) = config.folder.clone() else { return Audit::none() };
        let (queue, events) = sync_channel(QUEUE_MAX);
        let files = Files::new(folder.clone(), config.keep);
        let started = thread::Builder::new().name("audit".to_owned()).spawn(move || run(files, &events));
        if let Err(error) = started {
            tracing::error!(%error, "there is no thread for the audit log; nothing is audited");
            return Audit::none();
        }
        let shared = Shared { folder, queue, lost: AtomicU64::new(0), seen: Mutex::default() };
        Audit { shared: Some(Arc::new(shared)) }
    }

    /// Keeps nothing.
    pub fn none() -> Self {
        Audit { shared: None }
    }

    /// The folder, if anything is kept.
    pub fn folder(&self) -> Option<&Path> {
        self.shared.as_deref().map(|shared| shared.folder.as_path())
    }

    /// Notes an event. Never waits.
    pub fn note(&self, event: Event) {
        let Some(shared) = &self.shared else { return };
        let lost = shared.lost.swap(0, Ordering::Relaxed);
        if lost > 0 && shared.queue.try_send(Message::Event(now(), Event::Lost { events: lost })).is_err() {
            shared.lost.fetch_add(lost, Ordering::Relaxed);
        }
        if shared.queue.try_send(Message::Event(now(), event)).is_err() {
            shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Has `look` be called every 250 ms, and notes what it finds.
    pub fn watch(&self, look: Look) {
        if let Some(shared) = &self.shared
            && shared.queue.try_send(Message::Look(look)).is_err()
        {
            tracing::error!("the audit log cannot look at the accounts");
        }
    }

    /// Notes what differs from the configuration before; the first one is only looked at.
    pub fn follow(&self, config: &Config) {
        let Some(shared) = &self.shared else { return };
        let now = Seen::of(config);
        let before = shared.seen.lock().replace(now.clone());
        for event in before.into_iter().flat_map(|before| before.changes(&now)) {
            self.note(event);
        }
    }

    /// Writes what waits. Waits for it, but not for ever.
    pub fn finish(&self) {
        let Some(shared) = &self.shared else { return };
        let (tell, ended) = sync_channel(1);
        if shared.queue.try_send(Message::End(tell)).is_ok() && ended.recv_timeout(END_WAIT).is_err() {
            tracing::warn!("the audit log was not written to the end: the disk is too slow");
        }
    }
}

fn run(mut files: Files, events: &Receiver<Message>) {
    let mut looks: Vec<Look> = Vec::new();
    loop {
        match events.recv_timeout(LOOK_EVERY) {
            Ok(Message::Event(at, event)) => files.write(at, &event),
            Ok(Message::Look(look)) => looks.push(look),
            Ok(Message::End(tell)) => {
                files.sync();
                let _ = tell.send(());
            }
            Err(RecvTimeoutError::Timeout) => {
                for event in looks.iter_mut().flat_map(|look| look()) {
                    files.write(now(), &event);
                }
                files.sync();
                files.tidy(now());
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
