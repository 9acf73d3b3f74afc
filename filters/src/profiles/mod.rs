//! What families of models take, as data: `models.yaml` beside this file, and what an operator adds.
//!
//! A model that nothing is known of has the empty [`Profile`]: nothing is refused to it and nothing is bounded, so that a
//! new model works on the day it comes out.

use std::sync::LazyLock;

use crate::ir::{Effort, Usage};

/// The profiles that come with the program.
const MODELS: &str = include_str!("models.yaml");

static BUILTIN: LazyLock<Profiles> = LazyLock::new(|| Profiles::parse(MODELS).unwrap_or_default());

/// How a model is told to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThinkingControl {
    /// It does not think, and answers a wish for it with an error.
    None,
    /// In words: OpenAI `reasoning_effort`, Gemini 3 `thinkingLevel`.
    Effort,
    /// In tokens: Anthropic `budget_tokens`, Gemini 2.5 `thinkingBudget`.
    Budget,
    /// It chooses by itself, with an effort in words beside it: Anthropic `adaptive`.
    Adaptive,
}

/// What a model takes. `None` anywhere: not known, so nothing is refused or bounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Profile {
    /// How it is told to think.
    pub thinking: Option<ThinkingControl>,
    /// Smallest thinking budget beside 0, in tokens.
    pub thinking_budget_min: Option<u64>,
    /// Largest thinking budget, in tokens.
    pub thinking_budget_max: Option<u64>,
    /// Whether thinking can be switched off.
    pub thinking_off: Option<bool>,
    /// Least effort that it knows a word for.
    pub effort_min: Option<Effort>,
    /// Greatest effort that it knows a word for.
    pub effort_max: Option<Effort>,
    /// Whether it takes `temperature`, `top_p` and `top_k`.
    pub sampling: Option<bool>,
    /// Whether `temperature` and `top_p` may come together.
    pub temperature_with_top_p: Option<bool>,
    /// Greatest `temperature`.
    pub temperature_max: Option<f64>,
    /// Whether it takes presence and frequency penalties.
    pub penalties: Option<bool>,
    /// Whether it takes stop sequences.
    pub stop: Option<bool>,
    /// Whether it gives log probabilities.
    pub logprobs: Option<bool>,
    /// Whether it searches the web when Chat's `web_search_options` ask for it.
    pub chat_web_search: Option<bool>,
    /// Most alternatives (`n`, `candidateCount`).
    pub candidates_max: Option<u64>,
    /// Most tokens of an answer, reasoning included.
    pub output_tokens_max: Option<u64>,
    /// Most tokens of a request and its answer together.
    pub context_tokens: Option<u64>,
    /// Whether a size of drawn pictures may be named (Gemini 3 `imageSize`, not 2.5).
    pub image_size: Option<bool>,
    /// Most pictures in a request.
    pub images_max: Option<u32>,
    /// Whether an answer that the client began can be gone on with.
    pub prefill: Option<bool>,
    /// Whether calls in the history need the seal under which they were made (Gemini 3).
    pub sealed_calls: Option<bool>,
    /// Whether tools of the client and of the provider may come together (Gemini 3, not 2.5).
    pub mixed_tools: Option<bool>,
    /// Whether pictures and documents may stand in the result of a tool (Gemini 3 `functionResponse.parts`).
    pub result_media: Option<bool>,
    /// Whether a JSON form of the answer and tools may come together (Gemini 3, not 2.5).
    pub json_with_tools: Option<bool>,
    /// Whether it takes a JSON Schema of its answer; where not, it is given as a tool that must be called.
    pub json_schema: Option<bool>,
    /// What a million tokens of a prompt cost, in US dollars: the provider's list price.
    pub price_input: Option<f64>,
    /// The same where they are read from the provider's prompt cache.
    pub price_cached: Option<f64>,
    /// The same where they are written to the provider's prompt cache for five minutes, or for an unknown time.
    pub price_cache_write: Option<f64>,
    /// The same where they are written to it for an hour.
    pub price_cache_write_1h: Option<f64>,
    /// What a million tokens of an answer cost, reasoning included, in US dollars.
    pub price_output: Option<f64>,
}

impl Profile {
    /// What `usage` costs, in millionths of a US dollar; `None` without the prices of prompt and answer. What is said of
    /// no kind of cache is priced as a prompt.
    pub fn cost_microusd(&self, usage: &Usage<'_>) -> Option<u64> {
        let (input, output) = self.price_input.zip(self.price_output)?;
        let write = self.price_cache_write.unwrap_or(input);
        // Dollars for a million tokens are millionths of a dollar for one token.
        let cost = usage.uncached as f64 * input
            + usage.cache_read as f64 * self.price_cached.unwrap_or(input)
            + usage.cache_write_5m as f64 * write
            + usage.cache_write_1h as f64 * self.price_cache_write_1h.unwrap_or(write)
            + usage.output_total() as f64 * output;
        Some(cost.round() as u64)
    }
}

