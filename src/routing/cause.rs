//! Why a request goes on to a fallback, and which failures mean that.

use std::fmt;

use crate::limits::Reason;

/// Why a step could not serve a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// All accounts are at a limit or busy.
    Limits,
    /// The request is too long for the model.
    ContextLength,
    /// The provider blocked the prompt, or held the whole answer back.
    ContentPolicy,
    /// The provider is in trouble or cannot be reached, or no account can be used there.
    Unavailable,
}

impl Cause {
    /// All of them.
    pub const ALL: [Cause; 4] = [Cause::Limits, Cause::ContextLength, Cause::ContentPolicy, Cause::Unavailable];

    /// The name in the configuration, in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Limits => "limits",
            Cause::ContextLength => "context_length",
            Cause::ContentPolicy => "content_policy",
            Cause::Unavailable => "unavailable",
        }
    }

    /// Whether it is about the request itself: then no other account of the step can help, and if no fallback is for it
    /// the caller hears of it at once.
    pub fn is_about_request(self) -> bool {
        matches!(self, Cause::ContextLength | Cause::ContentPolicy)
    }

    /// The cause of a failure. The one table; `None` is the request's own fault, which no fallback mends.
    pub fn of(reason: Reason) -> Option<Self> {
        match reason {
            Reason::RateLimit
            | Reason::QuotaExhausted
            | Reason::QuotaProtected
            | Reason::SpendLimit
            | Reason::OverOwnLimit
            | Reason::NotEntitled => Some(Cause::Limits),
            Reason::ContextLength => Some(Cause::ContextLength),
            Reason::ContentPolicy => Some(Cause::ContentPolicy),
            // The way, the provider, or the accounts themselves: nobody there who could serve.
            Reason::Dns
            | Reason::Connect
            | Reason::Proxy
            | Reason::Tls
            | Reason::Reset
            | Reason::NoAnswer
            | Reason::Truncated
            | Reason::EmptyAnswer
            | Reason::Malformed
            | Reason::KeyInvalid
            | Reason::Region
            | Reason::Billing
            | Reason::AccountDisabled
            | Reason::OperatorNeeded
            | Reason::Unauthorized
            | Reason::Capacity
            | Reason::Overloaded
            | Reason::ModelMissing
            | Reason::Forbidden
            | Reason::EndpointMissing
            | Reason::Conflict
            | Reason::Cancelled
            | Reason::Unavailable
            | Reason::ProviderTimeout
            | Reason::ProviderError
            | Reason::Unexpected
            | Reason::Manual => Some(Cause::Unavailable),
            Reason::Signature | Reason::TooLarge | Reason::ObjectMissing | Reason::BadRequest => None,
        }
    }
}

/// A set of causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Causes(u8);

impl Causes {
    /// No cause.
    pub const NONE: Causes = Causes(0);
    /// Every cause.
    pub const ALL: Causes = Causes(0b1111);
    /// What a fallback is for that names none.
    pub const USUAL: Causes = Causes(1 << Cause::Limits as u8 | 1 << Cause::Unavailable as u8);

    /// These and one more.
    #[must_use]
    pub fn with(self, cause: Cause) -> Self {
        Causes(self.0 | 1 << cause as u8)
    }

    /// Whether `cause` is among them.
    pub fn has(self, cause: Cause) -> bool {
        self.0 & 1 << cause as u8 != 0
    }

    /// Whether both have a cause.
    pub fn meets(self, other: Causes) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl Default for Causes {
    fn default() -> Self {
        Causes::NONE
    }
}

impl FromIterator<Cause> for Causes {
    fn from_iter<I: IntoIterator<Item = Cause>>(causes: I) -> Self {
        causes.into_iter().fold(Causes::NONE, Causes::with)
    }
}

impl fmt::Display for Causes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = Cause::ALL.into_iter().filter(|cause| self.has(*cause)).map(Cause::name).collect();
        f.write_str(&names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{Defaults, Fault, Retry, classify};

    #[test]
    fn sets_hold_what_was_put_in() {
        for cause in Cause::ALL {
            let one = Causes::NONE.with(cause);
            assert!(Cause::ALL.into_iter().all(|other| one.has(other) == (other == cause)));
            assert!(Causes::ALL.meets(one) && !Causes::NONE.meets(one));
        }
        assert_eq!(Causes::ALL, Cause::ALL.into_iter().collect());
        assert_eq!(Causes::USUAL.to_string(), "limits, unavailable");
    }

    #[test]
    fn what_another_account_may_mend_has_a_cause_and_what_is_wrong_everywhere_has_none() {
        let names: Vec<&str> = Reason::NAMES
            .iter()
            .filter(|(reason, _)| Cause::of(*reason).is_none_or(Cause::is_about_request))
            .map(|(_, name)| *name)
            .collect();
        assert_eq!(
            names,
            ["signature", "context_length", "content_policy", "too_large", "object_missing", "bad_request"]
        );
        for status in 400..600 {
            let failure =
                classify(interlingua_filters::Dialect::OpenAiChat, Some(status), None, None, None, &Defaults::OFF);
            let stops = failure.retry == Retry::No;
            assert_eq!(stops, Cause::of(failure.reason).is_none_or(Cause::is_about_request), "{status}");
            assert!(!stops || failure.fault == Fault::Client, "{status}");
        }
    }
}
