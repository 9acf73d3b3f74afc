//! Which of two answers is the client's.

use tokio::sync::watch;

/// One of the two requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that was sent at once.
    First,
    /// The one that was sent because the first was slow.
    Second,
}

/// A race of two requests for one client. The first to have content wins it, once and for all.
#[derive(Debug)]
pub struct Race(watch::Sender<Standing>);

#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    winner: Option<Side>,
    /// The first has failed: the second is all that is left.
    first_failed: bool,
    /// The client has left, or it is too late.
    over: bool,
}

impl Default for Race {
    fn default() -> Self {
        Race(watch::Sender::new(Standing::default()))
    }
}

impl Race {
    /// `side` has content. `true`: it is the client's, now or since before.
    pub fn wins(&self, side: Side) -> bool {
        self.0.send_if_modified(|standing| {
            let open = standing.winner.is_none() && !standing.over;
            if open {
                standing.winner = Some(side);
            }
            open
        });
        self.0.borrow().winner == Some(side)
    }

    /// Whether the other one has won.
    pub fn is_lost(&self, side: Side) -> bool {
        self.0.borrow().winner.is_some_and(|winner| winner != side)
    }

    /// The first has failed for good.
    pub fn first_failed(&self) {
        self.0.send_modify(|standing| standing.first_failed = true);
    }

    /// Nobody waits for the second any more, unless it has won and is being read.
    pub fn end(&self) {
        self.0.send_modify(|standing| standing.over = true);
    }

    /// Waits until the other one has won, or nobody waits any more.
    pub async fn lost(&self, side: Side) {
        self.until(|standing| standing.over || standing.winner.is_some_and(|winner| winner != side)).await;
    }

    /// Waits until sending the second has no sense any more.
    pub async fn settled_without_second(&self) {
        self.until(|standing| standing.over || standing.first_failed || standing.winner.is_some()).await;
    }

    async fn until(&self, reached: impl Fn(&Standing) -> bool) {
        // The sender is `self`: it does not go away.
        let _ = self.0.subscribe().wait_for(|standing| reached(standing)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_wins_for_good() {
        let race = Race::default();
        assert!(race.wins(Side::Second) && race.wins(Side::Second));
        assert!(!race.wins(Side::First) && race.is_lost(Side::First) && !race.is_lost(Side::Second));
        race.lost(Side::First).await;
    }

    #[tokio::test]
    async fn who_is_not_waited_for_cannot_win() {
        let race = Race::default();
        race.end();
        assert!(!race.wins(Side::Second));
        race.lost(Side::Second).await;
        race.settled_without_second().await;
    }
}
