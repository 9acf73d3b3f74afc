//! Keepsakes back into a request.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::place::place;
use super::{Custody, Keepsake};
use crate::Dialect;
use crate::ir::{Block, BlockKind, Request, Role, Signature, Turn};
use crate::json::Str;

/// Calls of one request that are looked up; a conversation with more has its oldest ones left alone.
const CALLS_MAX: usize = 4096;

/// The keepsakes of a request's calls, by the turn and the block where the call stands.
#[derive(Debug, Default)]
pub(crate) struct Found(HashMap<(usize, usize), Arc<Keepsake>>);

impl Found {
    /// Number of calls that get something back.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Looks up what the client lost of `upstream`'s seals. Turns that carry any of them are left alone: a client that
/// carries seals knows them better than the gateway.
pub(crate) fn look_up(request: &Request<'_>, upstream: Dialect, custody: &dyn Custody) -> Found {
    let mut found = Found::default();
    let mut taken: Vec<&str> = Vec::new();
    let mut asked = 0;
    // From the end: of two calls with one id the later one is the one that was kept.
    for run in runs(&request.turns).into_iter().rev() {
        let turns = request.turns.get(run.clone()).unwrap_or_default();
        if turns.iter().flat_map(|turn| &turn.blocks).any(|block| is_sealed_by(block, upstream)) {
            continue;
        }
        for (at, turn) in run.zip(turns).rev() {
            for (place, block) in turn.blocks.iter().enumerate().rev() {
                let BlockKind::ToolUse(call) = &block.kind else { continue };
                asked += 1;
                if asked > CALLS_MAX {
                    return found;
                }
                let keepsake = custody.keepsake(&call.id).filter(|keepsake| {
                    keepsake.issuer == upstream && call.name == *keepsake.tool && !taken.contains(&call.id.as_str())
                });
                if let Some(keepsake) = keepsake {
                    taken.push(&call.id);
                    found.0.insert((at, place), keepsake);
                }
            }
        }
    }
    found
}

/// Puts everything that was found back into its place.
pub(crate) fn restore<'a>(request: &mut Request<'a>, found: &'a Found) {
    if found.0.is_empty() {
        return;
    }
    let spoke: Vec<bool> = request.turns.iter().map(|turn| !turn.blocks.is_empty()).collect();
    for run in runs(&request.turns) {
        let touched = found.0.keys().any(|(turn, _)| run.contains(turn));
        if let Some(turns) = request.turns.get_mut(run.clone()).filter(|_| touched) {
            restore_run(turns, run.start, found);
        }
    }
    // A turn that held nothing but the words of a thought would be an empty message.
    let mut spoke = spoke.into_iter();
    request.turns.retain(|turn| !(spoke.next().unwrap_or(false) && turn.blocks.is_empty()));
}

/// A block, and the turn of the run that it stands in.
pub(super) type Standing<'a> = (usize, Block<'a>);

fn restore_run<'a>(turns: &mut [Turn<'a>], start: usize, found: &'a Found) {
    let mut done: Vec<Standing<'a>> = Vec::new();
    let mut stretch: Vec<Standing<'a>> = Vec::new();
    let mut last: Option<(usize, &'a Keepsake)> = None;
    for (at, turn) in turns.iter_mut().enumerate() {
        for (place_of, mut block) in std::mem::take(&mut turn.blocks).into_iter().enumerate() {
            if !matches!(block.kind, BlockKind::ToolUse(_)) {
                stretch.push((at, block));
                continue;
            }
            last = found.0.get(&(start + at, place_of)).map(|keepsake| (at, &**keepsake));
            if let Some((_, keepsake)) = last {
                place(&mut stretch, &keepsake.before, keepsake.issuer, at);
                let seal = keepsake.seal.as_deref();
                block.signature =
                    seal.map(|seal| Signature { issuer: keepsake.issuer, value: Str::from(seal) }).or(block.signature);
            }
            done.append(&mut stretch);
            done.push((at, block));
        }
    }
    if let Some((at, keepsake)) = last {
        place(&mut stretch, &keepsake.after, keepsake.issuer, at);
    }
    done.append(&mut stretch);
    for (at, block) in done {
        if let Some(turn) = turns.get_mut(at) {
            turn.blocks.push(block);
        }
    }
}

/// The stretches of turns in which the model speaks alone: one answer each, in as many turns as its dialect makes of it.
fn runs(turns: &[Turn<'_>]) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let mut start = 0;
    for group in turns.chunk_by(|left, right| left.role == right.role) {
        let end = start + group.len();
        if group.first().is_some_and(|turn| turn.role == Role::Assistant) {
            runs.push(start..end);
        }
        start = end;
    }
    runs
}

fn is_sealed_by(block: &Block<'_>, issuer: Dialect) -> bool {
    block.signature.as_ref().is_some_and(|seal| seal.issuer == issuer && !seal.value.is_empty())
}
