//! What OpenAI's models refuse, by their names. Names of other makers' models are refused nothing.

/// The name without a provider before it.
fn bare(model: &str) -> &str {
    model.rsplit('/').next().unwrap_or(model)
}

/// Models that reason, and take no `temperature`, no `top_p`, and in Chat no penalties and no stop sequences (o-series and
/// gpt-5, its chat variants apart).
pub fn refuses_sampling(model: &str) -> bool {
    let name = bare(model);
    let o_series = name.strip_prefix('o').is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
    o_series || name.starts_with("codex-") || (name.starts_with("gpt-5") && !name.contains("chat"))
}

/// Models that reason and still take stop sequences: the first small ones.
pub fn takes_stops(model: &str) -> bool {
    let name = bare(model);
    !refuses_sampling(model) || name.starts_with("o1") || name.starts_with("o3-mini")
}

/// Models that answer a wish for reasoning with an error.
pub fn never_reasons(model: &str) -> bool {
    let name = bare(model);
    ["gpt-3", "gpt-4", "chatgpt-", "gpt-5-chat"].iter().any(|prefix| name.starts_with(prefix))
}
