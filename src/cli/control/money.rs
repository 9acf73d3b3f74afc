//! Money and large numbers for people.

/// Millionths of a US dollar, with four digits behind the point; what is less than half of the last one, but not nothing,
/// is said to be so.
pub(super) fn usd(microusd: u64) -> String {
    if (1..50).contains(&microusd) {
        return "<$0.0001".to_owned();
    }
    let rounded = microusd.saturating_add(50) / 100;
    format!("${}.{:04}", count(rounded / 10_000), rounded % 10_000)
}

/// A number with its thousands apart.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_has_four_digits_and_thousands_are_apart() {
        let cases = [
            (0, "$0.0000"),
            (1, "<$0.0001"),
            (50, "$0.0001"),
            (123_450, "$0.1235"),
            (999_999, "$1.0000"),
            (1_234_567_890_000, "$1,234,567.8900"),
        ];
        for (microusd, text) in cases {
            assert_eq!(usd(microusd), text);
        }
        assert_eq!(
            ["0", "999", "1,000", "12,345,678"],
            [0, 999, 1_000, 12_345_678].map(count).each_ref().map(String::as_str)
        );
    }
}
