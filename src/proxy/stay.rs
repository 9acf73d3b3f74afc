//! Whether a conversation waits for the account that has its prompt cache, or moves: a decision about money, pure.
//!
//! Elsewhere the prompt is read anew, at the full price; here the client waits. Both have a price, so they compare: the
//! tokens times what they cost more without a cache, against minutes times what a minute is worth to the operator.

use interlingua_filters::profiles::Profile;

use crate::config::{Move, MoveRule};

/// Milliseconds of a minute.
const MINUTE_MS: u128 = 60_000;

/// What reading a prompt anew costs more, in millionths of a US dollar: by the model's prices if both are known.
pub(super) fn cold_microusd(tokens: u64, profile: &Profile, moving: &Move) -> u64 {
    let of_model = profile.price_input.zip(profile.price_cached).map(|(input, cached)| {
        // Dollars for a million tokens are millionths of a dollar for one token.
        ((input - cached).max(0.0) * 1_000_000.0) as u64
    });
    let million = of_model.unwrap_or(moving.cold_million_microusd);
    u64::try_from(u128::from(tokens) * u128::from(million) / 1_000_000).unwrap_or(u64::MAX)
}

/// How long to wait for the account at most, in milliseconds; 0: the conversation moves at once.
///
/// `known_ms` is how long it takes, where that is known: an account that opens too late is not waited for at all.
pub(super) fn wait_ms(moving: &Move, cold_microusd: u64, known_ms: Option<u64>, patience_ms: u64) -> u64 {
    let worth = match moving.rule {
        MoveRule::AtOnce => 0,
        MoveRule::Never => u128::MAX,
        MoveRule::ByPrice => u128::from(cold_microusd) * MINUTE_MS / u128::from(moving.minute_microusd.max(1)),
    };
    let most = u64::try_from(worth).unwrap_or(u64::MAX).min(patience_ms);
    if known_ms.is_some_and(|known| known > most) { 0 } else { most }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moving(rule: MoveRule) -> Move {
        Move { rule, minute_microusd: 500_000, cold_million_microusd: 2_500_000 }
    }

    #[test]
    fn the_models_own_prices_count_and_else_the_operators() {
        let priced = Profile { price_input: Some(5.0), price_cached: Some(0.5), ..Profile::default() };
        let by_price = moving(MoveRule::ByPrice);
        assert_eq!(cold_microusd(100_000, &priced, &by_price), 450_000);
        assert_eq!(cold_microusd(100_000, &Profile::default(), &by_price), 250_000);
        let half = Profile { price_input: Some(5.0), ..Profile::default() };
        assert_eq!(cold_microusd(100_000, &half, &by_price), 250_000, "one price says nothing of the difference");
        let odd = Profile { price_input: Some(1.0), price_cached: Some(2.0), ..Profile::default() };
        assert_eq!(cold_microusd(u64::MAX, &odd, &by_price), 0);
    }

    #[test]
    fn lesson_9_short_waits_keep_the_cache_and_long_ones_move() {
        let by_price = moving(MoveRule::ByPrice);
        // A quarter of a dollar is worth half a minute at fifty cents a minute.
        assert_eq!(wait_ms(&by_price, 250_000, None, 60_000), 30_000);
        assert_eq!(wait_ms(&by_price, 250_000, Some(30_000), 60_000), 30_000);
        assert_eq!(wait_ms(&by_price, 250_000, Some(30_001), 60_000), 0, "it would not be worth the wait");
        assert_eq!(wait_ms(&by_price, 250_000, None, 10_000), 10_000, "never beyond the patience");
        assert_eq!(wait_ms(&by_price, 250_000, Some(10_001), 10_000), 0);
        assert_eq!(wait_ms(&by_price, 0, None, 10_000), 0, "nothing is lost by moving");
    }

    #[test]
    fn the_rule_can_be_set() {
        assert_eq!(wait_ms(&moving(MoveRule::AtOnce), u64::MAX, Some(1), 10_000), 0);
        assert_eq!(wait_ms(&moving(MoveRule::Never), 0, Some(9_999), 10_000), 10_000);
        assert_eq!(wait_ms(&moving(MoveRule::Never), 0, Some(10_001), 10_000), 0);
    }
}
