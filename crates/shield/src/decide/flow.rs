//! How much work the machine takes, and how much it has in hand. Work that is admitted flows into
//! a *virtual queue* that drains at the capacity; so the depth is known at once, where a measured
//! delay comes after the fact. A PI controller on the measured queueing delay of admitted work
//! corrects the capacity that it was told, for a machine is never as fast as it says.
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
    error: f64,
    /// Sum and number of the delays reported since the last turn, and the mean of the turn before.
    reported: (f64, u32),
    delay_ms: f64,
}

impl Flow {
    pub(super) fn new(stated_ns_per_s: u64, now_us: u64) -> Self {
        Self {
            stated_ns_per_s: real(stated_ns_per_s.max(1)),
            trim: 1.0,
            backlog_ns: 0.0,
            room_ns: 0.0,
            drained_us: now_us,
            error: 0.0,
            reported: (0.0, 0),
            delay_ms: 0.0,
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
        let most = limits::REFUSALS_SAVED_MS / 1_000.0 * self.capacity();
        self.room_ns = (self.room_ns + limits::REFUSALS_SHARE * work).min(most);
        work
    }

    /// Takes work in.
    #[inline]
    pub(super) fn admit(&mut self, cost_ns: u64) {
        self.backlog_ns += real(cost_ns);
    }

    /// Takes in what it costs to turn somebody away, up to a share of the capacity: however many
    /// are refused, there is room for who is served, and a flood leaves no debt. If refusals are
    /// more than the machine can do beside that, the measured delay says so.
    #[inline]
    pub(super) fn take_refusal(&mut self, cost_ns: u64) {
        let taken = real(cost_ns).min(self.room_ns);
        self.room_ns -= taken;
        self.backlog_ns += taken;
    }

    /// Corrects what was taken in for what it turned out to be.
    pub(super) fn correct(&mut self, estimate_ns: u64, cost_ns: u64) {
        self.backlog_ns = (self.backlog_ns + real(cost_ns) - real(estimate_ns)).max(0.0);
    }

    /// How long the work in hand takes, in ms.
    #[inline]
    pub(super) fn depth_ms(&self) -> f64 {
        self.backlog_ns / NS_PER_MS * US * 1_000.0 / self.capacity()
    }

    /// Hears how long a piece of admitted work waited before it ran.
    pub(super) fn hear(&mut self, delay_us: u64) {
        self.reported.0 += real(delay_us) / 1_000.0;
        self.reported.1 = self.reported.1.saturating_add(1);
    }

    /// Mean delay of the last turn, in ms.
    pub(super) fn delay_ms(&self) -> f64 {
        self.delay_ms
    }

    /// One turn of the controller.
    pub(super) fn turn(&mut self, pressed: bool) {
        let (sum, count) = std::mem::take(&mut self.reported);
        if count > 0 {
            self.delay_ms = sum / f64::from(count);
        } else if !pressed {
            self.delay_ms = 0.0;
        }
        // Nothing heard is no evidence for anything.
        if !pressed || count == 0 {
            self.trim += (1.0 - self.trim) * 0.02;
            self.error = 0.0;
            return;
        }
        let target = limits::DELAY_TARGET_MS;
        let error = ((target - self.delay_ms) / target).clamp(-limits::ERROR_MAX, 1.0);
        let seconds = real(limits::TURN_US) / US;
        let step = limits::GAIN_PROPORTIONAL * (error - self.error)
            + limits::GAIN_INTEGRAL * error * seconds;
        self.trim = (self.trim * step.exp()).clamp(limits::TRIM.0, limits::TRIM.1);
        self.error = error;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    #[test]
    fn work_drains_at_the_capacity() {
        let mut flow = Flow::new(SECOND_NS, 0);
        flow.admit(20_000_000);
        assert!((flow.depth_ms() - 20.0).abs() < 1e-6);
        flow.drain(15_000);
        assert!((flow.depth_ms() - 5.0).abs() < 1e-6);
        flow.correct(1_000_000, 3_000_000);
        assert!((flow.depth_ms() - 7.0).abs() < 1e-6);
        flow.drain(1_000_000);
        assert!(flow.depth_ms() < 1e-6);
        flow.drain(500_000);
        assert!(flow.depth_ms() < 1e-6, "a clock that goes back is ignored");
    }

    #[test]
    fn however_many_are_refused_there_is_room_for_who_is_served() {
        let mut flow = Flow::new(SECOND_NS, 0);
        // Ten times what the machine does, for ten seconds.
        for ms in 1..=10_000 {
            flow.drain(ms * 1_000);
            (0..1_000).for_each(|_| flow.take_refusal(10_000));
            assert!(flow.depth_ms() < limits::DEPTH_SPARE_MS, "{ms}: {}", flow.depth_ms());
        }
        // And who is served still waits for what is taken in beside.
        flow.admit(10_000_000);
        for ms in 10_001..=10_010 {
            flow.drain(ms * 1_000);
            (0..1_000).for_each(|_| flow.take_refusal(10_000));
        }
        assert!((flow.depth_ms() - 5.5).abs() < 0.6, "{}", flow.depth_ms());
    }

    /// A machine of another speed than stated, under as much work as the flow lets it have.
    #[track_caller]
    fn settles(speed: f64) {
        let mut flow = Flow::new(SECOND_NS, 0);
        let (mut waiting_ms, mut trims) = (0.0_f64, Vec::new());
        for turn in 1..=1_200_u64 {
            let admitted = flow.capacity() * 0.1 / NS_PER_MS;
            waiting_ms = (waiting_ms + admitted / speed - 100.0).max(0.0);
            flow.hear(crate::decide::number::whole(waiting_ms * 1_000.0));
            flow.turn(true);
            flow.drain(turn * limits::TURN_US);
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
        (0..100).for_each(|_| {
            flow.hear(100_000);
            flow.turn(true);
        });
        assert!(flow.trim() < 0.7);
        (0..400).for_each(|_| flow.turn(false));
        assert!(flow.trim() > 0.99);
    }
}
