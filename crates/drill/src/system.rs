//! What the drill asks of the operating system: which core who runs on, at which class, and what
//! the server's process takes. The crate's only unsafe code. Linux; elsewhere nothing is pinned,
//! and the report says so.

use std::{
    io,
    os::{fd::AsRawFd, unix::process::CommandExt as _},
    process::Command,
    time::Duration,
};

/// The core that the server runs on.
pub const SERVER_CORE: usize = 0;
/// The core that all load comes from.
pub const LOAD_CORE: usize = 1;

/// Whether there are two cores to keep apart.
#[must_use]
pub fn has_two_cores() -> bool {
    std::thread::available_parallelism().is_ok_and(|cores| cores.get() > LOAD_CORE)
}

/// Confines a command before it starts: to the server's core where there are two, to so many open
/// files, and so that it ends when the drill does, however that happens.
#[expect(unsafe_code, reason = "what a child is held to is set between fork and exec")]
pub fn confine(command: &mut Command, files: Option<u64>) {
    let pins = has_two_cores();
    // SAFETY: between fork and exec only plain system calls on memory of this frame are made:
    // nothing is allocated and no lock is taken.
    unsafe {
        command.pre_exec(move || {
            #[cfg(target_os = "linux")]
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                return Err(io::Error::last_os_error());
            }
            if pins {
                pin(SERVER_CORE)?;
            }
            if let Some(files) = files {
                let bound = libc::rlimit { rlim_cur: files, rlim_max: files };
                if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const bound) != 0 {
                    return Err(io::Error::last_os_error());
                }
            }
            Ok(())
        });
    }
}

/// Gives the calling thread a network of its own, empty and without a way out.
///
/// # Errors
/// Without privilege.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "std has no call for namespaces")]
pub(crate) fn leave_the_network() -> io::Result<()> {
    // SAFETY: a system call on a number.
    let done = unsafe { libc::unshare(libc::CLONE_NEWNET) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Puts the calling thread into a network.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "std has no call for namespaces")]
pub(crate) fn enter_network(network: &impl AsRawFd) -> io::Result<()> {
    // SAFETY: a system call on two numbers.
    let done = unsafe { libc::setns(network.as_raw_fd(), libc::CLONE_NEWNET) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets a command start in a network that stays open until then.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "what a child is held to is set between fork and exec")]
pub(crate) fn start_in(command: &mut Command, network: std::os::fd::RawFd) {
    // SAFETY: between fork and exec only one plain system call on two numbers is made.
    unsafe {
        command.pre_exec(move || match libc::setns(network, libc::CLONE_NEWNET) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
}

/// Keeps the calling thread on the load's core where there are two.
pub(crate) fn load_core_here() {
    if has_two_cores() {
        let _unpinned = pin(LOAD_CORE);
    }
}

/// Keeps the calling thread on the server's core where there are two.
pub(crate) fn server_core_here() {
    if has_two_cores() {
        let _unpinned = pin(SERVER_CORE);
    }
}

/// Lets the calling thread run only when nobody else wants its core.
pub(crate) fn idle_class_here() {
    #[cfg(target_os = "linux")]
    #[expect(unsafe_code, reason = "std has no call for scheduling")]
    // SAFETY: a system call on a struct of this frame; the calling thread is meant by 0.
    unsafe {
        let mut parameters: libc::sched_param = std::mem::zeroed();
        parameters.sched_priority = 0;
        libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameters);
    }
}

#[expect(unsafe_code, reason = "std has no call for affinity")]
fn pin(core: usize) -> io::Result<()> {
    // SAFETY: a `cpu_set_t` of zeros is an empty set, and the kernel reads exactly its size.
    let done = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Raises this process's open files to what it may have, and says how many that is.
#[expect(unsafe_code, reason = "std has no call for the limits of a process")]
#[must_use]
pub fn raise_files(most: u64) -> u64 {
    // SAFETY: both calls read or write one struct of this frame.
    unsafe {
        let mut bound: libc::rlimit = std::mem::zeroed();
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut bound) != 0 {
            return 1_024;
        }
        let wanted = bound.rlim_max.min(most).max(bound.rlim_cur);
        let raised = libc::rlimit { rlim_cur: wanted, rlim_max: bound.rlim_max };
        let done = libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised);
        if done == 0 { wanted } else { bound.rlim_cur }
    }
}

