//! The client of a gateway.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::chat::{ChatRequest, ChatResponse};
use crate::discover::{self, Places};
use crate::stream::ChatStream;
use crate::transport::{Key, Limits, Question, Transport, request_id};
use crate::{Admin, Error, Retry};

/// A client of one gateway. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    transport: Transport,
    admin_url: Option<reqwest::Url>,
    /// Whether the operator's API is looked for at its well-known port.
    asks_admin_port: bool,
    admin_key: Option<Key>,
}

/// How a client is made. For each of URL, key, admin URL and admin key the first that is there counts:
///
/// 1. what is said here;
/// 2. the environment: `INTERLINGUA_URL`, `INTERLINGUA_KEY`, `INTERLINGUA_ADMIN_URL`, `INTERLINGUA_ADMIN_KEY`;
/// 3. `server.listen` and `server.admin_listen` of `interlingua.yaml` in the folder;
/// 4. 127.0.0.1:8080 and 127.0.0.1:8081, if what listens there says that it is an Interlingua gateway. It is asked without
///    a key.
///
/// ```no_run
/// # use std::time::Duration;
/// # use interlingua_client::{Client, Retry};
/// # async fn run() -> Result<(), interlingua_client::Error> {
/// let client = Client::builder()
///     .url("http://gateway.internal:8080")
///     .key("il-0123456789abcdef")
///     .retry(Retry::NEVER)
///     .answer_timeout(Duration::from_secs(60))
///     .build()
///     .await?;
/// # let _ = client;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct ClientBuilder {
    url: Option<String>,
    key: Option<String>,
    admin_url: Option<String>,
    admin_key: Option<String>,
    environment: bool,
    folder: Option<PathBuf>,
    ports: bool,
    limits: Limits,
}

impl Default for ClientBuilder {
    fn default() -> Self {
        let limits = Limits {
            retry: Retry::default(),
            connect: Duration::from_secs(5),
            answer: Duration::from_mins(10),
            idle: Duration::from_mins(2),
        };
        ClientBuilder {
            url: None,
            key: None,
            admin_url: None,
            admin_key: None,
            environment: true,
            folder: Some(PathBuf::from(".")),
            ports: true,
            limits,
        }
    }
}

impl ClientBuilder {
    /// Where the gateway is, with or without `/v1`.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// The client's key.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Where the operator's API is.
    pub fn admin_url(mut self, url: impl Into<String>) -> Self {
        self.admin_url = Some(url.into());
        self
    }

    /// A key of the operator's API.
    pub fn admin_key(mut self, key: impl Into<String>) -> Self {
        self.admin_key = Some(key.into());
        self
    }

    /// Whether the environment is looked at. Default: true.
    pub fn environment(mut self, looks: bool) -> Self {
        self.environment = looks;
        self
    }

    /// The folder whose `interlingua.yaml` is looked at; `None` for none. Default: the working folder.
    pub fn folder(mut self, folder: Option<PathBuf>) -> Self {
        self.folder = folder;
        self
    }

    /// Whether the well-known ports are asked. Default: true.
    pub fn well_known_ports(mut self, asks: bool) -> Self {
        self.ports = asks;
        self
    }

    /// What is sent again, and when.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.limits.retry = retry;
        self
    }

    /// Longest time until there is a connection. Default: 5 s.
    pub fn connect_timeout(mut self, time: Duration) -> Self {
        self.limits.connect = time;
        self
    }

    /// Longest time of one attempt until the answer's header, and then for an answer that is not streamed until its end.
    /// Long, as such an answer has no header before the model is done. Default: 10 min.
    pub fn answer_timeout(mut self, time: Duration) -> Self {
        self.limits.answer = time;
        self
    }

    /// Longest silence inside of a stream. Default: 2 min.
    pub fn idle_timeout(mut self, time: Duration) -> Self {
        self.limits.idle = time;
        self
    }

    /// Finds the gateway. Only the well-known ports are asked for it; elsewhere the first request tells.
    ///
    /// # Errors
    /// [`Error::NotFound`] without any, [`Error::Settings`] for what cannot be used.
    pub async fn build(self) -> Result<Client, Error> {
        let said = |text: Option<String>, name: &str| {
            let named = || std::env::var(name).ok().filter(|value| !value.trim().is_empty());
            text.or_else(|| self.environment.then(named).flatten())
        };
        let read = |text: Option<String>| text.map(|text| discover::url(&text)).transpose();
        let said_places = Places {
            url: read(said(self.url.clone(), "INTERLINGUA_URL"))?,
            admin_url: read(said(self.admin_url.clone(), "INTERLINGUA_ADMIN_URL"))?,
        };
        let read = |text: Option<String>| text.map(|text| Key::new(&text)).transpose();
        let key = read(said(self.key.clone(), "INTERLINGUA_KEY"))?;
        let admin_key = read(said(self.admin_key.clone(), "INTERLINGUA_ADMIN_KEY"))?;
        // Whoever says where the gateway is may stand in the folder of another one.
        let in_file = match &self.folder {
            Some(folder) if said_places.url.is_none() => Places::in_folder(folder)?,
            _ => Places::default(),
        };
        let places = said_places.or(in_file);
        let url = match places.url.clone() {
            Some(url) => url,
            None if self.ports => at_port(discover::PORT, "", "Interlingua ").await.map_err(|why| {
                let file = discover::FILE;
                Error::NotFound(format!(
                    "start one, or set INTERLINGUA_URL; neither that nor {file} names one, and {why}"
                ))
            })?,
            None => return Err(Error::NotFound("nobody said where it is".to_owned())),
        };
        // Only of a gateway on this machine the other port may be its own.
        let asks_admin_port = self.ports && discover::is_loopback(&url);
        let transport = Transport::new(url, key, self.limits)?;
        Ok(Client { transport, admin_url: places.admin_url, asks_admin_port, admin_key })
    }
}

