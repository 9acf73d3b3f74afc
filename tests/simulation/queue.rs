//! Waiting in line: the product's own steps, under the virtual clock.

use interlingua::pool::{Lease, Millis, Unavailable};

use super::line_steps::{Entered, Patience, Turned};
use super::walk::{Gateway, PATIENCE_MS, Walk};

/// A place in a line.
pub(crate) struct Stand {
    stand: super::line_steps::Stand,
    /// The account that alone will do.
    pub(crate) own: Option<String>,
    until: u64,
}

/// What comes of a look.
pub(crate) enum Found {
    Lease(Lease),
    Wait(u64),
    None(Unavailable),
}

impl Gateway {
    /// `wait::lease` up to where it sleeps.
    pub(crate) fn enter(
        &mut self,
        walk: &mut Walk,
        own: Option<String>,
        until: u64,
        now: u64,
        woken: &mut Vec<u64>,
    ) -> Found {
        let patience = patience(walk, until);
        let entered = self.ask(walk, own.as_deref(), now, |ask| {
            self.queue.enter(&self.registry, ask, &patience, walk.arrival, Millis(now))
        });
        match entered {
            Entered::Served(lease) => Found::Lease(lease),
            Entered::Refused(why) => Found::None(why),
            Entered::Stands(stand) => {
                walk.stand = Some(Stand { stand, own, until });
                self.on_turn(walk, false, now, woken)
            }
        }
    }

    /// One round of its loop. `timer`: the time that it waited for has come.
    pub(crate) fn on_turn(&mut self, walk: &mut Walk, timer: bool, now: u64, woken: &mut Vec<u64>) -> Found {
        let mut stand = walk.stand.take().expect("it stands in line");
        let patience = patience(walk, stand.until);
        let turned = self.ask(walk, stand.own.as_deref(), now, |ask| {
            self.queue.turn(&self.registry, ask, &patience, &mut stand.stand, timer, Millis(now))
        });
        let (found, served) = match turned {
            Turned::Served(lease) => (Found::Lease(lease), Some(Millis(now))),
            Turned::Refused(why) => (Found::None(why), None),
            Turned::Waits(until, next) => {
                woken.extend(next);
                walk.stand = Some(stand);
                return Found::Wait(until.0.max(now));
            }
        };
        woken.extend(self.queue.leave(&stand.stand, served));
        found
    }
}

fn patience(walk: &Walk, until: u64) -> Patience {
    Patience { until: Millis(until), whole_ms: PATIENCE_MS, timed: true, arrival: walk.arrival, model: 1 }
}
