//! SOCKS5 (RFC 1928) with user name and password (RFC 1929).

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::proxy::Login;
use super::tunnel::{Target, TunnelError};

const VERSION: u8 = 5;
/// Of the login (RFC 1929 section 2).
const LOGIN_VERSION: u8 = 1;
const NO_LOGIN: u8 = 0;
const WITH_LOGIN: u8 = 2;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Asks the proxy behind `stream` for a tunnel.
pub(super) async fn open<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    target: &Target,
    login: Option<&Login>,
) -> Result<(), TunnelError> {
    let greeting: &[u8] = if login.is_some() { &[VERSION, 2, NO_LOGIN, WITH_LOGIN] } else { &[VERSION, 1, NO_LOGIN] };
    stream.write_all(greeting).await?;
    let [version, method] = read(stream).await?;
    match (version, method, login) {
        (VERSION, NO_LOGIN, _) => {}
        (VERSION, WITH_LOGIN, Some(login)) => enter(stream, login).await?,
        (VERSION, _, Some(_)) => return Err(TunnelError::Refused("it takes no user name and password")),
        (VERSION, _, None) => return Err(TunnelError::NoLogin),
        _ => return Err(TunnelError::Strange("SOCKS5")),
    }
    stream.write_all(&request(target)?).await?;
    let [version, reply, _, kind] = read(stream).await?;
    if version != VERSION {
        return Err(TunnelError::Strange("SOCKS5"));
    }
    if let Some(why) = refusal(reply) {
        return Err(TunnelError::Refused(why));
    }
    // The address that the proxy calls from, and its port: read over, or they would be taken for the provider's words.
    match kind {
        IPV4 => drop(read::<_, 6>(stream).await?),
        IPV6 => drop(read::<_, 18>(stream).await?),
        NAME => {
            let [length] = read(stream).await?;
            let mut name = vec![0; usize::from(length) + 2];
            stream.read_exact(&mut name).await?;
        }
        _ => return Err(TunnelError::Strange("SOCKS5")),
    }
    Ok(())
}

async fn enter<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, login: &Login) -> Result<(), TunnelError> {
    let mut message = vec![LOGIN_VERSION];
    for text in [&login.user, &login.password] {
        message.push(u8::try_from(text.len()).map_err(|_| TunnelError::Login)?);
        message.extend_from_slice(text.as_bytes());
    }
    stream.write_all(&message).await?;
    let [_, status] = read(stream).await?;
    if status == 0 { Ok(()) } else { Err(TunnelError::Login) }
}

fn request(target: &Target) -> Result<Vec<u8>, TunnelError> {
    let mut message = vec![VERSION, CONNECT, 0];
    let port = match target {
        Target::Name(name, port) => {
            message.extend([NAME, u8::try_from(name.len()).map_err(|_| TunnelError::Name)?]);
            message.extend_from_slice(name.as_bytes());
            *port
        }
        Target::Address(SocketAddr::V4(address)) => {
            message.push(IPV4);
            message.extend(address.ip().octets());
            address.port()
        }
        Target::Address(SocketAddr::V6(address)) => {
            message.push(IPV6);
            message.extend(address.ip().octets());
            address.port()
        }
    };
    message.extend(port.to_be_bytes());
    Ok(message)
}

/// RFC 1928 section 6.
fn refusal(reply: u8) -> Option<&'static str> {
    Some(match reply {
        0 => return None,
        1 => "general failure",
        2 => "not allowed by its rules",
        3 => "the provider's network cannot be reached",
        4 => "the provider's host cannot be reached",
        5 => "the provider refuses the connection",
        6 => "no answer of the provider in time",
        7 => "it does not know CONNECT",
        8 => "it does not know this kind of address",
        _ => "no reason that is known",
    })
}

async fn read<S: AsyncRead + Unpin, const N: usize>(stream: &mut S) -> Result<[u8; N], TunnelError> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}