/// One entry of the data: what is known of the models whose names match.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Entry {
    /// Globs of the name without what stands before its last `/`, in lower case: `*` stands for any characters, `[1-9]`
    /// for one of a range.
    #[serde(rename = "match")]
    pub names: Vec<String>,
    /// What is known: the members of a [`Profile`].
    #[serde(flatten)]
    pub profile: serde_yaml::Mapping,
}

/// Profiles in the order in which they apply: what a later entry says of a member outranks earlier ones.
#[derive(Clone, Debug, Default)]
pub struct Profiles(Vec<Known>);

#[derive(Clone, Debug)]
struct Known {
    names: Vec<globset::GlobMatcher>,
    profile: Profile,
}

/// Data that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The text is no list of entries, or an entry has a member that no profile has.
    #[error("a model profile cannot be read: {0}")]
    Yaml(#[from] serde_yaml::Error),
    /// A name is no glob.
    #[error("a model profile has a name that is no pattern: {0}")]
    Name(#[from] globset::Error),
}

impl Profiles {
    /// The profiles that come with the program.
    pub fn builtin() -> &'static Profiles {
        &BUILTIN
    }

    /// Reads a list of entries.
    ///
    /// # Errors
    /// When the text is no such list, or an entry has a member that no profile has.
    pub fn parse(yaml: &str) -> Result<Self, ProfileError> {
        let mut profiles = Profiles::default();
        profiles.add(serde_yaml::from_str::<Vec<Entry>>(yaml)?)?;
        Ok(profiles)
    }

    /// Adds entries that outrank those before them.
    ///
    /// # Errors
    /// When an entry has a member that no profile has, or a name that is no glob.
    pub fn add(&mut self, entries: Vec<Entry>) -> Result<(), ProfileError> {
        for Entry { names, profile } in entries {
            let profile = serde_yaml::from_value(profile.into())?;
            let glob = |name: &String| Ok(globset::Glob::new(&name.to_ascii_lowercase())?.compile_matcher());
            let names = names.iter().map(glob).collect::<Result<_, globset::Error>>()?;
            self.0.push(Known { names, profile });
        }
        Ok(())
    }

    /// What is known of `model`, which may have `models/`, `publishers/…/models/` or a provider before its name.
    pub fn find(&self, model: &str) -> Profile {
        let name = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
        let known = self.0.iter().filter(|known| known.names.iter().any(|glob| glob.is_match(&name)));
        known.fold(Profile::default(), |found, known| found.overlaid(&known.profile))
    }
}

/// Writes [`Profile::overlaid`] over the members named.
macro_rules! overlay {
    ($($member:ident),+ $(,)?) => {
        impl Profile {
            /// This profile, but for what `over` says.
            fn overlaid(self, over: &Profile) -> Profile {
                Profile { $($member: over.$member.or(self.$member)),+ }
            }
        }
    };
}

