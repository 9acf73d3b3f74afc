//! Which upstream serves what only a provider of the caller's dialect can serve.

use std::sync::Arc;

use interlingua_filters::Dialect;

use super::Mean;
use super::upstreams::Upstreams;
use crate::config::report::At;
use crate::config::{Passthrough, Upstream, raw};

impl Mean<'_> {
    pub(super) fn passthrough(&mut self, at: &At<'_>, raw: &raw::Passthrough, upstreams: &Upstreams) -> Passthrough {
        let named = [
            (Dialect::OpenAiResponses, &raw.openai_responses),
            (Dialect::OpenAiChat, &raw.openai_chat),
            (Dialect::Anthropic, &raw.anthropic),
            (Dialect::Gemini, &raw.gemini),
        ];
        let mut chosen = Vec::new();
        for (dialect, name) in named {
            if let Some(name) = name {
                chosen.extend(self.chosen(&at.key(dialect.name()), dialect, name, upstreams));
            }
        }
        Passthrough { enabled: raw.enabled, chosen }
    }

    fn chosen(&mut self, at: &At<'_>, dialect: Dialect, name: &str, upstreams: &Upstreams) -> Option<Arc<Upstream>> {
        if !upstreams.has(name) {
            let known: Vec<&str> = upstreams.ids.iter().map(String::as_str).collect();
            self.dangling(at, "upstream", name, &known);
            return None;
        }
        let upstream = upstreams.get(name)?;
        if upstream.dialect != dialect {
            let message = format!("the upstream `{name}` speaks {}, not {}", upstream.dialect.name(), dialect.name());
            self.problems.error(at, message, Some("bytes pass untouched, so the dialects must be one".to_owned()));
            return None;
        }
        Some(Arc::clone(upstream))
    }
}
