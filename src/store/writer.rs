//! The thread that writes.

use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::Change;
use super::durable::{Durable, Shared};
use super::file::{File, OpenError};
use crate::pool::Millis;
use crate::proxy::now;

/// How often changes are looked for: what happened longer ago than this and a write is on the disk.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a file that cannot be written is left alone.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// How often old records are removed.
const TIDY_EVERY: Duration = Duration::from_hours(1);
/// Rows of one transaction, at most.
const BATCH_MAX: usize = 20_000;
/// Longest time that the end of the process waits for the disk.
const END_WAIT: Duration = Duration::from_secs(3);

/// Something alive that is looked at for changes, so that it need not tell them itself.
pub trait Source: Send {
    /// How often it is looked at; at least every 100 ms.
    fn every(&self) -> Duration;
    /// What has changed since the last call.
    fn changes(&mut self, now: Millis) -> Vec<Change>;
    /// The next call of [`Self::changes`] is the last: it must not leave anything for later.
    fn ends(&mut self) {}
    /// The file is a new and empty one: the next changes are everything there is.
    fn start_over(&mut self);
}

/// The running thread. Dropped without [`Writer::finish`], it goes on by itself until the process ends.
#[derive(Debug)]
pub struct Writer {
    durable: Durable,
    /// Held while the end is waited for, so that nobody who comes second leaves earlier.
    ended: Mutex<Option<Receiver<()>>>,
}

impl Writer {
    /// Starts the thread, if anything is to be kept.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(durable: Durable, sources: Vec<Box<dyn Source>>) -> Result<Self, std::io::Error> {
        let ended = if durable.is_on() {
            let (tell, ended) = sync_channel(1);
            let file = durable.shared.file.lock().take();
            let due = sources.into_iter().map(|source| (source, Instant::now())).collect();
            let pen = Pen { durable: durable.clone(), file, due, retry: None, tidy: None, begun: false };
            thread::Builder::new().name("state".to_owned()).spawn(move || {
                pen.run();
                let _ = tell.send(());
            })?;
            Some(ended)
        } else {
            None
        };
        Ok(Writer { durable, ended: Mutex::new(ended) })
    }

    /// Writes all that has changed, and closes the file. Waits for it, but not for ever. A second call does nothing.
    pub fn finish(&self) {
        let mut ended = self.ended.lock();
        let Some(ended) = ended.take() else { return };
        self.durable.shared.pending.lock().ending = true;
        self.durable.shared.wake.notify_all();
        if ended.recv_timeout(END_WAIT) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("the state was not written to the end: the disk is too slow");
        }
    }
}

/// The writing thread's own.
struct Pen {
    durable: Durable,
    /// `None`: it cannot be opened.
    file: Option<File>,
    /// Each source, and when it is to be looked at.
    due: Vec<(Box<dyn Source>, Instant)>,
    /// Not before this, after a failure.
    retry: Option<Instant>,
    /// When old records are removed; `None`: soon.
    tidy: Option<Instant>,
    /// Whether a new file was begun in the place of one that is gone: the sources are to tell everything.
    begun: bool,
}

impl Pen {
    fn run(mut self) {
        loop {
            let ending = self.wait();
            self.gather(ending);
            if ending {
                // A file that turns out to be broken or gone now is replaced, and the new one written.
                if !self.flush() || self.begun {
                    self.gather(true);
                    self.flush();
                }
                return;
            }
            if self.retry.is_none_or(|at| Instant::now() >= at) {
                self.flush();
            }
        }
    }

    /// Sleeps until it is time to look; gives whether this is the last time.
    fn wait(&self) -> bool {
        let shared: &Shared = &self.durable.shared;
        let mut pending = shared.pending.lock();
        if !pending.ending {
            shared.wake.wait_for(&mut pending, LOOK_EVERY);
        }
        pending.ending
    }

    /// Asks the sources whose time has come, or all.
    fn gather(&mut self, all: bool) {
        let clock = Instant::now();
        for (source, due) in &mut self.due {
            if all || *due <= clock {
                *due = clock + source.every();
                if all {
                    source.ends();
                }
                let changes = source.changes(now());
                if !changes.is_empty() {
                    self.durable.change(changes);
                }
            }
        }
    }

    /// Writes what waits; whether that went well.
    fn flush(&mut self) -> bool {
        let written = self.write();
        match &written {
            Ok(false) => {}
            Ok(true) => {
                self.retry = None;
                if self.durable.shared.trouble.lock().take().is_some() {
                    tracing::info!("the state is kept again");
                }
            }
            Err(error) => self.failed(error),
        }
        written.is_ok()
    }

    /// Whether anything was to be written.
    fn write(&mut self) -> Result<bool, OpenError> {
        let idle = self.durable.shared.pending.lock().entries.is_empty();
        let tidies = self.tidy.is_none_or(|at| Instant::now() >= at);
        if idle && !tidies {
            return Ok(false);
        }
        self.open()?;
        let file = self.file.as_mut().ok_or_else(OpenError::no_file)?;
        let entries = std::mem::take(&mut self.durable.shared.pending.lock().entries);
        let rows: Vec<_> = entries.iter().collect();
        let written = rows.chunks(BATCH_MAX).try_for_each(|batch| file.write(batch.iter().copied()));
        if let Err(error) = written {
            let mut pending = self.durable.shared.pending.lock();
            for (entry, row) in entries {
                // What has changed meanwhile is newer.
                pending.entries.entry(entry).or_insert(row);
            }
            return Err(error);
        }
        if tidies {
            file.tidy(now().0)?;
            self.tidy = Some(Instant::now() + TIDY_EVERY);
        }
        Ok(true)
    }

    /// Opens the file, if it is not open, or not there any more.
    fn open(&mut self) -> Result<(), OpenError> {
        let path = self.durable.shared.path.as_deref().ok_or_else(OpenError::no_file)?;
        if self.file.as_ref().is_some_and(|file| file.is_at(path)) {
            return Ok(());
        }
        if self.file.take().is_some() {
            tracing::warn!(file = %path.display(), "the state file was removed or replaced; what is known is written anew");
        }
        let file = File::open(path)?;
        self.begun = file.new;
        self.file = Some(file);
        if self.begun {
            self.due.iter_mut().for_each(|(source, _)| source.start_over());
        }
        Ok(())
    }

    fn failed(&mut self, error: &OpenError) {
        self.retry = Some(Instant::now() + RETRY_AFTER);
        let Some(path) = &self.durable.shared.path else { return };
        if !error.is_locked() {
            // What the disk did meanwhile is seen by who opens it anew.
            self.file = None;
        }
        if let OpenError::NotOurs(why) = error {
            match File::set_aside(path, now().0) {
                Ok(aside) => {
                    tracing::error!(file = %path.display(), aside = %aside.display(), why, "the state file was set aside; a new one is begun");
                    self.due.iter_mut().for_each(|(source, _)| source.start_over());
                    self.retry = None;
                    return;
                }
                Err(error) => tracing::error!(file = %path.display(), why, %error, "the state file is not usable"),
            }
        }
        // Said once: until it works again, or something else is wrong with it.
        let mut trouble = self.durable.shared.trouble.lock();
        let said = error.to_string();
        if trouble.as_ref() != Some(&said) {
            tracing::warn!(file = %path.display(), %error, "the state cannot be written now; requests are served as before, and it is tried again");
            *trouble = Some(said);
        }
    }
}
