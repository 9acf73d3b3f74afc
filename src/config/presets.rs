//! Providers that are known by name: `conf/providers.yaml`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::AuthStyle;
use super::raw::{PlatformName, Quirks, Spoken, Upstream};
use super::units::SecretText;

/// The file that comes with the program.
const PROVIDERS: &str = include_str!("../../conf/providers.yaml");

static BUILTIN: LazyLock<Presets> = LazyLock::new(|| Presets::parse(PROVIDERS).unwrap_or_default());

/// Names of the providers that are known.
pub fn providers() -> Vec<&'static str> {
    Presets::builtin().names()
}

/// Names under which an account of a known provider has an upstream each, with the usual addresses: the provider's own, and
/// those beside it. `None`: it is not known.
pub fn opened_by(provider: &str) -> Option<Vec<(&'static str, Option<&'static str>)>> {
    let all = || Presets::builtin().0.iter().map(|(name, preset)| (name.as_str(), preset));
    let own = all().find(|(name, _)| *name == provider)?;
    let beside = all().filter(|(_, preset)| preset.account.as_deref() == Some(provider));
    Some(std::iter::once(own).chain(beside).map(|(name, preset)| (name, preset.base_url.as_deref())).collect())
}

/// Providers by name, in the order of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Presets(Vec<(String, Preset)>);

/// What is known of a provider: an upstream, and how it is found without a configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Preset {
    dialect: Option<Spoken>,
    platform: Option<PlatformName>,
    base_url: Option<String>,
    location: Option<String>,
    auth: Option<AuthStyle>,
    headers: BTreeMap<String, String>,
    quirks: Quirks,
    /// Environment variables of its key; the first that is set counts.
    pub(super) keys: Vec<String>,
    /// Environment variable of its address.
    pub(super) url: Option<String>,
    /// The provider whose account opens this one too.
    pub(super) account: Option<String>,
    /// Patterns of model names that belong to this provider alone.
    pub(super) models: Vec<String>,
}

impl Presets {
    /// Those that come with the program.
    pub(super) fn builtin() -> &'static Presets {
        &BUILTIN
    }

    fn parse(text: &str) -> Result<Self, serde_yaml::Error> {
        let tree: serde_yaml::Mapping = serde_yaml::from_str(text)?;
        let entry = |(name, preset): (serde_yaml::Value, serde_yaml::Value)| {
            Ok((serde_yaml::from_value(name)?, serde_yaml::from_value(preset)?))
        };
        tree.into_iter().map(entry).collect::<Result<_, _>>().map(Presets)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Preset)> {
        self.0.iter().map(|(name, preset)| (name.as_str(), preset))
    }

    /// The one of this name.
    pub(super) fn get(&self, name: &str) -> Option<&Preset> {
        self.iter().find(|(known, _)| *known == name).map(|(_, preset)| preset)
    }

    /// The names.
    pub(super) fn names(&self) -> Vec<&str> {
        self.iter().map(|(name, _)| name).collect()
    }
}

impl Preset {
    /// `written`, with what it leaves out.
    pub(super) fn complete(&self, written: &Upstream) -> Upstream {
        let mut headers = written.headers.clone();
        for (name, value) in &self.headers {
            if !headers.keys().any(|taken| taken.eq_ignore_ascii_case(name)) {
                headers.insert(name.clone(), SecretText(value.clone()));
            }
        }
        let text = |written: &Option<String>, known: &Option<String>| written.as_ref().or(known.as_ref()).cloned();
        Upstream {
            id: text(&written.id, &written.provider),
            dialect: written.dialect.or(self.dialect),
            platform: written.platform.or(self.platform),
            base_url: text(&written.base_url, &self.base_url),
            location: text(&written.location, &self.location),
            auth: written.auth.or(self.auth),
            headers,
            quirks: self.quirks.under(&written.quirks),
            ..written.clone()
        }
    }
}

impl Quirks {
    /// These, where `written` says nothing.
    fn under(&self, written: &Quirks) -> Quirks {
        Quirks {
            max_tokens_name: written.max_tokens_name.or(self.max_tokens_name),
            stream_usage: written.stream_usage.or(self.stream_usage),
            developer_role: written.developer_role.or(self.developer_role),
            reasoning_content: written.reasoning_content.or(self.reasoning_content),
            custom_tools: written.custom_tools.or(self.custom_tools),
            json_schema: written.json_schema.or(self.json_schema),
            call_ids: written.call_ids.or(self.call_ids),
            vertex: written.vertex.or(self.vertex),
            prefill: written.prefill.or(self.prefill),
            count_tokens: written.count_tokens.or(self.count_tokens),
            unsupported: written.unsupported.clone().or_else(|| self.unsupported.clone()),
            default_max_output_tokens: written.default_max_output_tokens.or(self.default_max_output_tokens),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_as_a_whole() {
        let presets = Presets::parse(PROVIDERS).unwrap();
        assert_eq!(presets.names(), Presets::builtin().names());
        assert!(presets.names().len() >= 20);
        for (name, preset) in presets.iter() {
            assert!(preset.dialect.is_some(), "{name}");
            assert!(preset.keys.is_empty() || preset.account.is_none(), "{name}");
            if let Some(account) = &preset.account {
                assert!(!presets.get(account).unwrap().keys.is_empty(), "{name}");
            }
        }
    }

    #[test]
    fn what_is_written_goes_before_what_is_known() {
        let preset = Presets::builtin().get("mistral").unwrap();
        let mut written = Upstream { provider: Some("mistral".into()), ..Upstream::default() };
        let whole = preset.complete(&written);
        assert_eq!(whole.id.as_deref(), Some("mistral"));
        assert_eq!(whole.quirks.max_tokens_name, Some(true));
        written.id = Some("other".into());
        written.quirks.unsupported = Some(Vec::new());
        written.quirks.max_tokens_name = Some(false);
        let whole = preset.complete(&written);
        assert_eq!((whole.id.as_deref(), whole.quirks.max_tokens_name), (Some("other"), Some(false)));
        assert_eq!((whole.quirks.unsupported, whole.quirks.stream_usage), (Some(Vec::new()), Some(false)));
    }
}
