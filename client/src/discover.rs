//! Where the gateway is. Pure, but for reading one file; asking is done by the client.

use std::path::Path;

use reqwest::Url;
use serde::Deserialize;

use crate::Error;

/// The file that is looked for in the folder.
pub(crate) const FILE: &str = "interlingua.yaml";
/// Where a gateway without a configuration listens.
pub(crate) const PORT: u16 = 8080;
/// The same of the operator's API.
pub(crate) const ADMIN_PORT: u16 = 8081;
/// Largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// What is known of where to go. What is written by the caller wins over the environment, and that over the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Places {
    pub(crate) url: Option<Url>,
    pub(crate) admin_url: Option<Url>,
}

/// The parts of the gateway's configuration that tell where it is.
#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    server: Option<Server>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Server {
    listen: Option<Listen>,
    admin_listen: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Listen {
    One(String),
    Many(Vec<String>),
}

impl Places {
    /// These, and where they say nothing, `other`.
    pub(crate) fn or(self, other: Places) -> Places {
        Places { url: self.url.or(other.url), admin_url: self.admin_url.or(other.admin_url) }
    }

    /// From a folder's file. None: it says nothing.
    ///
    /// # Errors
    /// When there is a file that cannot be read: it would be strange to go elsewhere then.
    pub(crate) fn in_folder(folder: &Path) -> Result<Places, Error> {
        let path = folder.join(FILE);
        let bad = |why: &dyn std::fmt::Display| Error::Settings(format!("{}: {why}", path.display()));
        match std::fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Places::default()),
            Err(error) => return Err(bad(&error)),
            Ok(found) if found.len() > FILE_BYTES_MAX => return Err(bad(&"it is too large")),
            Ok(_) => {}
        }
        let text = std::fs::read_to_string(&path).map_err(|error| bad(&error))?;
        Places::in_text(&text).map_err(|why| bad(&why))
    }

    fn in_text(text: &str) -> Result<Places, String> {
        // An empty file, and one of comments, is a configuration, too.
        let file: Option<File> = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        let server = file.and_then(|file| file.server).unwrap_or_default();
        let listen = match server.listen {
            Some(Listen::One(address)) => Some(address),
            Some(Listen::Many(addresses)) => addresses.into_iter().next(),
            None => None,
        };
        Ok(Places {
            url: listen.and_then(|text| here(&text)),
            admin_url: server.admin_listen.and_then(|text| here(&text)),
        })
    }
}

/// How an address is reached from this machine. References to variables are the gateway's, and may differ here: they say
/// nothing.
fn here(address: &str) -> Option<Url> {
    let address: std::net::SocketAddr = address.parse().ok()?;
    let host = match address.ip() {
        ip if !ip.is_unspecified() && ip.is_ipv6() => format!("[{ip}]"),
        ip if !ip.is_unspecified() => ip.to_string(),
        ip if ip.is_ipv6() => "[::1]".to_owned(),
        _ => "127.0.0.1".to_owned(),
    };
    Url::parse(&format!("http://{host}:{}/", address.port())).ok()
}

/// A URL as people write it, with or without a slash or `/v1` at its end.
///
/// # Errors
/// When it is none, or holds a user or a query.
pub(crate) fn url(text: &str) -> Result<Url, Error> {
    let bad = |why: &str| Error::Settings(format!("the URL of the gateway {why}"));
    let text = text.trim().trim_end_matches('/');
    let text = text.strip_suffix("/v1").unwrap_or(text);
    let url = Url::parse(&format!("{text}/")).map_err(|error| bad(&format!("cannot be read: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(bad("begins with `http://` or `https://`"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(bad("holds a user, a query or a fragment; the key has a place of its own"));
    }
    Ok(url)
}

/// Whether the host is this machine, which no system proxy reaches.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> (Option<String>, Option<String>) {
        let places = Places::in_text(text).unwrap();
        (places.url.map(|url| url.to_string()), places.admin_url.map(|url| url.to_string()))
    }

    #[test]
    fn the_file_tells_where_it_listens() {
        let some = |text: &str| Some(text.to_owned());
        let text = "server: { listen: '0.0.0.0:9000', admin_listen: '[::]:9001', threads: auto }\nmodels: []\n";
        assert_eq!(found(text), (some("http://127.0.0.1:9000/"), some("http://[::1]:9001/")));
        assert_eq!(found("server:\n  listen: ['10.1.2.3:80', '[::1]:8080']"), (some("http://10.1.2.3/"), None));
        assert_eq!(found("server: { listen: '[::1]:8080' }"), (some("http://[::1]:8080/"), None));
        for nothing in
            ["", "# nothing", "server:", "models: []", "server: { listen: '${env:LISTEN}' }", "server: { listen: [] }"]
        {
            assert_eq!(found(nothing), (None, None), "{nothing}");
        }
        assert!(Places::in_text("server: [").is_err());
    }

    #[test]
    fn a_folder_without_a_file_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Places::in_folder(folder.path()).unwrap(), Places::default());
        std::fs::write(folder.path().join(FILE), "server: 5\n").unwrap();
        assert!(matches!(Places::in_folder(folder.path()), Err(Error::Settings(_))));
    }

    #[test]
    fn urls_are_read_as_people_write_them() {
        for text in ["http://host:8080", "http://host:8080/", "http://host:8080/v1", " http://host:8080/v1/ "] {
            assert_eq!(url(text).unwrap().as_str(), "http://host:8080/");
        }
        assert_eq!(url("https://host/llm/v1").unwrap().as_str(), "https://host/llm/");
        for bad in ["", "host:8080", "ftp://host", "http://", "http://user:pass@host", "http://host/?key=x"] {
            assert!(matches!(url(bad), Err(Error::Settings(_))), "{bad}");
        }
        assert!(!url("http://user:canary@host").unwrap_err().to_string().contains("canary"));
        assert!(is_loopback(&url("http://localhost:1").unwrap()) && is_loopback(&url("http://[::1]:1").unwrap()));
        assert!(!is_loopback(&url("http://10.0.0.1").unwrap()));
    }
}
