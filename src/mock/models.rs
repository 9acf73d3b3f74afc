//! The lists of models.

use super::dialect::Dialect;
use serde_json::{Value, json};

const OPENAI: [&str; 5] = ["gpt-5", "gpt-5-mini", "gpt-4o", "gpt-4o-mini", "o4-mini"];
const ANTHROPIC: [&str; 3] = ["claude-opus-4-5-20251101", "claude-sonnet-4-5-20250929", "claude-haiku-4-5-20251001"];
const GEMINI: [&str; 4] = ["gemini-3-pro-preview", "gemini-3-flash-preview", "gemini-2.5-pro", "gemini-2.5-flash"];
const CREATED: i64 = 1_715_367_049;

/// The list.
pub(crate) fn list(dialect: Dialect) -> Value {
    let of = |ids: &[&str]| ids.iter().map(|id| one(dialect, id)).collect::<Vec<_>>();
    match dialect {
        Dialect::Chat | Dialect::Responses => json!({"object": "list", "data": of(&OPENAI)}),
        Dialect::Anthropic => json!({
            "data": of(&ANTHROPIC), "has_more": false, "first_id": ANTHROPIC.first(), "last_id": ANTHROPIC.last(),
        }),
        Dialect::Gemini => json!({"models": of(&GEMINI)}),
    }
}

/// One model; every name exists, as the simulator answers every name.
pub(crate) fn one(dialect: Dialect, id: &str) -> Value {
    match dialect {
        Dialect::Chat | Dialect::Responses => {
            json!({"id": id, "object": "model", "created": CREATED, "owned_by": "system"})
        }
        Dialect::Anthropic => {
            json!({"type": "model", "id": id, "display_name": id, "created_at": "2025-11-01T00:00:00Z"})
        }
        Dialect::Gemini => json!({
            "name": format!("models/{}", id.strip_prefix("models/").unwrap_or(id)), "version": "001", "displayName": id,
            "description": "A simulated model", "inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536,
            "supportedGenerationMethods": ["generateContent", "countTokens"], "temperature": 1, "topP": 0.95, "topK": 64,
            "maxTemperature": 2, "thinking": true,
        }),
    }
}
