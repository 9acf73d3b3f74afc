//! The thread that writes.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::Shared;
use super::file::File;
use super::queue::Batch;
use crate::proxy::now;
use crate::store::file::{File as Store, OpenError};

/// How long a file that cannot be written is left alone.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How often old entries are looked for, when there are no more of them.
const TIDY_EVERY: Duration = Duration::from_mins(1);
/// How often hours of usage become days.
const FOLD_EVERY: Duration = Duration::from_hours(1);

/// Starts the thread. What it gives back tells when it has ended.
pub(super) fn start(shared: Arc<Shared>) -> std::io::Result<Receiver<()>> {
    let (tell, ended) = sync_channel(1);
    let mut pen = Pen { shared, file: None, batch: Batch::default(), tidy: None, fold: None, warned: false };
    thread::Builder::new().name("records".to_owned()).spawn(move || {
        pen.run();
        let _ = tell.send(());
    })?;
    Ok(ended)
}

struct Pen {
    shared: Arc<Shared>,
    /// `None`: it is not open, or cannot be opened.
    file: Option<File>,
    /// What is to be written next, if it was taken.
    batch: Batch,
    /// When old entries are removed, and when hours become days; `None`: soon.
    tidy: Option<Instant>,
    fold: Option<Instant>,
    /// Whether the log says already that it does not work.
    warned: bool,
}

impl Pen {
    fn run(&mut self) {
        let mut ending = false;
        loop {
            let written = self.work(ending);
            if let Err(error) = &written {
                self.failed(error);
            } else if std::mem::take(&mut self.warned) {
                tracing::info!("the request log is written again");
            }
            match (ending, written) {
                (true, _) => return,
                (false, Err(_)) => {
                    // If the process ends meanwhile, there is one more try.
                    self.shared.queue.rest(RETRY_AFTER);
                }
                (false, Ok(())) => {}
            }
            ending = self.shared.queue.wait();
        }
    }

    /// Writes what waits; once, or all of it.
    fn work(&mut self, all: bool) -> Result<(), OpenError> {
        loop {
            self.write()?;
            if !all || self.shared.queue.is_empty() {
                break;
            }
        }
        if all { Ok(()) } else { self.tidy() }
    }

    fn write(&mut self) -> Result<(), OpenError> {
        if self.batch.is_empty() {
            self.batch = self.shared.queue.take();
        }
        let file = match &mut self.file {
            Some(file) => file,
            empty => {
                let file = empty.insert(File::open(&self.shared.path)?);
                self.shared.last.send_replace(file.last()?);
                file
            }
        };
        if self.batch.is_empty() {
            return Ok(());
        }
        let last = file.write(&self.batch)?;
        let batch = std::mem::take(&mut self.batch);
        self.shared.metrics.records.with_label_values(&["written"]).inc_by(batch.records.len() as u64);
        self.shared.queue.done(&batch);
        self.shared.last.send_if_modified(|known| std::mem::replace(known, last.max(*known)) < last);
        Ok(())
    }

    fn tidy(&mut self) -> Result<(), OpenError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let (rules, clock) = (*self.shared.rules.lock(), Instant::now());
        file.remove_surplus(&rules)?;
        if self.tidy.is_none_or(|at| clock >= at) && file.remove_old(&rules, now().0)? {
            self.tidy = Some(clock + TIDY_EVERY);
        }
        if self.fold.is_none_or(|at| clock >= at) {
            file.fold_usage(now().0)?;
            self.fold = Some(clock + FOLD_EVERY);
        }
        Ok(())
    }

    fn failed(&mut self, error: &OpenError) {
        if let OpenError::NotOurs(why) = error {
            self.file = None;
            let path = &self.shared.path;
            match Store::set_aside(path, now().0) {
                Ok(aside) => {
                    tracing::error!(file = %path.display(), aside = %aside.display(), why, "the request log was set aside; a new one is begun");
                    self.shared.last.send_replace(0);
                    return;
                }
                Err(error) => tracing::error!(file = %path.display(), why, %error, "the request log is not usable"),
            }
        }
        if !std::mem::replace(&mut self.warned, true) {
            tracing::warn!(%error, "the request log cannot be written now; requests are served as before, and it is tried again");
        }
    }
}
