//! Listening, and one task a connection.

use super::record::{Filter, Ring};
use super::script::{ActiveScript, Script, ScriptError};
use super::service;
use super::socket::{ResetSwitch, Socket};
use super::state::State;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::Value;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Connections at once; further ones wait in the listen queue.
const CONNECTIONS_MAX: usize = 32_768;
/// Pause after a failed accept (for example too many open files).
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// HTTP/1 read buffer: a request head must fit into it.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// How to run a simulator.
#[derive(Clone, Debug)]
pub struct MockOptions {
    /// Where to listen; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Keys, limits, faults; without it every key works and nothing fails unasked.
    pub script: Option<Script>,
    /// Ids, signatures and percentages derive from it. Simulators with one seed accept each other's signatures.
    pub seed: u64,
    /// Requests that are kept for `GET /_mock/requests`.
    pub record_requests_max: usize,
    /// Bytes of request bodies that are kept.
    pub record_bytes_max: usize,
    /// Longest request body in bytes; longer ones are answered 413.
    pub body_bytes_max: usize,
}

impl MockOptions {
    /// The usual values: seed 1, 1,000 requests or 64 MiB kept, bodies up to 110 MiB (more than the gateway lets through).
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            script: None,
            seed: 1,
            record_requests_max: 1_000,
            record_bytes_max: 64 << 20,
            body_bytes_max: 110 << 20,
        }
    }
}

/// Why a simulator cannot run.
#[derive(Debug, Error)]
pub enum MockError {
    /// The address cannot be used.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        error: io::Error,
    },
    /// The script is wrong.
    #[error(transparent)]
    Script(#[from] ScriptError),
}

/// A simulator that listens and does not answer yet.
pub struct Mock {
    listener: TcpListener,
    address: SocketAddr,
    state: Arc<State>,
}

/// Reads and changes a running simulator from the same process; `/_mock/…` does it from outside.
#[derive(Clone)]
pub struct MockHandle {
    state: Arc<State>,
}

/// Listens. Connections queue up until [`Mock::serve`] runs.
///
/// # Errors
/// When the address cannot be used or the script is wrong.
pub async fn bind(options: MockOptions) -> Result<Mock, MockError> {
    let script = ActiveScript::new(options.script.unwrap_or_default())?;
    let failed = |error| MockError::Listen { address: options.listen, error };
    let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let ring = Ring::new(options.record_requests_max, options.record_bytes_max);
    let state = Arc::new(State::new(options.seed, script, ring, options.body_bytes_max));
    Ok(Mock { listener, address, state })
}

impl Mock {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A handle that stays valid while it serves.
    pub fn handle(&self) -> MockHandle {
        MockHandle { state: Arc::clone(&self.state) }
    }

    /// Answers until `shutdown` completes; then every connection is cut.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = tokio::task::JoinSet::new();
        tokio::pin!(shutdown);
        loop {
            // Finished tasks are collected so that the set does not grow.
            while connections.try_join_next().is_some() {}
            let place = tokio::select! {
                () = &mut shutdown => return,
                place = Arc::clone(&places).acquire_owned() => place,
            };
            let Ok(place) = place else { return };
            tokio::select! {
                () = &mut shutdown => return,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let state = Arc::clone(&self.state);
                        connections.spawn(async move {
                            connection(stream, state).await;
                            drop(place);
                        });
                    },
                    Err(error) => {
                        tracing::debug!(%error, "mock: accept failed");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    },
                },
            }
        }
    }
}

impl MockHandle {
    /// The recorded requests, oldest first, as `GET /_mock/requests` gives them.
    pub fn requests(&self) -> Value {
        self.state.ring.lock().list(&Filter::default())
    }

    /// The statistics, as `GET /_mock/stats` gives them.
    pub fn stats(&self) -> Value {
        self.state.stats.lock().json()
    }

    /// Forgets the recorded requests and the statistics.
    pub fn clear(&self) {
        self.state.ring.lock().clear();
        self.state.stats.lock().clear();
    }

    /// Replaces the script; the counters of its rules start anew, the buckets keep their level.
    ///
    /// # Errors
    /// When a name in it is misspelt; then nothing changes.
    pub fn set_script(&self, script: Script) -> Result<(), ScriptError> {
        self.state.script.store(Arc::new(ActiveScript::new(script)?));
        Ok(())
    }
}

async fn connection(stream: TcpStream, state: Arc<State>) {
    // Each event leaves at once; with Nagle a stream would show 40 ms steps.
    let _ = stream.set_nodelay(true);
    let switch = ResetSwitch::default();
    let socket = TokioIo::new(Socket::new(stream, switch.clone()));
    let service = service_fn(move |request| service::answer(Arc::clone(&state), switch.clone(), request));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().max_buf_size(HEAD_BYTES_MAX);
    builder.http2().max_concurrent_streams(1_000);
    if let Err(error) = builder.serve_connection(socket, service).await {
        tracing::trace!(%error, "mock: connection ended");
    }
}
