//! What generations of models do differently.

/// A generation of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Before 2.5, and models that do not think: no `thinkingConfig`.
    Plain,
    /// 2.5: `thinkingBudget`.
    TwoFive,
    /// 3 and later: `thinkingLevel`, and calls in the history need a seal.
    Three,
    /// Names that say nothing (`gemini-flash-latest`, tuned models): they get what all thinking models take.
    Unknown,
}

impl Family {
    /// The generation of a model, by its name with or without `models/` or `publishers/…/models/`.
    pub(super) fn of(model: &str) -> Self {
        let name = model.rsplit('/').next().unwrap_or(model);
        let Some(rest) = name.strip_prefix("gemini-") else { return Family::Unknown };
        let number: String = rest.chars().take_while(|letter| letter.is_ascii_digit() || *letter == '.').collect();
        match number.parse::<f32>() {
            Ok(version) if version >= 3.0 => Family::Three,
            Ok(version) if version >= 2.5 => Family::TwoFive,
            Ok(_) => Family::Plain,
            Err(_) => Family::Unknown,
        }
    }
}
