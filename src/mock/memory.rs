//! What a provider remembers between requests: cached prefixes, stored responses, calls that it signed. All bounded.

use super::view::Step;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;

/// Cached prefixes, over all keys.
const PREFIXES_MAX: usize = 65_536;
/// Stored responses.
const RESPONSES_MAX: usize = 4_096;
/// Bytes of stored responses with their inputs.
const RESPONSES_BYTES_MAX: usize = 64 << 20;
/// Signed calls.
const CALLS_MAX: usize = 65_536;

/// A set that forgets its oldest members.
#[derive(Debug)]
pub(crate) struct RecentSet<T> {
    members: HashSet<T>,
    order: VecDeque<T>,
    max: usize,
}

impl<T: Hash + Eq + Copy> RecentSet<T> {
    fn new(max: usize) -> Self {
        Self { members: HashSet::new(), order: VecDeque::new(), max }
    }

    pub(crate) fn insert(&mut self, member: T) {
        if self.members.insert(member) {
            self.order.push_back(member);
        }
        if self.order.len() > self.max
            && let Some(oldest) = self.order.pop_front()
        {
            self.members.remove(&oldest);
        }
    }

    pub(crate) fn contains(&self, member: &T) -> bool {
        self.members.contains(member)
    }
}

/// A stored response: whose it is, and the items up to and with it.
#[derive(Clone, Debug)]
struct Stored {
    key: String,
    items: Vec<Value>,
    bytes: usize,
}

/// Everything that is remembered.
#[derive(Debug)]
pub(crate) struct Memory {
    prefixes: RecentSet<[u8; 32]>,
    responses: HashMap<String, Stored>,
    response_order: VecDeque<String>,
    response_bytes: usize,
    /// Ids of stored items.
    items: HashSet<String>,
    calls: RecentSet<[u8; 32]>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            prefixes: RecentSet::new(PREFIXES_MAX),
            responses: HashMap::new(),
            response_order: VecDeque::new(),
            response_bytes: 0,
            items: HashSet::new(),
            calls: RecentSet::new(CALLS_MAX),
        }
    }
}

impl Memory {
    /// Tokens of the longest prefix that this key sent before, and (for each step) the running sum; remembers the prompt.
    ///
    /// With `marked`, only prefixes up to a cache mark are read and written (Anthropic); without, every prefix is
    /// (OpenAI, Gemini), and at least one token stays uncached.
    pub(crate) fn prefix(&mut self, key: &str, steps: &[Step], marked: bool) -> Cached {
        let mut hash = Sha256::new();
        hash.update(key.as_bytes());
        let (mut sum, mut cached) = (0, Cached::default());
        let mut fresh = Vec::new();
        let last_mark = steps.iter().rposition(|step| step.mark.is_some());
        for (at, step) in steps.iter().enumerate() {
            hash.update(step.digest);
            sum += step.tokens;
            let usable = if marked { last_mark.is_some_and(|last| at <= last) } else { true };
            if !usable {
                break;
            }
            let prefix: [u8; 32] = hash.clone().finalize().into();
            if self.prefixes.contains(&prefix) {
                cached.read = sum;
            } else {
                fresh.push((prefix, step.mark));
            }
            if marked {
                cached.write = sum.saturating_sub(cached.read);
                cached.hour = step.mark.unwrap_or(cached.hour);
            }
        }
        for (prefix, _) in fresh {
            self.prefixes.insert(prefix);
        }
        if !marked {
            cached.read = cached.read.min(sum.saturating_sub(1));
        }
        cached
    }

    /// Stores a response with the items that led to it.
    pub(crate) fn store(&mut self, id: &str, key: &str, items: Vec<Value>) {
        let bytes = items.iter().map(|item| item.to_string().len()).sum();
        for item in items.iter().filter_map(|item| item["id"].as_str()) {
            if self.items.len() < CALLS_MAX {
                self.items.insert(item.to_owned());
            }
        }
        self.response_bytes += bytes;
        self.responses.insert(id.to_owned(), Stored { key: key.to_owned(), items, bytes });
        self.response_order.push_back(id.to_owned());
        while self.response_order.len() > RESPONSES_MAX || self.response_bytes > RESPONSES_BYTES_MAX {
            let Some(oldest) = self.response_order.pop_front() else { break };
            if let Some(gone) = self.responses.remove(&oldest) {
                self.response_bytes = self.response_bytes.saturating_sub(gone.bytes);
                gone.items.iter().filter_map(|item| item["id"].as_str()).for_each(|id| {
                    self.items.remove(id);
                });
            }
        }
    }

    /// The items of a stored response; another key's response is not found.
    pub(crate) fn stored(&self, id: &str, key: &str) -> Option<&[Value]> {
        self.responses.get(id).filter(|stored| stored.key == key).map(|stored| stored.items.as_slice())
    }

    /// Whether an item of this id is stored.
    pub(crate) fn has_item(&self, id: &str) -> bool {
        self.items.contains(id)
    }

    /// Remembers that a call was signed here.
    pub(crate) fn signed_call(&mut self, digest: [u8; 32]) {
        self.calls.insert(digest);
    }

    /// Whether a call was signed here.
    pub(crate) fn is_signed_call(&self, digest: &[u8; 32]) -> bool {
        self.calls.contains(digest)
    }
}

/// What the prompt cache did for a request, in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cached {
    pub(crate) read: u64,
    pub(crate) write: u64,
    /// The write is for an hour.
    pub(crate) hour: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn step(n: u8, mark: Option<bool>) -> Step {
        Step { digest: [n; 32], tokens: 10, mark }
    }

    #[test]
    fn a_prefix_is_cached_for_its_key_only() {
        let mut memory = Memory::default();
        let prompt = [step(1, None), step(2, None)];
        assert_eq!(memory.prefix("a", &prompt, false).read, 0);
        assert_eq!(memory.prefix("a", &[step(1, None), step(3, None)], false).read, 10);
        assert_eq!(memory.prefix("a", &prompt, false).read, 19);
        assert_eq!(memory.prefix("b", &prompt, false).read, 0);
    }

    #[test]
    fn anthropic_caches_up_to_the_last_mark() {
        let mut memory = Memory::default();
        let prompt = [step(1, None), step(2, Some(true)), step(3, None)];
        assert_eq!(memory.prefix("a", &prompt, true), Cached { read: 0, write: 20, hour: true });
        assert_eq!(memory.prefix("a", &prompt, true), Cached { read: 20, write: 0, hour: true });
        assert_eq!(memory.prefix("a", &[step(1, None)], true), Cached::default());
    }

    #[test]
    fn wire_052_a_response_belongs_to_its_key() {
        let mut memory = Memory::default();
        memory.store("resp_1", "a", vec![json!({"id": "rs_1"})]);
        assert!(memory.stored("resp_1", "a").is_some() && memory.has_item("rs_1"));
        assert!(memory.stored("resp_1", "b").is_none());
        for n in 0..RESPONSES_MAX {
            memory.store(&format!("r{n}"), "a", Vec::new());
        }
        assert!(memory.stored("resp_1", "a").is_none() && !memory.has_item("rs_1"));
    }
}
