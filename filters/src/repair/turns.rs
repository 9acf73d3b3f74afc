//! Turns that a target wants merged.

use crate::ir::{Role, Turn};

/// Groups consecutive turns of the same side, for targets where roles must alternate (Anthropic, Gemini): user and tool
/// turns are one side, assistant turns the other. System and developer turns are groups of their own.
///
/// Only slices are made: blocks stay untouched and in order, so signatures stay with their blocks.
pub fn sides<'t, 'a>(turns: &'t [Turn<'a>]) -> impl Iterator<Item = &'t [Turn<'a>]> {
    turns.chunk_by(|left, right| side(left.role) == side(right.role))
}

fn side(role: Role) -> u8 {
    match role {
        Role::System | Role::Developer => 0,
        Role::User | Role::Tool => 1,
        Role::Assistant => 2,
    }
}
