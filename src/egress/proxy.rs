//! The URL of a proxy.

use std::fmt;
use std::net::Ipv6Addr;

use percent_encoding::percent_decode_str;

/// Longest user name and longest password, in bytes (RFC 1929 section 2).
const LOGIN_BYTES_MAX: usize = 255;
/// Longest name of a host, in bytes (RFC 1035 section 2.3.4).
const HOST_BYTES_MAX: usize = 253;

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `http://`: HTTP CONNECT. Names are looked up there.
    Http,
    /// `socks5://`: names are looked up here.
    Socks5,
    /// `socks5h://`: names are looked up there.
    Socks5h,
}

/// A proxy. Its `Debug` and `Display` show nothing of the login.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Proxy {
    /// What it speaks.
    pub kind: Kind,
    /// Name or address; an IPv6 address without its brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    pub(super) login: Option<Login>,
}

/// Who we are to a proxy.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: String,
}

/// What is wrong with a proxy's URL. Says nothing of what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// Nothing there.
    #[error("the proxy is empty; leave the key out to go directly")]
    Empty,
    /// Another scheme, or none.
    #[error("a proxy begins with `http://`, `socks5://` (names are looked up here) or `socks5h://` (there)")]
    Scheme,
    /// TLS to the proxy.
    #[error(
        "TLS to the proxy itself is not supported; with `http://` the connection to the provider is still TLS from end to end"
    )]
    Tls,
    /// No usable host.
    #[error("the proxy has no host, or one that is no name and no address; an IPv6 address stands in brackets")]
    Host,
    /// No usable port.
    #[error("the proxy has no port; write it, such as `:3128` or `:1080`")]
    Port,
    /// Something behind the port.
    #[error("nothing may follow the port of a proxy")]
    Rest,
    /// A user name or password that cannot be sent.
    #[error(
        "the proxy's user name and password are at most 255 bytes each, not empty for SOCKS5, without control characters, \
         and there is no `:` in a user name; special characters are percent-encoded, such as `%40` for `@`"
    )]
    Login,
}

impl Proxy {
    /// Reads `scheme://user:password@host:port`; the login may be left out.
    pub fn parse(text: &str) -> Result<Self, ProxyError> {
        if text.trim().is_empty() {
            return Err(ProxyError::Empty);
        }
        let (scheme, rest) = text.split_once("://").ok_or(ProxyError::Scheme)?;
        let kind = match scheme.to_ascii_lowercase().as_str() {
            "http" => Kind::Http,
            "socks5" => Kind::Socks5,
            "socks5h" => Kind::Socks5h,
            "https" => return Err(ProxyError::Tls),
            _ => return Err(ProxyError::Scheme),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (login, place) = match rest.rsplit_once('@') {
            Some((login, place)) => (Some(Login::parse(login, kind)?), place),
            None => (None, rest),
        };
        if place.contains(['/', '?', '#']) {
            return Err(ProxyError::Rest);
        }
        let (host, port) = match place.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            Some((inner, port)) if inner.parse::<Ipv6Addr>().is_ok() => (inner, port.strip_prefix(':')),
            Some(_) => return Err(ProxyError::Host),
            None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
        };
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let is_host = host.contains(':') || host.bytes().all(is_name);
        if host.is_empty() || host.len() > HOST_BYTES_MAX || !is_host {
            return Err(ProxyError::Host);
        }
        let port = port.filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
        let port = port.and_then(|port| port.parse().ok()).filter(|port| *port != 0).ok_or(ProxyError::Port)?;
        Ok(Proxy { kind, host: host.to_ascii_lowercase(), port, login })
    }
}

impl Login {
    fn parse(text: &str, kind: Kind) -> Result<Self, ProxyError> {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        let read = |text: &str| {
            let text = percent_decode_str(text).decode_utf8().map_err(|_| ProxyError::Login)?.into_owned();
            let is_well = text.len() <= LOGIN_BYTES_MAX && !text.chars().any(char::is_control);
            if is_well { Ok(text) } else { Err(ProxyError::Login) }
        };
        let (user, password) = (read(user)?, read(password)?);
        // RFC 7617 section 2: the first colon ends the name. RFC 1929 section 2: lengths are 1 to 255.
        let is_usable = match kind {
            Kind::Http => !user.contains(':'),
            Kind::Socks5 | Kind::Socks5h => !password.is_empty(),
        };
        if user.is_empty() || !is_usable {
            return Err(ProxyError::Login);
        }
        Ok(Login { user, password })
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            Kind::Http => "http",
            Kind::Socks5 => "socks5",
            Kind::Socks5h => "socks5h",
        };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self}{})", if self.login.is_some() { ", login redacted" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_proxy_is_read_into_its_parts_and_shows_no_login() {
        let proxy = Proxy::parse("http://us%40er:p%3Ass@Proxy.example:3128/").unwrap();
        assert_eq!((proxy.kind, proxy.host.as_str(), proxy.port), (Kind::Http, "proxy.example", 3128));
        let login = proxy.login.as_ref().unwrap();
        assert_eq!((login.user.as_str(), login.password.as_str()), ("us@er", "p:ss"));
        let shown = format!("{proxy} {proxy:?}");
        assert!(!shown.contains("us@er") && !shown.contains("p:ss") && !shown.contains("%3A"), "{shown}");
        let proxy = Proxy::parse("SOCKS5h://[::1]:1080").unwrap();
        assert_eq!((proxy.kind, proxy.to_string().as_str()), (Kind::Socks5h, "socks5h://[::1]:1080"));
        assert_eq!(Proxy::parse("socks5://a:b@127.0.0.1:1").unwrap().kind, Kind::Socks5);
        assert!(Proxy::parse("http://user@host:1").is_ok(), "HTTP knows empty passwords");
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_no_proxy() {
        for (text, wanted) in [
            ("", ProxyError::Empty),
            ("  ", ProxyError::Empty),
            ("proxy.example:3128", ProxyError::Scheme),
            ("socks4://host:1080", ProxyError::Scheme),
            ("socks://host:1080", ProxyError::Scheme),
            ("https://host:443", ProxyError::Tls),
            ("http://host", ProxyError::Port),
            ("http://host:", ProxyError::Port),
            ("http://host:0", ProxyError::Port),
            ("http://host:65536", ProxyError::Port),
            ("http://host:+80", ProxyError::Port),
            ("http://:3128", ProxyError::Host),
            ("http://ho st:1", ProxyError::Host),
            ("http://::1:80", ProxyError::Host),
            ("http://a:b:80", ProxyError::Port),
            ("http://[host]:80", ProxyError::Host),
            ("http://[::1]", ProxyError::Port),
            ("http://host:1/path", ProxyError::Rest),
            ("http://host:1?x", ProxyError::Rest),
            ("http://@host:1", ProxyError::Login),
            ("http://a%3Ab:c@host:1", ProxyError::Login),
            ("http://a:%0d%0ax@host:1", ProxyError::Login),
            ("http://a:%ff@host:1", ProxyError::Login),
            ("socks5://user@host:1", ProxyError::Login),
        ] {
            assert_eq!(Proxy::parse(text), Err(wanted), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_answer_and_what_is_read_stays_the_same(
            text in "(https?|socks5h?)://[a-z0-9@:/.#?\\[\\]\\\\ %-]{0,24}(:[0-9]{1,5})?"
        ) {
            if let Ok(proxy) = Proxy::parse(&text) {
                let again = Proxy::parse(&proxy.to_string());
                prop_assert_eq!(again, Ok(Proxy { login: None, ..proxy }));
            }
        }
    }
}
