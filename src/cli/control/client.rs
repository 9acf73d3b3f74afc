//! Asks the operator's API.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use http::{HeaderValue, header};
use serde::de::DeserializeOwned;

use crate::admin::view;
use crate::cli::Failure;
use crate::cli::serve::{DEFAULT_FILE, OPERATOR, environment};
use crate::config::{BaseUrl, OperatorApi, operator_api};
use crate::credentials::Secret;
use crate::credentials::http::{Http, HttpError, Question};

/// The variable that holds an admin key.
const KEY: &str = "INTERLINGUA_ADMIN_KEY";

/// The operator's API of one gateway.
pub(super) struct Client {
    base: BaseUrl,
    key: Option<HeaderValue>,
    /// Said when it refuses the key.
    key_help: String,
}

impl Client {
    /// Finds the API: by `url`, else in the file, else where a gateway without a file has it.
    pub(super) fn new(config: Option<&Path>, url: Option<&str>) -> Result<Self, Failure> {
        let default = PathBuf::from(DEFAULT_FILE);
        let file = config.or(Some(default.as_path()).filter(|file| file.exists()));
        let told = environment(KEY).filter(|key| !key.is_empty());
        let told =
            told.map(|key| Secret::new(key.trim()).map_err(|_| format!("{KEY} holds what no key can"))).transpose()?;
        let (base, found, key_help) = match (url, file) {
            (Some(url), _) => (parse(url)?, None, format!("set {KEY} to one of its `admin_keys`")),
            (None, Some(file)) => {
                let api = operator_api(file, &environment)?;
                let help = if api.key_is_missing {
                    format!("{} has no key that can be read here; set {KEY}", file.display())
                } else {
                    format!("the gateway does not take the key of {}; set {KEY}, or reload it", file.display())
                };
                (address(&api, file)?, api.key, help)
            }
            (None, None) => (at(OPERATOR)?, None, format!("set {KEY} to one of its `admin_keys`")),
        };
        let key = told.or(found).map(|key| key.expose_to_header("Bearer ")).transpose()?;
        Ok(Client { base, key, key_help })
    }

    pub(super) async fn get<A: DeserializeOwned>(&self, path: &str) -> Result<A, Failure> {
        self.ask("GET", path, String::new()).await
    }

    /// Asks and reads the answer; what the gateway refuses is told in its own words.
    pub(super) async fn ask<A: DeserializeOwned>(
        &self,
        method: &'static str,
        path: &str,
        body: String,
    ) -> Result<A, Failure> {
        let told = self.exchange(method, path, body).await?;
        serde_json::from_slice(&told).map_err(|error| {
            format!("{} says what this version does not understand: {error}", self.base.authority()).into()
        })
    }

    /// As [`Self::ask`], where the answer says no more than that it is done.
    pub(super) async fn tell(&self, method: &'static str, path: &str, body: String) -> Result<(), Failure> {
        self.exchange(method, path, body).await.map(drop)
    }

    async fn exchange(&self, method: &'static str, path: &str, body: String) -> Result<Vec<u8>, Failure> {
        let headers = self.key.iter().map(|key| (header::AUTHORIZATION, key.clone())).collect();
        let question = Question { method, base: &self.base, suffix: path, headers, kind: "application/json", body };
        let told = Http::new().ask(&question).await.map_err(|error| self.unreachable(&error))?;
        if told.status == 401 {
            return Err(format!("{} wants an admin key: {}", self.base.authority(), self.key_help).into());
        }
        if (200..300).contains(&told.status) {
            return Ok(told.body);
        }
        let problem = serde_json::from_slice::<view::Problem>(&told.body);
        Err(match problem {
            Ok(problem) => problem.detail.into(),
            Err(_) => format!(
                "{} answered {} to {path}: it is not the admin API of a gateway of this version",
                self.base.authority(),
                told.status
            )
            .into(),
        })
    }

    /// Whether anything answers there.
    pub(super) async fn is_up(&self) -> bool {
        let question = Question {
            method: "GET",
            base: &self.base,
            suffix: "/healthz",
            headers: Vec::new(),
            kind: "application/json",
            body: String::new(),
        };
        Http::new().ask(&question).await.is_ok()
    }

    fn unreachable(&self, error: &HttpError) -> Failure {
        format!(
            "no gateway answers: {error}\nIs it running, with `server.admin_listen: {}`? Another one is named with --config or --url.",
            self.base.authority()
        )
        .into()
    }
}

fn address(api: &OperatorApi, file: &Path) -> Result<BaseUrl, Failure> {
    let Some(address) = api.address else {
        return Err(format!(
            "{} has no `server.admin_listen`, so the gateway serves no admin API\n\
             Add `admin_listen: {OPERATOR}` below `server:` and restart it.",
            file.display()
        )
        .into());
    };
    at(address)
}

fn at(address: SocketAddr) -> Result<BaseUrl, Failure> {
    parse(&format!("http://{address}"))
}

fn parse(url: &str) -> Result<BaseUrl, Failure> {
    BaseUrl::parse(url).map_err(|error| format!("--url {url}: {error}").into())
}
