//! Providers.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use interlingua_filters::Dialect;
use interlingua_filters::dialects::Quirks;

use super::Mean;
use super::platform::default_url;
use crate::config::presets::Presets;
use crate::config::report::At;
use crate::config::units::SecretText;
use crate::config::{AuthStyle, BaseUrl, Platform, Timeouts, Upstream, raw, suggest};
use crate::egress::Proxy;

/// Headers that the gateway sets itself, or that carry credentials.
const OWN_HEADERS: [&str; 16] = [
    "accept-encoding",
    "api-key",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-api-key",
    "x-goog-api-key",
];

/// Largest `default_max_output_tokens`.
const OUTPUT_TOKENS_MAX: u64 = 10_000_000;

/// Upstreams by name. An upstream with a fault has a name, so that references to it are no second fault.
#[derive(Default)]
pub(super) struct Upstreams {
    by_id: HashMap<String, Option<Arc<Upstream>>>,
    /// In the order of the file.
    pub(super) ids: Vec<String>,
}

impl Upstreams {
    /// Whether there is none, not even one with a fault.
    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Whether there is one of this name, also one with a fault.
    pub(super) fn has(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    /// The upstream of this name, if there is one without a fault.
    pub(super) fn get(&self, id: &str) -> Option<&Arc<Upstream>> {
        self.by_id.get(id)?.as_ref()
    }

    pub(super) fn into_list(mut self) -> Vec<Arc<Upstream>> {
        self.ids.iter().filter_map(|id| self.by_id.remove(id).flatten()).collect()
    }
}

impl Mean<'_> {
    pub(super) fn upstreams(
        &mut self,
        at: &At<'_>,
        raw: &[Option<raw::Upstream>],
        listen: &[SocketAddr],
        code_assist: &raw::CodeAssist,
    ) -> Upstreams {
        let mut upstreams = Upstreams::default();
        let mut seen = HashMap::new();
        for (index, upstream) in raw.iter().enumerate() {
            let at = at.index(index);
            let Some(upstream) = upstream else {
                self.problems.empty_item(&at);
                continue;
            };
            let upstream = &self.known(&at, upstream);
            let id = self.id(&at, upstream.id.as_deref(), &mut seen, index);
            let meant = self.upstream(&at, upstream, id.clone().unwrap_or_default(), listen, code_assist);
            if let Some(id) = id {
                upstreams.ids.push(id.clone());
                upstreams.by_id.entry(id).or_insert(meant.map(Arc::new));
            }
        }
        upstreams
    }

    /// An upstream as written, with what its provider is known for.
    fn known(&mut self, at: &At<'_>, raw: &raw::Upstream) -> raw::Upstream {
        let Some(name) = raw.provider.as_deref() else { return raw.clone() };
        let presets = Presets::builtin();
        let Some(preset) = presets.get(name) else {
            let names = presets.names();
            let help = suggest::nearest(name, names.iter().copied()).map_or_else(
                || {
                    format!(
                        "there are {}; for another one leave `provider` out, and write `dialect` and `base_url`",
                        names.join(", ")
                    )
                },
                |name| format!("did you mean `{name}`?"),
            );
            self.problems.error(&at.key("provider"), format!("there is no provider `{name}`"), Some(help));
            return raw::Upstream { id: raw.id.clone().or_else(|| raw.provider.clone()), ..raw.clone() };
        };
        preset.complete(raw)
    }

