//! How to answer, and how to think.

use interlingua_filters::ir::{BlockKind, Effort, OutputFormat, Request};
use interlingua_filters::json::Num;

use super::{Field, blocks, extra, field, joined, number};

pub(super) const FIELDS: &[Field] = &[
    field(
        "temperature",
        [
            Some(r#"{"temperature":0.5}"#),
            Some(r#"{"temperature":0.5}"#),
            Some(r#"{"temperature":0.5}"#),
            Some(r#"{"generationConfig":{"temperature":0.5}}"#),
        ],
        |request| number(request.sampling.temperature.as_ref()),
    ),
    field(
        "temperature above 1",
        [
            Some(r#"{"temperature":1.5}"#),
            Some(r#"{"temperature":1.5}"#),
            None,
            Some(r#"{"generationConfig":{"temperature":1.5}}"#),
        ],
        |request| number(request.sampling.temperature.as_ref()),
    ),
    field(
        "top_p",
        [
            Some(r#"{"top_p":0.5}"#),
            Some(r#"{"top_p":0.5}"#),
            Some(r#"{"top_p":0.5}"#),
            Some(r#"{"generationConfig":{"topP":0.5}}"#),
        ],
        |request| number(request.sampling.top_p.as_ref()),
    ),
    field("top_k", [None, None, Some(r#"{"top_k":5}"#), Some(r#"{"generationConfig":{"topK":5}}"#)], |request| {
        number(request.sampling.top_k.as_ref())
    }),
    field(
        "presence penalty",
        [Some(r#"{"presence_penalty":0.5}"#), None, None, Some(r#"{"generationConfig":{"presencePenalty":0.5}}"#)],
        |request| number(request.sampling.presence_penalty.as_ref()),
    ),
    field(
        "frequency penalty",
        [Some(r#"{"frequency_penalty":0.5}"#), None, None, Some(r#"{"generationConfig":{"frequencyPenalty":0.5}}"#)],
        |request| number(request.sampling.frequency_penalty.as_ref()),
    ),
    field("seed", [Some(r#"{"seed":7}"#), None, None, Some(r#"{"generationConfig":{"seed":7}}"#)], |request| {
        number(request.sampling.seed.as_ref())
    }),
    field(
        "cap of output tokens",
        [
            Some(r#"{"max_completion_tokens":700}"#),
            Some(r#"{"max_output_tokens":700}"#),
            Some(r#"{"max_tokens":700}"#),
            Some(r#"{"generationConfig":{"maxOutputTokens":700}}"#),
        ],
        |request| number(request.max_output_tokens.as_ref()),
    ),
    field(
        "stop sequences",
        [
            Some(r#"{"stop":["END","FIN"]}"#),
            None,
            Some(r#"{"stop_sequences":["END","FIN"]}"#),
            Some(r#"{"generationConfig":{"stopSequences":["END","FIN"]}}"#),
        ],
        |request| (!request.stop.is_empty()).then(|| joined(&request.stop)),
    ),
    field(
        "several alternatives",
        [Some(r#"{"n":2}"#), None, None, Some(r#"{"generationConfig":{"candidateCount":2}}"#)],
        candidates,
    ),
    field(
        "log probabilities",
        [
            Some(r#"{"logprobs":true,"top_logprobs":3}"#),
            Some(r#"{"top_logprobs":3,"include":["message.output_text.logprobs"]}"#),
            None,
            Some(r#"{"generationConfig":{"responseLogprobs":true,"logprobs":3}}"#),
        ],
        |request| request.logprobs.as_ref().map(|asked| number(asked.top.as_ref()).unwrap_or_default()),
    ),
    field("bias of tokens", [Some(r#"{"logit_bias":{"50256":-100}}"#), None, None, None], |request| {
        extra(request, "logit_bias")
    }),
    field(
        "any JSON object",
        [
            Some(
                r#"{"messages":[{"role":"user","content":"answer in JSON"}],"response_format":{"type":"json_object"}}"#,
            ),
            Some(r#"{"input":[{"role":"user","content":"answer in JSON"}],"text":{"format":{"type":"json_object"}}}"#),
            None,
            Some(
                r#"{"contents":[{"role":"user","parts":[{"text":"answer in JSON"}]}],"generationConfig":{"responseMimeType":"application/json"}}"#,
            ),
        ],
        format,
    ),
    field(
        "JSON by a schema",
        [
            Some(
                r#"{"response_format":{"type":"json_schema","json_schema":{"name":"place","schema":{"type":"object","properties":{"town":{"type":"string"}},"required":["town"],"additionalProperties":false}}}}"#,
            ),
            Some(
                r#"{"text":{"format":{"type":"json_schema","name":"place","schema":{"type":"object","properties":{"town":{"type":"string"}},"required":["town"],"additionalProperties":false}}}}"#,
            ),
            Some(
                r#"{"output_config":{"format":{"type":"json_schema","schema":{"type":"object","properties":{"town":{"type":"string"}},"required":["town"],"additionalProperties":false}}}}"#,
            ),
            Some(
                r#"{"generationConfig":{"responseMimeType":"application/json","responseJsonSchema":{"type":"object","properties":{"town":{"type":"string"}},"required":["town"],"additionalProperties":false}}}"#,
            ),
        ],
        format,
    ),
    field(
        "effort of thinking",
        [
            Some(r#"{"reasoning_effort":"low"}"#),
            Some(r#"{"reasoning":{"effort":"low"}}"#),
            Some(r#"{"output_config":{"effort":"low"},"thinking":{"type":"adaptive"}}"#),
            Some(r#"{"generationConfig":{"thinkingConfig":{"thinkingLevel":"LOW"}}}"#),
        ],
        effort,
    ),
    field(
        "budget of thinking",
        [
            None,
            None,
            Some(r#"{"max_tokens":20000,"thinking":{"type":"enabled","budget_tokens":8192}}"#),
            Some(r#"{"generationConfig":{"thinkingConfig":{"thinkingBudget":8192}}}"#),
        ],
        effort,
    ),
    field(
        "no thinking",
        [
            Some(r#"{"reasoning_effort":"none"}"#),
            Some(r#"{"reasoning":{"effort":"none"}}"#),
            Some(r#"{"thinking":{"type":"disabled"}}"#),
            Some(r#"{"generationConfig":{"thinkingConfig":{"thinkingBudget":0}}}"#),
        ],
        thinking_off,
    ),
    field(
        "show the thoughts",
        [
            None,
            Some(r#"{"reasoning":{"summary":"auto"}}"#),
            Some(r#"{"thinking":{"type":"adaptive","display":"summarized"}}"#),
            Some(r#"{"generationConfig":{"thinkingConfig":{"includeThoughts":true}}}"#),
        ],
        shown,
    ),
    field(
        "earlier thoughts",
        [
            Some(
                r#"{"messages":[{"role":"user","content":"one"},{"role":"assistant","reasoning_content":"so so","content":"two"},{"role":"user","content":"three"}]}"#,
            ),
            Some(
                r#"{"input":[{"role":"user","content":"one"},{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"so so"}],"encrypted_content":"c2VhbA=="},{"role":"assistant","content":"two"},{"role":"user","content":"three"}]}"#,
            ),
            Some(
                r#"{"messages":[{"role":"user","content":"one"},{"role":"assistant","content":[{"type":"thinking","thinking":"so so","signature":"c2VhbA=="},{"type":"text","text":"two"}]},{"role":"user","content":"three"}]}"#,
            ),
            Some(
                r#"{"contents":[{"role":"user","parts":[{"text":"one"}]},{"role":"model","parts":[{"thought":true,"text":"so so"},{"text":"two"}]},{"role":"user","parts":[{"text":"three"}]}]}"#,
            ),
        ],
        thoughts,
    ),
    field(
        "JSON by a schema, strictly",
        [
            Some(
                r#"{"response_format":{"type":"json_schema","json_schema":{"name":"place","strict":true,"schema":{"type":"object","properties":{"town":{"type":"string"}},"required":["town"],"additionalProperties":false}}}}"#,
            ),
            Some(
                r#"{"text":{"format":{"type":"json_schema","name":"place","strict":true,"schema":{"type":"object","properties":{"town":{"type":"string"}},"required":["town"],"additionalProperties":false}}}}"#,
            ),
            None,
            None,
        ],
        strictly,
    ),
    field(
        "hide the thoughts",
        [
            None,
            None,
            Some(r#"{"thinking":{"type":"adaptive","display":"omitted"}}"#),
            Some(r#"{"generationConfig":{"thinkingConfig":{"includeThoughts":false}}}"#),
        ],
        shown,
    ),
    field(
        "answer with pictures",
        [None, None, None, Some(r#"{"generationConfig":{"responseModalities":["TEXT","IMAGE"]}}"#)],
        |request| {
            request
                .extra
                .iter()
                .find(|(key, _)| key.ends_with("responseModalities"))
                .map(|(_, raw)| raw.get().to_owned())
        },
    ),
];

fn candidates(request: &Request<'_>) -> Option<String> {
    number(request.candidates.as_ref())
}

fn format(request: &Request<'_>) -> Option<String> {
    match request.output_format.as_ref()? {
        OutputFormat::Text => None,
        OutputFormat::JsonObject => Some("object".to_owned()),
        OutputFormat::JsonSchema { schema, .. } => {
            Some(format!("schema {}", schema.get().to_lowercase().contains("\"town\"")))
        }
        OutputFormat::Opaque(raw) => Some(raw.get().to_owned()),
    }
}

/// Effort, or the effort that a budget stands for: budgets and efforts translate into each other.
fn effort(request: &Request<'_>) -> Option<String> {
    let config = request.reasoning.as_ref()?;
    let budget = config.budget.as_ref().and_then(Num::as_u64).map(Effort::from_budget);
    config.effort.or(budget).map(|effort| effort.as_openai().to_owned())
}

fn thinking_off(request: &Request<'_>) -> Option<String> {
    let config = request.reasoning.as_ref()?;
    let none = config.effort == Some(Effort::None) || config.budget.as_ref().and_then(Num::as_u64) == Some(0);
    (config.enabled == Some(false) || none).then(|| "off".to_owned())
}

fn shown(request: &Request<'_>) -> Option<String> {
    request.reasoning.as_ref()?.visible.map(|visible| visible.to_string())
}

fn thoughts(request: &Request<'_>) -> Option<String> {
    blocks(request).find_map(|(_, block)| match &block.kind {
        BlockKind::Reasoning(thought) => Some(joined(&thought.text)),
        _ => None,
    })
}

fn strictly(request: &Request<'_>) -> Option<String> {
    match request.output_format.as_ref()? {
        OutputFormat::JsonSchema { strict, .. } => strict.map(|strict| strict.to_string()),
        _ => None,
    }
}
