//! HTTP CONNECT (RFC 9110 section 9.3.6).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::proxy::Login;
use super::tunnel::{Target, TunnelError};

/// Longest head of an answer, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Asks the proxy behind `stream` for a tunnel.
pub(super) async fn open<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    target: &Target,
    login: Option<&Login>,
) -> Result<(), TunnelError> {
    stream.write_all(request(target, login).as_bytes()).await?;
    let mut head = Vec::with_capacity(256);
    loop {
        let mut piece = [0; 1024];
        let read = stream.read(&mut piece).await?;
        if read == 0 {
            return Err(TunnelError::Broken(std::io::ErrorKind::UnexpectedEof));
        }
        let seen = head.len().saturating_sub(3);
        head.extend_from_slice(piece.get(..read).unwrap_or_default());
        if let Some(at) = memchr::memmem::find(head.get(seen..).unwrap_or_default(), b"\r\n\r\n") {
            judge(&head, login.is_some())?;
            // In a tunnel the client speaks first, with and without TLS: what is there already is not the provider's.
            let is_all = seen + at + 4 == head.len();
            return if is_all { Ok(()) } else { Err(TunnelError::Strange("the answer to a CONNECT alone")) };
        }
        if head.len() > HEAD_BYTES_MAX {
            return Err(TunnelError::Strange("an HTTP answer of a reasonable size"));
        }
    }
}

fn request(target: &Target, login: Option<&Login>) -> String {
    let authority = match target {
        Target::Name(host, port) => format!("{host}:{port}"),
        Target::Address(address) => address.to_string(),
    };
    let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
    if let Some(Login { user, password }) = login {
        let _ = write!(request, "Proxy-Authorization: Basic {}\r\n", STANDARD.encode(format!("{user}:{password}")));
    }
    request.push_str("\r\n");
    request
}

/// Reads the status line. All of 2xx opens the tunnel, whatever its header says of a body.
fn judge(head: &[u8], has_login: bool) -> Result<(), TunnelError> {
    let strange = TunnelError::Strange("HTTP");
    let Some((b"HTTP/1.", rest)) = head.split_at_checked(7) else { return Err(strange) };
    let Some(([b'0' | b'1', b' ', digits @ ..], after)) = rest.split_at_checked(5) else { return Err(strange) };
    let status = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u16>().ok());
    match (status, after.first()) {
        (Some(200..=299), Some(b' ' | b'\r')) => Ok(()),
        (Some(407), Some(b' ' | b'\r')) if has_login => Err(TunnelError::Login),
        (Some(407), Some(b' ' | b'\r')) => Err(TunnelError::NoLogin),
        (Some(status), Some(b' ' | b'\r')) => Err(TunnelError::Status(status)),
        _ => Err(strange),
    }
}
