//! HTTP/1.1 spoken by hand, so that a test sees every byte and every end of a connection.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::process::WAIT_MAX;

/// A response.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("the body is UTF-8")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

/// A client's connection.
pub(crate) struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// How the body of the answer under way is framed.
    framing: Framing,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

impl Wire {
    pub(crate) async fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the gateway accepts");
        stream.set_nodelay(true).expect("a TCP socket");
        Wire { stream, buffer: Vec::new(), framing: Framing::Length(0) }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the gateway takes bytes");
    }

    /// Sends as much as the other side takes.
    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// The next whole answer. Informational ones are passed over. The error says how it was cut.
    pub(crate) async fn answer(&mut self) -> Result<Answer, String> {
        self.answer_to(false).await
    }

    /// As [`Self::answer`]; an answer to HEAD has no body.
    pub(crate) async fn answer_to(&mut self, head: bool) -> Result<Answer, String> {
        let mut answer = self.head().await?;
        while answer.status < 200 {
            answer = self.head().await?;
        }
        while !head && let Some(piece) = self.piece().await? {
            answer.body.extend(piece);
        }
        Ok(answer)
    }

    /// The head of the next answer.
    pub(crate) async fn head(&mut self) -> Result<Answer, String> {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            if !self.fill().await? {
                return Err(format!("closed before a head: {:?}", String::from_utf8_lossy(&self.buffer)));
            }
        };
        let text = String::from_utf8(self.buffer.drain(..end + 4).collect()).map_err(|error| error.to_string())?;
        let mut lines = text.trim_end().split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
        let answer = Answer { status: status.ok_or("no status")?, headers, body: Vec::new() };
        self.framing = match (answer.header("transfer-encoding"), answer.header("content-length")) {
            _ if answer.status < 200 || answer.status == 204 => Framing::Length(0),
            (Some(_), Some(_)) => return Err("two framings".to_owned()),
            (Some("chunked"), None) => Framing::Chunked,
            (Some(other), None) => return Err(format!("transfer-encoding {other}")),
            (None, Some(length)) => Framing::Length(length.parse().map_err(|_| "bad length")?),
            (None, None) => Framing::UntilClose,
        };
        Ok(answer)
    }

    /// The next bytes of the body; `None` at its end.
    pub(crate) async fn piece(&mut self) -> Result<Option<Vec<u8>>, String> {
        match self.framing {
            Framing::Length(0) => Ok(None),
            Framing::Length(left) => {
                if self.buffer.is_empty() && !self.fill().await? {
                    return Err(format!("closed with {left} bytes missing"));
                }
                let piece: Vec<u8> = self.buffer.drain(..left.min(self.buffer.len())).collect();
                self.framing = Framing::Length(left - piece.len());
                Ok(Some(piece))
            }
            Framing::Chunked => self.chunk().await,
            Framing::UntilClose => {
                while self.fill().await? {}
                self.framing = Framing::Length(0);
                Ok(Some(std::mem::take(&mut self.buffer)))
            }
        }
    }

    async fn chunk(&mut self) -> Result<Option<Vec<u8>>, String> {
        let end = loop {
            if let Some(at) = self.buffer.windows(2).position(|window| window == b"\r\n") {
                break at;
            }
            if !self.fill().await? {
                return Err("closed before the last chunk".to_owned());
            }
        };
        let size = std::str::from_utf8(&self.buffer[..end]).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let size = size.ok_or("bad chunk size")?;
        while self.buffer.len() < end + 2 + size + 2 {
            if !self.fill().await? {
                return Err("closed within a chunk".to_owned());
            }
        }
        let piece = self.buffer[end + 2..end + 2 + size].to_vec();
        self.buffer.drain(..end + 2 + size + 2);
        if size == 0 {
            self.framing = Framing::Length(0);
            return Ok(None);
        }
        Ok(Some(piece))
    }

    /// Reads the body until `text` has come, and gives what was read.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        let mut read = String::new();
        while !read.contains(text) {
            let piece = self.piece().await.expect("the answer goes on");
            let piece = piece.unwrap_or_else(|| panic!("the answer ended without {text:?}: {read}"));
            read.push_str(&String::from_utf8_lossy(&piece));
        }
        read
    }

    /// Whether the other side closes within `wait`, with nothing more to say.
    pub(crate) async fn closes(&mut self, wait: Duration) -> bool {
        let mut byte = [0];
        match tokio::time::timeout(wait, self.stream.read(&mut byte)).await {
            Ok(Ok(read)) => read == 0 && self.buffer.is_empty(),
            Ok(Err(_)) => true,
            Err(_) => false,
        }
    }

    /// Closes the sending side.
    pub(crate) async fn finish_sending(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Reads more; `false` at the end of the connection.
    async fn fill(&mut self) -> Result<bool, String> {
        let read = tokio::time::timeout(WAIT_MAX, self.stream.read_buf(&mut self.buffer)).await;
        let read = read.map_err(|_| format!("silent for {WAIT_MAX:?}"))?;
        Ok(read.map_err(|error| error.to_string())? > 0)
    }
}