/// Lets the kernel choose a bound socket's port when it connects (IP_BIND_ADDRESS_NO_PORT, ip(7)).
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "neither std nor socket2 has this option")]
pub(crate) fn choose_port_late(socket: &impl AsRawFd) -> io::Result<()> {
    let on: libc::c_int = 1;
    let length = libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap_or(4);
    // SAFETY: the kernel reads one number of this frame, whose length is given.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            length,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Processor time that the calling thread has used.
#[must_use]
pub(crate) fn thread_time() -> Duration {
    clock_time(libc::CLOCK_THREAD_CPUTIME_ID)
}

#[expect(unsafe_code, reason = "std has no clock of processor time")]
fn clock_time(clock: libc::clockid_t) -> Duration {
    // SAFETY: the call writes one struct of this frame.
    let time = unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        if libc::clock_gettime(clock, &raw mut time) != 0 {
            return Duration::ZERO;
        }
        time
    };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The process that is attacked, looked at from outside.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    id: u32,
}

/// What `/proc/net/tcp` and `/proc/net/tcp6` say of a socket that listens.
const LISTENING: &str = "0A";

impl Process {
    /// The one that listens on a port of this machine; none where it cannot be found.
    #[must_use]
    pub fn listening_on(port: u16) -> Option<Self> {
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(std::fs::read_to_string);
        let wanted = format!(":{port:04X}");
        let inode = tables.iter().flatten().flat_map(|table| table.lines()).find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [_, local, _, state, _, _, _, _, _, inode, ..] = fields.as_slice() else {
                return None;
            };
            (local.ends_with(&wanted) && *state == LISTENING).then(|| format!("socket:[{inode}]"))
        })?;
        let ids = std::fs::read_dir("/proc").ok()?.flatten();
        let ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let holds = |id: &u32| {
            let files = std::fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten().flatten();
            let mut links = files.filter_map(|file| std::fs::read_link(file.path()).ok());
            links.any(|link| link.as_os_str() == inode.as_str())
        };
        ids.into_iter().find(holds).map(Self::new)
    }

    /// By its number.
    #[must_use]
    pub const fn new(id: u32) -> Self {
        Self { id }
    }

    fn status_kib(self, field: &str) -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.id)).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(field))?;
        line.split_whitespace().next()?.parse().ok()
    }

    /// Makes all its threads so nice, and with them those that they start later. It cannot be taken
    /// back without privilege.
    pub(crate) fn renice(self, nice: i32) {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.id));
        for task in tasks.into_iter().flatten().flatten() {
            let id = task.file_name().to_str().and_then(|name| name.parse::<libc::id_t>().ok());
            if let Some(id) = id {
                #[expect(unsafe_code, reason = "std has no call for scheduling")]
                // SAFETY: a system call on three numbers.
                unsafe {
                    libc::setpriority(libc::PRIO_PROCESS, id, nice);
                }
            }
        }
    }

    /// Asks it to end by itself (SIGTERM), so that it saves what it has to save.
    pub fn ask_to_end(self) {
        if let Ok(id) = libc::pid_t::try_from(self.id) {
            #[expect(unsafe_code, reason = "std only kills")]
            // SAFETY: a system call on two numbers.
            unsafe {
                libc::kill(id, libc::SIGTERM);
            }
        }
    }

    /// Resident memory in bytes; none where the process is gone.
    #[must_use]
    pub fn resident_bytes(self) -> Option<u64> {
        self.status_kib("VmRSS:").map(|kib| kib * 1_024)
    }

    /// The most that it ever was.
    #[must_use]
    pub fn peak_bytes(self) -> Option<u64> {
        self.status_kib("VmHWM:").map(|kib| kib * 1_024)
    }

    /// Open files.
    #[must_use]
    pub fn open_files(self) -> Option<usize> {
        std::fs::read_dir(format!("/proc/{}/fd", self.id)).ok().map(Iterator::count)
    }

    /// Processor time of all its threads, those that have ended too.
    #[must_use]
    pub fn time(self) -> Duration {
        let Ok(id) = libc::pid_t::try_from(self.id) else { return Duration::ZERO };
        let mut clock: libc::clockid_t = 0;
        #[expect(unsafe_code, reason = "std has no clock of another process")]
        // SAFETY: the call writes one number of this frame.
        let done = unsafe { libc::clock_getcpuclockid(id, &raw mut clock) };
        if done == 0 { clock_time(clock) } else { Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_seen_from_outside_and_one_that_is_gone_is_not() {
        let own = Process::new(std::process::id());
        assert!(own.resident_bytes().is_some_and(|bytes| bytes > 100_000));
        assert!(own.peak_bytes() >= own.resident_bytes());
        assert!(own.open_files().is_some_and(|files| files > 2));
        assert!(own.time() > Duration::ZERO);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        assert_eq!(Process::listening_on(port).map(|found| found.id), Some(own.id));
        // Linux gives no process a number above 2^22.
        let gone = Process::new((1 << 22) + 5);
        assert_eq!((gone.resident_bytes(), gone.open_files()), (None, None));
        assert_eq!(gone.time(), Duration::ZERO);
    }
}
