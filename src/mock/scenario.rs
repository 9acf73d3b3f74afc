//! Scenarios: their names, and how a request names one.

use super::chunks::LONG_CHUNKS_MAX;
use super::fault::Fault;
use serde_json::{Map, Value};

/// Calls that one text may spell out; more are a mistake.
const CALLS_MAX: usize = 16;

/// What the simulated model does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// Quotes the last user text; calls a tool or writes JSON when the request forces it to.
    Echo,
    /// Emoji, CJK and combining characters in several chunks.
    Text,
    /// Calls one tool; then answers with a text that quotes the result.
    Tool,
    /// A text, then a call.
    TextTool,
    /// Two calls at once; then a text.
    Parallel,
    /// Thinks, then answers.
    Think,
    /// Thinks, then calls a tool; insists that the thinking comes back.
    ThinkTool,
    /// Anthropic's redacted thinking, then text; plain thinking elsewhere.
    Redacted,
    /// Describes the image that it received.
    Image,
    /// Refuses.
    Refusal,
    /// Stops at the token cap.
    MaxTokens,
    /// Stops at the request's first stop sequence.
    StopSequence,
    /// Writes JSON that fits the given schema.
    Json,
    /// So many chunks.
    Long(u64),
    /// Every bucket of the usage ledger is filled with fixed numbers.
    Usage,
    /// Says nothing.
    Empty,
    /// Says nothing, because the provider's policy holds it back.
    Blocked,
}

impl Scenario {
    /// Reads a scenario's name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(n) = text.strip_prefix("long:") {
            return n.parse().ok().filter(|n| *n <= LONG_CHUNKS_MAX).map(Self::Long);
        }
        Some(match text {
            "echo" => Self::Echo,
            "text" => Self::Text,
            "tool" => Self::Tool,
            "text-tool" => Self::TextTool,
            "parallel" => Self::Parallel,
            "think" => Self::Think,
            "think-tool" => Self::ThinkTool,
            "redacted" => Self::Redacted,
            "image" => Self::Image,
            "refusal" => Self::Refusal,
            "max_tokens" => Self::MaxTokens,
            "stop_sequence" => Self::StopSequence,
            "json" => Self::Json,
            "long" => Self::Long(100),
            "usage" => Self::Usage,
            "empty" => Self::Empty,
            "blocked" => Self::Blocked,
            _ => return None,
        })
    }
}

/// A call that is spelled out: `[[tool:NAME {"argument":"value"}]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spelled {
    /// The tool.
    pub(crate) name: String,
    /// Its arguments; without them the tool's schema makes some up.
    pub(crate) arguments: Option<Map<String, Value>>,
}

/// A scenario and faults that were named in one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Named {
    /// The scenario.
    pub(crate) scenario: Option<Scenario>,
    /// The faults, in order.
    pub(crate) faults: Vec<Fault>,
    /// The calls that are spelled out, in order; only a text can do so.
    pub(crate) calls: Vec<Spelled>,
}

impl Named {
    /// What a model name says: `mock-<scenario>`, `…+<scenario>`, `…+fault=<list>`, or the bare word.
    ///
    /// # Errors
    /// When a fault is misspelt; unknown words are no scenario and no error, because model names are free.
    pub(crate) fn in_model(model: &str) -> Result<Self, String> {
        let (base, suffix) = model.split_once('+').map_or((model, None), |(base, suffix)| (base, Some(suffix)));
        let base = base.rsplit('/').next().unwrap_or(base);
        let mut named = Self::default();
        for part in suffix.into_iter().flat_map(|suffix| suffix.split('+')) {
            named.read(part)?;
        }
        named.scenario = named.scenario.or_else(|| Scenario::parse(base)).or_else(|| {
            let at = base.rfind("mock-")?;
            Scenario::parse(base.get(at + "mock-".len()..)?)
        });
        Ok(named)
    }

    /// What `[[…]]` in a text says; the last pair of brackets that names something wins. Calls that are spelled out add
    /// up, and are made at once.
    ///
    /// # Errors
    /// When a fault is misspelt, or the arguments of a call are no JSON object.
    pub(crate) fn in_text(text: &str) -> Result<Self, String> {
        let mut named = Self::default();
        let mut rest = text;
        while let Some((_, piece)) = rest.split_once("[[") {
            rest = piece;
            if let Some((scenario, spelled, after)) = spelled(piece)? {
                named.scenario = Some(scenario);
                named.calls.push(spelled);
                rest = after;
            } else if let Some((inner, _)) = piece.split_once("]]") {
                let mut this = Self::default();
                this.read(inner)?;
                named.scenario = this.scenario.or(named.scenario);
                named.faults.extend(this.faults);
            }
        }
        if named.calls.len() > CALLS_MAX {
            return Err(format!("{} calls are spelled out, {CALLS_MAX} may be", named.calls.len()));
        }
        Ok(named)
    }

