//! The address of a provider.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use http::Uri;

/// Where a provider is: `http` or `https`, a host, a port and a path. No user, no query, no fragment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BaseUrl {
    /// Whether the connection is TLS.
    pub tls: bool,
    /// Name or address in lower case; an IPv6 address without its brackets.
    pub host: String,
    /// 443 or 80 if not written.
    pub port: u16,
    /// Without a slash at its end; empty for the root.
    pub path: String,
}

/// What is wrong with a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// Not `http://` or `https://`.
    #[error("the URL must begin with `https://` or `http://`")]
    Scheme,
    /// `user:password@`.
    #[error("the URL holds a user name or password; put the credential into the account")]
    User,
    /// `?…` or `#…`.
    #[error("the URL holds a query or a fragment; only a path may follow the host")]
    Query,
    /// `.` or `..` or `//` in the path.
    #[error("the path of the URL holds `.`, `..` or `//`; write the path that is meant")]
    Dots,
    /// Not a URL.
    #[error("this is not a URL such as `https://api.example.com/v1`")]
    Malformed,
}

impl BaseUrl {
    /// Reads a URL.
    pub fn parse(text: &str) -> Result<Self, BaseUrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(BaseUrlError::Scheme)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(BaseUrlError::Scheme),
        };
        if rest.contains(['?', '#']) {
            return Err(BaseUrlError::Query);
        }
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        if authority.contains('@') {
            return Err(BaseUrlError::User);
        }
        if text.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'\\') {
            return Err(BaseUrlError::Malformed);
        }
        let uri: Uri = text.parse().map_err(|_| BaseUrlError::Malformed)?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(BaseUrlError::Malformed)?;
        let port = match authority.strip_prefix(host) {
            Some("") => {
                if tls {
                    443
                } else {
                    80
                }
            }
            Some(port) => port.strip_prefix(':').and_then(|port| port.parse().ok()).ok_or(BaseUrlError::Malformed)?,
            None => return Err(BaseUrlError::Malformed),
        };
        let path = path.trim_end_matches('/');
        if path.split('/').skip(1).any(|part| matches!(part, "" | "." | "..")) {
            return Err(BaseUrlError::Dots);
        }
        if port == 0 {
            return Err(BaseUrlError::Malformed);
        }
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(inner) if inner.parse::<Ipv6Addr>().is_ok() => inner.to_ascii_lowercase(),
            Some(_) => return Err(BaseUrlError::Malformed),
            None => host.to_ascii_lowercase(),
        };
        Ok(BaseUrl { tls, host, port, path: path.to_owned() })
    }

    /// Whether it is on this machine.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// `host:port`, without the port where it is the scheme's own, an IPv6 address in brackets: as a `Host` header.
    pub fn authority(&self) -> String {
        let bracketed = self.host.contains(':');
        let host = if bracketed { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == if self.tls { 443 } else { 80 } { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", if self.tls { "https" } else { "http" }, self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn url(text: &str) -> Result<String, BaseUrlError> {
        BaseUrl::parse(text).map(|url| url.to_string())
    }

    #[test]
    fn a_url_is_read_into_its_parts() {
        let parsed = BaseUrl::parse("https://API.example.com/v1/").unwrap();
        assert_eq!(parsed, BaseUrl { tls: true, host: "api.example.com".into(), port: 443, path: "/v1".into() });
        assert_eq!(url("http://[::1]:8000"), Ok("http://[::1]:8000".into()));
        assert_eq!(BaseUrl::parse("http://[::1]:8000").unwrap().host, "::1");
        assert!(BaseUrl::parse("http://127.0.0.1:11434/v1").unwrap().is_loopback());
        assert_eq!(url("HTTP://host:80/"), Ok("http://host".into()));
    }

    #[test]
    fn what_could_carry_keys_elsewhere_is_refused() {
        assert_eq!(url("ftp://host"), Err(BaseUrlError::Scheme));
        assert_eq!(url("host/v1"), Err(BaseUrlError::Scheme));
        assert_eq!(url("https://user:pass@host"), Err(BaseUrlError::User));
        assert_eq!(url("https://host@evil.example/"), Err(BaseUrlError::User));
        assert_eq!(url("https://host/v1?key=x"), Err(BaseUrlError::Query));
        assert_eq!(url("https://host#x"), Err(BaseUrlError::Query));
        assert_eq!(url("https://host/../x"), Err(BaseUrlError::Dots));
        assert_eq!(url("https://host//x"), Err(BaseUrlError::Dots));
        for bad in [
            "https://",
            "https:///v1",
            "https://host:0",
            "https://host:99999",
            "https://ho st",
            "https://h\\x",
            "https://[::1",
            "https://[]",
            "https://[host]",
        ] {
            assert_eq!(url(bad), Err(BaseUrlError::Malformed), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_answer_and_what_is_read_stays_the_same(text in "(https?://)?[a-z0-9@:/.#?\\[\\]\\\\ %-]{0,24}") {
            if let Ok(parsed) = BaseUrl::parse(&text) {
                prop_assert_eq!(BaseUrl::parse(&parsed.to_string()), Ok(parsed));
            }
        }
    }
}
