//! What happens as time passes: the controller and the thresholds move ten times a second, fair
//! shares once a second, and windows, days and secrets as they end.

use super::facts::{Lane, Now};
use super::keyed::Domain;
use super::number::{real, small};
use super::rank::Shares;
use super::threshold::Budget;
use super::{State, limits};
use crate::limits as bounds;

/// When what was last done, and what was counted since.
pub(super) struct Turns {
    turned_us: u64,
    windowed_us: u64,
    reshared_s: u64,
    /// Turns in a row with too much, with clearly too much, and with clearly little enough.
    over: u32,
    clearly: u32,
    under: u32,
    /// What refusals and challenges cost since the last turn, and their mean, in ns per second.
    pub(super) overhead_ns: u64,
    overhead: f64,
    turned: u32,
}

impl Turns {
    pub(super) const fn new(now: Now) -> Self {
        Self {
            turned_us: now.us,
            windowed_us: now.us,
            reshared_s: now.unix_s,
            over: 0,
            clearly: 0,
            under: 0,
            overhead_ns: 0,
            overhead: 0.0,
            turned: 0,
        }
    }
}

/// Part of the capacity that is given out however much refusing costs.
const LEFT_LEAST: f64 = 0.2;
/// Between two resharings of the queue's networks, in s.
const RESHARE_S: u64 = 60;

impl State {
    /// Lets time pass. To be called when [`Self::until_tick_us`] has passed; late calls are made up
    /// for by one turn: a stall of the machine is nobody's fault.
    pub fn tick(&mut self, now: Now) {
        self.flow.ticked(now.us);
        self.flow_on(now);
        let passed_us = now.us.saturating_sub(self.turns.turned_us);
        if passed_us >= limits::TURN_US {
            let late = passed_us >= 2 * limits::TURN_US;
            self.turns.turned_us =
                if late { now.us } else { self.turns.turned_us + limits::TURN_US };
            self.turn(now);
        }
        self.flow.expect_tick(now.us + self.until_tick_us());
    }

    /// How long after a tick the next one is due, in us.
    #[must_use]
    pub const fn until_tick_us(&self) -> u64 {
        let ms = if self.pressed { bounds::GATE_TICK_PRESSED_MS } else { bounds::GATE_TICK_MS };
        ms * 1_000
    }

    fn turn(&mut self, now: Now) {
        let seconds = real(limits::TURN_US) / 1e6;
        let overhead = real(std::mem::take(&mut self.turns.overhead_ns)) / seconds;
        self.turns.overhead += (overhead - self.turns.overhead) * 0.3;
        self.weigh(now);
        self.flow.turn(self.pressed, now.us);
        let capacity = self.flow.capacity();
        let all = (capacity - self.turns.overhead).max(capacity * LEFT_LEAST);
        let challenges = limits::CHALLENGE_SHARE * capacity / real(limits::CHALLENGE_NS);
        self.ranks.turn(Budget { all, challenges });
        let shed = if self.pressed { 1.0 - self.ranks.admitted_fraction() } else { 0.0 };
        self.ladder.turn(shed);
        self.legitimacy.turn(now.us, now.unix_s, self.pressed);
        self.turns.turned = self.turns.turned.wrapping_add(1);
        if self.turns.turned.is_multiple_of(10) {
            self.share_out(all);
            self.offenders.turn(now.unix_s);
            self.history.turn(now.unix_s / 86_400);
        }
        self.end_windows(now);
    }

    /// Whether there is pressure.
    fn weigh(&mut self, now: Now) {
        let (capacity, offered) = (self.flow.capacity(), self.ranks.offered_in_a_second());
        let queued_ms = real(self.queue.cost_ns()) / capacity * 1_000.0;
        let clearly = offered > capacity * limits::CLEARLY;
        let over = clearly
            || queued_ms > limits::DEPTH_KNOWN_MS
            || self.flow.delay_ms() > limits::BEHIND_MS;
        self.turns.over = if over { self.turns.over.saturating_add(1) } else { 0 };
        self.turns.clearly = if clearly { self.turns.clearly.saturating_add(1) } else { 0 };
        let under = offered < capacity * limits::RELIEF.0 && self.queue.is_empty();
        self.turns.under = if under { self.turns.under.saturating_add(1) } else { 0 };
        if self.turns.over >= limits::TURNS_TO_PRESS
            || self.turns.clearly >= limits::TURNS_CLEARLY_TO_PRESS
            || queued_ms > limits::QUEUED_TO_PRESS_MS
        {
            self.press(now);
        } else if self.pressed && self.turns.under >= limits::RELIEF.1 {
            self.pressed = false;
        }
    }

    /// Pressure is on.
    pub(super) fn press(&mut self, now: Now) {
        if !self.pressed {
            self.pressed = true;
            self.pressed_since_s = now.unix_s;
            let (known, strangers) = (limits::QUEUE_WAIT_KNOWN_US.1, limits::QUEUE_WAIT_US.1);
            self.queue.hurry(now.us + known, now.us + strangers);
        }
        self.turns.under = 0;
    }

    /// Fair shares of what there is.
    fn share_out(&mut self, all: f64) {
        let known = self.ranks.offered(Lane::Known);
        let strangers = (all - known).max(all * limits::FLOOR_STRANGERS);
        let hosts = (self.active.addresses.estimate(), self.active.networks.estimate());
        self.shares = Shares::of(all, strangers, self.active.members.estimate(), hosts);
    }

    fn end_windows(&mut self, now: Now) {
        if now.us.saturating_sub(self.turns.windowed_us) >= limits::CONSUMPTION_WINDOW_US {
            self.turns.windowed_us = now.us;
            self.active.members.turn();
            self.active.addresses.turn();
            self.active.networks.turn();
            self.top.fade();
        }
        if now.unix_s.saturating_sub(self.turns.reshared_s) >= RESHARE_S {
            self.turns.reshared_s = now.unix_s;
            let salt = self.key.hash(Domain::Tie, now.unix_s, u64::from(small(now.us)));
            self.queue.reshare(salt);
        }
    }
}
