//! Receive steering: on loopback the sender's core does most of the work of receiving, so that a
//! server would get for nothing what it pays for on a real link. While a drill runs, packets are
//! received on the server's core, and those for the load's sockets where these are read (receive
//! packet and flow steering, Documentation/networking/scaling.rst). What was set before is put
//! back. Needs root; without it nothing changes, and the report says so.

use std::{fs, path::PathBuf};

use crate::system;

/// Flows that the kernel remembers the reader's core of.
const FLOWS: &str = "32768";

/// What is set, in this order; put back in the other.
const SETTINGS: [(&str, Value); 3] = [
    ("/proc/sys/net/core/rps_sock_flow_entries", Value::Flows),
    ("/sys/class/net/lo/queues/rx-0/rps_flow_cnt", Value::Flows),
    ("/sys/class/net/lo/queues/rx-0/rps_cpus", Value::ServerCore),
];

#[derive(Clone, Copy)]
enum Value {
    Flows,
    ServerCore,
}

impl Value {
    fn text(self) -> String {
        match self {
            Self::Flows => FLOWS.to_owned(),
            Self::ServerCore => format!("{:x}", 1_u64 << system::SERVER_CORE),
        }
    }
}

/// Steering that is on as long as this is held.
pub struct Steered {
    before: Vec<(PathBuf, String)>,
}

/// Switches it on; none where it may not be, or where there are no two cores.
#[must_use]
pub fn steer() -> Option<Steered> {
    if !system::has_two_cores() {
        return None;
    }
    let mut steered = Steered { before: Vec::new() };
    for (path, value) in SETTINGS {
        let before = fs::read_to_string(path).ok()?;
        // What was changed already is put back when `steered` is dropped.
        fs::write(path, value.text()).ok()?;
        steered.before.push((PathBuf::from(path), before.trim().to_owned()));
    }
    Some(steered)
}

impl Drop for Steered {
    fn drop(&mut self) {
        for (path, before) in self.before.iter().rev() {
            let _left = fs::write(path, before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_is_put_back() {
        let folder = std::env::temp_dir().join(format!("drill-steer-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("rps_cpus");
        fs::write(&path, Value::ServerCore.text()).expect("written");
        assert_eq!(fs::read_to_string(&path).expect("read"), "1");
        drop(Steered { before: vec![(path.clone(), "0".to_owned())] });
        assert_eq!(fs::read_to_string(&path).expect("read"), "0");
        fs::remove_dir_all(folder).expect("removed");
    }
}
