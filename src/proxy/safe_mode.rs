//! Safe mode among the requests: what the configuration says of it, and who is told when it changes.

use super::settings::ms;
use crate::breaker::safe_mode::{SafeMode, Settings};
use crate::config::Config;

/// The states at the start; each change is a line of the log.
pub(super) fn new(config: &Config) -> SafeMode {
    let mode = SafeMode::new(settings(config));
    mode.on_change(Box::new(|change| {
        let (scope, why) = (change.scope.as_str(), change.why);
        if change.active {
            tracing::warn!(scope, why, "safe mode is on: requests go to the upstream of last resort first");
        } else {
            tracing::info!(scope, why, "safe mode is off: requests go their normal way");
        }
    }));
    mode
}

/// What is configured.
pub(super) fn settings(config: &Config) -> Settings {
    let safe_mode = &config.resilience.safe_mode;
    Settings {
        fallback: safe_mode.upstream.clone(),
        model: safe_mode.model.clone(),
        failures: safe_mode.failures,
        within_ms: ms(safe_mode.within),
        check_every_ms: ms(safe_mode.check_every),
        successes: safe_mode.successes,
        upstreams: config.upstreams.iter().map(|upstream| upstream.id.clone()).collect(),
    }
}
