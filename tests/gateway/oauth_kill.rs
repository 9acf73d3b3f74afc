//! A refresh token that changes with each use is not lost, whenever the process is killed.
//!
//! The simulator takes an old token back only until something of the new one was seen, and ends the login when it comes
//! back later. So a gateway that used what it had not kept would be shut out by its next start.

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::call::Call;
use super::process::WAIT_MAX;
use super::protocol::Protocol;
use super::rig::{Gateway, Mock};
use super::stage::Stage;
use super::wire::Wire;

/// Rounds, unless `KILLS` says another number.
const KILLS: usize = 10;
/// Clients that ask without pause.
const CLIENTS: usize = 4;
/// How long an answer of the token endpoint is held back, so that a kill can come before it, too.
const HELD_BACK: Duration = Duration::from_millis(6);
/// The kill comes within this time after the token endpoint has answered.
const WITHIN_US: u64 = 24_000;

/// A number below `limit`, by chance.
fn chance(limit: u64) -> u64 {
    RandomState::new().hash_one(Instant::now()) % limit
}

/// Stands before the token endpoint: its port, and how many answers have come by.
async fn relay(mock: u16) -> (u16, watch::Receiver<u64>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (answered, seen) = watch::channel(0);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answered = answered.clone();
            tokio::spawn(async move { pass(stream, mock, &answered).await });
        }
    });
    (port, seen)
}

async fn pass(mut client: TcpStream, mock: u16, answered: &watch::Sender<u64>) -> Option<()> {
    let mut request = Vec::new();
    while !is_whole(&request) {
        let mut piece = [0; 4096];
        let read = client.read(&mut piece).await.ok().filter(|read| *read > 0)?;
        request.extend_from_slice(&piece[..read]);
    }
    let mut endpoint = TcpStream::connect(("127.0.0.1", mock)).await.ok()?;
    endpoint.write_all(&request).await.ok()?;
    let mut answer = Vec::new();
    endpoint.read_to_end(&mut answer).await.ok()?;
    answered.send_modify(|count| *count += 1);
    tokio::time::sleep(HELD_BACK).await;
    client.write_all(&answer).await.ok()?;
    client.shutdown().await.ok()
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.split("content-length:").nth(1).and_then(|rest| rest.lines().next());
    body.len() >= length.map_or(0, |length| length.trim().parse().expect("a length"))
}

/// Asks without pause until the gateway is gone; every answer must be one.
async fn ask(port: u16, client: usize) -> usize {
    let (mut served, mut wire) = (0, Wire::connect(port).await);
    loop {
        let call = Protocol::Chat.call("v/m", &format!("client {client} request {served}"), false);
        wire.send(&call.sized()).await;
        match wire.answer().await {
            Ok(answer) if answer.status == 200 => served += 1,
            Ok(answer) => panic!("client {client}: {} {}", answer.status, answer.text()),
            Err(_) => return served,
        }
    }
}

async fn told(mock: &Mock, what: &str) -> u64 {
    Call::get("/_mock/oauth").send(mock.port).await.json()[what].as_u64().expect("a count")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_anywhere_around_a_refresh_loses_no_token() {
    let rounds = std::env::var("KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("state/state.db");
    let mock = Mock::start("").await;
    let (relay, mut answered) = relay(mock.port).await;
    let oauth = format!(
        "oauth: {{ client_id: mine, refresh_token: key-rotating-brief, token_url: 'http://127.0.0.1:{relay}/oauth/token' }}"
    );
    let stage = Stage::new(mock.port)
        .entry(
            &format!("id: v, provider: vertex, project: p, base_url: 'http://127.0.0.1:{}'", mock.port),
            &format!("id: me, upstream: v, concurrency: 50, {oauth}"),
        )
        .model("match: 'v/*', upstream: v, model: '{1}'")
        .state(file.to_str().expect("a UTF-8 path"));
    let mut served = 0;
    for round in 0..rounds {
        let mut gateway = Gateway::start_logging(&stage, "info,interlingua::access=off").await;
        answered.mark_unchanged();
        let clients: Vec<_> = (0..CLIENTS).map(|client| tokio::spawn(ask(gateway.port, client))).collect();
        let changed = tokio::time::timeout(WAIT_MAX, answered.changed()).await;
        changed.unwrap_or_else(|_| panic!("round {round}: no token was fetched")).expect("the relay");
        tokio::time::sleep(Duration::from_micros(chance(WITHIN_US))).await;
        gateway.process.signal("KILL");
        assert!(gateway.process.end(WAIT_MAX).await.is_some());
        for client in clients {
            served += client.await.expect("a client");
        }
    }
    let gateway = Gateway::start(&stage).await;
    let answer = gateway.send(&Protocol::Chat.call("v/m", "hello", false)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let (lost, fetched) = (told(&mock, "superseded").await, told(&mock, "refreshes").await);
    println!(
        "{rounds} kills, {fetched} tokens fetched, {lost} of them gone before they were kept, {served} requests served"
    );
    assert_eq!(told(&mock, "reused").await, 0, "no token came back too late");
    assert!(served > 0 && fetched >= rounds as u64);
}
