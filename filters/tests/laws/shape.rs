//! The shape that `Event` promises, and that `Guard` and `OneOpen` must give for anything.

use std::collections::BTreeMap;

use interlingua_filters::ir::Event;
use interlingua_filters::ir::stream::{Delta, Guard, OneOpen};
use interlingua_filters::json::Str;
use proptest::prelude::*;

use crate::generate::garbage;

/// Fails the test at the first event out of place.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    seen: usize,
    started: bool,
    open: BTreeMap<u32, u32>,
    used: Vec<u32>,
    choices: BTreeMap<u32, bool>,
    pub(crate) terminals: usize,
}

impl Shape {
    pub(crate) fn see(&mut self, event: &Event<'_>) {
        assert_eq!(self.terminals, 0, "an event after the terminal: {event:?}");
        self.seen += 1;
        match event {
            Event::Start { .. } => assert!(!std::mem::replace(&mut self.started, true), "two starts"),
            Event::Ping => {}
            Event::Error(_) => self.terminals += 1,
            _ => assert!(self.started, "{event:?} before the start"),
        }
        match event {
            Event::BlockStart { index, choice, .. } => {
                assert!(!self.used.contains(index), "block {index} begins twice");
                assert_ne!(self.choices.insert(*choice, false), Some(true), "choice {choice} goes on after its finish");
                self.used.push(*index);
                self.open.insert(*index, *choice);
            }
            Event::Delta { index, .. } => assert!(self.open.contains_key(index), "a delta of closed block {index}"),
            Event::BlockStop { index } => assert!(self.open.remove(index).is_some(), "a stop of closed block {index}"),
            Event::Finish { choice, .. } => {
                assert!(!self.open.values().any(|of| of == choice), "choice {choice} ends with an open block");
                assert_ne!(self.choices.insert(*choice, true), Some(true), "choice {choice} ends twice");
            }
            Event::End => {
                self.terminals += 1;
                assert!(self.open.is_empty() && !self.choices.is_empty(), "the end leaves something open");
                assert!(self.choices.values().all(|finished| *finished), "a choice without a finish");
            }
            Event::Start { .. } | Event::Usage(_) | Event::Ping | Event::Error(_) => {}
        }
    }
}

fn guarded(events: Vec<Event<'static>>) -> Vec<Event<'static>> {
    let (mut guard, mut out) = (Guard::default(), Vec::new());
    for event in events {
        guard.push(event, &mut |event| out.push(owned(event)));
    }
    guard.finish(&mut |event| out.push(owned(event)));
    assert!(guard.ended());
    out
}

pub(crate) fn owned(event: Event<'_>) -> Event<'static> {
    match event {
        Event::Start { id, model } => Event::Start { id: id.map(Str::into_owned), model: model.map(Str::into_owned) },
        Event::BlockStart { index, choice, block } => Event::BlockStart { index, choice, block: block.into_owned() },
        Event::Delta { index, delta } => Event::Delta { index, delta: delta.into_owned() },
        Event::BlockStop { index } => Event::BlockStop { index },
        Event::Usage(usage) => Event::Usage(usage.into_owned()),
        Event::Finish { choice, stop, stop_sequence, note } => Event::Finish {
            choice,
            stop,
            stop_sequence: stop_sequence.map(Str::into_owned),
            note: note.map(Str::into_owned),
        },
        Event::End => Event::End,
        Event::Error(error) => Event::Error(error),
        Event::Ping => Event::Ping,
    }
}

/// The blocks of choice 0 in the order they began: what each one is, and its deltas as one text.
fn blocks(events: &[Event<'_>]) -> Vec<(u32, String)> {
    let mut found: Vec<(u32, String)> = Vec::new();
    for event in events {
        match event {
            Event::BlockStart { index, choice: 0, block } => found.push((*index, format!("{block:?}:"))),
            Event::Delta { index, delta: Delta::Text(text) | Delta::Input(text) } => {
                if let Some((_, block)) = found.iter_mut().find(|(at, _)| at == index) {
                    block.push_str(text);
                }
            }
            _ => {}
        }
    }
    found
}

proptest! {
    #[test]
    fn guard_gives_the_promised_shape_for_any_events(events in garbage()) {
        let mut shape = Shape::default();
        for event in guarded(events) {
            shape.see(&event);
        }
        prop_assert_eq!(shape.terminals, 1);
    }

    #[test]
    fn guard_passes_what_it_gave_unchanged(events in garbage()) {
        let once = guarded(events);
        prop_assert_eq!(format!("{:?}", guarded(once.clone())), format!("{once:?}"));
    }

    #[test]
    fn one_open_has_one_open_block_and_loses_nothing_of_choice_0(events in garbage()) {
        let events = guarded(events);
        let (mut one_open, mut out) = (OneOpen::default(), Vec::new());
        for event in events.clone() {
            one_open.push(event, &mut |event| out.push(owned(event)));
        }
        let (mut open, mut begun) = (None, 0);
        for event in &out {
            match event {
                Event::BlockStart { index, choice, .. } => {
                    prop_assert_eq!((open, *index, *choice), (None, begun, 0));
                    open = Some(*index);
                    begun += 1;
                }
                Event::Delta { index, .. } => prop_assert_eq!(open, Some(*index)),
                Event::BlockStop { index } => {
                    prop_assert_eq!(open, Some(*index));
                    open = None;
                }
                Event::Finish { choice, .. } => prop_assert_eq!((open, *choice), (None, 0)),
                Event::End => prop_assert_eq!(open, None),
                _ => {}
            }
        }
        let text = |events: &[Event<'_>]| -> Vec<String> { blocks(events).into_iter().map(|(_, text)| text).collect() };
        let (before, after) = (text(&events), text(&out));
        if matches!(out.last(), Some(Event::End)) {
            prop_assert_eq!(before, after);
        } else {
            // Broken off: what waited is gone, what was shown is the beginning.
            prop_assert!(before.len() >= after.len());
            prop_assert!(before.iter().zip(&after).all(|(before, after)| before == after));
        }
    }
}