overlay!(
    thinking,
    thinking_budget_min,
    thinking_budget_max,
    thinking_off,
    effort_min,
    effort_max,
    sampling,
    temperature_with_top_p,
    temperature_max,
    penalties,
    stop,
    logprobs,
    chat_web_search,
    candidates_max,
    output_tokens_max,
    context_tokens,
    image_size,
    images_max,
    prefill,
    sealed_calls,
    mixed_tools,
    result_media,
    json_with_tools,
    json_schema,
    price_input,
    price_cached,
    price_cache_write,
    price_cache_write_1h,
    price_output,
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_can_be_read() {
        assert!(Profiles::parse(MODELS).unwrap().0.len() > 10);
    }

    #[test]
    fn every_class_of_tokens_has_its_price() {
        let usage = Usage {
            uncached: 1000,
            cache_read: 1000,
            cache_write_5m: 1000,
            cache_write_1h: 1000,
            output: 90,
            reasoning: 10,
            ..Usage::default()
        };
        let mut profile = Profile { price_input: Some(3.0), ..Profile::default() };
        assert_eq!(profile.cost_microusd(&usage), None, "half a price is none");
        profile.price_output = Some(15.0);
        assert_eq!(profile.cost_microusd(&usage), Some(13_500));
        profile.price_cached = Some(0.3);
        profile.price_cache_write = Some(3.75);
        assert_eq!(profile.cost_microusd(&usage), Some(3000 + 300 + 3750 + 3750 + 1500));
        profile.price_cache_write_1h = Some(6.0);
        assert_eq!(profile.cost_microusd(&usage), Some(3000 + 300 + 3750 + 6000 + 1500));
    }

    #[test]
    fn an_unknown_model_is_refused_nothing() {
        assert_eq!(Profiles::builtin().find("brand-new-1"), Profile::default());
    }

    #[test]
    fn later_entries_outrank_earlier_ones_member_by_member() {
        let mut profiles = Profiles::parse("[{match: [a*], stop: false, sampling: false}]").unwrap();
        profiles.add(serde_yaml::from_str("[{match: [ab], stop: true}]").unwrap()).unwrap();
        let found = profiles.find("vendor/AB");
        assert_eq!((found.stop, found.sampling), (Some(true), Some(false)));
        assert!(Profiles::parse("[{match: [a], stopp: false}]").is_err());
    }

    #[test]
    fn prices_are_told_in_pairs_and_a_cache_is_never_dearer() {
        for model in [
            "gpt-5",
            "gpt-4o-mini",
            "o3",
            "claude-opus-4-5",
            "claude-haiku-4-5",
            "gemini-2.5-flash",
            "gemini-3-pro-preview",
        ] {
            let found = Profiles::builtin().find(model);
            let (input, cached) = (found.price_input.unwrap(), found.price_cached.unwrap());
            assert!(cached < input && cached > 0.0, "{model}");
        }
        assert_eq!(Profiles::builtin().find("claude-opus-4-1").price_input, Some(15.0));
        assert_eq!(Profiles::builtin().find("claude-opus-4-6").price_input, Some(5.0));
        assert_eq!(Profiles::builtin().find("gpt-5-mini").price_cached, Some(0.025));
    }

    #[test]
    fn who_has_a_price_has_all_of_them_and_writing_to_anthropics_cache_has_its_own() {
        let mut priced = 0;
        for entry in &Profiles::builtin().0 {
            let names: Vec<&str> = entry.names.iter().map(|name| name.glob().glob()).collect();
            let profile = &entry.profile;
            let Some(input) = profile.price_input else {
                assert!(profile.price_output.is_none() && profile.price_cache_write.is_none(), "{names:?}");
                continue;
            };
            priced += 1;
            let (cached, output) = (profile.price_cached.unwrap(), profile.price_output.unwrap());
            assert!(cached <= input && output > input, "{names:?}");
            match (profile.price_cache_write, profile.price_cache_write_1h) {
                // The list rounds 0.3125 to 0.3.
                (Some(write), Some(hour)) => {
                    assert!((write - input * 1.25).abs() < 0.02 && (hour - input * 2.0).abs() < 0.01, "{names:?}");
                }
                (None, None) => {}
                _ => panic!("{names:?}: both or none"),
            }
        }
        assert!(priced > 30);
        for model in ["claude-opus-4-6", "claude-sonnet-4-5", "claude-haiku-4-5", "claude-3-haiku-20240307"] {
            assert!(Profiles::builtin().find(model).price_cache_write_1h.is_some(), "{model}");
        }
        assert_eq!(Profiles::builtin().find("gpt-5.2").price_output, Some(14.0));
        assert_eq!(Profiles::builtin().find("gpt-5-pro").price_input, Some(15.0));
        assert_eq!(Profiles::builtin().find("gemini-3.1-pro-preview").price_output, Some(12.0));
    }

    #[test]
    fn families() {
        let find = |model: &str| Profiles::builtin().find(model);
        for model in ["o3", "o4-mini", "openai/gpt-5-mini", "codex-mini-latest"] {
            assert_eq!(find(model).sampling, Some(false), "{model}");
        }
        assert_eq!(find("gpt-5-chat-latest").thinking, Some(ThinkingControl::None));
        assert_eq!(find("gpt-4o").thinking, Some(ThinkingControl::None));
        assert_eq!(find("claude-sonnet-4-5").thinking, Some(ThinkingControl::Budget));
        assert_eq!(find("claude-haiku-4-5-20251001").thinking, Some(ThinkingControl::Budget));
        assert_eq!(find("claude-sonnet-4-20250514").temperature_with_top_p, None);
        assert_eq!(find("claude-sonnet-4-5").temperature_with_top_p, Some(false));
        assert_eq!(find("claude-sonnet-4-6@20260101").thinking, Some(ThinkingControl::Adaptive));
        assert_eq!(find("claude-3-5-sonnet-20241022").thinking, Some(ThinkingControl::None));
        assert_eq!(find("claude-opus-4.7").sampling, Some(false));
        assert_eq!(find("claude-opus-4-7").thinking, Some(ThinkingControl::Adaptive));
        assert_eq!(find("gemini-2.5-flash").thinking, Some(ThinkingControl::Budget));
        assert_eq!(find("models/gemini-3-pro-preview").thinking, Some(ThinkingControl::Effort));
        assert_eq!(find("gemini-3-pro-preview").sealed_calls, Some(true));
        assert_eq!(find("gemini-2.0-flash").thinking, Some(ThinkingControl::None));
    }
}
