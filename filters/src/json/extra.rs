//! Members that the gateway has no name for.

use super::{Raw, Str};

/// Members of an object that no field took, in the order they came. They travel on when the target speaks the same
/// dialect, and are reported as losses when it does not.
///
/// A known member whose value was `null` is kept here too, so that it can be written again as it came.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Extra<'a>(pub Vec<(Str<'a>, Raw<'a>)>);

impl<'a> Extra<'a> {
    /// Whether nothing was left over.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of `key`, `null` included.
    pub fn get(&self, key: &str) -> Option<&Raw<'a>> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Removes and returns the value of `key`.
    pub fn take(&mut self, key: &str) -> Option<Raw<'a>> {
        let at = self.0.iter().position(|(name, _)| name == key)?;
        Some(self.0.remove(at).1)
    }

    /// Adds a member.
    pub fn push(&mut self, key: impl Into<Str<'a>>, value: Raw<'a>) {
        self.0.push((key.into(), value));
    }

    /// Members in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Raw<'a>)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Whether a member is a decoder's own note (its name begins with NUL) and not the client's: it is neither written
    /// nor lost.
    pub fn is_private(key: &str) -> bool {
        key.starts_with('\0')
    }

    /// Detaches the members from the body they were read from.
    pub fn into_owned(self) -> Extra<'static> {
        Extra(self.0.into_iter().map(|(key, value)| (key.into_owned(), value.into_owned())).collect())
    }
}
