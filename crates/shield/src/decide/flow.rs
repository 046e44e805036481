//! How much work the machine takes, and how much it has in hand. Work that is admitted flows into
//! a *virtual queue* that drains at the capacity; so the depth is known at once, where a measured
//! delay comes after the fact. A machine is never as fast as it says, and others may take from it
//! at any moment, so what is measured corrects what was told, in three ways:
//!
//! - at once: a tick that is overdue waits for the core behind work, so there is at least so much
//!   in hand as it is late, and little is taken in until it has come;
//! - with the second tick that is late by much: the core was busy for as long, so what was done
//!   since the tick before is what it does, where that is clearly less than was thought. The
//!   second, since a machine that was asleep for once, or a clock that was set, is late just so;
//! - for the rest: a PI controller on the delay.
//!
//! Why not AIMD or CoDel alone: both react to a delay that an attack has already caused, and both
//! oscillate under identical requests (measured by others; `sim` shows ours does not).

use super::number::real;
use crate::limits::decide as limits;

const US: f64 = 1_000_000.0;
const NS_PER_MS: f64 = 1_000_000.0;

/// The virtual queue and its controller.
pub(super) struct Flow {
    /// Work that the machine was said to do, in ns per second.
    stated_ns_per_s: f64,
    /// What the controller makes of it.
    trim: f64,
    /// Admitted and not yet drained, in ns.
    backlog_ns: f64,
    /// What may be taken in for turning others away, in ns.
    room_ns: f64,
    drained_us: u64,
    /// When the last tick came and the next one is due, how long that has been away, and what was
    /// taken in since it was due.
    ticked_us: u64,
    due_us: u64,
    overdue_ms: f64,
    since_due_ns: f64,
    turned_us: u64,
    error: f64,
    /// Sum and number of the delays heard since the last turn, and the mean of the turn before.
    heard: (f64, u32),
    delay_ms: f64,
    /// The longest delay since the last tick.
    longest_ms: f64,
    /// Work done since the last tick and the last turn, in ns; and what is done in peace, in ns per
    /// second.
    done_ns: f64,
    done_turn_ns: f64,
    proven: f64,
    /// When a tick last said that less is done than was thought, and how much was done then, in ns
    /// per second.
    suspected: Option<(u64, f64)>,
}

impl Flow {
    pub(super) fn new(stated_ns_per_s: u64, now_us: u64) -> Self {
        Self {
            stated_ns_per_s: real(stated_ns_per_s.max(1)),
            trim: 1.0,
            backlog_ns: 0.0,
            room_ns: 0.0,
            drained_us: now_us,
            ticked_us: now_us,
            due_us: now_us + crate::limits::GATE_TICK_MS * 1_000,
            overdue_ms: 0.0,
            since_due_ns: 0.0,
            turned_us: now_us,
            error: 0.0,
            heard: (0.0, 0),
            delay_ms: 0.0,
            longest_ms: 0.0,
            done_ns: 0.0,
            done_turn_ns: 0.0,
            proven: 0.0,
            suspected: None,
        }
    }

    /// Work that the machine does, in ns per second.
    pub(super) fn capacity(&self) -> f64 {
        self.stated_ns_per_s * self.trim
    }

    /// What the controller makes of the stated capacity.
    pub(super) fn trim(&self) -> f64 {
        self.trim
    }

    /// Lets time pass; answers the work done in it, in ns, at most a second's.
    #[inline]
    pub(super) fn drain(&mut self, now_us: u64) -> f64 {
        let passed = real(now_us.saturating_sub(self.drained_us)).min(US) / US;
        self.drained_us = self.drained_us.max(now_us);
        let work = passed * self.capacity();
        self.backlog_ns = (self.backlog_ns - work).max(0.0);
        self.overdue_ms = self.overdue_ms(now_us);
        let most = limits::REFUSALS_SAVED_MS / 1_000.0 * self.capacity();
        self.room_ns = (self.room_ns + limits::REFUSALS_SHARE * work).min(most);
        work
    }

    /// Takes work in.
    #[inline]
    pub(super) fn admit(&mut self, cost_ns: u64) {
        self.backlog_ns += real(cost_ns);
        if self.overdue_ms > 0.0 {
            self.since_due_ns += real(cost_ns);
        }
    }

    /// Takes in what it costs to turn somebody away, up to a share of the capacity: however many
    /// are refused, there is room for who is served, and a flood leaves no debt. If refusals are
    /// more than the machine can do beside that, the measured delay says so.
    #[inline]
    pub(super) fn take_refusal(&mut self, cost_ns: u64) {
        let taken = real(cost_ns).min(self.room_ns);
        self.room_ns -= taken;
        self.backlog_ns += taken;
        self.done_ns += taken;
    }

