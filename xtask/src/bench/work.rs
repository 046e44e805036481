//! How long a process has worked, as the system counts it. Where the load is what ends first, a
//! rate is the load's: what the server would do is told by what each request takes of its core.

use anyhow::{Context, Result, ensure};

use crate::ground;

/// A process that is measured, with those that it started.
pub struct Process(pub u32);

/// What was done, in what time, and how long the server's core worked for it.
#[derive(Clone, Copy)]
pub struct Done {
    count: f64,
    took_s: f64,
    worked_s: f64,
}

impl Process {
    /// Seconds that it has worked, all threads together.
    fn worked_s(&self) -> Result<f64> {
        ground::family(self.0).into_iter().map(worked_s).sum()
    }

    /// Has `act` do something to it; how often that was done, `act` says.
    ///
    /// # Errors
    /// What `act` gives, and when nothing was done.
    pub fn during(&self, act: impl FnOnce() -> Result<u64>) -> Result<Done> {
        let (before_s, start) = (self.worked_s()?, ground::now());
        let count = act()?;
        let took_s = start.elapsed().as_secs_f64();
        let worked_s = self.worked_s()? - before_s;
        ensure!(count > 0 && worked_s > 0.0, "{count} were done in {worked_s} s of work");
        #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
        Ok(Done { count: count as f64, took_s, worked_s })
    }
}

impl Done {
    /// For each second of work.
    pub fn per_s(self) -> f64 {
        self.count / self.worked_s
    }
}

/// What some turns showed together.
#[derive(Default, Clone, Copy)]
pub struct Total(Option<Done>);

impl Total {
    /// Adds a turn.
    pub fn add(&mut self, done: Done) {
        let before = self.0.unwrap_or(Done { count: 0.0, took_s: 0.0, worked_s: 0.0 });
        self.0 = Some(Done {
            count: before.count + done.count,
            took_s: before.took_s + done.took_s,
            worked_s: before.worked_s + done.worked_s,
        });
    }

    /// How often it was done.
    pub fn count(self) -> f64 {
        self.0.map_or(0.0, |done| done.count)
    }

    /// The rate as it was, and how busy the core.
    pub fn say(self, who: &str) {
        let Some(Done { count, took_s, worked_s }) = self.0 else { return };
        let (rate, busy) = (count / took_s, 100.0 * worked_s / took_s);
        let us = 1e6 * worked_s / count;
        println!("  {who}: {rate:.0}/s, its core busy for {busy:.0} %, {us:.2} us each");
    }
}

/// Seconds that one process has worked.
#[expect(unsafe_code, reason = "std has no call for it")]
fn worked_s(process: u32) -> Result<f64> {
    let process = libc::pid_t::try_from(process)?;
    let mut clock: libc::clockid_t = 0;
    // SAFETY: the call writes one number, where it is told to.
    let known = unsafe { libc::clock_getcpuclockid(process, &raw mut clock) } == 0;
    ensure!(known, "process {process} is gone");
    // SAFETY: a `timespec` of zeros is a time, and the call writes another in its place.
    let (done, time) = unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        (libc::clock_gettime(clock, &raw mut time), time)
    };
    let seconds = u64::try_from(time.tv_sec).ok().filter(|_| done == 0).context("its clock")?;
    let rest = std::time::Duration::from_nanos(u64::try_from(time.tv_nsec)?);
    Ok((std::time::Duration::from_secs(seconds) + rest).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_counted() {
        let me = Process(std::process::id());
        let busy = me.during(|| Ok((0..20_000_000_u64).map(std::hint::black_box).sum()));
        assert!(busy.unwrap().worked_s > 0.0);
        assert!(me.during(|| Ok(0)).is_err(), "nothing was done");
    }
}
