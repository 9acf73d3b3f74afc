//! `multipart/form-data`, as strictly as the providers read it (RFC 7578).

use crate::mock::refusal::Refusal;
use http::HeaderMap;

/// A form's parts.
#[derive(Debug, Default)]
pub(super) struct Form(Vec<Part>);

/// One part.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) filename: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Form {
    pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Refusal> {
        let wrong = |what: &str| Refusal::invalid(format!("Could not parse multipart form: {what}"));
        let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.starts_with("multipart/form-data") {
            return Err(wrong("the content type is no multipart/form-data"));
        }
        let boundary = kind.split("boundary=").nth(1).unwrap_or_default().split(';').next().unwrap_or_default();
        let boundary = boundary.trim().trim_matches('"');
        if boundary.is_empty() {
            return Err(wrong("Missing boundary"));
        }
        let fence = format!("--{boundary}");
        let mut rest = body.strip_prefix(fence.as_bytes()).ok_or_else(|| wrong("no boundary at its start"))?;
        let fence = format!("\r\n--{boundary}");
        let mut parts = Vec::new();
        loop {
            if rest.starts_with(b"--") {
                return Ok(Form(parts));
            }
            rest = rest.strip_prefix(b"\r\n").ok_or_else(|| wrong("a boundary without a line's end"))?;
            let end = find(rest, fence.as_bytes()).ok_or_else(|| wrong("unexpected EOF"))?;
            let (part, tail) = rest.split_at(end);
            parts.push(Part::read(part).ok_or_else(|| wrong("a part without a name"))?);
            rest = tail.get(fence.len()..).unwrap_or_default();
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        let part = self.0.iter().find(|part| part.name == name && part.filename.is_none())?;
        Some(String::from_utf8_lossy(&part.body).into_owned())
    }

    pub(super) fn file(&self, name: &str) -> Option<&Part> {
        let list = format!("{name}[]");
        self.0.iter().find(|part| (part.name == name || part.name == list) && part.filename.is_some())
    }

    /// Refuses parts that are not known.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        let strange = self.0.iter().find(|part| !known.contains(&part.name.split('[').next().unwrap_or_default()));
        strange.map_or(Ok(()), |part| {
            let message = format!("Unknown parameter: '{}'.", part.name);
            Err(Refusal::invalid(message).param(part.name.clone()).code("unknown_parameter"))
        })
    }
}

impl Part {
    fn read(bytes: &[u8]) -> Option<Self> {
        let end = find(bytes, b"\r\n\r\n")?;
        let head = std::str::from_utf8(bytes.get(..end)?).ok()?;
        let disposition = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
        let value = |name: &str| {
            let (_, rest) = disposition.split_once(&format!("; {name}=\""))?;
            rest.split('"').next().map(str::to_owned)
        };
        Some(Part { name: value("name")?, filename: value("filename"), body: bytes.get(end + 4..)?.to_vec() })
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
