//! Seals that a provider puts on what its model said, and their transport through clients of another dialect.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use crate::Dialect;
use crate::json::Str;

/// Every carried seal starts with this, so that the gateway knows its own on the way back.
const MARK: &str = "interlingua.v1.";
/// [`MARK`] in base64: 15 bytes are 20 characters exactly, so it can be seen without decoding.
const MARK_BASE64: &str = "aW50ZXJsaW5ndWEudjEu";

/// A thinking signature, thought signature or encrypted reasoning, with the dialect whose provider can read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature<'a> {
    /// Whose it is. A foreign one is never sent to a provider.
    pub issuer: Dialect,
    /// The seal as the issuer wrote it.
    pub value: Str<'a>,
}

impl<'a> Signature<'a> {
    /// Reads what stands in a signature slot of `dialect`: the provider's own seal, or one that [`Self::carried`]
    /// wrapped for the way through the client.
    pub fn from_slot(dialect: Dialect, slot: Str<'a>) -> Self {
        if slot.starts_with(MARK_BASE64) {
            let decoded = STANDARD.decode(slot.as_bytes()).or_else(|_| URL_SAFE.decode(slot.as_bytes()));
            if let Some(found) =
                decoded.ok().and_then(|bytes| String::from_utf8(bytes).ok()).and_then(|text| unwrap(&text))
            {
                return found;
            }
        }
        Signature { issuer: dialect, value: slot }
    }

    /// The text for a signature slot of `dialect`: the seal itself when `dialect` issued it, else wrapped with its
    /// issuer's name. Always base64 when wrapped, because Gemini's SDKs decode the slot.
    pub fn carried(&self, dialect: Dialect) -> Str<'_> {
        if self.issuer == dialect {
            return self.value.reborrow();
        }
        Str::from(STANDARD.encode(format!("{MARK}{}.{}", self.issuer.name(), self.value)))
    }

    /// The seal, if the provider of `dialect` can read it.
    pub fn for_provider(&self, dialect: Dialect) -> Option<&str> {
        (self.issuer == dialect).then_some(self.value.as_str())
    }

    /// Whether `body` holds a carried seal anywhere: such a body must not be spliced through unread.
    pub fn is_carried_in(body: &[u8]) -> bool {
        memchr::memmem::find(body, MARK_BASE64.as_bytes()).is_some()
    }

    /// Detaches the seal from the body it was read from.
    pub fn into_owned(self) -> Signature<'static> {
        Signature { issuer: self.issuer, value: self.value.into_owned() }
    }
}

fn unwrap(text: &str) -> Option<Signature<'static>> {
    let (issuer, value) = text.strip_prefix(MARK)?.split_once('.')?;
    Some(Signature { issuer: Dialect::parse(issuer)?, value: Str::from(value.to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_carried_seal_returns_to_its_issuer() {
        for issuer in Dialect::ALL {
            let seal = Signature { issuer, value: Str::from("Eq+/=_-\u{e9}") };
            for through in Dialect::ALL {
                let slot = seal.carried(through).into_owned();
                assert_eq!(Signature::is_carried_in(slot.as_bytes()), issuer != through);
                assert_eq!(Signature::from_slot(through, slot), seal);
            }
        }
    }
}
