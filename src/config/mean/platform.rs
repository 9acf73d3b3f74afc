//! How the dialect of an upstream is carried, and the projects that Google's platforms want.

use std::sync::Arc;

use interlingua_filters::Dialect;

use super::Mean;
use crate::config::raw::{self, PlatformName, Spoken};
use crate::config::report::At;
use crate::config::{Platform, Upstream};

/// The location of an upstream that names none.
const LOCATION: &str = "global";

/// Where a platform is that has an address of its own for each location. The multi-regions are served apart.
pub(super) fn default_url(platform: &Platform) -> Option<String> {
    let Platform::Vertex { location, .. } = platform else { return None };
    Some(match location.as_str() {
        "global" => "https://aiplatform.googleapis.com".to_owned(),
        "us" | "eu" => format!("https://aiplatform.{location}.rep.googleapis.com"),
        region => format!("https://{region}-aiplatform.googleapis.com"),
    })
}

impl Mean<'_> {
    /// `None` was reported, or is not known for want of a dialect.
    pub(super) fn platform(
        &mut self,
        at: &At<'_>,
        raw: &raw::Upstream,
        code_assist: &raw::CodeAssist,
    ) -> Option<Platform> {
        let short = raw.dialect == Some(Spoken::CodeAssist);
        let name = raw.platform.unwrap_or(if short { PlatformName::CodeAssist } else { PlatformName::Direct });
        let at_platform = at.key(if raw.platform.is_some() || !short { "platform" } else { "dialect" });
        let (word, dialects): (&str, &[Dialect]) = match name {
            PlatformName::Direct => ("direct", &Dialect::ALL),
            PlatformName::Vertex => ("vertex", &[Dialect::Gemini, Dialect::Anthropic]),
            PlatformName::CodeAssist => ("code_assist", &[Dialect::Gemini]),
            PlatformName::Azure => ("azure", &[Dialect::OpenAiChat, Dialect::OpenAiResponses]),
        };
        if short && name != PlatformName::CodeAssist {
            let help = "write `dialect: gemini`, or leave `platform` out".to_owned();
            self.problems.error(&at_platform, format!("`dialect: code_assist` is not carried by {word}"), Some(help));
            return None;
        }
        let dialect = raw.dialect.map(Spoken::dialect);
        if let Some(dialect) = dialect.filter(|dialect| !dialects.contains(dialect)) {
            let names: Vec<&str> = dialects.iter().map(|dialect| dialect.name()).collect();
            let message = format!("the platform {word} does not carry {}", dialect.name());
            self.problems.error(&at_platform, message, Some(format!("it carries {}", names.join(" and "))));
            return None;
        }
        if name == PlatformName::CodeAssist && !code_assist.enabled {
            let message =
                "Code Assist is off: Google may close accounts that are used through other programs than its own";
            let help = "use an API key of Gemini or Vertex AI instead; or, for accounts that you are entitled to use in this \
                        way, write `code_assist: { enabled: true }` at the top level (README.md says more)";
            self.problems.error(&at_platform, message, Some(help.to_owned()));
        }
        self.foreign_keys(at, raw, name);
        let word = |mean: &mut Self, key: &str, text: &Option<String>| {
            text.as_deref().and_then(|text| mean.segment(&at.key(key), text))
        };
        Some(match name {
            PlatformName::Direct => Platform::Direct,
            PlatformName::CodeAssist => Platform::CodeAssist,
            PlatformName::Vertex => Platform::Vertex {
                project: word(self, "project", &raw.project),
                location: word(self, "location", &raw.location).unwrap_or_else(|| LOCATION.to_owned()),
            },
            PlatformName::Azure => Platform::Azure { api_version: word(self, "api_version", &raw.api_version) },
        })
    }

    /// The project of an account; and whether each of its upstreams that needs one has it. `own` is that of its key: it
    /// stands in for one that nobody has named.
    pub(super) fn projects(
        &mut self,
        at: &At<'_>,
        raw: &raw::Account,
        own: Option<&str>,
        opened: &[Arc<Upstream>],
    ) -> Option<String> {
        let project = raw.project.as_deref().and_then(|text| self.segment(&at.key("project"), text));
        let is_nameless = |upstream: &Arc<Upstream>| {
            matches!(upstream.platform, Platform::Vertex { project: None, .. }) && raw.project.is_none()
        };
        let own = own.filter(|_| opened.iter().any(is_nameless));
        let own = own.and_then(|text| self.segment(&at.key("service_account"), text));
        for upstream in opened {
            match &upstream.platform {
                Platform::Vertex { .. } if is_nameless(upstream) && own.is_none() => {
                    let what = format!("the upstream `{}` names none, and Vertex AI wants one", upstream.id);
                    self.problems.missing(at, "project", &what);
                }
                Platform::CodeAssist if raw.oauth.is_none() => {
                    let what = format!(
                        "the upstream `{}` is Code Assist, which takes access tokens of your own OAuth client",
                        upstream.id
                    );
                    self.problems.missing(at, "oauth", &what);
                }
                _ => {}
            }
        }
        if raw.project.as_deref().is_some_and(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
            && opened.iter().any(|upstream| upstream.platform == Platform::CodeAssist)
        {
            let help = "write the project's id, which begins with a letter".to_owned();
            self.problems.error(&at.key("project"), "Code Assist does not take the number of a project", Some(help));
        }
        project.or(own)
    }

    /// Keys that mean something on another platform only.
    fn foreign_keys(&mut self, at: &At<'_>, raw: &raw::Upstream, name: PlatformName) {
        for (key, is_there, owner, word) in [
            ("project", raw.project.is_some(), PlatformName::Vertex, "vertex"),
            ("location", raw.location.is_some(), PlatformName::Vertex, "vertex"),
            ("api_version", raw.api_version.is_some(), PlatformName::Azure, "azure"),
        ] {
            if is_there && name != owner {
                let help = format!("leave it out, or write `platform: {word}`");
                self.problems.error(&at.key(key), format!("`{key}` is for the platform {word} alone"), Some(help));
            }
        }
    }

    /// One segment of a path: it must not lead elsewhere.
    fn segment(&mut self, at: &At<'_>, text: &str) -> Option<String> {
        let text = self.expand(at, text)?;
        let well = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        if text.is_empty() || !text.bytes().all(well) || text.starts_with('.') {
            self.problems.error(at, "this may hold letters, digits and `- _ . :` only", None);
            return None;
        }
        Some(text)
    }
}
