//! What people do to an execution that is under way, or has failed.

use super::turn::Turn;
use super::{Command, Pause, Phase, Place, RunIx, RunState, TokenId, Via, Wait, outstanding};

impl Turn<'_> {
    /// Nothing new begins from now on.
    pub(super) fn paused(&mut self, by: Option<String>) {
        self.next.paused = Some(Pause { by, at: self.at });
    }

    /// It goes on: what was held back begins.
    pub(super) fn resumed(&mut self) {
        self.next.paused = None;
        let held = outstanding(&self.next).into_iter().filter(Command::begins_something);
        self.commands.extend(held);
    }

    /// A failed execution tries its failed steps again, and goes on where it was stopped; what is finished stays as it is. Attempts count
    /// on, but those before no longer count against `retries`.
    pub(super) fn retried(&mut self) {
        self.next.phase = Phase::Running;
        self.next.ended_at = None;
        // It takes its place again, whether or not there is one: somebody wants it to go on.
        self.commands.extend(self.next.limited.is_some().then_some(Command::TakePlace));
        self.set_deadline();
        let places: Vec<(TokenId, Place)> = self.next.tokens.iter().map(|(id, token)| (id, token.place)).collect();
        let mut containers = Vec::new();
        for (token, place) in places {
            match place {
                Place::In(run) if self.reopen(run) => containers.push(run),
                Place::In(run) => self.activate(token, run),
                // Its workflow's limit could not be told.
                Place::Bound { via: Via::Start, .. } if self.next.limited.is_none() && self.is_held(token) => {}
                Place::Bound { .. } => self.arrivals.push_back(token),
                Place::At { .. } | Place::Held { .. } => {}
            }
            if self.next.phase != Phase::Running {
                return;
            }
        }
        for run in containers {
            self.fill(run);
        }
    }

    /// A run under way when the execution failed may be tried again. True: it has iterations or branches inside, which go on.
    fn reopen(&mut self, run: RunIx) -> bool {
        let Some(reopened) = self.run_mut(run) else { return false };
        reopened.ended_at = None;
        reopened.failure = None;
        let has_inside = matches!(reopened.wait.as_deref(), Some(Wait::Iterations(_) | Wait::Branches(_)));
        if has_inside {
            reopened.state = RunState::Waiting;
        } else {
            reopened.attempts_forgiven = reopened.attempts;
            reopened.attempts += 1;
            reopened.wait = None;
        }
        has_inside
    }
}
