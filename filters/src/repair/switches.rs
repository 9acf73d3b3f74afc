//! Which repairs are made. Each one that changes something is visible as a loss.

/// The switches of the repair layer. With all of them off a request is only translated, and the provider's refusals come
/// back as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Repairs {
    /// Bring JSON schemas into the subset that the target takes.
    pub schemas: bool,
    /// Bring tool names and call ids into the target's alphabet and length; the answer has the client's own again.
    pub names: bool,
    /// Answer tool calls that have no result, and turn results without a call into text.
    pub orphans: bool,
    /// Merge consecutive turns of one side where the target wants them to alternate.
    pub turns: bool,
    /// Leave out parts without content.
    pub empty_parts: bool,
    /// Switch thinking off in the middle of a tool loop whose thoughts the target cannot read.
    pub tool_loops: bool,
    /// Bring token caps, thinking budgets and sampling numbers into the model's bounds.
    pub bounds: bool,
    /// Write shell commands that a tool wants as a list of words as such, when the model gave one string.
    pub shell_commands: bool,
    /// What to take out of a conversation that does not fit into the model's context.
    pub purify: Purify,
    /// Longest tool result in bytes; the middle of a longer one is left out. 0: off.
    pub tool_result_bytes_max: u64,
}

/// What to take out of a conversation that does not fit into the model's context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purify {
    /// Nothing: the provider refuses it, and the client hears why.
    #[default]
    None,
    /// Thoughts of all turns before the last user turn.
    Soft,
    /// All thoughts that the target does not insist on.
    Aggressive,
}

impl Default for Repairs {
    fn default() -> Self {
        Repairs {
            schemas: true,
            names: true,
            orphans: true,
            turns: true,
            empty_parts: true,
            tool_loops: true,
            bounds: true,
            shell_commands: true,
            purify: Purify::None,
            tool_result_bytes_max: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dialect::{self, Anthropic, Gemini, OpenAiChat, OpenAiResponses};
    use crate::custody::Seals;
    use crate::dialects::{Endpoint, Target};
    use crate::json::skim::skim;
    use crate::request::{PrepareError, prepare};

    /// One switch, and a request to which it matters.
    struct Case {
        off: fn(&mut Repairs),
        from: Dialect,
        to: Dialect,
        model: &'static str,
        body: &'static str,
    }

    const CASES: [Case; 7] = [
        Case {
            off: |repairs| repairs.schemas = false,
            from: OpenAiChat,
            to: Gemini,
            model: "gemini-2.5-flash",
            body: r##"{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"$ref":"#/$defs/b"}},"$defs":{"b":{"const":1}}}}}]}"##,
        },
        Case {
            off: |repairs| repairs.names = false,
            from: Gemini,
            to: OpenAiChat,
            model: "gpt-4.1",
            body: r#"{"contents":[{"role":"user","parts":[{"text":"x"}]}],"tools":[{"functionDeclarations":[{"name":"a.b"}]}]}"#,
        },
        Case {
            off: |repairs| repairs.orphans = false,
            from: OpenAiChat,
            to: Anthropic,
            model: "claude-sonnet-4-5",
            body: r#"{"model":"m","messages":[{"role":"user","content":"x"},{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"user","content":"y"}]}"#,
        },
        Case {
            off: |repairs| repairs.turns = false,
            from: OpenAiChat,
            to: Anthropic,
            model: "claude-sonnet-4-5",
            body: r#"{"model":"m","messages":[{"role":"user","content":"x"},{"role":"user","content":"y"}]}"#,
        },
        Case {
            off: |repairs| repairs.empty_parts = false,
            from: OpenAiChat,
            to: Anthropic,
            model: "claude-sonnet-4-5",
            body: r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":""},{"type":"text","text":"x"}]}]}"#,
        },
        Case {
            off: |repairs| repairs.tool_loops = false,
            from: OpenAiChat,
            to: Anthropic,
            model: "claude-sonnet-4-5",
            body: r#"{"model":"m","reasoning_effort":"high","messages":[{"role":"user","content":"x"},{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"y"}]}"#,
        },
        Case {
            off: |repairs| repairs.bounds = false,
            from: OpenAiResponses,
            to: Anthropic,
            model: "claude-sonnet-4-5",
            body: r#"{"model":"m","input":"x","temperature":1.5}"#,
        },
    ];

    fn sent(case: &Case, repairs: Repairs) -> Result<Vec<u8>, PrepareError> {
        let target = Target { repairs, quirks: quirks(case.to), ..Target::new(case.model, false) };
        let endpoint = Endpoint { model: Some("m".into()), stream: Some(false) };
        let body = case.body.as_bytes();
        let found = skim(case.from, body).unwrap();
        Ok(prepare(case.from, &endpoint, body, &found, case.to, &target, Seals::AsSent)?.body)
    }

    /// A Gemini server that takes the old subset of schemas only.
    fn quirks(to: Dialect) -> crate::dialects::Quirks {
        crate::dialects::Quirks { json_schema: to != Gemini, ..crate::dialects::Quirks::default() }
    }

    #[test]
    fn every_switch_does_what_it_says() {
        for (number, case) in CASES.iter().enumerate() {
            let with = sent(case, Repairs::default()).unwrap();
            let mut repairs = Repairs::default();
            (case.off)(&mut repairs);
            match sent(case, repairs) {
                Ok(without) => assert_ne!(with, without, "switch {number}"),
                Err(PrepareError::Encode(_)) => {}
                Err(error) => panic!("switch {number}: {error}"),
            }
        }
    }
}
