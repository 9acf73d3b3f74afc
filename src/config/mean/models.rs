//! What is mended in requests, and what is known of models.

use interlingua_filters::profiles::{Entry, Profiles};
use interlingua_filters::repair::Repairs;

use super::Mean;
use crate::config::raw;
use crate::config::report::At;

/// Highest price of a million tokens that is believed, in US dollars.
const PRICE_MAX: f64 = 100_000.0;

impl Mean<'_> {
    pub(super) fn repairs(raw: &raw::Repair) -> Repairs {
        Repairs {
            schemas: raw.schemas,
            names: raw.names,
            orphans: raw.orphans,
            turns: raw.turns,
            empty_parts: raw.empty_parts,
            tool_loops: raw.tool_loops,
            bounds: raw.bounds,
            shell_commands: raw.shell_commands,
            purify: raw.purify,
            tool_result_bytes_max: raw.tool_result_bytes_max.0,
        }
    }

    /// The program's own profiles, outranked by those of the file.
    pub(super) fn profiles(&mut self, at: &At<'_>, raw: &[Option<raw::Profile>]) -> Profiles {
        let mut profiles = Profiles::builtin().clone();
        for (index, profile) in raw.iter().enumerate() {
            let at = at.index(index);
            let Some(profile) = profile else {
                self.problems.empty_item(&at);
                continue;
            };
            if profile.names.0.is_empty() {
                self.problems.missing(&at, "match", "names of models, for example `my-model-*`");
            }
            for (key, price) in [
                ("price_input", profile.price_input),
                ("price_cached", profile.price_cached),
                ("price_cache_write", profile.price_cache_write),
                ("price_cache_write_1h", profile.price_cache_write_1h),
                ("price_output", profile.price_output),
            ] {
                if price.is_some_and(|price| !(0.0..=PRICE_MAX).contains(&price)) {
                    let help = Some(format!("US dollars for a million tokens, 0 to {PRICE_MAX}"));
                    self.problems.error(&at.key(key), "this is no price", help);
                }
            }
            let Ok(serde_yaml::Value::Mapping(mut members)) = serde_yaml::to_value(profile) else { continue };
            members.retain(|key, value| !value.is_null() && key.as_str() != Some("match"));
            if let Err(error) = profiles.add(vec![Entry { names: profile.names.0.clone(), profile: members }]) {
                let help = "* stands for any characters, [1-9] for one of a range".to_owned();
                self.problems.error(&at.key("match"), error.to_string(), Some(help));
            }
        }
        profiles
    }
}