    /// Reads `<scenario>`, `fault=<list>` or `<scenario>,fault=<list>`.
    fn read(&mut self, part: &str) -> Result<(), String> {
        let (words, faults) = part.split_once("fault=").map_or((part, None), |(words, faults)| (words, Some(faults)));
        if let Some(scenario) = words.split(',').find_map(Scenario::parse) {
            self.scenario = Some(scenario);
        }
        if let Some(faults) = faults {
            self.faults.extend(Fault::parse_list(faults)?);
        }
        Ok(())
    }
}

/// Reads `tool:NAME {…}]]`, or another scenario that calls in the place of `tool`: the scenario, the call, and what
/// follows. Brackets and commas inside of the arguments are theirs.
fn spelled(piece: &str) -> Result<Option<(Scenario, Spelled, &str)>, String> {
    let Some((word, rest)) = piece.split_once(':') else { return Ok(None) };
    let Some(scenario @ (Scenario::Tool | Scenario::TextTool | Scenario::ThinkTool)) = Scenario::parse(word) else {
        return Ok(None);
    };
    let Some(end) = rest.find(|c: char| c.is_whitespace() || matches!(c, '{' | ']')) else { return Ok(None) };
    let (name, rest) = rest.split_at(end);
    let mut rest = rest.trim_start();
    let mut arguments = None;
    if rest.starts_with('{') {
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Map<String, Value>>();
        let read = values.next().transpose().map_err(|error| format!("[[{word}:{name} …]]: {error}"))?;
        arguments = read;
        rest = rest.get(values.byte_offset()..).unwrap_or_default().trim_start();
    }
    let Some(after) = rest.strip_prefix("]]") else {
        return Err(format!("[[{word}:{name} …]] takes a JSON object after the tool's name, and nothing more"));
    };
    Ok(Some((scenario, Spelled { name: name.to_owned(), arguments }, after)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_names_carry_scenarios_and_faults() {
        let scenario = |model: &str| Named::in_model(model).unwrap().scenario;
        assert_eq!(scenario("mock-tool"), Some(Scenario::Tool));
        assert_eq!(scenario("claude-mock-think-tool"), Some(Scenario::ThinkTool));
        assert_eq!(scenario("up/tool"), Some(Scenario::Tool));
        assert_eq!(scenario("gpt-5+long:7"), Some(Scenario::Long(7)));
        assert_eq!(scenario("gpt-5-mini"), None);
        let both = Named::in_model("gemini-3+think+fault=429:2,split").unwrap();
        assert_eq!(both.scenario, Some(Scenario::Think));
        assert_eq!(both.faults.len(), 2);
        assert_eq!(Named::in_model("m+text,fault=split").unwrap().faults, [Fault::Split]);
        assert!(Named::in_model("m+fault=nope").is_err());
    }

    #[test]
    fn texts_carry_scenarios_in_brackets() {
        let named = Named::in_text("do [[text]] or [[x]] or [[tool,fault=crlf]] now [[").unwrap();
        assert_eq!(named, Named { scenario: Some(Scenario::Tool), faults: vec![Fault::Crlf], calls: Vec::new() });
    }

    #[test]
    fn texts_spell_out_calls() {
        let said = r#"[[think-tool:Bash {"command":"echo [[a]], fault=b"}]] and [[tool:ls]] [[fault=crlf]]"#;
        let named = Named::in_text(said).unwrap();
        let command = serde_json::json!({"command": "echo [[a]], fault=b"});
        assert_eq!(
            named.calls,
            [
                Spelled { name: "Bash".into(), arguments: command.as_object().cloned() },
                Spelled { name: "ls".into(), arguments: None }
            ]
        );
        assert_eq!((named.scenario, named.faults), (Some(Scenario::Tool), vec![Fault::Crlf]));
        assert_eq!(Named::in_text("[[text:x]] [[tool]] [[tool:").unwrap().calls, []);
        for bad in [r#"[[tool:Bash {"command":}]]"#, "[[tool:Bash [1]]]", r"[[tool:Bash {} too]]"] {
            assert!(Named::in_text(bad).is_err(), "{bad}");
        }
    }
}
