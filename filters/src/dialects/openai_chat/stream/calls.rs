//! Tool calls put together from deltas.
//!
//! OpenAI says index, id and name once and then only arguments. Others leave the index out (Mistral), give all parallel
//! calls the index 0 (Gemini's compatible endpoint), repeat id and name in every chunk or send an empty id (Alibaba),
//! or say the id after the name. So a delta belongs to the last call of its index, unless it brings both another id
//! and a name; the first id and the first name that are not empty count; a call begins when it has both.

use crate::ir::ToolUseKind;
use crate::json::Str;

/// Bytes of arguments kept for a call that has no id or name yet; then it begins with a made id, or is given up.
const PENDING_BYTES_MAX: usize = 1024 * 1024;
/// Calls of one choice; providers cap them at 128.
const CALLS_MAX: usize = 1024;

/// One piece of a call as the wire says it.
pub(super) struct Piece<'a> {
    pub index: Option<u32>,
    pub id: Option<Str<'a>>,
    pub name: Option<Str<'a>>,
    pub input: Option<Str<'a>>,
    pub kind: ToolUseKind,
}

/// The calls of one choice.
#[derive(Debug, Default)]
pub(super) struct Calls {
    list: Vec<Call>,
}

/// A call so far.
#[derive(Debug)]
pub(super) struct Call {
    index: Option<u32>,
    pub id: String,
    pub name: String,
    pub kind: ToolUseKind,
    /// Input that came before the call could begin.
    pub pending: String,
    /// Number of its block, once it has begun.
    pub block: Option<u32>,
}

/// What a piece means for the stream.
pub(super) enum Step<'c, 'a> {
    /// Nothing yet.
    Wait,
    /// The call can begin now; its first input is `pending`.
    Begin(&'c mut Call),
    /// More input of a call that has begun.
    More(u32, Str<'a>),
}

impl Calls {
    /// Takes one piece.
    pub(super) fn push<'a>(&mut self, piece: Piece<'a>, made_id: impl Fn(usize) -> String) -> Step<'_, 'a> {
        let id = piece.id.filter(|id| !id.is_empty());
        let name = piece.name.filter(|name| !name.is_empty());
        let input = piece.input.filter(|input| !input.is_empty());
        // wire 24: a piece that says nothing opens nothing.
        if id.is_none() && name.is_none() && input.is_none() {
            return Step::Wait;
        }
        let at = match self.find(piece.index, id.as_deref(), name.is_some()) {
            Some(at) => at,
            None if self.list.len() >= CALLS_MAX => return Step::Wait,
            None => {
                self.list.push(Call {
                    index: piece.index,
                    id: String::new(),
                    name: String::new(),
                    kind: piece.kind,
                    pending: String::new(),
                    block: None,
                });
                self.list.len() - 1
            }
        };
        let Some(call) = self.list.get_mut(at) else { return Step::Wait };
        if let Some(block) = call.block {
            return input.map_or(Step::Wait, |input| Step::More(block, input));
        }
        if let (true, Some(id)) = (call.id.is_empty(), id) {
            id.as_str().clone_into(&mut call.id);
        }
        if let (true, Some(name)) = (call.name.is_empty(), name) {
            name.as_str().clone_into(&mut call.name);
            call.kind = piece.kind;
        }
        if let Some(input) =
            input.filter(|input| call.pending.len() + input.len() <= PENDING_BYTES_MAX || !call.name.is_empty())
        {
            call.pending.push_str(&input);
        }
        if call.id.is_empty() && !call.name.is_empty() && call.pending.len() > PENDING_BYTES_MAX {
            call.id = made_id(at);
        }
        if call.id.is_empty() || call.name.is_empty() { Step::Wait } else { Step::Begin(call) }
    }

    fn find(&self, index: Option<u32>, id: Option<&str>, named: bool) -> Option<usize> {
        let at = match (index, id) {
            (Some(_), _) => self.list.iter().rposition(|call| call.index == index)?,
            (None, Some(id)) => {
                return self.list.iter().position(|call| call.id == id).or_else(|| {
                    // The id of the last call, come late; a name with it begins another call.
                    let last = self.list.len().checked_sub(1)?;
                    self.list.get(last).is_some_and(|call| call.id.is_empty() && !named).then_some(last)
                });
            }
            (None, None) if named => return None,
            (None, None) => return self.list.len().checked_sub(1),
        };
        let other = |call: &Call| id.is_some_and(|id| !call.id.is_empty() && call.id != id) && named;
        if self.list.get(at).is_some_and(other) {
            return id.and_then(|id| self.list.iter().position(|call| call.index == index && call.id == id));
        }
        Some(at)
    }

    /// The calls that never got an id, ready to begin with a made one. Calls without a name are left out: nobody could
    /// run them.
    pub(super) fn late(&mut self, made_id: impl Fn(usize) -> String) -> impl Iterator<Item = &mut Call> {
        self.list.iter_mut().enumerate().filter(|(_, call)| call.block.is_none() && !call.name.is_empty()).map(
            move |(at, call)| {
                if call.id.is_empty() {
                    call.id = made_id(at);
                }
                call
            },
        )
    }

    /// The block of the call `id`, once it has begun.
    pub(super) fn block_of(&self, id: &str) -> Option<u32> {
        self.list.iter().find(|call| call.id == id)?.block
    }

    /// Whether a call has begun.
    pub(super) fn any_begun(&self) -> bool {
        self.list.iter().any(|call| call.block.is_some())
    }

    /// Whether arguments came for a call that nobody named.
    pub(super) fn any_nameless(&self) -> bool {
        self.list.iter().any(|call| call.name.is_empty())
    }
}
