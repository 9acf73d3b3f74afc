//! The only code that knows Pingora's server: listeners, background work, the end of the process.

mod admin;
mod housekeeping;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use axum::Router;
use pingora::apps::HttpServerOptions;
use pingora::server::configuration::ServerConf;
use pingora::server::{ExecutionPhase, RunArgs, Server};
use pingora::services::listening::Service;
use pingora_proxy::ProxyServiceBuilder;

pub(crate) use housekeeping::Housekeeping;

use crate::proxy::{Gateway, Hooks};

/// Requests that one kept-alive client connection may send before it is closed, so that its memory is freed.
const REQUESTS_PER_CONNECTION_MAX: u32 = 100_000;
/// An HTTP/2 client connection without a stream is closed after this.
const H2_IDLE: Duration = Duration::from_mins(5);
/// Most attempts that a configuration can ask for, and the two that it does not count: a grace retry and a new connection
/// in the place of a stale one. A request's own configuration says where it stops.
const RETRIES_MAX: usize = 64 + 2;
/// How often a stopping process looks whether its last request has ended.
const DRAIN_POLL: Duration = Duration::from_millis(50);

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}; stop what listens there, or choose another `server.listen`")]
pub(crate) struct ListenError {
    /// The address.
    pub address: SocketAddr,
    /// Why not.
    pub source: std::io::Error,
}

/// Serves until a signal ends the process: SIGINT at once, SIGTERM when the requests at work have ended. Where it ends
/// the process itself it calls `last` before.
///
/// # Errors
/// When an address cannot be listened on. Pingora itself would panic on it, so it is tried first.
pub(crate) fn serve(
    gateway: Arc<Gateway>,
    admin: Router,
    housekeeping: Housekeeping,
    last: Box<dyn FnOnce() + Send>,
) -> Result<(), ListenError> {
    let snapshot = gateway.store.load_full();
    let settings = &snapshot.config.server;
    for address in settings.listen.iter().copied().chain(settings.admin_listen) {
        TcpListener::bind(address).map_err(|source| ListenError { address, source })?;
    }
    let conf = ServerConf {
        threads: settings.threads,
        grace_period_seconds: Some(settings.drain_timeout.as_secs()),
        graceful_shutdown_timeout_seconds: Some(1),
        max_retries: RETRIES_MAX,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();

    let mut options = HttpServerOptions::default();
    options.h2c = true;
    options.keepalive_request_limit = Some(REQUESTS_PER_CONNECTION_MAX);
    options.h2_idle_timeout = Some(H2_IDLE);
    let mut proxy = ProxyServiceBuilder::new(&server.configuration, Hooks(Arc::clone(&gateway)))
        .name("gateway")
        .server_options(options)
        .build();
    for address in &settings.listen {
        proxy.add_tcp(&address.to_string());
        tracing::info!(%address, "listening for clients");
    }
    server.add_service(proxy);

    if let Some(address) = settings.admin_listen {
        let mut service = Service::new("admin".to_owned(), admin::Admin::new(admin));
        service.threads = Some(1);
        service.add_tcp(&address.to_string());
        server.add_service(service);
        tracing::info!(%address, "listening for the operator");
    }
    server.add_service(housekeeping.service());
    leave_when_drained(&server, gateway, last);
    server.run(RunArgs::default());
    Ok(())
}

/// Pingora sleeps its whole grace period; this ends the process as soon as nothing is at work.
fn leave_when_drained(server: &Server, gateway: Arc<Gateway>, last: Box<dyn FnOnce() + Send>) {
    let mut phases = server.watch_execution_phase();
    thread::spawn(move || {
        loop {
            match phases.blocking_recv() {
                Ok(ExecutionPhase::ShutdownGracePeriod) => break,
                Ok(_) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
            }
        }
        while gateway.metrics.in_flight.get() > 0 {
            thread::sleep(DRAIN_POLL);
        }
        last();
        tracing::info!("drained");
        std::process::exit(0);
    });
}
