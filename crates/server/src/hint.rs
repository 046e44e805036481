//! What a host can do about what the system refused: the kernel says what, these say what next.
//! Leaves to each command when to ask.

use model::StoreError;
use std::{
    io::{self, ErrorKind},
    net::{IpAddr, SocketAddr},
    path::Path,
};
use store::OpenError;

/// Whose the data of the packaged service is.
const OTHER_USER: &str = "this user may not: be the one it belongs to (of the packaged service: \
    `sudo -u fulmar fulmar ...`)";

/// Why nothing listens on an address.
pub(crate) fn listening(address: SocketAddr, error: &io::Error) -> anyhow::Error {
    let next = match error.kind() {
        ErrorKind::AddrInUse => {
            "another program listens there already (`ss -ltnp` shows which): stop it, or choose \
             another port with --listen or in the configuration"
        }
        ErrorKind::PermissionDenied => {
            "ports below 1024 need a right that this process lacks: choose one from 1024 up, or \
             start the packaged service, which has it"
        }
        ErrorKind::AddrNotAvailable => {
            "this machine has no such address: 0.0.0.0 or [::] stands for all that it has"
        }
        _ => return anyhow::anyhow!("cannot listen on {address}: {error}"),
    };
    anyhow::anyhow!("cannot listen on {address}: {next} ({error})")
}

/// Reads an address to listen on; where it is none, says what to write.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let port = text.strip_prefix(':').unwrap_or(text).parse::<u16>();
        match (port, text.parse::<IpAddr>(), text.rsplit_once(':')) {
            (Ok(port), ..) => format!(
                "write an address before the port: 127.0.0.1:{port} for this machine alone, \
                 0.0.0.0:{port} for every network that it is in"
            ),
            (_, Ok(address), _) => {
                format!("write a port after it, like {}", SocketAddr::new(address, 8080))
            }
            (_, _, Some(("localhost", port))) => format!("write it as 127.0.0.1:{port}"),
            _ => "write an address in numbers and a port, like 127.0.0.1:8080 or [::]:443".into(),
        }
    })
}

/// Why something could not be done to a file or folder. `doing`: "read the configuration".
pub(crate) fn reaching(doing: &str, path: &Path, error: &io::Error) -> anyhow::Error {
    let next = match error.kind() {
        ErrorKind::PermissionDenied => OTHER_USER,
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            "there is a file where a folder is wanted: name another place"
        }
        ErrorKind::IsADirectory => "it is a folder: name a file in it",
        ErrorKind::ReadOnlyFilesystem => {
            "that disk is mounted read-only: name another place (for the packaged service: \
             `systemctl edit fulmar`, ReadWritePaths=)"
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "no space is left: make room first",
        ErrorKind::NotFound => "there is no such file or folder: look at how it is written",
        _ => return anyhow::anyhow!("cannot {doing} {}: {error}", path.display()),
    };
    anyhow::anyhow!("cannot {doing} {}: {next} ({error})", path.display())
}

/// Why a database could not be opened.
pub(crate) fn opening(error: OpenError) -> anyhow::Error {
    let next = match &error {
        OpenError::Store(StoreError::Full) => "Make room on its disk first",
        OpenError::Store(StoreError::Away { .. } | StoreError::Unsettled { .. }) => {
            "Perhaps another program works on it: try again"
        }
        OpenError::Store(_) => {
            "Is this the version of Fulmar that wrote it? `fulmar doctor` looks closer; one that \
             is damaged comes back by `fulmar restore BACKUP --force`"
        }
        // They say so themselves.
        _ => return anyhow::Error::new(error).context("cannot open the database"),
    };
    anyhow::anyhow!("cannot open the database: {error}. {next}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_writes_half_an_address_is_told_the_other_half() {
        for (text, words) in [
            ("8080", "127.0.0.1:8080 for this machine alone"),
            (":8080", "0.0.0.0:8080 for every network"),
            ("10.0.0.7", "like 10.0.0.7:8080"),
            ("::1", "like [::1]:8080"),
            ("localhost:8080", "127.0.0.1:8080"),
            ("harbour.example:8080", "in numbers"),
            ("127.0.0.1:80800", "in numbers"),
            ("", "in numbers"),
        ] {
            let said = address(text).unwrap_err();
            assert!(said.contains(words), "{text}: {said}");
        }
        assert_eq!(address("[::1]:0").unwrap(), "[::1]:0".parse().unwrap());
    }

    #[test]
    fn what_the_system_says_is_kept_and_what_to_do_is_added() {
        let address = "127.0.0.1:80".parse().unwrap();
        for (number, words) in [
            (libc::EADDRINUSE, "another port"),
            (libc::EACCES, "1024"),
            (libc::EADDRNOTAVAIL, "0.0.0.0"),
        ] {
            let said = listening(address, &io::Error::from_raw_os_error(number)).to_string();
            assert!(said.contains(words) && said.contains(&format!("os error {number}")), "{said}");
        }
        for (number, words) in [
            (libc::EACCES, "sudo -u fulmar"),
            (libc::ENOTDIR, "a file where a folder"),
            (libc::EISDIR, "a folder: name a file"),
            (libc::EROFS, "ReadWritePaths"),
            (libc::ENOSPC, "make room"),
            (libc::ENOENT, "how it is written"),
            (libc::EIO, "cannot read /x: "),
        ] {
            let error = io::Error::from_raw_os_error(number);
            let said = reaching("read", Path::new("/x"), &error).to_string();
            assert!(said.contains(words) && said.contains(&format!("os error {number}")), "{said}");
        }
    }
}
