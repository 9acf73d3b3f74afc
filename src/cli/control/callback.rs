//! Where the browser comes back to after a login: a server on a loopback address, for one answer (RFC 8252 section 7.3).

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::JoinSet;

use crate::cli::Failure;
use crate::credentials::login::Begun;

/// The path that it comes back to.
pub(super) const PATH: &str = "/callback";
/// Connections at a time; browsers open some ahead.
const CONNECTIONS_MAX: usize = 32;
/// Longest wait for the head of a request.
const HEAD_WAIT: Duration = Duration::from_secs(10);
/// How long the browser's page may still be on its way after the answer.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// Waits for the browser.
pub(super) struct Callback {
    listener: TcpListener,
    port: u16,
}

impl Callback {
    /// Listens at `port`; 0 is any that is free.
    pub(super) async fn listen(port: u16) -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let listener =
            listener.map_err(|error| format!("nobody can come back to 127.0.0.1:{port}: {error}; try --paste"))?;
        let port = listener.local_addr()?.port();
        Ok(Callback { listener, port })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The code, from the first that comes back to the path. Whatever it brings ends the login.
    pub(super) async fn code(self, begun: &Begun, wait: Duration) -> Result<String, Failure> {
        let (told, mut heard) = channel::<String>(1);
        let told = Arc::new(told);
        let mut connections = JoinSet::new();
        let deadline = tokio::time::sleep(wait);
        tokio::pin!(deadline);
        let query = loop {
            tokio::select! {
                query = heard.recv() => break query.unwrap_or_default(),
                () = &mut deadline => {
                    let seconds = wait.as_secs();
                    return Err(format!("nobody came back from the browser within {seconds} s; begin anew, or try --paste").into());
                }
                accepted = self.listener.accept(), if connections.len() < CONNECTIONS_MAX => {
                    if let Ok((stream, _)) = accepted {
                        let told = Arc::clone(&told);
                        let service = service_fn(move |request| {
                            let response = answer(&request, &told);
                            async move { Ok::<_, std::convert::Infallible>(response) }
                        });
                        let mut server = http1::Builder::new();
                        server.timer(TokioTimer::new()).header_read_timeout(HEAD_WAIT).keep_alive(false);
                        connections.spawn(async move {
                            let _ = server.serve_connection(TokioIo::new(stream), service).await;
                        });
                    }
                }
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
            }
        };
        // The page is worth a moment, not more.
        let _ = tokio::time::timeout(LAST_WORDS, async { while connections.join_next().await.is_some() {} }).await;
        Ok(begun.code(&query)?)
    }
}

/// Says nothing of what was sent: it may come from anybody.
fn answer(request: &Request<Incoming>, told: &Sender<String>) -> Response<Full<Bytes>> {
    if request.uri().path() != PATH || request.method() != "GET" {
        return page(StatusCode::NOT_FOUND, "There is nothing here.");
    }
    match told.try_send(request.uri().query().unwrap_or_default().to_owned()) {
        Ok(()) => {
            page(StatusCode::OK, "Interlingua has got the answer. Close this page; the terminal says how it went.")
        }
        Err(_) => page(StatusCode::CONFLICT, "This login has got an answer already."),
    }
}

fn page(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let html = format!("<!doctype html><meta charset=utf-8><title>Interlingua</title><p>{text}</p>\n");
    let mut response = Response::new(Full::new(Bytes::from(html)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    // The address has the code in it.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
