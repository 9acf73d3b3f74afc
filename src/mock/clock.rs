//! Wall-clock readings in the forms that the providers print.

use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// Seconds since the epoch.
pub(crate) fn epoch_seconds() -> i64 {
    Timestamp::now().as_second()
}

/// RFC 3339 in whole seconds, `wait` from now, as `anthropic-ratelimit-*-reset` has it.
pub(crate) fn rfc3339_in(wait: Duration) -> String {
    let later = SignedDuration::try_from(wait).ok().and_then(|wait| Timestamp::now().checked_add(wait).ok());
    let at = later.unwrap_or_else(Timestamp::now).as_second();
    Timestamp::from_second(at).map_or_else(|_| "2026-01-01T00:00:00Z".into(), |at| at.to_string())
}

/// A duration as `x-ratelimit-reset-*` has it: `120ms`, `2s`, `1.5s`, `6m0s`, `1h0m0s`.
pub(crate) fn go_duration(wait: Duration) -> String {
    let millis = wait.as_millis();
    if millis < 1000 {
        return format!("{millis}ms");
    }
    let (seconds, rest) = (wait.as_secs(), wait.subsec_millis());
    let tail = if rest == 0 {
        format!("{}s", seconds % 60)
    } else {
        format!("{}.{rest:03}s", seconds % 60).replace("00s", "s").replace("0s", "s")
    };
    match (seconds / 3600, seconds / 60 % 60) {
        (0, 0) => tail,
        (0, minutes) => format!("{minutes}m{tail}"),
        (hours, minutes) => format!("{hours}h{minutes}m{tail}"),
    }
}

/// Whole seconds, rounded up, at least one: the form of `retry-after`.
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1000).max(1) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_129_reset_durations_have_the_forms_of_openai() {
        for (millis, text) in [(120, "120ms"), (2000, "2s"), (360_000, "6m0s"), (3_600_000, "1h0m0s"), (1500, "1.5s")] {
            assert_eq!(go_duration(Duration::from_millis(millis)), text);
        }
        assert_eq!(go_duration(Duration::from_millis(10_050)), "10.05s");
        assert_eq!(whole_seconds(Duration::from_millis(1001)), 2);
    }
}
