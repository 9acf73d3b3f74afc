//! A request, in any framing.

use std::fmt::Write as _;

use super::wire::{Answer, Wire};

/// A request that is still to be framed.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Call {
    pub(crate) fn get(path: &str) -> Self {
        Call { method: "GET", path: path.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn post(path: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Call { method: "POST", path: path.to_owned(), headers, body: body.into() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn head(&self, framing: &str) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\nhost: localhost\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        text.push_str(framing);
        text.push_str("\r\n");
        text.into_bytes()
    }

    /// With a content-length.
    pub(crate) fn sized(&self) -> Vec<u8> {
        let framing = match self.method {
            "POST" | "PUT" | "DELETE" | "PATCH" => format!("content-length: {}\r\n", self.body.len()),
            _ => String::new(),
        };
        [self.head(&framing), self.body.clone()].concat()
    }

    /// In chunks of `size` bytes.
    pub(crate) fn chunked(&self, size: usize) -> Vec<u8> {
        let mut bytes = self.head("transfer-encoding: chunked\r\n");
        for chunk in self.body.chunks(size) {
            bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
            bytes.extend(chunk);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\n\r\n");
        bytes
    }

    /// The head alone, with the length of the body that is to follow.
    pub(crate) fn head_only(&self) -> Vec<u8> {
        self.head(&format!("content-length: {}\r\n", self.body.len()))
    }

    /// Sends it on a connection of its own.
    pub(crate) async fn try_send(&self, port: u16) -> Result<Answer, String> {
        let mut wire = Wire::connect(port).await;
        wire.send(&self.sized()).await;
        wire.answer_to(self.method == "HEAD").await
    }

    /// As [`Self::try_send`], for answers that must come.
    pub(crate) async fn send(&self, port: u16) -> Answer {
        let answer = self.try_send(port).await;
        answer.unwrap_or_else(|error| panic!("{} {}: {error}", self.method, self.path))
    }
}
