//! Out of files: the accept loop neither ends nor spins, and serves again once there are some.
//! The limit is a process's own, so the test runs itself again in a child with a small one.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::Command;

use shield::edge::open_files_max;

use crate::stand::{Stand, in_time, lasting, poll};

const NAME: &str = "files::out_of_files_the_edge_waits_and_goes_on";
const FILES: u64 = 128;

#[test]
fn out_of_files_the_edge_waits_and_goes_on() {
    if open_files_max().expect("a limit") as u64 <= FILES {
        return starve();
    }
    let mut child = Command::new(std::env::current_exe().expect("this binary"));
    child.args([NAME, "--exact", "--nocapture"]);
    // SAFETY: setrlimit is async-signal-safe, and nothing else runs between fork and exec.
    unsafe {
        child.pre_exec(|| {
            let limit = libc::rlimit { rlim_cur: FILES, rlim_max: FILES };
            match libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        });
    }
    let outcome = child.output().expect("the child ran");
    let text = String::from_utf8_lossy(&outcome.stdout).into_owned();
    assert!(outcome.status.success() && text.contains("1 passed"), "{text}");
}

fn starve() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let stand = Stand::new(lasting());
        let mut waiting = Vec::new();
        for _ in 0..8 {
            waiting.push(stand.dial().await);
        }
        poll("all sit", || stand.stats.open() == 8).await;
        let mut hoard: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        // The kernel completes the handshake; what is missing is a file for our end.
        hoard.pop();
        let mut late = stand.dial().await;
        poll("the kernel refused", || stand.stats.accept_failed() >= 1).await;
        // Room is made at the cost of those who keep us waiting, without spinning.
        late.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        in_time("served", late.until("hello")).await;
        assert!(stand.stats.accept_failed() < 50, "{}", stand.stats.accept_failed());
        drop(hoard);
        stand.serves().await;
    });
}