    /// Corrects what was taken in for what it turned out to be, now that it is done.
    pub(super) fn correct(&mut self, estimate_ns: u64, cost_ns: u64) {
        self.done_ns += real(cost_ns);
        self.backlog_ns = (self.backlog_ns + real(cost_ns) - real(estimate_ns)).max(0.0);
    }

    /// How long the work in hand takes, in ms.
    #[inline]
    pub(super) fn depth_ms(&self) -> f64 {
        (self.backlog_ns / NS_PER_MS * US * 1_000.0 / self.capacity())
            .max(self.overdue_ms - limits::OVERDUE_MS)
    }

    /// Hears how long a piece of admitted work waited before it ran.
    pub(super) fn hear(&mut self, delay_us: u64) {
        let delay_ms = real(delay_us) / 1_000.0;
        self.heard.0 += delay_ms;
        self.heard.1 = self.heard.1.saturating_add(1);
        self.longest_ms = self.longest_ms.max(delay_ms);
    }

    /// When the next tick is due.
    pub(super) const fn expect_tick(&mut self, due_us: u64) {
        (self.due_us, self.overdue_ms, self.since_due_ns) = (due_us, 0.0, 0.0);
    }

    /// A tick has come.
    pub(super) fn ticked(&mut self, now_us: u64) {
        let passed_us = real(now_us.saturating_sub(self.ticked_us).max(1));
        // The core may have been idle before the tick was due: on average for half of that time.
        let idle_us = real(self.due_us.saturating_sub(self.ticked_us)) / 2.0;
        self.ticked_us = now_us;
        // It stood behind all that was in hand when it was due.
        if self.overdue_ms(now_us) > limits::OVERDUE_MS {
            self.backlog_ns = self.backlog_ns.min(self.since_due_ns);
        }
        let done_ns = std::mem::take(&mut self.done_ns);
        self.done_turn_ns += done_ns;
        let rate = done_ns * US / (passed_us - idle_us).max(idle_us).max(1.0);
        let longest_ms = std::mem::take(&mut self.longest_ms);
        if longest_ms >= limits::BEHIND_MS && rate < self.capacity() * limits::BEHIND {
            self.suspect(now_us, rate);
        }
    }

    /// Less was done than was thought, while the core was busy or asleep. Once may be chance.
    fn suspect(&mut self, now_us: u64, rate: f64) {
        let before = self.suspected.replace((now_us, rate));
        let recent = before.filter(|(at_us, _)| now_us <= at_us + limits::SUSPECTED_US);
        let Some((_, earlier)) = recent else { return };
        let found = rate.max(earlier) / self.stated_ns_per_s;
        if found >= limits::TRIM.0 {
            self.trim = found.max(self.proven()).min(self.trim);
        }
    }

    /// What the capacity is at least, in parts of what was told: what was done in peace, and some.
    fn proven(&self) -> f64 {
        (self.proven / self.stated_ns_per_s * limits::PROVEN).clamp(limits::TRIM.0, 1.0)
    }

    /// How long the tick that is due has been away, in ms: it waits for the core behind all that is
    /// in hand. One that stays away for long says nothing.
    #[inline]
    fn overdue_ms(&self, now_us: u64) -> f64 {
        let overdue_ms = real(now_us.saturating_sub(self.due_us)) / 1_000.0;
        if overdue_ms < limits::TICK_GONE_MS { overdue_ms } else { 0.0 }
    }

    /// Mean delay of the last turn, in ms.
    pub(super) fn delay_ms(&self) -> f64 {
        self.delay_ms
    }

    /// One turn of the controller.
    pub(super) fn turn(&mut self, pressed: bool, now_us: u64) {
        let (sum, count) = std::mem::take(&mut self.heard);
        let passed_us = now_us.saturating_sub(self.turned_us).max(limits::TURN_US);
        self.turned_us = now_us;
        let done = std::mem::take(&mut self.done_turn_ns) * US / real(passed_us);
        if count > 0 {
            self.delay_ms = sum / f64::from(count);
        } else if !pressed {
            self.delay_ms = 0.0;
        }
        if !pressed && self.delay_ms < limits::DELAY_TARGET_MS {
            self.proven += (done - self.proven) * PROVEN_NEW;
        }
        let idle = self.delay_ms < limits::DELAY_TARGET_MS / 4.0;
        // Nothing heard is no evidence for anything; and in peace a core that is on time, none that
        // it is slow: else two stalls in a row would have people refused long after them.
        if !pressed || count == 0 {
            let is_on_time = self.delay_ms < limits::DELAY_TARGET_MS;
            self.trim += (1.0 - self.trim) * if is_on_time { RELAX } else { 0.0 };
            if !pressed {
                self.trim = self.trim.max(self.proven());
            }
            self.error = 0.0;
        } else {
            self.steer(idle, done > self.capacity() * limits::ASKED);
        }
    }