    fn upstream(
        &mut self,
        at: &At<'_>,
        raw: &raw::Upstream,
        id: String,
        listen: &[SocketAddr],
        code_assist: &raw::CodeAssist,
    ) -> Option<Upstream> {
        // What is missing of an unknown provider is no second fault.
        let is_known = !self.problems.has(&at.key("provider"));
        let dialect = raw.dialect.map(raw::Spoken::dialect);
        if dialect.is_none() && is_known {
            let names = Dialect::ALL.map(Dialect::name).join(", ");
            self.problems.missing(at, "dialect", &format!("one of {names}; or `provider` with a known name"));
        }
        let platform = self.platform(at, raw, code_assist);
        let by_platform = platform.as_ref().and_then(default_url);
        let base_url = match raw.base_url.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => self.base_url(&at.key("base_url"), text, dialect, platform.as_ref(), listen),
            None if by_platform.is_some() => by_platform.and_then(|url| BaseUrl::parse(&url).ok()),
            None => {
                let example = match &platform {
                    Some(Platform::Azure { .. }) => "that of your resource, `https://NAME.openai.azure.com`",
                    _ => "for example `https://api.openai.com/v1`",
                };
                if is_known && platform.is_some() {
                    self.problems.missing(at, "base_url", example);
                }
                None
            }
        };
        let headers = self.headers(&at.key("headers"), &raw.headers);
        let proxy = self.proxy(&at.key("proxy"), raw.proxy.as_ref());
        let timeouts = self.timeouts(&at.key("timeouts"), &raw.timeouts);
        let mut quirks = self.quirks(&at.key("quirks"), &raw.quirks);
        // Without its proxy it is not reached at all.
        let (dialect, platform, proxy) = (dialect?, platform?, proxy?);
        let auth = raw.auth.unwrap_or(match platform {
            Platform::Direct => AuthStyle::of(dialect),
            Platform::Vertex { .. } | Platform::CodeAssist => AuthStyle::Bearer,
            Platform::Azure { .. } => AuthStyle::ApiKey,
        });
        let count_tokens = raw.quirks.count_tokens.unwrap_or(dialect != Dialect::OpenAiChat);
        quirks.vertex = raw.quirks.vertex.unwrap_or(matches!(platform, Platform::Vertex { .. }));
        let unsupported = raw.quirks.unsupported.clone().unwrap_or_default().into();
        let (base_url, stream) = (base_url?, raw.stream);
        Some(Upstream {
            id,
            provider: raw.provider.clone(),
            dialect,
            base_url,
            auth,
            quirks,
            headers,
            proxy,
            timeouts,
            stream,
            platform,
            unsupported,
            count_tokens,
        })
    }

    pub(super) fn base_url(
        &mut self,
        at: &At<'_>,
        text: &str,
        dialect: Option<Dialect>,
        platform: Option<&Platform>,
        listen: &[SocketAddr],
    ) -> Option<BaseUrl> {
        let url = match BaseUrl::parse(&self.expand(at, text)?) {
            Ok(url) => url,
            Err(error) => {
                let from = if text.contains("${") { Some(format!("the URL comes from `{text}`")) } else { None };
                self.problems.error(at, error.to_string(), from);
                return None;
            }
        };
        if url.is_loopback()
            && listen.iter().any(|address| {
                address.port() == url.port && (address.ip().is_loopback() || address.ip().is_unspecified())
            })
        {
            let help = "give the provider's own address; agents have the gateway's address in the same variables";
            let message = format!("`{text}` is the gateway itself: requests would go round in a circle");
            self.problems.error(at, message, Some(help.to_owned()));
        }
        let versions: &[&str] = match dialect {
            _ if platform.is_some_and(|platform| *platform != Platform::Direct) => &[],
            Some(Dialect::Anthropic) => &["/v1"],
            Some(Dialect::Gemini) => &["/v1", "/v1beta"],
            _ => &[],
        };
        if let Some(version) = versions.iter().find(|version| url.path.ends_with(*version)) {
            let message = format!(
                "the gateway itself adds the version to a URL of this dialect: `{version}` would be there twice"
            );
            self.problems.error(at, message, Some(format!("leave `{version}` out")));
        }
        if !url.tls && !url.is_loopback() {
            let message = "`http` to another machine: credentials and prompts can be read on the way";
            self.problems.warn(at, message, Some("use `https`, or a network that nobody else can read".to_owned()));
        }
        Some(url)
    }

    pub(super) fn headers(&mut self, at: &At<'_>, raw: &BTreeMap<String, SecretText>) -> Vec<(String, String)> {
        let mut headers = Vec::with_capacity(raw.len());
        for (name, value) in raw {
            let at = at.key(name);
            let Some(value) = self.expand(&at, &value.0) else { continue };
            let lower = name.to_ascii_lowercase();
            if OWN_HEADERS.contains(&lower.as_str()) {
                let help =
                    "a credential belongs to an account, and `auth` says where it goes; the rest cannot be changed";
                self.problems.error(&at, format!("the gateway sets `{name}` itself"), Some(help.to_owned()));
            } else if HeaderName::try_from(&lower).is_err() {
                self.problems.error(&at, "this is not the name of an HTTP header", None);
            } else if HeaderValue::try_from(&value).is_err() {
                self.problems.error(&at, "the value holds a character that an HTTP header cannot carry", None);
            } else if headers.iter().any(|(taken, _)| *taken == lower) {
                self.problems.error(&at, format!("the header `{lower}` is there twice"), None);
            } else {
                headers.push((lower, value));
            }
        }
        headers
    }

    /// `None` was reported; `Some(None)`: there is none.
    #[expect(clippy::option_option, reason = "a fault and the absence of a proxy must not be mixed up")]
    pub(super) fn proxy(&mut self, at: &At<'_>, raw: Option<&SecretText>) -> Option<Option<Arc<Proxy>>> {
        let Some(text) = raw else { return Some(None) };
        match Proxy::parse(&self.expand(at, &text.0)?) {
            Ok(proxy) => Some(Some(Arc::new(proxy))),
            Err(error) => {
                let help = "such as `http://user:password@host:3128` or `socks5h://host:1080`".to_owned();
                self.problems.error(at, error.to_string(), Some(help));
                None
            }
        }
    }

    pub(super) fn timeouts(&mut self, at: &At<'_>, raw: &raw::Timeouts) -> Timeouts {
        let timeouts = Timeouts {
            connect: self.positive(at, "connect", raw.connect),
            total_connect: self.positive(at, "total_connect", raw.total_connect),
            first_byte: self.positive(at, "first_byte", raw.first_byte),
            idle: self.positive(at, "idle", raw.idle),
            write: self.positive(at, "write", raw.write),
            total: self.positive(at, "total", raw.total),
        };
        if timeouts.total_connect < timeouts.connect {
            let help = format!("write at least {}, or a shorter `connect`", raw.connect);
            self.problems.error(&at.key("total_connect"), "`total_connect` is shorter than `connect`", Some(help));
        }
        timeouts
    }

    fn quirks(&mut self, at: &At<'_>, raw: &raw::Quirks) -> Quirks {
        let mut quirks = Quirks::default();
        set(&mut quirks.max_tokens_name, raw.max_tokens_name);
        set(&mut quirks.stream_usage, raw.stream_usage);
        set(&mut quirks.developer_role, raw.developer_role);
        set(&mut quirks.reasoning_content, raw.reasoning_content);
        set(&mut quirks.custom_tools, raw.custom_tools);
        set(&mut quirks.json_schema, raw.json_schema);
        set(&mut quirks.call_ids, raw.call_ids);
        set(&mut quirks.vertex, raw.vertex);
        quirks.prefill = raw.prefill.unwrap_or(quirks.prefill);
        if let Some(tokens) = raw.default_max_output_tokens {
            let bounds = (1, OUTPUT_TOKENS_MAX);
            quirks.default_max_output_tokens = self.number(at, "default_max_output_tokens", tokens, bounds);
        }
        quirks
    }
}

fn set(quirk: &mut bool, written: Option<bool>) {
    *quirk = written.unwrap_or(*quirk);
}
