//! Proxies by hand: HTTP CONNECT and SOCKS5. Whatever host is asked for is this machine; the port counts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Http,
    Socks,
}

/// A proxy; it and its tunnels end when it is dropped.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

struct Shared {
    kind: Kind,
    /// `user:password`, if it wants one.
    login: Option<String>,
    refuses: AtomicBool,
    /// Where tunnels were opened to, as it was said.
    opened: Mutex<Vec<String>>,
}

impl Proxy {
    pub(crate) async fn start(kind: Kind, login: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (login, refuses) = (login.map(str::to_owned), AtomicBool::new(false));
        let shared = Arc::new(Shared { kind, login, refuses, opened: Mutex::default() });
        let serving = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            // Its tunnels are aborted with it.
            let mut tunnels = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                tunnels.spawn(async move {
                    let _ = shared.serve(stream).await;
                });
            }
        });
        Proxy { port, shared, task }
    }

    /// Where tunnels were opened to, oldest first.
    pub(crate) fn opened(&self) -> Vec<String> {
        self.shared.opened.lock().expect("the record").clone()
    }

    /// Refuses all that comes, or no longer.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.shared.refuses.store(refuses, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    async fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let target = match self.kind {
            Kind::Http => self.http(&mut stream).await?,
            Kind::Socks => self.socks(&mut stream).await?,
        };
        let Some((target, yes)) = target else { return Ok(()) };
        let port = target.rsplit(':').next().and_then(|port| port.parse::<u16>().ok()).expect("a port");
        let mut provider = TcpStream::connect(("127.0.0.1", port)).await?;
        self.opened.lock().expect("the record").push(target);
        stream.write_all(yes).await?;
        copy_bidirectional(&mut stream, &mut provider).await.map(drop)
    }

    async fn http(&self, stream: &mut TcpStream) -> std::io::Result<Option<(String, &'static [u8])>> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8(head).expect("text");
        let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).map(str::to_owned);
        let login = self.login.as_ref().map(|login| {
            use base64::Engine as _;
            format!("Proxy-Authorization: Basic {}\r\n", base64::engine::general_purpose::STANDARD.encode(login))
        });
        if login.is_some_and(|login| !head.contains(&login)) {
            stream.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n").await?;
            return Ok(None);
        }
        if self.refuses.load(Ordering::Relaxed) {
            stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await?;
            return Ok(None);
        }
        Ok(target.map(|target| (target, &b"HTTP/1.1 200 Connection established\r\n\r\n"[..])))
    }

    async fn socks(&self, stream: &mut TcpStream) -> std::io::Result<Option<(String, &'static [u8])>> {
        assert_eq!(stream.read_u8().await?, 5);
        let mut methods = vec![0; usize::from(stream.read_u8().await?)];
        stream.read_exact(&mut methods).await?;
        let method = if self.login.is_some() { 2 } else { 0 };
        if !methods.contains(&method) {
            stream.write_all(&[5, 0xff]).await?;
            return Ok(None);
        }
        stream.write_all(&[5, method]).await?;
        if let Some(login) = &self.login {
            assert_eq!(stream.read_u8().await?, 1);
            let user = self.text(stream).await?;
            let password = self.text(stream).await?;
            let fits = format!("{user}:{password}") == *login;
            stream.write_all(&[1, u8::from(!fits)]).await?;
            if !fits {
                return Ok(None);
            }
        }
        let mut head = [0; 4];
        stream.read_exact(&mut head).await?;
        assert_eq!(head[..3], [5, 1, 0]);
        let host = match head[3] {
            1 => std::net::Ipv4Addr::from(stream.read_u32().await?).to_string(),
            3 => self.text(stream).await?,
            kind => panic!("address of kind {kind}"),
        };
        let target = format!("{host}:{}", stream.read_u16().await?);
        if self.refuses.load(Ordering::Relaxed) {
            stream.write_all(&[5, 2, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
            return Ok(None);
        }
        Ok(Some((target, &[5, 0, 0, 1, 127, 0, 0, 1, 0, 1])))
    }

    async fn text(&self, stream: &mut TcpStream) -> std::io::Result<String> {
        let mut text = vec![0; usize::from(stream.read_u8().await?)];
        stream.read_exact(&mut text).await?;
        Ok(String::from_utf8(text).expect("text"))
    }
}