    /// Moves the capacity by the delay.
    fn steer(&mut self, idle: bool, asked: bool) {
        let target = limits::DELAY_TARGET_MS;
        let error = ((target - self.delay_ms) / target).clamp(-limits::ERROR_MAX, 1.0);
        let seconds = real(limits::TURN_US) / US;
        let mut step = limits::GAIN_PROPORTIONAL * (error - self.error)
            + limits::GAIN_INTEGRAL * error * seconds;
        // Less than it was told, and it could do more: whoever took from the core has let go.
        if self.trim < 1.0 && idle {
            step = step.max(limits::GAIN_FREED);
        }
        // That little waits where little is asked says nothing of what could be done: else between
        // the pulses of an attack it would forget what it found in them.
        if !asked {
            step = step.min(0.0);
        }
        self.trim = (self.trim * step.exp()).clamp(limits::TRIM.0, limits::TRIM.1);
        self.error = error;
    }
}

/// How much of a turn is new in the mean of what is done in peace: its memory is some five seconds.
const PROVEN_NEW: f64 = 0.02;
/// How much of what was found is forgotten in a turn of peace.
const RELAX: f64 = 0.02;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;
    const TICK_US: u64 = crate::limits::GATE_TICK_MS * 1_000;

    impl Flow {
        /// A tick so late.
        fn tick(&mut self, late_us: u64) {
            let now_us = self.due_us + late_us;
            self.hear(late_us);
            self.ticked(now_us);
            self.drain(now_us);
            self.expect_tick(now_us + TICK_US);
        }

        /// Work that is admitted at one moment and has been done at another, before a tick so late.
        fn does(&mut self, ms: u64, late_ms: u64) {
            self.admit(ms * 1_000_000);
            self.correct(ms * 1_000_000, ms * 1_000_000);
            self.tick(late_ms * 1_000);
        }
    }

    #[test]
    fn work_drains_at_the_capacity() {
        let mut flow = Flow::new(SECOND_NS, 0);
        flow.admit(20_000_000);
        assert!((flow.depth_ms() - 20.0).abs() < 1e-6);
        flow.drain(7_500);
        assert!((flow.depth_ms() - 12.5).abs() < 1e-6);
        flow.correct(1_000_000, 3_000_000);
        assert!((flow.depth_ms() - 14.5).abs() < 1e-6);
        flow.tick(0);
        flow.drain(20_000);
        assert!((flow.depth_ms() - 2.0).abs() < 1e-6);
        flow.drain(15_000);
        assert!((flow.depth_ms() - 2.0).abs() < 1e-6, "a clock that goes back is ignored");
    }

    #[test]
    fn a_tick_that_does_not_come_stands_for_work_in_hand_until_it_has_come() {
        let mut flow = Flow::new(SECOND_NS, 0);
        flow.drain(TICK_US + 2_000);
        assert!(flow.depth_ms() < 1e-6, "timers are not so exact");
        flow.drain(TICK_US + 23_000);
        assert!((flow.depth_ms() - 20.0).abs() < 1e-6);
        flow.admit(4_000_000);
        flow.tick(30_000);
        // What was admitted while it was due may stand behind it; the rest is done.
        assert!((0.0..=4.0).contains(&flow.depth_ms()), "{}", flow.depth_ms());
        flow.drain(10 * SECOND_NS / 1_000);
        assert!(flow.depth_ms() < 1e-6, "who gave the ticks has gone");
    }

    #[test]
    fn two_late_ticks_find_what_the_machine_does() {
        let mut flow = Flow::new(SECOND_NS, 0);
        (0..100).for_each(|_| flow.does(1, 0));
        // A fifth of the core: ten ms of work come 40 ms late.
        flow.does(10, 40);
        assert!(flow.trim() > 0.99, "the first may be chance");
        flow.does(10, 40);
        assert!((0.18..0.28).contains(&flow.trim()), "{}", flow.trim());
    }

    #[test]
    fn a_machine_that_sleeps_now_and_then_is_not_held_for_slow() {
        for slept_ms in [30, 300, 3_000, 86_400_000] {
            let mut flow = Flow::new(SECOND_NS, 0);
            for tick in 0..2_000 {
                let asleep = tick % 150 == 0;
                // Then it catches up, and is late with that, but not slow.
                let (done_ms, late_ms) = if asleep { (3, slept_ms) } else { (5, 0) };
                flow.does(done_ms, late_ms);
                if asleep {
                    flow.does(35, 30);
                }
                assert!(flow.depth_ms() < 40.0 && flow.trim() > 0.99, "{slept_ms}: {tick}");
            }
        }
    }

    #[test]
    fn however_slow_a_machine_seems_it_does_what_it_did_in_peace() {
        let mut flow = Flow::new(SECOND_NS, 0);
        for turn in 1..=300_u64 {
            (0..10).for_each(|_| flow.does(5, 0));
            flow.turn(false, turn * limits::TURN_US);
        }
        (0..5).for_each(|_| flow.does(4, 60));
        assert!((0.5..0.7).contains(&flow.trim()), "{}", flow.trim());
    }

    #[test]
    fn after_stalls_in_peace_a_machine_that_is_on_time_is_believed_again() {
        let mut flow = Flow::new(SECOND_NS, 0);
        (0..5).for_each(|_| flow.does(4, 60));
        assert!(flow.trim() < 0.5, "{}", flow.trim());
        for turn in 1..=300_u64 {
            flow.hear(2_000);
            flow.turn(false, 1_000_000 + turn * limits::TURN_US);
        }
        assert!(flow.trim() > 0.99, "{}", flow.trim());
    }

    #[test]
    fn however_many_are_refused_there_is_room_for_who_is_served() {
        let mut flow = Flow::new(SECOND_NS, 0);
        let tick = |flow: &mut Flow, ms: u64| {
            flow.drain(ms * 1_000);
            if ms.is_multiple_of(10) {
                flow.ticked(ms * 1_000);
                flow.expect_tick((ms + 10) * 1_000);
            }
            (0..1_000).for_each(|_| flow.take_refusal(10_000));
        };
        // Ten times what the machine does, for ten seconds.
        for ms in 1..=10_000 {
            tick(&mut flow, ms);
            assert!(flow.depth_ms() < limits::DEPTH_SPARE_MS, "{ms}: {}", flow.depth_ms());
        }
        // And who is served still waits for what is taken in beside.
        flow.admit(10_000_000);
        (10_001..=10_010).for_each(|ms| tick(&mut flow, ms));
        assert!((flow.depth_ms() - 5.5).abs() < 0.6, "{}", flow.depth_ms());
    }

    /// A machine of another speed than stated, under as much work as the flow lets it have.
    #[track_caller]
    fn settles(speed: f64) {
        let mut flow = Flow::new(SECOND_NS, 0);
        let (mut waiting_ms, mut trims) = (0.0_f64, Vec::new());
        for turn in 1..=1_200_u64 {
            let admitted_ms = flow.capacity() * 0.1 / NS_PER_MS;
            waiting_ms += admitted_ms / speed;
            let done_ms = waiting_ms.min(100.0) * speed;
            waiting_ms = (waiting_ms - 100.0).max(0.0);
            flow.done_turn_ns = done_ms * NS_PER_MS;
            flow.hear(crate::decide::number::whole(waiting_ms * 1_000.0));
            flow.turn(true, turn * limits::TURN_US);
            if turn > 900 {
                trims.push(flow.trim());
            }
        }
        let (least, most) =
            trims.iter().fold((9.0_f64, 0.0_f64), |(a, b), trim| (a.min(*trim), b.max(*trim)));
        assert!((least / speed - 1.0).abs() < 0.1, "{speed}: {least}..{most}");
        assert!((most / speed - 1.0).abs() < 0.1, "{speed}: {least}..{most}");
    }

    #[test]
    fn the_controller_finds_the_speed_of_the_machine() {
        for speed in [0.5, 0.8, 1.0, 1.2] {
            settles(speed);
        }
    }

    #[test]
    fn in_peace_it_goes_back_to_what_it_was_told() {
        let mut flow = Flow::new(SECOND_NS, 0);
        for turn in 1..=100 {
            flow.hear(100_000);
            flow.turn(true, turn * limits::TURN_US);
        }
        assert!(flow.trim() < 0.7);
        (101..500).for_each(|turn| flow.turn(false, turn * limits::TURN_US));
        assert!(flow.trim() > 0.99);
    }
}