/// What listens at a port of this machine, if it says that it is a gateway; it is told no key. Else why not.
async fn at_port(port: u16, path: &str, says: &str) -> Result<reqwest::Url, String> {
    /// It is this machine.
    const TIME: Duration = Duration::from_secs(2);
    let asked = async {
        let url = discover::url(&format!("http://127.0.0.1:{port}"))?;
        let limits = Limits { retry: Retry::NEVER, connect: TIME, answer: TIME, idle: TIME };
        let question = Question { method: Method::GET, path, body: None, is_safe: true };
        let (body, _) = Transport::new(url.clone(), None, limits)?.ask(&question).await?;
        Ok::<_, Error>((url, body))
    };
    match asked.await {
        Ok((url, body)) if body.starts_with(says.as_bytes()) => Ok(url),
        Ok((url, _)) => Err(format!("at {url} something else listens")),
        Err(error) => Err(error.to_string()),
    }
}

impl Client {
    /// Finds the gateway as [`ClientBuilder`] says.
    ///
    /// # Errors
    /// See [`ClientBuilder::build`].
    pub async fn discover() -> Result<Self, Error> {
        Client::builder().build().await
    }

    /// A client that is told something.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Where the gateway is.
    pub fn url(&self) -> &str {
        self.transport.url.as_str()
    }

    /// Asks, and waits for the whole answer.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn chat(&self, request: &ChatRequest) -> Result<ChatResponse, Error> {
        let body = request.body(false).map_err(Error::unreadable("request"))?;
        let (answer, request_id) = self.transport.ask(&chat(body)).await?;
        let answer = serde_json::from_slice(&answer).map_err(Error::unreadable("answer"))?;
        Ok(ChatResponse { request_id, ..answer })
    }

    /// Asks, and gives the answer as it comes.
    ///
    /// # Errors
    /// See [`Error`]; what happens after the answer began is an item of the stream.
    pub async fn chat_stream(&self, request: &ChatRequest) -> Result<ChatStream, Error> {
        let body = request.body(true).map_err(Error::unreadable("request"))?;
        let response = self.transport.send(&chat(body)).await?;
        let request_id = request_id(response.headers());
        Ok(ChatStream::new(response.bytes_stream(), self.transport.limits.idle, request_id))
    }

    /// The models that the gateway lists.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn models(&self) -> Result<Vec<String>, Error> {
        let list: Value = self.get("v1/models").await?;
        let ids = list["data"].as_array().into_iter().flatten();
        Ok(ids.filter_map(|model| model["id"].as_str().map(str::to_owned)).collect())
    }

    /// Any question of the gateway's that is asked with `GET`, by its path.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let question = Question { method: Method::GET, path: path.trim_start_matches('/'), body: None, is_safe: true };
        let (body, _) = self.transport.ask(&question).await?;
        serde_json::from_slice(&body).map_err(Error::unreadable("answer"))
    }

    /// Any question of the gateway's that is asked with `POST` and answered with JSON, such as `v1/embeddings`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Error> {
        let body = serde_json::to_vec(body).map_err(Error::unreadable("request"))?;
        let question = Question { path: path.trim_start_matches('/'), ..chat(body) };
        let (body, _) = self.transport.ask(&question).await?;
        serde_json::from_slice(&body).map_err(Error::unreadable("answer"))
    }

    /// The operator's API of this gateway.
    ///
    /// # Errors
    /// [`Error::NotFound`] if nobody says where it is, and nothing answers at the well-known port.
    pub async fn admin(&self) -> Result<Admin, Error> {
        let what = "set INTERLINGUA_ADMIN_URL, and `server.admin_listen` of the gateway, for its operator's API";
        let url = match self.admin_url.clone() {
            Some(url) => url,
            None if self.asks_admin_port => at_port(discover::ADMIN_PORT, "healthz", "ok")
                .await
                .map_err(|why| Error::NotFound(format!("{what}; {why}")))?,
            None => return Err(Error::NotFound(what.to_owned())),
        };
        Transport::new(url, self.admin_key.clone(), self.transport.limits).map(Admin::new)
    }
}

/// A model's answer costs, but asking again after a refusal is what clients do: nothing else comes of it.
fn chat(body: Vec<u8>) -> Question<'static> {
    Question { method: Method::POST, path: "v1/chat/completions", body: Some(Bytes::from(body)), is_safe: true }
}
