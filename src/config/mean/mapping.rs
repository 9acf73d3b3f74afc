//! Another gateway to sync mappings with.

use std::time::Duration;

use super::Mean;
use crate::config::report::At;
use crate::config::{BaseUrl, MappingSync, raw};
use crate::credentials::Secret;

/// Shortest time between two syncs.
const INTERVAL_MIN: Duration = Duration::from_secs(5);

impl Mean<'_> {
    /// `None` if there is none, or it was reported.
    pub(super) fn mapping(&mut self, at: &At<'_>, raw: &raw::Mapping) -> Option<MappingSync> {
        let raw = raw.sync.as_ref()?;
        let at = at.key("sync");
        let url = self.sync_url(&at, raw.url.as_deref());
        let token = self.sync_token(&at, raw.token.as_ref().map(|token| token.0.as_str()));
        let interval = raw.interval.0;
        if interval < INTERVAL_MIN {
            let help = "once a minute is enough for names".to_owned();
            self.problems.error(&at.key("interval"), "`interval` is shorter than 5s", Some(help));
        }
        Some(MappingSync { url: url?, token: token?, interval })
    }

    fn sync_url(&mut self, at: &At<'_>, text: Option<&str>) -> Option<BaseUrl> {
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            self.problems.missing(at, "url", "the admin API of the other gateway");
            return None;
        };
        let at = at.key("url");
        let text = self.expand(&at, text)?;
        match BaseUrl::parse(&text) {
            Ok(url) if url.tls || url.is_loopback() => Some(url),
            Ok(_) => {
                let message = "`http` to another machine would show the token on the way";
                self.problems.error(&at, message, Some("use `https`".to_owned()));
                None
            }
            Err(error) => {
                self.problems.error(&at, error.to_string(), None);
                None
            }
        }
    }

    fn sync_token(&mut self, at: &At<'_>, text: Option<&str>) -> Option<Secret> {
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            self.problems.missing(at, "token", "one of the other gateway's `admin_keys`");
            return None;
        };
        let at = at.key("token");
        let text = self.expand(&at, text)?;
        Secret::new(text).map_err(|error| self.problems.error(&at, error.to_string(), None)).ok()
    }
}
